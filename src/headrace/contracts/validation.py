"""One pass over a batch: every rule of every field, the good rows in columns, the bad ones with all their reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as pat

from headrace.contracts.across import Across
from headrace.contracts.aside import MALFORMED, one_chunk, set_aside
from headrace.contracts.checks import broken_checks
from headrace.contracts.columns import check_columns, read_column
from headrace.contracts.keys import KeyIndex
from headrace.contracts.problems import Problem, never_taken, where
from headrace.contracts.rules import broken, broken_period
from headrace.declare import Contract, Field
from headrace.declare.kept import stated
from headrace.errors import Fault
from headrace.kernel.threads import WORTH_IT, cores
from headrace.types import arrow_schema


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
        set_aside(
            contract, batch, typed, [one for one in problems if one.rejects], np.flatnonzero(~good), source, positions
        ),
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
        raw = one_chunk(batch[field.name]) if there else pa.nulls(batch.num_rows)
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


def _malformed(contract: type[Contract], batch: pa.Table) -> list[Problem]:
    if MALFORMED not in batch.column_names:
        return []
    column = one_chunk(batch[MALFORMED])
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
