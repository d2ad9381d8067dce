"""What metrics may know of the rows that a model is judged on, beside label and score: by training and by reports."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import GroupSplit, LowestCost, Model
from headrace.learn.cases import Cases
from headrace.learn.metrics import Context, known_from
from headrace.learn.split import Fold


def grouped_by(model: Model) -> tuple[str, ...]:
    """Return the columns by which metrics, gates, the split and a ranking group rows."""
    named = [value for metric in model.metrics for key, value in metric.params if key == "by"]
    named += [model.task.by, model.split.by if isinstance(model.split, GroupSplit) else model.split.apart]
    return tuple(dict.fromkeys(str(one) for one in named if one))


def costed_by(model: Model) -> tuple[str, ...]:
    """Return the columns that say what a mistake costs."""
    named = [name for metric in model.metrics for name in metric.needs if ("by", name) not in metric.params]
    return tuple(dict.fromkeys([*named, *(model.threshold.needs if isinstance(model.threshold, LowestCost) else ())]))


def matures_us(model: Model) -> int:
    """Return how long a model's labels need to mature, in microseconds."""
    label = model.cases.label
    return 0 if label is None else label.matures_us


def context_of(model: Model, cases: Cases, fold: Fold, threshold: float) -> Context:
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
        frame=lambda rows: _rows(cases, places[rows]),
    )


def _known(model: Model, cases: Cases, fold: Fold) -> dict[str, npt.NDArray[np.int64]]:
    """From when on what a column names was known to be compromised, of the rows that a fold is judged on."""
    wanted = {
        value for one in model.metrics if one.name == "card_precision" for key, value in one.params if key == "by"
    }
    since = (cases.time_us >= fold.train_span[0]) & (cases.time_us < max(fold.test_span[1], 1))
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
