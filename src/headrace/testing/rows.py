"""Rows as a test writes them: dicts, CSV text or a data frame, read in the types of a table."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from headrace.declare.base import here
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
    arrays = [array([one.get(name) for one in given], schema.field(name), what) for name in names]
    return pa.table(arrays, schema=pa.schema([schema.field(name) for name in names]))


def array(values: list[Any], field: pa.Field, what: str) -> pa.Array:
    """Return values in the type of a column.

    Raises:
        HeadraceError: HR-TEST-004 for one that is none of it.
    """
    import pyarrow as pa

    made = []
    for number, value in enumerate(values, 1):
        try:
            made.append(_value(value, field.type))
        except (pa.ArrowException, TypeError, ValueError, ArithmeticError) as error:
            found = f"{what}: {field.name} of row {number} is {value!r}"
            cure = f"write it as {'JSON' if pa.types.is_nested(field.type) else field.type} is written"
            raise HeadraceError(Fault("HR-TEST-004", here(), found, f"a value of type {field.type}", cure)) from error
    return pa.array(made, field.type)


def _value(value: Any, kind: pa.DataType) -> Any:
    """Return a value as Arrow takes it in a type: text is read, numbers are exact, times without zone are in UTC."""
    import pyarrow as pa
    import pyarrow.types as pat

    if value is None or (isinstance(value, str) and pat.is_string(kind)):
        return value
    if isinstance(value, str) and pat.is_nested(kind):
        value = json.loads(value, parse_float=decimal.Decimal)
    if pat.is_list(kind) and isinstance(value, list | tuple):
        return [_value(one, kind.value_type) for one in value]
    if pat.is_struct(kind) and isinstance(value, Mapping):
        return {one.name: _value(value.get(one.name), one.type) for one in kind}
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
