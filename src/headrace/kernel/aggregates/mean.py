"""mean: exact total over the number of values, rounded once."""

from dataclasses import replace
from fractions import Fraction

from headrace.kernel.aggregate import Plain, rounded, whole
from headrace.kernel.aggregates import sum as total
from headrace.kernel.exact import total_over
from headrace.kernel.typing import Floats, Ints


def plain(events: Plain, moment: int, setting: Ints) -> float | None:
    if not events:
        return None
    return rounded(Fraction(sum(whole(value, setting) for _, value in events), len(events)), setting)


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    if state[0] == 0:
        return 0
    floats[0] = total_over(state[1], state[2], state[0], setting[0], setting[1])
    return 1


AGGREGATE = replace(total.AGGREGATE, name="mean", plain=plain, finalize=finalize)
