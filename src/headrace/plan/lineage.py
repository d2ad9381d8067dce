"""Lineage as a graph: columns, features, labels, models and decisions, and what each is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from headrace.declare import Field

KINDS = ("origin", "column", "rows", "feature", "case", "label", "model", "decision")
"""What a node can be, from where data comes to what is decided; ``rows`` are those of a table, ``case`` is of a set."""

PART = "part"
"""How a field within a column is made of it; its tags are its own."""


@dataclass(frozen=True)
class Mix:
    """Units that an expression brings together as if they were one, in order, and how it is written."""

    units: tuple[str, ...]
    said: str


@dataclass(frozen=True)
class Node:
    """One thing that has lineage.

    Args:
        id: unique, e.g. ``column:payments.amount``.
        name: as people write it, e.g. ``payments.amount``; ``payments.*`` for rows.
        kind: one of ``KINDS``.
        of: the declaration that it belongs to, e.g. ``stream:payments``; of an origin itself.
        type: of its values, empty where it has none.
        privacy: tags of it, declared or taken over from what it is made of, in order.
        unit: declared or kept by what makes it; empty where there is none.
        owners: teams that answer for it, or for what it is made of.
        place: ``file:line`` of its declaration.
        declared: the privacy tags that its own declaration says; empty where it takes over.
        made: the unit that its query gives, whatever its contract says.
        mixed: the units that its expression brings together.
    """

    id: str
    name: str
    kind: str
    of: str
    type: str = ""
    privacy: tuple[str, ...] = ()
    unit: str = ""
    owners: tuple[str, ...] = ()
    place: str = ""
    declared: tuple[str, ...] = ()
    made: str = ""
    mixed: tuple[Mix, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the node as plain values for ``--json``."""
        plain = {"id": self.id, "name": self.name, "kind": self.kind, "of": self.of, "type": self.type}
        return plain | {"privacy": list(self.privacy), "unit": self.unit, "owners": list(self.owners)}


@dataclass(frozen=True)
class Edge:
    """One step from what is read to what is made of it.

    Args:
        source, target: ids of nodes.
        kind: ``direct`` where the value is computed from it; ``indirect`` where it only chooses, groups or orders.
        how: in which part, e.g. ``copy``, ``expression``, ``aggregate``, ``window``, ``filter``, ``join``, ``key``.
        expression: as it is written; empty where there is none.
    """

    source: str
    target: str
    kind: str
    how: str
    expression: str = ""

    @property
    def direct(self) -> bool:
        return self.kind == "direct"

    def as_dict(self) -> dict[str, str]:
        """Return the edge as plain values for ``--json``."""
        plain = {"source": self.source, "target": self.target, "kind": self.kind, "how": self.how}
        return plain | {"expression": self.expression}


