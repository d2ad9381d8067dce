"""Rows in quarantine, as they were received: read again under the contract, as they are or repaired."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from headrace import sql
from headrace.connect.formats import delimited, jsondocs, jsonlines
from headrace.connect.formats.documents import rows_of
from headrace.contracts import plain_values, read_column
from headrace.contracts.written import Literal, as_written, is_unicode, said
from headrace.declare import Contract, Field
from headrace.errors import Fault, HeadraceError, nearest
from headrace.types import STR, LogicalType

LINE = "#line"
"""The one field of a row of which nothing could be read but its text."""
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_JSON = tuple(suffix for one in (*jsondocs.FORMATS, *jsonlines.FORMATS) for suffix in one.suffixes)
_TEXT = tuple(suffix for one in delimited.FORMATS for suffix in one.suffixes)


@dataclass
class Received:
    """One row in quarantine.

    Args:
        load: that brought it.
        source: file or part that it stands in.
        row: where in it, from 1.
        reasons: why it was refused.
        values: field to value as JSON has it, numbers as ``Literal``; one field ``#line`` where it could not be read.
    """

    load: str
    source: str
    row: int
    reasons: Sequence[str]
    values: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.load}:{self.row}"

    @property
    def is_text(self) -> bool:
        """Whether it comes from a file of text, in which all values are texts."""
        return _plain(self.source).endswith(_TEXT)

    @property
    def is_json(self) -> bool:
        """Whether it comes from a document, in which a number and a text are two values."""
        return _plain(self.source).endswith(_JSON)

    @property
    def unread(self) -> bool:
        """Whether nothing of it could be read but its text."""
        return LINE in self.values

    def texts(self) -> dict[str, str | None]:
        """Return its values as a person writes them."""
        return as_texts(self.values)

    def repaired(self, changes: Mapping[str, str | None], contract: type[Contract]) -> Received:
        """Return it with other values, given as texts; what is the same text and of the field's type stays as it was.

        A row of which nothing could be read becomes what it is given.
        """
        before = {} if LINE in self.values else self.texts()
        fields = contract.fields()
        values = {name: _value(text, fields[name].type) for name, text in changes.items() if name in fields}
        new = {name: value for name, value in values.items() if self._differs(name, changes[name], value, before)}
        kept = {} if LINE in self.values and new else self.values
        return Received(self.load, self.source, self.row, self.reasons, {**kept, **new})

    def _differs(self, name: str, text: str | None, value: Any, before: Mapping[str, str | None]) -> bool:
        """Whether a field becomes another: by its text, or as ``"5"`` of JSON that is to be a number."""
        if name not in before:
            return text is not None
        return before[name] != text or (not self.is_text and type(value) is not type(self.values[name]))


def received(table: pa.Table) -> list[Received]:
    """Return rows of a quarantine."""
    return [
        Received(one["_load"], one["_source"], one["_row"], one["reasons"], _values(one["row"]))
        for one in table.select(["_load", "_source", "_row", "reasons", "row"]).to_pylist()
    ]


def as_batch(rows: Sequence[Received], contract: type[Contract], *, text: bool) -> pa.Table:
    """Return rows as a reader of files gives them: texts, or values of JSON."""
    fields = list(contract.fields())
    if not text:
        return rows_of([said(one) for one in _typed(rows, contract)], contract, fields)
    return pa.table({name: pa.array([row.texts().get(name) for row in rows], pa.string()) for name in fields})


def matching(rows: Sequence[Received], contract: type[Contract], where: str) -> list[Received]:
    """Return the rows for which a condition of SQL holds, over their texts, ``reasons``, ``_source`` and ``_row``.

    Raises:
        HeadraceError: HR-LAKE-006 what DuckDB says of it.
    """
    kept = _asked(rows, contract, f"select place from rows where {where} order by place")
    return [rows[place] for place in kept["place"].to_pylist()]


def set_by(rows: Sequence[Received], contract: type[Contract], sets: Mapping[str, str]) -> list[Received]:
    """Return rows repaired by expressions of SQL (DuckDB) over their texts.

    Args:
        rows: to be repaired.
        contract: of which the fields are.
        sets: field to expression; null makes it empty.

    Raises:
        HeadraceError: HR-QUARANTINE-002 no such field, HR-LAKE-006 what DuckDB says of an expression.
    """
    fields = contract.fields()
    if unknown := [name for name in sets if name not in fields]:
        raise HeadraceError(
            Fault("HR-QUARANTINE-002", "", f"no field {one} in {contract.name}", "a field", nearest(one, fields))
            for one in unknown
        )
    made = ", ".join(f'cast(({value}) as varchar) as "{number}"' for number, value in enumerate(sets.values()))
    found = _asked(rows, contract, f"select {made} from rows order by place")
    columns = [found[str(number)].to_pylist() for number in range(len(sets))]
    values = [dict(zip(sets, one, strict=True)) for one in zip(*columns, strict=True)]
    return [row.repaired(one, contract) for row, one in zip(rows, values, strict=True)]


def _asked(rows: Sequence[Received], contract: type[Contract], query: str) -> pa.Table:
    texts = [row.texts() for row in rows]
    names = dict.fromkeys([*contract.fields(), *(name for one in texts for name in one)])
    columns: dict[str, pa.Array] = {name: pa.array([one.get(name) for one in texts], pa.string()) for name in names}
    columns |= {
        "reasons": pa.array(["; ".join(row.reasons) for row in rows], pa.string()),
        "_source": pa.array([row.source for row in rows], pa.string()),
        "_row": pa.array([row.row for row in rows], pa.int64()),
        "place": pa.array(range(len(rows)), pa.int64()),
    }
    with sql.connected() as connection:
        with sql.told({"rows": list(columns)}):
            connection.register("rows", pa.table(columns))
            sql.lock(connection)
            asked = connection.sql(sql.readable(query))
        with sql.reading(query):
            return asked.to_arrow_table()


def _typed(rows: Sequence[Received], contract: type[Contract]) -> list[dict[str, Any]]:
    """Return the values of rows; a text where the type is its origin's is read as in a file of text, also within."""
    values, texts = [row.values for row in rows], dict[Field, list[tuple[Any, Any]]]()
    for at, row in enumerate(rows):
        if not row.is_json and not row.unread:
            values[at] = dict(row.values)
            for name, field in contract.fields().items():
                if name in row.values:
                    _find_texts(field, values[at], name, texts)
    for field, places in texts.items():
        read = read_column(field, pa.array([held[key] for held, key in places], pa.string()))[0]
        for (held, key), one in zip(places, plain_values(read), strict=True):
            held[key] = held[key] if one is None else one
    return values


