"""Data frames in and out: pandas, Polars and Arrow become typed columns, and a contract can be read off them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from headrace.declare import Contract, Field, contract_of
from headrace.declare.base import here
from headrace.errors import Fault, HeadraceError, nearest
from headrace.types import BOOL, FLOAT, INT, MOST_DIGITS, STR, Date, Decimal, LogicalType, Timestamp

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    Frame: TypeAlias = pd.DataFrame | pl.DataFrame | pa.Table


def to_arrow(frame: Frame, what: str) -> pa.Table:
    """Return a pandas, Polars or Arrow table as an Arrow table whose times are UTC microseconds.

    Args:
        frame: the table; an index of pandas that has a name is a column as well, and NaN of pandas is null.
        what: how to call it in errors, e.g. ``"events of payments"``.

    Raises:
        HeadraceError: HR-WORKBENCH-001 not a table, 011 columns of one name; else, of all columns that it is true of,
            002 times without a zone, 003 values that no column of Arrow holds.

    Example:
        >>> import pyarrow as pa
        >>> to_arrow(pa.table({"n": [1]}), "events").num_rows
        1
    """
    import pyarrow as pa

    from headrace.contracts.frames import NOT_HELD, held

    given = _columns(frame, what)
    repeated = [name for name, count in Counter(name for name, _ in given).items() if count > 1]
    if repeated:
        cure = "rename or leave out one of them, e.g. df.loc[:, ~df.columns.duplicated()]"
        raise HeadraceError(
            Fault("HR-WORKBENCH-011", here(), f"{what}: {name!r} is the name of several columns", "one column", cure)
            for name in repeated
        )
    columns, faults = {}, []
    for name, column in given:
        try:
            columns[name] = _normal(held(column))
        except NOT_HELD:
            faults.append(_not_held(name, column, what))
    faults += [_naive_fault(name, what) for name, column in columns.items() if _is_naive(column.type)]
    if faults:
        raise HeadraceError(faults)
    return pa.table(columns)


def _columns(frame: Any, what: str) -> list[tuple[str, Any]]:
    from headrace.contracts.frames import columns_of, frame_kind

    columns = columns_of(frame)
    if columns is not None:
        return columns
    kind = frame_kind(frame)
    cure = "collect it first" if kind == "polars.LazyFrame" else "pass a DataFrame"
    raise HeadraceError(
        Fault("HR-WORKBENCH-001", here(), f"{what}: {kind}", "a table of pandas, Polars or PyArrow", cure)
    )


def _not_held(name: str, column: Any, what: str) -> Fault:
    """Name the column and not the value: what Arrow says of a value may be a person's."""
    kind = getattr(column, "dtype", None) or column.type
    found, expected = f"{what}: {name!r} of type {kind}", "one type in the column, of those that Arrow has"
    how = f"df[{name!r}] = df[{name!r}].astype(…)"
    if "uint64" in str(kind).lower():
        found, expected, how = f"{found} beyond 64 bits with a sign", "whole numbers up to 2**63 - 1", f"{how[:-2]}str)"
    elif str(kind).startswith("Sparse"):
        how = f"df[{name!r}] = df[{name!r}].sparse.to_dense()"
    polars = f"in Polars pl.col({name!r}).cast(…)"
    cure = f"{how}, {polars}; or leave the column out: df.drop(columns=[{name!r}])"
    return Fault("HR-WORKBENCH-003", here(), found, expected, cure)


def _is_naive(kind: pa.DataType) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_timestamp(kind) and kind.tz is None)


def _naive_fault(name: str, what: str) -> Fault:
    polars = f"pl.col({name!r}).dt.replace_time_zone('UTC')"
    cure = f"df[{name!r}] = df[{name!r}].dt.tz_localize('UTC'), or in Polars {polars}"
    return Fault("HR-WORKBENCH-002", here(), f"{what}: times without a zone in {name!r}", "times with a zone", cure)


