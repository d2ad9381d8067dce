"""What the standard says of several tables, and of service: relationships as references, latency as freshness."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from headrace.contracts.names import table_name
from headrace.contracts.odcs.fields import custom
from headrace.contracts.odcs.kinds import type_of
from headrace.declare import Field
from headrace.declare.rules import REJECT, SEVERITIES, STOP, WARN, Fresh, Reference, Rule

Data = Mapping[str, Any]
LATENCY = "latency"
"""The standard's word for the age of what is newest, which it prefers to freshness."""
_LATENCIES = (LATENCY, "ly", "freshness", "fr")
UNITS = {"w": "wk", "d": "d", "h": "h", "m": "min", "s": "s", "ms": "ms", "us": "us"}
"""Units of lengths of time, as a contract and as the standard's ISO has them."""
_READ = {word: unit for unit, words in {
    "w": "w wk week weeks",
    "d": "d day days",
    "h": "h hr hour hours",
    "m": "min minute minutes",
    "s": "s sec second seconds",
    "ms": "ms",
    "us": "us",
}.items() for word in words.split()}  # fmt: skip
_ID = re.compile(r"([a-z][a-z0-9_]*)-(\w+)", re.ASCII)
NEWEST = ("known_time", "event_time", "valid_from")
"""Roles of the time that says how old a row is, the first that there is."""


class References:
    """Reads relationships of a document as references between its tables, as far as these stand in an order."""

    def __init__(self, data: Data) -> None:
        self.schema = data.get("schema", [])
        self.names = {str(one.get("name")): at for at, one in enumerate(self.schema)}
        self.needs: dict[int, set[int]] = {}

    def of_property(self, at: int, column: str | None, relation: Data) -> Rule | str:
        """Return the reference that a relationship of a property is, or why it is none."""
        if column is None:
            return "it is of items of a list"
        return self._made(at, [column], [relation.get("to")], relation)

    def of_object(self, at: int, relation: Data) -> Rule | str:
        """Return the reference that a relationship of an object is, or why it is none."""
        origin, to = relation.get("from"), relation.get("to")
        froms, tos = (one if isinstance(one, list) else [one] for one in (origin, to))
        columns = [self._of_own(at, one) for one in froms]
        if None in columns:
            return f"it is not from {self.schema[at].get('name')}"
        return self._made(at, [str(one) for one in columns], tos, relation)

    def _made(self, at: int, columns: list[str], tos: list[Any], relation: Data) -> Rule | str:
        severity = custom(relation, "severity")
        severity = severity if severity in SEVERITIES else REJECT
        own = custom(relation, "to")
        if isinstance(own, str) and own:
            return Reference(tuple(columns), own, severity=severity)
        targets = [self._target(one) for one in tos]
        if len(targets) != len(columns) or any(one is None for one in targets):
            return "it leads to what is not in this document"
        there = {one[0] for one in targets if one is not None}
        names = [one[1] for one in targets if one is not None]
        if len(there) != 1:
            return "it leads to several tables"
        (other,) = there
        return self._told(at, other, columns, names) or self._reference(at, other, columns, names, severity)

    def _told(self, at: int, other: int, columns: list[str], names: list[str]) -> str:
        if self._reaches(other, at):
            return "tables would refer to each other in a circle, and none could be loaded first"
        mine = [self._kind(at, column) for column in columns]
        theirs = [self._kind(other, name) for name in names]
        if None in mine or None in theirs:
            return "it is of a column that no contract has"
        if mine != theirs:
            return f"{columns[0]} and {names[0]} are of different types"
        return ""

    def _reference(self, at: int, other: int, columns: list[str], names: list[str], severity: str) -> Rule | str:
        table = table_name(str(self.schema[other]["name"]))
        keys = [one["name"] for one in self.schema[other].get("properties", []) if one.get("primaryKey")]
        if names != keys and len(names) > 1:
            return "several columns are looked up in a key, and these are none"
        self.needs.setdefault(at, set()).add(other)
        to = table if names == keys else f"{table}.{names[0]}"
        return Reference(tuple(columns), to, severity=severity)

    def _reaches(self, begin: int, end: int) -> bool:
        seen, ahead = set[int](), [begin]
        while ahead:
            one = ahead.pop()
            if one == end:
                return True
            if one not in seen:
                seen.add(one)
                ahead += self.needs.get(one, ())
        return False

    def _kind(self, at: int, column: str) -> Any:
        found = next((one for one in self.schema[at].get("properties", []) if one.get("name") == column), None)
        return None if found is None else type_of(found)

    def _of_own(self, at: int, path: object) -> str | None:
        found = self._target(path)
        return found[1] if found is not None and found[0] == at else None

    def _target(self, path: object) -> tuple[int, str] | None:
        """The object and the column that a reference names: ``orders.id``, or by their identifiers."""
        if not isinstance(path, str):
            return None
        steps = path.strip("/").split("/")
        if len(steps) == 4 and (steps[0], steps[2]) == ("schema", "properties"):
            at = next((at for at, one in enumerate(self.schema) if one.get("id") == steps[1]), None)
            below = [] if at is None else self.schema[at].get("properties", [])
            name = next((one.get("name") for one in below if one.get("id") == steps[3]), None)
            return None if at is None or name is None else (at, name)
        table, _, column = path.partition(".")
        return (self.names[table], column) if table in self.names and column and "." not in column else None


