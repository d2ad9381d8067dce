"""Fields within columns as things of their own in the lineage, there only where something reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from headrace.declare import Field
from headrace.plan.lineage import PART, Edge, Node, tags_of, tags_of_field

Later = dict[str, tuple[Node, list[Edge]]]
"""Nodes by their ids, with the edges into them, that are taken into a graph when something is made of them."""


class Parts:
    """The fields within the columns that are loaded, or copied or made by queries, each with its own tags and unit.

    What a query makes otherwise than by names has none: of which column which field is made is not followed.

    Args:
        later: takes the nodes.
    """

    def __init__(self, later: Later) -> None:
        self._later = later
        self._ids: dict[str, str] = {}
        self._nodes: dict[str, Node] = {}
        self._fields: dict[str, tuple[str, ...]] = {}

    def declare(self, outer: Node, one: Field) -> None:
        """Take in what a contract says of the fields within a column; one that says no tag has that of the whole."""
        self._declare(outer, one, tags_of(one.privacy))

    def _declare(self, outer: Node, one: Field, said: tuple[str, ...]) -> None:
        if one.inner and one.type.name == "struct":
            self._fields[outer.id] = tuple(part.name for part in one.inner)
        for part in one.inner:
            inner = _within(outer, part.name, part.unit, repr(part.type), tags_of_field(part) or said)
            self._take(inner, [Edge(outer.id, inner.id, "direct", PART)])
            self._declare(inner, part, tags_of(part.privacy) or said)

    def copy(self, source: str, target: Node) -> None:
        """Take in the fields within a column that is a copy of another column or of a field within one."""
        before = f"{source}."
        if source in self._fields:
            self._fields[target.id] = self._fields[source]
        for name in [one for one in self._ids.values() if one.startswith(before)]:
            node = self._nodes[name]
            inner = _within(target, name.removeprefix(before), node.unit, node.type, ())
            outer = inner.id.rpartition(".")[0]
            self._take(inner, [Edge(name, inner.id, "direct", "copy"), Edge(outer, inner.id, "direct", PART)])
            if name in self._fields:
                self._fields[inner.id] = self._fields[name]

    def make(
        self,
        outer: Node,
        fields: Mapping[str, Iterable[Edge]],
        units: Mapping[str, str],
        tags: Mapping[str, tuple[str, ...]],
    ) -> list[Node]:
        """Take in the fields within a struct that a query makes by names, each with the edges from what it is made of.

        Args:
            outer: the struct.
            fields: what each is made of; the edges lead to the struct, as from here on to the field.
            units: of the fields.
            tags: that a contract says of some of them.
        """
        self._fields[outer.id] = tuple(fields)
        made = [_within(outer, name, units[name], "", tags.get(name, ())) for name in fields]
        for inner, edges in zip(made, fields.values(), strict=True):
            own = [replace(one, target=inner.id) for one in edges]
            self._take(inner, [*own, Edge(outer.id, inner.id, "direct", PART)])
        return made

    def id(self, column: str, path: str) -> str | None:
        """Return the id of a field within a column, whatever its capitals; None where there is none."""
        return self._ids.get(f"{column}.{path}".lower())

    def fields(self, name: str) -> tuple[str, ...]:
        """Return the names of the fields that make up a column, or a field within one; none of what is no struct."""
        return self._fields.get(name, ())

    def _take(self, node: Node, edges: Iterable[Edge]) -> None:
        self._ids[node.id.lower()] = node.id
        self._nodes[node.id] = node
        self._later[node.id] = (node, list(edges))


def _within(outer: Node, path: str, unit: str, kind: str, tags: tuple[str, ...]) -> Node:
    name = replace(outer, id=f"{outer.id}.{path}", name=f"{outer.name}.{path}")
    return replace(name, type=kind, unit=unit, declared=tags, privacy=(), made="", mixed=())
