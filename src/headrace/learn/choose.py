"""Choosing before the test is touched: candidates and their parameters on the folds of validation, and a threshold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import clock
from headrace.declare import Capacity, LowestCost, Metric, Model
from headrace.errors import Fault, HeadraceError, let_go
from headrace.learn.cases import Cases
from headrace.learn.fit import fit_estimator
from headrace.learn.metrics import Context, Scores, better, costs, evaluate, require_numbers
from headrace.learn.scoring import scores
from headrace.learn.split import Fold
from headrace.learn.tried import NONE, Tried, Tuning


@dataclass(frozen=True)
class Choice:
    """What was chosen before the test was touched.

    Args:
        every: candidate that was tried, from the simplest on.
        taken: one of them.
        threshold: from which score on a case is acted on.
        failed: what went wrong with those that could not be fitted, while others could.
    """

    every: tuple[Tried, ...]
    taken: Tried
    threshold: float
    failed: tuple[Fault, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for the record."""
        told = [
            {"name": one.name, "params": dict(one.params), "folds": [dict(v) for v in one.values]} for one in self.every
        ]
        return {"name": self.taken.candidate, "params": dict(self.taken.params), "tried": told}


Known = Callable[[Fold], Context]
"""What metrics may know of the rows that a fold is judged on."""


def choose(
    model: Model,
    cases: Cases,
    folds: Sequence[Fold],
    known: Known,
    start: Mapping[str, Mapping[str, Any]],
    tune: Tuning | None,
) -> Choice:
    """Choose candidate, parameters and threshold on the folds of validation; nothing is fitted where there is one way.

    Args:
        model: as declared.
        cases: all of them.
        folds: of validation.
        known: what metrics may know of the rows that a fold is judged on.
        start: parameters that were found before, by candidate.
        tune: how to search for others.

    Raises:
        HeadraceError: HR-LEARN-026 where there is something to choose and no fold, 027 a search without a space.
    """
    entries = [Tried(name, NONE) for name in model.candidates]
    for at, one in reversed(list(enumerate(entries))):
        space, found = model.candidates[one.candidate].space, start.get(one.candidate, NONE)
        if found and set(found) == set(space) and all(found[name] in space[name] for name in space):
            entries.insert(at + 1, Tried(one.candidate, MappingProxyType(dict(found)), origin="champion"))
    if not folds and (len(entries) > 1 or tune is not None or isinstance(model.threshold, Capacity | LowestCost)):
        found_ = "no fold of validation: the cases do not reach back so far"
        cure = "load more history, shorten train= or test=, or take out what has to be chosen"
        raise HeadraceError(
            Fault("HR-LEARN-026", model.split.place, found_, "a fold before the test to choose on", cure)
        )
    if tune is not None:
        entries += _tuned(model, cases, folds, known, tune)
    compares = any(gate.kind == "stable_over_time" for gate in model.gates) and bool(folds)
    if len(entries) == 1 and not isinstance(model.threshold, Capacity | LowestCost) and not compares:
        return Choice(tuple(entries), entries[0], 0.5 if model.threshold is None else float(model.threshold))
    return settled(model, cases, folds, *_each(model, cases, folds, known, entries))


def settled(
    model: Model, cases: Cases, folds: Sequence[Fold], every: tuple[Tried, ...], failed: tuple[Fault, ...] = ()
) -> Choice:
    """Return which of some candidates is taken, and from which score on it acts.

    Args:
        model: as declared.
        cases: all of them.
        folds: of validation.
        every: candidates, each judged on the folds.
        failed: what went wrong with others.
    """
    taken = chosen(every, model.metrics[0], model.select)
    return Choice(every, taken, acting_from(model, cases, folds, taken.score), failed)


def as_served(score: Scores) -> Scores:
    """Return scores as a file gives them: of 0.9 the float32 below it, which is not above a threshold of 0.9."""
    return score.astype(np.float32).astype(np.float64)


