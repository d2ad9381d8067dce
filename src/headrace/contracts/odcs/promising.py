"""Rules of contracts into a document: in the standard's own words where it has them, else for our engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from headrace.contracts.names import table_name
from headrace.contracts.odcs.fields import set_custom
from headrace.contracts.odcs.foreign import latency_words, newest_of
from headrace.contracts.odcs.library import own_words
from headrace.contracts.odcs.metrics import SEVERITY_WORDS
from headrace.contracts.odcs.promised import Found, promised
from headrace.contracts.odcs.read import Steps
from headrace.declare import Check, Contract
from headrace.declare.rules import REJECT, Fresh, Reference, Rule, Unique, Volume

Data = dict[str, Any]
_ABOUT = (
    "id",
    "description",
    "businessImpact",
    "dimension",
    "method",
    "schedule",
    "scheduler",
    "tags",
    "authoritativeDefinitions",
    "customProperties",
)
"""What a document says about a rule and a contract does not: it stays when the rule changes."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def without_other_rules(data: Data, contracts: Mapping[int, type[Contract]]) -> Data:
    """Return a document with its rules changed and taken out where the contracts of its objects say otherwise.

    Args:
        data: the document.
        contracts: of objects of its schema, by position; others stay as they are.
    """
    edits: dict[Steps, Any] = {}
    for at, one in enumerate(promised(data) if contracts else ()):
        if at in contracts:
            edits |= {path: value for have in one.found for path, value in _edit(data, have, contracts[at].rules())}
    changed: Data = _edited(data, edits, ())
    return changed


def with_rules(data: Data, contracts: Mapping[int, type[Contract]]) -> Data:
    """Return a document with the rules of contracts that it does not have yet."""
    for at, contract in contracts.items():
        for rule in contract.rules().values():
            if not _has(data, at, rule):
                data = _added(data, at, contract, rule)
    return data


def _edit(data: Data, have: Found, rules: Mapping[str, Rule]) -> Iterator[tuple[Steps, Any]]:
    """Yield what becomes of an element: nothing where the contract says the same, None where it is taken out."""
    rule = rules.get(have.rule.name)
    if rule == have.rule:
        return
    same = next((one for one in rules.values() if replace(one, name=have.rule.name) == have.rule), None)
    rule = rule if isinstance(rule, type(have.rule)) else same
    words = None if rule is None or have.path[-2] != "quality" else _quality(rule)
    if words is not None and (len(have.path) == 4 or isinstance(rule, Check)):
        was = _at(data, have.path)
        yield have.path, {key: was[key] for key in _ABOUT if key in was} | words
    else:
        yield have.path, None


def _added(data: Data, at: int, contract: type[Contract], rule: Rule) -> Data:
    for written in (_in_standard(data, at, contract, rule), _own(data, at, rule)):
        if written is not None and _has(written, at, rule):
            return written
    return _own(data, at, rule)


def _has(data: Data, at: int, rule: Rule) -> bool:
    return promised(data)[at].rules.get(rule.name) == rule


def _in_standard(data: Data, at: int, contract: type[Contract], rule: Rule) -> Data | None:
    one = data["schema"][at]
    match rule:
        case Fresh():
            newest = newest_of(contract.fields()) or ""
            level = latency_words(rule, table_name(one["name"]), f"{one['name']}.{newest}", rule.name)
            return None if level is None else _appended(data, ("slaProperties",), level)
        case Reference():
            return _related(data, at, rule)
    words = _quality(rule)
    return None if words is None else _appended(data, ("schema", at, "quality"), words)


def _quality(rule: Rule) -> Data | None:
    """A rule as one of quality of the standard; None where it has no words for it."""
    words: Data | None = None
    if isinstance(rule, Check):
        query = f"SELECT count(*) FROM {{object}} WHERE NOT ({rule.condition})"
        words = {"type": "sql", "query": query, "mustBe": 0}
    elif isinstance(rule, Unique):
        arguments = {"properties": list(rule.of)}
        words = {"type": "library", "metric": "duplicateValues", "arguments": arguments, "mustBe": 0}
    elif isinstance(rule, Volume):
        words = _row_count(rule)
    return None if words is None else {"name": rule.name, **words, "severity": SEVERITY_WORDS[rule.severity]}


