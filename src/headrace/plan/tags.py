"""Tags on their way: a privacy tag that a contract would lose, a personal column that reaches a model, a wrong unit."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.declare import Field, Model, Project, Stream, Table, sources_of
from headrace.errors import Fault
from headrace.plan.lineage import Lineage, Node, tags_of_field
from headrace.plan.tracing import lineage
from headrace.plan.units import agreed

FREE = ("anonymous", "internal", "pseudonym", "public")
"""Tags of columns that models may learn from without a word; every other, ``personal`` first, has to be said again."""
NOTHING_TO_LOSE = ("public", "anonymous")
"""Tags that say that there is nothing to lose."""


def tag_faults(project: Project) -> list[Fault]:
    """Return every fault of tags: of a project that has no other.

    Args:
        project: its tables by query, features and models are followed back to the contracts of what they read.
    """
    if not any(tags_of_field(one) or one.unit for source in sources_of(project) for one in _fields(source)):
        return []
    graph = lineage(project)
    faults = [fault for table in project.tables.values() for fault in _lost(table, graph)]
    return faults + [fault for model in project.all_models.values() for fault in _untagged(model, graph)]


def _fields(source: Stream | Table) -> list[Field]:
    return [] if source.contract is None else list(source.contract.fields().values())


def _lost(table: Table, graph: Lineage) -> Iterator[Fault]:
    """Columns of a contract that say less of a person, or another unit, than what their query makes them of."""
    if table.query is None or table.contract is None:
        return
    for name, one in table.contract.fields().items():
        node = graph.nodes[f"column:{table.name}.{name}"]
        made = [graph.nodes[edge.source] for edge in graph.into.get(node.id, ()) if edge.direct]
        if not tags_of_field(one):
            for tag in _lacking(made):
                yield _lost_tag(table, node, tag, graph)
        copied = all(edge.how == "copy" for edge in graph.into.get(node.id, ()) if edge.direct)
        unit = agreed(source.unit for source in made)
        if one.unit and copied and unit not in ("", one.unit):
            yield _wrong_unit(table, node, made[0])


def _lacking(made: list[Node]) -> list[str]:
    return sorted({tag for one in made for tag in one.privacy if tag.lower() not in NOTHING_TO_LOSE})


def _lost_tag(table: Table, node: Node, tag: str, graph: Lineage) -> Fault:
    origins = ", ".join(_origins(node.id, tag, graph))
    found = f"{node.name} without the privacy tag {tag!r}, which {origins} has and its query takes over"
    column = node.name.partition(".")[2]
    cure = f"write hr.field(privacy={tag!r}) for {column} in {_contract(table)}, "
    cure += "or privacy='public' where the query leaves nothing of a person in it"
    return Fault("HR-LINEAGE-002", node.place, found, "the tags of what it is made of, or others in their place", cure)


def _wrong_unit(table: Table, node: Node, made: Node) -> Fault:
    found = f"{node.name} in {node.unit}, copied from {made.name}, which is in {made.unit}"
    cure = f"write unit={made.unit!r} in {_contract(table)}, or convert the values in the query"
    return Fault("HR-LINEAGE-004", node.place, found, "the unit of what is copied", cure, "warning")


def _untagged(model: Model, graph: Lineage) -> Iterator[Fault]:
    """Features that a model learns from, whose group does not say what a column of them is tagged."""
    for edge in graph.into.get(f"model:{model.name}", ()):
        case = graph.nodes[edge.source]
        if case.kind != "case":
            continue
        feature = graph.nodes[graph.into[case.id][0].source]
        tags = [tag for tag in feature.privacy if tag.lower() not in FREE and tag not in feature.declared]
        for tag in tags:
            group = feature.name.partition(".")[0]
            origins = ", ".join(_origins(feature.id, tag, graph))
            found = f"{model.name} learns from {feature.name}, which is made of {origins}, tagged {tag!r}"
            cure = f"write hr.Features({group!r}, …, privacy={tag!r}) if it may; privacy='pseudonym' or 'public' if "
            cure += f"that is what is left; or take {feature.name} out"
            yield Fault(
                "HR-LINEAGE-003", feature.place, found, "features of such columns in a group that says so", cure
            )


def _origins(name: str, tag: str, graph: Lineage) -> list[str]:
    """The nearest columns upstream that say a tag themselves."""
    found: dict[str, None] = {}
    seen, waiting = {name}, [name]
    while waiting:
        for edge in graph.into.get(waiting.pop(0), ()):
            source = graph.nodes[edge.source]
            if not edge.direct or tag not in source.privacy or source.id in seen:
                continue
            seen.add(source.id)
            if tag in source.declared:
                found[source.name] = None
            else:
                waiting.append(source.id)
    return list(found)


def _contract(table: Table) -> str:
    return "its contract" if table.contract is None else table.contract.name
