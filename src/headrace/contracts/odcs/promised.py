"""Rules of a document as rules of a contract: those that mean the same, and why the others do not."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from headrace.contracts.names import table_name
from headrace.contracts.odcs.fields import custom, field_of, held_by_field
from headrace.contracts.odcs.foreign import References, latency
from headrace.contracts.odcs.library import said_rule
from headrace.contracts.odcs.read import Steps
from headrace.declare import Check, Contract, Field, contract_of
from headrace.declare.rule_faults import rule_faults
from headrace.declare.rules import Rule
from headrace.errors import HeadraceError
from headrace.plan.domains import domains
from headrace.plan.parse import condition

Data = Mapping[str, Any]
_LONGEST = 60
"""Letters of a name that is made of a sentence."""


@dataclass(frozen=True)
class Found:
    """A rule of a contract, and the element of the document that says it."""

    rule: Rule
    path: Steps


@dataclass(frozen=True)
class Promised:
    """What a document promises of the rows of one of its objects, beyond single fields.

    Args:
        found: each element that is a rule; two that say the same have one rule.
        left: elements that no contract checks, and why.
    """

    found: tuple[Found, ...]
    left: tuple[tuple[Steps, str], ...]

    @property
    def rules(self) -> dict[str, Rule]:
        """The rules by name."""
        return {one.rule.name: one.rule for one in self.found}


def promised(data: Data) -> list[Promised]:
    """Return what a document promises of each object of its schema.

    Example:
        >>> one = {"name": "Orders", "properties": [{"name": "id", "unique": True}]}
        >>> promised({"schema": [one]})[0].rules["id_unique"].said()
        'unique id'
    """
    references = References(data)
    return [_of_object(data, at, references) for at in range(len(data.get("schema", [])))]


def whole_each_time(one: Data) -> bool:
    """Return whether a load of an object brings all of its rows, so that its rows are those of its load."""
    return custom(one, "load") == "replace" or isinstance(custom(one, "query"), str)


def _of_object(data: Data, at: int, references: References) -> Promised:
    one = data["schema"][at]
    fields = {have["name"]: field_of(have)[0] for have in one.get("properties", [])}
    judge = _Judge(fields)
    for path, reading, name in _said(data, at, fields, references):
        within = [data["schema"][at]["properties"][path[3]]["name"]] if "properties" in path else []
        judge.take(path, reading, name, *within)
    return Promised(tuple(judge.found), tuple(judge.left))


Reading = Rule | str | None
"""A rule of a contract; or why it is none; or nothing, where a field says it."""


def _said(
    data: Data, at: int, fields: Mapping[str, Field], references: References
) -> Iterator[tuple[Steps, Reading, str]]:
    """Yield each element that promises something: where it stands, what it is, and the name that it is given."""
    one, here = data["schema"][at], ("schema", at)
    for path, have, column in _properties(here, one):
        plain = column is not None
        if have.get("unique") is True and not _sole_key(one, have, path):
            yield (*path, "unique"), said_rule({"metric": "duplicateValues", "mustBe": 0}, one, column), ""
        for number, rule in enumerate(have.get("quality", [])):
            held = held_by_field(rule, have)
            reading = None if held else said_rule(rule, one, column) if plain else "it is of items of a list"
            yield (*path, "quality", number), reading, _told_name(rule)
        for number, relation in enumerate(have.get("relationships", [])):
            yield (*path, "relationships", number), references.of_property(at, column, relation), _custom_name(relation)
    whole = whole_each_time(one)
    for number, rule in enumerate(one.get("quality", [])):
        yield (*here, "quality", number), said_rule(rule, one, None, whole), _told_name(rule)
    for number, relation in enumerate(one.get("relationships", [])):
        yield (*here, "relationships", number), references.of_object(at, relation), _custom_name(relation)
    for number, level in enumerate(data.get("slaProperties", [])):
        reading, name = latency(data, at, level, fields)
        yield ("slaProperties", number), reading, name


def _properties(path: Steps, one: Data, outer: str = "") -> Iterator[tuple[Steps, Data, str | None]]:
    """Yield properties at any depth with the names that expressions have for them; what is in a list has none."""
    for number, have in enumerate(one.get("properties", [])):
        here = (*path, "properties", number)
        name = f"{outer}{have.get('name', '')}"
        yield here, have, name
        yield from _properties(here, have, f"{name}.")
        yield from _items(here, have)


def _items(path: Steps, one: Data) -> Iterator[tuple[Steps, Data, str | None]]:
    items = one.get("items")
    if isinstance(items, dict):
        here = (*path, "items")
        yield here, items, None
        yield from ((below, have, None) for below, have, _ in _properties(here, items))
        yield from _items(here, items)


def _sole_key(one: Data, have: Data, path: Steps) -> bool:
    keys = [key for key in one.get("properties", []) if key.get("primaryKey")]
    return len(path) == 4 and len(keys) == 1 and keys[0] is have


def _told_name(rule: Data) -> str:
    return next((str(rule[key]) for key in ("name", "id") if isinstance(rule.get(key), str)), "")


def _custom_name(relation: Data) -> str:
    told = custom(relation, "name")
    return told if isinstance(told, str) else ""


class _Judge:
    """Takes the rules that a contract of these fields can have, each under a name of its own."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.fields = fields
        self.contract = contract_of("Object", fields)
        self.found: list[Found] = []
        self.left: list[tuple[Steps, str]] = []

    def take(self, path: Steps, reading: Reading, name: str, column: str = "") -> None:
        why = reading if isinstance(reading, str) else "" if reading is None else self._refusal(reading)
        if why:
            self.left.append((path, why))
        elif isinstance(reading, Rule):
            self.found.append(Found(self._named(reading, name, column), path))

    def _refusal(self, rule: Rule) -> str:
        faults = rule_faults("Object", "", self.fields, {"rule": replace(rule, name="a rule")})
        if faults:
            return faults[0].found.removeprefix("Object.")
        return _unreadable(self.contract, rule) if isinstance(rule, Check) else ""

    def _named(self, rule: Rule, told: str, column: str) -> Rule:
        same = next((one.rule for one in self.found if replace(one.rule, name="") == rule), None)
        if same is not None:
            return same
        wish = rule_name(told) or default_name(rule, column)
        taken = {*self.fields, *(one.rule.name for one in self.found)}
        number, name = 2, wish
        while name in taken:
            number, name = number + 1, f"{wish}_{number}"
        return replace(rule, name=name)