def _row_count(rule: Volume) -> Data | None:
    if rule.within is not None or rule.last != Volume().last:
        return None
    words: Data = {"type": "library", "metric": "rowCount"}
    least, most = rule.at_least, rule.at_most
    if least is not None and most is not None:
        return words | ({"mustBe": least} if least == most else {"mustBeBetween": [least, most]})
    return words | ({"mustBeLessOrEqualTo": most} if least is None else {"mustBeGreaterOrEqualTo": least})


def _own(data: Data, at: int, rule: Rule) -> Data:
    words = {"name": rule.name, **own_words(rule), "severity": SEVERITY_WORDS[rule.severity]}
    return _appended(data, ("schema", at, "quality"), words)


def _related(data: Data, at: int, rule: Reference) -> Data | None:
    """A reference as a relationship, of its property where it is one; where the key is meant, by the key's name."""
    one = data["schema"][at]
    table, _, column = rule.to.partition(".")
    other = next((have for have in data["schema"] if table_name(have["name"]) == table), None)
    keys = [have["name"] for have in (other or {}).get("properties", []) if have.get("primaryKey")]
    columns = [column] if column else keys or list(rule.of)
    to = [f"{other['name'] if other else table}.{name}" for name in columns]
    froms = [f"{one['name']}.{name}" for name in rule.of]
    if not all(_NAME.fullmatch(part) for path in (*to, *froms) for part in path.split(".", 1)):
        return None
    for own in (False, True):
        relation: Data = {"type": "foreignKey"}
        relation |= {"to": to[0]} if len(rule.of) == 1 else {"from": froms, "to": to}
        said = {"name": rule.name, "severity": "" if rule.severity == REJECT else rule.severity}
        for key, value in (said | ({"to": rule.to} if own else {})).items():
            set_custom(relation, key, value)
        path = _relations(data, at, rule)
        written = None if path is None else _appended(data, path, relation)
        if written is not None and _has(written, at, rule):
            return written
    return None


def _relations(data: Data, at: int, rule: Reference) -> Steps | None:
    if len(rule.of) > 1:
        return ("schema", at, "relationships")
    names = [have["name"] for have in data["schema"][at].get("properties", [])]
    found = names.index(rule.of[0]) if rule.of[0] in names else None
    return None if found is None else ("schema", at, "properties", found, "relationships")


def _at(value: Any, path: Steps) -> Any:
    for step in path:
        value = value[step]
    return value


def _appended(data: Data, path: Steps, item: Any) -> Data:
    """Return a document with one more at the end of the list at a path, which may not be there yet."""
    changed: Data = _with_last(data, path, item)
    return changed


def _with_last(value: Any, path: Steps, item: Any) -> Any:
    if not path:
        return [*(value or []), item]
    if isinstance(value, list):
        changed = _with_last(value[int(path[0])], path[1:], item)
        return [*value[: int(path[0])], changed, *value[int(path[0]) + 1 :]]
    return value | {path[0]: _with_last(value.get(path[0]), path[1:], item)}


def _edited(value: Any, edits: Mapping[Steps, Any], path: Steps) -> Any:
    """Return values with those at some paths replaced, or left out; a list that is empty by that goes too."""
    if not edits:
        return value
    if not isinstance(value, dict | list):
        return value
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    changed: list[tuple[Any, Any]] = []
    for step, below in pairs:
        here = (*path, step)
        if here in edits:
            changed += [] if edits[here] is None else [(step, edits[here])]
            continue
        after = _edited(below, edits, here)
        if after != [] or below == []:
            changed.append((step, after))
    return dict(changed) if isinstance(value, dict) else [one for _, one in changed]
