"""How far a metric would move with other days: a bootstrap of blocks, of values and of paired differences.

Rows of a day are alike, so days are drawn, not rows (Künsch, Annals of Statistics 17, 1989): at most 20 blocks of
whole days, each drawn with replacement. Of few blocks a bootstrap thinks too well, so its standard error is widened by
the share that it lacks and taken with the quantile of Student's t for one block less (Cameron, Gelbach and Miller,
Review of Economics and Statistics 90, 2008). Where groups were parted, blocks are groups. What all days share, such as
a season, is not in it: the interval says how sure a number is for this stretch of time, not what it will be in another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from headrace.clock import DAY_US
from headrace.declare import Metric
from headrace.learn.metrics import Context, Labels, Scores, evaluate, mean_of
from headrace.learn.metrics.parts import Floats, Parts, Rows, parts_of

MOST, LEAST = 20, 5
"""Blocks at most, each of so many days as that takes; and at least, below which nothing is said."""
DRAWS, _OWN_DRAWS, _AT_ONCE = 1000, 100, 100
"""Draws of blocks; of metrics of the user's own, which are computed from the rows of each; and those made at once."""
_DEFINED = 0.9
"""Share of the draws of which a metric must be defined: the others may have drawn no positive."""
Span = tuple[float, float]
_SHARE, _POSITIVE = (0.0, 1.0), (0.0, math.inf)
_SHARES = ("average_precision", "roc_auc", "brier", "calibration_error", "precision", "recall", "f_score", "recall_at",
           "card_precision", "accuracy", "f1", "coverage", "ndcg", "reciprocal_rank")  # fmt: skip
_BOUNDS = dict.fromkeys(_SHARES, _SHARE) | dict.fromkeys(("log_loss", "rmse", "mae", "pinball"), _POSITIVE)
"""Between which values a metric lies, whatever the labels and scores."""
_NONE: Floats = np.empty(0)


_NOISE = 1e-4
"""Share of a value up to which two are the same."""


def same(one: float, other: float) -> bool:
    """Return whether two values of a metric are the same: a model differs by as much as a file and as an object.

    Example:
        >>> same(0.67631, 0.67629), same(0.676, 0.675), same(2e-5, 4e-5)
        (True, False, False)
    """
    return abs(one - other) <= _NOISE * max(abs(one), abs(other))


@dataclass(frozen=True)
class Measured:
    """A metric on the test rows: its value, and what it was for each draw of blocks; nothing if these are too few.

    Args:
        value: of all rows.
        drawn: shape (draws,); NaN where it is not defined. The same draws for each that is measured on the same rows.
        blocks: how many there were to draw from.
    """

    value: float
    drawn: Floats = field(default_factory=lambda: _NONE, repr=False)
    blocks: int = 0


@dataclass(frozen=True)
class Difference:
    """How far two models are apart on the same rows.

    Args:
        value: the one minus the other.
        low: end of the interval at 95 % confidence.
        high: the other end.
        p_value: how often chance alone would part two equal models so far or farther (t-test on paired blocks).
    """

    value: float
    low: float
    high: float
    p_value: float

    def __repr__(self) -> str:
        return f"{self.value:+.4f} [{self.low:+.3f}, {self.high:+.3f}], p = {self.p_value:.2g}"


