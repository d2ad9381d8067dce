"""What the last parity check found, kept beside the project's state for the report: numbers only, no values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace import clock

_FILE = "parity.json"


@dataclass(frozen=True)
class Checked:
    """A parity check.

    Args:
        at_us: when, microseconds UTC.
        compared: values.
        differing: values that history does not confirm.
        features: how many values of each were compared, and how many differ.
        skipped: records that could not be compared, by reason.
    """

    at_us: int
    compared: int
    differing: int
    features: Mapping[str, tuple[int, int]]
    skipped: Mapping[str, int]


def keep(state_dir: Path, parity: Mapping[str, Any], now_us: clock.Clock = clock.now_us) -> None:
    """Keep the outcome of a parity check, given as its plain values."""
    counts = {one["feature"]: (one["compared"], one["differing"]) for one in parity["features"]}
    kept = {"at_us": now_us(), "features": counts}
    kept |= {word: parity[word] for word in ("compared", "differing", "skipped")}
    path = state_dir / "reports" / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(kept), encoding="utf-8")
    fresh.replace(path)


def last(state_dir: Path) -> Checked | None:
    """Return the last check, or None."""
    path = state_dir / "reports" / _FILE
    if not path.exists():
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    return Checked(**{**kept, "features": {name: tuple(counts) for name, counts in kept["features"].items()}})
