"""var: from the standard library's exact statistics."""

from fractions import Fraction
from statistics import variance

from tests.conformance.answers import Answers


def of(*amounts: str) -> float:
    return float(variance([Fraction(amount) for amount in amounts]))


ANSWERS = Answers(
    "amount",
    window=of("12.50", "20.00", "30.25"),
    hour=None,  # one value has no sample variance
    delay=of("8.00", "12.50", "20.00"),
    hop=of("8.00", "12.50", "20.00", "30.25"),
    current=of("12.50", "20.00", "30.25", "9.99"),
    where=of("20.00", "30.25"),
    lifetime=of("8.00", "12.50", "20.00", "30.25"),
    late=of("20.00", "5.00", "30.25", "7.00", "9.99"),
)
