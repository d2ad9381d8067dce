"""var: sample variance from exact totals of values and squares, rounded once."""

import math
from fractions import Fraction

from numba import njit

from headrace.kernel.aggregate import NUMBERS, Aggregate, Plain, prepare_number, rounded, whole
from headrace.kernel.exact import (
    LIMBS,
    SAFE,
    add_shifted,
    divide,
    fits,
    high_part,
    load,
    low_part,
    multiply,
    power10,
    shift_up,
    square,
    subtract,
    to_float,
)
from headrace.kernel.typing import Floats, Ints
from headrace.types import FLOAT

# words: count, total (2), squares of high halves (2), products of halves (2), squares of low halves (2), scratch
WIDTH = 9 + 2 * LIMBS


def plain(events: Plain, moment: int, setting: Ints) -> float | None:
    n = len(events)
    if n < 2:
        return None
    units = [whole(value, setting) for _, value in events]
    mean = Fraction(sum(units), n)
    return rounded(Fraction(sum((unit - mean) ** 2 for unit in units)) / (n - 1), setting * 2)


@njit
def shift_squares(state: Ints, value: int, sign: int) -> None:
    """Add or take away the square of a value below 2**62, as (a * 2**32 + b)**2 in halves."""
    size = -value if value < 0 else value
    a, b = high_part(size), low_part(size)
    aa, ab = a * a, a * b
    state[3] += sign * high_part(aa)
    state[4] += sign * low_part(aa)
    state[5] += sign * high_part(ab)
    state[6] += sign * low_part(ab)
    # b * b can need 64 bits: (b1 * 2**16 + b0)**2 without its top word
    b1, b0 = b >> 16, b & 0xFFFF
    cross = 2 * b1 * b0
    low = ((cross & 0xFFFF) << 16) + b0 * b0
    state[7] += sign * (b1 * b1 + (cross >> 16) + (low >> 32))
    state[8] += sign * (low & 0xFFFFFFFF)


def update(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    state[0] += 1
    state[1] += high_part(value)
    state[2] += low_part(value)
    shift_squares(state, value, 1)


def remove(state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    state[0] -= 1
    state[1] -= high_part(value)
    state[2] -= low_part(value)
    shift_squares(state, value, -1)


def merge(state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    for word in range(9):
        state[word] += other[word]


@njit
def variance(state: Ints, setting: Ints) -> float:
    """(n * squares - total**2) / (n * (n - 1)) in units of the resolution, rounded once."""
    n, digits = state[0], 2 * setting[0]
    small = state[3] == 0 and state[4] == 0 and state[5] == 0 and state[6] == 0
    total = (state[1] << 32) + state[2] if fits(state[1], state[2], 53) else SAFE
    if small and digits <= 4 and abs(total) < 1 << 31 and fits(state[7], state[8], 53) and n < 1 << 9:
        numerator = n * ((state[7] << 32) + state[8]) - total * total
        denominator = n * (n - 1) * power10(digits)
        if numerator < SAFE:
            return math.ldexp(float(numerator) / float(denominator), 2 * setting[1])
    squares, other = state[9 : 9 + LIMBS], state[9 + LIMBS :]
    load(other, state[1], state[2])
    square(other, squares)
    other[:3] = 0
    add_shifted(other, state[7], state[8], 0)
    add_shifted(other, 2 * state[5], 2 * state[6], 1)
    add_shifted(other, state[3], state[4], 2)
    multiply(other, 8, n)
    subtract(other, 8, squares)
    by = 4 + (digits + 8) // 9
    used = 7 + by
    shift_up(other, 7, by)
    if n <= 46_340:
        left_over = divide(other, used, n * (n - 1))
    else:
        left_over = divide(other, used, n)
        left_over = divide(other, used, n - 1) or left_over
    while digits > 0:
        step = min(digits, 9)
        left_over = divide(other, used, power10(step)) or left_over
        digits -= step
    return to_float(other, used, left_over, 2 * setting[1] - 32 * by)


def finalize(state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats) -> int:
    if state[0] < 2:
        return 0
    floats[0] = variance(state, setting)
    return 1


AGGREGATE = Aggregate(
    name="var",
    takes=NUMBERS,
    result=lambda domain, params: FLOAT,
    plain=plain,
    prepare=prepare_number,
    update=update,
    remove=remove,
    merge=merge,
    finalize=finalize,
    width=WIDTH,
    bits=62,
    additive=9,
    bounded=True,
)