def _unreadable(contract: type[Contract], rule: Check) -> str:
    if contract.faults:
        return ""
    try:
        condition(rule.condition, domains(contract), "", "it")
    except HeadraceError as error:
        return error.faults[0].found
    return ""


def rule_name(text: str) -> str:
    """Return a text as the name of an attribute, empty where none can be made of it.

    Example:
        >>> rule_name("Rows are in order"), rule_name("class"), rule_name("100 %")
        ('Rows_are_in_order', 'class_', 'x100')
    """
    name = text if text.isidentifier() else re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")[:_LONGEST].rstrip("_")
    name = f"x{name}" if name[:1].isdigit() else name.lstrip("_") if name.startswith("__") else name
    return f"{name}_" if keyword.iskeyword(name) else name


def default_name(rule: Rule, column: str = "") -> str:
    """Return the name of a rule to which its document gives none.

    Example:
        >>> from headrace.declare import unique
        >>> default_name(unique("shop", "receipt"))
        'shop_receipt_unique'
    """
    kind = type(rule).__name__.lower()
    columns = rule.columns or ((column,) if column else ())
    names = "_".join(table_name(str(one)) or "x" for one in columns)
    return rule_name(f"{names}_{kind}") if names else kind


def told(left: Iterable[tuple[Steps, str]], data: Data) -> Iterator[tuple[Steps, str, str]]:
    """Yield what no contract checks: where it stands, what it is, and why it is not."""
    for path, why in left:
        yield path, _called(path, data), why


def _called(path: Steps, data: Data) -> str:
    value: Any = data
    names: list[str] = []
    for step in path:
        value = value[step]
        if isinstance(value, dict) and step not in ("items",) and isinstance(value.get("name"), str):
            names.append(value["name"])
    words = {"unique": "unique", "slaProperties": "service level"}
    if path[-1] == "unique":
        what = "unique"
    elif "relationships" in path:
        what = f"relationship to {value.get('to')}"
    elif "slaProperties" in path:
        return f"service level {value.get('property')}"
    else:
        names = names[:-1] if isinstance(value.get("name"), str) else names
        what = f"rule {value.get('name') or value.get('metric') or value.get('type') or 'of quality'}"
    return f"{what} of {'.'.join(names)}" if names else words.get(what, what)
