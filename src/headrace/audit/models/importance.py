"""What a model looks at: how much worse it gets when a feature is shuffled, and how its score moves with a feature.

Permutation importance (Breiman, Machine Learning 45, 2001; Fisher, Rudin and Dominici, JMLR 20, 2019) on test rows,
and partial dependence (Friedman, Annals of Statistics 29, 2001) with the spread of single rows around it. Both ask the
model for many scores: they look at a sample, of which the page says how large it is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.audit.models.blocks import Floats, Ints
from headrace.audit.models.contributions import Contributed, contributed
from headrace.audit.models.tested import YES_NO, Tested
from headrace.declare import Metric
from headrace.declare.metrics import BY_TASK
from headrace.learn import Registry
from headrace.learn.metrics import Context, evaluate
from headrace.learn.metrics.binary import steps

REPEATS = 3
SCORINGS, MOST, FEWEST = 300_000, 20_000, 500
"""Scores that importance asks for in all, about; and rows at most and at least that each shuffle is judged on."""
DEPENDENCES, GRID, CATEGORIES = 6, 16, 10
EXPLAINED = 1_000


@dataclass(frozen=True)
class Feature:
    """A feature: how much worse the metric gets without it, from the least to the most of all shuffles."""

    name: str
    worse: float
    low: float
    high: float
    contributes: float | None = None
    upward: float = 0.0
    moves: str = ""


@dataclass(frozen=True)
class Dependence:
    """The mean score where a feature has each of some values, and between which nine of ten times it lies.

    Args:
        feature: its name.
        x: values of it, ascending; of a feature that is text the places of the commonest texts.
        lines: for each shown score its name and the mean at each value; a single one has no name.
        low, high: of single rows, at each value; empty where several scores are shown.
        texts: of ``x``, where the feature is text.
    """

    feature: str
    x: tuple[float, ...]
    lines: tuple[tuple[str, tuple[float, ...]], ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Importance:
    """What a model looks at.

    Args:
        metric: label of the metric that gets worse.
        value: of it, on the rows that were looked at.
        rows: how many these were.
        features: the most important first.
        dependences: of the first of them.
        asked: rows that these are the mean of.
        contributed: what features contribute to single scores, where the version has an explainer.
    """

    metric: str
    value: float
    rows: int
    features: tuple[Feature, ...]
    dependences: tuple[Dependence, ...]
    asked: int
    contributed: Contributed | None = None


def importance(tested: Tested, registry: Registry, hidden: Collection[str] = ()) -> Importance:
    """Return what a version looks at, on a sample of its test rows.

    Args:
        tested: a version on its test rows.
        registry: of the version, where what explains it may be kept.
        hidden: features of which no value is shown, and so not how the score moves with them.
    """
    luck = np.random.default_rng(0)
    names = tested.scorer.features
    x = tested.test.x[:, [tested.test.names.index(name) for name in names]]
    rows, weight = _sample(tested, len(names), luck)
    judge = _Judge(tested, rows, weight)
    value, chosen = judge(tested.score[rows]), x[rows]
    changes = np.zeros((len(names), REPEATS))
    for at in range(len(names)):
        other = chosen.copy()
        for again in range(REPEATS):
            other[:, at] = luck.permutation(chosen[:, at])
            changes[at, again] = (value - judge(tested.scorer.score(other))) * judge.sign
    some = x[luck.permutation(len(x))[:EXPLAINED]]
    told = contributed(registry, tested.version, tested.scorer, some, tested.cases.classes)
    order = np.argsort(-changes.mean(axis=1), kind="stable")
    features = tuple(_feature(names[at], changes[at], told, at) for at in order.tolist())
    few = x[luck.permutation(len(x))[: SCORINGS // (DEPENDENCES * GRID)]]
    shown = [at for at in order.tolist() if names[at] not in hidden][:DEPENDENCES]
    found = [_dependence(tested, few, x[:, at].astype(np.float64), at, names[at]) for at in shown]
    dependences = tuple(one for one in found if one is not None)
    return Importance(judge.metric.label, value, len(rows), features, dependences, len(few), told)


def _feature(name: str, changes: Floats, told: Contributed | None, at: int) -> Feature:
    edges = float(changes.mean()), float(changes.min()), float(changes.max())
    if told is None:
        return Feature(name, *edges)
    return Feature(name, *edges, float(told.size[at]), float(told.upward[at]), told.most[at] if told.most else "")


def _sample(tested: Tested, features: int, luck: np.random.Generator) -> tuple[Ints, Floats]:
    """Some rows, and how many each stands for: of rare positives all that there is room for, of groups whole ones."""
    room = int(np.clip(SCORINGS // (REPEATS * max(features, 1)), FEWEST, MOST))
    every = luck.permutation(tested.rows)
    if tested.rows <= room:
        return np.arange(tested.rows), np.ones(tested.rows)
    if tested.yes_no:
        parts = [every[tested.test.y[every] == truth] for truth in (1, 0)]
        first = parts[0][: room // 2]
        kept = [first, parts[1][: room - len(first)]]
        weights = [np.full(len(some), len(all_) / len(some)) for some, all_ in zip(kept, parts, strict=True)]
        return np.concatenate(kept), np.concatenate(weights)
    if tested.model.task.name == "ranking":
        _, group = np.unique(tested.context.columns[tested.context.group], return_inverse=True)
        order = luck.permutation(int(group.max()) + 1)
        sizes = np.cumsum(np.bincount(group)[order])
        rows = np.flatnonzero(np.isin(group, order[: max(int(np.searchsorted(sizes, room)), 1)]))
        return rows, np.ones(len(rows))
    return every[:room], np.ones(room)


class _Judge:
    """The metric of a task on a sample whose rows stand for different numbers of rows."""

    def __init__(self, tested: Tested, rows: Ints, weight: Floats) -> None:
        self.metric = Metric(BY_TASK[tested.model.task.name][0], (), tested.model.task.name in (*YES_NO, "ranking"))
        self.sign = 1 if self.metric.greater_is_better else -1
        self._y, self._weight = tested.test.y[rows], weight
        self._context: Context = tested.context.take(rows)

    def __call__(self, score: Floats) -> float:
        if self.metric.name == "average_precision":
            return weighted_average_precision(self._y, score, self._weight)
        return evaluate(self.metric, self._y, score, self._context)


def weighted_average_precision(y: npt.NDArray[np.int64], score: Floats, weight: Floats) -> float:
    """Return average precision where rows stand for different numbers of rows.

    Example:
        >>> weighted_average_precision(np.array([1, 0, 1]), np.array([0.9, 0.5, 0.4]), np.array([1.0, 2.0, 1.0]))
        0.75
    """
    if np.all(weight == weight[0]):
        positives, negatives = (one.astype(np.float64) for one in steps(y, score))
    else:
        order = np.argsort(-score, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
        positives = np.cumsum((weight * y)[order])[ends]
        negatives = np.cumsum((weight * (1 - y))[order])[ends]
    gained = np.diff(positives, prepend=0) / positives[-1]
    return float(np.sum(gained * positives / (positives + negatives)))


def _dependence(tested: Tested, few: npt.NDArray[np.float32], column: Floats, at: int, name: str) -> Dependence | None:
    there = column[~np.isnan(column)]
    values, counts = np.unique(there, return_counts=True)
    if len(values) < 2:
        return None
    places = tested.scorer.categories.get(name, ())
    if places:
        values = values[np.argsort(-counts, kind="stable")[:CATEGORIES]]
    elif len(values) > GRID:
        values = np.unique(np.quantile(there, np.linspace(0.02, 0.98, GRID)).astype(np.float32))
    if len(values) < 2:
        return None
    asked = np.repeat(few[None], len(values), axis=0)
    asked[:, :, at] = values[:, None]
    score = tested.scorer.score(asked.reshape(-1, few.shape[1])).reshape(len(values), len(few), -1)
    x, means = tuple(float(one) for one in values), score.mean(axis=1)
    texts = tuple(places[int(one)] for one in values) if places else ()
    if tested.model.task.name == "multiclass":
        classes = tested.cases.classes
        most = np.argsort(-np.ptp(means, axis=0), kind="stable")[:4]
        lines = tuple((classes[one], tuple(means[:, one].tolist())) for one in most.tolist())
        return Dependence(name, x, lines, texts=texts)
    middle = score[:, :, score.shape[2] // 2]
    low, high = np.quantile(middle, [0.05, 0.95], axis=1)
    lines = (("", tuple(middle.mean(axis=1).tolist())),)
    return Dependence(name, x, lines, tuple(low.tolist()), tuple(high.tolist()), texts)