def _normal(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Bring variants of a type to the one that the lake has; what it has none for stays as it is."""
    import pyarrow as pa
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_dictionary(kind) and not isinstance(kind.value_type, pa.BaseExtensionType):
        return _normal(column.cast(kind.value_type))
    if kinds.is_timestamp(kind) and kind.tz is not None:
        return column.cast(pa.timestamp("us", tz="UTC"), safe=False)
    if kinds.is_large_string(kind) or kinds.is_string_view(kind):
        return column.cast(pa.string())
    if kinds.is_integer(kind) and kind != pa.int64():
        return column.cast(pa.int64())
    if kinds.is_floating(kind) and kind != pa.float64():
        return column.cast(pa.float64())
    if kinds.is_decimal(kind) and _logical(kind) is not None:
        return column.cast(pa.decimal128(kind.precision, kind.scale))
    return column


def contract_from(name: str, table: pa.Table, event_time: str) -> type[Contract]:
    """Return the contract that a table keeps: types, nulls and bounds as found in it.

    Args:
        name: of what the rows are, e.g. ``"payments"``.
        table: as ``to_arrow`` returns it.
        event_time: column of timestamps that says when each row happened.

    Raises:
        HeadraceError: HR-WORKBENCH-004 unknown event time; 005 one that is not of timestamps or has nulls; of all such
            columns 010 values that are not finite, 012 a type that no contract has.

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
    moments = table.column(event_time)
    if _logical(moments.type) != Timestamp or moments.null_count:
        raise HeadraceError(_no_event_time(name, event_time, moments))
    if faults := [*_not_finite(name, table), *_untyped(name, table)]:
        raise HeadraceError(faults)
    return contract_of("".join(word.title() for word in name.split("_")), dict(_fields(table, event_time)))


def _no_event_time(name: str, event_time: str, moments: pa.ChunkedArray) -> Fault:
    found, cure = f"{name}.{event_time} is {moments.type}", as_type(event_time, moments.type, Timestamp)
    if _logical(moments.type) == Timestamp:
        found, cure = f"{found} with {moments.null_count:,} nulls", f"df = df.dropna(subset=[{event_time!r}])"
    return Fault("HR-WORKBENCH-005", here(), found, "timestamps with a zone, none of them null", cure)


def as_type(name: str, kind: pa.DataType, wanted: LogicalType) -> str:
    """Return how to bring a column of a frame to the type that a contract wants of it."""
    import pyarrow.types as kinds

    column = f"df[{name!r}]"
    if wanted.bare in (Timestamp, Date):
        numbers = kinds.is_integer(kind) or kinds.is_floating(kind)
        unit = ", unit='s'" if numbers else ""
        said = " (or 'ms', 'us', 'ns', whichever the numbers count)" if numbers else ""
        day = ".dt.date" if wanted.bare == Date else ""
        return f"{column} = pd.to_datetime({column}{unit}, utc=True){day}{said}"
    return f"{column} = {column}.astype(…), in Polars pl.col({name!r}).cast(…)"


def _untyped(name: str, table: pa.Table) -> Iterator[Fault]:
    """A column left out without a word would be an unknown one where a feature reads it."""
    for column in table.schema:
        if _logical(column.type) is None:
            found = f"events of {name}: {column.name!r} is {column.type}"
            expected = "numbers, truth values, text, times or days; decimals of at most 18 digits"
            cure = f"{as_type(column.name, column.type, FLOAT)}; or leave it out: df.drop(columns=[{column.name!r}])"
            yield Fault("HR-WORKBENCH-012", here(), found, expected, cure)


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
        assert kind is not None
        values = table.column(column.name)
        low, high = _bounds(values) if kind.numeric else (None, None)
        kind = kind | None if values.null_count else kind
        role = "event_time" if column.name == event_time else ""
        yield column.name, Field(name=column.name, type=kind, role=role, ge=low, le=high)


def _logical(kind: pa.DataType) -> LogicalType | None:
    import pyarrow.types as kinds

    if kinds.is_decimal(kind):
        return Decimal(kind.precision, kind.scale) if kind.precision <= MOST_DIGITS and kind.scale >= 0 else None
    table = (
        (kinds.is_boolean, BOOL),
        (kinds.is_integer, INT),
        (kinds.is_floating, FLOAT),
        (kinds.is_string, STR),
        (kinds.is_timestamp, Timestamp),
        (kinds.is_date, Date),
    )
    return next((logical for test, logical in table if test(kind)), None)


def _bounds(values: pa.Array | pa.ChunkedArray) -> tuple[Any, Any]:
    import pyarrow.compute as pc

    found = pc.min_max(values).as_py()
    return found["min"], found["max"]


def reaching(contract: type[Contract], table: pa.Table) -> type[Contract]:
    """Return a contract read off a frame with bounds that take in the rows of another frame as well."""
    from headrace.contracts import read_column, readable

    fields = dict(contract.fields())
    for name, field in fields.items():
        if field.type.numeric and name in table.column_names and readable(field, table.schema.field(name).type):
            values, _ = read_column(field, table.column(name).combine_chunks())
            known = [one for one in (*_bounds(values), field.ge, field.le) if one is not None]
            fields[name] = replace(field, ge=min(known, default=None), le=max(known, default=None))
    return contract_of(contract.name, fields)
