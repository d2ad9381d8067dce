"""Linear models as numbers: a slope for each feature, and what a null counts for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.learn.explain.stored import packed, unpacked

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """A sum over features, for each output.

    Args:
        slope: float64, shape (features, k).
        shift: what a feature that is not null adds beside, likewise.
        null: what a null adds, likewise.
        mean: what a feature adds on average over rows of training, likewise.
        start: what is added whatever the row, float64, shape (k,).
    """

    slope: Floats
    shift: Floats
    null: Floats
    mean: Floats
    start: Floats

    @property
    def outputs(self) -> int:
        return len(self.start)

    def explain(self, x: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Return the average sum, and by how much each feature moves it.

        These are the Shapley values where features that are unknown are drawn from rows of training, each by itself
        (Štrumbelj and Kononenko, Explaining prediction models and individual predictions with feature contributions,
        Knowledge and Information Systems 41, 2014, section 3.1).

        Args:
            x: float32, shape (n, features), NaN for null.

        Returns:
            float64, shapes (k,) and (n, features, k).
        """
        return self.start + self.mean.sum(axis=0), self.terms(x) - self.mean

    def terms(self, x: npt.NDArray[np.float32]) -> Floats:
        """Return what each feature adds, shape (n, features, k)."""
        wide = x.astype(np.float64)[:, :, None]
        # a slope of zero times anything is zero, also where there is nothing
        return np.where(np.isnan(wide), self.null, self.slope * wide + self.shift)

    def to_json(self) -> dict[str, Any]:
        """Return the arrays as text."""
        return {field.name: packed(getattr(self, field.name)) for field in fields(self)}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Linear:
        return Linear(**{field.name: unpacked(raw[field.name]) for field in fields(Linear)})


def beside(models: Sequence[Linear]) -> Linear:
    """Return several models as one, the outputs of each after those of the one before."""
    each = {
        field.name: np.concatenate([getattr(one, field.name) for one in models], axis=-1) for field in fields(Linear)
    }
    return Linear(**each)
