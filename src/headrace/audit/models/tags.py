"""What columns of a set say of themselves: their unit, and whether their values tell of persons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.audit.lineage.tree import tags_of_node
from headrace.declare import Model, Project
from headrace.errors import HeadraceError
from headrace.plan import lineage
from headrace.plan.lineage import Node

HARMLESS = frozenset(("public", "anonymous", "internal"))
"""Tags of which the values of single rows may be shown to whoever reads a report."""


@dataclass(frozen=True)
class Tags:
    """Units and tags of the columns of a training set.

    Args:
        units: of those that have one.
        hidden: columns of which a value could tell of a person.
    """

    units: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()

    def unit(self, name: str) -> str:
        """Return the unit of a column, empty where it has none."""
        return self.units.get(name, "")


def feature_tags(project: Project) -> dict[str, list[str]]:
    """Return privacy and unit of each feature; none where a declaration was broken since the set was built."""
    return {name: tags_of_node(node) for name, node in _nodes(project).items() if node.kind == "feature"}


def tags_of(project: Project, model: Model) -> Tags:
    """Return units and tags of what a model's training set has."""
    nodes = _nodes(project)
    units = {name: node.unit for name, node in nodes.items() if node.unit}
    hidden = {name for name, node in nodes.items() if set(node.privacy) - HARMLESS}
    sources = [model.cases.spine, *(group.source for group in model.cases.features)]
    sources += [] if model.cases.label is None else [model.cases.label.source]
    for source in sources:
        for name, one in ({} if source.contract is None else source.contract.fields()).items():
            if one.unit:
                units.setdefault(name, one.unit)
            if one.subject or (one.privacy and one.privacy not in HARMLESS) or one.role == "key":
                hidden.add(name)
    return Tags(units, frozenset(hidden))


def _nodes(project: Project) -> dict[str, Node]:
    try:
        return {one.name: one for one in lineage(project).nodes.values()}
    except HeadraceError:
        return {}
