"""History as a record saw it: features of many recorded rows at once, each up to its own horizon."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts.json import column
from headrace.contracts.nested import read_at
from headrace.declare.nested import flat
from headrace.engines import compute
from headrace.engines.batch import row_contract, source_contracts
from headrace.engines.frame import Frame, frame
from headrace.kernel.column import Column, concat, to_arrow
from headrace.kernel.typing import Ints
from headrace.lake import Lake, Within
from headrace.online.slots import Slot, groups_of, slots_of
from headrace.plan.meaning import Plan, StateGroup, WindowGroup
from headrace.types import arrow_schema

Groups = Sequence[WindowGroup | StateGroup]
Waiting = Callable[[str], pa.Table | None]
"""Given the name of a stream, returns its events that may not be in the lake yet, with ``_seq`` and ``_known_at``."""


def nothing_waits(_: str) -> None:
    """All of history is in the lake."""


@dataclass(frozen=True)
class _Asked:
    """Rows, and for one source what each may see: sequences up to ``horizon``, known by ``known``."""

    rows: Frame
    horizon: Ints
    known: Ints


def recomputed(
    plan: Plan,
    rows: Sequence[Mapping[str, Any]],
    horizons: Sequence[Mapping[str, int]],
    known: Sequence[int],
    lake: Lake,
    waiting: Waiting = nothing_waits,
) -> dict[str, Column]:
    """Return every feature of recorded rows by the batch path.

    Args:
        plan: what to compute.
        rows: fields as the kernel holds them.
        horizons: for each row, the last sequence (or version) of each source that it could see.
        known: for each row, up to when it knew, microseconds UTC.
        lake: history.
        waiting: what of history is on its way into the lake.
    """
    contract = row_contract(plan)
    fields, rows = contract.columns(), [flat(row, contract) for row in rows]
    moment = plan.spine.event_time if plan.spine is not None else ""
    columns = {name: column(fields[name].type, [row[name] for row in rows]) for name in plan.row_columns}
    asked = Frame(len(rows), columns)
    found: dict[str, Column] = {}
    slots = {slot.id: slot for slot in slots_of([plan])}
    history = _History(lake, waiting)
    for (source, keys), groups in groups_of(plan).items():
        horizon = np.array([one.get(source, 0) for one in horizons], dtype=np.int64)
        one = _Asked(asked, horizon, np.array(known, dtype=np.int64))
        found |= _source(plan, slots[source, keys], groups, one, moment, history)
    return found | compute.derived(plan, asked, found)


def _source(plan: Plan, slot: Slot, groups: Groups, asked: _Asked, moment: str, history: _History) -> dict[str, Column]:
    source, earliest = slot.source, asked.rows.columns[moment].values.min(initial=2**62)
    reached = None if slot.reach is None else Within(slot.time, low=int(earliest) - slot.reach)
    columns = tuple(dict.fromkeys(name for group in groups for name in group.columns))
    parts: list[tuple[Ints, dict[str, Column]]] = []
    for events, some in _seen(plan, source, slot.keys[0], columns, asked, replace(history, within=reached)):
        known = replace(asked.rows, columns={n: c.take(some[0]) for n, c in asked.rows.columns.items()})
        rows = Frame(len(some[0]), known.columns, None, some[1])
        parts.append((some[0], compute.grouped(groups, rows, moment, {source: events}, None)))
    return _together(parts, asked.rows.length)


def _seen(
    plan: Plan, source: str, key: str, columns: tuple[str, ...], asked: _Asked, history: _History
) -> Iterator[tuple[Frame, tuple[Ints, Ints | None]]]:
    """Yield events, the positions of rows, and up to where these rows know them, so that all see what they saw."""
    contract, lake = source_contracts(plan)[source], history.lake
    everyone = np.arange(asked.rows.length, dtype=np.int64)
    if lake.exists(source) and "_seq" not in lake.schema(source).names:
        # a table made by a query is replaced as a whole: each row sees the version that the state had
        for version in np.unique(asked.horizon).tolist():
            table = lake.read(source, version=version, columns=list(columns))
            yield frame(table, columns, contract, source), (everyone[asked.horizon == version], None)
        return
    table = history.of_keys(source, key, arrow_schema({name: contract.columns()[name].type for name in columns}), asked)
    events = frame(table, columns, contract, source)
    assert events.seq is not None
    assert events.known is not None
    newest_known = np.maximum.accumulate(events.known) if events.length else events.known
    until = np.searchsorted(events.seq, asked.horizon, side="right")
    needed = np.where(until > 0, newest_known[np.maximum(until - 1, 0)] if events.length else 0, -(2**62))
    plain = needed <= asked.known
    whole = plain & (until == events.length)
    if whole.any():
        # nothing was learned since: time alone decides
        yield replace(events, known=None), (everyone[whole], None)
    later = plain & ~whole
    # all that was in the state was known to these rows: the order of learning alone decides
    yield replace(events, known=events.seq), (everyone[later], asked.horizon[later])
    for horizon in np.unique(asked.horizon[~plain]).tolist():
        some = everyone[~plain & (asked.horizon == horizon)]
        yield _first(events, int(np.searchsorted(events.seq, horizon, side="right"))), (some, asked.known[some])


@dataclass(frozen=True)
class _History:
    """What was learned, in the lake or on its way there; and which times of it some row reaches."""

    lake: Lake
    waiting: Waiting
    within: Within | None = None

    def of_keys(self, source: str, key: str, columns: pa.Schema, asked: _Asked) -> pa.Table:
        """Return the events of the rows' own keys, in the order of their sequence."""
        wanted = pc.unique(to_arrow(asked.rows.columns[key]))
        schema = pa.schema([*columns, ("_seq", pa.int64()), ("_known_at", pa.timestamp("us", tz="UTC"))])
        late = self.waiting(source)  # before the lake: what moves between the two is seen twice, and not lost
        parts = [schema.empty_table()]
        if self.lake.exists(source):
            batches = self.lake.batches(source, columns=schema.names, within=self.within)
            parts += [_of(wanted, key, pa.Table.from_batches([batch]), schema) for batch in batches]
        table = pa.concat_tables(parts)
        if late is not None:
            more = _of(wanted, key, late, schema)
            table = pa.concat_tables([table, more.filter(pc.invert(pc.is_in(more["_seq"], value_set=table["_seq"])))])
        return table.sort_by("_seq")


def _of(wanted: pa.Array, key: str, rows: pa.Table, schema: pa.Schema) -> pa.Table:
    mine = pc.is_in(read_at(rows, key).cast(wanted.type), value_set=wanted)
    found = rows.filter(mine)
    return pa.table([read_at(found, name) for name in schema.names], schema.names).cast(schema)


def _first(events: Frame, count: int) -> Frame:
    columns = {name: one.part(0, count) for name, one in events.columns.items()}
    assert events.seq is not None
    assert events.known is not None
    return Frame(count, columns, events.seq[:count], events.known[:count])


def _together(parts: Sequence[tuple[Ints, dict[str, Column]]], length: int) -> dict[str, Column]:
    """Put the results of some rows each back into the order of all rows."""
    parts = [part for part in parts if len(part[0])]
    if len(parts) == 1:
        return parts[0][1]
    order = np.concatenate([positions for positions, _ in parts])
    back = np.empty(length, dtype=np.int64)
    back[order] = np.arange(length)
    found = {}
    for name in parts[0][1]:
        joined = parts[0][1][name]
        for _, more in parts[1:]:
            joined = concat(joined, more[name])
        found[name] = joined.take(back)
    return found
