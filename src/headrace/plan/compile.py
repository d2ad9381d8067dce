"""From declarations to a plan: names resolved, expressions typed, and every fault found, not only the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from headrace.declare import Contract, Features, Field, Label, Project, Service, Stream, Table, TrainingSet, Window
from headrace.errors import Fault, HeadraceError, nearest
from headrace.kernel.aggregates import catalogue
from headrace.kernel.work import Span
from headrace.plan.expression import Node, references
from headrace.plan.leaks import leaks
from headrace.plan.meaning import Aggregation, Derived, LabelPlan, Output, Plan, StateGroup, WindowGroup
from headrace.plan.parse import condition, parse
from headrace.types import FLOAT, Domain, LogicalType

MOST_EVENTS = 2**31
_KEY_TYPES = ("int", "str", "bool", "date", "timestamp", "decimal")


def compile_set(cases: TrainingSet) -> Plan:
    """Return the plan of a training set.

    Raises:
        HeadraceError: with all faults of the set and of what it uses.
    """
    faults = _own_faults(cases)
    if faults:
        raise HeadraceError(faults)
    compiler = _Compiler(cases.spine, cases.features)
    plan = compiler.plan(cases.name)
    where = label = None
    scope = domains(cases.spine.contract)
    if cases.where is not None:
        where = compiler.attempt(condition, cases.where, scope, cases.place, f"where of {cases.name}")
    if cases.label is not None:
        label = compiler.label(cases.label, cases.spine)
    if label is not None:
        compiler.faults += leaks(plan, label, cases.place)
    if compiler.faults:
        raise HeadraceError(compiler.faults)
    return Plan(plan.name, plan.spine, plan.windows, plan.states, plan.derived, plan.outputs, where, label)


def compile_features(groups: Sequence[Features], spine: Stream | None = None) -> Plan:
    """Return the plan of some groups of features, asked about rows of a spine or of any frame that has the keys.

    Raises:
        HeadraceError: with all faults.
    """
    faults = [fault for group in groups for fault in (*group.faults, *_own_faults(group.source))]
    if faults:
        raise HeadraceError(faults)
    compiler = _Compiler(spine, groups)
    plan = compiler.plan(", ".join(group.name for group in groups))
    if compiler.faults:
        raise HeadraceError(compiler.faults)
    return plan


def compile_rules(service: Service) -> tuple[tuple[str, Node], ...]:
    """Return the decisions of a service and their conditions over score, row and features, in order.

    Raises:
        HeadraceError: with all faults.
    """
    cases = service.model.cases
    plan = compile_set(cases)
    scope: dict[str, Domain] = domains(cases.spine.contract)
    scope |= {output.name: output.domain for output in plan.outputs}
    scope["score"] = Domain(FLOAT, 0.0, 1.0)
    faults: list[Fault] = []
    rules: list[tuple[str, Node]] = []
    for decision, text in service.decide.items():
        try:
            rules.append((decision, condition(text, scope, service.place, f"rule for {decision}")))
        except HeadraceError as error:
            faults += error.faults
    if faults:
        raise HeadraceError(faults)
    return tuple(rules)


def check(project: Project) -> list[Fault]:
    """Return every fault of a project: of each declaration by itself, and of how they fit together."""
    declared = project.declared_faults()
    groups = list(project.feature_groups.values())
    sound = [group for group in groups if not _group_faults(group)]
    in_sets = {group.name for cases in project.all_training_sets.values() for group in cases.features}
    attempts: list[Callable[[], object]] = [
        partial(compile_features, [group, *(g for g in sound if g is not group)])
        for group in sound
        if group.name not in in_sets or declared
    ]
    if not declared:
        attempts += [partial(compile_set, cases) for cases in project.all_training_sets.values()]
        attempts += [partial(compile_rules, service) for service in project.all_services.values()]
    found: list[Fault] = []
    for attempt in attempts:
        try:
            attempt()
        except HeadraceError as error:
            found += error.faults
    unsound = [f"{group.name}." for group in groups if group not in sound]
    return _distinct([*declared, *(one for one in found if not any(name in one.found for name in unsound))])


def _group_faults(group: Features) -> list[Fault]:
    """Faults of a group by itself; with any, nothing more can be said of its expressions."""
    return [*group.faults, *_own_faults(group.source)] if isinstance(group.source, Stream | Table) else [*group.faults]


def _distinct(faults: Sequence[Fault]) -> list[Fault]:
    return list(dict.fromkeys(faults))


def domains(contract: type[Contract]) -> dict[str, Domain]:
    """Return what is known of each field of a contract before any row is read."""
    return {name: domain_of(one) for name, one in contract.fields().items() if one.type.name != "list"}


def domain_of(one: Field) -> Domain:
    """Return the domain of a field: its bounds in the units of the kernel."""
    kind = one.type
    if not kind.numeric:
        return Domain(kind)
    lows = [_unit(b, kind) for b in (one.ge, one.gt) if b is not None]
    highs = [_unit(b, kind) for b in (one.le, one.lt) if b is not None]
    if one.isin:
        lows, highs = [min(_unit(v, kind) for v in one.isin)], [max(_unit(v, kind) for v in one.isin)]
    if kind.name == "decimal":
        largest = 10**kind.precision - 1
        return Domain(kind, max([*lows, -largest]), min([*highs, largest]))
    return Domain(kind, max(lows, default=None), min(highs, default=None))


def _unit(bound: float | int | str, kind: LogicalType) -> float | int:
    if kind.name == "decimal":
        from decimal import Decimal

        return int(Decimal(str(bound)).scaleb(kind.scale))
    return float(bound) if kind.name == "float" else int(bound)


def _own_faults(*roots: TrainingSet | Stream | Table) -> list[Fault]:
    return Project(
        "own",
        training_sets=[r for r in roots if isinstance(r, TrainingSet)],
        sources=[r for r in roots if not isinstance(r, TrainingSet)],
    ).declared_faults()


class _Features(Mapping[str, Domain]):
    """The names that expressions over a row may use; features of the row are typed when they are first named."""

    def __init__(self, fields: Mapping[str, Domain], ready: dict[str, Domain], on_demand: Mapping[str, _Pending]):
        self._fields, self._ready, self._on_demand = fields, ready, on_demand

    def __getitem__(self, name: str) -> Domain:
        if name in self._fields:
            return self._fields[name]
        if name not in self._ready and name in self._on_demand:
            self._on_demand[name].type()
        return self._ready[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._fields, *self._ready, *self._on_demand)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in self._fields or name in self._ready or name in self._on_demand


@dataclass
class _Pending:
    """A feature of the row that is not typed yet."""

    name: str
    text: str
    place: str
    compiler: _Compiler
    busy: bool = False

    def type(self) -> None:
        self.compiler.derive(self)


@dataclass
class _Compiler:
    spine: Stream | None
    groups: Sequence[Features]
    faults: list[Fault] = field(default_factory=list)
    ready: dict[str, Domain] = field(default_factory=dict)
    pending: dict[str, _Pending] = field(default_factory=dict)
    derived: list[Derived] = field(default_factory=list)
    lineage: dict[str, tuple[str, ...]] = field(default_factory=dict)
    trail: list[str] = field(default_factory=list)

    def attempt(self, work: Callable[..., Node], *args: object) -> Node | None:
        try:
            return work(*args)
        except HeadraceError as error:
            self.faults += error.faults
            return None

    def plan(self, name: str) -> Plan:
        windows, states = [], []
        for group in self.groups:
            if isinstance(group.source, Table):
                state = self.state(group)
                states += [state] if state else []
            elif group.by is not None:
                windows.append(self.window(group))
            else:
                self.row(group)
        fields = domains(self.spine.contract) if self.spine is not None else self.row_fields()
        self.scope = _Features(fields, self.ready, self.pending)
        for one in list(self.pending.values()):
            if one.name not in self.ready:
                self.derive(one)
        order = [f"{group.name}.{feature}" for group in self.groups for feature in self.names(group)]
        places = {f"{group.name}.{feature}": group.place for group in self.groups for feature in self.names(group)}
        outputs = tuple(
            Output(one, self.ready[one], tuple(sorted(self.lineage.get(one, ()))), places[one])
            for one in order
            if one in self.ready
        )
        self.spine_keys()
        return Plan(name, self.spine, tuple(windows), tuple(states), tuple(self.derived), outputs)

    def row_fields(self) -> dict[str, Domain]:
        """Without a spine, rows look like those of the streams whose own features are asked for."""
        found: dict[str, Domain] = {}
        for group in self.groups:
            if isinstance(group.source, Stream) and group.by is None:
                found |= domains(group.source.contract)
        return found

    @staticmethod
    def names(group: Features) -> list[str]:
        found = []
        for name, one in group.features.items():
            found += [f"{name}_{label}" for label in one.labels] if isinstance(one, Window) and one.series else [name]
        return found

    def spine_keys(self) -> None:
        """The keys of every entity must be fields of the spine, of the same type as in its source."""
        if self.spine is None:
            return
        have = self.spine.contract.fields()
        for group in self.groups:
            for key in group.by.keys if group.by is not None else ():
                if key not in have:
                    found = f"the spine {self.spine.name} has no {key!r}, by which {group.name} is computed"
                    self.faults.append(Fault("HR-SPINE-001", group.place, found, "its key", nearest(key, have)))
                    continue
                source = group.source.contract.fields().get(key) if group.source.contract else None
                if source is not None and source.type.bare != have[key].type.bare:
                    found = (
                        f"{key} is {have[key].type!r} in {self.spine.name} and {source.type!r} in {group.source.name}"
                    )
                    self.faults.append(Fault("HR-SPINE-002", group.place, found, "one type"))

    def keys(self, group: Features) -> bool:
        contract = group.source.contract
        assert contract is not None
        assert group.by is not None
        have = contract.fields()
        good = True
        for key in group.by.keys:
            if key not in have or have[key].type.name not in _KEY_TYPES:
                found = f"{group.source.name} has no key column {key!r} for {group.name}"
                self.faults.append(Fault("HR-ENTITY-002", group.place, found, "a field of it", nearest(key, have)))
                good = False
        return good

    def window(self, group: Features) -> WindowGroup:
        assert isinstance(group.source, Stream)
        assert group.by is not None
        self.keys(group)
        scope = domains(group.source.contract)
        made: list[Aggregation] = []
        for name, one in group.features.items():
            assert isinstance(one, Window)
            aggregation = self.aggregation(group, name, one, scope)
            if aggregation is not None:
                made.append(aggregation)
        return WindowGroup(group.name, group.source, group.by.keys, tuple(made))

    def aggregation(self, group: Features, name: str, one: Window, scope: Mapping[str, Domain]) -> Aggregation | None:
        label = f"{group.name}.{name}"
        aggregate = catalogue().get(one.kind)
        if aggregate is None:
            cure = nearest(one.kind, catalogue())
            self.faults.append(
                Fault("HR-WINDOW-005", one.place, f"{label}: aggregate {one.kind!r}", "a known one", cure)
            )
            return None
        count = len(self.faults)
        value = None if one.value is None else self.attempt(parse, one.value, scope, one.place, label)
        where = None if one.where is None else self.attempt(condition, one.where, scope, one.place, f"where of {label}")
        if len(self.faults) > count:
            return None
        if value is None and aggregate.takes and not aggregate.value_optional:
            self.faults.append(Fault("HR-WINDOW-006", one.place, f"{label} without a value", "an expression"))
            return None
        if value is not None and value.domain.type.name not in aggregate.takes:
            found = f"{label}: {one.kind} of {value.domain.type!r}"
            self.faults.append(Fault("HR-WINDOW-007", one.place, found, " or ".join(aggregate.takes)))
            return None
        if one.include_current and self.spine is not None and self.spine.name != group.source.name:
            found = f"{label} includes the row itself, but rows are {self.spine.name} and events {group.source.name}"
            self.faults.append(Fault("HR-WINDOW-008", one.place, found, "a spine of the same stream"))
            return None
        domain = None if value is None else value.domain
        params = dict(one.params)
        try:
            aggregate.setting(domain, params)
            result = aggregate.result(domain, params)
        except ValueError as error:
            cure = "give the field bounds (hr.field(ge=…, le=…)), or wrap it: least(greatest(x, low), high)"
            cure = cure if "bound" in str(error) else ""
            self.faults.append(Fault("HR-WINDOW-009", one.place, f"{label}: {error}", "what the aggregate needs", cure))
            return None
        outputs = tuple(f"{label}_{w}" for w in one.labels) if one.series else (label,)
        spans = tuple(Span(length, one.delay_us, one.hop_us) for length in one.spans_us)
        made = Aggregation(one.kind, value, where, one.params, one.include_current, result | None, outputs, spans)
        reads = tuple(f"{group.source.name}.{column}" for column in made.reads)
        for output in outputs:
            self.ready[output] = _output_domain(made, domain)
            self.lineage[output] = reads or (f"{group.source.name}.*",)
        return made

    def state(self, group: Features) -> StateGroup | None:
        table = group.source
        assert isinstance(table, Table)
        assert group.by is not None
        if table.contract is None or table.contract.role("valid_from") is None:
            found = f"{group.name} reads table {table.name}, which does not say since when its rows hold"
            cure = "mark the field: hr.valid_from()"
            self.faults.append(Fault("HR-STATE-001", group.place, found, "a contract with valid_from", cure))
            return None
        if not self.keys(group):
            return None
        scope = domains(table.contract)
        expressions: list[tuple[str, Node]] = []
        for name, text in group.features.items():
            label = f"{group.name}.{name}"
            node = self.attempt(parse, text, scope, group.place, label)
            if node is not None:
                expressions.append((label, node))
                kind = node.domain.type | None
                self.ready[label] = Domain(kind, node.domain.low, node.domain.high)
                self.lineage[label] = tuple(f"{table.name}.{column}" for column in references(node))
        valid_from = table.contract.role("valid_from") or ""
        valid_to = table.contract.role("valid_to")
        return StateGroup(group.name, table, group.by.keys, valid_from, valid_to, tuple(expressions))

    def row(self, group: Features) -> None:
        if self.spine is not None and self.spine.name != group.source.name:
            found = f"{group.name} is about rows of {group.source.name}, but the spine is {self.spine.name}"
            self.faults.append(Fault("HR-FEATURE-003", group.place, found, "features of the spine's own rows"))
            return
        for name, text in group.features.items():
            label = f"{group.name}.{name}"
            self.pending[label] = _Pending(label, str(text), group.place, self)

    def derive(self, one: _Pending) -> None:
        """Type a feature of the row after those that it names; a circle among them is a fault, told once."""
        if one.name in self.trail:
            circle = " → ".join((*self.trail[self.trail.index(one.name) :], one.name))
            self.faults.append(Fault("HR-FEATURE-004", one.place, f"a circle: {circle}", "features without a circle"))
            self.ready[one.name] = Domain(FLOAT | None)
            return
        self.trail.append(one.name)
        node = self.attempt(parse, one.text, self.scope, one.place, one.name)
        self.trail.pop()
        if one.name in self.ready:
            return
        kind = FLOAT | None if node is None else node.domain.type | None
        self.ready[one.name] = Domain(kind) if node is None else Domain(kind, node.domain.low, node.domain.high)
        if node is None:
            return
        self.derived.append(Derived(one.name, node))
        spine = self.spine.name if self.spine is not None else "row"
        reads: list[str] = []
        for name in references(node):
            reads += self.lineage.get(name, ()) if "." in name else (f"{spine}.{name}",)
        self.lineage[one.name] = tuple(dict.fromkeys(reads))

    def label(self, label: Label, spine: Stream) -> LabelPlan | None:
        scope = domains(label.source.contract)
        good = True
        for key in label.on:
            for stream in (spine, label.source):
                fields = stream.contract.fields()
                if key not in fields:
                    found = f"label joins on {key!r}, which {stream.name} does not have"
                    self.faults.append(Fault("HR-LABEL-002", label.place, found, "a field", nearest(key, fields)))
                    good = False
        value = self.attempt(parse, label.value, scope, label.place, "label")
        if value is not None and value.domain.type.name not in ("int", "float", "bool", "decimal"):
            found = f"label {label.value!r} is {value.domain.type!r}"
            self.faults.append(Fault("HR-LABEL-003", label.place, found, "a number or a condition"))
            return None
        return LabelPlan(label, value) if good and value is not None else None


def _output_domain(made: Aggregation, value: Domain | None) -> Domain:
    """Return what is known of a feature: extremes and picked values stay within the bounds of the value."""
    aggregate = catalogue()[made.aggregate]
    if value is not None and aggregate.out in ("value", "position") and made.result.name != "list":
        return Domain(made.result, value.low, value.high)
    if made.aggregate == "count":
        return Domain(made.result, 0, MOST_EVENTS)
    return Domain(made.result)
