"""Pairs of floats: sums, products and quotients to twice the digits of float64, with a bound on what is lost.

They are the fast way to a number that is rounded once: where all numbers within the bound round to the same float64,
that is the answer; where they do not, the caller computes with whole numbers. The result is the same either way.

Sources: Dekker, A floating-point technique for extending the available precision (Numer. Math. 18, 1971); Ziv, Fast
evaluation of elementary mathematical functions with correctly rounded last bit (ACM TOMS 17, 1991).
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit, types
from numba.extending import intrinsic

TINY = 2.0**-98
"""What a chain of a dozen operations on pairs loses at most, as a share of the largest number in it."""


@intrinsic
def fused(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """A * b + c, rounded once."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), code


@intrinsic
def from_bits(typing: Any, bits: Any) -> Any:
    """The float64 that an int64 holds."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float64))

    return types.float64(types.int64), code


@intrinsic
def bits_of(typing: Any, value: Any) -> Any:
    """The int64 that holds the bits of a float64."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.int64))

    return types.int64(types.float64), code


@njit
def pair(a: float, b: float) -> tuple[float, float]:
    """A + b, exactly."""
    total = a + b
    rest = total - a
    return total, (a - (total - rest)) + (b - rest)


@njit
def product(a: float, b: float) -> tuple[float, float]:
    """A * b, exactly."""
    high = a * b
    return high, fused(a, b, -high)


@njit
def settled(high: float, low: float) -> tuple[float, float]:
    """High + low, exactly, where high is the larger."""
    total = high + low
    return total, low - (total - high)


@njit
def add(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    high, low = pair(a[0], b[0])
    return settled(high, low + (a[1] + b[1]))


@njit
def times(a: tuple[float, float], b: float) -> tuple[float, float]:
    high, low = product(a[0], b)
    return settled(high, fused(a[1], b, low))


@njit
def squared(a: tuple[float, float]) -> tuple[float, float]:
    high, low = product(a[0], a[0])
    return settled(high, fused(2.0 * a[0], a[1], low))


@njit
def rounded_quotient(a: tuple[float, float], lost: float, divisor: float) -> float:
    """(a +- lost) / divisor as the nearest float64; nan where it could be one of two."""
    first, inverse = a[0] / divisor, 1.0 / divisor
    rest, crumb = pair(fused(-first, divisor, a[0]), a[1])
    second = rest * inverse
    bound = abs(lost * inverse)
    if crumb != 0.0 or fused(-second, divisor, rest) != 0.0:
        bound += abs(second) * 2.0**-50
    # otherwise first + second is the quotient, and even a tie between two numbers is broken as it should be
    result = first + (second + bound)
    if result == first + (second - bound):
        return result
    return math.nan
