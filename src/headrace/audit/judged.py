"""What the report tells of models: the champion, and how its scores lie on the rows that it was tested on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.audit.facts import Loaded
from headrace.audit.rules import Rule, rules_taken
from headrace.clock import DAY_US
from headrace.declare import GroupSplit, Model
from headrace.learn import Registry, Version
from headrace.learn.trainingset import BuiltSet, open_set

Floats = npt.NDArray[np.float64]
BINS, LEAST_IN_BIN = 12, 30
LOWEST = 0.001
"""Scores below this are one bin of the calibration."""


@dataclass(frozen=True)
class Bin:
    """Test rows of about the same score: their mean score, the share that is positive, and its 95 % interval."""

    score: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Scored:
    """How a champion's scores lie on its test rows.

    Args:
        rows: of the test.
        positives: of them.
        curve: recall and precision, and how many rows a day are taken for it, from the highest score down.
        bins: of the calibration.
        rules: of the services.
    """

    rows: int
    positives: int
    curve: tuple[tuple[float, float, float], ...] = ()
    bins: tuple[Bin, ...] = ()
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A model, its champion and newest version, and the set that they learned from, as far as there are any."""

    model: Model
    version: Version | None = None
    newest: Version | None = None
    built: BuiltSet | None = None
    scored: Scored | None = None


def judged(loaded: Loaded) -> list[Judged]:
    """Return each model with its champion and its scores on the rows that it was tested on."""
    registry = loaded.registry()
    return [_judged(loaded, model, registry) for model in loaded.project.all_models.values()]


def _judged(loaded: Loaded, model: Model, registry: Registry) -> Judged:
    version, versions = registry.champion(model.name), registry.versions(model.name)
    built = _built(loaded, model, version)
    scored = None
    # the test is that of the very set that the champion was judged on; of another, its numbers would be others
    if (
        version is not None
        and model.task.name == "binary"
        and built is not None
        and built.manifest["fingerprint"] == version.record.origin.training_set
    ):
        scored = _scored(loaded, model, version, built, registry)
    return Judged(model, version, versions[-1] if versions else None, built, scored)


def _built(loaded: Loaded, model: Model, version: Version | None) -> BuiltSet | None:
    folder: Path = loaded.state_dir / "sets" / model.cases.name
    if version is not None and (folder / version.record.origin.training_set[:16] / "manifest.json").exists():
        return open_set(folder / version.record.origin.training_set[:16])
    ready = sorted(folder.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)
    return open_set(ready[-1].parent) if ready else None


def _scored(loaded: Loaded, model: Model, version: Version, built: BuiltSet, registry: Registry) -> Scored:
    from headrace.learn.cases import read_cases
    from headrace.learn.split import folds_of

    split = model.split
    by = split.by if isinstance(split, GroupSplit) else split.apart
    cases = read_cases(built, (by,) if by else (), model.place, model.task)
    matures = model.cases.label.matures_us if model.cases.label is not None else 0
    fold = folds_of(cases, split, matures).test
    test = cases.take(fold.test)
    score = registry.load(version).score(test.x)
    days = len(np.unique(test.time_us // DAY_US))
    rules = rules_taken(loaded, model, built, fold.test, test.y, score, days)
    # what lies below 0 or above 1 claims to be no probability, and is not held to be one
    bins = calibration(test.y, score) if score.min() >= 0 and score.max() <= 1 else []
    return Scored(len(test.y), int(test.y.sum()), _curve(test.y, score, days), tuple(bins), tuple(rules))


def _curve(y: npt.NDArray[np.int64], score: Floats, days: int) -> tuple[tuple[float, float, float], ...]:
    """Return recall, precision and rows a day at some of the distinct scores, evenly over recall."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    hits = np.cumsum(y[order])[ends]
    recall, taken = hits / hits[-1], ends + 1
    some = np.unique(np.searchsorted(recall, np.linspace(0.002, 1, 160)).clip(max=len(ends) - 1))
    return tuple((float(recall[i]), float(hits[i] / taken[i]), float(taken[i] / days)) for i in some)


def calibration(y: npt.NDArray[np.int64], score: Floats) -> list[Bin]:
    """Return bins of like scores, their edges evenly over the logarithm, since what is rare is told by its order.

    Example:
        >>> y, score = np.repeat([0, 1], 50), np.full(100, 0.5)
        >>> [round(value, 3) for value in vars(calibration(y, score)[0]).values()]
        [0.5, 0.5, 0.404, 0.596]
    """
    edges = np.geomspace(LOWEST, 1.0, BINS + 1)[1:-1]
    place = np.searchsorted(edges, score)
    found = []
    for one in range(BINS):
        rows = place == one
        count = int(rows.sum())
        if count >= LEAST_IN_BIN:
            share = float(y[rows].mean())
            found.append(Bin(float(score[rows].mean()), share, *_wilson(share, count)))
    return found


def _wilson(share: float, count: int) -> tuple[float, float]:
    """The interval of a share at 95 % confidence (Wilson, 1927), which holds near 0 and 1 too."""
    z = 1.959964
    middle = share + z * z / (2 * count)
    wide = z * float(np.sqrt(share * (1 - share) / count + z * z / (4 * count * count)))
    return (middle - wide) / (1 + z * z / count), (middle + wide) / (1 + z * z / count)
