"""nunique: distinct shops."""

from tests.conformance.answers import Answers

ANSWERS = Answers("shop", window=2, hour=1, delay=2, hop=2, current=2, where=1, lifetime=2, late=3)
