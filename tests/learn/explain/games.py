"""Shapley values as they are defined: every set of features, one after the other; for trees of few features only."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import combinations
from math import factorial

import numpy as np

from headrace.learn.explain.trees import Trees

Worth = Callable[[frozenset[int]], np.ndarray]
"""What a model makes of a row of which only some features are known, one number for each output."""


def shapley(worth: Worth, features: int) -> np.ndarray:
    """Return what each feature is given: the mean of what it adds over all orders; shape (features, outputs)."""
    worth, found = cache(worth), []
    for one in range(features):
        others = [each for each in range(features) if each != one]
        given = 0.0
        for size in range(features):
            weight = factorial(size) * factorial(features - size - 1) / factorial(features)
            for some in combinations(others, size):
                given = given + weight * (worth(frozenset(some) | {one}) - worth(frozenset(some)))
        found.append(given)
    return np.array(found)


def of_trees(trees: Trees, row: np.ndarray) -> Worth:
    """What trees expect of a row: unknown features are averaged over both children, by the rows that came there."""

    def below(node: int, known: frozenset[int]) -> np.ndarray:
        if trees.left[node] < 0:
            return trees.value[node]
        feature, sides = int(trees.feature[node]), (int(trees.left[node]), int(trees.right[node]))
        if feature in known:
            value = row[feature] * trees.scale[feature] + trees.shift[feature]
            goes = trees.null_left[node] if np.isnan(value) else np.float32(value) <= trees.threshold[node]
            return below(sides[0] if goes else sides[1], known)
        shares = [trees.cover[side] / trees.cover[node] for side in sides]
        return sum(share * below(side, known) for share, side in zip(shares, sides, strict=True))

    def worth(known: frozenset[int]) -> np.ndarray:
        total = trees.start.copy()
        for root, output in zip(trees.roots, trees.output, strict=True):
            made = below(int(root), known)
            total[output : output + len(made)] += made
        return total

    return worth
