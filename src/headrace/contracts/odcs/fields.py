"""What a property of the standard and a field of a contract say alike: one row for each, read and written."""

from __future__ import annotations

import datetime
import decimal
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts.odcs.kinds import is_null_rule, may_be_null, set_type, type_of
from headrace.contracts.odcs.metrics import SEVERITY_WORDS, metric_of, none_allowed, severity_of
from headrace.contracts.odcs.read import number_of
from headrace.declare.fields import TIME_ROLES, Field
from headrace.declare.rules import REJECT, SEVERITIES, WARN
from headrace.types import STR, LogicalType, fitting, value_as

Property = Mapping[str, Any]
_UTC = zoneinfo.ZoneInfo("UTC")


@dataclass(frozen=True)
class Row:
    """One thing that both can say.

    Args:
        odcs: key of the standard, as shown in messages.
        read: from a property and its type; None (or empty) where nothing is said. Raises ValueError with the reason
            where a contract cannot say it.
        write: into a property; None where it is to be taken out.
    """

    odcs: str
    read: Callable[[Property, LogicalType], Any]
    write: Callable[[dict[str, Any], Any], None]


def field_of(one: Property, within: bool = False) -> tuple[Field, dict[str, str]]:
    """Return the field that a property is, and why a contract cannot say the rest of it, by key of the standard.

    Args:
        one: the property.
        within: whether it is one of an object, where no field has a role.

    Example:
        >>> field, left = field_of({"name": "age", "logicalType": "integer", "logicalTypeOptions": {"minimum": 18}})
        >>> field.type, field.ge, left
        (int | None, 18, {})
    """
    kind = type_of(one)
    said: dict[str, Any] = {}
    left: dict[str, str] = {}
    for name, row in _rows(kind).items():
        try:
            said[name] = row.read(one, kind)
        except ValueError as error:
            left[row.odcs] = str(error)
    if within and (said.pop("role", "") or said.pop("subject", False)):
        left["primaryKey"] = "a field within another has no role"
    given = {name: value for name, value in said.items() if value is not None or name == "default"}
    field = Field(name=str(one.get("name", "")), type=kind, inner=_inner(one, kind), **given)
    return (replace(field, type=kind | None) if _may_be_null(one, field) else field), left


def _inner(one: Property, kind: LogicalType) -> tuple[Field, ...]:
    one, kind = _innermost(one, kind)
    return tuple(field_of(have, within=True)[0] for have in one["properties"]) if kind.fields else ()


def _innermost(one: Property, kind: LogicalType) -> tuple[Property, LogicalType]:
    """What an array holds in the end, and its type."""
    while kind.item is not None:
        one, kind = one.get("items", {}), kind.item
    return one, kind


def property_of(field: Field, original: Property | None = None, within: bool = False) -> dict[str, Any]:
    """Return a field as a property: the original one, changed only where the field says something else.

    Example:
        >>> from headrace.types import INT
        >>> property_of(Field("age", INT, ge=18))
        {'name': 'age', 'logicalType': 'integer', 'required': True, 'logicalTypeOptions': {'minimum': 18}}
    """
    one = dict(original or {"name": field.name})
    if original is None or field_of(one)[0].type.bare != field.type.bare:
        set_type(one, field.type)
    if field.inner:
        _set_inner(one, field)
    if original is None and not field.type.nullable:
        one["required"] = True
    was = field_of(one, within)[0]
    if was.role != field.role:
        ROWS["role"].write(one, field.role)
        was = field_of(one, within)[0]
    if was.type.nullable != field.type.nullable:
        _set_nullable(one, field.type.nullable)
    for name, row in _rows(field.type).items():
        if getattr(was, name) != getattr(field, name):
            row.write(one, getattr(field, name))
    return one


