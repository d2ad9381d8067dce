"""What the report tells of data, features and decisions, read from lake, sets and records; nothing personal in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.clock import DAY_US, from_us
from headrace.connect import account
from headrace.declare import Project, Stream, Table
from headrace.lake import Lake
from headrace.learn import Registry
from headrace.learn.trainingset import BuiltSet

BINS = 24
MOST_ROWS = 200_000
"""Rows that a picture of a feature is drawn from, evenly taken."""
RULES = {
    "HR-DATA-001": "is missing",
    "HR-DATA-002": "is text of another type",
    "HR-DATA-003": "is NaN or infinite",
    "HR-DATA-004": "is beyond its bounds",
    "HR-DATA-005": "is not an allowed value",
    "HR-DATA-006": "does not match its pattern",
    "HR-DATA-007": "is too short or too long",
    "HR-DATA-008": "was there before",
    "HR-DATA-009": "is a time without a zone",
    "HR-DATA-010": "is a date that does not exist",
    "HR-DATA-011": "has too many digits",
    "HR-DATA-012": "is beyond its type",
    "HR-DATA-013": "does not fit the header",
    "HR-DATA-014": "is a local time that does not exist, or twice",
    "HR-DATA-015": "is not after valid-from",
}
"""The rules by which rows are quarantined, in words that go on after the name of a column."""
_BEYOND = {
    "HR-QUALITY-010": "does not hold",
    "HR-QUALITY-011": "was there before",
    "HR-QUALITY-012": "is not in the other table",
}
"""The same of rules beyond single fields, after their name or that of their columns."""
Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]


class Loaded(Protocol):
    """A project in its folder, as far as the report needs it."""

    @property
    def project(self) -> Project: ...

    @property
    def state_dir(self) -> Path: ...

    def lake(self) -> Lake: ...

    def registry(self) -> Registry: ...


@dataclass(frozen=True)
class Source:
    """A stream or table in the lake; ``received`` is None for a table by query."""

    name: str
    owner: str
    rows: int
    received: int | None
    quarantined: int
    reasons: Mapping[str, int]
    first: str
    last: str
    per_day: Sequence[float]


@dataclass(frozen=True)
class Feature:
    """A feature of a training set: how it is spread, how often null, and its mean for either label.

    Args:
        name: ``group.feature``.
        lineage: columns that it comes from.
        kind: its type.
        nulls: share.
        counts: of equal bins from ``low`` to ``high``, what is beyond in the outermost; empty where it is no number.
        positives: the same of the rows with label 1.
        low: of the middle 99 %.
        high: of the middle 99 %.
        means: of the rows with label 0 and 1.
    """

    name: str
    lineage: Sequence[str]
    kind: str
    nulls: float
    counts: Sequence[float] = ()
    positives: Sequence[float] = ()
    low: float = 0.0
    high: float = 0.0
    means: tuple[float, float] | None = None


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
    rows, aside = lake.rows(one.name), f"quarantine_{one.name}"
    quarantined, reasons = _quarantine(aside, lake) if lake.exists(aside) else (0, {})
    # Of a table in which rows take the place of others, more were accepted than are there.
    found = account(lake, one.name, merged=one.mode != "append")
    received = None if isinstance(one, Table) and one.query is not None else found.received
    time = one.event_time if isinstance(one, Stream) else None
    first, last, per_day = _days(lake, one.name, time) if time and rows else ("", "", [])
    return Source(one.name, one.owner, rows, received, quarantined, reasons, first, last, per_day)


def _quarantine(table: str, lake: Lake) -> tuple[int, dict[str, int]]:
    """Rows in quarantine, and how many broke which rule in which column, without the values."""
    found = lake.read(table, columns=["reasons"])
    each = pc.list_flatten(found.column("reasons"))
    rules = pc.value_counts(pc.replace_substring_regex(each, r"^(\S+ [^:]*):.*$", r"\1"))
    counted = Counter({rule_in_words(one["values"]): one["counts"] for one in rules.to_pylist()})
    return found.num_rows, dict(counted.most_common())


def rule_in_words(reason: str) -> str:
    """Return a code and a column as words.

    Example:
        >>> rule_in_words("HR-DATA-004 amount")
        'amount is beyond its bounds (HR-DATA-004)'
    """
    code, _, column = reason.partition(" ")
    return f"{column} {(RULES | _BEYOND).get(code, 'breaks a rule')} ({code})"


def _days(lake: Lake, name: str, time: str) -> tuple[str, str, list[float]]:
    days = pc.floor_temporal(lake.read(name, columns=[time]).column(time), unit="day").cast(pa.int64())
    counted = pc.value_counts(days.combine_chunks())
    counts = {one["values"]: one["counts"] for one in counted.to_pylist()}
    first, last = min(counts), max(counts)
    first_day, last_day = (from_us(us).date().isoformat() for us in (first, last))
    return first_day, last_day, [float(counts.get(day, 0)) for day in range(first, last + 1, DAY_US)]


def features(built: BuiltSet) -> list[Feature]:
    """Return how each feature of a set is spread."""
    step = max(1, built.rows // MOST_ROWS)
    positions = pa.array(np.arange(0, built.rows, step))
    label = None
    if built.manifest.get("label") is not None:
        label = _yes_or_no(built.to_arrow(["label"]).column("label").take(positions))
    found = []
    for name in built.manifest["features"]:
        column = built.to_arrow([name]).column(name).take(positions)
        found.append(_feature(name, built.manifest["lineage"][name], column, label))
    return found


def _yes_or_no(column: pa.ChunkedArray) -> Numbers | None:
    """Labels as 0 and 1, or None where they are classes or numbers."""
    kind = column.type
    if not (pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    values = _numbers(column)
    return values if np.isin(values, (0.0, 1.0)).all() else None


def _numbers(column: pa.ChunkedArray) -> Numbers:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    values: Numbers = column.cast(pa.float64()).to_numpy()
    return values


def _feature(name: str, lineage: Sequence[str], column: pa.ChunkedArray, label: Numbers | None) -> Feature:
    nulls, kind = column.null_count / max(len(column), 1), column.type
    numeric = pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not numeric or column.null_count == len(column):
        return Feature(name, lineage, str(kind), nulls)
    values = _numbers(column)
    there = ~np.isnan(values)
    low, high = (float(edge) for edge in np.quantile(values[there], [0.005, 0.995]))
    edges = _edges(low, high, whole=np.array_equal(values[there], np.rint(values[there])))
    counts = _counts(values[there], edges)
    if label is None:
        return Feature(name, lineage, str(kind), nulls, counts, (), low, high)
    parts = [values[there & (label == truth)] for truth in (0, 1)]
    means = (float(parts[0].mean()), float(parts[1].mean())) if all(len(part) for part in parts) else None
    return Feature(name, lineage, str(kind), nulls, counts, _counts(parts[1], edges), low, high, means)


def _edges(low: float, high: float, whole: bool) -> Numbers:
    """Edges of equal bins; of whole numbers each holds as many as the next, so that no teeth come from the cutting."""
    if not whole:
        return np.linspace(low, high if high > low else low + 1, BINS + 1)
    width = np.ceil((high - low + 1) / BINS)
    edges: Numbers = np.arange(low, high + width + 1, width) - 0.5
    return edges


def _counts(values: Numbers, edges: Numbers) -> list[float]:
    counted: list[float] = np.histogram(values.clip(edges[0], edges[-1]), edges)[0].tolist()
    return counted


def decisions(loaded: Loaded) -> list[Decisions]:
    """Return what services decided, and a few examples: scores and reasons, without keys."""
    lake, found = loaded.lake(), []
    for name in loaded.project.all_services:
        if not lake.exists(f"decisions_{name}"):
            continue
        table = lake.read(f"decisions_{name}", columns=["decision", "score", "reasons", "record_id"])
        counts = Counter(table.column("decision").to_pylist())
        explained = table.filter(pc.not_equal(table.column("reasons"), "[]"))
        examples = explained.slice(max(explained.num_rows - 3, 0)).to_pylist()
        read = [{**row, "reasons": json.loads(row["reasons"])} for row in examples]
        found.append(Decisions(name, dict(counts.most_common()), read))
    return found
