"""Bands by bootstrap over blocks of days: how far a curve would move with other days like these.

Days are drawn with replacement, and each row counts as often as its day was drawn (Künsch, Annals of Statistics 17,
1989; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8), since rows of one day are alike. What a
curve needs is summed up once for each day; a draw is then a product of small matrices, however many rows there are.
Percentiles of few days are too narrow: they are widened as Student's t asks for so many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.clock import DAY_US

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DRAWS = 300
LEAST, MOST = 5, 60
"""Blocks: below the least nothing is said; more days than the most share blocks."""
_Z = 1.959964


@dataclass(frozen=True)
class Blocks:
    """The blocks that rows lie in, and how often each was drawn.

    Args:
        of_row: the block of each row, shape (rows,), int64.
        weights: how often each block was drawn, shape (draws, blocks), float64.
    """

    of_row: Ints
    weights: Floats

    @property
    def count(self) -> int:
        return int(self.weights.shape[1])

    def sums(self, cell: Ints, cells: int, values: Floats | None = None) -> Floats:
        """Return what rows sum up to in each block and cell, shape (blocks, cells); their number without values."""
        place = self.of_row * cells + cell
        found: Floats = np.bincount(place, values, self.count * cells).reshape(self.count, cells).astype(np.float64)
        return found

    def drawn(self, sums: Floats) -> Floats:
        """Return the sums of each draw, shape (draws, cells)."""
        drawn: Floats = self.weights @ sums
        return drawn

    def band(self, point: Floats, drawn: Floats) -> tuple[Floats, Floats]:
        """Return where values lie with 95 % confidence: low and high, shape (cells,); around the point, always."""
        known = np.where(np.isnan(drawn).all(axis=0), point, drawn)
        edges = np.nanquantile(known, [0.025, 0.975], axis=0)
        low, high = point + (edges - point) * self._wider
        return np.fmin(low, point), np.fmax(high, point)

    def error(self, drawn: Floats) -> Floats:
        """Return the standard error of values, shape (cells,)."""
        known = ~np.isnan(drawn).all(axis=0)
        spread = np.full(drawn.shape[1:], np.nan)
        spread[known] = np.nanstd(drawn[:, known], axis=0) * math.sqrt(self.count / (self.count - 1))
        return spread

    @property
    def _wider(self) -> float:
        from scipy.special import stdtrit

        blocks = self.count
        return math.sqrt(blocks / (blocks - 1)) * float(stdtrit(blocks - 1, 0.975)) / _Z


def blocks_of(time_us: Ints, groups: npt.NDArray[np.uint64] | None = None, seed: int = 0) -> Blocks | None:
    """Return the blocks of rows, or None where there are too few of them to say anything.

    Args:
        time_us: event times, int64 microseconds UTC, shape (rows,).
        groups: of a split by groups, a number for each: then whole groups are drawn, since these are apart.
        seed: of the draws.

    Example:
        >>> blocks = blocks_of(np.arange(14) * DAY_US)
        >>> blocks.count, blocks.weights.shape, blocks.weights.sum(axis=1)[:2].tolist()
        (14, (300, 14), [14.0, 14.0])
    """
    named, place = np.unique(time_us // DAY_US if groups is None else groups, return_inverse=True)
    count = min(len(named), MOST)
    if count < LEAST:
        return None
    of_row = place.astype(np.int64) * count // len(named)
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), DRAWS)
    return Blocks(of_row, weights.astype(np.float64))
