"""Requests to rows: one JSON object, every field checked against the contract, all that is wrong told at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from headrace.contracts.json import ABSENT, NoConstant, Refused, Twice, array, parsed, value_of, written
from headrace.contracts.problems import (
    BOUND,
    CALENDAR,
    CHECK,
    DIGITS,
    EMPTY,
    ITEM,
    LENGTH,
    LOCAL,
    NAIVE,
    NOT_FINITE,
    PATTERN,
    RANGE,
    SET,
    TYPE,
    WRITTEN,
    Problem,
)
from headrace.contracts.rules import broken
from headrace.declare import Contract, Field
from headrace.declare.nested import flat
from headrace.declare.rules import WARN
from headrace.errors import Fault, HeadraceError, nearest
from headrace.plan.lower import row_function
from headrace.plan.rules import row_checks
from headrace.serve.quick import QuickReader

Row = dict[str, Any]
"""A row's fields as the kernel holds them: scaled decimals, microseconds, days; None for null."""

LARGEST = 65_536
"""Bytes of one object; a row of a contract is far smaller."""


class RowReader:
    """Reads JSON objects as rows of a contract.

    Args:
        contract: whose fields are expected.
        checked: whether each row is held against the conditions of the contract, too, as rows of files are.

    Example:
        >>> from headrace.declare import Contract, field
        >>> class Payment(Contract):
        ...     amount: float = field(ge=0)
        >>> RowReader(Payment).read(b'{"amount": 2}')
        {'amount': 2.0}
    """

    def __init__(self, contract: type[Contract], checked: bool = False) -> None:
        self.fields = contract.fields()
        self.name = contract.name
        self._ruled = [one for one in self.fields.values() if _has_rules(one)]
        self._contract, self._quick = contract, QuickReader(contract)
        self._checks = [(one.rule, row_function(one.node)) for one in (row_checks(contract) if checked else ())]
        said = [one.severity for one in self._ruled] + [rule.severity for rule, _ in self._checks]
        self._warns = WARN in said

    def read(self, body: bytes, place: str = "request") -> Row:
        """Return one row.

        Args:
            body: a JSON object.
            place: where it stands, for faults.

        Raises:
            HeadraceError: HR-REQUEST-001 too large, 002 not JSON, 003 not an object, 004 a field twice, 005 unknown,
                006 missing; HR-DATA-… for values that break the contract. No fault holds a value.
        """
        if len(body) <= LARGEST and (quick := self._quick.read(body)) is not None:
            if broken := self._unheld(quick, place, ()):
                raise HeadraceError(broken)
            return quick
        return self.read_slowly(body, place)

    def read_slowly(self, body: bytes, place: str = "request") -> Row:
        """Return the same as ``read``, without a short cut for what is in order."""
        given = _object(body, place)
        faults = [
            Fault(
                "HR-REQUEST-005", place, f"the unknown field {name[:64]!r}", self._known(), nearest(name, self.fields)
            )
            for name in given
            if name not in self.fields
        ]
        for path in unknown_within(self.fields, given):
            cure = "leave it out, or declare it in the nested contract"
            faults.append(Fault("HR-REQUEST-005", place, f"the unknown field {path[:64]!r}", self._known(), cure))
        row: Row = {}
        for name, field in self.fields.items():
            try:
                row[name] = value_of(field, given.get(name), name in given)
            except Refused as refused:
                faults += [Fault(one.code, place, one.found, one.expected, _CURES[one.code]) for one in refused.each]
        faults += self._broken(row, place)
        faults += self._unheld(row, place, faults)
        if faults:
            raise HeadraceError(faults)
        return row

    def warned(self, row: Row) -> tuple[str, ...]:
        """Return the rules that only warn and that a row breaks, by the names that the quality history has for them."""
        if not self._warns:
            return ()
        told, given = [one.name for _, one in self._found(row) if not one.rejects], flat(row, self._contract)
        said = [rule.name for rule, holds in self._checks if rule.severity == WARN and _breaks(given, holds)]
        return (*told, *said)

    def arrow(self, rows: Sequence[Row]) -> pa.Table:
        """Return rows as a table in the contract's types."""
        columns = {name: array(field.type, [row[name] for row in rows]) for name, field in self.fields.items()}
        return pa.table(columns)

    def _known(self) -> str:
        return f"fields of {self.name}"

    def _broken(self, row: Row, place: str) -> list[Fault]:
        """Bounds, sets, patterns and lengths: the very rules that files are held to."""
        return [
            Fault(one.code, place, f"{name} {one.text}", "the contract kept", _CURES[one.code])
            for name, one in self._found(row)
            if one.rejects
        ]

    def _found(self, row: Row) -> Iterator[tuple[str, Problem]]:
        for field in self._ruled:
            if row.get(field.name) is not None:
                one = array(field.type, [row[field.name]])
                yield from ((problem.field, problem) for problem in broken(field, one, one))

    def _unheld(self, row: Row, place: str, faults: Sequence[Fault]) -> list[Fault]:
        """The conditions of the contract, where nothing else is wrong: they are judged on sound values alone."""
        if faults or not self._checks:
            return []
        given = flat(row, self._contract)
        broken = [rule for rule, holds in self._checks if rule.severity != WARN and _breaks(given, holds)]
        cure = "mend the values that it names"
        return [Fault(CHECK, place, f"a row that breaks {one.name}", one.said(), cure) for one in broken]


