"""Rows as Python values: times beyond its calendar are text, as DuckDB writes and reads it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.types as pat

from headrace.lake.bounds import without_calendar

_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097
"""After so many years the Gregorian calendar repeats itself."""
_FIRST_DAY = datetime.date(2000, 1, 1).toordinal()
_BEFORE = datetime.date(1970, 1, 1).toordinal()
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def rows(table: pa.Table | pa.RecordBatch) -> list[dict[str, Any]]:
    """Return rows as ``to_pylist`` does, but for times that ``datetime`` cannot hold.

    Args:
        table: rows; names of columns may repeat, of which the last is given.

    Returns:
        A dictionary for each row. Dates and times outside the years 1 to 9999, 'infinity' among them, and such with
        nanoseconds are text, as DuckDB writes and reads them; times with a zone are in UTC.

    Example:
        >>> far = pa.array([0, 3_000_000, 2**31 - 1], pa.int32()).cast(pa.date32())
        >>> [row["day"] for row in rows(pa.table({"day": far}))]
        [datetime.date(1970, 1, 1), '10183-09-21', 'infinity']
    """
    names = table.schema.names
    columns = [column(one) for one in table.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)] if columns else []


def column(values: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return the values of one column, see ``rows``."""
    try:
        found: list[Any] = values.to_pylist()
        return found
    except (OverflowError, ValueError):
        said = _said(values.type)
        return [said(one) for one in values.cast(without_calendar(values.type)).to_pylist()]


def _said(kind: pa.DataType) -> Callable[[Any], Any]:
    """Return what makes a value of a type of the whole numbers that it is kept as."""
    if pat.is_timestamp(kind) or pat.is_date32(kind):
        return lambda one: None if one is None else _time(one, kind)
    if pat.is_struct(kind):
        inner = {kind.field(place).name: _said(kind.field(place).type) for place in range(kind.num_fields)}
        return lambda one: None if one is None else {name: inner[name](value) for name, value in one.items()}
    if pat.is_map(kind):
        key, item = _said(kind.key_type), _said(kind.item_type)
        return lambda one: None if one is None else [(key(name), item(value)) for name, value in one]
    if pat.is_list(kind) or pat.is_large_list(kind):
        within = _said(kind.value_type)
        return lambda one: None if one is None else [within(value) for value in one]
    return lambda one: one


def _time(number: int, kind: pa.DataType) -> Any:
    try:
        return pa.scalar(number, without_calendar(kind)).cast(kind).as_py()
    except (OverflowError, ValueError):
        pass
    greatest = 2 ** (31 if pat.is_date32(kind) else 63) - 1
    if abs(number) == greatest:
        return "infinity" if number > 0 else "-infinity"
    if pat.is_date32(kind):
        return _day(number)
    day, rest = divmod(number, _PER_DAY[kind.unit])
    seconds, part = divmod(rest, _PER_DAY[kind.unit] // 86_400)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    digits = len(str(_PER_DAY[kind.unit] // 86_400)) - 1
    fraction = f".{part:0{digits}}".rstrip("0") if part else ""
    return f"{_day(day)} {clock}{fraction}{'+00' if kind.tz else ''}"


def _day(number: int) -> str:
    cycles, place = divmod(number + _BEFORE - _FIRST_DAY, _CYCLE_DAYS)
    day = datetime.date.fromordinal(_FIRST_DAY + place)
    year = day.year + cycles * _CYCLE_YEARS
    # There is no year 0: 1 BC comes before 1.
    return f"{year:04}-{day:%m-%d}" if year > 0 else f"{1 - year:04}-{day:%m-%d} (BC)"
