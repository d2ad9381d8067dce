"""The stream's path for conformance: events are learned one by one, and rows come in micro-batches of any size."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from headrace.engines.frame import Frame, feature_array
from headrace.online import State, slots_of
from headrace.online.features import LiveFeatures
from headrace.plan.meaning import Plan
from headrace.testing.request import MAP_BYTES, learn, out_type

_SIZES = 7, 1, 64, 3


def stream_path(plan: Plan, rows: Frame, sources: Mapping[str, Frame]) -> pa.Table:
    """Return every feature of every row as the worker of a stream computes it.

    The state has gone on beyond the rows: these see what was known to them, and no more.

    Args:
        plan: what to compute.
        rows: events of its spine; without a known time, each knows what was known at its moment.
        sources: events of all keys, by stream or table.

    Returns:
        A column for each feature, as it leaves Headrace; a row for each row, in order.
    """
    with tempfile.TemporaryDirectory() as folder:
        state = State(Path(folder), slots_of([plan]), MAP_BYTES)
        try:
            for name in state.sources:
                learn(state, name, sources[name])
            live, made, begin = LiveFeatures(plan, state), [], 0
            for size in itertools.cycle(_SIZES):
                made.append(live.of(_part(rows, begin, begin + size)))
                begin += size
                if begin >= rows.length:
                    break
        finally:
            state.close()
    arrays = {one.name: [feature_array(each[one.name]) for each in made] for one in plan.outputs}
    return pa.table({one.name: pa.chunked_array(arrays[one.name], type=out_type(one)) for one in plan.outputs})


def _part(rows: Frame, begin: int, end: int) -> Frame:
    columns = {name: column.part(begin, end) for name, column in rows.columns.items()}
    seq, known = (None if one is None else np.ascontiguousarray(one[begin:end]) for one in (rows.seq, rows.known))
    return Frame(len(next(iter(columns.values()))), columns, seq, known)
