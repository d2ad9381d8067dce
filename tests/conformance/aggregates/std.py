"""std: the root of the exact variance."""

from math import sqrt

from tests.conformance.aggregates.var import of
from tests.conformance.answers import Answers

ANSWERS = Answers(
    "amount",
    window=sqrt(of("12.50", "20.00", "30.25")),
    hour=None,
    delay=sqrt(of("8.00", "12.50", "20.00")),
    hop=sqrt(of("8.00", "12.50", "20.00", "30.25")),
    current=sqrt(of("12.50", "20.00", "30.25", "9.99")),
    where=sqrt(of("20.00", "30.25")),
    lifetime=sqrt(of("8.00", "12.50", "20.00", "30.25")),
    late=sqrt(of("20.00", "5.00", "30.25", "7.00", "9.99")),
)
