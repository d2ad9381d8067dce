"""var: sample variance from exact totals of values and squares, rounded once."""

import math
from fractions import Fraction

import numpy as np
from numba import njit

from headrace.kernel.aggregate import NUMBERS, Aggregate, Plain, prepare_number, rounded, whole
from headrace.kernel.doubled import TINY, add, pair, rounded_quotient, squared, times
from headrace.kernel.exact import (
    LIMBS,
    SAFE,
    WORD,
    add_shifted,
    divide,
    high_part,
    load,
    low_part,
    multiply,
    power2,
    power10,
    shift_up,
    square,
    subtract,
    to_float,
)
from headrace.kernel.typing import Floats, Ints
from headrace.types import FLOAT

# words: count, total (2), squares (4, each of 32 bits, the highest first)
WIDTH = 7


def plain(events: Plain, moment: int, setting: Ints) -> float | None:
    n = len(events)
    if n < 2:
        return None
    units = [whole(value, setting) for _, value in events]
    mean = Fraction(sum(units), n)
    return rounded(Fraction(sum((unit - mean) ** 2 for unit in units)) / (n - 1), setting * 2)


@njit
def shift_squares(state: Ints, value: int, sign: int) -> None:
    """Add or take away the square of a value below 2**62, in pieces of 32 bits."""
    size = -value if value < 0 else value
    a, b = high_part(size), low_part(size)
    aa, ab = a * a, 2 * a * b
    # b * b can need 64 bits: (b1 * 2**16 + b0)**2 without its top word
    b1, b0 = b >> 16, b & 0xFFFF
    cross = 2 * b1 * b0
    low = ((cross & 0xFFFF) << 16) + b0 * b0
    second = b1 * b1 + (cross >> 16) + (low >> 32) + low_part(ab)
    third = high_part(second) + high_part(ab) + low_part(aa)
    state[3] += sign * (high_part(third) + high_part(aa))
    state[4] += sign * low_part(third)
    state[5] += sign * low_part(second)
    state[6] += sign * low_part(low)


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
    for word in range(WIDTH):
        state[word] += other[word]


@njit
def variance(state: Ints, setting: Ints) -> float:
    """(n * squares - total**2) / (n * (n - 1)) in units of the resolution, rounded once."""
    n, digits, exponent = state[0], 2 * setting[0], 2 * setting[1]
    wide = 0
    for word in range(1, 7):
        wide |= (state[word] + SAFE) >> 54
    divisor = float(n) * float(n - 1)
    if digits > 0:
        divisor *= float(power10(digits)) if digits <= 18 else math.inf
    if wide == 0 and divisor <= SAFE:
        squares = pair(float(state[3]) * WORD**3, float(state[4]) * WORD**2)
        squares = add(squares, pair(float(state[5]) * WORD, float(state[6])))
        most, less = times(squares, float(n)), squared(pair(float(state[1]) * WORD, float(state[2])))
        found = rounded_quotient(add(most, (-less[0], -less[1])), most[0] * TINY, divisor)
        if not math.isnan(found):
            return found * power2(exponent)
    return _variance_by_limbs(n, state[1], state[2], (state[3], state[4], state[5], state[6]), digits, exponent)


@njit
def _variance_by_limbs(n: int, high: int, low: int, parts: tuple[int, ...], digits: int, exponent: int) -> float:
    squares, other = np.zeros((2, LIMBS), dtype=np.int64)
    load(other, high, low)
    square(other, squares)
    other[:3] = 0
    add_shifted(other, parts[2], parts[3], 0)
    add_shifted(other, parts[0], parts[1], 2)
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
    return to_float(other, used, left_over, exponent - 32 * by)


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
    additive=WIDTH,
    bounded=True,
)
