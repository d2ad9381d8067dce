"""Metrics as functions of sums over blocks of rows, which can be computed again for many draws of blocks at once.

A bootstrap that draws rows anew costs a whole metric for each draw. What a block adds to a metric does not change from
draw to draw: a mean needs two sums of it, a curve the positives and negatives of it among like scores. Drawing blocks
is then adding up rows of a small matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.clock import DAY_US
from headrace.declare import Metric
from headrace.learn.metrics.binary import card_precision_by_day, like_scores, threshold
from headrace.learn.metrics.context import Context, Labels, OfRows, Params, Scores
from headrace.learn.metrics.others import GROUPS, groups

_MOST, _OF_CLASSES = 2048, 4096
"""Different scores that a curve tells apart at most; and those of all classes together."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parts:
    """What blocks add up to.

    Args:
        sums: shape (blocks, m).
        value: of sums, shape (n, m), the metric, shape (n,); NaN where it is not defined.
    """

    sums: Floats
    value: Callable[[Floats], Floats]


@dataclass(frozen=True)
class Rows:
    """Rows that are judged, and the block in which each lies.

    Args:
        y: labels.
        score: of these rows.
        context: of these rows.
        block: its number, from 0.
        count: of blocks.
    """

    y: Labels
    score: Scores
    context: Context
    block: npt.NDArray[np.int64]
    count: int

    def sums(self, *values: npt.NDArray[Any]) -> Floats:
        """Return the sums of values over each block, shape (blocks, values)."""
        return np.stack([np.bincount(self.block, one, self.count) for one in values], axis=1)

    def within(self, place: npt.NDArray[np.int64], most: int, *values: npt.NDArray[Any]) -> Floats:
        """Return the sums over each block and place, shape (blocks, values * most)."""
        cell = self.block * most + place
        found = [np.bincount(cell, one, self.count * most).reshape(self.count, most) for one in values]
        return np.concatenate(found, axis=1)

    @cached_property
    def curve(self) -> Floats:
        """Positives and negatives among like scores, from the highest score down."""
        return _curve(self, self.y, self.score, _MOST)


def parts_of(metric: Metric, rows: Rows, mean: OfRows | None) -> Parts | None:
    """Return a metric as sums over blocks, or None for one that is none, such as the user's own.

    Args:
        metric: that is known.
        rows: to be judged.
        mean: what it is the mean of, where it is one.
    """
    params = dict(metric.params)
    if mean is not None:
        return _mean(metric, rows, mean, params)
    known = _CLASSES if rows.score.ndim == 2 else _KNOWN
    made = known.get(metric.name)
    return None if made is None or metric.function is not None else made(rows, params, metric.place)


def _mean(metric: Metric, rows: Rows, mean: OfRows, params: Params) -> Parts:
    each = mean(rows.y, rows.score, rows.context, params, metric.place)
    block = rows.block
    if metric.name in GROUPS:
        block = np.array([block[one[0]] for one in groups(rows.context, metric.place)])
    there = ~np.isnan(each)
    sums = [np.bincount(block[there], one[there], rows.count) for one in (each, np.ones(len(each)))]
    return Parts(np.stack(sums, axis=1), lambda one: one[:, 0] / one[:, 1])


