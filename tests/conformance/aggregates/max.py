"""max: the largest amount."""

from tests.conformance.answers import Answers

ANSWERS = Answers(
    "amount", window=30.25, hour=30.25, delay=20.0, hop=30.25, current=30.25, where=30.25, lifetime=30.25, late=30.25
)
