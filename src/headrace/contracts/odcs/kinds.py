"""Types of the standard, logical and physical, and types of contracts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from headrace.contracts.odcs.metrics import metric_of, none_allowed, severity_of
from headrace.declare.fields import is_column
from headrace.declare.rules import WARN
from headrace.types import BOOL, FLOAT, INT, STR, Date, Decimal, LogicalType, Timestamp, list_of

_DIGITS = re.compile(r"(?:decimal|dec|numeric|number)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+[0-9]*")
_MOST_DIGITS = 18

LOGICAL = {
    "string": STR,
    "integer": INT,
    "number": FLOAT,
    "boolean": BOOL,
    "date": Date,
    "timestamp": Timestamp,
    "time": STR,
    "object": STR,
}
"""What a logical type becomes. A time of day, and an object without properties, are taken as text, unchanged."""

_WORDS = {
    "int integer bigint smallint tinyint mediumint int2 int4 int8 int16 int32 int64 long short byte": INT,
    "serial bigserial smallserial serial4 serial8 uint8 uint16 uint32 uint64": INT,
    "double float float4 float8 float32 float64 real numeric decimal number": FLOAT,
    "bool boolean": BOOL,
    "timestamp timestamptz datetime datetime2 datetimeoffset": Timestamp,
    "date": Date,
    "time": STR,
}
_PHYSICAL = {word: kind for words, kind in _WORDS.items() for word in words.split()}
_FINER = {"number": (INT,), "date": (Timestamp, STR)}
"""Where a physical type tells more than the logical one: v3.0 had one type for all numbers and one for all times."""


def type_of(one: Mapping[str, Any]) -> LogicalType:
    """Return the type of a property, not nullable.

    Example:
        >>> type_of({"logicalType": "number", "physicalType": "decimal(12,2)"}), type_of({"physicalType": "bigint"})
        (decimal(12,2), int)
    """
    logical, physical = one.get("logicalType"), str(one.get("physicalType", ""))
    if logical == "array":
        items = one.get("items", {"logicalType": "string"})
        # Most documents do not say whether an item may be null; only one that says so has such.
        return list_of(type_of(items) | None if items.get("required") is False else type_of(items))
    if logical == "object" and _nests(one):
        inner = ((have["name"], type_of(have)) for have in one["properties"])
        optional = map(may_be_null, one["properties"])
        fields = tuple(
            (name, kind | None if null else kind) for (name, kind), null in zip(inner, optional, strict=True)
        )
        return LogicalType("struct", fields=fields)
    if logical in (None, "number") and (digits := _decimal(physical)) is not None:
        return digits
    word = _WORD.match(physical.lower())
    told = _PHYSICAL.get(word[0]) if word else None
    if logical is None:
        return told or STR
    return told if told in _FINER.get(logical, ()) and told is not None else LOGICAL[logical]


def _nests(one: Mapping[str, Any]) -> bool:
    """Whether a contract can nest the properties of an object: columns have their names, each once."""
    names = [have.get("name") for have in one.get("properties", [])]
    return bool(names) and len(set(names)) == len(names) and all(map(is_column, names))


def may_be_null(one: Mapping[str, Any]) -> bool:
    """Return whether a property that has no role may be null."""
    return not (one.get("required") or any(map(is_null_rule, one.get("quality", []))))


def is_null_rule(rule: Mapping[str, Any]) -> bool:
    """Return whether a rule of quality says that there is no null; a contract takes none then, so none that warns."""
    nulls = metric_of(rule) in ("nullValues", "missingValues") and not rule.get("arguments")
    nulls |= metric_of(rule) == "missingValues" and rule.get("arguments") == {"missingValues": [None]}
    return nulls and none_allowed(rule) and severity_of(rule) != WARN


def _decimal(physical: str) -> LogicalType | None:
    found = _DIGITS.match(physical)
    precision, scale = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    return Decimal(precision, scale) if scale <= precision and 0 < precision <= _MOST_DIGITS else None


_NAMES = {"int": "integer", "float": "number", "decimal": "number", "bool": "boolean", "str": "string"}
_NAMES |= {"list": "array", "struct": "object"}


def set_type(one: dict[str, Any], kind: LogicalType) -> None:
    """Say in a property that it has a type; what belonged to another type goes."""
    logical = _NAMES.get(kind.name, kind.name)
    if one.get("logicalType") != logical:
        for key in ("physicalType", "logicalTypeOptions", "items", "properties"):
            one.pop(key, None)
    one["logicalType"] = logical
    if kind.item is not None:
        items = dict(one.get("items", {}))
        if "items" not in one or type_of(items) != kind.item.bare:
            set_type(items, kind.item.bare)
        if kind.item.nullable:
            items["required"] = False
        elif items.get("required") is False:
            del items["required"]
        one["items"] = items
    if kind.name != "struct" and type_of(one) != kind.bare:
        one.pop("physicalType", None)
    if kind.name == "decimal":
        one["physicalType"] = f"decimal({kind.precision},{kind.scale})"
