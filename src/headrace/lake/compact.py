"""Compaction: many small files become few, with the same rows in the same order, beside writers that go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.lake import parts
from headrace.lake.bucket import Place, source
from headrace.lake.commit import Exchange, clear_errors, exchange, open_table
from headrace.lake.evolve import aligned_batch
from headrace.lake.log import SAME_ROWS_AS, ordered, standing
from headrace.lake.parts import OURS, Part, discard

_BATCH_ROWS = 100_000
Held = dict[str, Any]
"""What the log says of a file."""


@dataclass(frozen=True)
class Compacted:
    """What a compaction did: the files that it read and wrote, and their rows; none where there was nothing to do."""

    files_before: int = 0
    files_after: int = 0
    rows: int = 0


def compact(path: Place, progress: Callable[[int, int], None]) -> Compacted:
    """Write small files of a table that follow one another as few large ones, in one commit.

    Args:
        path: of the table.
        progress: called with the rows that are done, and with all that there are to do.

    Returns:
        What was done; nothing where another process replaced the rows meanwhile.

    Raises:
        HeadraceError: HR-LAKE-002 disk full, 003 too many collisions, 010 a file that cannot be read or written.
    """
    table = open_table(path)
    schema = pa.schema(table.schema().to_arrow())
    found = runs(ordered(table), parts.part_rows(schema))
    gone = [one["path"] for run in found for one in run]
    if not gone:
        return Compacted()
    total = sum(_rows(run) for run in found)
    made: list[Part] = []
    try:
        with clear_errors(path.name):
            for run in found:
                rows = _read(path, run, schema, sum(part.rows for part in made), total, progress)
                made += parts.write(path, pa.RecordBatchReader.from_batches(schema, rows), _moment(run[0]))
        kept = exchange(path, lambda newest: _exchange(newest, gone, made))
    except BaseException:
        _forget(path, made)
        raise
    if kept < 0:
        discard(made)
        return Compacted()
    return Compacted(len(gone), len(made), total)


def runs(files: Sequence[Held], full: int) -> list[list[Held]]:
    """Return the files that are to become one, in groups of those that follow one another.

    Full files stay, and so do those that other programs wrote. A file that is larger than all that follow it together
    stays too: so a row is written anew no more often than the table has doubled.
    """
    groups: list[list[Held]] = [[]]
    for one in files:
        if OURS.fullmatch(one["path"]) and (one["num_records"] or 0) < full:
            groups[-1].append(one)
        else:
            groups[-1] = _before(groups[-1], one)
            groups.append([])
    return [run for group in groups if len(run := _without_large(group)) > 1]


def _before(group: list[Held], full: Held) -> list[Held]:
    """Leave out files of the commit that a full one behind them is of: theirs is the name that it is ordered by."""
    match = OURS.fullmatch(full["path"])
    return [one for one in group if match is None or not one["path"].startswith(f"part-{match[1]}-")]


def _without_large(group: list[Held]) -> list[Held]:
    while len(group) > 1 and group[0]["num_records"] > _rows(group[1:]):
        group = group[1:]
    return group


def _rows(run: Sequence[Held]) -> int:
    return sum(int(one["num_records"] or 0) for one in run)


def _moment(first: Held) -> int:
    """The place of a group among the files of a table without a sequence: behind the full files of its first commit.

    What another writer has begun since, and not committed yet, comes later.
    """
    match = OURS.fullmatch(first["path"])
    assert match is not None
    return int(match[1]) + 1


def _read(
    path: Place, run: Sequence[Held], schema: pa.Schema, done: int, total: int, progress: Callable[[int, int], None]
) -> Iterator[pa.RecordBatch]:
    for one in run:
        with pq.ParquetFile(source(path / one["path"])) as file:
            for batch in file.iter_batches(batch_size=min(_BATCH_ROWS, parts.group_rows(schema))):
                yield aligned_batch(batch, schema)
                done += batch.num_rows
                progress(done, total)


def _exchange(newest: deltalake.DeltaTable, gone: list[str], made: list[Part]) -> Exchange | None:
    if not set(gone) <= {one["path"] for one in ordered(newest)}:
        return None
    return Exchange(tuple(gone), tuple(made), {SAME_ROWS_AS: standing(newest)}, new_rows=False)


def _forget(path: Place, made: list[Part]) -> None:
    """Remove what was written, unless the commit stands: a checkpoint after it can fail."""
    held = {one["path"] for one in ordered(open_table(path))}
    discard([part for part in made if part.path.name not in held])
