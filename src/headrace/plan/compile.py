"""From declarations to a plan: names resolved, expressions typed, and every fault found, not only the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headrace.declare import (
    Contract,
    Entity,
    Features,
    Label,
    Model,
    Project,
    Service,
    Stream,
    Table,
    TrainingSet,
    Window,
)
from headrace.declare.base import MISTYPED
from headrace.errors import Fault, HeadraceError, closest, nearest
from headrace.kernel.aggregates import catalogue
from headrace.kernel.work import Span
from headrace.plan.domains import domains
from headrace.plan.expression import Node
from headrace.plan.functions.conversions import converted
from headrace.plan.leaks import leaks
from headrace.plan.meaning import Aggregation, Derived, LabelPlan, Output, Plan, StateGroup, WindowGroup
from headrace.plan.misfits import misfits
from headrace.plan.parse import condition, parse
from headrace.plan.reads import columns, reads
from headrace.plan.scope import RowScope, Unknown
from headrace.types import FLOAT, Domain, fitting

MOST_EVENTS = 2**31
_KEY_TYPES = ("int", "str", "bool", "date", "timestamp", "decimal")


def compile_set(cases: TrainingSet) -> Plan:
    """Return the plan of a training set.

    Raises:
        HeadraceError: with all faults of the set and of what it uses.
    """
    compiler, plan = _compiled_set(cases)
    compiler.raise_faults()
    return plan


def compile_features(groups: Sequence[Features], spine: Stream | None = None, *, more: bool = False) -> Plan:
    """Return the plan of some groups of features, asked about rows of a spine or of any frame that has the keys.

    Args:
        groups: to compile.
        spine: stream of the rows; without one, rows look like those of the groups' streams.
        more: whether groups may be missing here for faults that are told already: naming one is no fault again.

    Raises:
        HeadraceError: with all faults.
    """
    compiler = _Compiler(spine, groups, _own_faults(features=groups), Unknown(groups=more))
    plan = compiler.plan(", ".join(str(group.name) for group in groups))
    compiler.raise_faults()
    return plan


def compile_rules(service: Service) -> tuple[tuple[str, Node], ...]:
    """Return the decisions of a service and their conditions over score, row and features, in order.

    Raises:
        HeadraceError: with all faults.
    """
    declared = _own_faults(services=[service])
    if not isinstance(service.model, Model) or not isinstance(service.model.cases, TrainingSet):
        raise HeadraceError(declared)
    compiler, _ = _compiled_set(service.model.cases)
    compiler.faults += declared
    scope = compiler.scope({"score": Domain(FLOAT, 0.0, 1.0)})
    rules: list[tuple[str, Node]] = []
    texts = {decision: text for decision, text in service.decide.items() if isinstance(text, str)}
    for decision, text in texts.items():
        place = service.lines.get(decision, service.place)
        rule = compiler.attempt(condition, text, scope, place, f"rule for {decision}")
        rules += [] if rule is None else [(decision, rule)]
    compiler.raise_faults()
    return tuple(rules)


def _compiled_set(cases: TrainingSet) -> tuple[_Compiler, Plan]:
    spine = cases.spine if isinstance(cases.spine, Stream) and _readable(cases.spine) else None
    groups = [group for group in cases.features if isinstance(group, Features)]
    unknown = Unknown(fields=spine is None, groups=lacking(cases))
    compiler = _Compiler(spine, groups, _own_faults(training_sets=[cases]), unknown)
    plan = compiler.plan(cases.name)
    where = label = None
    if isinstance(cases.where, str) and spine is not None:
        scope = domains(spine.contract)
        where = compiler.attempt(condition, cases.where, scope, cases.place, f"where of {cases.name}")
    truth = cases.label if isinstance(cases.label, Label) and isinstance(cases.label.source, Stream) else None
    if truth is not None and spine is not None and _readable(truth.source):
        label = compiler.label(truth, spine)
    if label is not None and not label.label.faults:
        compiler.faults += leaks(plan, label, cases.place)
    return compiler, replace(plan, where=where, label=label)


def lacking(owner: TrainingSet | Project) -> bool:
    """Return whether groups that were meant may be missing: something else was given in their place."""
    return any(fault.code == MISTYPED and fault.place == owner.place for fault in owner.faults)


def _own_faults(**roots: Any) -> list[Fault]:
    return Project("own", **roots).declared_faults()


def _readable(source: object) -> bool:
    """Whether enough of a source is right to read expressions over its rows; of others all is told that can be."""
    if not isinstance(source, Stream | Table):
        return False
    contract = source.contract
    if contract is None:
        return isinstance(source, Table)
    sound = isinstance(contract, type) and issubclass(contract, Contract) and not contract.faults
    return sound and (isinstance(source, Table) or contract.role("event_time") is not None)


def _group_readable(group: Features) -> bool:
    entity = group.by is None or (isinstance(group.by, Entity) and not group.by.faults)
    about = group.by is not None or isinstance(group.source, Stream)
    return _readable(group.source) and entity and about and isinstance(group.features, Mapping) and bool(group.features)


@dataclass
class _Compiler:
    """Compiles what can be compiled, whatever faults there are, and gathers them."""

    spine: Stream | None
    groups: Sequence[Features]
    faults: list[Fault]
    unknown: Unknown
    ready: dict[str, Domain] = field(default_factory=dict)
    pending: dict[str, tuple[str, str]] = field(default_factory=dict)
    derived: list[Derived] = field(default_factory=list)
    trail: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.unread = {str(group.name) for group in self.groups if not _group_readable(group)}
        self.groups = [group for group in self.groups if _group_readable(group)]
        self.places = {name: place for group in self.groups for name, place in _places(group)}

    def raise_faults(self) -> None:
        if self.faults:
            raise HeadraceError(dict.fromkeys(self.faults))

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
        for one in self.places:
            self.derive(one)
        row = self.spine.name if self.spine is not None else "row"
        made = columns(reads(windows, states, self.derived, {str(group.name): row for group in self.groups}))
        outputs = tuple(
            Output(one, self.ready[one], made.get(one, ()), place)
            for one, place in self.places.items()
            if one in self.ready
        )
        self.spine_keys()
        return Plan(name, self.spine, tuple(windows), tuple(states), tuple(self.derived), outputs)

    def scope(self, more: Mapping[str, Domain] | None = None) -> RowScope:
        """What an expression over the row may name; without a spine, rows look like those of the groups' streams."""
        streams = (
            [self.spine]
            if self.spine is not None
            else [group.source for group in self.groups if isinstance(group.source, Stream) and group.by is None]
        )
        fields: dict[str, Domain] = {}
        for stream in streams:
            fields |= domains(stream.contract)
        fields = {name: one for name, one in fields.items() if name not in self.places}  # group.feature goes first
        return RowScope(
            fields | dict(more or {}),
            self.ready,
            self.places.keys(),
            self.unread,
            self.unknown,
            self.derive,
            self.trail,
        )

    def spine_keys(self) -> None:
        """The keys of every entity must be fields of the spine, of the same type as in its source."""
        if self.spine is None:
            return
        have = self.spine.contract.fields()
        for group in self.groups:
            for key in group.by.keys if group.by is not None else ():
                if key not in have:
                    found = f"the spine {self.spine.name} has no {key!r}, by which {group.name} is computed"
                    cure = f"add {key} to the contract of {self.spine.name}, or leave {group.name} out"
                    close = closest(key, have)
                    cure = cure if close is None else f"did you mean {close!r}? Else {cure}"
                    self.faults.append(Fault("HR-SPINE-001", group.place, found, "its key", cure))
                    continue
                source = group.source.contract.fields().get(key) if group.source.contract else None
                if source is not None and source.type.bare != have[key].type.bare:
                    found = (
                        f"{key} is {have[key].type!r} in {self.spine.name} and {source.type!r} in {group.source.name}"
                    )
                    cure = f"declare {key} alike in both contracts, as the files hold it in both or are made to"
                    self.faults.append(Fault("HR-SPINE-002", group.place, found, "one type", cure))

    def keys(self, group: Features) -> bool:
        contract = group.source.contract
        assert contract is not None
        assert group.by is not None
        have = contract.fields()
        good = True
        for key in group.by.keys:
            if key not in have or have[key].type.name not in _KEY_TYPES:
                found = f"{group.source.name} has no key column {key!r} for {group.name}"
                cure = nearest(key, [name for name, one in have.items() if one.type.name in _KEY_TYPES])
                self.faults.append(Fault("HR-ENTITY-002", group.place, found, "a field of it", cure))
                good = False
        return good

    def window(self, group: Features) -> WindowGroup:
        assert isinstance(group.source, Stream)
        assert group.by is not None
        self.keys(group)
        scope = domains(group.source.contract)
        windows = [(name, one) for name, one in group.features.items() if isinstance(one, Window)]
        made = [self.aggregation(group, name, one, scope) for name, one in windows]
        return WindowGroup(group.name, group.source, group.by.keys, tuple(one for one in made if one is not None))

    def aggregation(self, group: Features, name: str, one: Window, scope: Mapping[str, Domain]) -> Aggregation | None:
        label, before = f"{group.name}.{name}", len(self.faults)
        value = self.attempt(parse, one.value, scope, one.place, label) if isinstance(one.value, str) else None
        where = None
        if isinstance(one.where, str):
            where = self.attempt(condition, one.where, scope, one.place, f"where of {label}")
        self.faults += misfits(one, label, value)
        if one.include_current and self.spine is not None and self.spine.name != group.source.name:
            found = f"{label} includes the row itself, but rows are {self.spine.name} and events {group.source.name}"
            cure = "take include_current=True away: rows of another stream are none of its events"
            self.faults.append(Fault("HR-WINDOW-008", one.place, found, "a spine of the same stream", cure))
        if one.faults or len(self.faults) > before:
            return None
        domain = None if value is None else value.domain
        result = catalogue()[one.kind].result(domain, dict(one.params))
        outputs = tuple(f"{group.name}.{output}" for output in one.names(name))
        spans = tuple(Span(length, one.delay_us, one.hop_us) for length in one.spans_us)
        made = Aggregation(one.kind, value, where, one.params, one.include_current, result | None, outputs, spans)
        for output in outputs:
            self.ready[output] = _output_domain(made, domain)
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
        for name, text in _expressions(group):
            label = f"{group.name}.{name}"
            node = self.attempt(parse, text, scope, group.place_of(name), label)
            if node is not None:
                expressions.append((label, node))
                kind = node.domain.type | None
                self.ready[label] = Domain(kind, node.domain.low, node.domain.high)
        valid_from = table.contract.role("valid_from") or ""
        valid_to = table.contract.role("valid_to")
        return StateGroup(group.name, table, group.by.keys, valid_from, valid_to, tuple(expressions))

    def row(self, group: Features) -> None:
        if self.spine is not None and self.spine.name != group.source.name:
            found = f"{group.name} is about rows of {group.source.name}, but the spine is {self.spine.name}"
            cure = f"add by=hr.Entity(…) to {group.name} and aggregates over windows, or leave it out of features=[…]"
            self.faults.append(Fault("HR-FEATURE-003", group.place, found, "features of the spine's own rows", cure))
            return
        for name, text in _expressions(group):
            label = f"{group.name}.{name}"
            self.pending[label] = (text, group.place_of(name))

    def derive(self, name: str) -> None:
        """Type a feature of the row, if it is one, after those that it names; each is looked at once."""
        if name in self.trail:
            self.circle(self.trail[self.trail.index(name) :])
        if name not in self.pending:
            return
        text, place = self.pending.pop(name)
        self.trail.append(name)
        node = self.attempt(parse, text, self.scope(), place, name)
        self.trail.pop()
        if node is None:
            return
        self.ready[name] = Domain(node.domain.type | None, node.domain.low, node.domain.high)
        self.derived.append(Derived(name, node))

    def circle(self, names: list[str]) -> None:
        """Tell features that need each other: from the first by name, so that it is one fault wherever it is met."""
        start = names.index(min(names))
        first, *others = names[start:] + names[:start]
        way = " → ".join((first, *others, first))
        places = ", ".join(dict.fromkeys(self.places[name] for name in (first, *others)))
        cure = f"compute {first} without {others[0]}, or another without the one that it names" if others else ""
        found = f"a circle: {way} ({places})"
        self.faults.append(
            Fault(
                "HR-FEATURE-004",
                self.places[first],
                found,
                "features without a circle",
                cure or f"compute {first} without itself",
            )
        )

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
        text = label.value
        value = self.attempt(parse, text, scope, label.place, "label") if isinstance(text, str) else None
        if value is not None and value.domain.type.name not in ("int", "float", "bool", "decimal", "str"):
            found = f"label {label.value!r} is {value.domain.type!r}"
            cure = converted(value, ("bool",), label.value)
            self.faults.append(Fault("HR-LABEL-003", label.place, found, "a number, a condition or a class", cure))
            return None
        if value is None:
            return None
        default: object = None if label.default is None else fitting(label.default, value.domain.type)
        if value.domain.type.name == "str" and isinstance(label.default, str):
            default = label.default
        if default is None and label.default is not None:
            kind = value.domain.type.bare
            found = f"default={label.default!r} of a label whose value {label.value!r} is {kind!r}"
            example = {"bool": "False", "str": "'none'"}.get(kind.name, "0")
            cure = f"write default={example}, or leave it out: such a row is no case"
            self.faults.append(Fault("HR-LABEL-004", label.place, found, f"a value of type {kind!r}", cure))
            return None
        own = set(label.on) == set(spine.contract.key_fields())
        return LabelPlan(label.holding(default), value, own) if good else None


def _places(group: Features) -> Iterator[tuple[str, str]]:
    """What the features of a group are called, also those that cannot be typed, and where each is written."""
    for name, one in group.features.items():
        for called in one.names(name) if isinstance(one, Window) else [name]:
            yield f"{group.name}.{called}", group.place_of(name)


def _expressions(group: Features) -> list[tuple[str, str]]:
    return [(name, text) for name, text in group.features.items() if isinstance(text, str)]


def _output_domain(made: Aggregation, value: Domain | None) -> Domain:
    """Return what is known of a feature: extremes and picked values stay within the bounds of the value."""
    aggregate = catalogue()[made.aggregate]
    if value is not None and aggregate.out in ("value", "position") and made.result.name != "list":
        return Domain(made.result, value.low, value.high)
    if made.aggregate == "count":
        return Domain(made.result, 0, MOST_EVENTS)
    return Domain(made.result)
