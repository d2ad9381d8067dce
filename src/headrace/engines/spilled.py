"""Training sets larger than memory: rows and events cut by key onto disk, computed partition by partition.

For each set of keys (a pass), rows and events of a key land in the same partition; a partition's results are written
in pieces of the spine, so that in the end each piece is put together from one read of every partition.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa

from headrace.engines import compute
from headrace.engines.batch import source_contracts
from headrace.engines.frame import KNOWN, SEQ, Frame, frame
from headrace.engines.job import EARLY, LABEL, PIECE, Computed, Job, Progress, fixed, row_frame, staged
from headrace.engines.labels import labels
from headrace.engines.spill import Spill, free_or_fault, partition_of, read_piece, write_pieces
from headrace.kernel.column import Column, from_arrow, to_arrow
from headrace.lake.disk import sync
from headrace.plan.meaning import LabelPlan, Plan, StateGroup, WindowGroup
from headrace.types import LogicalType

ROW = "_row"
_CELL = 9
"""Bytes of a value of a feature: eight, and one for whether it is null (a bit, and what alignment adds)."""
_MESSAGE = 1500
"""Bytes that Arrow needs to say what a batch is; they matter where partitions are many and small."""
Keys = tuple[str, ...]
Group = WindowGroup | StateGroup


def computed(job: Job, work: Path, partitions: int, progress: Progress) -> Iterator[Computed]:
    """Yield the rows piece by piece; arguments as in ``sets.pieces``. The folder ``work`` is the caller's to remove.

    Raises:
        HeadraceError: HR-SPILL-001 when the disk cannot hold what is spilled.
    """
    free_or_fault(work, room(job, partitions))
    excluded = _stage_rows(job, work, partitions, progress)
    passes = _passes(job.plan)
    for keys in passes:
        _stage_events(job, work, keys, partitions, progress)
        for partition in range(partitions):
            path = _folder(work, keys) / f"made-{partition:05}.arrow"
            if not path.exists():
                _compute(job, work, keys, partition, len(excluded), path)
            progress(f"features by {', '.join(keys)}", partition + 1, partitions)
        for spill in _event_spills(job, work, keys, partitions).values():
            spill.remove()
    for number, left_out in enumerate(excluded):
        yield _assembled(job, work, number, passes, partitions, left_out)
        progress("writing", number + 1, len(excluded))


def room(job: Job, partitions: int) -> int:
    """Bytes on disk when it is fullest: rows and results of all passes, and the events of one or the set itself."""
    passes = _passes(job.plan)
    rows = job.spine_rows * _width(job.asked())
    results = job.spine_rows * _CELL * (len(job.plan.outputs) + len(passes))
    events = [
        sum(job.source_rows[name] * _width(job.batches(name, some)) for name, some in _columns(job.plan, keys).items())
        for keys in passes
    ]
    batches = (1 + job.spine_rows // PIECE) * (1 + 3 * len(passes) * partitions)
    return int(rows * (1 + len(passes)) + results + max([*events, rows + results]) + batches * _MESSAGE)


def _width(batches: Iterator[pa.Table]) -> float:
    """Bytes of a row as it is spilled, measured on the first rows: texts have no length in a contract."""
    first = next((batch for batch in batches if batch.num_rows), None)
    return 0.0 if first is None else first.nbytes / first.num_rows + _CELL


def _passes(plan: Plan) -> list[Keys]:
    found = [group.keys for group in plan.groups]
    if plan.label is not None:
        found.append(plan.label.label.on)
    return list(dict.fromkeys(found))


def _groups(plan: Plan, keys: Keys) -> list[Group]:
    return [group for group in plan.groups if group.keys == keys]


def _label(plan: Plan, keys: Keys) -> LabelPlan | None:
    return plan.label if plan.label is not None and plan.label.label.on == keys else None


def _source(group: Group) -> str:
    return group.stream.name if isinstance(group, WindowGroup) else group.table.name


def _columns(plan: Plan, keys: Keys) -> dict[str, Keys]:
    """Columns of each source that a pass reads."""
    needed: dict[str, list[str]] = {}
    for group in _groups(plan, keys):
        needed.setdefault(_source(group), []).extend(group.columns)
    label = _label(plan, keys)
    if label is not None:
        needed.setdefault(label.label.source.name, []).extend(label.columns)
    return {name: tuple(dict.fromkeys(columns)) for name, columns in needed.items()}


def _folder(work: Path, keys: Keys) -> Path:
    return work / "-".join(keys)


def _stage_rows(job: Job, work: Path, partitions: int, progress: Progress) -> list[dict[str, int]]:
    """Write the cases of each piece, and their share of each pass; return what each piece left out and why."""
    counted = work / f"excluded-{partitions}.json"
    if counted.exists():
        found: list[dict[str, int]] = json.loads(counted.read_text())
        return found
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    excluded: list[dict[str, int]] = []
    with ExitStack() as stack:
        spills = {keys: stack.enter_context(_row_spill(work, keys, partitions)) for keys in _passes(job.plan)}
        for number, table in enumerate(fixed(job.asked())):
            rows, left_out = staged(job, table)
            excluded.append(left_out)
            numbered = rows.append_column(ROW, pa.array(np.arange(rows.num_rows, dtype=np.int64) + number * PIECE))
            write_pieces(work / f"rows-{number:05}.arrow", [numbered], numbered.schema)
            for keys, spill in spills.items():
                spill.add(numbered, partition_of([rows.column(key) for key in keys], partitions))
            progress("reading rows", min((number + 1) * PIECE, job.spine_rows), job.spine_rows)
    fresh = counted.with_suffix(".new")
    fresh.write_text(json.dumps(excluded))
    sync(fresh, work)
    fresh.replace(counted)
    return excluded


def _row_spill(work: Path, keys: Keys, partitions: int) -> Spill:
    return Spill(_folder(work, keys) / "rows", partitions)


def _event_spills(job: Job, work: Path, keys: Keys, partitions: int) -> dict[str, Spill]:
    return {name: Spill(_folder(work, keys) / f"of-{name}", partitions) for name in _columns(job.plan, keys)}


def _stage_events(job: Job, work: Path, keys: Keys, partitions: int, progress: Progress) -> None:
    done = all((_folder(work, keys) / f"made-{one:05}.arrow").exists() for one in range(partitions))
    for name, spill in _event_spills(job, work, keys, partitions).items():
        if done or spill.complete:
            continue
        read, total = 0, job.source_rows.get(name, 0)
        with spill:
            for batch in job.batches(name, _columns(job.plan, keys)[name]):
                spill.add(batch, partition_of([batch.column(key) for key in keys], partitions))
                read += batch.num_rows
                progress(f"reading {name} by {', '.join(keys)}", read, total)


def _compute(job: Job, work: Path, keys: Keys, partition: int, count: int, path: Path) -> None:
    """Compute one partition of a pass and write its results, cut by pieces of the spine."""
    rows_table = _row_spill(work, keys, 1).read(partition)
    contracts = source_contracts(job.plan)
    sources: dict[str, Frame] = {}
    for name, columns in _columns(job.plan, keys).items():
        table = Spill(_folder(work, keys) / f"of-{name}", 1).read(partition)
        if table is None:
            fields = contracts[name].columns()
            schema = [(column, fields[column].type.arrow()) for column in columns]
            table = pa.schema([*schema, (SEQ, pa.int64()), (KNOWN, LogicalType("timestamp").arrow())]).empty_table()
        sources[name] = frame(table, columns, contracts[name], name)
    made: dict[str, Column] = {}
    if rows_table is None:
        write_pieces(path, [], pa.schema([(ROW, pa.int64())]))
        return
    rows = row_frame(job, rows_table)
    made = compute.grouped(_groups(job.plan, keys), rows, job.moment, sources, job.spine)
    label = _label(job.plan, keys)
    if label is not None:
        made |= labels(label, rows, job.moment, sources[label.label.source.name])
    computed = {name: to_arrow(made[name]) for name in _types(job.plan, keys)}
    result = pa.table({ROW: rows_table.column(ROW), **computed})
    cuts = np.searchsorted(rows_table.column(ROW).to_numpy(), np.arange(count + 1, dtype=np.int64) * PIECE)
    parts = (result.slice(cuts[i], cuts[i + 1] - cuts[i]) for i in range(count))
    write_pieces(path, parts, result.schema)


def _assembled(
    job: Job, work: Path, number: int, passes: list[Keys], partitions: int, excluded: dict[str, int]
) -> Computed:
    """Put a piece together from every partition's share of it."""
    table = pa.Table.from_batches([read_piece(work / f"rows-{number:05}.arrow", 0)])
    place = table.column(ROW).to_numpy()
    found: dict[str, Column] = {}
    for keys in passes:
        types = _types(job.plan, keys)
        shares = [read_piece(_folder(work, keys) / f"made-{one:05}.arrow", number) for one in range(partitions)]
        schema = pa.schema([(ROW, pa.int64()), *((name, kind.arrow()) for name, kind in types.items())])
        joint = pa.Table.from_batches(
            [share for share in shares if share is not None and share.num_columns > 1], schema
        )
        order = pa.array(np.argsort(joint.column(ROW).to_numpy(), kind="stable"))
        arranged = joint.take(order).combine_chunks()
        if not np.array_equal(arranged.column(ROW).to_numpy(), place):
            raise AssertionError("every row of a piece is in exactly one partition of each pass")
        for name, kind in types.items():
            found[name] = from_arrow(arranged.column(name), kind)
    rows = row_frame(job, table)
    found |= compute.derived(job.plan, rows, found)
    return Computed(table, found, excluded)


def _types(plan: Plan, keys: Keys) -> dict[str, LogicalType]:
    """Types of what a pass computes."""
    found: dict[str, LogicalType] = {}
    for group in _groups(plan, keys):
        if isinstance(group, WindowGroup):
            found |= {output: one.result for one in group.aggregations for output in one.outputs}
        else:
            found |= {name: node.domain.type for name, node in group.expressions}
    label = _label(plan, keys)
    if label is not None:
        found[LABEL] = label.value.domain.type.bare
        if label.own:
            found[EARLY] = LogicalType("bool")
    return found
