"""Which times are taken for what they say: the same in files of text, in typed files and in requests."""

from __future__ import annotations

import datetime
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from headrace.clock import DAY_US
from headrace.contracts.problems import RANGE, Problem, blank, where
from headrace.declare import Field

_EPOCH = datetime.date(1970, 1, 1)


@cache
def years(role: str | None) -> tuple[int, int]:
    """Return the first and the last year that a field takes.

    What lies outside is a slip of a digit or of a unit. Only the end of a validity may be the year 9999, by which
    warehouses say "until further notice".

    Example:
        >>> years("event_time"), years("valid_to")
        ((1000, 2999), (1000, 9999))
    """
    return 1000, 9999 if role == "valid_to" else 2999


@cache
def days(role: str | None) -> tuple[int, int]:
    """Return the first and the last day that a field takes, in days since 1970-01-01."""
    first, last = years(role)
    return (datetime.date(first, 1, 1) - _EPOCH).days, (datetime.date(last, 12, 31) - _EPOCH).days


def far_text(role: str | None) -> str:
    """Return the problem of a time outside."""
    first, last = years(role)
    return f"is before the year {first} or after {last}"


def near(field: Field, values: pa.Array) -> tuple[pa.Array, list[Problem]]:
    """Return a column of times or dates, null where a year is outside, and the problem of those rows."""
    first, last = days(field.role)
    is_date = field.type.name == "date"
    number = pc.cast(values, pa.int32() if is_date else pa.int64())
    low, high = (first, last) if is_date else (first * DAY_US, (last + 1) * DAY_US - 1)
    ends = pc.min_max(number)
    if not ends["min"].is_valid or (ends["min"].as_py() >= low and ends["max"].as_py() <= high):
        return values, []
    far = where(pc.or_(pc.less(number, low), pc.greater(number, high)))
    return blank(values, far), [Problem(RANGE, field.name, far_text(field.role), far)]
