"""What the report tells, read from lake, sets, registry and records; nothing personal is among it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.declare import Model, Project, Stream, Table
from headrace.lake import Lake
from headrace.learn import Registry, Version
from headrace.learn.trainingset import BuiltSet, open_set

BINS = 24
MOST_ROWS = 200_000
"""Rows that a picture of a feature is drawn from, evenly taken."""


class Loaded(Protocol):
    """A project in its folder, as far as the report needs it."""

    @property
    def project(self) -> Project: ...

    @property
    def state_dir(self) -> Path: ...

    def lake(self) -> Lake: ...


@dataclass(frozen=True)
class Source:
    """A stream or table in the lake."""

    name: str
    owner: str
    rows: int
    quarantined: int
    reasons: Mapping[str, int]
    first: str
    last: str
    per_day: Sequence[float]


@dataclass(frozen=True)
class Feature:
    """A feature of a training set: how it is spread, how often null, and its mean for either label."""

    name: str
    lineage: Sequence[str]
    kind: str
    nulls: float
    counts: Sequence[float]
    low: float
    high: float
    means: tuple[float, float] | None


@dataclass(frozen=True)
class Judged:
    """A model, its champion, and how its scores lie on the test rows."""

    model: Model
    version: Version | None
    built: BuiltSet | None
    curves: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    scores: Mapping[str, Sequence[float]] = field(default_factory=dict)
    test_rows: int = 0


@dataclass(frozen=True)
class Decisions:
    """Decisions of a service that are on record."""

    service: str
    counts: Mapping[str, int]
    examples: Sequence[Mapping[str, Any]]


def sources(loaded: Loaded) -> list[Source]:
    """Return what is in the lake, in the order of declaration."""
    lake = loaded.lake()
    declared: list[Stream | Table] = [*loaded.project.streams.values(), *loaded.project.tables.values()]
    return [_source(one, lake) for one in declared if lake.exists(one.name)]


def _source(one: Stream | Table, lake: Lake) -> Source:
    reasons: Counter[str] = Counter()
    aside, quarantined = f"quarantine_{one.name}", 0
    if lake.exists(aside):
        found = lake.read(aside, columns=["reasons"])
        quarantined = found.num_rows
        for reason in pc.list_flatten(found.column("reasons")).to_pylist():
            reasons[_rule(reason)] += 1
    time = one.event_time if isinstance(one, Stream) else None
    first = last = ""
    per_day: list[float] = []
    if time and lake.rows(one.name):
        days = pc.floor_temporal(lake.read(one.name, columns=[time]).column(time), unit="day")
        counted = pc.value_counts(days.combine_chunks())
        whole = sorted(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
        first, last = (str(day.date()) for day in (whole[0][0], whole[-1][0]))
        per_day = [float(count) for _, count in whole]
    return Source(
        one.name, one.owner, lake.rows(one.name), quarantined, dict(reasons.most_common()), first, last, per_day
    )


def _rule(reason: str) -> str:
    """The rule and the column that were broken, without the value."""
    code, _, rest = reason.partition(" ")
    return f"{rest.split(':')[0]} ({code})"


def judged(loaded: Loaded) -> list[Judged]:
    """Return each model with its champion and its scores on the rows that it was tested on."""
    root = loaded.state_dir / "models"
    registry = Registry(root) if root.exists() else None
    found = []
    for name, model in loaded.project.all_models.items():
        version = registry.champion(name) if registry is not None else None
        built = _built(loaded, model, version)
        if registry is None or version is None or built is None:
            found.append(Judged(model, version, built))
            continue
        found.append(_scored(model, version, built, registry))
    return found


def _built(loaded: Loaded, model: Model, version: Version | None) -> BuiltSet | None:
    folder = loaded.state_dir / "sets" / model.cases.name
    if version is not None and (folder / version.record.origin.training_set[:16] / "manifest.json").exists():
        return open_set(folder / version.record.origin.training_set[:16])
    ready = sorted(folder.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)
    return open_set(ready[-1].parent) if ready else None


def _scored(model: Model, version: Version, built: BuiltSet, registry: Registry) -> Judged:
    from headrace.learn.cases import read_cases
    from headrace.learn.split import time_fold

    cases = read_cases(built, (), model.place)
    matures = model.cases.label.matures_us if model.cases.label is not None else 0
    test = cases.take(time_fold(cases.time_us, model.split, matures).test)
    score = registry.load(version).score(test.x)
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(test.y[order])
    taken = np.arange(1, len(order) + 1)
    if not len(order) or hits[-1] == 0:
        return Judged(model, version, built, test_rows=len(order))
    recall, precision = hits / hits[-1], hits / taken
    false = (taken - hits) / max(int(taken[-1] - hits[-1]), 1)
    keep = np.unique(np.searchsorted(recall, np.linspace(0.002, 1, 160)))
    keep = keep[keep < len(order)]
    spaced = np.unique(np.searchsorted(false, np.linspace(0, 1, 120)).clip(max=len(order) - 1))
    curves = {
        "precision and recall": [(float(recall[i]), float(precision[i])) for i in keep],
        "roc": [(0.0, 0.0), *((float(false[i]), float(recall[i])) for i in spaced)],
    }
    edges = np.linspace(0, 1, BINS + 1)
    scores = {
        said: np.sqrt(np.histogram(score[test.y == truth], edges)[0]).tolist()
        for said, truth in (("negatives", 0), ("positives", 1))
    }
    return Judged(model, version, built, curves, scores, len(order))


def features(built: BuiltSet) -> list[Feature]:
    """Return how each feature of a set is spread."""
    step = max(1, built.rows // MOST_ROWS)
    positions = pa.array(np.arange(0, built.rows, step))
    label = None
    if built.manifest.get("label") is not None:
        label = _numbers(built.to_arrow(["label"]).column("label").take(positions))
    found = []
    for name in built.manifest["features"]:
        column = built.to_arrow([name]).column(name).take(positions)
        found.append(_feature(name, built.manifest["lineage"][name], column, label))
    return found


def _numbers(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    values: np.ndarray[tuple[int], np.dtype[np.float64]] = column.cast(pa.float64()).to_numpy()
    return values


def _feature(name: str, lineage: Sequence[str], column: pa.ChunkedArray, label: Any) -> Feature:
    nulls = column.null_count / max(len(column), 1)
    numeric = pa.types.is_boolean(column.type) or pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if not numeric or column.null_count == len(column):
        return Feature(name, lineage, str(column.type), nulls, [], 0.0, 0.0, None)
    values = _numbers(column)
    there = ~np.isnan(values)
    low, high = (float(edge) for edge in np.quantile(values[there], [0.005, 0.995]))
    counts = np.histogram(values[there].clip(low, high), BINS)[0].tolist()
    means = None
    if label is not None:
        parts = [values[there & (label == truth)] for truth in (0, 1)]
        if all(len(part) for part in parts):
            means = (float(parts[0].mean()), float(parts[1].mean()))
    return Feature(name, lineage, str(column.type), nulls, counts, low, high, means)


def decisions(loaded: Loaded) -> list[Decisions]:
    """Return what services decided, and a few examples: scores and reasons, without keys."""
    lake, found = loaded.lake(), []
    for name in loaded.project.all_services:
        if not lake.exists(f"decisions_{name}"):
            continue
        table = lake.read(f"decisions_{name}", columns=["decision", "score", "reasons", "record_id"])
        counts = Counter(table.column("decision").to_pylist())
        explained = [row for row in table.to_pylist() if row["reasons"] != "[]"][-3:]
        examples = [{**row, "reasons": json.loads(row["reasons"])} for row in explained]
        found.append(Decisions(name, dict(counts.most_common()), examples))
    return found
