"""The request path for conformance: events are learned one after another, and rows are asked about a few at a time."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from headrace.contracts.json import array
from headrace.engines.frame import Frame, feature_array
from headrace.engines.ready import Ready
from headrace.kernel.column import Column, from_arrow, held, to_arrow
from headrace.online import Asked, State, slots_of
from headrace.online.slots import groups_of
from headrace.plan.meaning import Output, Plan
from headrace.types import FLOAT

MAP_BYTES = 1 << 30


def request_path(plan: Plan, rows: Frame, event_time: str, sources: Mapping[str, Frame]) -> pa.Table:
    """Return every feature of every row as a service computes it.

    The state is the one that services have, on disk: half of each source is loaded at once, the rest comes live.

    Args:
        plan: what to compute.
        rows: to ask about; without a known time, each knows what was known at its moment.
        event_time: which of their columns is the moment.
        sources: events of all keys, by stream or table.

    Returns:
        A column for each feature, as it leaves Headrace; a row for each row, in order.
    """
    with tempfile.TemporaryDirectory() as folder:
        state, ready = State(Path(folder), slots_of([plan]), MAP_BYTES), Ready(plan, groups_of(plan))
        try:
            for name in state.sources:
                learn(state, name, sources[name])
            made = [_some(plan, ready, state, rows, event_time, some) for some in _batches(rows.length)]
        finally:
            state.close()
    arrays = {one.name: [feature_array(each[one.name]) for each in made] for one in plan.outputs}
    return pa.table({one.name: pa.chunked_array(arrays[one.name], type=out_type(one)) for one in plan.outputs})


def learn(state: State, source: str, events: Frame) -> None:
    slots = [slot for slot in state.slots if slot.source == source]
    table = pa.table({name: to_arrow(events.columns[name]) for slot in slots for name in slot.reads})
    seq = np.arange(1, events.length + 1) if events.seq is None else events.seq
    known = events.columns[slots[0].time].values if events.known is None else events.known
    order, half = np.argsort(seq, kind="stable"), events.length // 2
    for some in (order[:half], *(order[at : at + 1] for at in range(half, events.length))):
        state.add(source, table.take(pa.array(some)), seq[some], known[some])


def _batches(rows: int) -> Iterator[range]:
    """Yield places of rows as a service would answer them together: one, two, three at a time and so on."""
    begin, sizes = 0, itertools.cycle((1, 2, 3, 5, 8, 16))
    while begin < rows:
        size = min(next(sizes), rows - begin)
        yield range(begin, begin + size)
        begin += size


def _some(plan: Plan, ready: Ready, state: State, rows: Frame, event_time: str, some: range) -> Mapping[str, Column]:
    asked = [{name: held(column, at) for name, column in rows.columns.items()} for at in some]
    at = slice(some.start, some.stop)
    moment = rows.columns[event_time].values[at]
    known = moment if rows.known is None else rows.known[at]
    places = {} if rows.seq is None or plan.spine is None else {plan.spine.name: rows.seq[at]}
    reading = state.read(Asked(asked, moment, known, places))
    for fault in reading.faults.values():
        raise fault
    made = ready.features(asked, moment, reading.slices)
    return {one.name: from_arrow(array(one.type, made[one.name]), one.type) for one in plan.outputs}


def out_type(output: Output) -> pa.DataType:
    return (FLOAT if output.type.name == "decimal" else output.type).arrow()
