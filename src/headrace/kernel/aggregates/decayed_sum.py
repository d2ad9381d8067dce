"""decayed_sum: a total in which an event counts half as much after each half-life.

Forward decay (Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009) made exact: event time is cut into half-lives; within
one, a value is multiplied by 2**f of its fraction f and rounded to a whole number of units; whole numbers are added
up for each half-life, and powers of two between half-lives are exact. Beyond 64 half-lives nothing counts.
"""

from fractions import Fraction
from typing import Any

import numpy as np
from numba import njit

from headrace.kernel.aggregate import EXPONENT, FREE, NUMBERS, Aggregate, Plain, prepare_number, rounded, whole
from headrace.kernel.counter import amount, bump, merge_tables
from headrace.kernel.elementary import exp2_fraction
from headrace.kernel.exact import (
    LIMBS,
    add_shifted,
    divide,
    high_part,
    low_part,
    multiply,
    power10,
    shift_up,
    subtract,
    to_float,
)
from headrace.kernel.typing import Floats, Ints
from headrace.types import FLOAT, Domain, duration_us

BITS = 60
"""Binary digits that a value fills at most: its weight below 2, and a sign, still fit into a word."""
REACH = 64
"""Half-lives after which an event counts nothing."""


def settle(setting: Ints, domain: Domain | None, params: Any) -> None:
    setting[FREE] = duration_us(params["half_life"])
    if domain is not None and domain.type.name != "float":
        # a value that counts one and a half times needs digits below the last of a whole number
        largest = 1 if domain.type.name == "bool" else int(domain.magnitude or 0)
        setting[EXPONENT] = largest.bit_length() - BITS


@njit
def fraction(time: int, half_life: int) -> float:
    """How far a time lies into its half-life, from 0 to 1."""
    return float(time - time // half_life * half_life) / float(half_life)


@njit
def weighed(value: int, time: int, half_life: int) -> np.int64:
    """Units of a value, multiplied by 2**fraction of its time."""
    return np.int64(np.rint(float(value) * exp2_fraction(fraction(time, half_life))))


def plain_units(events: Plain, moment: int, half_life: int, unit_of: Any) -> int:
    """Units at the moment's half-life, times 2**64."""
    now = moment // half_life
    return sum(
        int(weighed(unit_of(value), time, half_life)) << (time // half_life - now + REACH)
        for time, value in events
        if now - time // half_life <= REACH
    )


def plain(events: Plain, moment: int, setting: Ints) -> float | None:
    half_life = int(setting[FREE])
    if not any(moment // half_life - time // half_life <= REACH for time, _ in events):
        return None
    units = plain_units(events, moment, half_life, lambda value: whole(value, setting))
    total = rounded(Fraction(units, 1 << REACH), setting)
    return None if total is None else total / float(exp2_fraction(fraction(moment, half_life)))


@njit
def shift(table: Ints, channel: int, units: int, time: int, half_life: int, sign: int) -> None:
    """Add units to the half-life of a time; a channel has a counter for high and one for low parts."""
    key = (time // half_life) * 8 + channel * 2
    bump(table, key, sign * high_part(units))
    bump(table, key + 1, sign * low_part(units))


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    shift(table, 0, weighed(value, time, setting[2]), time, setting[2], 1)
    shift(table, 2, 1, time, setting[2], 1)


def remove(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    shift(table, 0, weighed(value, time, setting[2]), time, setting[2], -1)
    shift(table, 2, 1, time, setting[2], -1)


def merge(state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    merge_tables(table, other_table)


@njit
def count_at(table: Ints, moment: int, half_life: int) -> int:
    """How many events still count."""
    now, count = moment // half_life, 0
    for back in range(REACH + 1):
        count += amount(table, (now - back) * 8 + 5)
    return count


@njit
def scale_up(limbs: Ints, power: int) -> None:
    while power > 0:
        step = min(power, 30)
        multiply(limbs, LIMBS, 1 << step)
        power -= step


@njit
def total_at(table: Ints, channel: int, moment: int, setting: Ints, positive: Ints, negative: Ints) -> float:
    """Return the total of a channel as it stands at the start of the moment's half-life, rounded once."""
    now, digits, exponent = moment // setting[2], setting[0], setting[1]
    positive[:] = 0
    negative[:] = 0
    pending = 0
    for back in range(REACH + 1):
        key = (now - back) * 8 + channel * 2
        high, low = amount(table, key), amount(table, key + 1)
        if high != 0 or low != 0:
            scale_up(positive, pending)
            scale_up(negative, pending)
            pending = 0
            high += low >> 32
            low &= 0xFFFFFFFF
            if high >= 0:
                add_shifted(positive, high, low, 0)
            else:
                add_shifted(negative, -high - (1 if low > 0 else 0), (0x100000000 - low) if low > 0 else 0, 0)
        pending += 1
    scale_up(positive, pending - 1)
    scale_up(negative, pending - 1)
    sign = 1.0
    if smaller(positive, negative):
        positive, negative = negative, positive
        sign = -1.0
    subtract(positive, LIMBS, negative)
    by = 2 + (digits + 8) // 9
    shift_up(positive, 8, by)
    left_over = False
    while digits > 0:
        step = min(digits, 9)
        left_over = divide(positive, 8 + by, power10(step)) or left_over
        digits -= step
    return sign * to_float(positive, 8 + by, left_over, exponent - REACH - 32 * by)


@njit
def smaller(one: Ints, other: Ints) -> bool:
    for position in range(LIMBS - 1, -1, -1):
        if one[position] != other[position]:
            return one[position] < other[position]
    return False


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    if count_at(table, moment, setting[2]) == 0:
        return 0
    total = total_at(table, 0, moment, setting, state[:LIMBS], state[LIMBS:])
    floats[0] = total / exp2_fraction(fraction(moment, setting[2]))
    return 1


AGGREGATE = Aggregate(
    name="decayed_sum",
    takes=NUMBERS,
    result=lambda domain, params: FLOAT,
    plain=plain,
    prepare=prepare_number,
    update=update,
    remove=remove,
    merge=merge,
    finalize=finalize,
    width=2 * LIMBS,
    table_keys=4,
    needs=("half_life",),
    settle=settle,
    bits=BITS,
    bounded=True,
)
