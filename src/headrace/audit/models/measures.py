"""What groups of rows are compared by: where positives are rare in some, a number that does not depend on that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from headrace.audit.models.blocks import Blocks, Floats, Ints
from headrace.audit.models.tested import Tested
from headrace.declare import roc_auc

_BINS, _LEAST = 128, 0.02


@dataclass(frozen=True)
class Measure:
    """A measure of groups of rows.

    Args:
        label: what it is called.
        sign: 1 where greater is better, else -1.
        value: of some rows, exactly; None where it says nothing of them.
        sums: of each block and group, shape (blocks, groups, k): what ``ratio`` needs.
        ratio: of such sums, the measure, which may be a little coarser than ``value``.
        least: what is not further apart than this is not worth naming, however sure.
        off: whether it is how far scores are off, so that a group is held against 0 and not against the rest.
    """

    label: str
    sign: int
    value: Callable[[Ints], float | None]
    sums: Callable[[Blocks, Ints, int], Floats]
    ratio: Callable[[Floats], Floats]
    least: float
    off: bool = False


def measure_of(tested: Tested) -> Measure | None:
    """Return the measure for the task of a model; None for rankings, whose rows say nothing one by one."""
    task = tested.model.task.name
    if task in ("binary", "anomaly"):
        return _auc(tested)
    if task == "multiclass":
        right = (np.argmax(tested.score, axis=1) == tested.test.y).astype(np.float64)
        return _share("share of the right class", 1, right, np.ones(tested.rows))
    if task == "regression":
        return _share("mean absolute error", -1, np.abs(tested.test.y - tested.score), np.ones(tested.rows))
    return _share("pinball loss", -1, _pinball(tested), np.ones(tested.rows)) if task == "quantiles" else None


def rates_of(tested: Tested) -> Measure | None:
    """Return by how much mean score and share of positives differ; None where scores claim to be no probabilities."""
    score = tested.score
    if tested.model.task.name != "binary" or score.min() < 0 or score.max() > 1:
        return None
    found = _share("foretold less true share", 1, score - tested.test.y, np.ones(tested.rows))
    return replace(found, least=max(0.2 * float(tested.test.y.mean()), 0.0005), off=True)


def _auc(tested: Tested) -> Measure:
    """The area under the ROC curve does not depend on how rare positives are (Fawcett, 2006)."""
    score, y = tested.score, tested.test.y
    edges = np.unique(
        np.concatenate([np.quantile(part, np.linspace(0, 1, _BINS)) for part in (score, score[y == 1])])
        if y.any()
        else np.quantile(score, np.linspace(0, 1, _BINS))
    )
    count = len(edges) + 1
    cell = y * count + np.searchsorted(edges, score)

    def sums(blocks: Blocks, of_row: Ints, groups: int) -> Floats:
        found = blocks.sums(of_row * (2 * count) + cell, groups * 2 * count)
        return found.reshape(blocks.count, groups, 2 * count)

    def ratio(counts: Floats) -> Floats:
        negatives, positives = counts[..., :count], counts[..., count:]
        below = np.cumsum(negatives, axis=-1) - negatives / 2
        won: Floats = (positives * below).sum(-1) / (positives.sum(-1) * negatives.sum(-1))
        return won

    return Measure("ROC AUC", 1, lambda rows: tested.value(roc_auc(), rows), sums, ratio, _LEAST)


def _pinball(tested: Tested) -> Floats:
    short = tested.test.y[:, None] - tested.each
    levels = np.array(tested.model.task.levels)
    loss: Floats = np.maximum(levels * short, (levels - 1) * short).mean(axis=1)
    return loss


def _share(label: str, sign: int, part: Floats, whole: Floats) -> Measure:
    def value(rows: Ints) -> float | None:
        of = float(whole[rows].sum())
        return float(part[rows].sum()) / of if of > 0 else None

    def sums(blocks: Blocks, of_row: Ints, groups: int) -> Floats:
        return np.stack([blocks.sums(of_row, groups, one) for one in (part, whole)], axis=-1)

    def ratio(found: Floats) -> Floats:
        share: Floats = found[..., 0] / found[..., 1]
        return share

    whole_of_all = float(part.sum() / whole.sum())
    return Measure(label, sign, value, sums, ratio, _LEAST if sign > 0 else 0.1 * whole_of_all)
