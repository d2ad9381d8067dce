"""One pass over a batch: every rule of every field, the good rows in columns, the bad ones with all their reasons."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from headrace.contracts.across import Across
from headrace.contracts.checks import broken_checks
from headrace.contracts.columns import check_columns, is_text, read_column
from headrace.contracts.keys import KeyIndex
from headrace.contracts.problems import Problem, never_taken, where
from headrace.contracts.rules import broken, broken_period
from headrace.declare import Contract, Field
from headrace.declare.kept import QUARANTINED, stated
from headrace.errors import Fault
from headrace.kernel.threads import WORTH_IT, cores
from headrace.types import arrow_schema

MALFORMED = "#malformed"
"""Column that readers add for rows that are not what they should be: their text, and what is wrong with them.

A problem with the field ``line`` is of the whole row, of which nothing else could be read.
"""
_PROBLEM = pa.struct([("code", pa.string()), ("field", pa.string()), ("text", pa.string())])
MALFORMED_TYPE = pa.struct([("text", pa.string()), ("problems", pa.list_(_PROBLEM))])
QUARANTINE = arrow_schema(QUARANTINED)
_LONGEST = 120


@dataclass(frozen=True)
class Validated:
    """A batch after validation: ``accepted.num_rows + quarantined.num_rows`` is what was received.

    Args:
        accepted: the contract's columns, in its order and types.
        quarantined: source, position in it (from 1), all reasons, and the row as JSON, as received.
        counts: how many rows break each rule that keeps them out; no values.
        faults: warnings about the batch as a whole, such as a column that is ignored.
        problems: every rule that rows break, also those that only warn.
    """

    accepted: pa.Table
    quarantined: pa.Table
    counts: dict[str, int]
    faults: tuple[Fault, ...]
    problems: tuple[Problem, ...] = ()


def validate(
    contract: type[Contract],
    batch: pa.Table,
    seen_keys: KeyIndex | Across | None = None,
    source: str = "",
    first_row: int = 1,
    rows: npt.NDArray[np.int64] | None = None,
) -> Validated:
    """Return the rows that keep a contract, typed, and the others with every reason why they do not.

    Args:
        contract: what is promised.
        batch: rows as received; columns of text or of any Arrow type that can be read safely as the field's.
        seen_keys: keys of the rows accepted before, or all that other rows decide; it learns those of this batch. None
            checks this batch alone, and no references.
        source: name of the file, for the quarantine.
        first_row: position in the source of the first row.
        rows: positions in the source of all rows, where they are not consecutive.

    Raises:
        HeadraceError: when a column is missing or of a type that cannot be read; then nothing is accepted.

    Example:
        >>> from headrace.declare import field, key
        >>> class Payment(Contract):
        ...     payment_id: int = key()
        ...     amount: float = field(ge=0)
        >>> done = validate(Payment, pa.table({"payment_id": ["1", "2"], "amount": ["9.5", "-3"]}))
        >>> done.accepted.to_pylist()
        [{'payment_id': 1, 'amount': 9.5}]
        >>> done.quarantined["reasons"].to_pylist()
        [['HR-DATA-004 amount: -3 is below 0']]
    """
    faults = check_columns(contract, batch.schema, source)
    batch = without_views(batch).combine_chunks()  # once: each column as a whole is read, and rows are taken out of it
    typed, problems = judge(contract, batch)
    across = seen_keys if isinstance(seen_keys, Across) else Across(contract, key=seen_keys)
    problems += across.problems(typed, unmarked(problems, batch.num_rows))
    good = unmarked(problems, batch.num_rows)
    positions = np.arange(first_row, first_row + batch.num_rows) if rows is None else rows
    return Validated(
        typed if good.all() else typed.filter(pa.array(good)),
        set_aside(batch, typed, [one for one in problems if one.rejects], np.flatnonzero(~good), source, positions),
        {problem.rule: len(problem.rows) for problem in problems if problem.rejects},
        tuple(faults),
        tuple(problems),
    )


def judge(contract: type[Contract], batch: pa.Table) -> tuple[pa.Table, list[Problem]]:
    """Return rows in a contract's types, null where a value cannot be read, and all rules that some of them break.

    Keys, unique columns and references are not among these rules: other batches and tables have to say (``Across``).
    """
    columns: dict[str, pa.Array] = {}
    problems = _malformed(contract, batch)
    told = list(problems)

    def judged(field: Field) -> tuple[pa.Array, list[Problem]]:
        there = not field.may_lack or field.name in batch.column_names
        raw = _one_chunk(batch[field.name]) if there else pa.nulls(batch.num_rows)
        values, found = read_column(field, raw)
        read = unmarked([one for one in told if _of(one, field)], batch.num_rows)
        return values, _among(read, [*never_taken(field, found), *broken(field, raw, values)])

    fields = contract.fields().values()
    for field, (values, found) in zip(fields, _side_by_side(judged, fields, batch.num_rows), strict=True):
        columns[field.name] = values
        problems += found
    problems += broken_period(contract, columns)
    problems += broken_checks(contract, columns, problems, batch.num_rows)
    return pa.table(columns, schema=arrow_schema(stated(contract))), problems


def without_views(batch: pa.Table) -> pa.Table:
    """Return text and bytes plain where they are views, as Polars writes them: of views Arrow cannot take some rows."""
    kinds = [_plain_kind(kind) for kind in batch.schema.types]
    if kinds == batch.schema.types:
        return batch
    return batch.cast(pa.schema(list(zip(batch.column_names, kinds, strict=True))))


def _plain_kind(kind: pa.DataType) -> pa.DataType:
    if pat.is_string_view(kind):
        return pa.large_string()
    if pat.is_binary_view(kind):
        return pa.large_binary()
    if pat.is_struct(kind):
        return pa.struct([one.with_type(_plain_kind(one.type)) for one in kind])
    if pat.is_list(kind) or pat.is_large_list(kind):
        item = kind.value_field.with_type(_plain_kind(kind.value_type))
        return pa.large_list(item) if pat.is_large_list(kind) else pa.list_(item)
    return kind


def _of(problem: Problem, field: Field) -> bool:
    """Whether a problem is of a field, of one within it, or of the whole row."""
    return problem.field in ("line", field.name) or problem.field.startswith(f"{field.name}.")


_T = TypeVar("_T")


def _side_by_side(work: Callable[[Field], _T], fields: Collection[Field], rows: int) -> Iterable[_T]:
    """Do something with each field, in threads where the rows are worth them: Arrow gives the lock of Python up."""
    if rows < WORTH_IT or cores() == 1:
        return map(work, fields)
    return _pool().map(work, fields)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="headrace-contracts")


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _malformed(contract: type[Contract], batch: pa.Table) -> list[Problem]:
    if MALFORMED not in batch.column_names:
        return []
    column = _one_chunk(batch[MALFORMED])
    rows = where(column.is_valid())
    found: dict[tuple[str, str, str], list[int]] = {}
    for row, value in zip(rows.tolist(), column.take(pa.array(rows)).to_pylist(), strict=True):
        for one in value["problems"]:
            found.setdefault((one["code"], one["field"], one["text"]), []).append(row)
    problems = [Problem(code, name, text, np.array(at), False) for (code, name, text), at in found.items()]
    fields = contract.fields()
    return [told for one in problems for told in never_taken(fields.get(one.field.partition(".")[0], Field()), [one])]


def unmarked(problems: Iterable[Problem], length: int) -> npt.NDArray[np.bool_]:
    """Return for each row whether nothing keeps it out."""
    good = np.ones(length, np.bool_)
    for problem in problems:
        if problem.rejects:
            good[problem.rows] = False
    return good


def _among(read: npt.NDArray[np.bool_], problems: list[Problem]) -> list[Problem]:
    """Leave out rows of which a field was never read: that it is empty is no second reason."""
    if read.all():
        return problems
    kept = [(one, one.rows[read[one.rows]]) for one in problems]
    return [replace(one, rows=rows) for one, rows in kept if len(rows)]


def set_aside(
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
    received = plain_rows(batch.take(pa.array(bad)))
    reasons: list[list[str]] = [[] for _ in bad]
    for problem in problems:
        places = np.searchsorted(bad, problem.rows).tolist()
        for place in places:
            reasons[place].append(_reason(problem, received[place]))
    _as_read(received, batch.schema, typed.take(pa.array(bad)))
    columns = [
        pa.array([source] * len(bad), pa.string()),
        pa.array(positions[bad], pa.int64()),
        pa.array(reasons, QUARANTINE.field("reasons").type),
        pa.array([_json(row) for row in received], pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=QUARANTINE)


def _as_read(received: list[dict[str, object]], schema: pa.Schema, typed: pa.Table) -> None:
    """Give values that could be read the form in which they are read again: 5 where 5.0 was sound for an int.

    What is text stays as it was received.
    """
    for field, values in zip(typed.schema, typed.columns, strict=True):
        given = schema.field(field.name).type if field.name in schema.names else field.type
        if given == field.type or pat.is_null(given) or is_text(given):
            continue
        for row, value in zip(received, plain_values(_one_chunk(values)), strict=True):
            row[field.name] = _sound(row.get(field.name), value)


def _sound(received: object, read: object) -> object:
    """A value as it was read, and as it was received where it was not; of what is nested, each within."""
    match received, read:
        case dict(), dict():
            return {name: _sound(one, read.get(name)) for name, one in received.items()}
        case list(), list() if len(received) == len(read):
            return [_sound(one, other) for one, other in zip(received, read, strict=True)]
    return received if read is None else read


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


def _json(row: dict[str, object]) -> str:
    line = row.get(MALFORMED)
    if isinstance(line, dict):
        whole = any(one["field"] == "line" for one in line["problems"])
        return json.dumps({"#line": line["text"]}, ensure_ascii=False) if whole else str(line["text"])
    return json.dumps({name: value for name, value in row.items() if name != MALFORMED}, ensure_ascii=False)


def plain_rows(rows: pa.Table) -> list[dict[str, object]]:
    """Return rows as values that JSON can say exactly, as they stand in quarantine."""
    columns = [plain_values(_one_chunk(column)) for column in rows.columns]
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


def total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the sum of several ``Validated.counts``, the most frequent rule first.

    Example:
        >>> total([{"a": 1, "b": 1}, {"b": 2}])
        {'b': 3, 'a': 1}
    """
    added: Counter[str] = Counter()
    for one in counts:
        added.update(one)
    return dict(added.most_common())