def _curve(rows: Rows, y: npt.NDArray[Any], score: Floats, most: int) -> Floats:
    edges = np.unique(score)
    if len(edges) > most:
        # Where positives are rare, most scores are of negatives, and the curve is decided by the few others.
        ends = np.linspace(0, 1, most // 2)
        some = (np.quantile(one, ends, method="lower") for one in (score[y == 1], score) if len(one))
        edges = np.unique(np.concatenate([edges[:1], *some]))
    place = len(edges) - np.searchsorted(edges, score, side="right")
    return rows.within(place, len(edges), y == 1, y != 1)


def _halves(sums: Floats) -> tuple[Floats, Floats]:
    middle = sums.shape[1] // 2
    return sums[:, :middle], sums[:, middle:]


def _auc(sums: Floats) -> Floats:
    positives, negatives = _halves(sums)
    below = negatives.sum(axis=1, keepdims=True) - np.cumsum(negatives, axis=1)
    won = np.sum(positives * (below + negatives / 2), axis=1)
    return np.asarray(won / (positives.sum(axis=1) * negatives.sum(axis=1)), np.float64)


def _average_precision(sums: Floats) -> Floats:
    positives, negatives = _halves(sums)
    right, taken = np.cumsum(positives, axis=1), np.cumsum(positives + negatives, axis=1)
    return np.asarray(np.sum(positives * right / np.maximum(taken, 1), axis=1) / right[:, -1], np.float64)


def _recall_at(params: Params) -> Callable[[Floats], Floats]:
    def value(sums: Floats) -> Floats:
        positives, negatives = _halves(sums)
        right, taken = np.cumsum(positives, axis=1), np.cumsum(positives + negatives, axis=1)
        room = float(params["rate"]) * taken[:, -1]
        # Of the scores among which the room ends, the positives count by their share.
        at = np.argmax(taken >= room[:, None], axis=1)
        each = np.arange(len(sums))
        width = np.maximum((positives + negatives)[each, at], 1)
        rest = (taken[each, at] - room) / width
        return np.asarray((right[each, at] - rest * positives[each, at]) / right[:, -1], np.float64)

    return value


def _at_threshold(rows: Rows, params: Params) -> Floats:
    """Hits, false alarms and positives of each block."""
    chosen, positive = rows.score >= threshold(params, rows.context), rows.y == 1
    return rows.sums(chosen & positive, chosen & ~positive, positive)


def _precision(sums: Floats) -> Floats:
    taken = sums[:, 0] + sums[:, 1]
    return np.where(taken > 0, sums[:, 0] / np.maximum(taken, 1), 0.0)


def _recall(sums: Floats) -> Floats:
    return sums[:, 0] / sums[:, 2]


def _f_score(params: Params) -> Callable[[Floats], Floats]:
    square = float(params["beta"]) ** 2
    return lambda sums: (1 + square) * sums[:, 0] / (square * sums[:, 2] + sums[:, 0] + sums[:, 1])


def _calibration_error(rows: Rows, _p: Params, _w: str) -> Parts:
    place = np.empty(len(rows.y), np.int64)
    for at, one in enumerate(like_scores(rows.score)):
        place[one] = at
    sums = np.concatenate([rows.within(place, int(place.max()) + 1, rows.score, rows.y), rows.sums(rows.y >= 0)], 1)

    def value(some: Floats) -> Floats:
        said, true = _halves(some[:, :-1])
        return np.asarray(np.abs(said - true).sum(axis=1) / some[:, -1], np.float64)

    return Parts(sums, value)


def _card_precision(rows: Rows, params: Params, place: str) -> Parts:
    shares = card_precision_by_day(rows.y, rows.score, rows.context, params, place)
    days, first = np.unique(rows.context.time_us // DAY_US, return_index=True)
    block, each = rows.block[first], np.array([shares[int(day)] for day in days])
    sums: Floats = np.stack([np.bincount(block, one, rows.count) for one in (each, np.ones(len(days)))], axis=1)
    return Parts(sums, lambda one: one[:, 0] / one[:, 1])


def _rmse(rows: Rows, _p: Params, _w: str) -> Parts:
    sums = rows.sums((rows.y - rows.score) ** 2, np.ones(len(rows.y)))
    return Parts(sums, lambda one: np.sqrt(one[:, 0] / one[:, 1]))


def _r2(rows: Rows, _p: Params, _w: str) -> Parts:
    y = rows.y - rows.y.mean()  # far from 0, squares of labels would leave nothing of their differences
    sums = rows.sums((rows.y - rows.score) ** 2, y, y**2, np.ones(len(y)))
    return Parts(sums, lambda one: 1 - one[:, 0] / (one[:, 2] - one[:, 1] ** 2 / one[:, 3]))


def _f1(rows: Rows, params: Params, _w: str) -> Parts:
    named, count = np.argmax(rows.score, axis=1), rows.score.shape[1]
    hits = rows.within(rows.y, count, named == rows.y)
    ones = np.ones(len(named))
    sums = np.concatenate([hits, rows.within(rows.y, count, ones), rows.within(named, count, ones)], axis=1)

    def value(some: Floats) -> Floats:
        right, there, said = np.split(some, 3, axis=1)
        known = (there + said) > 0
        each = np.where(known, 2 * right / np.maximum(there + said, 1), 0.0)
        weight = there if params["average"] == "weighted" else known.astype(np.float64)
        return np.asarray(np.sum(each * weight, axis=1) / weight.sum(axis=1), np.float64)

    return Parts(sums, value)


def _auc_of_classes(rows: Rows, _p: Params, _w: str) -> Parts:
    there = [one for one in range(rows.score.shape[1]) if 0 < int((rows.y == one).sum()) < len(rows.y)]
    most = max(_OF_CLASSES // max(len(there), 1), 32)
    made = [_curve(rows, (rows.y == one).astype(np.int64), rows.score[:, one], most) for one in there]
    ends = np.cumsum([one.shape[1] for one in made])[:-1]

    def value(some: Floats) -> Floats:
        return np.asarray(np.nanmean([_auc(one) for one in np.split(some, ends, axis=1)], axis=0), np.float64)

    return Parts(np.concatenate(made, axis=1), value)


_KNOWN: Mapping[str, Callable[[Rows, Params, str], Parts]] = {
    "roc_auc": lambda rows, _p, _w: Parts(rows.curve, _auc),
    "average_precision": lambda rows, _p, _w: Parts(rows.curve, _average_precision),
    "recall_at": lambda rows, params, _w: Parts(rows.curve, _recall_at(params)),
    "precision": lambda rows, params, _w: Parts(_at_threshold(rows, params), _precision),
    "recall": lambda rows, params, _w: Parts(_at_threshold(rows, params), _recall),
    "f_score": lambda rows, params, _w: Parts(_at_threshold(rows, params), _f_score(params)),
    "calibration_error": _calibration_error,
    "card_precision": _card_precision,
    "rmse": _rmse,
    "r2": _r2,
}
_CLASSES: Mapping[str, Callable[[Rows, Params, str], Parts]] = {"roc_auc": _auc_of_classes, "f1": _f1}
