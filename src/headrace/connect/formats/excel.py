"""Excel and other workbooks: the first sheet, whose first row names the columns."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from headrace.connect.formats.format import Format
from headrace.connect.formats.library import library
from headrace.connect.formats.mistaken import errors_of
from headrace.connect.formats.typed import column, written
from headrace.connect.places import File
from headrace.declare import Contract, Field

_MIDNIGHT = datetime.time()


class _Damaged(Exception):
    """A workbook that its library cannot read, whatever that says of it: it may quote a cell."""


def _sheet(file: File) -> tuple[list[str], list[list[Any]]]:
    calamine = library("python_calamine", file)
    with file.random() as raw:
        content = raw.read()
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        rows = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
        for (row, column), text in errors_of(content).items():
            rows[row][column] = text
    except Exception as error:  # also of a library in Rust, which has no common base for them
        raise _Damaged from error
    if not rows:
        return [], []
    names = [str(name) for name in rows[0]]
    return names, [row for row in rows[1:] if any(cell != "" for cell in row)]


def _columns(file: File, contract: type[Contract]) -> pa.Schema:
    names, rows = _sheet(file)
    columns = _typed(names, rows, contract)
    return pa.schema([(name, one.type) for name, one in zip(names, columns, strict=True) if name])


def _batches(file: File, contract: type[Contract], batch_rows: int) -> Iterator[pa.Table]:
    names, rows = _sheet(file)
    columns = dict(zip(names, _typed(names, rows, contract), strict=True))
    table = pa.table({name: one for name, one in columns.items() if name in contract.fields()})
    for at in range(0, len(rows), batch_rows):
        yield table.slice(at, batch_rows)


def _typed(names: Sequence[str], rows: Sequence[Sequence[Any]], contract: type[Contract]) -> list[pa.Array]:
    fields = contract.fields()
    return [_column([row[at] for row in rows], fields.get(name)) for at, name in enumerate(names)]


def _column(cells: Sequence[Any], field: Field | None) -> pa.Array:
    """A sheet knows numbers, texts and times: a code that looks like a number is text where the contract says so."""
    values = [None if cell == "" else cell for cell in cells]
    kind = None if field is None else field.type.name
    if kind == "str":
        return pa.array([None if value is None else written(value) for value in values], pa.string())
    if kind == "timestamp" or any(_is_moment(value) for value in values):
        values = [_day(value) if kind == "date" else _moment(value) for value in values]
    if kind in (None, "int") and all(_is_whole(value) for value in values):
        values = [None if value is None else int(value) for value in values]  # a sheet has no other form for them
    return column(values)


def _is_whole(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value.is_integer())


def _is_moment(value: Any) -> bool:
    return isinstance(value, datetime.datetime)


def _moment(value: Any) -> Any:
    """A cell that holds midnight is read as a day."""
    if isinstance(value, datetime.date) and not _is_moment(value):
        return datetime.datetime.combine(value, _MIDNIGHT)
    return value


def _day(value: Any) -> Any:
    """A time among days is as it is written, so that the contract tells it as it does in a file of text."""
    if not _is_moment(value):
        return value
    return value.date() if value.time() == _MIDNIGHT else written(value)


FORMATS = (Format("Excel", (".xlsx", ".xls", ".xlsb", ".ods"), _columns, _batches, packed=False, errors=(_Damaged,)),)
