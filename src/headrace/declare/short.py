"""Short names of the aggregates: ``hr.sum("amount", "7d")``; the names shadow built-ins only behind ``hr.``."""

from __future__ import annotations

from typing import Unpack

from headrace.declare.window import LIFETIME, How, Window, Windows, aggregate


def count(value: Windows, window: Windows | None = None, **how: Unpack[How]) -> Window:
    """Count rows, ``count("7d")``, or values that are not null, ``count("amount", "7d")``; 0 where there are none.

    Example:
        >>> count("1d").value is None, count("amount", "1d").value
        (True, 'amount')
    """
    if window is None:
        return aggregate("count", None, value, **how)
    return aggregate("count", value if isinstance(value, str) else "", window, **how)


def sum(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Sum of a number over a window, exact: rounded once, from an integer total."""
    return aggregate("sum", value, window, **how)


def mean(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Mean of a number (or share of a condition) over a window, exact: rounded once."""
    return aggregate("mean", value, window, **how)


def min(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Smallest value in a window."""
    return aggregate("min", value, window, **how)


def max(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Largest value in a window."""
    return aggregate("max", value, window, **how)


def var(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Sample variance (n - 1) over a window, from exact totals; null below two values."""
    return aggregate("var", value, window, **how)


def std(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Sample standard deviation: the square root of ``var``."""
    return aggregate("std", value, window, **how)


def first(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Value of the oldest event in a window, null if that is null."""
    return aggregate("first", value, window, **how)


def last(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Value of the newest event in a window, null if that is null."""
    return aggregate("last", value, window, **how)


def last_known(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Newest value in a window that is not null."""
    return aggregate("last_known", value, window, **how)


def nunique(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Number of distinct values in a window, exact."""
    return aggregate("nunique", value, window, **how)


def approx_nunique(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Number of distinct values by HyperLogLog with 1,024 registers: standard error 3.25 %, bounded state."""
    return aggregate("approx_nunique", value, window, **how)


def quantile(value: str, q: float, window: Windows, **how: Unpack[How]) -> Window:
    """Quantile ``q`` (0 to 1) of a number from a mergeable histogram: relative error of the value at most 1/256.

    Source: the lower quantile of Masson, Rim, Lee, DDSketch (VLDB 2019), with buckets cut from the binary form.
    """
    return aggregate("quantile", value, window, **how, q=q)


def top_k(value: str, k: int, window: Windows, **how: Unpack[How]) -> Window:
    """The ``k`` most frequent values in a window, most frequent first; ties in ascending order of the value."""
    return aggregate("top_k", value, window, **how, k=k)


def last_n(value: str, n: int, window: Windows, **how: Unpack[How]) -> Window:
    """The newest ``n`` values that are not null, newest first."""
    return aggregate("last_n", value, window, **how, n=n)


def time_since_last(window: Windows = LIFETIME, **how: Unpack[How]) -> Window:
    """Seconds from the newest event in a window to the row."""
    return aggregate("time_since_last", None, window, **how)


def decayed_sum(value: str, half_life: str, **how: Unpack[How]) -> Window:
    """Sum in which an event counts half as much after each half-life; beyond 64 half-lives it counts nothing."""
    return aggregate("decayed_sum", value, LIFETIME, **how, half_life=half_life)


def decayed_mean(value: str, half_life: str, **how: Unpack[How]) -> Window:
    """Mean in which an event weighs half as much after each half-life; beyond 64 half-lives it weighs nothing."""
    return aggregate("decayed_mean", value, LIFETIME, **how, half_life=half_life)
