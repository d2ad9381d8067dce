"""How far a metric would move with other days: the jackknife over the days of the test, of values and differences.

A block of days is left out, the metric computed again, and so for each block; the spread of these values gives the
standard error. Blocks of days, because payments of a day are alike (Künsch, Annals of Statistics 17, 1989); left out
in turn, because this needs neither chance nor a second form of any metric. What all days share, such as a season, is
not in it: the interval says how sure a number is for this stretch of time, not what it will be in another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.clock import DAY_US
from headrace.declare import Metric
from headrace.learn.metrics import Context, Labels, Scores, evaluate

MOST, LEAST = 20, 5
"""Blocks at most, each of so many days as that takes; and at least, below which nothing is said."""
Span = tuple[float, float]
_SHARE, _POSITIVE = (0.0, 1.0), (0.0, math.inf)
_SHARES = ("average_precision", "roc_auc", "brier", "calibration_error", "precision", "recall", "f_score", "recall_at",
           "card_precision", "accuracy", "f1", "coverage", "ndcg", "reciprocal_rank")  # fmt: skip
_BOUNDS = dict.fromkeys(_SHARES, _SHARE) | dict.fromkeys(("log_loss", "rmse", "mae", "pinball"), _POSITIVE)
"""Between which values a metric lies, whatever the labels and scores."""


@dataclass(frozen=True)
class Measured:
    """A metric on the test rows: its value, and the values with each block of days left out; none if too few."""

    value: float
    without: tuple[float, ...] = ()


def measure(metrics: Mapping[str, Metric], y: Labels, score: Scores, context: Context) -> dict[str, Measured]:
    """Return each metric with what the jackknife needs.

    Args:
        metrics: label to metric.
        y: labels, int64, 0 or 1, both present.
        score: float64, of the same rows.
        context: event times and columns of the same rows.
    """
    # in order of score, once: every evaluation below then sorts what is sorted already
    order = np.argsort(-score, kind="stable") if score.ndim == 1 else np.arange(len(score))
    ranked, ranked_score, rows = y[order], score[order], context.take(order)
    kept = _all_but_one(ranked, rows.time_us)
    return {
        label: Measured(
            evaluate(metric, y, score, context),
            tuple(evaluate(metric, ranked[mask], ranked_score[mask], rows.take(mask)) for mask in kept),
        )
        for label, metric in metrics.items()
    }


def _all_but_one(y: Labels, time_us: npt.NDArray[np.int64]) -> list[npt.NDArray[np.bool_]]:
    """For each block of days, the rows of all others; empty where blocks are few or hold all of a class."""
    days, day = np.unique(time_us // DAY_US, return_inverse=True)
    count = min(len(days), MOST)
    block = day * count // max(len(days), 1)
    masks = [block != one for one in range(count)]
    whole = count >= LEAST and all(len(np.unique(y[mask])) > 1 for mask in masks)
    return masks if whole else []


def interval(metric: Metric, measured: Measured) -> Span | None:
    """Return where a metric lies with 95 % confidence, or None where there are too few days.

    Example:
        >>> from headrace.declare import roc_auc
        >>> low, high = interval(roc_auc(), Measured(0.8, (0.79, 0.80, 0.80, 0.80, 0.81)))
        >>> round(low, 3), round(high, 3)
        (0.765, 0.835)
    """
    found = _around(measured.value, measured.without)
    if found is None:
        return None
    low, most = _BOUNDS.get(metric.name, (-math.inf, math.inf))
    return max(found[0], low), min(found[1], most)


def difference(one: Measured, other: Measured) -> Span | None:
    """Return where ``one`` minus ``other`` lies with 95 % confidence: paired, as both lost the same days each time."""
    if len(one.without) != len(other.without):
        return None
    pairs = zip(one.without, other.without, strict=True)
    return _around(one.value - other.value, [mine - theirs for mine, theirs in pairs])


def _around(value: float, without: Sequence[float]) -> Span | None:
    if len(without) < LEAST:
        return None
    from scipy.special import stdtrit

    blocks = len(without)
    spread = math.sqrt((blocks - 1) / blocks * float(np.sum((np.array(without) - np.mean(without)) ** 2)))
    wide = float(stdtrit(blocks - 1, 0.975)) * spread
    return value - wide, value + wide
