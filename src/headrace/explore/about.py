"""What is said of a column or feature beside its values: type, unit, tags, and whether its values may be shown."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from headrace.audit.data.origins import Tagged, tagged
from headrace.declare import Features, Field, Project, Stream, Table, Window
from headrace.errors import HeadraceError
from headrace.plan.lineage import Lineage, tags_of
from headrace.plan.privacy import free
from headrace.plan.tags import NOTHING_TO_LOSE
from headrace.plan.tracing import lineage

_COUNTS = ("count", "nunique", "approx_nunique", "time_since_last")
"""Aggregates that say how many or how long, and so nothing of the values that they are made of."""


def graph_of(project: Project) -> Lineage | None:
    """Return the lineage by which tags travel; None where a declaration is broken since the tables were made."""
    try:
        return lineage(project)
    except HeadraceError:
        return None


def about_columns(
    project: Project, source: Stream | Table, schema: pa.Schema, paths: tuple[str, ...], graph: Lineage | None
) -> dict[str, Tagged]:
    """Return what is said of columns, and of fields within them; see ``headrace.audit.data.origins.tagged``."""
    whole = tagged(project, source, schema, graph)
    fields = source.contract.fields() if source.contract is not None else {}
    found = {}
    for path in paths:
        name, *within = path.split(".") if path not in whole else (path,)
        found[path] = _inner(whole[name], fields.get(name), within) if within else whole[name]
    return found


def _inner(whole: Tagged, field: Field | None, within: list[str]) -> Tagged:
    """What is said of a field within a struct: by the innermost contract that tags it, else by that of the whole."""
    if field is None:
        return Tagged("", "", whole.tags, whole.hidden)
    said, subject = tags_of(field.privacy), field.subject
    for step in within:
        inner = next((one for one in field.inner if one.name == step), None)
        if inner is None:
            return Tagged("", "", whole.tags, whole.hidden)
        said, subject, field = tags_of(inner.privacy) or said, subject or inner.subject, inner
    marks = ("subject",) if subject else ("key",) if field.role == "key" else ()
    hidden = any(tag.lower() not in NOTHING_TO_LOSE for tag in said) if said else bool(marks)
    return Tagged(repr(field.type), field.unit, (*marks, *said), hidden)


def about_features(project: Project, names: tuple[str, ...], graph: Lineage | None) -> dict[str, Tagged]:
    """Return what is said of features.

    Values are hidden of what is made of tagged columns, but for counts of what models may learn from without a word,
    and of all where nothing is known.
    """
    return {name: _feature(name, project.feature_groups, graph) for name in names}


def _feature(name: str, groups: Mapping[str, Features], graph: Lineage | None) -> Tagged:
    node = None if graph is None else graph.nodes.get(f"feature:{name}")
    if node is None or graph is None:
        return Tagged("", "", (), hidden=True)
    kept = [tag for tag in node.privacy if tag.lower() not in NOTHING_TO_LOSE]
    if not node.privacy and (mark := _copied_mark(name, groups)):
        return Tagged(node.type, node.unit, (mark,), hidden=True)
    counted = all(map(free, kept)) and _aggregate(name, groups) in _COUNTS
    return Tagged(node.type, node.unit, node.privacy, hidden=bool(kept) and not counted)


def _aggregate(name: str, groups: Mapping[str, Features]) -> str:
    """The aggregate that makes a feature; empty where it is an expression."""
    group, _, called = name.partition(".")
    for own, one in groups[group].features.items() if group in groups else ():
        if isinstance(one, Window) and called in one.names(own):
            return one.kind
    return ""


def _copied_mark(name: str, groups: Mapping[str, Features]) -> str:
    """What a feature is that is nothing but a column: a key, or whose row it is."""
    group, _, called = name.partition(".")
    contract = groups[group].source.contract if group in groups else None
    column = None if contract is None else contract.fields().get(str(groups[group].features.get(called)).strip())
    if column is None:
        return ""
    return "key" if column.role == "key" else "subject" if column.subject else ""
