"""What all candidates of a training share: the declared model, its cases and folds, and how one of them is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import GroupSplit, LowestCost, Metric, Model
from headrace.errors import Fault
from headrace.learn.cases import Cases
from headrace.learn.intervals import Difference, Measured, blocks_of, difference, interval, measure
from headrace.learn.metrics import Context, Scores, known_from
from headrace.learn.report import Candidate
from headrace.learn.split import Fold, Split, check_labels, folds_of, judging


@dataclass(frozen=True)
class Setting:
    """What all candidates share.

    Args:
        model: as declared.
        read: the cases as they were read.
        cases: the same, of which texts that train does not have are null.
        split: of the cases.
        train: what is learned from in the end.
        test: what is judged on.
        left_out: of folds of validation on which nothing could be judged, a warning each.
    """

    model: Model
    read: Cases
    cases: Cases
    split: Split
    train: Cases
    test: Cases
    left_out: tuple[Fault, ...] = ()

    @property
    def fold(self) -> Fold:
        return self.split.test

    @property
    def blocks(self) -> npt.NDArray[np.int64]:
        """In which block of days each row of the test lies; of groups, where these are parted."""
        split, test = self.model.split, self.test
        return blocks_of(test.time_us, test.columns[split.by] if isinstance(split, GroupSplit) else None)

    @property
    def metrics(self) -> dict[str, Metric]:
        return {metric.label: metric for metric in self.model.metrics}

    def context(self, fold: Fold) -> Context:
        """What metrics may know of the rows that a fold is judged on; from which score on is acted is not said."""
        return context_of(self.model, self.cases, fold)

    def judged(self, name: str, role: str, given: Given, **more: Any) -> Judged:
        """Return a candidate with each metric of its scores of the test rows."""
        score, context = given.score, replace(self.context(self.fold), threshold=given.threshold)
        measured = measure(self.metrics, self.test.y, score, context, self.blocks)
        values = {label: one.value for label, one in measured.items()}
        found = {label: interval(self.metrics[label], one) for label, one in measured.items()}
        spans = {label: span for label, span in found.items() if span is not None}
        return Judged(Candidate(name, role, values, given.seconds, spans, **more), measured, score)


@dataclass(frozen=True)
class Given:
    """The scores that something gave the rows of the test.

    Args:
        score: of each row.
        threshold: from which on it would act.
        seconds: that fitting took.
    """

    score: Scores
    threshold: float
    seconds: float = 0.0


@dataclass(frozen=True)
class Judged:
    """A candidate, and what a difference from another is computed of; that is empty for numbers of long ago.

    Args:
        candidate: with its numbers.
        measured: by metric.
        score: of the test rows.
    """

    candidate: Candidate
    measured: Mapping[str, Measured]
    score: Scores | None = None

    def apart(self, other: Judged) -> dict[str, Difference]:
        """How far it is from another one on the same rows, of each metric of which that can be said."""
        found = {label: difference(self.measured[label], theirs) for label, theirs in other.measured.items()}
        return {label: one for label, one in found.items() if one is not None}


def grouped_by(model: Model) -> tuple[str, ...]:
    """Columns by which metrics, gates, the split and a ranking group rows."""
    named = [value for metric in model.metrics for key, value in metric.params if key == "by"]
    named += [model.task.by, model.split.by if isinstance(model.split, GroupSplit) else model.split.apart]
    return tuple(dict.fromkeys(str(one) for one in named if one))


def costed_by(model: Model) -> tuple[str, ...]:
    """Columns that say what a mistake costs."""
    named = [name for metric in model.metrics for name in metric.needs if ("by", name) not in metric.params]
    return tuple(dict.fromkeys([*named, *(model.threshold.needs if isinstance(model.threshold, LowestCost) else ())]))


def setting_of(model: Model, cases: Cases) -> Setting:
    """Return what the candidates of a model share.

    Raises:
        HeadraceError: HR-LEARN-001 for a part without rows, 002 for labels of one class, 012 for a missing column.
    """
    split = folds_of(cases, model.split, matures_us(model))
    check_labels(split.test, cases, model.task, model.place)
    split, left_out = judging(split, cases, model)
    coded = cases.coded(cases.take(split.test.train).seen()) if cases.categories else cases
    train, test = coded.take(split.test.train), coded.take(split.test.test)
    return Setting(model, cases, coded, split, train, test, left_out=left_out)


def matures_us(model: Model) -> int:
    """How long the labels of a model need to mature, microseconds."""
    label = model.cases.label
    return 0 if label is None else label.matures_us


def context_of(model: Model, cases: Cases, fold: Fold, threshold: float = 0.5) -> Context:
    """Return what metrics may know of the rows that a fold is judged on.

    Args:
        model: as declared.
        cases: all of them, with the columns of ``grouped_by`` and ``costed_by``.
        fold: whose test is meant.
        threshold: from which score on a case is acted on.
    """
    places = np.flatnonzero(fold.test)
    return Context(
        cases.time_us[places],
        {name: values[places] for name, values in cases.columns.items()},
        _known(model, cases, fold),
        {name: values[places] for name, values in cases.amounts.items()},
        threshold,
        model.task.levels,
        model.task.by or "",
        lambda rows: _rows(cases, places[rows]),
    )


def _known(model: Model, cases: Cases, fold: Fold) -> dict[str, npt.NDArray[np.int64]]:
    """From when on what a column names was known to be compromised, of the rows that a fold is judged on."""
    wanted = {
        value for one in model.metrics if one.name == "card_precision" for key, value in one.params if key == "by"
    }
    since = (cases.time_us >= fold.train_span[0]) & (cases.time_us < fold.test_span[1])
    return {
        name: known_from(values[since], cases.y[since], cases.time_us[since], matures_us(model))[fold.test[since]]
        for name, values in cases.columns.items()
        if name in wanted
    }


def _rows(cases: Cases, places: npt.NDArray[np.int64]) -> Any:
    import pandas as pd

    rows = cases.take(places).frame()
    rows.insert(0, "time", pd.Series(cases.time_us[places].view("datetime64[us]")).dt.tz_localize("UTC"))
    return rows
