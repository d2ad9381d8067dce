"""Metrics of models that answer yes or no."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headrace.clock import DAY_US
from headrace.errors import Fault, HeadraceError, nearest
from headrace.learn.metrics.context import NEVER, Context, Each, Function, Labels, OfRows, Params, Scores

_BINS = 10


def steps(y: Labels, score: Scores) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return positives and negatives at or above each distinct score, from the highest score down."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    positives = np.cumsum(y[order])[ends]
    return positives, ends + 1 - positives


def _average_precision(y: Labels, score: Scores, _c: Context, _p: Params, _w: str) -> float:
    positives, negatives = steps(y, score)
    gained = np.diff(positives, prepend=0) / positives[-1]
    return float(np.sum(gained * positives / (positives + negatives)))


def _roc_auc(y: Labels, score: Scores, _c: Context, _p: Params, _w: str) -> float:
    positives, negatives = steps(y, score)
    new_positives, new_negatives = np.diff(positives, prepend=0), np.diff(negatives, prepend=0)
    below = negatives[-1] - negatives
    # twice the number of won pairs stays a whole number: no rounding before the one division
    won = int(np.sum(new_positives * (2 * below + new_negatives)))
    return won / (2 * int(positives[-1]) * int(negatives[-1]))


def _log_loss(y: Labels, score: Scores, _c: Context, _p: Params, place: str) -> Each:
    _check_probability(score, "log_loss", place)
    tiny = np.finfo(np.float64).eps
    likely = np.clip(np.where(y == 1, score, 1 - score), tiny, 1 - tiny)
    return np.asarray(-np.log(likely), np.float64)


def _brier(y: Labels, score: Scores, _c: Context, _p: Params, place: str) -> Each:
    _check_probability(score, "brier", place)
    return (score - y) ** 2


def _check_probability(score: Scores, name: str, place: str) -> None:
    low, high = float(score.min()), float(score.max())
    if low < 0 or high > 1:
        found = f"scores from {low:.6g} to {high:.6g} for {name}"
        cure = "return an estimator with predict_proba, or choose another metric"
        raise HeadraceError(Fault("HR-LEARN-013", place, found, "probabilities from 0 to 1", cure))


def _precision(y: Labels, score: Scores, rows: Context, params: Params, _w: str) -> float:
    chosen = score >= threshold(params, rows)
    return float(y[chosen].mean()) if chosen.any() else 0.0


def _recall(y: Labels, score: Scores, rows: Context, params: Params, _w: str) -> float:
    return float((score[y == 1] >= threshold(params, rows)).mean())


def _f_score(y: Labels, score: Scores, rows: Context, params: Params, _w: str) -> float:
    chosen, square = score >= threshold(params, rows), float(params["beta"]) ** 2
    right = float(y[chosen].sum())
    return (1 + square) * right / (square * float(y.sum()) + float(chosen.sum())) if right else 0.0


def _recall_at(y: Labels, score: Scores, _c: Context, params: Params, _w: str) -> float:
    """Of rows with the same score, where not all of them are within the rate, the positives count by their share."""
    room = float(params["rate"]) * len(y)
    positives, negatives = steps(y, score)
    taken = positives + negatives
    return float(np.interp(room, np.append(0, taken), np.append(0, positives)) / positives[-1])


def _calibration_error(y: Labels, score: Scores, _c: Context, _p: Params, place: str) -> float:
    _check_probability(score, "calibration_error", place)
    bins = like_scores(score)
    return float(sum(len(one) * abs(float(score[one].mean()) - float(y[one].mean())) for one in bins) / len(score))


def like_scores(score: Scores) -> list[npt.NDArray[np.int64]]:
    """Return the places of rows in ten bins of equally many, by their scores."""
    return np.array_split(np.argsort(score, kind="stable"), min(_BINS, len(score)))


def _expected_cost(y: Labels, score: Scores, rows: Context, params: Params, place: str) -> Each:
    chosen = score >= threshold(params, rows)
    wrong, missed = (costs(params[name], rows, len(y), place) for name in ("false_positive", "false_negative"))
    return np.where(chosen & (y == 0), wrong, 0.0) + np.where(~chosen & (y == 1), missed, 0.0)


def costs(said: float | str, rows: Context, count: int, place: str) -> npt.NDArray[np.float64]:
    """Return what a mistake costs in each row: a number, or what a column says.

    Raises:
        HeadraceError: HR-LEARN-012 for a column that the set does not have, or that has no value in some row.
    """
    if not isinstance(said, str):
        return np.full(count, float(said))
    found = rows.amounts.get(said)
    if found is None:
        cure = nearest(said, rows.amounts) or "name a feature or a key of the training set"
        raise HeadraceError(Fault("HR-LEARN-012", place, f"no column {said!r} in the training set", "a cost", cure))
    if not np.isfinite(found).all():
        told = f"{int((~np.isfinite(found)).sum())} rows without a cost in {said!r}"
        raise HeadraceError(Fault("HR-LEARN-012", place, told, "a cost in each row", "coalesce it to a number"))
    return found


def threshold(params: Params, rows: Context) -> float:
    """Return from which score on a metric takes a case for acted on."""
    said = params.get("threshold")
    return rows.threshold if said is None else float(said)


def _card_precision(y: Labels, score: Scores, context: Context, params: Params, place: str) -> float:
    return float(np.mean(list(card_precision_by_day(y, score, context, params, place).values())))


def card_precision_by_day(y: Labels, score: Scores, context: Context, params: Params, place: str) -> dict[int, float]:
    """Card Precision@k of the Fraud Detection Handbook (Le Borgne et al., 2022).

    For each day since 1970: cards by the highest score of their rows, the k highest taken, the share of k that is
    compromised on that day. Two kinds of cards are out of consideration, as nobody has to find them: those that were
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
    detected, shares = np.zeros(len(names), dtype=np.bool_), dict[int, float]()
    for one in np.unique(day):
        rows = np.flatnonzero((day == one) & (known_us > one * DAY_US) & ~detected[cards])
        caught = _caught(cards[rows], y[rows], score[rows], k)
        shares[int(one)] = len(caught) / k
        detected[caught] = True
    return shares


def _caught(cards: npt.NDArray[np.int64], y: Labels, score: Scores, k: int) -> npt.NDArray[np.int64]:
    """The compromised cards among the k with the highest score."""
    ranked = cards[np.argsort(-score, kind="stable")]
    _, first = np.unique(ranked, return_index=True)
    top = ranked[np.sort(first)[:k]]
    return np.intersect1d(top, cards[y == 1])


BINARY: dict[str, Function] = {
    "average_precision": _average_precision,
    "roc_auc": _roc_auc,
    "calibration_error": _calibration_error,
    "precision": _precision,
    "recall": _recall,
    "f_score": _f_score,
    "recall_at": _recall_at,
    "card_precision": _card_precision,
}
BINARY_ROWS: dict[str, OfRows] = {"log_loss": _log_loss, "brier": _brier, "expected_cost": _expected_cost}