def _breaks(row: Mapping[str, Any], holds: Callable[[Mapping[str, Any]], Any]) -> bool:
    """Whether a condition is false of a row; null leaves it open."""
    held = holds(row)
    return held is not None and not held


def document(row: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    """Return a row as the JSON object that reads as the very same row."""
    return {name: None if row[name] is None else written(row[name], field.type) for name, field in fields.items()}


def unknown_within(fields: Mapping[str, Field], given: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of what objects within a row have and their contracts do not know."""
    for name, field in fields.items():
        for value in _objects(given.get(name)) if field.inner else ():
            inner = {one.name: one for one in field.inner}
            yield from (f"{name}.{one}" for one in value if one not in inner)
            yield from (f"{name}.{path}" for path in unknown_within(inner, value))


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        yield value
    for one in value if isinstance(value, list) else ():
        yield from _objects(one)


def _has_rules(field: Field) -> bool:
    if field.type.nested:
        return True
    rules = (field.ge, field.gt, field.le, field.lt, field.isin, field.pattern, field.min_length, field.max_length)
    return any(rule is not None for rule in rules)


def _object(body: bytes, place: str) -> dict[str, Any]:
    if len(body) > LARGEST:
        cure = "send less: text in a row of a contract is short"
        raise _refused("HR-REQUEST-001", place, f"{len(body):,} bytes", f"at most {LARGEST:,}", cure)
    try:
        given = parsed(body.decode("utf-8-sig"))
    except Twice as twice:
        found, cure = f"the field {twice.args[0][:64]!r} twice", "remove one of them"
        raise _refused("HR-REQUEST-004", place, found, "each field once", cure) from None
    except NoConstant as constant:
        found = f"the constant {constant.args[0]}"
        raise _refused("HR-REQUEST-002", place, found, "JSON, which has finite numbers only", "write null") from None
    except (ValueError, RecursionError) as error:
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        cure = "send what a JSON library writes, in UTF-8"
        raise _refused("HR-REQUEST-002", place, f"what is not JSON{where}", "a JSON object", cure) from None
    if not isinstance(given, dict):
        kind = {list: "a list", str: "text", type(None): "null"}.get(type(given), "a single value")
        cure = "send one row as {...}; many are a JSON array, or one object on each line (application/x-ndjson)"
        raise _refused("HR-REQUEST-003", place, kind, "a JSON object, one row", cure)
    return given


def _refused(code: str, place: str, found: str, expected: str, cure: str) -> HeadraceError:
    return HeadraceError(Fault(code, place, found, expected, cure))


_CURES = {
    ABSENT: "give it; only a field that is declared '| None' may be left out",
    EMPTY: "give a value, or declare the field '| None'",
    TYPE: "write the value as its type is written in JSON",
    NOT_FINITE: "give a finite number, or null where the contract allows it",
    BOUND: "mend the value, or the bound in the contract",
    SET: "give one of the allowed values, or add it to isin= in the contract",
    PATTERN: "mend the value, or pattern= in the contract",
    LENGTH: "mend the value, or its length in the contract",
    NAIVE: 'write the offset, or declare zone="UTC" in the contract if that is what it is',
    CALENDAR: "give the date or time that was meant",
    DIGITS: "round it where it comes from, or widen the type in the contract",
    RANGE: "give a value that the type holds",
    LOCAL: "write the offset: the clocks were changed then",
    WRITTEN: "write the list or object itself",
    ITEM: "leave the item out, or declare the items '| None'",
}
