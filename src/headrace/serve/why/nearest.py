"""The nearest rows that would have been decided otherwise: one thing changed, or two, each proven by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from headrace.errors import Fault, HeadraceError, nearest
from headrace.kernel.column import held
from headrace.plan.meaning import Aggregation, Plan
from headrace.serve.fields import RowReader, document
from headrace.serve.values import leaving, same, vector
from headrace.serve.why.behind import shown
from headrace.serve.why.case import Case
from headrace.serve.why.cells import Option, options, shorter
from headrace.serve.why.otherwise import Changed, Counterfactual, Otherwise, Varied
from headrace.serve.why.steady import Steady
from headrace.serve.why.thresholds import Thresholds, thresholds_of
from headrace.serve.why.trial import Trial
from headrace.serve.why.varied import Vary, varied
from headrace.serve.why.veil import Veil

SHOWN = 5
_PAIRS = 100_000
"""Rows in which two things changed that are tried, the nearest first."""
_AT_ONCE = 4096
_ATTEMPTS = 50
"""Rows that are proven before one thing is given up: those that break the contract fall out here."""


def otherwise(
    case: Case, veil: Veil, sets: Path, vary: Sequence[str] = (), fixed: Sequence[str] = (), to: str | None = None
) -> Otherwise:
    """Return the nearest changes that would have ended in another decision.

    Args:
        case: a record.
        veil: masks values.
        sets: folder of built sets.
        vary, fixed: what may change, and what may not.
        to: the decision that is wanted; by default any other.

    Raises:
        HeadraceError: HR-WHY-002 for an unknown name, 003 for what cannot vary, 004 for a decision that is none.
    """
    if to is not None and to not in case.rules.names:
        cure = nearest(to[:64], case.rules.names) or f"one of {', '.join(case.rules.names)}"
        found = f"the decision {to[:64]!r}, which {case.service.name} does not give"
        raise HeadraceError(Fault("HR-WHY-004", "--to", found, "a decision of the service", cure))
    without = _without(case)
    if without:
        return Otherwise(without=without)
    every = varied(case, veil, vary, fixed, sets)
    if not every:
        return Otherwise(without="no field of the request may change: name some with --vary")
    assert case.given is not None
    now = case.rules.decide_row(case.given)
    if to == now:
        return Otherwise(without=f"the decision is {now} as it is")
    wanted = {at for at, name in enumerate(case.rules.names) if name == to or (to is None and name != now)}
    return _Search(case, veil, every, wanted).found()


def _without(case: Case) -> str:
    """Why nothing can be looked for; empty where it can."""
    if case.row is None:
        return f"the request breaks the contract {case.contract.name} of today"
    if case.record["score"] is None:
        return "the decision was made without a score"
    if case.scorer is None:
        return "the file of the model that scored is gone or altered"
    if case.made is None or case.given is None:
        return "features are declared otherwise now"
    if case.differing():
        return "history does not confirm the features of the record"
    return ""


class _Search:
    """Looks for changes of one record.

    Args:
        case, veil: the record, and what masks it.
        every: what can change.
        wanted: places of the decisions that would do.
    """

    def __init__(self, case: Case, veil: Veil, every: Sequence[Vary], wanted: set[int]) -> None:
        self._case, self._veil, self._every, self._wanted = case, veil, every, wanted
        self._thresholds: Thresholds | None = thresholds_of(case)
        self._trial = Trial(case, every, self._thresholds)
        assert case.scorer is not None
        rules = [rule for _, rule in case.rules.rules]
        self._steady = Steady(case.plan, rules, case.scorer.features)
        self._reader = RowReader(case.contract, checked=True)

    def found(self) -> Otherwise:
        """Return the nearest change of each thing by itself, and of two things where that is nearer than any."""
        every, whole = options(self._trial, self._every)
        single = [one for name in every if (one := self._first(self._alone(every[name], whole))) is not None]
        nearest_ = min((one.distance for one in single), default=np.inf)
        pair = self._first(self._pairs(every, nearest_, whole))
        ordered = sorted([*single, *([] if pair is None else [pair])], key=lambda one: one.distance)
        told = tuple(self._told(vary, whole) for vary in self._every)
        return Otherwise(tuple(ordered[:SHOWN]), told, self._trial.tried)

    def _exact(self, vary: Vary, whole: bool) -> bool:
        """Whether every place where the decision could change was looked at as one thing moves."""
        if not vary.ordered:
            return True
        return whole and self._thresholds is not None and self._steady.of(vary.name)

    def _alone(self, every: Sequence[Option], whole: bool) -> Iterator[tuple[dict[str, Any], bool]]:
        some = [one for one in every if one.decision in self._wanted]
        for option in sorted(some, key=lambda one: one.distance)[:_ATTEMPTS]:
            for value in shorter(option):
                yield {option.vary.name: value}, self._exact(option.vary, whole)

    def _pairs(
        self, every: Mapping[str, Sequence[Option]], below: float, whole: bool
    ) -> Iterator[tuple[dict[str, Any], bool]]:
        """Changes of two things that are nearer than a distance and do, the nearest first."""
        firsts, seconds, distances = list[Option](), list[Option](), list[float]()
        for one, other in combinations(every.values(), 2):
            apart = np.add.outer([each.distance for each in one], [each.distance for each in other])
            if not apart.size:
                continue
            near = np.flatnonzero(apart.ravel() < below)
            near = near[np.argsort(apart.ravel()[near], kind="stable")][:_PAIRS]
            firsts += [one[int(at)] for at in near // len(other)]
            seconds += [other[int(at)] for at in near % len(other)]
            distances += apart.ravel()[near].tolist()
        order = np.argsort(np.array(distances), kind="stable")
        complete = whole and len(order) <= _PAIRS
        for at in range(0, min(len(order), _PAIRS), _AT_ONCE):
            some = [(firsts[i], seconds[i]) for i in order[at : at + _AT_ONCE].tolist()]
            changes = [{a.vary.name: a.value, b.vary.name: b.value} for a, b in some]
            hits = np.flatnonzero(np.isin(self._trial.of(changes).decisions, list(self._wanted)))
            for hit in hits.tolist():
                a, b = (option.vary for option in some[hit])
                alone = self._exact(a, whole) and self._exact(b, whole)
                yield changes[hit], complete and alone and self._steady.both(a.name, b.name)

    def _first(self, every: Iterator[tuple[dict[str, Any], bool]]) -> Counterfactual | None:
        """The first change that is proven; one that is not leaves open whether a nearer one would be."""
        for attempt, (change, exact) in enumerate(every):
            if attempt == _ATTEMPTS:
                break
            if (proven := self._proven(change, exact)) is not None:
                return proven
        return None

    def _proven(self, change: Mapping[str, Any], exact: bool) -> Counterfactual | None:
        """A changed row, computed by the whole path, scored and decided alone; None where it could not be, or fails."""
        case = self._case
        assert case.row is not None
        assert case.scorer is not None
        row = {**case.row, **{name: value for name, value in change.items() if name in case.contract.fields()}}
        try:
            body = _json(document(row, self._reader.fields))
            if self._reader.read(body) != row:
                return None
            _, made = self._trial.features([row], [change], case.lake)
            kept = {name: held(one, 0) for name, one in made.items()}
            left = {name: leaving(value, made[name].type) for name, value in kept.items()}
            score = float(case.scorer.score(vector(left, case.scorer))[0])
        except HeadraceError:
            return None
        if not _could_be(case.plan, kept):
            return None
        decision = case.rules.decide_row({**case.flat, **row, **kept, "score": score})
        if case.rules.names.index(decision) not in self._wanted:
            return None
        changes = tuple(self._changed(vary, change[vary.name]) for vary in self._every if vary.name in change)
        moved = {
            name: (self._veil.feature(name, case.features[name]), self._veil.feature(name, left[name]))
            for name in case.kinds
            if name not in change and not same(case.features[name], left[name])
        }
        return Counterfactual(changes, decision, score, sum(one.distance for one in changes), exact, moved)

    def _changed(self, vary: Vary, value: Any) -> Changed:
        before, after = (self._said(vary, one) for one in (vary.now, value))
        return Changed(vary.name, vary.of, before, after, vary.distance(value))

    def _said(self, vary: Vary, value: Any) -> Any:
        plain = shown(value, vary.kind)
        if vary.of == "request":
            return self._veil.columns(self._case.contract, [vary.name], plain)
        return self._veil.feature(vary.name, plain)

    def _told(self, vary: Vary, whole: bool) -> Varied:
        exact = self._exact(vary, whole)
        if not vary.ordered or not vary.grid:
            return Varied(vary.name, vary.of, values=len(vary.grid), exact=exact)
        low, high = (self._said(vary, vary.grid[at]) for at in (0, -1))
        step = vary.step / 10.0**vary.kind.scale if vary.kind.name == "decimal" else vary.step
        hidden = self._veil.hides(vary.name, self._case.contract)
        return Varied(vary.name, vary.of, low, high, deviation=None if hidden else step, exact=exact)


def _json(values: Mapping[str, Any]) -> bytes:
    import json

    return json.dumps(values, ensure_ascii=False, allow_nan=False).encode()


def _could_be(plan: Plan, kept: Mapping[str, Any]) -> bool:
    """Whether windows of one aggregate fit together: of more days there are not fewer events."""
    return all(_nested(one, kept) for group in plan.windows for one in group.aggregations)


def _nested(one: Aggregation, kept: Mapping[str, Any]) -> bool:
    grows = {"count": 1, "nunique": 1, "max": 1, "min": -1}.get(one.aggregate)
    if grows is None or any(span.hop for span in one.spans):
        return True
    spans = sorted(zip(one.spans, one.outputs, strict=True), key=lambda each: each[0].length or 2**62)
    for (short, name), (long, other) in combinations(spans, 2):
        values = kept[name], kept[other]
        if short.delay == long.delay and None not in values and (values[1] - values[0]) * grows < 0:
            return False
    return True
