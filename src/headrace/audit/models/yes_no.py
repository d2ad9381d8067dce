"""How the scores of a model that answers yes or no lie: precision, recall, ROC, cost, calibration, and their bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.audit.models.blocks import Blocks, Floats, Ints
from headrace.audit.models.money import Costs
from headrace.audit.models.tested import Tested
from headrace.learn.rates import wilson

BINS, LEAST_IN_BIN = 12, 30
LOWEST = 0.001
"""Scores below this are one bin of the calibration."""
CUTS = 160
SPREAD_BINS = 40
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Curve:
    """Points of a curve, and where it lies with 95 % confidence at each; no band where there are too few days."""

    points: Points
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Acting:
    """What acting from a score on means: rows a day, how many of them are right, how many of all are found."""

    score: float
    says: str
    per_day: float
    precision: float
    recall: float
    false_alarms: float


@dataclass(frozen=True)
class Bin:
    """Test rows of about the same score: their mean score, the share that is positive, and its 95 % interval."""

    score: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Spread:
    """How many negatives and positives have which score: edges of bins, and the rows in each."""

    edges: tuple[float, ...]
    negatives: tuple[int, ...]
    positives: tuple[int, ...]
    log: bool


@dataclass(frozen=True)
class Costing:
    """What a day costs by how many rows are taken on it.

    Args:
        curve: rows taken a day, and what the day costs.
        chosen: what it costs at the score from which on is acted.
        nothing: where none is taken.
        least: the lowest of the curve, which is known only afterwards.
        unit: of all of them.
    """

    curve: Curve
    chosen: float
    nothing: float
    least: float
    unit: str


@dataclass(frozen=True)
class YesNo:
    """How scores lie on the test rows.

    Args:
        rows, positives, days: of the test.
        precision: by recall.
        found: recall by rows taken a day.
        roc: recall by the share of negatives that is taken.
        acting: at the score from which on is acted.
        bins: of the calibration; none for what is no probability.
        spread: of the scores.
        costing: where mistakes have a price.
    """

    rows: int
    positives: int
    days: int
    precision: Curve
    found: Curve
    roc: Curve
    acting: Acting
    bins: tuple[Bin, ...]
    spread: Spread
    costing: Costing | None = None


def yes_no(tested: Tested, costs: Costs | None) -> YesNo:
    """Return how the scores of a version lie on its test rows."""
    y, score, days = tested.test.y, tested.score, tested.days
    at = _cuts(y, score)
    positives, negatives = _taken(y, score, at)
    drawn = _Drawn(tested.blocks, y, score, at) if tested.blocks is not None else None
    recall, share = positives / positives[-1], negatives / max(negatives[-1], 1)
    precision, taken = positives / (positives + negatives), (positives + negatives) / days
    # what lies below 0 or above 1 claims to be no probability, and is not held to be one
    bins = calibration(y, score) if tested.model.task.name == "binary" and 0 <= score.min() <= score.max() <= 1 else []
    return YesNo(
        len(y),
        int(y.sum()),
        days,
        drawn.band(recall, precision, "recall", "precision") if drawn else _curve(recall, precision),
        drawn.band(taken, recall, "taken", "recall", days) if drawn else _curve(taken, recall),
        drawn.band(share, recall, "share", "recall") if drawn else _curve(share, recall),
        _acting(tested),
        tuple(bins),
        spread_of(y, score),
        None if costs is None else _costing(tested, costs, at, taken),
    )


def _cuts(y: Ints, score: Floats) -> Floats:
    """Some of the distinct scores, from the highest: evenly over recall, over rows, and over their orders of size."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    hits = np.cumsum(y[order])[ends]
    even = np.linspace(0.002, 1, CUTS)
    some = [np.searchsorted(hits / hits[-1], even), np.searchsorted((ends + 1) / len(y), even[::2])]
    some.append(np.searchsorted(ends + 1, np.geomspace(1, len(y), CUTS // 2)))
    places = np.unique(np.concatenate(some).clip(max=len(ends) - 1))
    chosen: Floats = score[order][ends[places]]
    return chosen


def _taken(y: Ints, score: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Positives and negatives at or above each of some descending scores."""
    place = np.searchsorted(-at, -score)
    counts = [np.cumsum(np.bincount(place[y == truth], minlength=len(at) + 1)[: len(at)]) for truth in (1, 0)]
    return counts[0].astype(np.float64), counts[1].astype(np.float64)


def _curve(x: Floats, y: Floats) -> Curve:
    return Curve(tuple(zip(x.tolist(), y.tolist(), strict=True)))


class _Drawn:
    """Positives and negatives at or above each score in each draw of days, and curves over them."""

    def __init__(self, blocks: Blocks, y: Ints, score: Floats, at: Floats) -> None:
        place = np.searchsorted(-at, -score).astype(np.int64)
        each = [blocks.sums(place, len(at) + 1, (y == truth).astype(np.float64))[:, :-1] for truth in (1, 0)]
        hits, wrong = (np.cumsum(blocks.drawn(one), axis=1) for one in each)
        self._blocks = blocks
        with np.errstate(all="ignore"):
            self._of = {
                "recall": hits / hits[:, -1:],
                "share": wrong / wrong[:, -1:],
                "precision": hits / (hits + wrong),
                "taken": hits + wrong,
            }

    def band(self, x: Floats, y: Floats, across: str, up: str, divided: float = 1.0) -> Curve:
        """Return a curve with where it lies at each x: what each draw says there."""
        along, upward = self._of[across] / divided, self._of[up]
        drawn = np.stack([np.interp(x, one, other) for one, other in zip(along, upward, strict=True)])
        low, high = self._blocks.band(y, drawn)
        edges = (tuple(np.clip(edge, 0, 1).tolist()) for edge in (low, high))
        return Curve(tuple(zip(x.tolist(), y.tolist(), strict=True)), *edges)


def _acting(tested: Tested) -> Acting:
    at, says = tested.threshold
    y, taken = tested.test.y, tested.score >= at
    right, count = int(y[taken].sum()), int(taken.sum())
    wrong = (count - right) / max(int((y == 0).sum()), 1)
    return Acting(at, says, count / tested.days, right / max(count, 1), right / int(y.sum()), wrong)


def _costing(tested: Tested, costs: Costs, at: Floats, taken: Floats) -> Costing:
    y, score, days = tested.test.y, tested.score, tested.days
    nothing = costs.of(y, np.zeros(len(y), np.bool_)) / days
    saved = np.where(y == 1, costs.missed, -costs.wrong) / days
    place = np.searchsorted(-at, -score).astype(np.int64)
    each = (nothing - np.cumsum(np.bincount(place, saved, len(at) + 1)[: len(at)])).astype(np.float64)
    points = tuple(zip(taken.tolist(), each.tolist(), strict=True))
    chosen = costs.of(y, score >= tested.threshold[0]) / days
    curve = Curve(points)
    if tested.blocks is not None:
        missed = np.where(y == 1, costs.missed, 0.0) / days
        drawn = tested.blocks.drawn(tested.blocks.sums(np.zeros_like(place), 1, missed))
        less = tested.blocks.drawn(tested.blocks.sums(place, len(at) + 1, saved)[:, :-1])
        low, high = tested.blocks.band(each, drawn - np.cumsum(less, axis=1))
        curve = Curve(points, tuple(low.clip(0).tolist()), tuple(high.tolist()))
    return Costing(curve, chosen, nothing, min(float(each.min()), nothing), costs.unit)


def spread_of(y: npt.NDArray[np.int64], score: Floats) -> Spread:
    """Return how many negatives and positives have which score; over the logarithm where most probabilities are small.

    Example:
        >>> found = spread_of(np.array([0, 0, 1]), np.array([0.2, 0.4, 0.9]))
        >>> sum(found.negatives), sum(found.positives), found.log
        (2, 1, False)
    """
    low, high = float(score.min()), float(score.max())
    log = low >= 0 and high <= 1 and float(np.median(score)) < 0.05
    if log:
        edges = np.geomspace(max(float(np.quantile(score, 0.001)), 1e-5), max(high, 1e-4), SPREAD_BINS + 1)
    else:
        low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high if high > low else low + 1)
        edges = np.linspace(low, high, SPREAD_BINS + 1)
    held = score.clip(edges[0], edges[-1])
    negatives, positives = (tuple(np.histogram(held[y == truth], edges)[0].tolist()) for truth in (0, 1))
    return Spread(tuple(edges.tolist()), negatives, positives, log)


def calibration(y: npt.NDArray[np.int64], score: Floats) -> list[Bin]:
    """Return bins of like scores, their edges evenly over the logarithm, since what is rare is told by its order.

    Example:
        >>> y, score = np.repeat([0, 1], 50), np.full(100, 0.5)
        >>> [round(value, 3) for value in vars(calibration(y, score)[0]).values()]
        [0.5, 0.5, 0.404, 0.596]
    """
    edges = np.geomspace(LOWEST, 1.0, BINS + 1)[1:-1]
    place = np.searchsorted(edges, score)
    found = []
    for one in range(BINS):
        rows = place == one
        count = int(rows.sum())
        if count >= LEAST_IN_BIN:
            share = float(y[rows].mean())
            found.append(Bin(float(score[rows].mean()), share, *wilson(share, count)))
    return found
