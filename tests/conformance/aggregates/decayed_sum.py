"""decayed_sum: all sales lie whole half-lives of ten minutes before the row, so weights are exact powers of two."""

from collections.abc import Callable, Mapping
from fractions import Fraction

from tests.conformance.answers import Answers

AGES = {"a": ("8.00", 45), "b": ("12.50", 36), "c": ("20.00", 22), "e": ("30.25", 5), "g": ("9.99", 0)}
LATE = {"c": ("20.00", 31), "d": ("5.00", 23), "e": ("30.25", 14), "f": ("7.00", 9), "g": ("9.99", 9)}
Ages = Mapping[str, tuple[str, int]]


def total(names: str, ages: Ages) -> float:
    return float(sum(Fraction(ages[name][0]) / 2 ** ages[name][1] for name in names))


def answers(of: Callable[[str, Ages], float]) -> Answers:
    """What a decayed aggregate answers, from the names of sales and their amounts and ages."""
    return Answers(
        "amount",
        window=of("bce", AGES),
        hour=of("e", AGES),
        delay=of("abc", AGES),
        hop=of("abce", AGES),
        current=of("bceg", AGES),
        where=of("ce", AGES),
        lifetime=of("abce", AGES),
        late=of("cdefg", LATE),
        params={"half_life": "10m"},
    )


ANSWERS = answers(total)
