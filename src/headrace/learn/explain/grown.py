"""Trees as another library grew them, node by node, on their way to ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.learn.explain.columns import Columns, NotExactError
from headrace.learn.explain.trees import Trees
from headrace.learn.kinds.kind import below

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tree:
    """One tree: arrays with an entry for each node, the first of which is its root.

    Args:
        left, right: children; -1 for leaves.
        column: that a node asks for.
        threshold: a row goes left where its value is not above; any float.
        null_left: where a null goes.
        cover: of training rows.
        value: of leaves, shape (nodes,), or (nodes, k).
        output: to which it adds.
    """

    left: npt.NDArray[Any]
    right: npt.NDArray[Any]
    column: npt.NDArray[Any]
    threshold: npt.NDArray[Any]
    null_left: npt.NDArray[Any]
    cover: npt.NDArray[Any]
    value: npt.NDArray[Any]
    output: int = 0


def strictly_below(threshold: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the float32 just below each: ``x < one`` says the same as ``x <= other``."""
    return np.nextafter(threshold.astype(np.float32), np.float32(-np.inf))


def planted(trees: Sequence[Tree], start: Any, columns: Columns, features: int) -> Trees:
    """Return trees of columns as trees of the features that these are made of.

    Args:
        trees: all of a model.
        start: what is added to each output whatever the row.
        columns: that the trees ask for.
        features: how many there are.

    Raises:
        NotExactError: where two columns are made of one feature at different scales.
    """
    starts = np.concatenate([[0], np.cumsum([len(one.left) for one in trees])]).astype(np.int32)
    each = [np.concatenate([getattr(one, name) for one in trees]) for name in ("left", "right")]
    offset = np.repeat(starts[:-1], np.diff(starts))
    left, right = (np.where(one < 0, -1, one + offset).astype(np.int32) for one in each)
    column = np.concatenate([one.column for one in trees]).astype(np.int64)
    leaf = left < 0
    column[leaf] = 0
    threshold = below(np.concatenate([one.threshold for one in trees]).astype(np.float64))
    null_left = np.concatenate([one.null_left for one in trees]).astype(np.bool_)
    cover = np.maximum(np.concatenate([one.cover for one in trees]).astype(np.float64), 1e-30)
    value = np.concatenate([np.reshape(one.value, (len(one.left), -1)) for one in trees]).astype(np.float64)
    value[~leaf] = 0
    if len(columns.source) == 0:
        raise NotExactError("a model without columns")
    given = columns.null[column]
    null_left = np.where(np.isnan(given), null_left, given.astype(np.float32) <= threshold)
    fixed = columns.scale[column] == 0
    goes = columns.shift[column].astype(np.float32) <= threshold
    threshold = np.where(fixed, np.where(goes, np.inf, -np.inf), threshold).astype(np.float32)
    scale, shift = _scales(columns, features)
    return Trees(
        starts[:-1],
        left,
        right,
        columns.source[column].astype(np.int32),
        threshold,
        null_left,
        cover,
        value,
        np.array([one.output for one in trees], np.int32),
        np.atleast_1d(np.asarray(start, np.float64)),
        scale,
        shift,
    )


def _scales(columns: Columns, features: int) -> tuple[Floats, Floats]:
    """One scale for each feature: a node compares what a column makes of it."""
    scale, shift = np.ones(features), np.zeros(features)
    moving = np.flatnonzero(columns.scale != 0)
    for at in range(features):
        mine = moving[columns.source[moving] == at]
        made = {(columns.scale[one], columns.shift[one]) for one in mine}
        if len(made) > 1:
            raise NotExactError("several columns that are made of one feature")
        for one in made:
            scale[at], shift[at] = one
    return scale, shift
