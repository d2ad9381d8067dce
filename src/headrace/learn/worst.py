"""Which rows matter most where a model is not good enough: the slice of a feature that holds most excess loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.cases import Cases
from headrace.learn.metrics import Scores

_BINS, _LEAST = 10, 30
"""Parts of a feature's values that are looked at; and rows below which a part tells nothing."""
_TINY = 1e-6
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Slice:
    """Rows of which a feature lies in a range, has a text, or is null.

    Args:
        says: which rows, such as ``"now.amount above 210"``.
        rows: share of all rows.
        loss: share of all loss, of which ``rows`` would be an even share.
    """

    says: str
    rows: float
    loss: float

    @property
    def sentence(self) -> str:
        return f"{self.loss:.0%} of the loss lies in the {self.rows:.1%} of rows with {self.says}"


def losses(task: Task, y: npt.NDArray[np.generic], score: Scores) -> Floats:
    """Return what each row costs: minus its log-likelihood, or how far a number is off.

    Args:
        task: of the model.
        y: labels, shape (n,).
        score: float64, shape (n,) or (n, k).

    Example:
        >>> from headrace.declare import regression
        >>> losses(regression(), np.array([1.0, 5.0]), np.array([1.0, 3.0])).tolist()
        [0.0, 2.0]
    """
    if score.ndim == 2 and task.name == "multiclass":
        shares = score / score.sum(axis=1, keepdims=True)
        return np.asarray(-np.log(np.clip(shares[np.arange(len(y)), y.astype(np.int64)], _TINY, 1)), np.float64)
    number = y.astype(np.float64)
    if score.ndim == 2:
        return np.asarray(np.abs(number[:, None] - score).mean(axis=1), np.float64)
    if task.name == "binary" and score.min() >= 0 and score.max() <= 1:
        return np.asarray(-np.log(np.clip(np.where(number == 1, score, 1 - score), _TINY, 1)), np.float64)
    if task.name in ("binary", "anomaly", "ranking"):  # scores of no unit: by how many places a row is off
        ranked = np.argsort(np.argsort(score, kind="stable"), kind="stable") / max(len(score) - 1, 1)
        return np.asarray(np.abs(number / max(float(number.max()), 1.0) - ranked), np.float64)
    return np.asarray(np.abs(number - score), np.float64)


def worst(cases: Cases, loss: Floats) -> Slice | None:
    """Return the slice with the most loss beyond its share; none where no slice has more than half as much again.

    Args:
        cases: the rows.
        loss: of each of them; where it is a difference from another model's, rows that gained count against it.
    """
    total, count = float(np.maximum(loss, 0).sum()), len(loss)
    if total <= 0:
        return None
    best, most = None, 0.0
    for at, name in enumerate(cases.names):
        for says, rows in _parts(name, cases.x[:, at], cases.categories.get(name, ())):
            inside = int(rows.sum())
            if not _LEAST <= inside < count:
                continue
            held = float(np.maximum(loss[rows], 0).sum())
            excess = held - total * inside / count
            if excess > most and held / total >= 1.5 * inside / count:
                best, most = Slice(says, inside / count, held / total), excess
    return best


def _parts(name: str, x: npt.NDArray[np.float32], texts: tuple[str, ...]) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    missing = np.isnan(x)
    found = [(f"{name} null", missing)]
    values = x[~missing]
    if texts:
        counts = np.bincount(values.astype(np.int64), minlength=len(texts))
        often = np.argsort(-counts, kind="stable")[: 2 * _BINS]
        return found + [(f"{name} = {texts[one]!r}", x == one) for one in often]
    distinct = np.unique(values)
    if len(distinct) <= _BINS:
        return found + [(f"{name} = {one:.6g}", x == one) for one in distinct]
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
    place = np.searchsorted(edges, x, side="left")
    for at in range(len(edges) + 1):
        low, high = (edges[at - 1] if at else None), (edges[at] if at < len(edges) else None)
        says = (
            f"up to {high:.6g}" if low is None else f"above {low:.6g}" + ("" if high is None else f" up to {high:.6g}")
        )
        found.append((f"{name} {says}", (place == at) & ~missing))
    return found
