"""The paths on which a plan can run. A new one is one more entry in ``PATHS``."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa

from headrace.engines import job as engine_job
from headrace.engines import spill, spilled
from headrace.engines.batch import source_contracts
from headrace.engines.frame import KNOWN, SEQ, frame
from headrace.engines.job import Job
from headrace.kernel.column import held
from headrace.plan import reference
from headrace.plan.meaning import Plan
from headrace.serve.fields import RowReader, document
from headrace.testing import request_path, stream_path
from tests.plan.worlds import by_batch, table

Row = Mapping[str, Any]
YEAR_3000 = 32_503_680_000_000_000
Path_ = Callable[[Plan, Sequence[Row], Mapping[str, Sequence[Row]]], list[dict[str, Any]]]
"""Plan, rows and rows of each source (with ``_seq`` and ``_known_at``) -> the features of each row, in order."""


def by_request(plan: Plan, spine: Sequence[Row], sources: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """Ask about each row as a client does, of a state of keys that has learned all events of the sources."""
    assert plan.spine is not None
    contracts = source_contracts(plan)
    events = {
        name: frame(table(sources[name], contracts[name]), columns, contracts[name], name)
        for name, columns in plan.sources.items()
    }
    asked = table(spine, plan.spine.contract)
    if all(row[plan.spine.event_time] < YEAR_3000 for row in spine):  # requests hold no later times, nor do files
        asked = _over_http(asked, plan)
    names = [name for name in plan.spine.contract.fields() if name in asked.column_names]
    rows = frame(asked, names, plan.spine.contract, "the requests")
    found: list[dict[str, Any]] = request_path(plan, rows, plan.spine.event_time, events).to_pylist()
    return found


def by_stream(plan: Plan, spine: Sequence[Row], sources: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """Ask about rows as they come in a log, some at a time, of a state of keys that has gone on beyond them."""
    assert plan.spine is not None
    contracts = source_contracts(plan)
    events = {
        name: frame(table(sources[name], contracts[name]), columns, contracts[name], name)
        for name, columns in plan.sources.items()
    }
    asked = table(spine, plan.spine.contract)
    rows = frame(asked, plan.row_columns, plan.spine.contract, "the spine")
    found: list[dict[str, Any]] = stream_path(plan, rows, events).to_pylist()
    return found


def _over_http(rows: pa.Table, plan: Plan) -> pa.Table:
    """Write rows as the bodies of requests, and read them as a service does; the place in the log goes beside."""
    assert plan.spine is not None
    reader = RowReader(plan.spine.contract)
    names = [name for name in reader.fields if name in rows.column_names]
    columns = frame(rows, names, plan.spine.contract, "the rows").columns
    empty = dict.fromkeys(reader.fields)
    given = [empty | {name: held(columns[name], at) for name in names} for at in range(rows.num_rows)]
    asked = reader.arrow([reader.read(json.dumps(document(row, reader.fields)).encode()) for row in given])
    for name in (SEQ, KNOWN):
        if name in rows.column_names:
            asked = asked.append_column(name, rows[name])
    return asked


def by_spilling(plan: Plan, spine: Sequence[Row], sources: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """Cut rows and events by key into three partitions on disk, a few rows of the spine at a time."""
    assert plan.spine is not None
    contracts = source_contracts(plan)
    tables = {name: table(rows, contracts[name]) for name, rows in sources.items() if name in contracts}
    spines = table(spine, plan.spine.contract)

    def read(rows: pa.Table, columns: Sequence[str]) -> Iterator[pa.Table]:
        chosen = rows.select([name for name in rows.column_names if name in (*columns, SEQ, KNOWN)])
        yield from (chosen.slice(begin, 3) for begin in range(0, chosen.num_rows, 3))

    def batches(name: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        return read(tables[name], columns)

    # Rows of the spine and events of its stream can be tables of their own here.
    def asked(columns: Sequence[str]) -> Iterator[pa.Table]:
        return read(spines, columns)

    counts = {name: len(rows) for name, rows in sources.items()}
    job = Job(plan, (), plan.spine.event_time, None, len(spine), counts, batches, asked)
    with tempfile.TemporaryDirectory() as folder, _hasty():
        parts = spilled.computed(job, Path(folder) / "work", 3, lambda *_: None)
        made = [engine_job.piece(job, one).table for one in parts]
    return [row for one in made for row in one.to_pylist()]


@contextmanager
def _hasty() -> Iterator[None]:
    """Cut the spine into pieces of two rows, and do not wait for the disk."""
    at_once = patch.multiple(spilled, PIECE=2, sync=_unsynced), patch.multiple(engine_job, PIECE=2)
    with at_once[0], at_once[1], patch.multiple(spill, sync=_unsynced):
        yield


def _unsynced(*_: Path) -> None:
    pass


PATHS: dict[str, Path_] = {
    "reference": reference.features,
    "batch": by_batch,
    "spilled": by_spilling,
    "request": by_request,
    "stream": by_stream,
}
