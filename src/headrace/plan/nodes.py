"""What the nodes of lineage are called, and what a declaration says of them by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from headrace.declare import (
    LIFETIME,
    Collection,
    Database,
    Features,
    Field,
    Service,
    Stream,
    Table,
    TrainingSet,
    Window,
    node_id,
)
from headrace.plan.lineage import Edge, Node, tags_of_field
from headrace.plan.reads import Read

_SIGNED = re.compile(r"(?<=://)[^/@\s]*@")


def origin_name(source: Stream | Table) -> str:
    """Return where a source is read from, without what signs in there.

    Example:
        >>> from headrace.declare import Contract, Database, Table
        >>> origin_name(Table("rates", Contract, source=Database("postgresql://ana@db/bank", table="fx.rates")))
        'postgresql://db/bank fx.rates'
    """
    origin = source.origin
    if origin is None:
        return _SIGNED.sub("", str(source.files))
    what = (getattr(origin, name, None) for name in ("table", "name"))
    named = next((one for one in what if one), None if getattr(origin, "query", None) else source.name)
    return f"{origin.address} {named}" if isinstance(origin, Database | Collection) and named else origin.address


def column_node(source: Stream | Table, one: Field, kind: str, unit: str) -> Node:
    """Return a column: by its contract where that says more than the query."""
    name = f"{source.name}.{one.name}"
    owners = (source.owner,) if source.owner else ()
    node = Node(f"column:{name}", name, "column", node_id(source), kind, unit=one.unit or unit, owners=owners)
    return replace(node, place=one.place or source.place, declared=tags_of_field(one))


def recorded(node: str, name: str, service: Service) -> list[Edge]:
    """Return what a column of the record of decisions is made of."""
    cases = service.model.cases
    if name == "score":
        return [Edge(f"model:{service.model.name}", node, "direct", "record")]
    if name == "decision":
        every = (*service.decide, service.otherwise)
        return [Edge(f"decision:{service.name}.{one}", node, "direct", "record") for one in every]
    spine = str(cases.spine.name)
    sources = [f"column:{spine}.*"]
    if name == "request":
        sources += [f"column:{spine}.{field}" for field in cases.spine.contract.fields()]
    if name in ("features", "reasons"):
        names = ((group, called) for group in cases.features for called in group.called())
        sources += [f"feature:{group.name}.{called}" for group, called in names]
    return [Edge(one, node, "direct", "record") for one in sources]


def shadowed(node: str, name: str, service: Service) -> list[Edge]:
    """Return what a column of the record of a shadow is made of."""
    if name in ("score", "decision"):
        return recorded(node, name, service)
    if name not in ("shadow_score", "shadow_decision"):
        return []
    model = service.shadow or service.model
    rules = recorded(node, "decision", service) if name == "shadow_decision" else []
    return [Edge(f"model:{model.name}", node, "direct", "record"), *rules]


def said_of_features(groups: Iterable[Features]) -> Iterable[tuple[str, str]]:
    """Yield each feature as it is written."""
    for group in groups:
        for name, one in group.features.items():
            if isinstance(one, Window):
                for called, (value, window, how) in zip(one.names(name), one.rows(), strict=True):
                    over = window if window == LIFETIME else f"over {window}"
                    yield f"{group.name}.{called}", f"{value} {over}" + (f", {how}" if how else "")
            else:
                yield f"{group.name}.{name}", one


def read_id(one: Read) -> str:
    return f"{'feature' if one.feature else 'column'}:{one.name}"


def answer_id(name: str, service: Service, spine: str) -> str:
    """Return what a rule names: the score, a feature, or a field of the row."""
    if name == "score":
        return f"model:{service.model.name}"
    contract = service.model.cases.spine.contract
    is_feature = name not in contract.columns() or name in _called(service.model.cases)
    return f"feature:{name}" if is_feature else f"column:{spine}.{name}"


def _called(cases: TrainingSet) -> set[str]:
    return {f"{group.name}.{called}" for group in cases.features for called in group.called()}
