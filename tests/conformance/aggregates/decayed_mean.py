"""decayed_mean: decayed total over decayed weights."""

from fractions import Fraction

from tests.conformance.aggregates.decayed_sum import Ages, answers, total


def mean(names: str, ages: Ages) -> float:
    return total(names, ages) / float(sum(Fraction(1, 2 ** ages[name][1]) for name in names))


ANSWERS = answers(mean)
