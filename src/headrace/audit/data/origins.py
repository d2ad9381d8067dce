"""What a table is made of and what of it, by declaration; and which of its columns may tell their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from headrace.declare import Field, Project, Stream, Table, node_id, sources_of
from headrace.plan.lineage import Lineage, Node, tags_of
from headrace.plan.tags import NOTHING_TO_LOSE


@dataclass(frozen=True)
class Ways:
    """Declarations and sources, as ``kind name``: those that a table is made of, and those that are made of it."""

    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tagged:
    """What is said of a column beside its values.

    Args:
        type: as people read it.
        unit: declared, or kept by the query that makes it.
        tags: of privacy, and ``key`` or ``subject``: what its values are not shown for.
        hidden: whether its values are not shown.
    """

    type: str
    unit: str = ""
    tags: tuple[str, ...] = ()
    hidden: bool = False


def ways(source: Stream | Table, graph: Lineage | None) -> Ways:
    """Return what a table is made of and what of it, nearest last and first; nothing without a graph."""
    if graph is None:
        return Ways()
    up, down = graph.upstream(node_id(source)), graph.downstream(node_id(source))
    return Ways(_named(up.nodes.values(), source), _named(down.nodes.values(), source))


def _named(nodes: Iterable[Node], source: Stream | Table) -> tuple[str, ...]:
    every = (one.of for one in nodes if one.of != node_id(source))
    parted = (one.partition(":") for one in every)
    return tuple(dict.fromkeys(f"{kind.replace('_', ' ')} {name}" for kind, _, name in parted))


@dataclass(frozen=True)
class Map:
    """What comes from what in the whole project: titled columns of ids (``kind:name``), and links between these."""

    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    links: tuple[tuple[str, str], ...] = ()


def map_of(project: Project, graph: Lineage | None) -> Map:
    """Return what comes from what, from where data is loaded to the services; nothing without a graph."""
    if graph is None:
        return Map()
    by_query = {node_id(one) for one in project.tables.values() if one.query is not None}
    columns: dict[str, dict[str, None]] = {title: {} for title, _ in _COLUMNS}
    for one in dict.fromkeys(node.of for node in graph.nodes.values()):
        kind = "query" if one in by_query else one.partition(":")[0]
        columns[next(title for title, kinds in _COLUMNS if kind in kinds)][one] = None
    at = {one: place for place, names in enumerate(columns.values()) for one in names}
    every = dict.fromkeys((graph.nodes[edge.source].of, graph.nodes[edge.target].of) for edge in graph.edges)
    links = tuple((source, target) for source, target in every if at[source] < at[target])
    return Map(tuple((title, tuple(names)) for title, names in columns.items() if names), links)


_COLUMNS = (
    ("loaded from", ("origin",)),
    ("streams and tables", ("stream", "table")),
    ("tables by query", ("query",)),
    ("features", ("features",)),
    ("training sets", ("training_set",)),
    ("models", ("model",)),
    ("services", ("service",)),
)


def tagged(project: Project, source: Stream | Table, schema: pa.Schema, graph: Lineage | None) -> dict[str, Tagged]:
    """Return what is said of each column that is not one of loading's own.

    Values are hidden of keys, of what is tagged as private, of what says whose a row is, and of what a query copies
    from any of these. Where nothing is known of a column (its declaration is gone, or broken), its values
    are hidden too.

    Args:
        project: whose declarations say it.
        source: the stream or table.
        schema: of it in the lake.
        graph: the lineage of the project, by which tags travel; None where there is none.
    """
    marks = {f"column:{one.name}.{name}": _marks(field) for one in sources_of(project) for name, field in _fields(one)}
    return {
        one.name: _tagged(f"column:{source.name}.{one.name}", dict(_fields(source)).get(one.name), one, marks, graph)
        for one in schema
        if not one.name.startswith("_")
    }


def _tagged(
    node: str, said: Field | None, stored: pa.Field, marks: Mapping[str, tuple[str, ...]], graph: Lineage | None
) -> Tagged:
    known = graph.nodes.get(node) if graph is not None else None
    tags = known.privacy if known is not None else tags_of(said.privacy) if said is not None else ()
    unit = known.unit if known is not None else said.unit if said is not None else ""
    copied = marks.get(node) or (_copied(node, marks, graph) if graph is not None else ())
    if tags:
        hidden = any(tag.lower() not in NOTHING_TO_LOSE for tag in tags)
    else:
        hidden = bool(copied) or (said is None and known is None)
    kind = repr(said.type) if said is not None else str(stored.type)
    return Tagged(kind, unit, tuple(dict.fromkeys((*copied, *tags))), hidden)


def _fields(source: Stream | Table) -> Iterable[tuple[str, Field]]:
    return source.contract.fields().items() if source.contract is not None else ()


def _marks(field: Field) -> tuple[str, ...]:
    return (("key",) if field.role == "key" else ()) + (("subject",) if field.subject else ())


def _copied(node: str, marks: Mapping[str, tuple[str, ...]], graph: Lineage) -> tuple[str, ...]:
    """Marks of the columns that queries copy into this one, over however many tables: an id stays an id."""
    waiting, found, seen = [node], dict[str, None](), {node}
    while waiting:
        for edge in graph.into.get(waiting.pop(), ()):
            if edge.direct and edge.how == "copy" and edge.source not in seen:
                seen.add(edge.source)
                waiting.append(edge.source)
                found |= dict.fromkeys(marks.get(edge.source, ()))
    return tuple(found)
