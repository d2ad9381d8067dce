"""decayed_mean: decayed total over decayed weights."""

from fractions import Fraction

from tests.conformance.aggregates.decayed_sum import AGES, LATE, total
from tests.conformance.answers import Answers


def mean(names: str, ages: dict[str, tuple[str, int]] = AGES) -> float:
    return total(names, ages) / float(sum(Fraction(1, 2 ** ages[name][1]) for name in names))


ANSWERS = Answers(
    "amount",
    window=mean("bce"),
    hour=mean("e"),
    delay=mean("abc"),
    hop=mean("abce"),
    current=mean("bceg"),
    where=mean("ce"),
    lifetime=mean("abce"),
    late=mean("cdefg", LATE),
    params={"half_life": "10m"},
)