def acting_from(model: Model, cases: Cases, folds: Sequence[Fold], given: Sequence[Scores]) -> float:
    """Return from which score on a case is acted on, by what is declared and the scores of folds.

    Args:
        model: as declared.
        cases: all of them.
        folds: of validation.
        given: scores of the rows that each is judged on, as served, by what has not learned from them.
    """
    policy = 0.5 if model.threshold is None else model.threshold
    if not isinstance(policy, Capacity | LowestCost):
        return float(policy)
    y, score = np.concatenate([cases.y[fold.test] for fold in folds]), np.concatenate(given)
    places = np.concatenate([np.flatnonzero(fold.test) for fold in folds])
    amounts = {name: values[places] for name, values in cases.amounts.items()}
    rows = Context(cases.time_us[places], amounts=amounts)
    return threshold_of(policy, y, score, rows, sum(fold.judged_us for fold in folds))


def without(choice: Choice, model: Model, cases: Cases, folds: Sequence[Fold], error: HeadraceError) -> Choice:
    """Return the choice among the others, when the one that was taken turns out not to be a model that can serve.

    Args:
        choice: that was made.
        model: as declared.
        cases: all of them.
        folds: of validation.
        error: why it cannot serve.

    Raises:
        HeadraceError: ``error``, where there is no other.
    """
    others = tuple(one for one in choice.every if one.candidate != choice.taken.candidate)
    if not others:
        raise error
    let_go(error)
    told = tuple(replace(fault, severity="warning") for fault in error.faults)
    return settled(model, cases, folds, others, choice.failed + told)


def _each(
    model: Model, cases: Cases, folds: Sequence[Fold], known: Known, entries: Sequence[Tried]
) -> tuple[tuple[Tried, ...], tuple[Fault, ...]]:
    """Each candidate on the folds, and what is wrong with those that fail; where all do, the first one's fault."""
    every, failed = list[Tried](), list[HeadraceError]()
    for one in entries:
        try:
            found = tried(model, cases, folds, known, one.candidate, one.params)
        except HeadraceError as error:
            let_go(error)
            failed.append(error)
        else:
            every.append(replace(found, origin=one.origin))
    if not every:
        raise failed[0]
    return tuple(every), tuple(replace(fault, severity="warning") for error in failed for fault in error.faults)


def _tuned(model: Model, cases: Cases, folds: Sequence[Fold], known: Known, tune: Tuning) -> list[Tried]:
    """The best of what a search finds for each candidate that has something to be searched."""
    from headrace.learn.tune import Search

    spaces = {name: one for name, one in model.candidates.items() if one.space}
    if not spaces:
        found, cure = (
            f"{model.name}, whose candidates have nothing to be searched",
            "write hr.candidate(fit, depth=hr.between(2, 10))",
        )
        raise HeadraceError(Fault("HR-LEARN-027", model.place, found, "a space to search", cure))
    begun, best = clock.monotonic_s(), list[Tried]()
    for name, one in spaces.items():
        path = tune.path / f"{model.name}.{name}.log"
        search = Search(one, model.metrics[0], path, tune.name, seed=model.seed, folds=len(folds))

        def attempt(params: Mapping[str, Any], stop: Callable[[int, float], bool], name: str = name) -> Tried:
            return tried(model, cases, folds, known, name, params, stop)

        def told(done: int, name: str = name) -> None:
            tune.told(name, done, tune.trials)

        search.run(tune.trials, attempt, until_s=begun + tune.seconds, told=told)
        if found_ := search.best():
            best.append(Tried(name, MappingProxyType(dict(found_)), origin="tuned"))
    return best


