"""Exact totals: integers wider than a word, kept in 32-bit pieces, and rounded once at the end.

A total is ``high * 2**32 + low`` of two int64 that are added to independently, so that adding, removing and merging
are plain integer additions and no order can change a bit. Up to 2**31 values fit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from headrace.kernel.doubled import from_bits, pair, rounded_quotient
from headrace.kernel.typing import Ints

LIMB = 32
MASK = 0xFFFFFFFF
SAFE = 1 << 53
WORD = 2.0**LIMB
LIMBS = 18


@njit
def low_part(value: int) -> int:
    return value & MASK


@njit
def high_part(value: int) -> int:
    return value >> LIMB


@njit
def narrow(value: int) -> bool:
    """Whether a whole number is a float64 without rounding."""
    return -SAFE <= value <= SAFE


@njit
def power2(exponent: int) -> float:
    """2**exponent, for exponents that float64 has: from -1022 to 1023."""
    return from_bits((exponent + 1023) << 52)


@njit
def power10(digits: int) -> int:
    power = 1
    for _ in range(digits):
        power *= 10
    return power


@njit
def load(limbs: Ints, high: int, low: int) -> int:
    """Write |high * 2**32 + low| into limbs (each below 2**32, least first) and return the sign."""
    limbs[:] = 0
    high += low >> LIMB
    low &= MASK
    sign = 1
    if high < 0:
        sign = -1
        high = -high
        if low > 0:
            high -= 1
            low = (MASK + 1) - low
    limbs[0] = low
    limbs[1] = high & MASK
    limbs[2] = (high >> LIMB) & MASK
    return sign


@njit
def add_shifted(limbs: Ints, high: int, low: int, shift: int) -> None:
    """Add a total that is not negative to limbs, ``shift`` limbs up."""
    carry = low
    limbs[shift] += carry & MASK
    carry = (carry >> LIMB) + high + (limbs[shift] >> LIMB)
    limbs[shift] &= MASK
    position = shift + 1
    while carry != 0:
        carry += limbs[position]
        limbs[position] = carry & MASK
        carry >>= LIMB
        position += 1


@njit
def multiply(limbs: Ints, used: int, factor: int) -> None:
    """Multiply the lowest ``used`` limbs by a factor below 2**31; the product must fit into them."""
    carry = np.int64(0)
    for position in range(used):
        carry += limbs[position] * factor
        limbs[position] = carry & MASK
        carry >>= LIMB


@njit
def square(limbs: Ints, out: Ints) -> None:
    """Write the square of the three lowest limbs into out."""
    out[:] = 0
    for i in range(3):
        carry = np.uint64(0)
        for j in range(3):
            product = np.uint64(limbs[i]) * np.uint64(limbs[j]) + np.uint64(out[i + j]) + carry
            out[i + j] = np.int64(product & np.uint64(0xFFFFFFFF))
            carry = product >> np.uint64(LIMB)
        out[i + 3] += np.int64(carry)


@njit
def subtract(limbs: Ints, used: int, other: Ints) -> None:
    """Subtract a number that is not larger; both fit into ``used`` limbs."""
    borrow = np.int64(0)
    for position in range(used):
        difference = limbs[position] - other[position] + borrow
        limbs[position] = difference & MASK
        borrow = difference >> LIMB


@njit
def divide(limbs: Ints, used: int, divisor: int) -> bool:
    """Divide the lowest ``used`` limbs by a divisor below 2**31; return whether something was left over."""
    rest = np.int64(0)
    for position in range(used - 1, -1, -1):
        current = (rest << LIMB) | limbs[position]
        # rest < 2**31, so current is below 2**63
        limbs[position] = current // divisor
        rest = current - limbs[position] * divisor
    return rest != 0


@njit
def shift_up(limbs: Ints, used: int, by: int) -> None:
    """Move the lowest ``used`` limbs up by whole limbs."""
    for position in range(used - 1, -1, -1):
        limbs[position + by] = limbs[position]
    for position in range(by):
        limbs[position] = 0


@njit
def to_float(limbs: Ints, used: int, left_over: bool, exponent: int) -> float:
    """Return limbs * 2**exponent as the nearest float64, ties to even; ``left_over`` tells of a fraction below."""
    top = used - 1
    while top >= 0 and limbs[top] == 0:
        top -= 1
    if top < 0:
        return 0.0
    # 64 leading bits, the first of them set, in ``mantissa``
    mantissa = np.uint64(limbs[top]) << np.uint64(32)
    if top >= 1:
        mantissa |= np.uint64(limbs[top - 1])
    rest = np.uint64(limbs[top - 2]) if top >= 2 else np.uint64(0)
    empty = 0
    while mantissa >> np.uint64(63) == np.uint64(0):
        mantissa = (mantissa << np.uint64(1)) | (rest >> np.uint64(31))
        rest = (rest << np.uint64(1)) & np.uint64(0xFFFFFFFF)
        empty += 1
    sticky = left_over or rest != np.uint64(0)
    for position in range(top - 2):
        sticky = sticky or limbs[position] != 0
    kept = mantissa >> np.uint64(11)
    dropped = mantissa & np.uint64(0x7FF)
    half = np.uint64(0x400)
    if dropped > half or (dropped == half and (sticky or kept & np.uint64(1) == np.uint64(1))):
        kept += np.uint64(1)
    return math.ldexp(float(np.int64(kept)), (top - 1) * 32 - empty + 11 + exponent)


@njit
def total_over(high: int, low: int, count: int, digits: int, exponent: int) -> float:
    """Return (high * 2**32 + low) * 2**exponent / (count * 10**digits), rounded once.

    ``count`` is below 2**31 and ``digits`` at most 18.
    """
    if narrow(high) and narrow(low):
        total = pair(float(high) * WORD, float(low))
        if count == 1 and digits == 0:
            return total[0] * power2(exponent)
        divisor = float(count) * float(power10(digits))
        if divisor <= SAFE:
            quotient = rounded_quotient(total, 0.0, divisor)
            if not math.isnan(quotient):
                return quotient * power2(exponent)
    return _total_by_limbs(high, low, count, digits, exponent)


@njit
def _total_by_limbs(high: int, low: int, count: int, digits: int, exponent: int) -> float:
    limbs = np.zeros(LIMBS, dtype=np.int64)
    sign = load(limbs, high, low)
    by = 3 + (digits + 8) // 9
    shift_up(limbs, 3, by)
    used = 3 + by
    left_over = divide(limbs, used, count) if count > 1 else False
    while digits > 0:
        step = min(digits, 9)
        left_over = divide(limbs, used, power10(step)) or left_over
        digits -= step
    return sign * to_float(limbs, used, left_over, exponent - 32 * by)
