"""A service at work: features of one row from the state of its keys, its score, and the decision of the rules."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import clock
from headrace.declare import Field, Service
from headrace.declare.nested import flat
from headrace.engines.ready import Ready
from headrace.errors import HeadraceError
from headrace.learn import Registry, Version
from headrace.learn.champion import other_features
from headrace.online import Asked, State
from headrace.online.slots import groups_of
from headrace.plan import compile_rules, compile_set, feature_fingerprints, lower
from headrace.plan.domains import domain_of
from headrace.plan.expression import references
from headrace.plan.meaning import Plan
from headrace.plan.snapshot import digest, plan_meaning
from headrace.serve.explain import explainer_of, reasons
from headrace.serve.fields import Row, RowReader
from headrace.serve.situations import NOTHING, REFUSED, Situations
from headrace.serve.values import beyond_float32, leaving, matrix_of
from headrace.types import Domain, LogicalType

_CHANGED = ("decimal", "list")
"""Types of features that leave in another form than the kernel holds them."""


@dataclass(slots=True)
class Decided:
    """One answer, before it is on record.

    Args:
        row: the request's fields as the kernel holds them.
        names, values: of every feature, as it leaves, in the order of the plan.
        score, decision: what the model and the rules said; None where there was no state to compute a score from.
        known: up to when the row knows what was learned, microseconds UTC.
        horizon: last sequence (or version) of each source that the state had applied.
        reasons: as many as were asked for.
        situation: what was the matter, see ``Situations``.
    """

    row: Row
    names: Sequence[str]
    values: Sequence[Any]
    score: float | None
    decision: str
    known: int
    horizon: Mapping[str, int]
    reasons: list[dict[str, Any]] = field(default_factory=list)
    situation: Sequence[str] = NOTHING

    @property
    def features(self) -> dict[str, Any]:
        """Every feature by name."""
        return dict(zip(self.names, self.values, strict=True))


Took = Callable[[str, float, int], None]
"""Is told a stage, the seconds it took, and for how many rows."""


def _unmeasured(stage: str, seconds: float, rows: int) -> None:
    pass


class Desk:
    """A service with the champion of its model.

    Args:
        service: the declaration.
        version: of its model.
        registry: from which the model is loaded; its digest is verified.
    """

    def __init__(self, service: Service, version: Version, registry: Registry) -> None:
        self.service = service
        cases = service.model.cases
        self.plan = compile_set(cases)
        self.moment = cases.spine.event_time
        self.types = {name: one.type for name, one in cases.spine.contract.fields().items()}
        self.reader, self.keys = RowReader(cases.spine.contract), cases.spine.contract.key_fields()
        self.meaning = features_fingerprint(self.plan)
        self._ready = Ready(self.plan, groups_of(self.plan))
        self._outputs = [(one.name, one.type) for one in self.plan.outputs]
        self._names = tuple(name for name, _ in self._outputs)
        rules = compile_rules(service)
        self._rules = [(name, references(rule), lower.plain_function(rule)) for name, rule in rules]
        self._situations = Situations(service, self.plan)
        self._asks = tuple(dict.fromkeys(one for _, reads, _ in self._rules for one in reads if one != "score"))
        self._contract = cases.spine.contract
        self._nested = any(one.type.nested for one in self._contract.fields().values())
        self._take(version, registry)

    def of(self, version: Version, registry: Registry) -> Desk:
        """Return the same service with another version of its model.

        Raises:
            HeadraceError: as for a new one.
        """
        other = copy.copy(self)
        other._take(version, registry)
        return other

    def _take(self, version: Version, registry: Registry) -> None:
        self.version, self.scorer = version, registry.load(version)
        self.model = {"name": version.name, "version": version.number, "digest": version.digest}
        self._explainer = explainer_of(registry, version, self.scorer)
        declared = feature_fingerprints(self.plan)
        fault = other_features(self.service.model, version, self.scorer.features, declared, registry)
        if fault is not None:
            raise HeadraceError(fault)

    def decide_all(
        self,
        rows: Sequence[Row],
        state: State,
        now: int,
        explain: Sequence[int],
        missing: Collection[str] = (),
        took: Took = _unmeasured,
    ) -> list[Decided | HeadraceError]:
        """Answer some rows from the state as it is at one moment.

        A row knows what was learned by now, and also what was known by its own moment where that is later. What a row
        gets does not depend on the rows beside it: a test holds each against itself alone.

        Args:
            rows: as the reader gave them.
            state: of the keys.
            now: microseconds UTC.
            explain: of each row, how many reasons are wanted.
            missing: sources that were never loaded.
            took: is told what each stage took.

        Returns:
            An answer for each row, or why there is none.
        """
        begun = clock.monotonic_s()
        flattened = [flat(row, self._contract) for row in rows] if self._nested else rows
        moment = np.array([row[self.moment] for row in rows], dtype=np.int64)
        known = np.maximum(moment, now)
        asked = Asked(flattened, moment, known)
        reading = state.read(asked)
        read = clock.monotonic_s()
        made = self._ready.features(flattened, moment, reading.slices)
        left = [_leaving(made[name], kind) for name, kind in self._outputs]
        computed = clock.monotonic_s()
        x = matrix_of(dict(zip(self._names, left, strict=True)), self.scorer)
        wrong = {**self._beyond(x), **reading.faults}
        scores = self._scores(x, wrong)
        decisions = self._decisions(flattened, made, scores)
        took("state", read - begun, len(rows))
        took("features", computed - read, len(rows))
        took("score", clock.monotonic_s() - computed, len(rows))
        situations = self._situations.of(reading, asked.moments, now, missing)
        for at, situation in enumerate(situations):
            if situation:
                try:
                    decisions[at] = self._situations.fallback(situation) or decisions[at]
                except HeadraceError as error:
                    wrong.setdefault(at, error)
        found: list[Decided | HeadraceError] = []
        for at, (row, values) in enumerate(zip(rows, zip(*left, strict=True), strict=True)):
            if at in wrong:
                found.append(wrong[at])
                continue
            one = Decided(row, self._names, values, scores[at], decisions[at], int(known[at]), reading.horizon)
            one.situation = situations[at]
            if explain[at]:
                one.reasons = reasons(self._explainer, x[at : at + 1], one.features, explain[at])
            found.append(one)
        return found

    def _beyond(self, x: npt.NDArray[np.float32]) -> dict[int, HeadraceError]:
        beyond = np.isinf(x)
        rows = np.flatnonzero(beyond.any(axis=1)).tolist() if beyond.any() else ()
        return {row: beyond_float32(self.scorer.features[int(np.argmax(beyond[row]))]) for row in rows}

    def _scores(self, x: npt.NDArray[np.float32], wrong: dict[int, HeadraceError]) -> list[float]:
        """Score each row as if it were alone; one that has no score goes to what is wrong."""
        if self.scorer.alike and not wrong:
            with contextlib.suppress(HeadraceError):  # of which row, is seen when each is alone
                together: list[float] = self.scorer.score(x).tolist()
                return together
        scores = []
        for at in range(len(x)):
            score = float("nan")
            if at not in wrong:
                try:
                    score = float(self.scorer.score(x[at : at + 1])[0])
                except HeadraceError as error:
                    wrong[at] = error
            scores.append(score)
        return scores

    def _decisions(
        self, rows: Sequence[Mapping[str, Any]], made: Mapping[str, Sequence[Any]], scores: Sequence[float]
    ) -> list[str]:
        """Return the first decision whose rule is true of each row, its features (as held) and its score."""
        given = {name: made[name] if name in made else [row[name] for row in rows] for name in self._asks}
        given["score"] = scores
        found = [self.service.otherwise] * len(rows)
        for name, reads, rule in reversed(self._rules):
            truths = map(rule, *(given[one] for one in reads)) if reads else [rule()] * len(rows)
            for at, truth in enumerate(truths):
                if truth is True:
                    found[at] = name
        return found


def _leaving(values: Sequence[Any], kind: LogicalType) -> Sequence[Any]:
    return [leaving(value, kind) for value in values] if kind.name in _CHANGED else values


def features_fingerprint(plan: Plan) -> str:
    """Return the fingerprint of all that decides the values of features: records of another cannot be recomputed."""
    meaning = plan_meaning(plan)
    return digest({"spine": meaning["spine"], "features": meaning["features"], "order": meaning["order"]})


def warm(desk: Desk, state: State) -> None:
    """Load compiled code before the first request: one row that nobody knows, within the bounds of its contract."""
    row: Row = {}
    for name, one in desk.reader.fields.items():
        row[name] = None if one.type.nullable else _some(one)
    row[desk.moment] = 2**52
    (found,) = desk.decide_all([row], state, 2**52, [1])
    if isinstance(found, HeadraceError) and found.faults[0].code != REFUSED:
        raise found


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
