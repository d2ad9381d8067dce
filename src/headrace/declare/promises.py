"""What is wrong with the promises of a contract by themselves: roles, and bounds and sets that hold no value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from headrace.declare.base import type_fault
from headrace.declare.fields import TIME_ROLES, Field
from headrace.errors import Fault
from headrace.types import LogicalType, closed_units, fitting, value_as


def written(kind: LogicalType) -> str:
    """Return a type as an annotation says it."""
    names = {"timestamp": "hr.Timestamp", "date": "hr.Date", "decimal": f"hr.Decimal({kind.precision}, {kind.scale})"}
    if kind.item is not None:
        names["list"] = f"list[{written(kind.item)}]"
    if kind.fields:
        names["struct"] = f"LogicalType('struct', fields={kind.fields!r})"
    return names.get(kind.name, kind.name) + (" | None" if kind.nullable else "")


def promise_faults(name: str, place: str, fields: Mapping[str, Field]) -> list[Fault]:
    """Return what is wrong with the fields of a contract, each by itself and their roles together.

    Args:
        name: of the contract.
        place: of the contract, for fields that have none of their own.
        fields: by name.
    """
    faults = [fault for role in TIME_ROLES for fault in _role_faults(name, place, role, fields)]
    for one in fields.values():
        at, what = one.place or place, f"{name}.{one.name}"
        mistyped = list(_mistyped(what, at, one))
        faults += mistyped or [*_bound_faults(what, at, one), *_text_faults(what, at, one)]
        if one.type.nested and (one.role or one.subject):
            said = f"its {one.role}" if one.role else "its subject"
            found = f"{what} is {said} and holds several values"
            cure = f"give that to a field of one value; write {one.name}: {written(one.type)} = hr.field()"
            faults.append(Fault("HR-CONTRACT-021", at, found, "a field of one value", cure))
        if one.default is not ... and not (one.may_lack and one.type.nullable):
            found = f"{what} has the default {one.default!r}" + (f" and is {one.type!r}" if one.may_lack else "")
            cure = f"write {one.name}: {written(one.type.bare)} | None = None, or take the default away"
            expected = "no default, or None for a column that may be null and that a source may lack"
            faults.append(Fault("HR-CONTRACT-002", at, found, expected, cure))
        if one.type.nullable and one.role in ("key", "event_time", "known_time", "valid_from"):
            cure = f"write {one.name}: {written(one.type.bare)} = hr.{one.role}()"
            found = f"{what} is its {one.role} and may be null"
            faults.append(Fault("HR-CONTRACT-008", at, found, "a type without | None", cure))
    return faults


def _role_faults(name: str, place: str, role: str, fields: Mapping[str, Field]) -> Iterator[Fault]:
    having = [one for one in fields.values() if one.role == role]
    if len(having) > 1:
        names = ", ".join(one.name for one in having)
        found, cure = f"{name} has {role} twice: {names}", f"write {having[1].name}: hr.Timestamp = hr.field()"
        yield Fault("HR-CONTRACT-003", having[1].place or place, found, f"one {role}", cure)
    for one in having:
        if one.type.name != "timestamp":
            found = f"{name}.{one.name} is the {role} and has type {one.type!r}"
            cure = f"write {one.name}: hr.Timestamp = hr.{role}()"
            yield Fault("HR-CONTRACT-004", one.place or place, found, "hr.Timestamp", cure)


_ARGUMENTS: dict[str, tuple[type, str]] = {
    "isin": (tuple, "a list of values"),
    "pattern": (str, "a regular expression as text"),
    "min_length": (int, "a whole number"),
    "max_length": (int, "a whole number"),
    "zone": (str, "the name of a zone as text, such as 'UTC'"),
    "unit": (str, "text such as 'EUR'"),
    "privacy": (str, "text such as 'personal'"),
    "description": (str, "a sentence as text"),
}


def _mistyped(what: str, place: str, one: Field) -> Iterator[Fault]:
    for argument, (kind, expected) in _ARGUMENTS.items():
        value = getattr(one, argument)
        if value is None or (isinstance(value, kind) and not isinstance(value, bool)):
            continue
        fault = type_fault(place, f"{argument} of {what}", value, expected)
        yield replace(fault, cure=f"write isin=[{value!r}]") if argument == "isin" else fault


def _bound_faults(what: str, place: str, one: Field) -> Iterator[Fault]:
    bounds = {name: value for name in ("ge", "gt", "le", "lt") if (value := getattr(one, name)) is not None}
    while one.type.name == "list":  # all but lengths is of the items
        one = one.item
    kind = one.type.name
    if bounds and kind in ("str", "bool", "struct"):
        found = f"{what} is {one.type!r} and has bounds"
        yield Fault("HR-CONTRACT-005", place, found, "bounds on numbers and times only", "use isin or pattern")
        bounds = {}
    if one.isin is not None and kind == "struct":
        found, cure = f"{what} is {one.type!r} and has isin=", "take isin= away: write it in the nested contract"
        yield Fault("HR-CONTRACT-005", place, found, "a set of values for a field of one value", cure)
        return
    wrong = [*_wrong_values(what, place, one, bounds)]
    yield from wrong
    if not wrong:
        yield from _empty(what, place, one, {name: value_as(value, one.type) for name, value in bounds.items()})


def _wrong_values(what: str, place: str, one: Field, bounds: Mapping[str, Any]) -> Iterator[Fault]:
    """A bound may lie between the values of its field; a member of its set is one of them."""
    kind = one.type.bare
    said = [*bounds.items(), *(("isin", member) for member in one.isin or ())]
    for argument, value in said:
        try:
            value_as(value, kind)
            fits = argument != "isin" or not kind.numeric or fitting(value, kind) is not None
        except ValueError:
            fits = False
        if not fits:
            shown = f"[{_EXAMPLES[kind.name]}]" if argument == "isin" else _EXAMPLES[kind.name]
            cure = f"write a value such as {argument}={shown}, or change the type of the field"
            found = f"{argument} of {what} names {value!r}"
            yield Fault("HR-CONTRACT-009", place, found, f"a value of type {kind!r}", cure)


_EXAMPLES = {
    "int": "1",
    "float": "0.5",
    "decimal": "1",
    "bool": "True",
    "str": "'a'",
    "date": "'2026-01-31'",
    "timestamp": "'2026-01-31T12:00:00Z'",
}
"""Values of types as a contract names them, for cures."""


def _empty(what: str, place: str, one: Field, bounds: Mapping[str, Any]) -> Iterator[Fault]:
    lows, highs = ([bounds[name] for name in names if name in bounds] for names in (("ge", "gt"), ("le", "lt")))
    if one.isin == ():
        cure = "name the values that are allowed, or take isin= away"
        yield Fault("HR-CONTRACT-006", place, f"isin of {what} names no value", "at least one", cure)
    if (lows and highs and max(lows) > min(highs)) or _nothing_between(bounds, one.type):
        said = ", ".join(f"{name}={getattr(one, name)!r}" for name in bounds)
        cure = f"give {one.name} a lower bound that is not above the upper one"
        yield Fault("HR-CONTRACT-006", place, f"{what}: no value can satisfy its bounds {said}", "ge <= le", cure)


def _nothing_between(bounds: Mapping[str, Any], kind: LogicalType) -> bool:
    """Whether open bounds, or the range of the type, leave no value; of what is counted the next one is a step away."""
    if not bounds:
        return False
    if kind.name not in ("int", "decimal"):
        low, high = bounds.get("gt", bounds.get("ge")), bounds.get("lt", bounds.get("le"))
        return low is not None and low == high and ("gt" in bounds or "lt" in bounds)
    largest = 2**63 - 1 if kind.name == "int" else 10**kind.precision - 1
    least, most = closed_units(bounds, kind)
    return max(-largest, -largest if least is None else least) > min(largest, largest if most is None else most)


def _text_faults(what: str, place: str, one: Field) -> Iterator[Fault]:
    least, most = one.min_length, one.max_length
    items, innermost = one.type.name == "list", one
    while innermost.type.name == "list":
        innermost = innermost.item
    if items or one.type.name == "str":
        if least is not None and most is not None and least > most:
            found = f"{what}: no {'list' if items else 'text'} can satisfy min_length={least}, max_length={most}"
            cure = f"write min_length={most}, max_length={least}"
            yield Fault("HR-CONTRACT-006", place, found, "min_length <= max_length", cure)
        least = most = None
    if least is not None or most is not None or (one.pattern and innermost.type.name != "str"):
        found = f"{what} is {one.type!r} and has a pattern or length"
        cure = f"write {one.name}: str, or bound it: hr.field(ge=…, le=…)"
        yield Fault("HR-CONTRACT-007", place, found, "a str field", cure)
