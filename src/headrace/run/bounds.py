"""Bounds of a column that follow from values of an expression over it, so that a scan can skip what lies outside."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.types as pat

if TYPE_CHECKING:
    import duckdb

VALUE = "headrace_value_"
"""What a column of values is called, before its place."""
_RANGES = 16
"""As many as a scan looks at for each row group; the widest gaps between values are kept."""
_MOST_VALUES = 100_000
_STEPS = ("microseconds", "milliseconds", "second", "minute", "hour", "day", "week", "month", "quarter", "year")


def bounds(
    connection: duckdb.DuckDBPyConnection, table: str, tracks: Mapping[int, Any], kinds: Mapping[str, pa.DataType]
) -> str:
    """Return a condition on columns of files that all rows meet whose tracks have some values; empty for none.

    Args:
        connection: with the table of the values.
        table: of the values, whose columns are called by ``VALUE`` and their place.
        tracks: expressions over the columns of the files, by their place.
        kinds: types of the columns of the files.
    """
    found = (_bound(connection, table, f"{VALUE}{place}", track, kinds) for place, track in tracks.items())
    return " and ".join(filter(None, found))


def _bound(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, track: Any, kinds: Mapping[str, pa.DataType]
) -> str:
    import duckdb

    column, step = _inverted(track)
    if column is None or column.name.lower() not in kinds:
        return ""
    kind, written = kinds[column.name.lower()], f'"{column.name}"'
    try:
        found = _ranges(connection, table, name, step, kind)
    except (duckdb.Error, OverflowError, ValueError):  # infinity, or a time that Python does not know
        return ""
    if found is None:
        return ""
    ranges, nulls = found
    parts = [f"{written} between {_said(low, kind)} and {_said(high, kind)}" for low, high in ranges]
    return f"({' or '.join([*parts, *([f'{written} is null'] if nulls else [])]) or 'false'})"


def _inverted(track: Any) -> tuple[Any, str]:
    """Return the column of an expression that keeps its order, and how far a value of it reaches."""
    from sqlglot import exp

    one = track.unnest()
    if isinstance(one, exp.Column):
        return one, ""
    if isinstance(one, exp.Cast) and one.to.this == exp.DataType.Type.DATE and isinstance(one.this, exp.Column):
        return one.this, "interval 1 day"
    if isinstance(one, exp.TimestampTrunc | exp.DateTrunc) and isinstance(one.this, exp.Column):
        unit = str(one.args["unit"].name).lower()
        return (one.this, f"interval 1 {unit}") if unit in _STEPS else (None, "")
    return None, ""


def _ranges(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, step: str, kind: pa.DataType
) -> tuple[list[tuple[int, int]], bool] | None:
    if not (pat.is_integer(kind) or pat.is_timestamp(kind) or pat.is_date(kind)):
        return None
    number = "epoch_us({}::timestamp)" if not pat.is_integer(kind) else "{}"
    low = number.format(f'"{name}"')
    high = number.format(f'("{name}"::timestamp + {step})') + " - 1" if step else low
    query = f"select distinct {low}, {high} from {table} order by 1 nulls last limit {_MOST_VALUES + 1}"
    rows = connection.execute(query).fetchall()
    nulls = bool(rows) and rows[-1][0] is None
    spans = [(int(one), int(other)) for one, other in rows if one is not None]
    if len(rows) > _MOST_VALUES:
        return None
    return _merged(spans), nulls


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order as a few that hold them all, with the widest gaps between."""
    gaps = [(later[0] - earlier[1], place) for place, (earlier, later) in enumerate(pairwise(spans), 1)]
    cuts = sorted(place for gap, place in sorted(gaps, reverse=True)[: _RANGES - 1] if gap > 1)
    edges = [0, *cuts, len(spans)]
    return [(spans[a][0], spans[b - 1][1]) for a, b in pairwise(edges)] if spans else []


def _said(value: int, kind: pa.DataType) -> str:
    if pat.is_integer(kind):
        return str(value)
    moment = f"make_timestamp({value}::bigint)"
    if pat.is_date(kind):
        return f"{moment}::date"
    return f"{moment}::timestamptz" if kind.tz is not None else moment
