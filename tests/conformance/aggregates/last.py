"""last: the newest amount; f and g tie, and g was learned after f."""

from tests.conformance.answers import Answers

ANSWERS = Answers(
    "amount", window=30.25, hour=30.25, delay=20.0, hop=30.25, current=9.99, where=30.25, lifetime=30.25, late=9.99
)
