"""The project: everything that can be reached from what is handed to it, as one graph of named nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from headrace.declare.base import Declared, name_faults, type_fault
from headrace.declare.features import Features, Label, TrainingSet
from headrace.declare.model import Model
from headrace.declare.service import Charter, Service
from headrace.declare.sheet import Sheet
from headrace.declare.source import Stream, Table
from headrace.declare.times import schedule_faults
from headrace.errors import Fault, nearest

RUN_LOG = "run_log"
"""The table of the lake that tells of all runs."""
DECISIONS_OF = "decisions_{}"
"""The table of the lake with what a service decided, by its name."""
SHADOW_OF = "shadow_{}"
"""The table of the lake with what another model would have decided, by the name of the service."""
Node = Stream | Table | Features | TrainingSet | Model | Service
Kind = TypeVar("Kind", bound=Node)
KINDS: dict[type[Node], str] = {
    Stream: "stream",
    Table: "table",
    Features: "features",
    TrainingSet: "training_set",
    Model: "model",
    Service: "service",
}

_ROOTS: dict[str, tuple[Any, str]] = {
    "services": (Service, "values such as hr.Service(…)"),
    "models": (Model, "values such as hr.Model(…)"),
    "training_sets": (TrainingSet, "values such as hr.TrainingSet(…)"),
    "features": (Features, "values such as hr.Features(…)"),
    "sources": ((Stream, Table), "values such as hr.Stream(…)"),
}


def kind_of(node: Node) -> str:
    """Return the word for what a node is, e.g. ``features``."""
    return next(word for kind, word in KINDS.items() if isinstance(node, kind))


def node_id(node: Node) -> str:
    """Return the stable identifier of a node, e.g. ``features:spending``."""
    return f"{kind_of(node)}:{node.name}"


def uses(node: Node) -> tuple[Node, ...]:
    """Return what a node names directly."""
    match node:
        case Features():
            return (node.source,)
        case TrainingSet():
            truth = (node.label.source,) if isinstance(node.label, Label) else ()
            return (node.spine, *node.features, *truth)
        case Model():
            return (node.cases,)
        case Service():
            return (node.model,) if node.shadow is None else (node.model, node.shadow)
    return ()


def kept_beside(name: str) -> tuple[str, str, str]:
    """Return the tables that the lake keeps of each stream and table: what was refused, its quality, its loads.

    The loads stand last, as they are dropped: as long as they tell of rows that are gone, a drop is not at its end.
    """
    return f"quarantine_{name}", f"quality_{name}", f"loads_{name}"


def names_of_the_lake(names: Iterable[str]) -> set[str]:
    """Return the names that nothing else can have where streams and tables have these."""
    return {RUN_LOG, *(kept for name in names for kept in kept_beside(name))}


def sources_of(project: Project) -> list[Stream | Table]:
    """Return the streams and tables of a project."""
    return [node for node in project.nodes().values() if isinstance(node, Stream | Table)]


@dataclass(frozen=True, repr=False)
class Project(Declared):
    """What a team runs: the services, models, sets and features given here, and all that these reach.

    Args:
        name: of the project.
        charter: the five answers it owes.
        services, models, training_sets, features: where to start from.
        sources: streams and tables that nothing else names yet.
        documents: files of the Open Data Contract Standard, relative to the project's folder, that say more about its
            streams and tables; ``headrace contract export`` keeps it.
        schedule: when ``headrace run --scheduled`` runs: ``"15m"``, or a cron expression such as ``"0 */2 * * *"``.
        zone: time zone of that expression.

    Example:
        >>> Project("payments").nodes()
        {}
    """

    name: str
    charter: Charter | None = None
    services: Sequence[Service] = ()
    models: Sequence[Model] = ()
    training_sets: Sequence[TrainingSet] = ()
    features: Sequence[Features] = ()
    sources: Sequence[Stream | Table] = ()
    documents: Sequence[str] = ()
    schedule: str | None = None
    zone: str = "UTC"

    def _look(self) -> list[Fault]:
        faults = name_faults(self.name, self.place, "project")
        for name, (kind, expected) in _ROOTS.items():
            faults += self._several(name, kind, str(self.name), expected)
        faults += self._several("documents", str, str(self.name), "paths as text, such as 'orders.odcs.yaml'")
        if self.schedule is not None:
            faults += schedule_faults(self.schedule, self.zone, self.place)
        if self.charter is not None and not isinstance(self.charter, Charter):
            faults.append(type_fault(self.place, f"charter of {self.name}", self.charter, "an hr.Charter(…)"))
            self._set("charter", None)
        return faults

    def roots(self) -> Iterator[Node]:
        """Yield the nodes that were handed to the project itself."""
        yield from self.sources
        yield from self.features
        yield from self.training_sets
        yield from self.models
        yield from self.services

    def nodes(self) -> dict[str, Node]:
        """Return every node reached, by identifier, each after all that it uses."""
        found: dict[str, Node] = {}

        def reach(node: Node) -> None:
            if isinstance(node, tuple(KINDS)) and node_id(node) not in found:
                for used in uses(node):
                    reach(used)
                found[node_id(node)] = node

        for root in self.roots():
            reach(root)
        return found

    @property
    def streams(self) -> dict[str, Stream]:
        return self._of(Stream)

    @property
    def tables(self) -> dict[str, Table]:
        return self._of(Table)

    @property
    def feature_groups(self) -> dict[str, Features]:
        return self._of(Features)

    @property
    def all_training_sets(self) -> dict[str, TrainingSet]:
        return self._of(TrainingSet)

    @property
    def all_models(self) -> dict[str, Model]:
        return self._of(Model)

    @property
    def all_services(self) -> dict[str, Service]:
        return self._of(Service)

    def _of(self, kind: type[Kind]) -> dict[str, Kind]:
        return {str(node.name): node for node in self.nodes().values() if isinstance(node, kind)}

    def declared_faults(self) -> list[Fault]:
        """Return all faults that declarations have by themselves, and names that are used twice."""
        faults = list(self.faults) + (list(self.charter.faults) if self.charter else [])
        seen: dict[str, Node] = {}
        for node in _every(self):
            if not isinstance(node, tuple(KINDS)):
                continue
            other = seen.setdefault(node_id(node), node)
            if other is not node and other != node:
                kind = kind_of(node).rstrip("s") + "s"
                found = f"two different {kind} named {node.name!r} ({other.place} and {node.place})"
                faults.append(Fault("HR-NAME-002", node.place, found, "one name for one thing", "rename one of them"))
            elif other is node:
                faults += [fault for fault in node.faults if fault not in faults]
        faults += self._table_names() + self._charter_metric()
        return faults

    def _table_names(self) -> list[Fault]:
        """Streams and tables share the lake, so they share one space of names."""
        both = {name: self.tables[name].place for name in self.streams.keys() & self.tables.keys()}
        expected = "one name in the lake"
        ours = {RUN_LOG: "the log of all runs"}
        ours |= {name: f"kept of {one.name!r}" for one in sources_of(self) for name in kept_beside(one.name)}
        ours |= {DECISIONS_OF.format(one): f"what {one!r} decided" for one in self.all_services}
        ours |= {SHADOW_OF.format(one): f"what the shadow of {one!r} decided" for one in self.all_services}
        cure = "call it by what it tells"
        return [
            Fault("HR-NAME-003", place, f"table {name!r} is also a stream", expected, f"call the table {name}_table")
            for name, place in both.items()
        ] + [
            Fault("HR-NAME-003", one.place, f"{one.name!r}, which is {ours[one.name]}", expected, cure)
            for one in sources_of(self)
            if one.name in ours
        ]

    def _charter_metric(self) -> list[Fault]:
        labels = [metric.label for model in self.all_models.values() for metric in model.metrics]
        if self.charter is None or not labels or self.charter.metric in labels:
            return []
        found = f"the charter stands on metric {self.charter.metric!r}, which no model measures"
        cure = nearest(self.charter.metric, labels)
        return [Fault("HR-CHARTER-002", self.charter.place, found, "a metric of a model", cure)]

    def _sheet(self) -> Sheet:
        rows = tuple((kind_of(node).replace("_", " "), node.name) for node in self.nodes().values())
        problem = "" if self.charter is None else self.charter.problem
        return Sheet(f"Project {self.name}", problem, ("kind", "name"), rows)

    def __hash__(self) -> int:
        return hash(("project", self.name))


def _every(project: Project) -> list[Node]:
    """Every object reached, also different ones of the same name; each once."""
    found: list[Node] = []

    def reach(node: Node) -> None:
        if any(node is other for other in found):
            return
        found.append(node)
        for used in uses(node) if isinstance(node, tuple(KINDS)) else ():
            reach(used)

    for root in project.roots():
        reach(root)
    return found