def _find_texts(field: Field, held: Any, key: Any, found: dict[Field, list[tuple[Any, Any]]]) -> None:
    """Find where texts stand for values of other types, in copies of the structs and lists that hold them."""
    match field.type.name, held[key]:
        case "struct", dict() as within:
            held[key] = dict(within)
            for part, one in zip(field.parts, field.inner, strict=True):
                if one.name in within:
                    _find_texts(part, held[key], one.name, found)
        case "list", list() as within:
            held[key] = list(within)
            for at in range(len(within)):
                _find_texts(field.item, held[key], at, found)
        case kind, str() as text if kind != STR.name and not isinstance(text, Literal):
            found.setdefault(field, []).append((held, key))


def _plain(source: str) -> str:
    return source.lower().removesuffix(".gz").removesuffix(".zst")


def _values(text: str) -> dict[str, Any]:
    try:
        found = as_written(text)
    except ValueError:
        return {LINE: text}
    return found if isinstance(found, dict) else {LINE: text}


def _value(text: str | None, kind: LogicalType) -> Any:
    """Return the value of JSON that a text is in a field of a type."""
    if text is None:
        return None
    if kind.name == "bool" and text in ("true", "false"):
        return text == "true"
    if kind.nested:
        with suppress(ValueError):
            return as_written(text)
    return Literal(text) if kind.numeric and _NUMBER.fullmatch(text) else text


def as_texts(values: Mapping[str, Any]) -> dict[str, str | None]:
    """Return values of JSON as a person writes them in a table: texts, and all else as JSON does."""
    return {name: _text(value) for name, value in values.items()}


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and is_unicode(value)):
        return value
    return said(value)
