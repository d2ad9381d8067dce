"""last_n: the two newest amounts that are there."""

from decimal import Decimal

from tests.conformance.answers import Answers


def of(*amounts: str) -> list[Decimal]:
    return [Decimal(amount) for amount in amounts]


ANSWERS = Answers(
    "amount",
    window=of("30.25", "20.00"),
    hour=of("30.25"),
    delay=of("20.00", "12.50"),
    hop=of("30.25", "20.00"),
    current=of("9.99", "30.25"),
    where=of("30.25", "20.00"),
    lifetime=of("30.25", "20.00"),
    late=of("9.99", "7.00"),
    params={"n": 2},
)