def _set_inner(one: dict[str, Any], field: Field) -> None:
    """Give an object, or what an array holds, the properties of a nested contract."""
    if field.type.item is not None:
        one["items"] = dict(one.get("items", {}))
        _set_inner(one["items"], field.item)
        return
    by_name = {have.get("name"): have for have in one.get("properties", [])}
    one["properties"] = [property_of(have, by_name.get(have.name), within=True) for have in field.inner]


def _rows(kind: LogicalType) -> Mapping[str, Row]:
    return ROWS if kind.name != "list" else ROWS | _OF_ITEMS


def custom(one: Property, name: str) -> Any:
    """Return the value of a custom property, None where there is none."""
    return next((have.get("value") for have in one.get("customProperties", []) if have.get("property") == name), None)


def set_custom(one: dict[str, Any], name: str, value: Any) -> None:
    """Give a custom property a value; None and what is empty take it out."""
    have = one.get("customProperties", [])
    kept = [(was | {"value": value}) if was.get("property") == name else was for was in have]
    if not value:
        kept = [was for was in have if was.get("property") != name]
    elif all(was.get("property") != name for was in have):
        kept.append({"property": name, "value": value})
    _set(one, "customProperties", kept)


def held_by_field(rule: Property, one: Property) -> bool:
    """Return whether a rule of quality is said by the field: its set, its pattern, or that it is there."""
    return is_null_rule(rule) or _is_set_rule(rule, one) or _is_pattern_rule(rule, one)


def _set(one: dict[str, Any], key: str, value: Any) -> None:
    """Set a key, or take it out where the value says nothing."""
    if value is None or value in ("", [], {}):
        one.pop(key, None)
    else:
        one[key] = value


def _option(key: str, read: Callable[[Any, Property, LogicalType], Any]) -> Row:
    """A row for one of the options of the logical type."""

    def from_property(one: Property, kind: LogicalType) -> Any:
        value = one.get("logicalTypeOptions", {}).get(key)
        return None if value is None else read(value, one, kind)

    def into_property(one: dict[str, Any], value: Any) -> None:
        options = dict(one.get("logicalTypeOptions", {}))
        options.pop(key, None)
        _set(one, "logicalTypeOptions", options | ({} if value in (None, "") else {key: _plain(value, type_of(one))}))

    return Row(f"logicalTypeOptions.{key}", from_property, into_property)


def _bound(value: Any, one: Property, kind: LogicalType) -> Any:
    if not (kind.numeric or kind.name in ("timestamp", "date")):
        raise ValueError(f"a field of type {kind!r} has no bounds")
    if kind.name == "timestamp" and isinstance(value, str):
        value = _with_zone(value, one)
    value = _as_declared(value, kind)
    value_as(value, kind)
    return value


def _as_declared(value: Any, kind: LogicalType) -> Any:
    """A number with more digits than a float has is declared as text."""
    if not isinstance(value, decimal.Decimal):
        return value
    return float(value) if kind.name == "float" else str(value)


def _with_zone(text: str, one: Property) -> str:
    """A time without an offset is of the default zone, which is UTC where none is named (so the standard says)."""
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        return text
    zone = ROWS["zone"].read(one, type_of(one))
    return moment.replace(tzinfo=zoneinfo.ZoneInfo(zone) if zone else _UTC).isoformat()


def _length(value: Any, _one: Property, kind: LogicalType) -> int:
    if kind.name not in ("str", "list") or not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a length is a whole number, of text or of an array")
    return value


def _pattern(value: Any, _one: Property, kind: LogicalType) -> str:
    if kind.name != "str" or not isinstance(value, str):
        raise ValueError("a pattern is a text, of text")
    try:
        pc.match_substring_regex(pa.nulls(1, pa.string()), f"^(?:{value})$")
    except pa.ArrowInvalid:
        raise ValueError("the expression is not of RE2, which has no look-around and no back-references") from None
    return value


def _zone(value: Any, _one: Property, kind: LogicalType) -> str:
    if kind.name != "timestamp":
        return ""
    try:
        return zoneinfo.ZoneInfo(value).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ValueError(f"{value!r} is no IANA name of a zone") from None


