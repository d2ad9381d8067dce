"""Metrics of models that name one of several classes, foretell a number, its quantiles, or rank rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from headrace.errors import Fault, HeadraceError
from headrace.learn.metrics.context import Context, Each, Function, Labels, OfRows, Params, Scores


def _log_loss(y: Labels, score: Scores, _c: Context, _p: Params, _w: str) -> Each:
    tiny = np.finfo(np.float64).eps
    shares = np.clip(score / score.sum(axis=1, keepdims=True), tiny, 1 - tiny)
    return np.asarray(-np.log(shares[np.arange(len(y)), y]), np.float64)


def _brier(y: Labels, score: Scores, _c: Context, _p: Params, _w: str) -> Each:
    true = np.zeros_like(score)
    true[np.arange(len(y)), y] = 1
    return np.asarray(np.sum((score - true) ** 2, axis=1), np.float64)


def _roc_auc(y: Labels, score: Scores, rows: Context, params: Params, place: str) -> float:
    """Mean over classes, each against all others (Fawcett, 2006); those without a row are left out."""
    from headrace.learn.metrics.binary import BINARY

    there = [one for one in range(score.shape[1]) if 0 < int((y == one).sum()) < len(y)]
    each = [BINARY["roc_auc"]((y == one).astype(np.int64), score[:, one], rows, params, place) for one in there]
    return float(np.mean(each))


def _accuracy(y: Labels, score: Scores, _c: Context, _p: Params, _w: str) -> Each:
    return np.asarray(np.argmax(score, axis=1) == y, np.float64)


def _f1(y: Labels, score: Scores, _c: Context, params: Params, _w: str) -> float:
    named, count = np.argmax(score, axis=1), score.shape[1]
    right = np.bincount(y[named == y], minlength=count)
    there, said = np.bincount(y, minlength=count), np.bincount(named, minlength=count)
    known = (there + said) > 0
    each = 2 * right[known] / (there + said)[known]
    return float(np.average(each, weights=there[known]) if params["average"] == "weighted" else np.mean(each))


def _rmse(y: Labels, score: Scores, _c: Context, _p: Params, _w: str) -> float:
    return float(np.sqrt(np.mean((y - score) ** 2)))


def _mae(y: Labels, score: Scores, _c: Context, _p: Params, _w: str) -> Each:
    return np.abs(y - score)


def _r2(y: Labels, score: Scores, _c: Context, _p: Params, _w: str) -> float:
    spread = float(np.sum((y - y.mean()) ** 2))
    return 1 - float(np.sum((y - score) ** 2)) / spread if spread else 0.0


def _pinball(y: Labels, score: Scores, rows: Context, params: Params, place: str) -> Each:
    level, levels = params.get("q"), rows.levels
    if score.ndim == 1:
        return _loss(y, score, 0.5 if level is None else float(level))
    if level is None:
        return np.asarray(np.mean([_loss(y, score[:, at], one) for at, one in enumerate(levels)], axis=0), np.float64)
    if level not in levels:
        found, cure = f"pinball({level})", f"name one of {', '.join(map(str, levels))}"
        raise HeadraceError(Fault("HR-LEARN-012", place, found, "a level that the model foretells", cure))
    return _loss(y, score[:, levels.index(level)], float(level))


def _loss(y: Labels, score: Scores, level: float) -> Each:
    short = y - score
    return np.maximum(level * short, (level - 1) * short)


def _coverage(y: Labels, score: Scores, _c: Context, _p: Params, _w: str) -> Each:
    low, high = (score, score) if score.ndim == 1 else (score[:, 0], score[:, -1])
    return ((y >= low) & (y <= high)).astype(np.float64)


def _ndcg(y: Labels, score: Scores, rows: Context, params: Params, place: str) -> Each:
    """Gains are the labels, discounted by log2; equal scores share the mean of their gains (McSherry, Najork, 2008)."""
    k, found = params.get("k"), []
    for one in groups(rows, place):
        most = len(one) if k is None else min(int(k), len(one))
        discount = np.where(np.arange(len(one)) < most, 1 / np.log2(np.arange(len(one)) + 2), 0)
        ideal = float(np.sum(np.sort(y[one])[::-1] * discount))
        gained = float(np.sum(_shared(y[one], score[one]) * discount))
        found.append(gained / ideal if ideal > 0 else np.nan)
    return np.array(found)


def _shared(gain: Labels, score: Scores) -> npt.NDArray[np.float64]:
    """Gains in the order of the scores, those of equal scores as their mean."""
    order = np.argsort(-score, kind="stable")
    _, tie = np.unique(-score[order], return_inverse=True)
    mean = np.bincount(tie, weights=gain[order]) / np.bincount(tie)
    shared: npt.NDArray[np.float64] = mean[tie]
    return shared


def _reciprocal_rank(y: Labels, score: Scores, rows: Context, _p: Params, place: str) -> Each:
    """Of rows with the same score the last place counts, so that a constant score wins nothing."""
    found = []
    for one in groups(rows, place):
        relevant = score[one][y[one] > 0]
        found.append(1 / float((score[one] >= relevant.max()).sum()) if len(relevant) else np.nan)
    return np.array(found)


def groups(rows: Context, place: str) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the places of the rows of each group that is ranked.

    Raises:
        HeadraceError: HR-LEARN-012 for a column that the set does not have.
    """
    if rows.group not in rows.columns:
        found, cure = f"no column {rows.group!r} in the training set", "name a key in hr.ranking(by=…)"
        raise HeadraceError(Fault("HR-LEARN-012", place, found, "the group", cure))
    _, group = np.unique(rows.columns[rows.group], return_inverse=True)
    order = np.argsort(group, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


CLASSES: dict[str, Function] = {"roc_auc": _roc_auc, "f1": _f1}
CLASSES_ROWS: dict[str, OfRows] = {"log_loss": _log_loss, "brier": _brier, "accuracy": _accuracy}
NUMBERS: dict[str, Function] = {"rmse": _rmse, "r2": _r2}
NUMBERS_ROWS: dict[str, OfRows] = {"mae": _mae, "pinball": _pinball, "coverage": _coverage}
GROUPS: dict[str, OfRows] = {"ndcg": _ndcg, "reciprocal_rank": _reciprocal_rank}
"""One value for each group, in their order; none (NaN) of a group without anything that is relevant."""
