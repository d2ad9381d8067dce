"""What a model is judged by: one table of metric name to function over labels, scores and the context of the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.clock import DAY_US
from headrace.declare import Metric
from headrace.errors import Fault, HeadraceError, nearest

NEVER = np.iinfo(np.int64).max
Labels = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Context:
    """What metrics may know of the rows beside label and score.

    Args:
        time_us: event times, int64 microseconds UTC.
        columns: column name to values, for metrics ``by`` a column.
        known_us: column name to the moment from which the value in it was known to be compromised; see ``known_from``.
    """

    time_us: npt.NDArray[np.int64]
    columns: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    known_us: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)

    def take(self, rows: npt.NDArray[Any]) -> Context:
        """Return the context of some of the rows, by mask or position."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return Context(self.time_us[rows], columns, {name: moments[rows] for name, moments in self.known_us.items()})


def known_from(
    cards: npt.NDArray[np.generic], y: Labels, time_us: npt.NDArray[np.int64], matures_us: int
) -> npt.NDArray[np.int64]:
    """Return for each row the moment from which its card was known to be compromised, or NEVER.

    Args:
        cards: what names the card, of the rows of training, gap and test.
        y: labels of these rows, 0 or 1.
        time_us: event times, int64 microseconds UTC.
        matures_us: how long after an event its label is known, microseconds.

    Example:
        >>> known_from(np.array([7, 7, 8]), np.array([0, 1, 0]), np.array([10, 20, 30]), 5)[:2]
        array([25, 25])
    """
    names, card = np.unique(cards, return_inverse=True)
    first = np.full(len(names), NEVER, dtype=np.int64)
    np.minimum.at(first, card[y == 1], time_us[y == 1] + matures_us)
    known: npt.NDArray[np.int64] = first[card]
    return known


Function = Callable[[Labels, Scores, Context, Mapping[str, object], str], float]


def evaluate(metric: Metric, y: Labels, score: Scores, context: Context) -> float:
    """Return a metric of scores against labels.

    Args:
        metric: the declared metric.
        y: labels, int64, 0 or 1, both present.
        score: float64, finite, higher is more likely positive; a probability for log_loss and brier.
        context: event times and columns of the same rows.

    Raises:
        HeadraceError: for an unknown metric, a missing column, or scores that are not probabilities.

    Example:
        >>> from headrace.declare import roc_auc
        >>> y, score = np.array([0, 1, 0, 1]), np.array([0.1, 0.8, 0.4, 0.4])
        >>> evaluate(roc_auc(), y, score, Context(np.zeros(4, np.int64)))
        0.875
    """
    function = METRICS.get(metric.name)
    if function is None:
        cure = nearest(metric.name, METRICS)
        raise HeadraceError(Fault("HR-LEARN-012", metric.place, f"metric {metric.name!r}", "a known metric", cure))
    return function(y, score, context, dict(metric.params), metric.place)


def better(metric: Metric, value: float, other: float) -> bool:
    """Return whether a value of a metric is strictly better than another."""
    return value > other if metric.greater_is_better else value < other


def _steps(y: Labels, score: Scores) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positives and negatives at or above each distinct score, from the highest score down."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    positives = np.cumsum(y[order])[ends]
    return positives, ends + 1 - positives


def _average_precision(y: Labels, score: Scores, _c: Context, _p: Mapping[str, object], _w: str) -> float:
    positives, negatives = _steps(y, score)
    gained = np.diff(positives, prepend=0) / positives[-1]
    return float(np.sum(gained * positives / (positives + negatives)))


def _roc_auc(y: Labels, score: Scores, _c: Context, _p: Mapping[str, object], _w: str) -> float:
    positives, negatives = _steps(y, score)
    new_positives, new_negatives = np.diff(positives, prepend=0), np.diff(negatives, prepend=0)
    below = negatives[-1] - negatives
    # twice the number of won pairs stays a whole number: no rounding before the one division
    won = int(np.sum(new_positives * (2 * below + new_negatives)))
    return won / (2 * int(positives[-1]) * int(negatives[-1]))


def _log_loss(y: Labels, score: Scores, _c: Context, _p: Mapping[str, object], place: str) -> float:
    _check_probability(score, "log_loss", place)
    tiny = np.finfo(np.float64).eps
    likely = np.clip(np.where(y == 1, score, 1 - score), tiny, 1 - tiny)
    return float(-np.mean(np.log(likely)))


def _brier(y: Labels, score: Scores, _c: Context, _p: Mapping[str, object], place: str) -> float:
    _check_probability(score, "brier", place)
    return float(np.mean((score - y) ** 2))


def _check_probability(score: Scores, name: str, place: str) -> None:
    low, high = float(score.min()), float(score.max())
    if low < 0 or high > 1:
        found = f"scores from {low:.6g} to {high:.6g} for {name}"
        cure = "return an estimator with predict_proba, or choose another metric"
        raise HeadraceError(Fault("HR-LEARN-013", place, found, "probabilities from 0 to 1", cure))


def _precision(y: Labels, score: Scores, _c: Context, params: Mapping[str, object], _w: str) -> float:
    chosen = score >= float(str(params["threshold"]))
    return float(y[chosen].mean()) if chosen.any() else 0.0


def _recall(y: Labels, score: Scores, _c: Context, params: Mapping[str, object], _w: str) -> float:
    return float((score[y == 1] >= float(str(params["threshold"]))).mean())


def _card_precision(y: Labels, score: Scores, context: Context, params: Mapping[str, object], place: str) -> float:
    """Card Precision@k of the Fraud Detection Handbook (Le Borgne et al., 2022).

    For each day: cards by the highest score of their rows, the k highest taken, the share of k that is compromised on
    that day; mean over days. Two kinds of cards are out of consideration, as nobody has to find them: those that were
    detected on an earlier day (chapter 4.4, ``remove_detected_compromised_cards``), and those of which a fraud since
    the begin of training was known when the day began (chapter 3.4, ``known_defrauded_customers``). Known means that
    the label had matured, which is the Handbook's delay. Equal scores keep the order of rows.
    """
    by, k = str(params["by"]), int(str(params["k"]))
    if by not in context.columns:
        cure = nearest(by, context.columns) or "write by= with the key of the spine, of an entity or of the label"
        raise HeadraceError(Fault("HR-LEARN-012", place, f"no column {by!r} in the training set", "the card", cure))
    names, cards = np.unique(context.columns[by], return_inverse=True)
    day = context.time_us // DAY_US
    known_us = context.known_us.get(by, np.full(len(y), NEVER))
    detected, shares = np.zeros(len(names), dtype=np.bool_), []
    for one in np.unique(day):
        rows = np.flatnonzero((day == one) & (known_us > one * DAY_US) & ~detected[cards])
        caught = _caught(cards[rows], y[rows], score[rows], k)
        shares.append(len(caught) / k)
        detected[caught] = True
    return float(np.mean(shares))


def _caught(cards: npt.NDArray[np.int64], y: Labels, score: Scores, k: int) -> npt.NDArray[np.int64]:
    """The compromised cards among the k with the highest score."""
    ranked = cards[np.argsort(-score, kind="stable")]
    _, first = np.unique(ranked, return_index=True)
    top = ranked[np.sort(first)[:k]]
    return np.intersect1d(top, cards[y == 1])


METRICS: Mapping[str, Function] = {
    "average_precision": _average_precision,
    "roc_auc": _roc_auc,
    "log_loss": _log_loss,
    "brier": _brier,
    "precision": _precision,
    "recall": _recall,
    "card_precision": _card_precision,
}
"""Every metric a model can declare; a new one is a function and a line here."""
