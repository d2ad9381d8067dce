"""Contracts as JSON Schema (2020-12): what a request may hold, as the reader of requests takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.declare import Contract, Field
from headrace.declare.rules import WARN
from headrace.plan.domains import closed_bounds
from headrace.types import LogicalType

_WORD = {"minimum": -(2**63), "maximum": 2**63 - 1}
_DECIMAL = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_WORDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def row_schema(contract: type[Contract]) -> dict[str, Any]:
    """Return the schema of one row: it refuses nothing that a service takes.

    Args:
        contract: of the rows.

    Returns:
        Names of fields as requests have them; only nullable fields may be left out. What a schema cannot say, such as
        a bound of a decimal that is written as text, stands in the description.

    Example:
        >>> from headrace.declare import Contract, field
        >>> class Payment(Contract):
        ...     amount: float | None = field(ge=0, unit="EUR")
        >>> row_schema(Payment)["properties"]["amount"]
        {'type': ['number', 'null'], 'minimum': 0.0, 'description': '≥ 0, EUR', 'x-unit': 'EUR'}
    """
    return _object(contract.fields().values(), contract.name, contract.doc.partition("\n\n")[0])


def feature_schema(kind: LogicalType) -> dict[str, Any]:
    """Return the schema of a feature's value in an answer: decimals are numbers, times microseconds, days numbers."""
    if kind.item is not None:
        return _nullable({"type": "array", "items": feature_schema(kind.item)}, True)
    return _nullable({"type": _LEAVES[kind.name]}, True)


_LEAVES = {
    "int": "integer",
    "float": "number",
    "decimal": "number",
    "bool": "boolean",
    "str": "string",
    "timestamp": "integer",
    "date": "integer",
}


def _object(fields: Any, title: str = "", description: str = "") -> dict[str, Any]:
    every = list(fields)
    said: dict[str, Any] = {"type": "object"} | ({"title": title} if title else {})
    said |= {"description": description} if description else {}
    said["properties"] = {one.name: _field(one) for one in every}
    said["required"] = [one.name for one in every if not one.type.nullable]
    return said | {"additionalProperties": False}


def _field(one: Field) -> dict[str, Any]:
    held = one.severity != WARN
    said = _kind(one) | (_rules(one) if held else {})
    said = _nullable(said, one.type.nullable)
    words = one.row()[3]
    told = [one.description, words if held else f"should be {words}" if words else "", one.unit]
    told += [_ROLES.get(one.role, "")]
    return said | _described(", ".join(filter(None, told)), one)


_ROLES = {
    "key": "the key: a row is decided once, and its decision given again",
    "event_time": "when it happened",
    "known_time": "when it was known",
}


def _described(text: str, one: Field) -> dict[str, Any]:
    more = {"x-unit": one.unit, "x-privacy": one.privacy, "x-role": one.role}
    return ({"description": text} if text else {}) | {name: value for name, value in more.items() if value}


def _kind(one: Field) -> dict[str, Any]:
    match one.type.name:
        case "int":
            return {"type": "integer", "format": "int64", **_WORD}
        case "float":
            return {"type": "number"}
        case "bool":
            return {"type": "boolean"}
        case "str":
            return {"type": "string"}
        case "timestamp":
            return {"type": "string", "format": "date-time"}
        case "date":
            return {"type": "string", "format": "date"}
        case "decimal":
            return {"anyOf": [{"type": "string", "pattern": _DECIMAL}, {"type": "number"}]}
        case "list":
            return {"type": "array", "items": _field(one.item)}
    return _object(one.inner)


def _rules(one: Field) -> dict[str, Any]:
    if one.type.nested:
        return _lengths(one, "Items") if one.type.name == "list" else {}
    said: dict[str, Any] = {}
    if one.isin is not None and one.type.name in ("int", "str", "bool"):
        said["enum"] = list(one.isin)
    if one.type.name == "int":
        said |= {_WORDS[name]: int(bound) for name, bound in (closed_bounds(one) or {}).items()}
    elif one.type.name == "float":
        said |= {word: float(bound) for name, word in _WORDS.items() if (bound := getattr(one, name)) is not None}
    elif one.type.name == "str":
        said |= _lengths(one, "Length")
        said |= {} if one.pattern is None else {"pattern": f"^(?:{one.pattern})$"}
    return said


def _lengths(one: Field, what: str) -> dict[str, int]:
    ends = {f"min{what}": one.min_length, f"max{what}": one.max_length}
    return {name: end for name, end in ends.items() if end is not None}


def _nullable(said: dict[str, Any], nullable: bool) -> dict[str, Any]:
    if not nullable:
        return said
    if "anyOf" in said:
        return said | {"anyOf": [*said["anyOf"], {"type": "null"}]}
    enum: Mapping[str, Any] = {"enum": [*said["enum"], None]} if "enum" in said else {}
    return said | {"type": [said["type"], "null"], **enum}
