"""count: rows, with a value or without."""

from tests.conformance.answers import Answers

ANSWERS = Answers(None, window=4, hour=1, delay=3, hop=5, current=5, where=2, lifetime=5, late=6, nulls=1, empty=0)