def blocks_of(time_us: npt.NDArray[np.int64], group: npt.NDArray[np.uint64] | None = None) -> npt.NDArray[np.int64]:
    """Return the number of the block in which each row lies.

    Args:
        time_us: event times, int64 microseconds UTC: blocks are days, or several of them.
        group: where groups were parted, a hash of each row's: blocks are as many groups each, in the order of these.
    """
    days, day = np.unique(time_us // DAY_US if group is None else group, return_inverse=True)
    return np.asarray(day * min(len(days), MOST) // max(len(days), 1), np.int64)


def measure(
    metrics: Mapping[str, Metric], y: Labels, score: Scores, context: Context, block: npt.NDArray[np.int64]
) -> dict[str, Measured]:
    """Return each metric with what it was for draws of blocks.

    Args:
        metrics: label to metric.
        y: labels of the rows; of yes or no both present.
        score: float64, of the same rows.
        context: of the same rows.
        block: of each row, from ``blocks_of``.
    """
    names, block = np.unique(block, return_inverse=True)
    rows = Rows(y, score, context, block, len(names))
    return {label: _measured(metric, rows) for label, metric in metrics.items()}


def _measured(metric: Metric, rows: Rows) -> Measured:
    value = evaluate(metric, rows.y, rows.score, rows.context)
    if rows.count < LEAST or not math.isfinite(value):
        return Measured(value)
    parts = parts_of(metric, rows, mean_of(metric, rows.score) if metric.function is None else None)
    drawn = _own(metric, rows) if parts is None else _from(parts, value)
    if float(np.isfinite(drawn).mean()) < _DEFINED:
        return Measured(value)
    return Measured(value, drawn, rows.count)


def _weights(blocks: int, draws: int) -> npt.NDArray[np.int64]:
    """How often each block is drawn; the same for all that have as many blocks, so that differences are paired."""
    return np.random.default_rng(blocks).multinomial(blocks, np.full(blocks, 1 / blocks), size=draws)


def _from(parts: Parts, value: float) -> Floats:
    weights = _weights(len(parts.sums), DRAWS).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = [parts.value(some @ parts.sums) for some in np.split(weights, DRAWS // _AT_ONCE)]
        whole = float(parts.value(parts.sums.sum(axis=0, keepdims=True))[0])
    # Sums take like scores for equal: what that costs the whole it costs each draw.
    found: Floats = np.concatenate(each) + (value - whole)
    return found


def _own(metric: Metric, rows: Rows) -> Floats:
    """A metric of the user's own, from the rows of each draw."""
    places = [np.flatnonzero(rows.block == one) for one in range(rows.count)]
    found = np.full(_OWN_DRAWS, np.nan)
    for at, weight in enumerate(_weights(rows.count, _OWN_DRAWS)):
        some = np.concatenate([places[one] for one in np.repeat(np.arange(rows.count), weight)])
        if rows.y.dtype == np.float64 or len(np.unique(rows.y[some])) > 1:
            found[at] = evaluate(metric, rows.y[some], rows.score[some], rows.context.take(some))
    return found


def interval(metric: Metric, measured: Measured) -> Span | None:
    """Return where a metric lies with 95 % confidence, or None where there are too few days.

    Example:
        >>> from headrace.declare import roc_auc
        >>> low, high = interval(roc_auc(), Measured(0.8, np.array([0.79, 0.80, 0.80, 0.80, 0.81]), 5))
        >>> round(low, 3), round(high, 3)
        (0.778, 0.822)
    """
    if not measured.blocks:
        return None
    wide = _wide(_error(measured.drawn, measured.blocks), measured.blocks)
    low, most = _BOUNDS.get(metric.name, (-math.inf, math.inf))
    return max(measured.value - wide, low), min(measured.value + wide, most)


def difference(one: Measured, other: Measured) -> Difference | None:
    """Return ``one`` minus ``other``, paired: both were given the same draws. None where there are too few days."""
    if not one.blocks or one.blocks != other.blocks or len(one.drawn) != len(other.drawn):
        return None
    from scipy.special import stdtr

    value, error = one.value - other.value, _error(one.drawn - other.drawn, one.blocks)
    wide = _wide(error, one.blocks)
    if same(one.value, other.value):
        return Difference(value, value - wide, value + wide, 1.0)
    if error == 0:
        return Difference(value, value, value, 0.0)
    return Difference(value, value - wide, value + wide, float(2 * stdtr(one.blocks - 1, -abs(value) / error)))


def _error(drawn: Floats, blocks: int) -> float:
    """The standard error: the spread of the draws, and what it lacks since the blocks' own mean is in it."""
    return float(np.std(drawn[np.isfinite(drawn)], ddof=1)) * math.sqrt(blocks / (blocks - 1))


def _wide(error: float, blocks: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(blocks - 1, 0.975)) * error
