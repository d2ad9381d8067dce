"""What is wrong with the rules of a contract by themselves: severities, arguments, and columns that are none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headrace.declare.fields import Field
from headrace.declare.rules import (
    MOST_LOADS,
    REJECT,
    SEVERITIES,
    WARN,
    Check,
    Distribution,
    Fresh,
    Reference,
    Rule,
    Unique,
    Volume,
)
from headrace.errors import Fault, nearest
from headrace.types import duration_us

_DISTRIBUTED = ("int", "float", "decimal", "bool", "str")


def rule_faults(name: str, place: str, fields: Mapping[str, Field], rules: Mapping[str, Rule]) -> list[Fault]:
    """Return what is wrong with the severities of a contract's fields, and with its rules.

    Args:
        name: of the contract.
        place: of the contract, for what has none of its own.
        fields, rules: by name.
    """
    faults = [fault for one in fields.values() for fault in _severity(f"{name}.{one.name}", one.place or place, one)]
    for one in rules.values():
        what, at = f"{name}.{one.name}", one.place or place
        faults += _severity(what, at, one)
        if one.name in fields:
            found = f"{what} is a field and a rule"
            faults.append(Fault("HR-QUALITY-005", at, found, "a name of its own", "give the rule another name"))
        faults += [*_columns(what, at, one, fields), *_arguments(what, at, one), *_times(what, at, one, fields)]
    return faults


def untyped(name: str, attribute: str, place: str) -> Fault:
    """Return the fault of a field that was written without its type, which Python takes for no field at all."""
    found = f"{name}.{attribute} = hr.field(…) without a type"
    cure = f"write {attribute}: str = hr.field(…), with the type of its values"
    return Fault("HR-QUALITY-006", place, found, "a field with its type, or a rule such as hr.check(…)", cure)


def _severity(what: str, place: str, one: Field | Rule) -> Iterator[Fault]:
    if one.severity not in SEVERITIES:
        found, cure = f"severity={one.severity!r} of {what}", nearest(str(one.severity), SEVERITIES)
        yield Fault("HR-QUALITY-001", place, found, " or ".join(repr(word) for word in SEVERITIES), cure)
    elif isinstance(one, Rule) and not one.of_rows and one.severity == REJECT:
        found = f"severity='reject' of {what}, which no single row breaks"
        yield Fault("HR-QUALITY-002", place, found, "'warn' or 'stop'", "write severity='warn' or severity='stop'")
    elif isinstance(one, Field) and one.role and one.severity == WARN:
        found = f"severity='warn' of {what}, which is its {one.role}"
        expected = "'reject' or 'stop': a row without a sound one can have no place"
        yield Fault("HR-QUALITY-002", place, found, expected, "take severity='warn' away")


def _columns(what: str, place: str, one: Rule, fields: Mapping[str, Field]) -> Iterator[Fault]:
    if isinstance(one, Unique | Reference) and not one.columns:
        cure = "name them: hr.unique('reference')" if isinstance(one, Unique) else "write hr.reference('customer_id', …"
        yield Fault("HR-QUALITY-003", place, f"{what} names no column", "one or more fields", cure)
    for column in one.columns:
        if column not in fields:
            cure = nearest(str(column), fields)
            yield Fault("HR-QUALITY-003", place, f"{what} names {column!r}", "a field of the contract", cure)
        elif fields[column].type.nested and not isinstance(one, Distribution):
            found, cure = f"{what} names {column}, which is {fields[column].type!r}", "name a field of one value"
            yield Fault("HR-QUALITY-003", place, found, "fields of one value", cure)
        elif isinstance(one, Distribution) and fields[column].type.name not in _DISTRIBUTED:
            found, cure = f"{what} names {column}, which is {fields[column].type!r}", "name a number or a text"
            yield Fault("HR-QUALITY-003", place, found, "an int, float, decimal, bool or str", cure)


def _arguments(what: str, place: str, one: Rule) -> Iterator[Fault]:
    for argument, value, good, expected in _said(one):
        if not good:
            found, cure = f"{argument}={value!r} of {what}", f"write {argument}= with {expected}"
            yield Fault("HR-QUALITY-004", place, found, expected, cure)
    if isinstance(one, Volume) and one.within is one.at_least is one.at_most is None:
        expected = "within=, at_least= or at_most="
        yield Fault("HR-QUALITY-004", place, f"{what} bounds nothing", expected, "write hr.volume(within=0.5)")


def _said(one: Rule) -> Iterator[tuple[str, Any, bool, str]]:
    if isinstance(one, Check):
        yield "condition", one.condition, isinstance(one.condition, str), "SQL as text"
    if isinstance(one, Reference):
        yield "to", one.to, isinstance(one.to, str) and bool(one.to), "the name of a table, such as 'customers'"
    if isinstance(one, Fresh):
        yield "within", one.within, _is_duration(one.within), "a length of time such as '2h'"
    if isinstance(one, Volume | Distribution):
        least = one.within is None or (_is_number(one.within) and one.within > 0)
        yield "within", one.within, least, "a number above 0"
        fits = _is_whole(one.last) and 1 <= one.last <= MOST_LOADS
        yield "last", one.last, fits, f"a whole number from 1 to {MOST_LOADS:,}"
    if isinstance(one, Volume):
        for argument in ("at_least", "at_most"):
            value = getattr(one, argument)
            yield argument, value, value is None or (_is_whole(value) and value >= 0), "a whole number of rows"


def _times(what: str, place: str, one: Rule, fields: Mapping[str, Field]) -> Iterator[Fault]:
    roles = {field.role for field in fields.values()}
    if isinstance(one, Fresh) and not roles & {"event_time", "known_time", "valid_from"}:
        found, cure = f"{what} of rows that have no time", "write at: hr.Timestamp = hr.event_time() in the contract"
        yield Fault("HR-QUALITY-003", place, found, "a field that says when a row happened or was known", cure)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_duration(value: object) -> bool:
    try:
        return isinstance(value, str) and duration_us(value) > 0
    except ValueError:
        return False