def _key(name: str) -> Row:
    """A row for a text that stands in a key of its own."""
    return Row(name, lambda one, _kind: one.get(name, ""), lambda one, value: _set(one, name, value))


def _role(one: Property, kind: LogicalType) -> str:
    if one.get("primaryKey"):
        return "key"
    told = custom(one, "role")
    return told if told in TIME_ROLES and kind.name == "timestamp" else ""


def _set_role(one: dict[str, Any], role: str) -> None:
    if role == "key":
        one["primaryKey"] = True
    elif one.get("primaryKey"):
        one["primaryKey"] = False
        one.pop("primaryKeyPosition", None)
    set_custom(one, "role", role if role in TIME_ROLES else None)


def _may_be_null(one: Property, field: Field) -> bool:
    return may_be_null(one) and field.role in ("", "valid_to")


def _set_nullable(one: dict[str, Any], nullable: bool) -> None:
    one["required"] = not nullable
    if nullable and "quality" in one:
        _set(one, "quality", [rule for rule in one["quality"] if not is_null_rule(rule)])


def _severity(one: Property, _kind: LogicalType) -> str:
    told = custom(one, "severity")
    roles = one.get("primaryKey") or custom(one, "role") in TIME_ROLES
    return told if told in SEVERITIES and not (roles and told == WARN) else REJECT


def _set_severity(one: dict[str, Any], severity: str) -> None:
    """Say what becomes of a value that breaks its field's promises; rules of these say it too."""
    if any(_is_set_rule(rule, one) or _is_pattern_rule(rule, one) for rule in one.get("quality", [])):
        one["quality"] = [
            rule | {"severity": SEVERITY_WORDS[severity]}
            if _is_set_rule(rule, one) or _is_pattern_rule(rule, one)
            else rule
            for rule in one["quality"]
        ]
    set_custom(one, "severity", severity if severity != REJECT else None)


def _of_field(rule: Property, one: Property, argument: str) -> bool:
    """Whether a rule allows no invalid value, says one thing of it, and matters as much as the field does."""
    arguments = rule.get("arguments")
    alone = metric_of(rule) == "invalidValues" and isinstance(arguments, dict) and list(arguments) == [argument]
    own = _severity(one, STR)
    return alone and none_allowed(rule) and severity_of(rule, own) == own


def _is_set_rule(rule: Property, one: Property) -> bool:
    return _of_field(rule, one, "validValues") and isinstance(rule["arguments"]["validValues"], list)


def _is_pattern_rule(rule: Property, one: Property) -> bool:
    """A pattern of a rule is searched for unless it is anchored, and there may be one in the options already."""
    if not _of_field(rule, one, "pattern") or "pattern" in one.get("logicalTypeOptions", {}):
        return False
    return _anchored(rule["arguments"]["pattern"])


def _anchored(pattern: object) -> bool:
    return (
        isinstance(pattern, str) and pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith("\\$")
    )


def _isin(one: Property, kind: LogicalType) -> tuple[Any, ...] | None:
    rule = next((rule for rule in one.get("quality", []) if _is_set_rule(rule, one)), None)
    if rule is None:
        return None
    members = tuple(_as_declared(one, kind) for one in rule["arguments"]["validValues"] if one is not None)
    for member in members:
        value_as(member, kind)
        if kind.numeric and fitting(member, kind) is None:
            raise ValueError(f"{member!r} is no value of type {kind!r}")
    if not members:
        raise ValueError("a set without values")
    return members


def _set_isin(one: dict[str, Any], members: tuple[Any, ...] | None) -> None:
    values = None if members is None else [_plain(member, type_of(one)) for member in members]
    _set_argument(one, "validValues", values, lambda rule: _is_set_rule(rule, one))


