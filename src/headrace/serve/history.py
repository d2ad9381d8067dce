"""History as a record saw it: features of many recorded rows at once, each up to its own horizon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts.json import column
from headrace.declare.nested import flat
from headrace.engines import compute
from headrace.engines.batch import row_contract, source_contracts
from headrace.engines.frame import Frame, frame
from headrace.kernel.column import Column, concat, to_arrow
from headrace.kernel.typing import Ints
from headrace.lake import Lake
from headrace.online.slots import groups_of
from headrace.plan.meaning import Plan, StateGroup, WindowGroup
from headrace.types import arrow_schema

Groups = Sequence[WindowGroup | StateGroup]


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
) -> dict[str, Column]:
    """Return every feature of recorded rows by the batch path.

    Args:
        plan: what to compute.
        rows: fields as the kernel holds them.
        horizons: for each row, the last sequence (or version) of each source that it could see.
        known: for each row, up to when it knew, microseconds UTC.
        lake: history.
    """
    contract = row_contract(plan)
    fields, rows = contract.columns(), [flat(row, contract) for row in rows]
    moment = plan.spine.event_time if plan.spine is not None else ""
    columns = {name: column(fields[name].type, [row[name] for row in rows]) for name in plan.row_columns}
    asked = Frame(len(rows), columns)
    found: dict[str, Column] = {}
    for (source, keys), groups in groups_of(plan).items():
        horizon = np.array([one.get(source, 0) for one in horizons], dtype=np.int64)
        one = _Asked(asked, horizon, np.array(known, dtype=np.int64))
        found |= _source(plan, source, keys, groups, one, moment, lake)
    return found | compute.derived(plan, asked, found)


def _source(
    plan: Plan, source: str, keys: tuple[str, ...], groups: Groups, asked: _Asked, moment: str, lake: Lake
) -> dict[str, Column]:
    columns = tuple(dict.fromkeys(name for group in groups for name in group.columns))
    parts: list[tuple[Ints, dict[str, Column]]] = []
    for events, some in _seen(plan, source, keys[0], columns, asked, lake):
        known = replace(asked.rows, columns={n: c.take(some[0]) for n, c in asked.rows.columns.items()})
        rows = Frame(len(some[0]), known.columns, None, some[1])
        parts.append((some[0], compute.grouped(groups, rows, moment, {source: events}, None)))
    return _together(parts, asked.rows.length)


def _seen(
    plan: Plan, source: str, key: str, columns: tuple[str, ...], asked: _Asked, lake: Lake
) -> Iterator[tuple[Frame, tuple[Ints, Ints | None]]]:
    """Yield events, the positions of rows, and up to where these rows know them, so that all see what they saw."""
    contract = source_contracts(plan)[source]
    if not lake.exists(source):
        nothing = arrow_schema({name: contract.columns()[name].type for name in columns}).empty_table()
        yield frame(nothing, columns, contract, source), (np.arange(asked.rows.length), None)
        return
    everyone = np.arange(asked.rows.length, dtype=np.int64)
    if "_seq" not in lake.schema(source).names:
        # a table made by a query is replaced as a whole: each row sees the version that the state had
        for version in np.unique(asked.horizon).tolist():
            table = lake.read(source, version=version, columns=list(columns))
            yield frame(table, columns, contract, source), (everyone[asked.horizon == version], None)
        return
    table = _of_keys(source, key, columns, asked, lake)
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


def _of_keys(source: str, key: str, columns: tuple[str, ...], asked: _Asked, lake: Lake) -> pa.Table:
    """Read the events of the rows' own keys, in the order of their sequence."""
    mine = asked.rows.columns[key]
    wanted = pc.unique(to_arrow(mine))
    names = [*columns, "_seq", "_known_at"]
    parts = [lake.schema(source, None, names).empty_table()]
    for batch in lake.batches(source, columns=names):
        part = pa.Table.from_batches([batch])
        parts.append(part.filter(pc.is_in(part.column(key), value_set=wanted.cast(part.schema.field(key).type))))
    return pa.concat_tables(parts).sort_by("_seq")


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