@dataclass(frozen=True)
class Lineage:
    """What is made of what, in a project or around some of its nodes.

    Example:
        >>> a, b = Node("column:t.a", "t.a", "column", "table:t"), Node("column:u.b", "u.b", "column", "table:u")
        >>> graph = Lineage("shop", {a.id: a, b.id: b}, (Edge(a.id, b.id, "direct", "copy"),))
        >>> [one.name for one in graph.upstream("u.b").nodes.values()], graph.find("u")
        (['t.a', 'u.b'], ('column:u.b',))
    """

    project: str
    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]

    @cached_property
    def into(self) -> Mapping[str, tuple[Edge, ...]]:
        """The edges that end at each node."""
        return self._by(lambda edge: edge.target)

    @cached_property
    def out_of(self) -> Mapping[str, tuple[Edge, ...]]:
        """The edges that begin at each node."""
        return self._by(lambda edge: edge.source)

    def find(self, name: str) -> tuple[str, ...]:
        """Return the ids of what a name means: one thing, or all that a declaration has; none where it means nothing.

        Args:
            name: such as ``payments.amount``, ``fraud_score``, ``fraud_desk.block``; of a whole stream, table, group,
                set or service; or an id as ``--json`` gives it.
        """
        exact = tuple(one.id for one in self.nodes.values() if name in (one.id, one.name))
        if exact:
            return exact
        return tuple(one.id for one in self.nodes.values() if name in (one.of, one.of.partition(":")[2]))

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that can be asked for."""
        whole = (one.of.partition(":")[2] for one in self.nodes.values() if one.kind != "origin")
        return tuple(dict.fromkeys((*(one.name for one in self.nodes.values()), *whole)))

    def upstream(self, *names: str, direct: bool = False) -> Lineage:
        """Return the part of the graph that names are made of, with what they mean.

        Args:
            names: as ``find`` takes them.
            direct: only what values are computed from, without what chooses or orders rows.
        """
        return self._around(names, self.into, lambda edge: edge.source, direct)

    def downstream(self, *names: str, direct: bool = False) -> Lineage:
        """Return the part of the graph that is made of names; see ``upstream``."""
        return self._around(names, self.out_of, lambda edge: edge.target, direct)

    def _around(
        self, names: Iterable[str], steps: Mapping[str, tuple[Edge, ...]], end: Callable[[Edge], str], direct: bool
    ) -> Lineage:
        reached = dict.fromkeys(one for name in names for one in self.find(name))
        start, taken = frozenset(reached), dict[Edge, None]()
        waiting = list(reached)
        while waiting:
            for edge in steps.get(waiting.pop(), ()):
                if (direct and not edge.direct) or (edge.how == PART and not self._passes(edge, start)):
                    continue
                taken[edge] = None
                if end(edge) not in reached:
                    reached[end(edge)] = None
                    waiting.append(end(edge))
        return self.part(reached, taken)

    def _passes(self, edge: Edge, start: Set[str]) -> bool:
        """Whether what a column is made of is in a field within it: not where that field has columns of its own."""
        made = any(one.direct and one.how != PART for one in self.into[edge.target])
        return not made or edge.source in start

    def part(self, nodes: Iterable[str], edges: Iterable[Edge]) -> Lineage:
        """Return the graph of some nodes and edges, in the order of this one."""
        kept, steps = set(nodes), set(edges)
        there = {name: one for name, one in self.nodes.items() if name in kept}
        return Lineage(self.project, there, tuple(one for one in self.edges if one in steps))

    def as_dict(self) -> dict[str, Any]:
        """Return nodes and edges as plain values for ``--json``."""
        nodes = [one.as_dict() for one in self.nodes.values()]
        return {"nodes": nodes, "edges": [one.as_dict() for one in self.edges]}

    def _by(self, end: Callable[[Edge], str]) -> Mapping[str, tuple[Edge, ...]]:
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(end(edge), []).append(edge)
        return {name: tuple(edges) for name, edges in found.items()}


def tags_of(text: str) -> tuple[str, ...]:
    """Return the tags that ``privacy=`` says: one, or several with commas between.

    Example:
        >>> tags_of("personal, pseudonym"), tags_of("")
        (('personal', 'pseudonym'), ())
    """
    return tuple(dict.fromkeys(one for part in text.split(",") if (one := part.strip())))


def units_within(one: Field, path: str) -> dict[str, str]:
    """Return the units of the fields within a field, by their paths below one that it has itself.

    Example:
        >>> units_within(Field(name="address"), "column:t.address")
        {}
    """
    found: dict[str, str] = {}
    for part in one.inner:
        inner = f"{path}.{part.name}".lower()
        found |= {inner: part.unit} if part.unit else {}
        found |= units_within(part, inner)
    return found


def tags_of_field(one: Field) -> tuple[str, ...]:
    """Return the tags of a field; of one that says none, all that the fields within it say."""
    within = (tag for part in one.inner for tag in tags_of_field(part))
    return tags_of(one.privacy) or tuple(dict.fromkeys(within))


def carried(
    nodes: Mapping[str, Node],
    edges: Iterable[Edge],
    own: Callable[[Node], tuple[str, ...]],
    more: Callable[[Node], tuple[str, ...]] = lambda _: (),
) -> dict[str, tuple[str, ...]]:
    """Return tags for each node: its own where it says any, else those of all that it is directly made of, sorted.

    A field within a column has not those of the whole.

    Args:
        nodes, edges: of a graph, which may have circles: a decision on record may be read again.
        own: what a node says itself.
        more: what it has beside those of what it is made of.
    """
    out: dict[str, list[str]] = {}
    for edge in edges:
        if edge.direct and edge.how != PART:
            out.setdefault(edge.source, []).append(edge.target)
    said = {name: own(one) for name, one in nodes.items()}
    found = {name: {*tags, *more(nodes[name])} for name, tags in said.items()}
    waiting = list(nodes)
    while waiting:
        name = waiting.pop()
        for target in out.get(name, ()):
            if not said[target] and not found[name] <= found[target]:
                found[target] |= found[name]
                waiting.append(target)
    return {name: tuple(sorted(tags)) for name, tags in found.items()}
