"""What features contribute to scores, read from what was kept with a version for explaining; none where nothing was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.audit.models.blocks import Floats
from headrace.errors import HeadraceError
from headrace.learn import Registry, Scorer, Version
from headrace.learn.explain import load

FILE = "explain.json"
EXACT, SAMPLED = 300, 30
"""Rows that are explained: by an exact method, and by one that samples."""


@dataclass(frozen=True)
class Contributed:
    """Contributions to the scores of some rows.

    Args:
        kind: how they were computed: ``tree`` and ``linear`` are exact, ``permutation`` is sampled.
        space: of what they add up to: ``probability``, ``log-odds`` or ``value``.
        rows: that were explained.
        size: mean absolute contribution of each feature, shape (features,); of several scores the mean over them.
        upward: how a feature's value and its contribution go together, from -1 to 1 (Spearman), shape (features,);
            of several scores 0.
        most: for each feature the score that it moves most; empty where there is one score.
    """

    kind: str
    space: str
    rows: int
    size: Floats
    upward: Floats
    most: tuple[str, ...] = ()


def contributed(
    registry: Registry, version: Version, scorer: Scorer, x: npt.NDArray[np.float32], names: Sequence[str] = ()
) -> Contributed | None:
    """Return what each feature contributes to the scores of rows, or None where the version has no explainer.

    Args:
        registry: of the version.
        version: that is explained.
        scorer: of it, which those methods ask that do not know its inside.
        x: float32, shape (n, features), in the order of the version's features; the first of them are explained.
        names: of several scores, such as the classes; by default as the version calls them.
    """
    try:
        content = registry.file(version, FILE)
        if content is None:
            return None
        explainer = load(content, scorer)
        x = x[: SAMPLED if explainer.kind == "permutation" else EXACT]
        found = explainer.explain(x)
    except HeadraceError:
        return None
    told, size = (found.kind, found.space, len(x)), np.abs(found.values).mean(axis=0)
    if found.values.ndim == 2:
        return Contributed(*told, size, _upward(x, found.values))
    most = tuple((names or found.outputs)[one] for one in np.argmax(size, axis=1).tolist())
    return Contributed(*told, size.mean(axis=1), np.zeros(len(size)), most)


def _upward(x: npt.NDArray[np.float32], values: Floats) -> Floats:
    found = np.zeros(x.shape[1])
    for at in range(x.shape[1]):
        there = ~np.isnan(x[:, at])
        ranks = [np.argsort(np.argsort(one)) for one in (x[there, at], values[there, at])]
        if there.sum() > 2 and all(len(np.unique(one)) > 1 for one in (x[there, at], values[there, at])):
            found[at] = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    return found
