"""Who reads a column: features, training sets, models, services and tables by query, as a snapshot has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Nodes = Mapping[str, Mapping[str, Any]]
_EVERYTHING = re.compile(r"(?<!\()\*(?!\))(?=\s*(,|FROM|EXCLUDE|REPLACE|RENAME|$))", re.IGNORECASE)
EVERY = "*"
"""Any column at all: a key or an event time is behind each of them."""


@dataclass(frozen=True)
class Consumer:
    """One thing that would break with a column.

    Args:
        node: identifier, such as ``features:spending``.
        name: what is told: a feature by its full name, else the node.
        owners: who answers for it: those of the data that it is made from, and of models and services the charter's.
    """

    node: str
    name: str
    owners: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the consumer as plain values for ``--json``."""
        return {"node": self.node, "name": self.name, "owners": list(self.owners)}


def consumers(snapshot: Mapping[str, Any], source: str, column: str) -> tuple[Consumer, ...]:
    """Return what reads a column of a stream or table, directly or through others, in the order of dependence.

    Args:
        snapshot: of a project, as ``plan.snapshot`` gives it; the one that was applied last tells what stands.
        source: name of the stream or table.
        column: its name, or ``"*"`` for all that reads the source at all.

    Example:
        >>> from headrace import declare as hr, plan
        >>> from headrace.types import Timestamp
        >>> class Payment(hr.Contract):
        ...     at: Timestamp = hr.event_time()
        ...     amount: float
        >>> now = hr.Features("now", hr.Stream("payments", Payment), features={"cents": "amount * 100"})
        >>> [one.name for one in consumers(plan.snapshot(hr.Project("bank", features=[now])), "payments", "amount")]
        ['now.cents']
    """
    nodes: Nodes = snapshot.get("nodes", {})
    features, reached = _read(nodes, source, column)
    found = [Consumer(node, name, _owners(snapshot, node)) for name, node in features.items()]
    return (*found, *(Consumer(node, _told(node), _owners(snapshot, node)) for node in reached))


@dataclass
class _Reached:
    """What is reached from a column so far: columns by table, features with their groups, other nodes."""

    columns: dict[str, set[str]]
    features: dict[str, str]
    nodes: list[str]

    def reads(self, table: str, names: set[str]) -> bool:
        """Whether something that reads these columns of a table is reached; any read is where all of it is."""
        wanted = self.columns.get(table, set())
        return EVERY in wanted or bool(wanted & names)


def _read(nodes: Nodes, source: str, column: str) -> tuple[dict[str, str], list[str]]:
    """Return features with their groups, and the other nodes, that read a column, or what is made from it."""
    found = _Reached({source: {column}}, {}, [])
    by_kind = {kind: [name for name in nodes if name.startswith(f"{kind}:")] for kind in _KINDS}
    count = -1
    # Queries read queries, and features read features of other groups: until there is nothing new.
    while count != (count := len(found.nodes) + len(found.features)):
        for name in by_kind["table"]:
            _table(name, nodes[name], found)
        for name in by_kind["features"]:
            found.features |= dict.fromkeys(_features(nodes[name]["meaning"], found), name)
    found.nodes += [name for name in by_kind["training_set"] if _set_reads(nodes[name], nodes, found)]
    found.nodes += [
        name for name in by_kind["model"] if f"training_set:{nodes[name]['meaning']['cases']}" in found.nodes
    ]
    found.nodes += [name for name in by_kind["service"] if _service_reads(nodes[name]["meaning"], nodes, found)]
    return found.features, found.nodes


_KINDS = ("table", "features", "training_set", "model", "service")


def _table(name: str, node: Mapping[str, Any], found: _Reached) -> None:
    query = node["meaning"].get("query")
    if query and name not in found.nodes and any(_in_query(query, *one) for one in found.columns.items()):
        found.columns[node["name"]] = {EVERY}
        found.nodes.append(name)


def _features(meaning: Mapping[str, Any], found: _Reached) -> Iterator[str]:
    lineage = meaning.get("lineage", {})
    for name, said in meaning["features"].items():
        texts, keys = _texts(said)
        names = set().union(keys, *(_named(text) for text in texts))
        fed = said[0] if isinstance(said, list) else meaning["source"]
        traced = (one.partition(".") for one in lineage.get(name, ()))
        made = any(found.reads(table, {column, column.partition(".")[0]}) for table, _, column in traced)
        if found.reads(fed, names) or names & found.features.keys() or made:
            yield name


def _texts(said: Any) -> tuple[list[str], set[str]]:
    """Return the expressions of a feature, and the columns that it names beside them."""
    if isinstance(said, str):
        return [said], set()
    if len(said) == 4:
        _, keys, valid, expression = said
        return [expression], {*keys, *(one for one in valid if one)}
    _, keys, (_, value, where, *_rest) = said
    return [text for text in (value, where) if text], set(keys)


def _set_reads(node: Mapping[str, Any], nodes: Nodes, found: _Reached) -> bool:
    """Whether a set has such a feature, or reads such a column for its rows, their keys or its label."""
    meaning = node["meaning"]
    groups = [nodes.get(used, {}).get("meaning", {}) for used in node.get("uses", ())]
    own = set().union(_named(meaning.get("where") or ""), *(group.get("by") or () for group in groups))
    if meaning.get("label"):
        source, on, value, *_ = meaning["label"]
        if found.reads(source, {*on, *_named(value)}):
            return True
        own |= set(on)
    return any(name in found.features for name in meaning["order"]) or found.reads(meaning["spine"], own)


def _service_reads(meaning: Mapping[str, Any], nodes: Nodes, found: _Reached) -> bool:
    """Whether a service has such a model, or a rule over such a column of the row."""
    model = f"model:{meaning['model']}"
    cases = nodes.get(f"training_set:{nodes.get(model, {}).get('meaning', {}).get('cases')}", {})
    names = set().union(*(_named(rule) for _, rule in meaning["decide"]))
    ruled = found.reads(cases.get("meaning", {}).get("spine", ""), names) or bool(names & found.features.keys())
    return model in found.nodes or ruled


def _named(text: str) -> set[str]:
    """Return the columns and features that a canonical expression reads: each is written with its type behind it."""
    return set(re.findall(r"([^\s,()]+):", text))


def _in_query(query: str, table: str, columns: set[str]) -> bool:
    """Whether a query names a table, and a column of that name or all of them; a name more is told rather than less."""
    if not _word(query, table):
        return False
    return EVERY in columns or _EVERYTHING.search(query) is not None or any(_word(query, one) for one in columns)


def _word(query: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", query, re.IGNORECASE) is not None


def _owners(snapshot: Mapping[str, Any], name: str) -> tuple[str, ...]:
    nodes: Nodes = snapshot["nodes"]
    found, waiting, seen = list[str](), [name], set[str]()
    while waiting:
        one = waiting.pop(0)
        if one in seen or one not in nodes:
            continue
        seen.add(one)
        found += [nodes[one]["owner"]] if nodes[one].get("owner") else []
        waiting += nodes[one].get("uses", ())
    charter = snapshot.get("charter") or {}
    if charter.get("owner") and name.split(":")[0] in ("model", "service"):
        found.append(charter["owner"])
    return tuple(dict.fromkeys(found))


def _told(node: str) -> str:
    kind, _, name = node.partition(":")
    return f"{kind.replace('_', ' ')} {name}"
