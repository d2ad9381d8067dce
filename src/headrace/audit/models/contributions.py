"""What features contribute to scores, read from what was kept with a version for explaining; none where nothing was."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from headrace.audit.models.blocks import Floats
from headrace.errors import HeadraceError
from headrace.learn import Registry, Scorer, Version

FILE, _ROOM = "explain.json", "headrace.learn.explain"
EXACT, SAMPLED = 300, 30
"""Rows that are explained: by an exact method, and by one that samples."""


class _Explainer(Protocol):
    kind: str

    def explain(self, x: npt.NDArray[np.float32]) -> Any: ...


@dataclass(frozen=True)
class Contributed:
    """Contributions to the scores of some rows.

    Args:
        kind: how they were computed: ``tree`` and ``linear`` are exact, ``permutation`` is sampled.
        space: of what they add up to: ``probability``, ``log-odds`` or ``value``.
        rows: that were explained.
        size: mean absolute contribution of each feature, shape (features,).
        upward: how a feature's value and its contribution go together, from -1 to 1 (Spearman), shape (features,).
    """

    kind: str
    space: str
    rows: int
    size: Floats
    upward: Floats


def contributed(registry: Registry, version: Version, scorer: Scorer, x: npt.NDArray[np.float32]) -> Contributed | None:
    """Return what each feature contributes to the scores of rows, or None where the version has no explainer.

    Args:
        registry: of the version.
        version: that is explained.
        scorer: of it, which those methods ask that do not know its inside.
        x: float32, shape (n, features), in the order of the version's features; the first of them are explained.
    """
    try:
        content = registry.file(version, FILE)
        if content is None:
            return None
        explainer: _Explainer = import_module(_ROOM).load(content, scorer)
        x = x[: SAMPLED if explainer.kind == "permutation" else EXACT]
        found = explainer.explain(x)
    except (HeadraceError, ImportError):
        return None
    values = np.asarray(found.values, np.float64)
    if values.ndim != 2 or values.shape != x.shape:
        return None  # of several scores: each has contributions of its own, which one bar cannot show
    return Contributed(str(found.kind), str(found.space), len(x), np.abs(values).mean(axis=0), _upward(x, values))


def _upward(x: npt.NDArray[np.float32], values: Floats) -> Floats:
    found = np.zeros(x.shape[1])
    for at in range(x.shape[1]):
        there = ~np.isnan(x[:, at])
        ranks = [np.argsort(np.argsort(one)) for one in (x[there, at], values[there, at])]
        if there.sum() > 2 and all(len(np.unique(one)) > 1 for one in (x[there, at], values[there, at])):
            found[at] = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    return found
