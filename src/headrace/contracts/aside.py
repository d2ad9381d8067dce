"""Rows that are kept out, as they were received, with all their reasons, as they stand in quarantine.

Text is held as text, also within structs and lists, and a row of JSON as it was written. Other values of Arrow are held
in the form in which they are read again: 5 where 5.0 was sound for an int.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from headrace.contracts.columns import is_text
from headrace.contracts.problems import Problem
from headrace.contracts.written import as_written, said, under_fields
from headrace.declare import Contract
from headrace.declare.kept import QUARANTINED
from headrace.types import arrow_schema

MALFORMED = "#malformed"
"""Column that readers add for rows that are not what they should be: their text, and what is wrong with them.

A problem with the field ``line`` is of the whole row, of which nothing else could be read.
"""
AS_WRITTEN = "#written"
"""Column that readers of JSON add: the text of each row, under the names that its source has."""
_PROBLEM = pa.struct([("code", pa.string()), ("field", pa.string()), ("text", pa.string())])
MALFORMED_TYPE = pa.struct([("text", pa.string()), ("problems", pa.list_(_PROBLEM))])
QUARANTINE = arrow_schema(QUARANTINED)
_LONGEST = 120


def set_aside(
    contract: type[Contract],
    batch: pa.Table,
    typed: pa.Table,
    problems: list[Problem],
    bad: npt.NDArray[np.int64],
    source: str,
    positions: npt.NDArray[np.int64],
) -> pa.Table:
    """Return the rows of a batch that are bad, with all their reasons, as they stand in quarantine."""
    if not len(bad):
        return QUARANTINE.empty_table()
    rows = batch.take(pa.array(bad))
    given = rows.select([name for name in rows.column_names if name not in (MALFORMED, AS_WRITTEN)])
    received, (written, lines) = plain_rows(given), _texts(rows)
    for at, text in written.items():
        received[at] = under_fields(as_written(text), contract)
    reasons: list[list[str]] = [[] for _ in bad]
    for problem in problems:
        places = np.searchsorted(bad, problem.rows).tolist()
        for place in places:
            reasons[place].append(_reason(problem, received[place]))
    if AS_WRITTEN not in rows.column_names:
        _as_read(received, given.schema, typed.take(pa.array(bad)))
    held = [json.dumps(row, ensure_ascii=False) if at not in written else "" for at, row in enumerate(received)]
    for at, text in written.items():
        held[at] = text if contract.outside is contract else said(received[at])
    for at, text in lines.items():
        held[at] = json.dumps({"#line": text}, ensure_ascii=False)
    columns = [
        pa.array([source] * len(bad), pa.string()),
        pa.array(positions[bad], pa.int64()),
        pa.array(reasons, QUARANTINE.field("reasons").type),
        pa.array(held, pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=QUARANTINE)


def _texts(rows: pa.Table) -> tuple[dict[int, str], dict[int, str]]:
    """Return the texts of rows that are objects of JSON, and of those of which nothing could be read."""
    nothing = [None] * rows.num_rows
    texts = rows[AS_WRITTEN].to_pylist() if AS_WRITTEN in rows.column_names else nothing
    told = rows[MALFORMED].to_pylist() if MALFORMED in rows.column_names else nothing
    written = {at: text for at, text in enumerate(texts) if text is not None}
    lines = dict[int, str]()
    for at, one in enumerate(told):
        if one is not None:
            written[at] = one["text"]
            if any(problem["field"] == "line" for problem in one["problems"]):
                lines[at] = written.pop(at)
    return written, lines


def _as_read(received: Sequence[dict[str, object]], schema: pa.Schema, typed: pa.Table) -> None:
    """Give values that could be read the form in which they are read again."""
    for field, values in zip(typed.schema, typed.columns, strict=True):
        given = schema.field(field.name).type if field.name in schema.names else field.type
        if given == field.type or pat.is_null(given) or _holds_text(given):
            continue
        for row, value in zip(received, plain_values(one_chunk(values)), strict=True):
            row[field.name] = _sound(given, row.get(field.name), value)


def _sound(kind: pa.DataType, received: object, read: object) -> object:
    """A value as it was read; text as it was received, and what could not be read; of what is nested, each within."""
    match received, read:
        case dict(), dict():
            return {name: _sound(kind.field(name).type, one, read.get(name)) for name, one in received.items()}
        case list(), list() if len(received) == len(read):
            return [_sound(kind.value_type, one, other) for one, other in zip(received, read, strict=True)]
    return received if read is None or _holds_text(kind) else read


def _holds_text(kind: pa.DataType) -> bool:
    return is_text(kind.value_type if pat.is_dictionary(kind) else kind)


def _reason(problem: Problem, row: dict[str, object]) -> str:
    values = [str(_found(row, name)) or '""' for name in problem.field.split(", ")] if problem.shown else []
    shown = ", ".join(value if len(value) <= _LONGEST else value[:_LONGEST] + "…" for value in values)
    return f"{problem.code} {problem.field}: {shown}{' ' if shown else ''}{problem.text}"


def _found(row: Mapping[str, object], name: str) -> object:
    """The value of a field, or of one within it: ``address.city`` of ``{"address": {"city": …}}``."""
    if name in row or "." not in name:
        return row.get(name)
    outer, _, inner = name.partition(".")
    within = row.get(outer)
    if isinstance(within, str):  # in a cell of text an object stands as JSON
        with suppress(ValueError):
            within = json.loads(within, parse_float=str)
    return _found(within, inner) if isinstance(within, Mapping) else within


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def plain_rows(rows: pa.Table) -> list[dict[str, object]]:
    """Return rows as values that JSON can say exactly, as they stand in quarantine."""
    columns = [plain_values(one_chunk(column)) for column in rows.columns]
    return [dict(zip(rows.column_names, values, strict=True)) for values in zip(*columns, strict=True)]


def plain_values(column: pa.Array) -> list[object]:
    """Return values that JSON can say exactly: text for times, decimals and what is not finite."""
    if pat.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pat.is_temporal(column.type) or pat.is_decimal(column.type):
        return list(pc.cast(column, pa.string()).to_pylist())
    if pat.is_string(column.type) or pat.is_large_string(column.type) or pat.is_binary(column.type):
        raw = pc.cast(column, pa.binary()).to_pylist()
        return [None if one is None else one.decode("utf-8", "replace") for one in raw]
    if pat.is_nested(column.type):
        try:
            return [_sayable(value) for value in column.to_pylist()]
        except (OverflowError, ValueError):  # times beyond the calendar of Python
            return [_sayable(value) for value in pc.cast(column, _timeless(column.type)).to_pylist()]
    if pat.is_float16(column.type) or pat.is_float32(column.type):  # 1.1, and not the float64 nearest to it
        column = pa.array([None if one is None else float(str(np.float32(one))) for one in column.to_pylist()])
    if pat.is_floating(column.type):
        return [value if value is None or np.isfinite(value) else str(value) for value in column.to_pylist()]
    return list(column.to_pylist())


def _timeless(kind: pa.DataType) -> pa.DataType:
    """Return a type in which times and days are text."""
    if pat.is_struct(kind):
        return pa.struct([one.with_type(_timeless(one.type)) for one in kind])
    if pat.is_list(kind) or pat.is_large_list(kind):
        item = kind.value_field.with_type(_timeless(kind.value_type))
        return pa.large_list(item) if pat.is_large_list(kind) else pa.list_(item)
    return pa.string() if pat.is_temporal(kind) else kind


def _sayable(value: object) -> object:
    """A value within others as JSON can say it."""
    match value:
        case dict():
            return {name: _sayable(one) for name, one in value.items()}
        case list():
            return [_sayable(one) for one in value]
        case bytes():
            return value.decode("utf-8", "replace")
        case datetime.date() | datetime.time():
            return value.isoformat()
        case None | str() | bool() | int():
            return value
        case float() if np.isfinite(value):
            return value
    return str(value)
