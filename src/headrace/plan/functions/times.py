"""Parts of times, all in UTC; timestamps are microseconds and dates days since 1970."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from headrace.errors import nearest
from headrace.plan.expression import Call, Literal, Node
from headrace.plan.functions.function import Function, Refused, bounds, call, wants
from headrace.types import FLOAT, INT, STR, Date, Domain, Timestamp

HOUR = 3_600_000_000
DAY = 24 * HOUR
_FIXED = {"microsecond": 1, "millisecond": 1_000, "second": 1_000_000, "minute": 60_000_000, "hour": HOUR, "day": DAY}
_UNITS = (*_FIXED, "week", "month", "year")
_EPOCH = datetime.date(1970, 1, 1)


def _days(value: Any, kind: str) -> Any:
    return value // DAY if kind == "timestamp" else value


def _part(name: str, low: int, high: int) -> Callable[[Sequence[Node]], Call]:
    def typed(args: Sequence[Node]) -> Call:
        wants(args, name, ("timestamp",) if name in ("hour", "minute", "second") else ("timestamp", "date"))
        kind = args[0].domain.type.name
        return call(name, [args[0], Literal(kind, Domain(STR))], INT, low, high)

    return typed


def _calendar(days: int) -> datetime.date:
    return _EPOCH + datetime.timedelta(days=days)


def _month_start(days: Any) -> Any:
    return days.astype("datetime64[D]").astype("datetime64[M]")


def _year_of(days: Any) -> Any:
    return days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


def _day_of_month(days: Any) -> Any:
    return (days.astype("datetime64[D]") - _month_start(days).astype("datetime64[D]")).astype(np.int64) + 1


def _of_day(name: str, low: int, high: int, scalar: Callable[[Any], Any], columnar: Callable[[Any], Any]) -> Function:
    """A part of the calendar: the same for a date and for the day of a timestamp."""
    return Function(
        name,
        _part(name, low, high),
        lambda value, kind: scalar(_days(value, kind)),
        lambda values, kind: columnar(_days(values, kind)),
    )


def _truncation(args: Sequence[Node]) -> Call:
    wants(args[1:], "date_trunc", ("timestamp",))
    if not isinstance(args[0], Literal) or args[0].value not in _UNITS:
        unit = args[0].value if isinstance(args[0], Literal) else None
        raise Refused("date_trunc to another unit", "one of " + ", ".join(_UNITS), nearest(str(unit), _UNITS))
    return call("date_trunc", args, Timestamp)


def _truncate(unit: str, value: int) -> int:
    if unit in _FIXED:
        return value // _FIXED[unit] * _FIXED[unit]
    days = value // DAY
    if unit == "week":
        return (days - (days + 3) % 7) * DAY
    day = _calendar(days)
    first = day.replace(day=1, month=day.month if unit == "month" else 1)
    return (first - _EPOCH).days * DAY


def _truncate_columns(unit: Any, values: Any) -> Any:
    if unit in _FIXED:
        return values // _FIXED[unit] * _FIXED[unit]
    days = values // DAY
    if unit == "week":
        return (days - (days + 3) % 7) * DAY
    whole = days.astype("datetime64[D]").astype("datetime64[M]" if unit == "month" else "datetime64[Y]")
    return whole.astype("datetime64[D]").astype(np.int64) * DAY


def _move(args: Sequence[Node]) -> Call:
    wants(args[:1], "time arithmetic", ("timestamp",))
    wants(args[1:], "time arithmetic", ("int",))
    return call("shift_time", args, Timestamp)


def _between(args: Sequence[Node]) -> Call:
    wants(args, "seconds_between", ("timestamp",))
    return call("seconds_between", args, FLOAT)


def _epoch(args: Sequence[Node]) -> Call:
    wants(args, "epoch", ("timestamp",))
    low, high = bounds(args[0])
    return call("epoch", args, FLOAT, low, high)


def _to_date(args: Sequence[Node]) -> Node:
    wants(args, "cast to date", ("timestamp", "date"))
    return args[0] if args[0].domain.type.name == "date" else call("to_date", args, Date)


FUNCTIONS = [
    Function("hour", _part("hour", 0, 23), lambda v, k: v % DAY // HOUR, lambda v, k: v % DAY // HOUR),
    Function(
        "minute", _part("minute", 0, 59), lambda v, k: v % HOUR // 60_000_000, lambda v, k: v % HOUR // 60_000_000
    ),
    Function(
        "second",
        _part("second", 0, 59),
        lambda v, k: v % 60_000_000 // 1_000_000,
        lambda v, k: v % 60_000_000 // 1_000_000,
    ),
    _of_day("dayofweek", 0, 6, lambda d: (d + 4) % 7, lambda d: (d + 4) % 7),
    _of_day("isodow", 1, 7, lambda d: (d + 3) % 7 + 1, lambda d: (d + 3) % 7 + 1),
    _of_day("day", 1, 31, lambda d: _calendar(d).day, _day_of_month),
    _of_day("month", 1, 12, lambda d: _calendar(d).month, lambda d: _month_start(d).astype(np.int64) % 12 + 1),
    _of_day("year", 1, 9999, lambda d: _calendar(d).year, _year_of),
    Function("date_trunc", _truncation, _truncate, _truncate_columns),
    Function("shift_time", _move, lambda v, by: v + by, lambda v, by: v + by),
    Function("seconds_between", _between, lambda a, b: float(a - b) / 1_000_000, lambda a, b: (a - b) / 1_000_000),
    Function("epoch", _epoch, lambda v: float(v) / 1_000_000, lambda v: v / 1_000_000),
    Function("to_date", _to_date, lambda v: v // DAY, lambda v: v // DAY),
]
