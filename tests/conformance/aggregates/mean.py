"""mean: of fractions, rounded once."""

from fractions import Fraction

from tests.conformance.answers import Answers

ANSWERS = Answers(
    "amount",
    window=float(Fraction("62.75") / 3),
    hour=30.25,
    delay=13.5,
    hop=17.6875,
    current=18.185,
    where=25.125,
    lifetime=17.6875,
    late=14.448,
)
