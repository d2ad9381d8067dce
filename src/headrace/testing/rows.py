"""Rows as a test writes them: dicts, CSV text or a data frame, read in the types of a table."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from headrace.declare.base import here
from headrace.declare.fields import Field
from headrace.errors import Fault, HeadraceError

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.workbench.frames import Frame

    Rows: TypeAlias = Iterable[Mapping[str, Any]] | str | Frame
else:
    Rows: TypeAlias = Any


def columns(rows: Rows, what: str) -> list[str]:
    """Return the columns that rows name, in the order in which they do."""
    if isinstance(rows, str):
        return [name.strip() for name in rows.strip().split("\n")[0].split(",")]
    return list(dict.fromkeys(name for one in plain(rows, what) for name in one))


def plain(rows: Rows, what: str) -> list[dict[str, Any]]:
    """Return rows as dicts; an empty field of CSV is null."""
    if isinstance(rows, str):
        text = "\n".join(line.strip() for line in rows.strip().splitlines())
        read = csv.DictReader(io.StringIO(text), skipinitialspace=True)
        return [{name: value or None for name, value in one.items() if name is not None} for one in read]
    if isinstance(rows, list | tuple) and all(isinstance(one, Mapping) for one in rows):
        return [dict(one) for one in rows]
    from headrace.workbench.frames import to_arrow

    found: list[dict[str, Any]] = to_arrow(rows, what).to_pylist()
    return found


def as_table(rows: Rows, schema: pa.Schema, what: str) -> pa.Table:
    """Return rows in the types of a schema, of whose columns they have some.

    Raises:
        HeadraceError: HR-TEST-004 for a value that is none of its column.
    """
    import pyarrow as pa

    given = plain(rows, what)
    names = [name for name in schema.names if name in columns(rows, what)]
    arrays = [_array([one.get(name) for one in given], schema.field(name), what) for name in names]
    return pa.table(arrays, schema=pa.schema([schema.field(name) for name in names]))


def filled(rows: pa.Table, schema: pa.Schema, fields: Mapping[str, Field]) -> pa.Table:
    """Return rows with all columns of a schema: those not given are null, or the least value that is valid."""
    import pyarrow as pa

    def column(one: pa.Field) -> pa.ChunkedArray | pa.Array:
        if one.name in rows.schema.names:
            return rows[one.name]
        field = fields.get(one.name)
        if field is None or field.type.nullable:
            return pa.nulls(rows.num_rows, one.type)
        values = [least(field, number) for number in range(1, rows.num_rows + 1)]
        return _array(values, one, "what was not given")

    return pa.table([column(one) for one in schema], schema=schema)


def least(field: Field, number: int) -> Any:
    """Return the least value that a field takes; of a key the one with a number."""
    kind = field.type.name
    if field.isin:
        return field.isin[0]
    if kind in ("int", "float", "decimal"):
        low, step = field.ge if field.ge is not None else field.gt, 0 if field.ge is not None else 1
        start = decimal.Decimal(str(low)) + step if low is not None else _below(field)
        return start + number if field.role == "key" else start
    if kind == "str":
        return str(number) if field.role == "key" else "x" * (field.min_length or 0)
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return {"bool": False, "list": []}.get(kind, moment.date() if kind == "date" else moment)


def _below(field: Field) -> decimal.Decimal:
    high = field.le if field.le is not None else field.lt
    return decimal.Decimal(0) if high is None else min(decimal.Decimal(0), decimal.Decimal(str(high)) - 1)


def _array(values: list[Any], field: pa.Field, what: str) -> pa.Array:
    import pyarrow as pa

    made = []
    for number, value in enumerate(values, 1):
        try:
            made.append(_value(value, field.type))
        except (pa.ArrowException, TypeError, ValueError, ArithmeticError) as error:
            found = f"{what}: {field.name} of row {number} is {value!r}"
            cure = f"write it as {field.type} is written"
            raise HeadraceError(Fault("HR-TEST-004", here(), found, f"a value of type {field.type}", cure)) from error
    return pa.array(made, field.type)


def _value(value: Any, kind: pa.DataType) -> Any:
    """Return a value as Arrow takes it in a type: text is read, numbers are exact, times without zone are in UTC."""
    import pyarrow as pa
    import pyarrow.types as pat

    if value is None or (isinstance(value, str) and pat.is_string(kind)):
        return value
    if isinstance(value, str) and pat.is_timestamp(kind):
        value = datetime.datetime.fromisoformat(value.strip())
    if isinstance(value, datetime.datetime) and pat.is_timestamp(kind):
        value = value if value.tzinfo is not None else value.replace(tzinfo=datetime.UTC)
        return value if kind.tz is not None else value.astimezone(datetime.UTC).replace(tzinfo=None)
    if pat.is_decimal(kind):
        return pa.scalar(decimal.Decimal(str(value))).cast(kind).as_py()
    if isinstance(value, str):
        return pa.scalar(value.strip()).cast(kind).as_py()
    if isinstance(value, decimal.Decimal) and pat.is_integer(kind) and value == int(value):
        return int(value)
    return pa.scalar(float(value) if pat.is_floating(kind) else value, kind).as_py()