def tried(
    model: Model,
    cases: Cases,
    folds: Sequence[Fold],
    known: Known,
    name: str,
    params: Mapping[str, Any] = NONE,
    stop: Callable[[int, float], bool] | None = None,
) -> Tried:
    """Fit a candidate on each fold of validation, and judge it there.

    Args:
        model: as declared.
        cases: all of them.
        folds: of validation.
        known: what metrics may know of a fold.
        name: of the candidate.
        params: parameters, by which it differs from its defaults.
        stop: told how many folds are done and the mean of the first metric; whether the others are not worth it.
    """
    fit, place = model.candidates[name].fit, model.place
    begun, given, contexts = clock.monotonic_s(), list[Scores](), list[Context]()

    def judged(metrics: Sequence[Metric]) -> list[dict[str, float]]:
        """What was scored so far, each by the threshold that it would be given: two are compared at their best."""
        threshold, each = acting_from(model, cases, folds[: len(given)], given), []
        for fold, score, context in zip(folds, given, contexts, strict=False):
            y, acting = cases.y[fold.test], replace(context, threshold=threshold)
            each.append({metric.label: evaluate(metric, y, score, acting) for metric in metrics})
            require_numbers({metric.label: metric for metric in metrics}, each[-1], f"{name} in validation")
        return each

    for at, fold in enumerate(folds):
        train, test = cases.take(fold.train), cases.take(fold.test)
        estimator = fit_estimator(fit, train, model.seed, place, model.task, params)
        given.append(as_served(scores(estimator, test.x, test.names, place, model.task, len(cases.classes))))
        contexts.append(known(fold))
        if stop is not None and at + 1 < len(folds):
            first = [value for one in judged(model.metrics[:1]) for value in one.values()]
            if stop(at + 1, float(np.mean(first))):
                break
    values = tuple(judged(model.metrics))
    return Tried(name, MappingProxyType(dict(params)), values, clock.monotonic_s() - begun, tuple(given))


def chosen(every: Sequence[Tried], metric: Metric, select: str) -> Tried:
    """Return the candidate that is taken.

    Args:
        every: candidates, from the simplest to the most complex; each judged on all folds.
        metric: that decides.
        select: ``"best"`` by its mean; ``"simplest"`` for the first that is within one standard error of the best.

    Example:
        >>> from headrace.declare import roc_auc
        >>> small = Tried("small", {}, ({"roc_auc": 0.80}, {"roc_auc": 0.84}))
        >>> large = Tried("large", {}, ({"roc_auc": 0.79}, {"roc_auc": 0.87}))
        >>> [chosen([small, large], roc_auc(), rule).name for rule in ("best", "simplest")]
        ['large', 'small']
    """
    label = metric.label
    best = every[0]
    for one in every[1:]:
        if better(metric, one.mean(label), best.mean(label)):
            best = one
    if select == "best":
        return best
    slack = best.error(label) * (-1 if metric.greater_is_better else 1)
    return next(one for one in every if not better(metric, best.mean(label) + slack, one.mean(label)))


def threshold_of(
    policy: float | Capacity | LowestCost,
    y: npt.NDArray[np.int64],
    score: Scores,
    rows: Context,
    judged_us: float,
) -> float:
    """Return from which score on a case is acted on.

    Args:
        policy: as declared: a number is taken as it is.
        y: labels of the rows of validation, 0 or 1.
        score: of these rows, by models that have not learned from them.
        rows: their context.
        judged_us: time in which as many rows come, microseconds.

    Raises:
        HeadraceError: HR-LEARN-012 for costs in a column that the set does not have.

    Example:
        >>> from headrace.declare import capacity
        >>> score = np.array([0.1, 0.9, 0.4, 0.7])
        >>> rows, day_us = Context(np.zeros(4, np.int64)), 86_400_000_000
        >>> threshold_of(capacity(2, per="1d"), np.array([0, 1, 0, 1]), score, rows, day_us)
        0.7
    """
    if isinstance(policy, Capacity):
        return _of_the_highest(score, policy.cases * judged_us / policy.per_us)
    if not isinstance(policy, LowestCost):
        return float(policy)
    order = np.argsort(-score, kind="stable")
    wrong, missed = (costs(one, rows, len(y), policy.place) for one in (policy.false_positive, policy.false_negative))
    saved = np.where(y == 1, missed, -wrong)[order]
    gained = np.append(0.0, np.cumsum(saved))
    ends = np.append(0, _ends(score[order]))
    best = int(ends[int(np.argmax(gained[ends]))])
    return _above(score[order[0]]) if best == 0 else float(score[order[best - 1]])


def _of_the_highest(score: Scores, room: float) -> float:
    """The lowest score at or above which there are no more rows than there is room for."""
    ranked = -np.sort(-score)
    ends = _ends(ranked)
    fits = ends[ends <= room + 1e-9]
    return float(ranked[fits[-1] - 1]) if len(fits) else _above(ranked[0])


def _ends(ranked: Scores) -> npt.NDArray[np.int64]:
    """Behind which places of ranked scores another score begins."""
    return np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1).astype(np.int64) + 1


def _above(score: float) -> float:
    return float(np.nextafter(score, np.inf))
