"""The paths on which a plan can run. A new one is one more entry in ``PATHS``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import pyarrow as pa

from headrace.declare import Contract
from headrace.engines import job as engine_job
from headrace.engines import spill, spilled
from headrace.engines.batch import source_contracts
from headrace.engines.frame import KNOWN, SEQ, feature_array, frame
from headrace.engines.job import Job
from headrace.online import State
from headrace.plan import reference
from headrace.plan.compile import domains
from headrace.plan.meaning import Plan
from headrace.serve.desk import Desk
from tests.plan.worlds import by_batch, table

Row = Mapping[str, Any]
Path_ = Callable[[Plan, Sequence[Row], Mapping[str, Sequence[Row]]], list[dict[str, Any]]]
"""Plan, rows and rows of each source (with ``_seq`` and ``_known_at``) -> the features of each row, in order."""


def by_request(plan: Plan, spine: Sequence[Row], sources: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """Let events into the state of keys as they were learned, and ask about each row when its turn comes."""
    assert plan.spine is not None
    desk = SimpleNamespace(
        plan=plan,
        contract=plan.spine.contract,
        moment=plan.spine.event_time,
        _fields=tuple(domains(plan.spine.contract)),
    )
    answers: dict[int, dict[str, Any]] = {}
    waiting = {name: sorted(sources[name], key=lambda row: row["_seq"]) for name in source_contracts(plan)}
    with _state(plan) as state:
        for position in sorted(range(len(spine)), key=lambda at: _turn(spine[at], plan.spine.event_time)):
            row = spine[position]
            for name, events in waiting.items():
                came = [one for one in events if _before(one, row, plan, name)]
                waiting[name] = events[len(came) :]
                _learn(state, plan, name, came)
            asked = table([{name: row[name] for name in plan.spine.contract.fields()}], plan.spine.contract)
            with state.env.begin(write=True) as transaction:
                made = Desk.look(cast("Desk", desk), asked, state, transaction).made
            answers[position] = {one.name: feature_array(made[one.name]).to_pylist()[0] for one in plan.outputs}
    return [answers[position] for position in range(len(spine))]


@contextmanager
def _state(plan: Plan) -> Iterator[State]:
    with tempfile.TemporaryDirectory() as folder:
        state = State(Path(folder), [plan])
        try:
            yield state
        finally:
            state.close()


def _turn(row: Row, moment: str) -> tuple[int, int]:
    return int(row.get("_known_at", row[moment])), int(row.get("_seq", 2**62))


def _before(event: Row, row: Row, plan: Plan, source: str) -> bool:
    """What a stream learned is ordered by sequence; between sources only known times can be compared."""
    assert plan.spine is not None
    known, seq = _turn(row, plan.spine.event_time)
    if source != plan.spine.name:
        seq = 2**62
    return (int(event["_known_at"]), int(event["_seq"])) < (known, seq)


def _learn(state: State, plan: Plan, source: str, rows: Sequence[Row]) -> None:
    contract: type[Contract] = source_contracts(plan)[source]
    columns = list(dict.fromkeys(name for shelf in state.shelves if shelf.source == source for name in shelf.types))
    if rows:
        with state.writing() as transaction:
            state.add(source, frame(table(rows, contract), columns, contract, source), transaction)


def by_spilling(plan: Plan, spine: Sequence[Row], sources: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """Cut rows and events by key into three partitions on disk, a few rows of the spine at a time."""
    assert plan.spine is not None
    contracts = source_contracts(plan)
    tables = {name: table(rows, contracts[name]) for name, rows in sources.items() if name in contracts}
    spines = table(spine, plan.spine.contract)

    def batches(name: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        # Rows of the spine and events of its stream can be tables of their own here: the spine is asked for by its
        # moment and the columns of the row, and never without them.
        rows = spines if tuple(columns) == job.columns else tables[name]
        chosen = rows.select([name for name in rows.column_names if name in (*columns, SEQ, KNOWN)])
        yield from (chosen.slice(begin, 3) for begin in range(0, chosen.num_rows, 3))

    counts = {name: len(rows) for name, rows in sources.items()}
    job = Job(plan, (), plan.spine.event_time, None, len(spine), counts, batches)
    with tempfile.TemporaryDirectory() as folder, _hasty():
        made = [one.table for one in spilled.pieces(job, Path(folder) / "work", 3, lambda *_: None)]
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
}
