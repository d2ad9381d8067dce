"""decayed_mean: a mean in which an event weighs half as much after each half-life.

The decayed totals of values and of weights (see ``decayed_sum``) are each exact and rounded once, then divided.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from numba import njit

from headrace.kernel.aggregate import FREE, Plain, rounded, whole
from headrace.kernel.aggregates import decayed_sum
from headrace.kernel.aggregates.decayed_sum import REACH, count_at, plain_units, shift, total_at, weighed
from headrace.kernel.exact import LIMBS
from headrace.kernel.typing import Floats, Ints

WEIGHT = 1 << 60
"""Units of the weight of one event at the start of a half-life."""


def plain(events: Plain, moment: int, setting: Ints) -> float | None:
    half_life = int(setting[FREE])
    weights = plain_units(events, moment, half_life, lambda value: WEIGHT)
    if weights == 0:
        return None
    total = rounded(Fraction(plain_units(events, moment, half_life, lambda v: whole(v, setting)), 1 << REACH), setting)
    return None if total is None else total / float(Fraction(weights, WEIGHT << REACH))


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    decayed_sum_update(state, table, value, time, setting, reals)
    shift(table, 1, weighed(WEIGHT, time, setting[2]), time, setting[2], 1)


def remove(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    decayed_sum_remove(state, table, value, time, setting, reals)
    shift(table, 1, weighed(WEIGHT, time, setting[2]), time, setting[2], -1)


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    if count_at(table, moment, setting[2]) == 0:
        return 0
    total = total_at(table, 0, moment, setting, state[:LIMBS], state[LIMBS:])
    plain_setting = np.zeros(8, dtype=np.int64)
    plain_setting[1] = -60
    plain_setting[2] = setting[2]
    floats[0] = total / total_at(table, 1, moment, plain_setting, state[:LIMBS], state[LIMBS:])
    return 1


decayed_sum_update = njit(decayed_sum.update)
decayed_sum_remove = njit(decayed_sum.remove)

AGGREGATE = replace(
    decayed_sum.AGGREGATE,
    name="decayed_mean",
    plain=plain,
    update=update,
    remove=remove,
    finalize=finalize,
    table_keys=6,
)
