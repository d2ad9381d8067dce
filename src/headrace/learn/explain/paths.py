"""From trees to the paths of their leaves: what each feature must be like for a row to get there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from headrace.learn.explain.trees import Trees

_LEAST_SHARE = 1e-30
"""What a branch that no training row took counts for: it must not make others vanish."""


@dataclass(frozen=True)
class Paths:
    """Leaves whose paths ask for about as many features; arrays of shape (features of a path, leaves), or (leaves,).

    A path that asks for fewer has features that everything fits: they are given nothing, and change nothing for others.

    Args:
        feature: which it is, int64.
        low, high: a row keeps to the path where ``low < value <= high``, float32.
        null: whether it does with a null.
        share: of the training rows that keep to it, float64.
        value: of the leaf, float64, shape (leaves, width).
        output: to which output it adds, int64.
    """

    feature: npt.NDArray[np.int64]
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    null: npt.NDArray[np.bool_]
    share: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    output: npt.NDArray[np.int64]

    def take(self, which: Any) -> Paths:
        """Return some leaves."""
        each = {field.name: getattr(self, field.name) for field in fields(self)}
        of_leaves = ("value", "output")
        return Paths(**{
            name: np.ascontiguousarray(one[which] if name in of_leaves else one[:, which])
            for name, one in each.items()
        })  # fmt: skip


@dataclass(frozen=True)
class _Level:
    """Nodes of one depth with the path to each; shape (nodes, features of a path), ``feature`` -1 for none."""

    node: npt.NDArray[np.int64]
    tree: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int64]
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    null: npt.NDArray[np.bool_]
    share: npt.NDArray[np.float64]

    def take(self, which: Any) -> _Level:
        return _Level(**{field.name: getattr(self, field.name)[which] for field in fields(self)})


def paths_of(trees: Trees) -> Iterator[Paths]:
    """Give all leaves that are not a tree by themselves, by the length of their path: 1 and 2, 3 and 4, and so on.

    A feature that is asked for again on a path is one condition, which is narrower: an interval.
    """
    leaves = list(_leaves(trees))
    longest = max((one.feature.shape[1] for one in leaves), default=0) or 1
    together = [_widened(one, longest) for one in leaves]
    if not together:
        return
    every = _Level(**{
        field.name: np.concatenate([getattr(one, field.name) for one in together]) for field in fields(_Level)
    })  # fmt: skip
    lengths = (every.feature >= 0).sum(axis=1)
    for length in range(2, longest + 2, 2):
        which = np.flatnonzero((lengths > length - 2) & (lengths <= length) | ((length == 2) & (lengths == 0)))
        if len(which):
            width = min(length, longest)
            some = every.take(which)
            yield Paths(
                feature=np.maximum(some.feature[:, :width].T, 0),
                low=some.low[:, :width].T, high=some.high[:, :width].T, null=some.null[:, :width].T,
                share=np.maximum(some.share[:, :width].T, _LEAST_SHARE),
                value=trees.value[some.node], output=trees.output[some.tree].astype(np.int64),
            )  # fmt: skip


def _leaves(trees: Trees) -> Iterator[_Level]:
    """Go down all trees at once, and give the leaves of each depth."""
    roots = trees.roots.astype(np.int64)
    none = np.empty((len(roots), 0))
    level = _Level(
        roots, np.arange(len(roots)), none.astype(np.int64), none.astype(np.float32), none.astype(np.float32),
        none.astype(np.bool_), none,
    )  # fmt: skip
    while len(level.node):
        at_end = trees.left[level.node] < 0
        if at_end.any():
            yield level.take(at_end)
        level = _down(trees, level.take(~at_end))


def _down(trees: Trees, level: _Level) -> _Level:
    """Return both children of each node, and the paths to them."""
    count = len(level.node)
    level = _room_for_one(level, trees.feature[level.node])
    asked = trees.feature[level.node].astype(np.int64)
    rows = np.arange(count)
    known = level.feature == asked[:, None]
    place = np.where(known.any(axis=1), known.argmax(axis=1), (level.feature >= 0).sum(axis=1))
    both = level.take(np.concatenate([rows, rows]))
    rows, place, left = np.arange(2 * count), np.concatenate([place, place]), np.arange(2 * count) < count
    parent = both.node
    child = np.where(left, trees.left[parent], trees.right[parent]).astype(np.int64)
    threshold, goes = trees.threshold[parent], trees.null_left[parent] == left
    both.feature[rows, place] = trees.feature[parent]
    low, high = both.low[rows, place], both.high[rows, place]
    both.low[rows, place] = np.where(left, low, np.maximum(low, threshold))
    both.high[rows, place] = np.where(left, np.minimum(high, threshold), high)
    both.null[rows, place] &= goes
    both.share[rows, place] *= trees.cover[child] / trees.cover[parent]
    return _Level(child, both.tree, both.feature, both.low, both.high, both.null, both.share)


def _room_for_one(level: _Level, asked: npt.NDArray[np.int32]) -> _Level:
    """Paths with room for one more feature, where one of them is full and asks for another."""
    full = (level.feature >= 0).all(axis=1)
    return _widened(level, level.feature.shape[1] + 1) if full.any() else level


def _widened(level: _Level, width: int) -> _Level:
    """Paths with features at their end that everything fits."""
    more = ((0, 0), (0, width - level.feature.shape[1]))
    return _Level(
        level.node,
        level.tree,
        np.pad(level.feature, more, constant_values=-1),
        np.pad(level.low, more, constant_values=-np.inf),
        np.pad(level.high, more, constant_values=np.inf),
        np.pad(level.null, more, constant_values=True),
        np.pad(level.share, more, constant_values=1.0),
    )
