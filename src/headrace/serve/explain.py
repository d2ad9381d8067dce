"""Reasons: how the score changes when one feature is replaced by what is typical (occlusion)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as kinds

from headrace.declare import TrainingSet
from headrace.learn import Scorer
from headrace.learn.trainingset import open_set
from headrace.online.room import no_room

_SAMPLE = 100_000
"""Cases from which medians are taken, evenly spread over the set."""


def reasons(
    scorer: Scorer, row: npt.NDArray[np.float32], values: Mapping[str, Any], typical: Mapping[str, float], most: int
) -> list[dict[str, Any]]:
    """Return the features that moved a score most: by how much it falls when each is set to its typical value.

    The method is occlusion, one feature at a time; what features do together is not divided among them.

    Args:
        scorer: the model.
        row: its input, shape (1, features).
        values: the features as they leave.
        typical: median of each feature; one that has none is no reason, since a null need not have a score.
        most: how many reasons.

    Returns:
        Feature, value, typical value, by how much it moves the score (up where positive), and the method.
    """
    columns = [i for i, name in enumerate(scorer.features) if name in typical]
    names = [scorer.features[i] for i in columns]
    usual = np.array([typical[name] for name in names], dtype=np.float64)
    changed = np.repeat(row, len(names), axis=0)
    changed[np.arange(len(names)), columns] = usual.astype(np.float32)
    scores = scorer.score(np.concatenate([row, changed]))
    moved = scores[0] - scores[1:]
    order = np.argsort(-np.abs(moved), kind="stable")[:most]
    return [
        {
            "feature": names[i],
            "value": values[names[i]],
            "typical": float(usual[i]),
            "moves_score_by": float(moved[i]),
            "method": "occlusion",
        }
        for i in order.tolist()
    ]


def typical_values(cases: TrainingSet, fingerprint: str, state_dir: Path) -> dict[str, float]:
    """Return the median of each feature in the set that a model learned from; empty where that set is gone.

    Args:
        cases: the declared set.
        fingerprint: of the built set, from the model's origin.
        state_dir: of the project; the medians are kept beside the set.
    """
    path = state_dir / "sets" / cases.name / fingerprint[:16]
    kept = path / "medians.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    if not fingerprint or not (path / "manifest.json").exists():
        return {}
    built = open_set(path)
    table = built.to_arrow([str(name) for name in built.manifest["features"]])
    chosen = table.take(pa.array(np.arange(0, table.num_rows, max(1, table.num_rows // _SAMPLE))))
    found = {name: median for name in table.column_names if (median := _median(chosen.column(name))) is not None}
    fresh = kept.with_suffix(".new")
    with no_room():
        fresh.write_text(json.dumps(found))
        fresh.replace(kept)
    return found


def _median(column: pa.ChunkedArray) -> float | None:
    if kinds.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if not (kinds.is_integer(column.type) or kinds.is_floating(column.type)):
        return None
    values = column.cast(pa.float64(), safe=False).drop_null().to_numpy()
    return float(np.median(values)) if len(values) else None
