"""How well numbers are foretold: predictions against truth, residuals; of quantiles, how many labels are below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace.audit.models.blocks import Floats
from headrace.audit.models.tested import Tested

CELLS, BINS = 36, 40


@dataclass(frozen=True)
class Numbers:
    """Foretold numbers against the true ones.

    Args:
        edges: of the cells, the same for both ways; from the 0.5th to the 99.5th percentile of both.
        counts: rows in each cell: ``counts[foretold][true]``; what is beyond lies in the outermost.
        residuals: edges of bins of what was foretold minus what was true, and the rows in each.
        bias: mean of that.
        middle: half of all residuals are no larger than this.
        far: nine of ten are no larger than this.
    """

    edges: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    residuals: tuple[tuple[float, ...], tuple[int, ...]]
    bias: float
    middle: float
    far: float


@dataclass(frozen=True)
class Level:
    """A foretold quantile: the share of labels at or below it, with its band, and its pinball loss.

    Args:
        level: that was asked for.
        below: share of the labels at or below it.
        low, high: where that lies with 95 % confidence; both ``below`` where there are too few days.
        pinball: loss.
        constant: the loss of the label's own quantile, which knows no feature.
    """

    level: float
    below: float
    low: float
    high: float
    pinball: float
    constant: float


@dataclass(frozen=True)
class Quantiles:
    """All foretold quantiles, and what share of the labels lies between the outermost."""

    levels: tuple[Level, ...]
    between: float
    crossing: int


def numbers(tested: Tested) -> Numbers:
    """Return foretold numbers against the true ones, of a model of numbers."""
    y, score = tested.test.y.astype(np.float64), tested.score
    edges = _edges(np.concatenate([np.quantile(one, [0.005, 0.995]) for one in (y, score)]), CELLS)
    counts = np.histogram2d(score.clip(edges[0], edges[-1]), y.clip(edges[0], edges[-1]), [edges, edges])[0]
    left = score - y
    bins = _edges(np.quantile(left, [0.005, 0.995]), BINS)
    held = np.histogram(left.clip(bins[0], bins[-1]), bins)[0]
    return Numbers(
        tuple(edges.tolist()),
        tuple(tuple(int(one) for one in row) for row in counts),
        (tuple(bins.tolist()), tuple(int(one) for one in held)),
        float(left.mean()),
        float(np.quantile(np.abs(left), 0.5)),
        float(np.quantile(np.abs(left), 0.9)),
    )


def _edges(ends: Floats, count: int) -> Floats:
    low, high = float(ends.min()), float(ends.max())
    return np.linspace(low, high if high > low else low + 1.0, count + 1)


def quantiles(tested: Tested) -> Quantiles:
    """Return how many labels lie below each foretold quantile."""
    y, each = tested.test.y.astype(np.float64), tested.each
    found = []
    for at, level in enumerate(tested.model.task.levels):
        below = (y <= each[:, at]).astype(np.float64)
        share = low = high = float(below.mean())
        if tested.blocks is not None:
            one = np.zeros(len(y), np.int64)
            drawn = tested.blocks.drawn(tested.blocks.sums(one, 1, below)) / tested.blocks.drawn(
                tested.blocks.sums(one, 1)
            )
            band = tested.blocks.band(np.array([share]), drawn)
            low, high = (float(np.clip(edge[0], 0, 1)) for edge in band)
        constant = float(np.quantile(y, level))
        found.append(
            Level(
                level, share, low, high, _pinball(y, each[:, at], level), _pinball(y, np.full(len(y), constant), level)
            )
        )
    between = float(((y >= each[:, 0]) & (y <= each[:, -1])).mean())
    return Quantiles(tuple(found), between, int((np.diff(each, axis=1) < 0).any(axis=1).sum()))


def _pinball(y: Floats, score: Floats, level: float) -> float:
    short = y - score
    return float(np.mean(np.maximum(level * short, (level - 1) * short)))
