"""What more data would buy: the model fitted on more and more of its cases, judged on the last fold of validation.

Not on the test, where there is a fold: what one does next would else be chosen on it. Bounded in rows and in seconds,
since a report must not take as long as a training; what was not done for that is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace import clock
from headrace.audit.models.blocks import Ints
from headrace.audit.models.tested import YES_NO, Tested
from headrace.declare import Metric
from headrace.errors import HeadraceError
from headrace.learn.fit import fit_estimator, place_of
from headrace.learn.metrics import evaluate
from headrace.learn.scoring import scores
from headrace.learn.setting import context_of
from headrace.learn.split import Fold

MOST_ROWS, FEWEST_ROWS, JUDGED = 100_000, 200, 40_000
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
SECONDS = 4.0
_LEAST, _PATIENT = 3, 5
"""Sizes without which there is no curve, for which the fits may take so many times as long."""
_LONGER = 1.6
"""A fit on twice the rows may take this much more than twice as long: what would not fit in the time is not begun."""


@dataclass(frozen=True)
class Learnt:
    """The model fitted on so many rows: its metric in each draw of them."""

    rows: int
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))


@dataclass(frozen=True)
class Learning:
    """A learning curve.

    Args:
        metric: label of the metric.
        greater_is_better: of it.
        judged_on: which rows, in words.
        judged_rows: how many they are.
        of: rows that there were to learn from.
        points: from few rows to many.
        stopped: why there are no more points; empty where all were done.
    """

    metric: str
    greater_is_better: bool
    judged_on: str
    judged_rows: int
    of: int
    points: tuple[Learnt, ...] = ()
    stopped: str = ""

    @property
    def doubling(self) -> float | None:
        """What the last doubling of rows brought, better above 0; None where there are no two points."""
        if len(self.points) < 2:
            return None
        before, last = self.points[-2:]
        gained = (last.mean - before.mean) / float(np.log2(last.rows / before.rows))
        return gained if self.greater_is_better else -gained


def learning(tested: Tested, metric: Metric, seconds: float = SECONDS) -> Learning | None:
    """Return the learning curve of a version's candidate and parameters; None where it is no longer declared.

    Args:
        tested: a version on its test rows.
        metric: that is shown; the model's own.
        seconds: that the fits may take in all, about, once there are points enough for a curve.
    """
    model, choice = tested.model, tested.version.record.choice
    ways = model.candidates
    name = str(choice.get("name", next(iter(ways))))
    if name not in ways:
        return None
    fold = tested.split.validation[-1] if tested.split.validation else tested.split.test
    where = "the last fold of validation" if tested.split.validation else "the test: there is no fold of validation"
    there, judged = np.flatnonzero(fold.train), np.flatnonzero(fold.test)
    if len(judged) > JUDGED and model.task.name != "ranking" and not metric.name.startswith("card_"):
        judged = np.sort(np.random.default_rng(1).permutation(judged)[:JUDGED])
    whole = Learning(metric.label, metric.greater_is_better, where, len(judged), len(there))
    begun, done, taken = clock.monotonic_s(), list[Learnt](), 0.0
    for size in _sizes(len(there)):
        most = seconds if len(done) >= _LEAST else _PATIENT * seconds
        left = most - (clock.monotonic_s() - begun)
        if done and taken * size / done[-1].rows * _LONGER > left:
            return _stopped(whole, done, f"fits on more rows would have taken longer than {most:.0f} s")
        values = list[float]()
        try:
            for draw in range(3):
                started = clock.monotonic_s()
                values.append(_value(tested, metric, fold, _some(tested, there, size, draw), judged, name))
                taken = clock.monotonic_s() - started
                if size > MOST_ROWS // 4 or size == len(there) or taken * 3 > left / 4:
                    break
        except HeadraceError as error:
            return _stopped(whole, done, f"on {size:,} rows: {error.faults[0].found}")
        done.append(Learnt(size, tuple(values)))
    return _stopped(whole, done, "")


def _stopped(whole: Learning, done: list[Learnt], why: str) -> Learning:
    return Learning(
        whole.metric, whole.greater_is_better, whole.judged_on, whole.judged_rows, whole.of, tuple(done), why
    )


def _sizes(rows: int) -> list[int]:
    most = min(rows, MOST_ROWS)
    return list(dict.fromkeys(int(most * share) for share in SHARES if most * share >= FEWEST_ROWS or share == 1))


def _some(tested: Tested, there: Ints, size: int, draw: int) -> Ints:
    """Some of the rows, evenly over all of their time; of yes and no and of classes as many of each as there are."""
    if size >= len(there):
        return there
    luck, y = np.random.default_rng(draw), tested.cases.y[there]
    if tested.model.task.name not in (*YES_NO, "multiclass"):
        return np.sort(luck.permutation(there)[:size])
    parts = [luck.permutation(there[y == one]) for one in np.unique(y)]
    return np.sort(np.concatenate([one[: max(round(size * len(one) / len(there)), 1)] for one in parts]))


def _value(tested: Tested, metric: Metric, fold: Fold, rows: Ints, judged: Ints, name: str) -> float:
    model, cases = tested.model, tested.cases
    fit = model.candidates[name].fit
    where, params = place_of(fit, model.place), dict(tested.version.record.choice.get("params", {}))
    estimator = fit_estimator(fit, cases.take(rows), model.seed, where, model.task, params)
    test = cases.take(judged)
    score = scores(estimator, test.x, test.names, where, model.task, len(cases.classes))
    context = context_of(model, cases, fold, tested.version.record.threshold)
    places = np.searchsorted(np.flatnonzero(fold.test), judged)
    return evaluate(metric, test.y, score, context.take(places))