def _set_argument(one: dict[str, Any], name: str, value: Any, mine: Callable[[Property], bool]) -> None:
    """Give the rule of invalid values that is a field's own an argument; None takes the rule out."""
    have = one.get("quality", [])
    if value is None:
        _set(one, "quality", [rule for rule in have if not mine(rule)])
        return
    rule: dict[str, Any] = {"type": "library", "metric": "invalidValues", "arguments": {name: value}, "mustBe": 0}
    if (severity := _severity(one, STR)) != REJECT:
        rule["severity"] = SEVERITY_WORDS[severity]
    others = [was | {"arguments": {name: value}} if mine(was) else was for was in have]
    one["quality"] = others if any(map(mine, have)) else [*others, rule]


_PATTERN = _option("pattern", _pattern)


def _pattern_of(one: Property, kind: LogicalType) -> Any:
    rule = next((rule for rule in one.get("quality", []) if _is_pattern_rule(rule, one)), None)
    return _PATTERN.read(one, kind) if rule is None else _pattern(rule["arguments"]["pattern"], one, kind)


def _set_pattern(one: dict[str, Any], pattern: str | None) -> None:
    have = [rule for rule in one.get("quality", []) if _is_pattern_rule(rule, one)]
    if have and (pattern is None or _anchored(pattern)):
        _set_argument(one, "pattern", pattern, lambda rule: _is_pattern_rule(rule, one))
        return
    _set_argument(one, "pattern", None, lambda rule: _is_pattern_rule(rule, one))
    _PATTERN.write(one, pattern)


def _plain(value: Any, kind: LogicalType) -> Any:
    """A value of a declaration as the standard writes it: numbers never as text, times never as anything else."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    if kind.numeric and isinstance(value, str):
        value = decimal.Decimal(value)
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else number_of(str(value))
    return value


ROWS: dict[str, Row] = {
    "severity": Row("customProperties.severity", _severity, _set_severity),
    "role": Row("primaryKey", _role, _set_role),
    "ge": _option("minimum", _bound),
    "gt": _option("exclusiveMinimum", _bound),
    "le": _option("maximum", _bound),
    "lt": _option("exclusiveMaximum", _bound),
    "isin": Row("quality.invalidValues", _isin, _set_isin),
    "pattern": Row(_PATTERN.odcs, _pattern_of, _set_pattern),
    "min_length": _option("minLength", _length),
    "max_length": _option("maxLength", _length),
    "unit": Row(
        "customProperties.unit",
        lambda one, _kind: told if isinstance(told := custom(one, "unit"), str) else "",
        lambda one, value: set_custom(one, "unit", value),
    ),
    "privacy": _key("classification"),
    "subject": Row(
        "customProperties.subject",
        lambda one, _kind: custom(one, "subject") is True,
        lambda one, value: set_custom(one, "subject", value),
    ),
    "zone": _option("defaultTimezone", _zone),
    "default": Row(
        "customProperties.default",
        lambda one, _kind: None if custom(one, "default") == "null" else ...,
        lambda one, value: set_custom(one, "default", "null" if value is None else None),
    ),
    "description": _key("description"),
}
"""The table: which field says what the standard says where. What stands in no row is kept in the document only."""


def _of_items(row: Row) -> Row:
    """A row for what holds for each item of an array, where the standard says it of the items."""

    def from_items(one: Property, kind: LogicalType) -> Any:
        items, innermost = _innermost(one, kind)
        return row.read(items, innermost)

    def into_items(one: dict[str, Any], value: Any) -> None:
        while one.get("logicalType") == "array":
            one["items"] = dict(one.get("items", {}))
            one = one["items"]
        row.write(one, value)

    return Row(f"items.{row.odcs}", from_items, into_items)


_OF_ITEMS: dict[str, Row] = {name: _of_items(ROWS[name]) for name in ("ge", "gt", "le", "lt", "isin", "pattern")}
_OF_ITEMS |= {"min_length": _option("minItems", _length), "max_length": _option("maxItems", _length)}
"""The rows that are others for an array: its lengths count items, all else is said of these."""
