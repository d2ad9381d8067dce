"""Shapley values by sampling orders of the features: of any model, by asking it again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.learn.explain.stored import packed, unpacked

Floats = npt.NDArray[np.float64]
Ask = Callable[[npt.NDArray[np.float32]], Floats]
ROWS = 100
"""Rows of training that stand in for what is unknown of a row."""
_SEED = 20_240_229
_AT_ONCE = 4_000_000
"""Numbers of input that the model is asked for at a time."""


@dataclass(frozen=True)
class Sampled:
    """Rows that stand in for what is unknown.

    Args:
        background: rows of training, float32, shape (b, features).
    """

    background: npt.NDArray[np.float32]

    def explain(self, x: npt.NDArray[np.float32], ask: Ask) -> tuple[Floats, Floats, Floats, int]:
        """Return the average score, by how much each feature moves it, how sure that is, and how often was asked.

        For each row of the background the features of a row take the place of its own one after the other, in a random
        order and in the same order backwards (Mitchell and others, Sampling permutations for Shapley value estimation,
        Journal of Machine Learning Research 23, 2022, section 4.1), so what they are given always adds up. The same row
        gets the same answer, whatever else is asked for.

        Args:
            x: float32, shape (n, features), NaN for null.
            ask: the scores of rows, shape (n, k).

        Returns:
            float64: shapes (k,), (n, features, k), the standard error of these, and the evaluations for each row.
        """
        rows = len(self.background)
        start = ask(self.background)
        orders = _orders(rows, x.shape[1])
        each = [self._one(one, ask, orders) for one in x]
        outputs = start.shape[1]
        given = np.stack([one for one, _ in each]) if each else np.empty((0, x.shape[1], outputs))
        error = np.stack([one for _, one in each]) if each else given
        return start.mean(axis=0), given, error, 2 * rows * (x.shape[1] + 1)

    def _one(self, row: npt.NDArray[np.float32], ask: Ask, orders: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
        """What the features of one row are given, and its standard error."""
        features = len(row)
        step = max(1, _AT_ONCE // (2 * (features + 1) * features))
        pairs = [self._walks(row, slice(at, at + step), ask, orders) for at in range(0, len(self.background), step)]
        found = np.concatenate(pairs)
        error = found.std(axis=0, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.full(found.shape[1:], np.nan)
        return found.mean(axis=0), error

    def _walks(self, row: npt.NDArray[np.float32], which: slice, ask: Ask, orders: npt.NDArray[np.int64]) -> Floats:
        """What each feature is given on the way from some rows of the background and back; (rows, features, k)."""
        start, ahead = self.background[which], orders[which]
        both = np.stack([ahead, ahead[:, ::-1]], axis=1)
        count, features = start.shape
        place = np.argsort(both, axis=2)
        # the way's step s holds the features of the row that come before place s, and the rest of the background
        own = place[:, :, None, :] < np.arange(features + 1)[:, None]
        way = np.where(own, row, start[:, None, None, :])
        score = ask(np.ascontiguousarray(way.reshape(-1, features))).reshape(count, 2, features + 1, -1)
        moved = np.diff(score, axis=2)
        by_feature = np.take_along_axis(moved, place[:, :, :, None], axis=2)
        mean: Floats = by_feature.mean(axis=1)
        return mean

    def to_json(self) -> dict[str, Any]:
        """Return the rows as text."""
        return {"background": packed(self.background)}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Sampled:
        return Sampled(unpacked(raw["background"]))


def _orders(count: int, features: int) -> npt.NDArray[np.int64]:
    """Random orders of the features, the same each time."""
    luck = np.random.default_rng(_SEED)
    return np.argsort(luck.random((count, features)), axis=1)
