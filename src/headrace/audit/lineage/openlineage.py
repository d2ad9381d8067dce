"""Lineage as events of OpenLineage 2-0-2: one for each job, with schema, column lineage, owners and tags.

The specification: https://openlineage.io/spec/2-0-2/OpenLineage.json, and its facets.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from headrace import clock
from headrace.audit.lineage.datasets import dataset
from headrace.audit.lineage.layers import short
from headrace.declare import Node as Declared
from headrace.declare import Project, Service, Stream, Table, sources_of
from headrace.plan.lineage import PART, Edge, Lineage, Node
from headrace.plan.nodes import origin_name

Data = dict[str, Any]

_SPEC = "https://openlineage.io/spec"
_FACETS = {
    "columnLineage": "1-2-0/ColumnLineageDatasetFacet",
    "documentation": "1-1-0/DocumentationDatasetFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
    "schema": "1-2-0/SchemaDatasetFacet",
    "sql": "1-1-0/SQLJobFacet",
    "tags": "1-0-0/TagsDatasetFacet",
}
_OWNERSHIP = {"dataset": "1-0-1/OwnershipDatasetFacet", "job": "1-0-1/OwnershipJobFacet"}
_JOBS = {"stream": "LOAD", "table": "LOAD", "features": "FEATURES", "training_set": "TRAINING_SET"}
_JOBS |= {"model": "MODEL", "service": "SERVICE"}
_DIRECT = {"aggregate": "AGGREGATION", "window": "AGGREGATION", "copy": "IDENTITY", "load": "IDENTITY"}
_INDIRECT = {
    "filter": "FILTER", "group": "GROUP_BY", "join": "JOIN", "key": "GROUP_BY", "order": "SORT", "partition": "WINDOW",
    "rule before": "CONDITIONAL", "time": "WINDOW",
}  # fmt: skip


def events(
    project: Project, graph: Lineage, at_us: int, completed: bool = False, folder: Path | None = None
) -> list[Data]:
    """Return a run event for each job of a graph: each load, query, group, training set, model and service.

    Args:
        project: whose declarations say the queries and what contracts are about.
        graph: the lineage, or a part of it.
        at_us: the time of the events, UTC microseconds since 1970.
        completed: whether that is when a run completed, which the events then say; else they are additional metadata
            (``OTHER``), as the specification calls what is sent outside of runs.
        folder: of the project, which makes paths of files absolute, so that those of two projects are two.

    Returns:
        Events as plain values, in the order of the work.

    Example:
        >>> from headrace.declare import Contract, Stream, event_time
        >>> from headrace.types import Timestamp
        >>> from headrace.plan import lineage
        >>> class Payment(Contract):
        ...     at: Timestamp = event_time()
        >>> bank = Project("bank", sources=[Stream("payments", Payment, source="data/*.csv")])
        >>> (event,) = events(bank, lineage(bank), 0)
        >>> event["job"]["name"], event["inputs"][0]["name"], event["outputs"][0]["name"]
        ('load.payments', 'data/*.csv', 'payments')
    """
    made = _Events(project, graph, at_us, "COMPLETE" if completed else "OTHER", folder)
    declared = project.nodes()
    there = dict.fromkeys(one.of for one in graph.nodes.values())
    return [made.event(of, declared[of]) for of in there if of in declared and made.has_inputs(of)]


class _Events:
    def __init__(self, project: Project, graph: Lineage, at_us: int, kind: str, folder: Path | None) -> None:
        self._graph, self._kind = graph, kind
        self._namespace = f"headrace://{project.name}"
        self._time = clock.from_us(at_us).isoformat(timespec="microseconds").replace("+00:00", "Z")
        self._producer = f"https://pypi.org/project/headrace/{metadata.version('headrace')}"
        loaded = [one for one in sources_of(project) if one.source is not None]
        self._origins = {origin_name(one): dataset(one, self._namespace, folder) for one in loaded}
        self._of: dict[str, list[Node]] = {}
        for node in graph.nodes.values():
            self._of.setdefault(node.of, []).append(node)

    def has_inputs(self, of: str) -> bool:
        """Whether anything is known to go into a declaration: what is only received over HTTP has no job."""
        return bool(self._sources(of))

    def event(self, of: str, node: Declared) -> Data:
        """Return the event of the job that makes a declaration."""
        name = self._job(of, node)
        run = uuid.uuid5(uuid.NAMESPACE_URL, f"{self._namespace}/{name}/{self._time}")
        columns = self._column_lineage(of)
        output = self._dataset(of) | {"facets": self._described(of, node) | columns}
        return {
            "eventType": self._kind,
            "eventTime": self._time,
            "run": {"runId": str(run), "facets": {}},
            "job": {"namespace": self._namespace, "name": name, "facets": self._job_facets(of, node)},
            "inputs": [self._dataset(one) | {"facets": self._schema(one)} for one in self._sources(of)],
            "outputs": [output],
            "producer": self._producer,
            "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        }

    def _sources(self, of: str) -> list[str]:
        edges = [edge for node in self._of[of] for edge in self._graph.into.get(node.id, ())]
        found = dict.fromkeys(self._graph.nodes[edge.source].of for edge in edges)
        return [one for one in found if one != of]

    def _job(self, of: str, node: Declared) -> str:
        kind, _, name = of.partition(":")
        if isinstance(node, Table) and node.query is not None:
            return f"query.{name}"
        return f"{'load' if isinstance(node, Stream | Table) else kind}.{name}"

    def _job_facets(self, of: str, node: Declared) -> Data:
        query = node.query if isinstance(node, Table) else None
        kind = "QUERY" if query is not None else _JOBS[of.partition(":")[0]]
        work = "SERVICE" if isinstance(node, Service) else "BATCH"
        facets = {"jobType": {"processingType": work, "integration": "HEADRACE", "jobType": kind}}
        if query is not None:
            facets["sql"] = {"query": query, "dialect": "duckdb"}
        return {name: self._facet(name, one) for name, one in facets.items()} | self._owned(of, "job")

    def _owned(self, of: str, what: str) -> Data:
        owners = sorted({owner for one in self._of[of] for owner in one.owners})
        if not owners:
            return {}
        each = [{"name": f"team:{owner}", "type": "OWNER"} for owner in owners]
        return {"ownership": self._base(_OWNERSHIP[what]) | {"owners": each}}

    def _dataset(self, of: str) -> Data:
        kind, _, name = of.partition(":")
        if kind == "origin":
            return self._origins[name]
        return {"namespace": self._namespace, "name": name if kind in ("stream", "table") else f"{kind}.{name}"}

    def _described(self, of: str, node: Declared) -> Data:
        about = node.contract.doc if isinstance(node, Stream | Table) and node.contract is not None else ""
        facets = self._schema(of) | self._owned(of, "dataset")
        if about:
            facets["documentation"] = self._facet("documentation", {"description": about})
        tags = [tag for one in self._of[of] for tag in _tags(one)]
        return facets | ({"tags": self._facet("tags", {"tags": tags})} if tags else {})

    def _schema(self, of: str) -> Data:
        fields = [
            {"name": field_of(one)} | ({"type": one.type} if one.type else {})
            for one in self._of[of]
            if one.kind not in ("rows", "origin")
        ]
        return {"schema": self._facet("schema", {"fields": fields})} if fields else {}

    def _column_lineage(self, of: str) -> Data:
        fields, whole = {}, list[Data]()
        for node in self._of[of]:
            inputs = self._inputs(node)
            if node.kind == "rows":
                whole += inputs
            elif inputs:
                fields[field_of(node)] = {"inputFields": inputs}
        said = {"fields": fields} | ({"dataset": whole} if whole else {})
        return {"columnLineage": self._facet("columnLineage", said)} if fields or whole else {}

    def _inputs(self, node: Node) -> list[Data]:
        """The fields that a field is made of; rows are no field, and stand as inputs of the job."""
        found: dict[str, tuple[Node, list[Data]]] = {}
        into = self._graph.into.get(node.id, ())
        made = [edge for edge in into if edge.how != PART]
        if into and not made:  # a field within a column is loaded with it
            return self._inputs(self._graph.nodes[into[0].source])
        for edge in made:
            source = self._graph.nodes[edge.source]
            if source.kind != "rows" and (source.kind != "origin" or node.kind != "rows"):
                found.setdefault(source.id, (source, []))[1].append(_transformation(edge, source, node))
        return [
            self._dataset(source.of)
            | {"field": field_of(node if source.kind == "origin" else source), "transformations": ways}
            for source, ways in found.values()
        ]

    def _facet(self, name: str, said: Mapping[str, Any]) -> Data:
        return self._base(_FACETS[name]) | dict(said)

    def _base(self, schema: str) -> Data:
        name = schema.partition("/")[2]
        return {"_producer": self._producer, "_schemaURL": f"{_SPEC}/facets/{schema}.json#/$defs/{name}"}


def field_of(node: Node) -> str:
    """Return what a node is called as a field of its dataset."""
    return "score" if node.kind == "model" else short(node)


def _tags(node: Node) -> Iterable[Data]:
    on = {"field": field_of(node), "source": "HEADRACE"}
    for tag in node.privacy:
        yield {"key": "privacy", "value": tag} | on
    if node.unit:
        yield {"key": "unit", "value": node.unit} | on


def _transformation(edge: Edge, source: Node, target: Node) -> Data:
    kinds = _DIRECT if edge.direct else _INDIRECT
    subtype = kinds.get(edge.how, "TRANSFORMATION" if edge.direct else "FILTER")
    masked = edge.direct and bool(set(source.privacy) - set(target.privacy))
    said = {"type": edge.kind.upper(), "subtype": subtype, "masking": masked}
    return said | ({"description": edge.expression} if edge.expression else {})
