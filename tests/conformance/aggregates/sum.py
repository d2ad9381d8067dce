"""sum: added up by hand."""

from tests.conformance.answers import Answers

ANSWERS = Answers(
    "amount", window=62.75, hour=30.25, delay=40.5, hop=70.75, current=72.74, where=50.25, lifetime=70.75, late=72.24
)
