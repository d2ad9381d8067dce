"""The thresholds of a model of trees: between two of them no value of a feature makes a difference."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.errors import HeadraceError
from headrace.learn.explain.trees import Trees
from headrace.serve.why.case import Case
from headrace.serve.why.through import Ints, Matrix


@dataclass(frozen=True)
class Thresholds:
    """Where the score of a model can change.

    A sum of trees is constant between the thresholds that its nodes compare a feature with, so the nearest change of a
    feature that matters lies at one of them (Cui and others, Optimal action extraction for random forests and boosted
    trees, KDD 2015, section 3).

    Args:
        cuts: of each feature, ascending float32.
        scale, shift: of each feature, before it is compared.
    """

    cuts: tuple[npt.NDArray[np.float32], ...]
    scale: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]

    def bins(self, x: Matrix) -> list[Ints]:
        """Return for each feature that is asked for between which thresholds the values lie; -1 for null.

        Args:
            x: float32, shape (n, features).
        """
        plain = bool((self.scale == 1).all() and (self.shift == 0).all())
        rows = x if plain else (x * self.scale + self.shift).astype(np.float32)
        return [
            np.where(np.isnan(rows[:, at]), -1, np.searchsorted(cuts, rows[:, at], side="left"))
            for at, cuts in enumerate(self.cuts)
            if len(cuts)
        ]


def thresholds_of(case: Case) -> Thresholds | None:
    """Return the thresholds of the model that scored a record; None where it is not known to be of trees."""
    if case.version is None:
        return None
    try:
        content = case.registry.file(case.version, "explain.json")
        told = {} if content is None else json.loads(content)
        if told.get("kind") != "tree":
            return None
        trees = Trees.from_json(told["part"])
    except (HeadraceError, ValueError, KeyError, TypeError):
        return None
    inner = trees.left >= 0
    feature, threshold = trees.feature[inner], trees.threshold[inner]
    cuts = tuple(np.unique(threshold[feature == at]) for at in range(len(told["names"])))
    return Thresholds(cuts, trees.scale, trees.shift)
