"""Elementary functions of our own: the same bits in every path, on every machine, compiled or not.

Only IEEE additions, multiplications and divisions are used, in a fixed order. Errors are below 1e-15 relative.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from headrace.kernel.typing import Floats

_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_LN2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476


def exp_small_plain(x: float) -> float:
    """exp(x) for |x| <= 0.35 by its Taylor series, in Horner's order."""
    total = 1.0
    for n in range(16, 0, -1):
        total = 1.0 + total * x / n
    return total


exp_small = njit(exp_small_plain)


@njit
def exp2_fraction(f: float) -> float:
    """2**f for 0 <= f < 1."""
    if f > 0.5:
        return 2.0 * exp_small((f - 1.0) * _LN2)
    return exp_small(f * _LN2)


@njit
def exp(x: float) -> float:
    """e**x; infinity where it is beyond float64, 0 where it is below."""
    if x > 709.8:
        return math.inf
    if x < -745.2:
        return 0.0
    k = math.floor(x / _LN2 + 0.5)
    rest = (x - k * _LN2_HIGH) - k * _LN2_LOW
    return math.ldexp(exp_small(rest), int(k))


@njit
def ln(x: float) -> float:
    """Natural logarithm of x > 0, from 2 * artanh((m - 1) / (m + 1)) of the mantissa."""
    mantissa, exponent = math.frexp(x)
    if mantissa < _SQRT_HALF:
        mantissa *= 2.0
        exponent -= 1
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    total = 0.0
    for n in range(23, 0, -2):
        total = total * square + 1.0 / n
    series = 2.0 * s * total
    return exponent * _LN2_HIGH + (series + exponent * _LN2_LOW)


@njit
def power(x: float, y: float) -> float:
    """x**y: by squaring where y is whole and at most 1024 in size, else exp(y * ln(x)); nan where it is not real."""
    if y == math.floor(y) and abs(y) <= 1024.0:
        result, base, n = 1.0, x, int(abs(y))
        while n > 0:
            if n & 1:
                result *= base
            base *= base
            n >>= 1
        return 1.0 / result if y < 0.0 and result != 0.0 else (result if y >= 0.0 else math.nan)
    if x < 0.0:
        return math.nan
    if x == 0.0:
        return 0.0 if y > 0.0 else math.nan
    return exp(y * ln(x))


@njit(cache=True)
def ln_each(values: Floats) -> Floats:
    out = np.full(len(values), np.nan)
    for i in range(len(values)):
        if values[i] > 0.0:
            out[i] = ln(values[i])
    return out


@njit(cache=True)
def exp_each(values: Floats) -> Floats:
    out = np.empty(len(values))
    for i in range(len(values)):
        out[i] = exp(values[i])
    return out


@njit(cache=True)
def power_each(bases: Floats, exponents: Floats) -> Floats:
    out = np.empty(len(bases))
    for i in range(len(bases)):
        out[i] = power(bases[i], exponents[i])
    return out
