"""Given rows as the lake could hold them: what they leave out is filled in, what breaks their contract is refused."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.declare import Contract, Stream, Table
from headrace.declare.base import here
from headrace.declare.fields import Field
from headrace.errors import Fault, HeadraceError
from headrace.testing.rows import Rows, array, plain

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.contracts.problems import Problem

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_KNOWN = ("known_time", "event_time", "valid_from")
Row = Mapping[str, Any]


def given_rows(rows: Rows, schema: pa.Schema, source: Stream | Table | None, what: str) -> pa.Table:
    """Return the rows that a test gives of a table, with all of its columns.

    A value that is not given is null where the contract takes that, else the least that is valid; rows are numbered
    in ``_seq``, and known since they happened.

    Args:
        rows: as ``check_query`` takes them.
        schema: of the table.
        source: that the table is of; None for one that the lake keeps beside them, which promises nothing.
        what: its name.

    Raises:
        HeadraceError: HR-TEST-004 for a value that is none of its column, 005 for each that breaks the contract.
    """
    import pyarrow as pa

    given = plain(rows, what)
    contract = None if source is None else source.contract
    if source is None or contract is None:
        columns = [array([one.get(name) for one in given], schema.field(name), what) for name in schema.names]
        return pa.table(columns, schema=schema)
    fields = contract.fields()
    filled = {name: _filled(given, name, fields.get(name), contract) for name in schema.names}
    made = pa.table([array(filled[one.name], one, what) for one in schema], schema=schema)
    if faults := list(_broken(made, contract, given, what, history=isinstance(source, Table) and bool(source.history))):
        raise HeadraceError(faults)
    return made


def _filled(given: Sequence[Row], name: str, field: Field | None, contract: type[Contract]) -> list[Any]:
    taken = {str(one[name]) for one in given if name in one}
    found, number = [], 0
    for place, one in enumerate(given, 1):
        if name in one:
            found.append(one[name])
        elif field is None:
            found.append(_added(name, place, one, contract))
        elif field.type.nullable:
            found.append(None)
        else:
            number += 1
            while field.role == "key" and str(least(field, number)) in taken and number <= 2 * len(given):
                number += 1
            found.append(least(field, number))
    return found


def _added(name: str, place: int, row: Row, contract: type[Contract]) -> Any:
    """A column that loading adds: the number of the row, its load, and since when it is known."""
    if name != "_known_at":
        return {"_seq": place, "_load": "given"}.get(name)
    roles = [role for role in map(contract.role, _KNOWN) if role is not None]
    return next((row[role] for role in roles if row.get(role) is not None), _EPOCH)


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
    if kind == "list":
        return [least(field.item, number)] * (field.min_length or 0)
    if kind == "struct":
        inner = zip(field.inner, field.parts, strict=True)
        return {one.name: None if one.type.nullable else least(part, number) for one, part in inner}
    return {"bool": False}.get(kind, _EPOCH.date() if kind == "date" else _EPOCH)


def _below(field: Field) -> decimal.Decimal:
    high = field.le if field.le is not None else field.lt
    return decimal.Decimal(0) if high is None else min(decimal.Decimal(0), decimal.Decimal(str(high)) - 1)


def _broken(
    made: pa.Table, contract: type[Contract], given: Sequence[Row], what: str, *, history: bool
) -> Iterator[Fault]:
    """What the contract says of the values that a test gives; it is not asked of those that were filled in."""
    import numpy as np

    from headrace.contracts import Across, judge
    from headrace.contracts.problems import CHECK, PERIOD
    from headrace.plan.rules import row_checks

    reads = {one.rule.name: one.reads for one in row_checks(contract)}
    period = [role for role in map(contract.role, ("valid_from", "valid_to")) if role is not None]
    typed, problems = judge(contract, made.select(list(contract.fields())))
    good = np.ones(made.num_rows, np.bool_)
    for one in problems:
        names = {CHECK: reads.get(one.field, ()), PERIOD: period}.get(one.code, (one.field,))
        for row in _where_given(one, names, given):
            good[row] = False
            yield _fault(one, row, given[row], contract, what)
    if not history:  # whose table has a row for each state of a key
        for one in Across(contract).problems(typed, good):
            for row in _where_given(one, one.field.split(", "), given):
                yield _fault(one, row, given[row], contract, what)


def _where_given(problem: Problem, names: Iterable[str], given: Sequence[Row]) -> Iterator[int]:
    """The rows that a problem keeps out, where a test says all of the fields that it is of."""
    outer = {name.partition(".")[0] for name in names}
    for row in problem.rows.tolist() if problem.rejects else ():
        if outer <= given[row].keys():
            yield row


def _fault(problem: Problem, row: int, given: Row, contract: type[Contract], what: str) -> Fault:
    names = [name for name in problem.field.split(", ") if name in given]
    values = ", ".join("null" if given[name] is None else repr(given[name]) for name in names)
    shown = f" is {values}, which" if names else ""
    found = f"{what}: {problem.field} of row {row + 1}{shown} {problem.text} ({problem.code})"
    cure = "give what the table can hold: rows that break its contract never come into it, so no query reads them"
    return Fault("HR-TEST-005", here(), found, f"rows that keep {contract.name}", cure)
