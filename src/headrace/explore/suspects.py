"""Suspects of a leak among columns, by the detectors that a training has, on the sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headrace.declare import Model, Project, Task, TimeSplit, TrainingSet
from headrace.errors import HeadraceError
from headrace.explore.ranks import Floats, Ints
from headrace.explore.rows import Column, Truth
from headrace.explore.sample import Sample, is_category

_LEARNED = 0.7
"""Share of the time that is learned from where no model declares a split."""
_CATEGORIES = 200
"""Values up to which a category is judged by the rates of its values; more of them are names, which memorise."""
_CLASSES = 20
"""Classes of the label beyond which nothing is said: each would be held against each column."""


def suspects(
    project: Project, cases: TrainingSet, truth: Truth, sample: Sample, columns: Sequence[Column]
) -> dict[str, tuple[str, ...]]:
    """Return what looks like a leak, a sentence each, by the name of the column; of the rows as a whole under ``""``.

    Args:
        project: whose models say how the set is split.
        cases: the training set that the label is of.
        truth: the label.
        sample: of its rows.
        columns: of the sample; features and columns of the spine alike.
    """
    from headrace.learn.cases import Cases
    from headrace.learn.leaks import leaks
    from headrace.learn.split import Fold

    model = next((one for one in project.all_models.values() if one.cases.name == cases.name), None)
    there = np.isfinite(sample.y) if not truth.classes else sample.y >= 0
    y, time_us = sample.y[there], sample.time_us[there]
    if len(y) < 2 or not len(time_us) or (truth.classes and len(np.unique(y)) > _CLASSES):
        return {}
    train, test = _split(time_us, model, cases)
    chosen = [one for one in columns if one.kind in ("number", "time", "text", "bool") and not _names(one)]
    x = np.empty((len(y), len(chosen)), np.float32)
    for at, one in enumerate(chosen):
        x[:, at] = _matrix_column(sample.values[one.path][there], one, y, train, truth)
    names = {one.name: one for one in chosen}
    labels: Any = y.astype(np.int64) if truth.task != "regression" else y
    asked = Cases(tuple(names), x, labels, time_us, classes=truth.classes)
    fold = Fold((0, 0), (0, 0), train, test)
    found: dict[str, list[str]] = {}
    for leak in leaks(_asked(model, cases, truth), asked, fold):
        if leak.kind == "identity" and leak.feature in names and _measures(names[leak.feature]):
            continue
        if leak.feature in names or not leak.feature:
            found.setdefault(leak.feature, []).append(leak.sentence)
    return {name: tuple(dict.fromkeys(said)) for name, said in found.items()}


def _names(column: Column) -> bool:
    """Whether a column of a table is its key: that it tells rows apart is what it is for."""
    return "key" in column.about.tags and column.name != column.path


def _measures(column: Column) -> bool:
    """Whether a column measures rather than names: each moment is another one, and so is each length of time."""
    import pyarrow.types as kinds

    return column.kind == "time" or bool(kinds.is_floating(column.type))


def _asked(model: Model | None, cases: TrainingSet, truth: Truth) -> Model:
    """A model that asks what the label answers: the project's own where it has the same task."""
    if model is not None and model.task.name == truth.task:
        return model
    return Model("explored", cases, _never, TimeSplit("1d", "1d"), task=Task(truth.task))


def _never(train: object) -> object:
    raise AssertionError("the model that asks is never fitted")


def _split(time_us: Ints, model: Model | None, cases: TrainingSet) -> tuple[Any, Any]:
    """Which rows are learned from and which are later: by the model's own split, where that leaves rows in both."""
    from headrace.learn.split import time_fold

    matures = 0 if cases.label is None else cases.label.matures_us
    if model is not None and isinstance(model.split, TimeSplit):
        try:
            fold = time_fold(time_us, model.split, matures)
        except HeadraceError:
            pass
        else:
            return fold.train, fold.test
    end = int(np.quantile(time_us, _LEARNED))
    return time_us <= end, time_us > end


def _matrix_column(values: Floats | Ints, column: Column, y: Floats | Ints, train: Any, truth: Truth) -> Any:
    """A column as a model could learn from it; what float32 does not hold is missing."""
    if not is_category(column):
        largest = float(np.finfo(np.float32).max)
        return np.where(np.abs(values) <= largest, values, np.nan)
    codes, count = values.astype(np.int64), int(values.max(initial=0)) + 1
    if count > _CATEGORIES or truth.task != "binary":
        return np.where(codes >= 0, codes, np.nan)
    known = train & (codes >= 0)
    rows = np.bincount(codes[known], minlength=count)
    rates = np.bincount(codes[known], y[known], count) / np.maximum(rows, 1)
    return np.where((codes >= 0) & (rows[codes] > 0), rates[codes], np.nan)
