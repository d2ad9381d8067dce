"""How good a model was from day to day of its test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace.audit.models.tested import YES_NO, Tested
from headrace.clock import DAY_US
from headrace.declare import Metric
from headrace.learn.metrics.binary import card_precision_by_day

MOST, SHOWN = 31, 2
"""Spans of time at most, each of as many whole days as that takes; and metrics that are shown."""


@dataclass(frozen=True)
class OverTime:
    """A test cut into spans of whole days.

    Args:
        at_us: middle of each span, int64 microseconds UTC.
        days: that each span lasts.
        rows: of each.
        values: metric label to its value in each span; None where it says nothing there.
        true: mean label of each, of labels that are numbers or yes and no.
        foretold: mean score of each; of quantiles the middle one.
    """

    at_us: tuple[int, ...]
    days: int
    rows: tuple[int, ...]
    values: dict[str, tuple[float | None, ...]]
    true: tuple[float, ...] = ()
    foretold: tuple[float, ...] = ()


def over_time(tested: Tested, first: Metric) -> OverTime | None:
    """Return metrics by day; None for a test of fewer than three days.

    Args:
        tested: a version on its test rows.
        first: the metric that is shown before all others.
    """
    day = tested.test.time_us // DAY_US
    begin, last = int(day.min()), int(day.max())
    each = -(-(last - begin + 1) // MOST)
    if last - begin < 2:
        return None
    span = (day - begin) // each
    order = np.argsort(span, kind="stable")
    there, starts = np.unique(span[order], return_index=True)
    parts = np.split(order, starts[1:])
    metrics = [first, *(one for one in tested.model.metrics if one.label != first.label)][:SHOWN]
    values = {one.label: _values(tested, one, parts) for one in metrics}
    middles = tuple(int((begin + at * each + each / 2) * DAY_US) for at in there.tolist())
    true, foretold = _means(tested, parts)
    return OverTime(middles, each, tuple(map(len, parts)), values, true, foretold)


def _values(
    tested: Tested, metric: Metric, parts: list[np.ndarray[tuple[int], np.dtype[np.int64]]]
) -> tuple[float | None, ...]:
    """A metric in each span. Cards that were found on an earlier day are found: of these the days follow each other."""
    if metric.name != "card_precision":
        return tuple(tested.value(metric, rows) for rows in parts)
    test = tested.test
    shares = card_precision_by_day(test.y, tested.score, tested.context, dict(metric.params), metric.place)
    days = [np.unique(test.time_us[rows] // DAY_US) for rows in parts]
    return tuple(float(np.mean([shares[int(one)] for one in some])) for some in days)


def _means(tested: Tested, parts: list[np.ndarray[tuple[int], np.dtype[np.int64]]]) -> tuple[tuple[float, ...], ...]:
    """Mean label and mean score of each span, where the two are of one kind."""
    score, task = tested.score, tested.model.task.name
    if task == "quantiles":
        score = tested.each[:, tested.each.shape[1] // 2]
    elif task not in ("regression", *YES_NO[:1]):
        return (), ()
    return tuple(tuple(float(values[rows].mean()) for rows in parts) for values in (tested.test.y, score))
