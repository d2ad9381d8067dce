"""Tags on their way: a privacy tag that a contract would lose, a personal column that reaches a model, a wrong unit."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.declare import Field, Model, Project, Stream, Table, sources_of
from headrace.errors import Fault
from headrace.plan.lineage import PART, Lineage, Mix, Node, tags_of, tags_of_field
from headrace.plan.privacy import free, unanswered
from headrace.plan.tracing import lineage

NOTHING_TO_LOSE = ("public", "anonymous")
"""Tags that say that there is nothing to lose."""


def tag_faults(project: Project) -> list[Fault]:
    """Return every fault of tags: of a project that has no other.

    Args:
        project: its tables by query, features and models are followed back to the contracts of what they read.
    """
    if not any(_said(one) for source in sources_of(project) for one in _fields(source)):
        return []
    graph = lineage(project)
    faults = [fault for table in project.tables.values() for fault in _lost(table, graph)]
    faults += [_mixed(one, mix) for one in graph.nodes.values() for mix in _new(one, graph)]
    return faults + [fault for model in project.all_models.values() for fault in _untagged(model, graph)]


def _said(one: Field) -> bool:
    return bool(one.privacy or one.unit) or any(_said(part) for part in one.inner)


def _fields(source: Stream | Table) -> list[Field]:
    return [] if source.contract is None else list(source.contract.fields().values())


def _lost(table: Table, graph: Lineage) -> Iterator[Fault]:
    """Columns of a contract that say less of a person, or another unit, than what their query makes them of."""
    if table.query is None or table.contract is None:
        return
    for name, one in table.contract.fields().items():
        node = graph.nodes[f"column:{table.name}.{name}"]
        yield from _lost_tags(table, node, one, graph)
        made = [graph.nodes[edge.source] for edge in graph.into.get(node.id, ()) if edge.direct]
        if node.made and node.made != one.unit:
            of = next((some for some in made if some.unit == node.made), None)
            yield _lost_unit(table, node, of) if not one.unit else _wrong_unit(table, node, of)


def _lost_tags(table: Table, node: Node, one: Field, graph: Lineage) -> Iterator[Fault]:
    """Tags that a column loses; where the contract says tags within it alone, each field within answers for itself.

    Where nobody knows what becomes which field, those answer for all that are said of any, but for harmless ones.
    """
    within = [(inner, part) for part in one.inner if (inner := graph.nodes.get(f"{node.id}.{part.name}")) is not None]
    if not one.privacy and any(_sources(inner, graph) != _sources(node, graph) for inner, _ in within):
        for inner, part in within:
            yield from _lost_tags(table, inner, part, graph)
        return
    made = [graph.nodes[source] for source, _ in _sources(node, graph)]
    said = tags_of(one.privacy) or tuple(tag for tag in tags_of_field(one) if not free(tag))
    for tag in _lacking(made, said):
        yield _lost_tag(table, node, tag, graph)


def _sources(node: Node, graph: Lineage) -> dict[tuple[str, str], None]:
    """What a node is directly made of, and how, in order."""
    edges = graph.into.get(node.id, ())
    return {(edge.source, edge.how): None for edge in edges if edge.direct and edge.how != PART}


def _lacking(made: list[Node], said: tuple[str, ...]) -> list[str]:
    """Tags of what a column is made of that it loses: where it says none all but harmless ones, else the unanswered."""
    tags = sorted({tag for one in made for tag in one.privacy if tag.lower() not in NOTHING_TO_LOSE})
    return unanswered(tags, said) if said else tags


def _lost_tag(table: Table, node: Node, tag: str, graph: Lineage) -> Fault:
    origins = ", ".join(_origins(node.id, tag, graph))
    found = f"{node.name} without the privacy tag {tag!r}, which {origins} has and its query takes over"
    column = node.name.partition(".")[2]
    cure = f"write hr.field(privacy={tag!r}) for {column} in {_contract(table)}, "
    cure += "or privacy='public' where the query leaves nothing of a person in it"
    return Fault("HR-LINEAGE-002", node.place, found, "the tags of what it is made of, or others in their place", cure)


def _wrong_unit(table: Table, node: Node, of: Node | None) -> Fault:
    made = "" if of is None else f" from {of.name}"
    found = f"{node.name} in {node.unit}, while its query gives {node.made}{made}"
    cure = f"write unit={node.made!r} in {_contract(table)}, or convert the values in the query"
    return Fault("HR-LINEAGE-004", node.place, found, "the unit that the query gives", cure, "warning")


def _lost_unit(table: Table, node: Node, of: Node | None) -> Fault:
    made = "" if of is None else f" from {of.name}"
    column = node.name.partition(".")[2]
    found = f"{node.name} without a unit, while its query gives {node.made}{made}"
    cure = f"write hr.field(unit={node.made!r}) for {column} in {_contract(table)}"
    return Fault("HR-LINEAGE-005", node.place, found, "the unit that the query gives", cure, "warning")


def _new(node: Node, graph: Lineage) -> list[Mix]:
    """What a node mixes, but for what the rows of its table are chosen by, which is told once."""
    rows = graph.nodes.get(f"column:{node.name.partition('.')[0]}.*")
    return [one for one in node.mixed if rows is None or rows is node or one not in rows.mixed]


def _mixed(node: Node, mix: Mix) -> Fault:
    of_rows = f"rows of {node.name.removesuffix('.*')} bring"
    which = of_rows if node.kind == "rows" else f"{node.name} brings"
    found = f"{which} together {' and '.join(mix.units)} as if they were one: {mix.said}"
    cure = "convert one of them first, such as by a rate that is multiplied in; or mend unit= in the contract"
    return Fault("HR-LINEAGE-006", node.place, found, "values in one unit", cure, "warning")


def _untagged(model: Model, graph: Lineage) -> Iterator[Fault]:
    """Features that a model learns from, and labels, that do not say what a column of them is tagged."""
    columns = {tag for one in graph.nodes.values() if one.kind == "column" for tag in one.declared}
    for edge in graph.into.get(f"model:{model.name}", ()):
        case = graph.nodes[edge.source]
        if case.kind not in ("case", "label"):
            continue
        one = case if case.kind == "label" else graph.nodes[graph.into[case.id][0].source]
        said = [tag for tag in one.declared if free(tag) or tag in columns]
        for tag in unanswered(one.privacy, said):
            yield _learned(model, one, tag, [tag for tag in one.declared if tag not in said], graph)


def _learned(model: Model, one: Node, tag: str, strange: list[str], graph: Lineage) -> Fault:
    """A feature or label of a tagged column that nobody owns up to; tags that no column has answer for nothing."""
    is_label = one.kind == "label"
    found = f"{model.name} learns {'' if is_label else 'from '}{one.name}, which is made of "
    found += f"{', '.join(_origins(one.id, tag, graph))}, tagged {tag!r}"
    found += f"; privacy={strange[0]!r} is the tag of no column" if strange else ""
    group = "hr.label(…" if is_label else f"hr.Features({one.name.partition('.')[0]!r}, …"
    word = ", ".join([*(some for some in one.declared if some not in strange), tag])
    cure = f"write {group}, privacy={word!r}) if it may; privacy='pseudonym' or 'public' if that is what is left; "
    cure += "or learn another label" if is_label else f"or take {one.name} out"
    expected = "a label that says so" if is_label else "features of such columns in a group that says so"
    return Fault("HR-LINEAGE-003", one.place, found, expected, cure)


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
