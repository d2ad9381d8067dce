"""Rates of few cases: between which values they lie."""

from __future__ import annotations

from math import sqrt

_Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


def wilson(rate: float, rows: int) -> tuple[float, float]:
    """Return the interval of a rate at 95 % confidence, which holds near 0 and 1 too; of no rows it is all there is.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.

    Args:
        rate: share of the rows of which something is true.
        rows: how many they are.

    Example:
        >>> [round(one, 4) for one in wilson(5 / 50, 50)]
        [0.0435, 0.2136]
    """
    if not rows:
        return 0.0, 1.0
    square = _Z * _Z / rows
    middle = (rate + square / 2) / (1 + square)
    half = _Z / (1 + square) * sqrt(rate * (1 - rate) / rows + square / (4 * rows))
    return 0.0 if rate == 0 else max(0.0, middle - half), 1.0 if rate == 1 else min(1.0, middle + half)
