"""decayed_sum: all sales lie whole half-lives of ten minutes before the row, so weights are exact powers of two."""

from fractions import Fraction

from tests.conformance.answers import Answers

AGES = {"a": ("8.00", 45), "b": ("12.50", 36), "c": ("20.00", 22), "e": ("30.25", 5), "g": ("9.99", 0)}
LATE = {"c": ("20.00", 31), "d": ("5.00", 23), "e": ("30.25", 14), "f": ("7.00", 9), "g": ("9.99", 9)}


def total(names: str, ages: dict[str, tuple[str, int]] = AGES) -> float:
    return float(sum(Fraction(ages[name][0]) / 2 ** ages[name][1] for name in names))


ANSWERS = Answers(
    "amount",
    window=total("bce"),
    hour=total("e"),
    delay=total("abc"),
    hop=total("abce"),
    current=total("bceg"),
    where=total("ce"),
    lifetime=total("abce"),
    late=total("cdefg", LATE),
    params={"half_life": "10m"},
)
