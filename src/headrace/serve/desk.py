"""A service at work: features of one row from the state of its keys, its score, and the decision of the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.contracts.json import column
from headrace.declare import Field, Service
from headrace.declare.nested import flat
from headrace.engines import compute
from headrace.engines.frame import Frame
from headrace.errors import HeadraceError
from headrace.kernel.column import Column
from headrace.learn import Registry, Version
from headrace.learn.champion import other_features
from headrace.online import Reading, State
from headrace.online.slots import Groups, groups_of
from headrace.plan import compile_rules, compile_set, feature_fingerprints, lower
from headrace.plan.domains import domain_of
from headrace.plan.meaning import Plan
from headrace.plan.snapshot import digest, plan_meaning
from headrace.serve.explain import explainer_of, reasons
from headrace.serve.fields import Row, RowReader
from headrace.serve.values import held, leaving, vector
from headrace.types import Domain, LogicalType


@dataclass(frozen=True)
class Decided:
    """One answer, before it is on record.

    Args:
        row: the request's fields as the kernel holds them.
        features: every feature as it leaves, in the order of the plan.
        score, decision: what the model and the rules said.
        reasons: as many as were asked for.
        known: up to when the row knows what was learned, microseconds UTC.
        horizon: last sequence (or version) of each source that the state had applied.
    """

    row: Row
    features: Mapping[str, Any]
    score: float
    decision: str
    reasons: list[dict[str, Any]]
    known: int
    horizon: Mapping[str, int]


class Desk:
    """A service with the champion of its model.

    Args:
        service: the declaration.
        version: of its model.
        registry: from which the model is loaded; its digest is verified.
    """

    def __init__(self, service: Service, version: Version, registry: Registry) -> None:
        self.service, self.version = service, version
        cases = service.model.cases
        self.plan = compile_set(cases)
        self.moment = cases.spine.event_time
        self.reader, self.keys = RowReader(cases.spine.contract), cases.spine.contract.key_fields()
        self.scorer = registry.load(version)
        self._explainer = explainer_of(registry, version, self.scorer)
        self.meaning = features_fingerprint(self.plan)
        self._groups = groups_of(self.plan)
        self._rules = [(name, lower.row_function(rule)) for name, rule in compile_rules(service)]
        self._contract = cases.spine.contract
        fields = self._contract.columns()
        self._kinds = {name: fields[name].type for name in self.plan.row_columns}
        declared = feature_fingerprints(self.plan)
        fault = other_features(service.model, version, self.scorer.features, declared, registry)
        if fault is not None:
            raise HeadraceError(fault)

    def decide(self, row: Row, state: State, now: int, explain: int = 0) -> Decided:
        """Answer one row from the state as it is.

        A row knows what was learned by now, and also what was known by its own moment where that is later.

        Raises:
            HeadraceError: HR-ONLINE-003 for a row older than the state reaches.
        """
        moment = row[self.moment]
        known = max(now, moment)
        reading = state.read(row, moment, known)
        given = flat(row, self._contract)
        made = features(self.plan, self._groups, self._kinds, given, self.moment, reading)
        kept = {one.name: held(made[one.name], 0) for one in self.plan.outputs}
        values = {name: leaving(value, made[name].type) for name, value in kept.items()}
        x = vector(values, self.scorer)
        score = float(self.scorer.score(x)[0])
        decision = self.decision(row, kept, score)
        why = reasons(self._explainer, x, values, explain) if explain else []
        return Decided(row, values, score, decision, why, known, reading.horizon)

    def decision(self, row: Row, kept: Mapping[str, Any], score: float) -> str:
        """Return the first decision whose rule is true of a row, its features (as held) and its score."""
        given = {**flat(row, self._contract), **kept, "score": score}
        return next((name for name, rule in self._rules if rule(given) is True), self.service.otherwise)


def features(
    plan: Plan, groups: Groups, kinds: Mapping[str, LogicalType], row: Mapping[str, Any], moment: str, reading: Reading
) -> dict[str, Column]:
    """Return the features of one row, by the batch engine itself over the events of the row's keys.

    Args:
        plan: what to compute.
        groups: of the plan, by the slot of the state that they read.
        kinds: the plan's ``row_columns`` with their types.
        row: its fields, and those within them by path, as the kernel holds them.
        moment: which of them is the event time.
        reading: what the row may see, and nothing else: so time alone orders what is here.
    """
    rows = Frame(1, {name: column(kind, [row[name]]) for name, kind in kinds.items()})
    found: dict[str, Column] = {}
    for slot, some in groups.items():
        events = reading.slices[slot]
        frame = Frame(events.length, events.columns, events.seq)
        found |= compute.grouped(some, rows, moment, {slot[0]: frame}, None)
    return found | compute.derived(plan, rows, found)


def features_fingerprint(plan: Plan) -> str:
    """Return the fingerprint of all that decides the values of features: records of another cannot be recomputed."""
    meaning = plan_meaning(plan)
    return digest({"spine": meaning["spine"], "features": meaning["features"], "order": meaning["order"]})


def warm(desk: Desk, state: State) -> None:
    """Load compiled code before the first request: one row that nobody knows, within the bounds of its contract."""
    row: Row = {}
    for name, field in desk.reader.fields.items():
        row[name] = None if field.type.nullable else _some(field)
    row[desk.moment] = 2**52
    desk.decide(row, state, 2**52, explain=1)


def _some(field: Field) -> Any:
    """A value of a field: no items, and within a struct some value of each of its fields."""
    if field.type.nested:
        return {one.name: _some(one) for one in field.inner} if field.inner and field.type.item is None else []
    return _any(domain_of(field))


def _any(domain: Domain) -> Any:
    """A value of a domain, zero where that is one."""
    value = _ANY[domain.type.name]
    if domain.low is not None and value < domain.low:
        return domain.low
    return domain.high if domain.high is not None and value > domain.high else value


_ANY: dict[str, Any] = {"str": "", "float": 0.0, "bool": False} | dict.fromkeys(
    ("int", "timestamp", "date", "decimal"), 0
)
