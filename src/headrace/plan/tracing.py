"""The lineage of a project: from files and databases through tables and features to models and decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from headrace.declare import (
    Field,
    Model,
    Project,
    Service,
    Stream,
    Table,
    TrainingSet,
    node_id,
    sources_of,
)
from headrace.declare.kept import RUN_LOG, beside, loaded
from headrace.plan.compile import compile_features, compile_rules, compile_set
from headrace.plan.expression import Node as Expression
from headrace.plan.expression import references
from headrace.plan.feature_units import feature_units
from headrace.plan.lineage import Edge, Lineage, Mix, Node, carried, tags_of, tags_of_field, units_within
from headrace.plan.made import COPY, Column, Made
from headrace.plan.meaning import Plan
from headrace.plan.nodes import answer_id, column_node, origin_name, read_id, recorded, said_of_features, shadowed
from headrace.plan.parts import Parts
from headrace.plan.privacy import said_of
from headrace.plan.queries import given_columns, in_order, reads_of
from headrace.plan.reads import reads
from headrace.plan.selected import selected
from headrace.plan.units import expression_mixes

_OF_SERVICES = {"decisions": recorded, "shadow": shadowed}
"""What the lake keeps of services, by how the names of these tables begin."""


def lineage(project: Project) -> Lineage:
    """Return the lineage of a project: every column, feature, case, label, model and decision, and what it is made of.

    Args:
        project: without faults.

    Raises:
        HeadraceError: faults that keep queries, features or rules from being read.

    Example:
        >>> from headrace.declare import Contract, Features, event_time, field
        >>> from headrace.types import Timestamp
        >>> class Payment(Contract):
        ...     at: Timestamp = event_time()
        ...     amount: float = field(unit="EUR")
        >>> payments = Stream("payments", Payment, source="data/*.csv")
        >>> group = Features("now", payments, features={"more": "amount + 1"})
        >>> found = lineage(Project("bank", features=[group])).upstream("now.more")
        >>> [one.name for one in found.nodes.values()], found.nodes["feature:now.more"].unit
        (['data/*.csv', 'payments.amount', 'now.more'], 'EUR')
    """
    tracing = _Tracing(project)
    for source in sources_of(project):
        if not (isinstance(source, Table) and source.query is not None):
            tracing.source(source)
    tracing.kept(project)
    queries = [one for one in project.tables.values() if one.query is not None]
    given = given_columns(project) if queries else {}
    for table in in_order(queries):
        tracing.query(table, given[table.name])
    for cases in project.all_training_sets.values():
        plan = compile_set(cases)
        tracing.features(plan, [str(group.name) for group in cases.features])
        tracing.cases(cases, plan)
    for group in project.feature_groups.values():
        if group.name not in tracing.groups:
            others = [one for one in project.feature_groups.values() if one is not group]
            tracing.features(compile_features([group, *others]), [group.name])
    for model in project.all_models.values():
        tracing.model(model)
    for service in project.all_services.values():
        tracing.service(service)
    return tracing.graph()


class _Tracing:
    """Gathers nodes and edges, in the order in which one is made of the other."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str, str], Edge] = {}
        self.groups: set[str] = set()
        self._tables: dict[str, dict[str, str]] = {}
        """For each table, in lower case, the ids of its columns by their names in lower case."""
        self._later: dict[str, tuple[Node, list[Edge]]] = {}
        """What is there only where a query reads it: columns that loading adds, tables beside the declared ones."""
        self._within: dict[str, str] = {}
        """Units of fields within columns, by the id of the column and the path, in lower case."""
        self._parts = Parts(self._later)

    def graph(self) -> Lineage:
        """Return what was gathered, with tags and owners carried along."""
        edges = tuple(one for one in self.edges.values() if {one.source, one.target} <= self.nodes.keys())
        owners = carried(self.nodes, edges, lambda one: one.owners)
        grouped = ("feature", "label")
        inherited = carried(self.nodes, edges, lambda one: () if one.kind in grouped else one.declared)
        known = {tag for one in self.nodes.values() if one.kind not in grouped for tag in one.declared}
        # What a group says is said of those of its features that are made of tagged columns.
        said = {name: said_of(one, known, one.kind in grouped) for name, one in self.nodes.items() if inherited[name]}
        own, more = ({name: tags[at] for name, tags in said.items()} for at in (0, 1))
        privacy = carried(self.nodes, edges, lambda one: own.get(one.id, ()), lambda one: more.get(one.id, ()))
        nodes = {name: replace(one, privacy=privacy[name], owners=owners[name]) for name, one in self.nodes.items()}
        return Lineage(self.project.name, nodes, edges)

    def source(self, source: Stream | Table) -> None:
        """A stream or table that is loaded, and where it is loaded from."""
        assert source.contract is not None
        of, whole = node_id(source), str(source.name)
        owners = (source.owner,) if source.owner else ()
        origin = "" if source.source is None else f"origin:{origin_name(source)}"
        if origin:
            self._node(Node(origin, origin.partition(":")[2], "origin", origin))
        self._node(Node(f"column:{whole}.*", f"{whole}.*", "rows", of, owners=owners, place=source.place))
        for one in source.contract.fields().values():
            self._parts.declare(self._node(column_node(source, one, repr(one.type), one.unit)), one)
            self._within |= units_within(one, f"column:{whole}.{one.name}")
        called = {f"column:{whole}.{name}": column for name, column in source.columns.items() if name != column}
        for name in self._tables[whole.lower()].values():
            self._edge(origin, name, "direct", "load", called.get(name, ""))
        for name, kind in loaded(source.contract).items():
            if name not in source.contract.fields():
                node = Node(f"column:{whole}.{name}", f"{whole}.{name}", "column", of, repr(kind), owners=owners)
                self._keep(node, [Edge(origin, node.id, "direct", "load")])

    def kept(self, project: Project) -> None:
        """The tables that the lake keeps beside the declared ones."""
        sources = {str(one.name): one for one in sources_of(project)}
        for table, columns in beside(project):
            what, _, whose = table.partition("_")
            for name, kind in columns.items():
                node = Node(f"column:{table}.{name}", f"{table}.{name}", "column", f"table:{table}", repr(kind))
                if what in _OF_SERVICES:
                    self._keep(node, _OF_SERVICES[what](node.id, name, project.all_services[whose]))
                    continue
                if table == RUN_LOG:
                    self._keep(node, [])
                    continue
                source = sources[whose]
                held = source.contract.fields().values() if source.contract and name in ("row", "reasons") else ()
                tags = tuple(dict.fromkeys(tag for one in held for tag in tags_of_field(one)))
                loaded_from = (
                    [Edge(f"origin:{origin_name(source)}", node.id, "direct", "load")] if source.source else []
                )
                self._keep(replace(node, declared=tags), loaded_from)

    def query(self, table: Table, given: Mapping[str, str]) -> None:
        """A table by query: its columns by what the query makes them of, its rows by what chooses them."""
        read = {name: self._tables[name] for name in reads_of(table) if name in self._tables}
        columns = {name: [one for one in ids if one != "*"] for name, ids in read.items()}
        about = partial(self._unit_at, read), partial(self._fields_at, read)
        found = selected(table.query or "", len(given), columns, *about)
        whole, owners = str(table.name), (table.owner,) if table.owner else ()
        rows = Node(f"column:{whole}.*", f"{whole}.*", "rows", node_id(table), owners=owners, place=table.place)
        self._node(replace(rows, mixed=found.rows.mixed))
        self._made(rows.id, found.rows, read)
        fields = {} if table.contract is None else table.contract.fields()
        for (name, kind), made in zip(given.items(), found.columns, strict=True):
            if table.contract is not None and name not in fields:
                continue
            one = fields.get(name)
            node = column_node(
                table, one or Field(name=name), kind.lower() if one is None else repr(one.type), made.unit
            )
            # What a contract says of a field within is not said of the others, which a query may make of anything.
            node = replace(node, declared=() if one is None else tags_of(one.privacy))
            self._node(replace(node, made=made.unit, mixed=made.mixed))
            self._within |= self._copied(made, read, node) if one is None else units_within(one, node.id)
            if not node.declared:  # else the contract says what the whole is, and every field with it
                self._made_parts(node, made, read, one)
            self._made(node.id, made, read)
            self._edge(rows.id, node.id, "indirect", "rows")
        learned = None if table.contract is None else table.contract.role("known_time")
        if learned is not None:
            node = Node(f"column:{whole}._known_at", f"{whole}._known_at", "column", node_id(table), owners=owners)
            self._keep(node, [Edge(f"column:{whole}.{learned}", node.id, "direct", "copy")])

    def features(self, plan: Plan, groups: Iterable[str]) -> None:
        """Features of groups, as a plan has compiled them."""
        sources = {name: str(one.source.name) for name, one in self.project.feature_groups.items()}
        read = reads(plan.windows, plan.states, plan.derived, sources)
        wanted = set(groups) - self.groups
        said = dict(said_of_features(self.project.feature_groups.values()))
        units, mixed = feature_units(plan, sources, said, self._unit)
        for output in plan.outputs:
            group = self.project.feature_groups.get(output.name.partition(".")[0])
            if group is None or group.name not in wanted:
                continue
            tags = tags_of(group.privacy)
            node = Node(f"feature:{output.name}", output.name, "feature", node_id(group), repr(output.type))
            node = replace(node, unit=units.get(output.name, ""), place=output.place, declared=tags)
            node = replace(node, mixed=mixed.get(output.name, ()))
            self._node(node)
            for one in read.get(output.name, ()):
                kind = "direct" if one.direct else "indirect"
                expression = said.get(output.name, "") if one.direct else ""
                self._edge(read_id(one), node.id, kind, one.how, expression)
        self.groups |= wanted

    def cases(self, cases: TrainingSet, plan: Plan) -> None:
        """A training set: which rows are cases, their features, and the label."""
        of, spine = node_id(cases), str(cases.spine.name)
        where = (
            () if plan.where is None else expression_mixes(plan.where, lambda one: self._unit(f"column:{spine}.{one}"))
        )
        mixed = tuple(Mix(units, cases.where or "") for units in where)
        rows = self._node(Node(f"column:{cases.name}.*", f"{cases.name}.*", "rows", of, place=cases.place, mixed=mixed))
        self._edge(f"column:{spine}.*", rows.id, "direct", "rows")
        for name in () if plan.where is None else references(plan.where):
            self._edge(f"column:{spine}.{name}", rows.id, "indirect", "filter", cases.where or "")
        for output in plan.features:
            feature, name = self.nodes[f"feature:{output.name}"], f"{cases.name}.{output.name}"
            case = Node(f"case:{name}", name, "case", of, feature.type, unit=feature.unit, place=cases.place)
            self._node(case)
            self._edge(feature.id, case.id, "direct", "copy")
            self._edge(rows.id, case.id, "indirect", "rows")
        if plan.label is not None:
            self._label(cases, plan)

    def _label(self, cases: TrainingSet, plan: Plan) -> None:
        assert plan.label is not None
        label, name = plan.label.label, f"{cases.name}.label"
        kind = repr(plan.label.value.domain.type)
        source, tags = str(label.source.name), tags_of(label.privacy)
        mixed = self._mixes(plan.label.value, source, label.value)
        node = Node(f"label:{name}", name, "label", node_id(cases), kind, place=label.place, declared=tags, mixed=mixed)
        self._node(node)
        for column in references(plan.label.value) or ("*",):
            self._edge(f"column:{source}.{column}", node.id, "direct", "label", label.value)
        for key in label.on:
            for stream in (source, str(cases.spine.name)):
                self._edge(f"column:{stream}.{key}", node.id, "indirect", "join")
        self._edge(f"column:{source}.{label.source.event_time}", node.id, "indirect", "time")
        self._edge(f"column:{cases.name}.*", node.id, "indirect", "rows")

    def model(self, model: Model) -> None:
        """A model: all features of its cases, and the label."""
        node = self._node(Node(f"model:{model.name}", str(model.name), "model", node_id(model), place=model.place))
        of = node_id(model.cases)
        for one in [one for one in self.nodes.values() if one.of == of]:
            kind = "indirect" if one.kind == "rows" else "direct"
            self._edge(one.id, node.id, kind, "learned" if kind == "direct" else "rows")

    def service(self, service: Service) -> None:
        """Decisions: the first rule that is true decides, so that those before have a part in each."""
        spine = str(service.model.cases.spine.name)
        before: dict[str, str] = {}
        for decision, rule in (*compile_rules(service), (service.otherwise, None)):
            name = f"{service.name}.{decision}"
            place = service.lines.get(decision, service.place)
            node = self._node(Node(f"decision:{name}", name, "decision", node_id(service), place=place))
            read = () if rule is None else references(rule)
            for one in read:
                self._edge(answer_id(one, service, spine), node.id, "direct", "rule", service.decide[decision])
            for one, said in before.items():
                self._edge(answer_id(one, service, spine), node.id, "indirect", "rule before", said)
            before |= {one: service.decide[decision] for one in read if one not in before}

    def _node(self, node: Node) -> Node:
        self.nodes.setdefault(node.id, node)
        if node.kind in ("column", "rows"):
            self._known(node)
        return node

    def _known(self, node: Node) -> None:
        table, _, column = node.name.partition(".")
        self._tables.setdefault(table.lower(), {}).setdefault(column.lower(), node.id)

    def _keep(self, node: Node, edges: list[Edge]) -> None:
        self._later[node.id] = (node, edges)
        self._known(node)

    def _edge(self, source: str, target: str, kind: str, how: str, expression: str = "") -> None:
        """Add an edge, once; what was kept for later is there from now on. What is within a field is of the field."""
        if source.startswith("column:") and source not in self.nodes and source not in self._later:
            source = ".".join(source.split(".")[:2])
        self._there(source)
        if source:
            self.edges.setdefault((source, target, kind), Edge(source, target, kind, how, expression))

    def _there(self, name: str) -> None:
        """Take in what was kept for later."""
        if name in self._later:
            node, edges = self._later.pop(name)
            self.nodes[node.id] = node
            for one in edges:
                self._edge(one.source, one.target, one.kind, one.how, one.expression)

    def _made(self, target: str, made: Made, read: Mapping[str, Mapping[str, str]]) -> None:
        for one in self._edges_of(target, made, read):
            self._edge(one.source, target, one.kind, one.how, one.expression)

    def _edges_of(self, target: str, made: Made, read: Mapping[str, Mapping[str, str]]) -> Iterable[Edge]:
        for kind, columns in (("direct", made.direct), ("indirect", made.indirect)):
            for column, how in columns.items():
                if (source := self._id(read, column)) is not None:
                    expression = made.said if kind == "direct" and how not in ("copy", "rows") else ""
                    yield Edge(source, target, kind, how, expression)

    def _made_parts(
        self, outer: Node, made: Made, read: Mapping[str, Mapping[str, str]], contract: Field | None
    ) -> None:
        """The fields within a struct that a query makes by names, each of its own columns alone.

        Those of a contract that says tags within are there in any case, made of all of it where that is not told.
        """
        fields = {one.name: one for one in contract.inner} if contract and contract.type.name == "struct" else {}
        tagged = any(map(tags_of_field, fields.values()))
        parts = {name: self._inner(made, name, read) for name in fields} if tagged else made.parts or {}
        edges = {name: list(self._edges_of(outer.id, part, read)) for name, part in parts.items()}
        units = {name: part.unit for name, part in parts.items()}
        tags = {name: tags_of(fields[name].privacy) for name in parts if name in fields}
        for name, inner in zip(parts, self._parts.make(outer, edges, units, tags) if parts else (), strict=True):
            said = {inner.id.lower(): units[name]} if units[name] else {}
            self._within = said | self._copied(parts[name], read, inner) | self._within  # a contract's own come first
            if not inner.declared:
                self._made_parts(inner, parts[name], read, fields.get(name))
            if tagged:
                self._there(inner.id)

    def _inner(self, made: Made, name: str, read: Mapping[str, Mapping[str, str]]) -> Made:
        """What a field of a struct is made of: by its own name, of the field that is copied, or of all of it."""
        copied = {(table, f"{column}.{name}".lower()): how for (table, column), how in made.direct.items()}
        known = copied and all(how == COPY and self._id(read, one) is not None for one, how in copied.items())
        return made.part(name) or replace(made, direct=copied if known else made.direct, parts=None)

    def _id(self, read: Mapping[str, Mapping[str, str]], column: Column) -> str | None:
        """The id of a column of a table that is read, or of a field within one; None where there is none."""
        table, name = column
        columns = read.get(table, {})
        outer, _, path = name.partition(".")
        if name in columns:
            return columns[name]
        return self._parts.id(columns[outer], path) if outer in columns else None

    def _fields_at(self, read: Mapping[str, Mapping[str, str]], column: Column) -> tuple[str, ...] | None:
        name = self._id(read, column)
        return None if name is None else self._parts.fields(name)

    def _at(self, read: Mapping[str, Mapping[str, str]], column: Column) -> Node:
        name = read[column[0]][column[1]]
        return self.nodes[name] if name in self.nodes else self._later[name][0]

    def _mixes(self, node: Expression | None, source: str, said: str) -> tuple[Mix, ...]:
        """The units that an expression over the columns of a source brings together."""
        found = () if node is None else expression_mixes(node, lambda one: self._unit(f"column:{source}.{one}"))
        return tuple(Mix(units, said) for units in found)

    def _unit_at(self, read: Mapping[str, Mapping[str, str]], column: Column) -> str:
        """The unit of a column of a table that is read, or of a field within one."""
        outer, _, path = column[1].partition(".")
        name = read[column[0]][outer]
        return self._within.get(f"{name}.{path}".lower(), "") if path else self._at(read, column).unit

    def _copied(self, made: Made, read: Mapping[str, Mapping[str, str]], node: Node) -> dict[str, str]:
        """The units within a column that a query copies; its fields are known as well from now on."""
        copies = [self._id(read, column) for column, how in made.direct.items() if how == "copy" and column[1] != "*"]
        if len(copies) != 1 or len(made.direct) > 1 or copies[0] is None:
            return {}
        self._parts.copy(copies[0], node)
        before = f"{copies[0]}.".lower()
        within = {name.removeprefix(before): unit for name, unit in self._within.items() if name.startswith(before)}
        return {f"{node.id}.{path}".lower(): unit for path, unit in within.items()}

    def _unit(self, name: str) -> str:
        return self.nodes[name].unit if name in self.nodes else self._within.get(name.lower(), "")