def latency(data: Data, at: int, level: Data, fields: Mapping[str, Field]) -> tuple[Rule | str | None, str]:
    """Return the freshness that a service level promises of an object, and its name; or why it is none."""
    one = data["schema"][at]
    if str(level.get("property", "")).lower() not in _LATENCIES:
        return None, ""
    tables = [_element(each, data) for each in str(level.get("element", "")).split(",")]
    mine = [column for table, column in tables if table in (one.get("name"), one.get("physicalName"))]
    if not mine:
        known = {name for have in data["schema"] for name in (have.get("name"), have.get("physicalName"))}
        lost = at == 0 and not any(table in known for table, _ in tables)
        return ("its element is no table of this document" if lost else None), ""
    newest = newest_of(fields)
    if newest is None or mine != [newest] or len(tables) != 1:
        return f"the newest row is told by {newest or 'a time with a role, such as hr.event_time()'}", ""
    value, unit = level.get("value"), _READ.get(str(level.get("unit", "d")).lower())
    if isinstance(value, bool) or not isinstance(value, int) or unit is None:
        return "hr.fresh(…) takes a whole number of weeks, days, hours, minutes or seconds", ""
    told = _ID.fullmatch(str(level.get("id", "")))
    name = told[2] if told and told[1] == table_name(str(one["name"])) else ""
    return Fresh(f"{value}{unit}", severity=STOP if level.get("valueExt") == STOP else WARN), name


def _element(text: str, data: Data) -> tuple[str, str]:
    """Table and column; the table need not be said where there is one."""
    table, dot, column = text.strip().rpartition(".")
    if not dot and len(data["schema"]) == 1:
        return str(data["schema"][0].get("name")), column
    return table, column


def newest_of(fields: Mapping[str, Field]) -> str | None:
    """Return the field that says how old a row is."""
    roles = {field.role: name for name, field in fields.items()}
    return next((roles[role] for role in NEWEST if role in roles), None)


def latency_words(rule: Fresh, table: str, element: str, name: str) -> dict[str, Any] | None:
    """Return a freshness as a service level, None where its length has no unit of the standard."""
    found = re.fullmatch(r"\s*(\d+)\s*([a-z]+)\s*", rule.within)
    if found is None or found[2] not in UNITS or not _ID.fullmatch(f"{table}-{name}"):
        return None
    said: dict[str, Any] = {"id": f"{table}-{name}", "property": LATENCY, "value": int(found[1])}
    said |= {"unit": UNITS[found[2]], "element": element}
    return said | ({"valueExt": STOP} if rule.severity == STOP else {})
