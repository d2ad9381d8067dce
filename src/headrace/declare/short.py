"""Short forms of the aggregates: ``hr.sum("amount", "7d")``; their names shadow built-ins only behind ``hr.``.

They have one shape: a value, a window (a length, a list of lengths, or ``"lifetime"``), and all else by name. They are
written out for those who read and complete them in an editor; any other aggregate of the catalogue has the same shape.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Unpack, overload

from headrace.declare.window import LIFETIME, How, Window, Windows, aggregate, lenient
from headrace.types import duration_us

SYNONYMS = {
    "avg": "mean", "average": "mean", "stddev": "std", "stddev_samp": "std", "variance": "var", "var_samp": "var",
    "median": "quantile", "quantile_cont": "quantile", "any_value": "first", "arg_max": "last", "lag": "last",
    "row_number": "count", "count_if": "count", "count_star": "count", "approx_count_distinct": "approx_nunique",
}  # fmt: skip
"""What SQL and data frames call aggregates of ours."""


@overload
def count(window: Windows, /, **how: Unpack[How]) -> Window: ...
@overload
def count(value: str | None = None, *, window: Windows, **how: Unpack[How]) -> Window: ...
@overload
def count(value: str | None, window: Windows, **how: Unpack[How]) -> Window: ...
@lenient
def count(value: Any = None, window: Any = None, **how: Unpack[How]) -> Window:
    """Count rows, ``count("7d")``, or values that are not null, ``count("amount", "7d")``; 0 where there are none.

    Example:
        >>> count("1d").value is None, count("amount", "1d").value
        (True, 'amount')
    """
    return aggregate("count", None, value, **how) if window is None else aggregate("count", value, window, **how)


@lenient
def sum(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Sum of a number over a window, exact: rounded once, from an integer total."""
    return aggregate("sum", value, window, **how)


@lenient
def mean(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Mean of a number (or share of a condition) over a window, exact: rounded once."""
    return aggregate("mean", value, window, **how)


@lenient
def min(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Smallest value in a window."""
    return aggregate("min", value, window, **how)


@lenient
def max(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Largest value in a window."""
    return aggregate("max", value, window, **how)


@lenient
def var(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Sample variance (n - 1) over a window, from exact totals; null below two values."""
    return aggregate("var", value, window, **how)


@lenient
def std(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Sample standard deviation: the square root of ``var``."""
    return aggregate("std", value, window, **how)


@lenient
def first(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Value of the oldest event in a window, null if that is null."""
    return aggregate("first", value, window, **how)


@lenient
def last(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Value of the newest event in a window, null if that is null."""
    return aggregate("last", value, window, **how)


@lenient
def last_known(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Newest value in a window that is not null."""
    return aggregate("last_known", value, window, **how)


@lenient
def nunique(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Number of distinct values in a window, exact."""
    return aggregate("nunique", value, window, **how)


@lenient
def approx_nunique(value: str, window: Windows, **how: Unpack[How]) -> Window:
    """Number of distinct values by HyperLogLog with 1,024 registers: standard error 3.25 %, bounded state."""
    return aggregate("approx_nunique", value, window, **how)


@lenient
def quantile(value: str, window: Windows, *, q: float, **how: Unpack[How]) -> Window:
    """Quantile ``q`` (0 to 1) of a number from a mergeable histogram: relative error of the value at most 1/256.

    Source: the lower quantile of Masson, Rim, Lee, DDSketch (VLDB 2019), with buckets cut from the binary form.

    Example:
        >>> quantile("amount", "7d", q=0.5).params
        (('q', 0.5),)
    """
    return aggregate("quantile", value, window, **how, q=q)


@lenient
def top_k(value: str, window: Windows, *, k: int, **how: Unpack[How]) -> Window:
    """The ``k`` most frequent values in a window, most frequent first; ties in ascending order of the value."""
    return aggregate("top_k", value, window, **how, k=k)


@lenient
def last_n(value: str, window: Windows, *, n: int, **how: Unpack[How]) -> Window:
    """The newest ``n`` values that are not null, newest first."""
    return aggregate("last_n", value, window, **how, n=n)


@overload
def time_since_last(window: Windows = LIFETIME, /, **how: Unpack[How]) -> Window: ...
@overload
def time_since_last(value: str | None = None, *, window: Windows, **how: Unpack[How]) -> Window: ...
@overload
def time_since_last(value: str | None, window: Windows, **how: Unpack[How]) -> Window: ...
@lenient
def time_since_last(value: Any = LIFETIME, window: Any = None, **how: Unpack[How]) -> Window:
    """Seconds from the newest event in a window to the row, or from the newest whose value is not null.

    Example:
        >>> time_since_last().windows, time_since_last("amount", "7d").windows
        (('lifetime',), ('7d',))
    """
    if window is None:
        return aggregate("time_since_last", None, value, **how)
    return aggregate("time_since_last", None if value == LIFETIME else value, window, **how)


@lenient
def decayed_sum(value: str, window: Windows = LIFETIME, *, half_life: str, **how: Unpack[How]) -> Window:
    """Sum in which an event counts half as much after each half-life; beyond 64 half-lives it counts nothing.

    Example:
        >>> decayed_sum("amount", half_life="1h").windows, decayed_sum("amount", "1d", half_life="1h").windows
        (('lifetime',), ('1d',))
    """
    return aggregate("decayed_sum", value, window, **how, half_life=half_life)


@lenient
def decayed_mean(value: str, window: Windows = LIFETIME, *, half_life: str, **how: Unpack[How]) -> Window:
    """Mean in which an event weighs half as much after each half-life; beyond 64 half-lives it weighs nothing."""
    return aggregate("decayed_mean", value, window, **how, half_life=half_life)


@cache
def short_form(kind: str) -> Callable[..., Window]:
    """Return the short form of an aggregate that is not written out here.

    Example:
        >>> short_form("product")("amount", "7d", base=2).params
        (('base', 2),)
        >>> short_form("longest_gap")("7d").value is None
        True
    """

    def form(value: Any = None, window: Any = None, **how: Any) -> Window:
        alone = window is None and _is_window(value)
        return aggregate(kind, None, value, **how) if alone else aggregate(kind, value, window, **how)

    form.__name__ = form.__qualname__ = kind
    form.__doc__ = f"Return the aggregate ``{kind}``; ``hr.aggregate`` says what every aggregate takes."
    return lenient(form)


def _is_window(given: Any) -> bool:
    """Whether what stands first is the window of an aggregate without a value; no expression is a length of time."""
    if given == LIFETIME or isinstance(given, list | tuple):
        return True
    try:
        return isinstance(given, str) and duration_us(given) > 0
    except ValueError:
        return False
