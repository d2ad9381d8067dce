"""Reasons: what a score is made of, feature by feature, by what is kept with the version for explaining it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import CheckFailed
from headrace.learn import Registry, Scorer, Version
from headrace.learn.explain import Explainer, load


def explainer_of(registry: Registry, version: Version, scorer: Scorer) -> Explainer | None:
    """Return what explains the scores of a version, or None where nothing was kept for that.

    Raises:
        HeadraceError: HR-LEARN-011 for a file that was altered, 045 for one that cannot be read.
    """
    content = registry.file(version, "explain.json")
    return None if content is None else load(content, scorer)


def reasons(
    explainer: Explainer | None, row: npt.NDArray[np.float32], values: Mapping[str, Any], most: int
) -> list[dict[str, Any]]:
    """Return the features that contribute most to a score.

    Args:
        explainer: of the model; without one there are no reasons.
        row: its input, shape (1, features).
        values: the features as they leave.
        most: how many reasons.

    Returns:
        Feature, value, what it contributes (up where positive) and in which space that adds up, and the method:
        ``tree`` and ``linear`` are exact Shapley values, ``permutation`` is sampled. None where contributions do not
        add up to the score, as where a value meets a threshold to the last digit: a wrong reason is worse than none.
    """
    if explainer is None:
        return []
    try:
        found = explainer.explain(row)
    except CheckFailed:
        return []
    return [
        {
            "feature": found.names[at],
            "value": values[found.names[at]],
            "contribution": float(found.values[0, at]),
            "space": found.space,
            "method": found.kind,
        }
        for at in found.order()[:most]
    ]
