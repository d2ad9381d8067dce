"""first: the oldest amount."""

from tests.conformance.answers import Answers

ANSWERS = Answers(
    "amount", window=12.5, hour=30.25, delay=8.0, hop=8.0, current=12.5, where=20.0, lifetime=8.0, late=20.0
)
