"""Data frames in and out: pandas, Polars and Arrow become typed columns, and a contract can be read off them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from headrace.declare import Contract, Field, contract_of
from headrace.declare.base import here
from headrace.errors import Fault, HeadraceError, nearest
from headrace.types import BOOL, FLOAT, INT, STR, Date, Decimal, LogicalType, Timestamp

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    Frame: TypeAlias = pd.DataFrame | pl.DataFrame | pa.Table

_SHOWN = 3


def to_arrow(frame: Frame, what: str) -> pa.Table:
    """Return a pandas, Polars or Arrow table as an Arrow table whose times are UTC microseconds.

    Args:
        frame: the table; an index of pandas is left out, and NaN of pandas is null.
        what: how to call it in errors, e.g. ``"events of payments"``.

    Raises:
        HeadraceError: HR-WORKBENCH-001 not a table, 002 times without a zone (all such columns), 003 mixed columns.

    Example:
        >>> import pyarrow as pa
        >>> to_arrow(pa.table({"n": [1]}), "events").num_rows
        1
    """
    table = _plain(frame, what)
    naive = [one.name for one in table.schema if _is_naive(one.type)]
    if naive:
        raise HeadraceError(_naive_fault(name, what) for name in naive)
    columns = [_normal(table.column(name)) for name in table.column_names]
    return table.from_arrays(columns, names=table.column_names)


def _plain(frame: Any, what: str) -> pa.Table:
    import pyarrow as pa

    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    kind = f"{type(frame).__module__.split('.')[0]}.{type(frame).__name__}"
    if kind == "pandas.DataFrame":
        try:
            return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            cure = "give each column one type, e.g. with .astype(…)"
            raise HeadraceError(
                Fault("HR-WORKBENCH-003", here(), f"{what}: {_column_of(error)}", "one type", cure)
            ) from None
    if kind == "polars.DataFrame":
        return frame.to_arrow()
    cure = "collect it first" if kind == "polars.LazyFrame" else "pass a DataFrame"
    raise HeadraceError(
        Fault("HR-WORKBENCH-001", here(), f"{what}: {kind}", "a table of pandas, Polars or PyArrow", cure)
    )


def _column_of(error: Exception) -> str:
    """Name the column and not the value: what Arrow says of a value may be a person's."""
    said = " ".join(str(one) for one in error.args)
    return said[said.index("Conversion failed") :].split(" with type")[0] if "Conversion failed" in said else "mixed"


def _is_naive(kind: pa.DataType) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_timestamp(kind) and kind.tz is None)


def _naive_fault(name: str, what: str) -> Fault:
    polars = f"pl.col({name!r}).dt.replace_time_zone('UTC')"
    cure = f"df[{name!r}] = df[{name!r}].dt.tz_localize('UTC'), or in Polars {polars}"
    return Fault("HR-WORKBENCH-002", here(), f"{what}: times without a zone in {name!r}", "times with a zone", cure)


def _normal(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Bring variants of a type to the one that the lake has."""
    import pyarrow as pa
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_dictionary(kind):
        return _normal(column.cast(kind.value_type))
    if kinds.is_timestamp(kind):
        return column.cast(pa.timestamp("us", tz="UTC"), safe=False)
    if kinds.is_large_string(kind) or kinds.is_string_view(kind):
        return column.cast(pa.string())
    if kinds.is_integer(kind) and kind != pa.int64():
        return column.cast(pa.int64())
    if kinds.is_floating(kind) and kind != pa.float64():
        return column.cast(pa.float64())
    return column


def contract_from(name: str, table: pa.Table, event_time: str) -> type[Contract]:
    """Return the contract that a table keeps: types, nulls and bounds as found in it.

    Args:
        name: of what the rows are, e.g. ``"payments"``.
        table: as ``to_arrow`` returns it; columns of types that no contract knows are left out.
        event_time: column of timestamps that says when each row happened.

    Raises:
        HeadraceError: HR-WORKBENCH-004 unknown event time, 005 one that is not of timestamps or has nulls, 010 values
            that are not finite (all such columns).

    Example:
        >>> import pyarrow as pa
        >>> at = pa.array([0], pa.timestamp("us", tz="UTC"))
        >>> contract_from("clicks", pa.table({"at": at, "n": [7]}), "at").fields()["n"].le
        7
    """
    if event_time not in table.column_names:
        found = f"no column {event_time!r} in {name}"
        cure = nearest(event_time, table.column_names)
        raise HeadraceError(Fault("HR-WORKBENCH-004", here(), found, "the column that says when it happened", cure))
    if faults := list(_not_finite(name, table)):
        raise HeadraceError(faults)
    fields = dict(_fields(table, event_time))
    moment = fields.get(event_time)
    if moment is None or moment.type != Timestamp:
        found = f"{name}.{event_time} is {table.schema.field(event_time).type}" + (
            " with nulls" if table.column(event_time).null_count else ""
        )
        cure = f"df[{event_time!r}] = pd.to_datetime(df[{event_time!r}], utc=True)"
        raise HeadraceError(Fault("HR-WORKBENCH-005", here(), found, "timestamps with a zone, none of them null", cure))
    return contract_of("".join(word.title() for word in name.split("_")), fields)


def _not_finite(name: str, table: pa.Table) -> Iterator[Fault]:
    """What is infinite or NaN bounds nothing, and no contract takes it."""
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    for column in table.schema:
        if kinds.is_floating(column.type):
            count = pc.sum(pc.invert(pc.is_finite(table.column(column.name)))).as_py()
            if count:
                found = (
                    f"events of {name}: {count:,} value{'s' if count > 1 else ''} of {column.name!r} infinite or NaN"
                )
                cure = (
                    f"df[{column.name!r}] = df[{column.name!r}].where(np.isfinite(df[{column.name!r}])), which is null"
                )
                polars = f"; in Polars pl.when(pl.col({column.name!r}).is_finite()).then(pl.col({column.name!r}))"
                yield Fault("HR-WORKBENCH-010", here(), found, "finite numbers or null", cure + polars)


def _fields(table: pa.Table, event_time: str) -> Iterator[tuple[str, Field]]:
    for column in table.schema:
        kind = _logical(column.type)
        if kind is None:
            continue
        values = table.column(column.name)
        low, high = _bounds(values) if kind.numeric else (None, None)
        kind = kind | None if values.null_count else kind
        role = "event_time" if column.name == event_time else ""
        yield column.name, Field(name=column.name, type=kind, role=role, ge=low, le=high)


def _logical(kind: pa.DataType) -> LogicalType | None:
    import pyarrow.types as kinds

    if kinds.is_decimal(kind):
        return Decimal(kind.precision, kind.scale) if kind.precision <= 18 and kind.scale >= 0 else None
    table = (
        (kinds.is_boolean, BOOL),
        (kinds.is_integer, INT),
        (kinds.is_floating, FLOAT),
        (kinds.is_string, STR),
        (kinds.is_timestamp, Timestamp),
        (kinds.is_date, Date),
    )
    return next((logical for test, logical in table if test(kind)), None)


def _bounds(values: pa.ChunkedArray) -> tuple[Any, Any]:
    import pyarrow.compute as pc

    found = pc.min_max(values).as_py()
    return found["min"], found["max"]
