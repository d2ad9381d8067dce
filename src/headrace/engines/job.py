"""What is asked of a training set, and how one piece of it is put together: the same in memory and spilled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from headrace.engines.frame import KNOWN, SEQ, Frame, feature_array, frame
from headrace.kernel.column import Column
from headrace.kernel.typing import Bools
from headrace.lake import Lake
from headrace.plan import lower
from headrace.plan.meaning import Plan

Batches = Callable[[str, Sequence[str]], Iterator[pa.Table]]
"""Given the name of a source and columns, yields its rows in order, some at a time."""
Spine = Callable[[Sequence[str]], Iterator[pa.Table]]
"""Given columns, yields the rows that are asked about, in order, some at a time; with more columns where they have."""
Progress = Callable[[str, int, int], None]

PIECE = 1_000_000
"""Rows of the spine in a piece: fixed, so that the files of a set do not depend on the machine."""
LABEL, EARLY = "label", "label came before its case"


@dataclass(frozen=True)
class Job:
    """What to compute for which rows.

    Args:
        plan: compiled set.
        identity: columns of the spine to keep beside the features.
        moment: column of the event time.
        horizon: moment (microseconds) up to which truth has arrived; rows maturing later are left out.
        spine_rows: how many rows the spine has.
        source_rows: how many rows each source has, the label's included.
        batches: reads sources, and the spine where nothing else does.
        rows: reads the rows that are asked about where they are not all of the stream that is the spine. Such rows see
            what was known by their own known time; only where they have a sequence are they events of the stream.
    """

    plan: Plan
    identity: tuple[str, ...]
    moment: str
    horizon: int | None
    spine_rows: int
    source_rows: Mapping[str, int]
    batches: Batches
    rows: Spine | None = None

    @property
    def spine(self) -> str:
        assert self.plan.spine is not None
        return self.plan.spine.name

    @property
    def columns(self) -> tuple[str, ...]:
        """What is read of the spine."""
        on = () if self.plan.label is None else self.plan.label.label.on
        return tuple(dict.fromkeys((*self.identity, self.moment, *on, *self.plan.row_columns)))

    def asked(self) -> Iterator[pa.Table]:
        """Yield the rows that are asked about."""
        return self.batches(self.spine, self.columns) if self.rows is None else self.rows(self.columns)


@dataclass(frozen=True)
class Computed:
    """Consecutive rows that are asked about, their features as the kernel holds them, and what was left out and why."""

    rows: pa.Table
    made: Mapping[str, Column]
    excluded: dict[str, int]


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of the spine with their features, and how many were left out and why."""

    table: pa.Table
    excluded: dict[str, int]


def lake_batches(lake: Lake, versions: Mapping[str, int]) -> Batches:
    """Return what reads tables of a lake as of their versions; one without a version has no rows yet."""

    def batches(name: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        if name not in versions:
            return
        with_log = list(dict.fromkeys((*columns, SEQ, KNOWN)))
        have = lake.schema(name).names
        wanted = [column for column in with_log if column in have or column.partition(".")[0] in have]
        for batch in lake.batches(name, version=versions[name], columns=wanted):
            yield pa.Table.from_batches([batch])

    return batches


def size_of(job: Job) -> int:
    """Bytes of everything that would have to be in memory at once."""
    width = {name: len(columns) + 2 for name, columns in job.plan.sources.items()}
    if job.plan.label is not None:
        label = job.plan.label
        width.setdefault(label.label.source.name, len(label.columns) + 2)
    events = sum(8 * width[name] * job.source_rows.get(name, 0) for name in width)
    return events + 8 * job.spine_rows * (len(job.columns) + 2 + len(job.plan.outputs))


def keep(job: Job, rows: Frame, excluded: dict[str, int]) -> Bools:
    """Return which rows of the spine are cases, and count those that are not."""
    kept: Bools = np.ones(rows.length, dtype=np.bool_)
    if job.plan.where is not None:
        condition = lower.columns(job.plan.where, rows.columns, rows.length)
        kept = condition.values & condition.mask
        excluded["where is not true"] = int((~kept).sum())
    if job.plan.label is not None and job.horizon is not None:
        mature = rows.columns[job.moment].values + job.plan.label.label.matures_us <= job.horizon
        excluded["label not matured"] = int((kept & ~mature).sum())
        kept &= mature
    return kept


def fixed(batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Regroup batches into pieces of exactly PIECE rows (the last may be shorter)."""
    waiting: list[pa.Table] = []
    count = 0
    for batch in batches:
        while count + batch.num_rows >= PIECE:
            take = PIECE - count
            yield pa.concat_tables([*waiting, batch.slice(0, take)])
            batch, waiting, count = batch.slice(take), [], 0
        waiting.append(batch)
        count += batch.num_rows
    if count:
        yield pa.concat_tables(waiting)


def staged(job: Job, table: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """Return the rows of a piece that are cases."""
    excluded: dict[str, int] = {}
    kept = keep(job, row_frame(job, table), excluded)
    return (table if kept.all() else table.filter(pa.array(kept))), excluded


def row_frame(job: Job, table: pa.Table) -> Frame:
    assert job.plan.spine is not None
    return frame(table, job.columns, job.plan.spine.contract, job.spine)


def piece(job: Job, computed: Computed) -> Piece:
    """Put a piece together: identity, features in the order of declaration, label; rows without a label fall out."""
    made, excluded = computed.made, computed.excluded
    table = computed.rows.select(list(job.identity))
    for output in job.plan.features:
        table = table.append_column(output.name, feature_array(made[output.name]))
    if (truth := made.get(LABEL)) is not None:
        table = table.append_column(LABEL, feature_array(truth))
        if truth.valid is not None:
            early = int(made[EARLY].values[~truth.valid].sum()) if EARLY in made else 0
            excluded[EARLY] = early
            excluded["no label came in time"] = int((~truth.valid).sum()) - early
            table = table.filter(pa.array(truth.valid))
    return Piece(table, {reason: count for reason, count in excluded.items() if count})
