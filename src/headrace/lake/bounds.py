"""Least and greatest values, by which files and row groups are passed over: times and dates as whole microseconds.

Python's own calendar has the years 1 to 9999; tables also have years before Christ, and 'infinity'.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

import pyarrow as pa
import pyarrow.types as pat

from headrace.clock import DAY_US, from_us, to_us

Bound = int | str | None
"""A whole number, times and dates as microseconds UTC; a text; None for what is not known or has no such order."""
_ROUNDED_US = 999
"""Other writers of Delta tables, Spark among them, tell times in whole milliseconds."""
_UNITS = {"milliseconds": (1000, 1), "microseconds": (1, 1), "nanoseconds": (1, 1000)}
_FIRST = to_us(datetime.datetime(1, 1, 1, tzinfo=datetime.UTC))
_LAST = to_us(datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC))
"""Seconds of Python's calendar, and of every reader that has years of four digits."""


def of_group(statistics: Any) -> tuple[Bound, Bound]:
    """Return the least and the greatest value of a column in a row group.

    Args:
        statistics: as ``pyarrow.parquet`` gives them; None for none.
    """
    if statistics is None or not statistics.has_min_max:
        return None, None
    match statistics.logical_type.type:
        case "DATE":
            return statistics.min_raw * DAY_US, statistics.max_raw * DAY_US
        case "TIMESTAMP":
            times, by = _UNITS[_time(statistics)["timeUnit"]]
            return statistics.min_raw * times // by, -(-statistics.max_raw * times // by)
        case _:
            return _plain(statistics.min), _plain(statistics.max)


def _time(statistics: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(statistics.logical_type.to_json())
    return told


def _plain(value: object) -> Bound:
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def of_log(files: pa.Table) -> pa.Table:
    """Return what the log of a Delta table says of its files, with times and dates among it as microseconds.

    Args:
        files: as ``DeltaTable.get_add_actions(flatten=True)`` gives them.
    """
    for place, column in enumerate(files.schema):
        if column.name.startswith(("min.", "max.")):
            rounded = _ROUNDED_US if column.name.startswith("max.") else 0
            files = files.set_column(place, column.name, _in_us(files[column.name], rounded))
    return files


def _in_us(values: pa.ChunkedArray, rounded: int) -> pa.ChunkedArray | pa.Array:
    if pat.is_date32(values.type):
        days = values.cast(pa.int32()).to_pylist()
        return pa.array([None if one is None else one * DAY_US for one in days], pa.int64())
    if pat.is_timestamp(values.type):
        told = values.cast(pa.timestamp("us", values.type.tz)).cast(pa.int64()).to_pylist()
        return pa.array([None if one is None else one + rounded for one in told], pa.int64())
    return values


def comparable(values: pa.Array) -> list[Any] | None:
    """Return values as bounds of them are; None where null is among them, or they have no such order."""
    kind = values.type
    if values.null_count:
        return None
    if pat.is_date32(kind):
        return [day * DAY_US for day in values.cast(pa.int32()).to_pylist()]
    if pat.is_timestamp(kind):
        values = values.cast(pa.timestamp("us", kind.tz)).cast(pa.int64())
    elif not (pat.is_integer(kind) or pat.is_string(kind)):
        return None
    found: list[Any] = values.to_pylist()
    return found


def scalar(bound: object, kind: pa.DataType) -> pa.Scalar | None:
    """Return a bound as a value of a column of whole numbers, times or dates; None for others."""
    if not isinstance(bound, int):
        return None
    if pat.is_timestamp(kind):
        return pa.scalar(bound, pa.int64()).cast(pa.timestamp("us", kind.tz)).cast(kind)
    if pat.is_date32(kind):
        return pa.scalar(bound // DAY_US, pa.int32()).cast(kind)
    return pa.scalar(bound, kind) if pat.is_integer(kind) else None


def in_log(bound: Bound, statistics: Any) -> object:
    """Return a bound as the log of a Delta table says it; None where it says none.

    Readers find no rows by a year that has not four digits; and a time without a zone, such as DuckDB's ``timestamp``,
    has none in the log either, whatever the zone of this machine.

    Args:
        bound: of a column in a file.
        statistics: of the column in a row group, which say what its values are.
    """
    kind = statistics.logical_type.type
    if not isinstance(bound, int) or kind not in ("DATE", "TIMESTAMP"):
        return bound if isinstance(bound, int) else None
    if not _FIRST <= bound <= _LAST:
        return None
    moment = from_us(bound).replace(tzinfo=None)
    if kind == "DATE":
        return moment.date().isoformat()
    return moment.isoformat(timespec="microseconds") + ("Z" if _time(statistics)["isAdjustedToUTC"] else "")


def without_calendar(kind: pa.DataType) -> pa.DataType:
    """Return a type with the whole numbers by which it keeps times and dates, which Python has for all of them."""
    if pat.is_timestamp(kind):
        return pa.int64()
    if pat.is_date32(kind):
        return pa.int32()
    if pat.is_struct(kind):
        inner = (kind.field(number) for number in range(kind.num_fields))
        return pa.struct([one.with_type(without_calendar(one.type)) for one in inner])
    if pat.is_map(kind):
        return pa.map_(without_calendar(kind.key_type), without_calendar(kind.item_type))
    if pat.is_list(kind) or pat.is_large_list(kind):
        made = pa.list_ if pat.is_list(kind) else pa.large_list
        return made(kind.value_field.with_type(without_calendar(kind.value_type)))
    return kind
