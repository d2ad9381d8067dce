"""Feature values of many rows, piece by piece of the spine: in memory where that fits, else by partitions of keys.

Either way a piece holds the same rows with the same values: what is computed for a row depends on its keys' events
alone, so cutting by key changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from headrace.declare import Contract
from headrace.engines import compute, spilled
from headrace.engines.batch import source_contracts
from headrace.engines.frame import frame
from headrace.engines.job import Computed, Job, Piece, Progress, fixed, piece, row_frame, size_of, staged
from headrace.engines.labels import labels
from headrace.types import arrow_schema

_OVERHEAD = 6
"""Working memory as a multiple of the bytes of all columns: sorted copies, results, Arrow buffers (measured)."""


def pieces(job: Job, work: Path, memory: int, progress: Progress) -> Iterator[Piece]:
    """Yield the set piece by piece.

    Args:
        job: what to compute.
        work: folder for what is spilled, to be removed when the set is in place; an interrupted call goes on from it.
        memory: bytes that may be used, about.
        progress: told what is done, how many rows, and of how many.
    """
    return (piece(job, one) for one in computed(job, work, memory, progress))


def computed(job: Job, work: Path, memory: int, progress: Progress) -> Iterator[Computed]:
    """Yield the same rows with their features as the kernel holds them; arguments as in ``pieces``."""
    partitions = -(-size_of(job) * _OVERHEAD // memory)
    if partitions <= 1:
        yield from _in_memory(job, progress)
    else:
        yield from spilled.computed(job, work, partitions, progress)


def _in_memory(job: Job, progress: Progress) -> Iterator[Computed]:
    contracts = source_contracts(job.plan)
    needed = dict(job.plan.sources)
    if job.plan.label is not None:
        name = job.plan.label.label.source.name
        needed[name] = tuple(dict.fromkeys((*needed.get(name, ()), *job.plan.label.columns)))
    sources = {
        name: frame(_whole(job.batches(name, columns), columns, contracts[name]), columns, contracts[name], name)
        for name, columns in needed.items()
    }
    parts = [staged(job, table) for table in fixed(job.asked())]
    lengths = [rows.num_rows for rows, _ in parts]
    everything = row_frame(job, pa.concat_tables([rows for rows, _ in parts])) if parts else None
    if everything is None:
        return
    progress("features", 0, everything.length)
    made = compute.features(job.plan, everything, job.moment, sources)
    if job.plan.label is not None:
        made |= labels(job.plan.label, everything, job.moment, sources[job.plan.label.label.source.name])
    begin = 0
    for (rows, excluded), length in zip(parts, lengths, strict=True):
        part = {name: column.part(begin, begin + length) for name, column in made.items()}
        yield Computed(rows, part, excluded)
        begin += length
        progress("features", begin, everything.length)


def _whole(batches: Iterator[pa.Table], columns: Sequence[str], contract: type[Contract]) -> pa.Table:
    fields = contract.columns()
    nothing = arrow_schema({name: fields[name].type for name in columns}).empty_table()
    return pa.concat_tables(list(batches) or [nothing])
