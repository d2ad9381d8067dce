"""The events behind a feature: which were in its window and known to the row, and which row of a state was valid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace import clock
from headrace.contracts.json import array
from headrace.declare import Contract
from headrace.engines.batch import source_contracts
from headrace.engines.frame import KNOWN, SEQ, Frame, frame
from headrace.kernel.aggregates import catalogue
from headrace.kernel.column import Column, held
from headrace.kernel.work import Span
from headrace.lake import Lake, Within
from headrace.online.slots import source_of
from headrace.plan import lower
from headrace.plan.expression import references
from headrace.plan.meaning import Aggregation, Plan, StateGroup, WindowGroup
from headrace.serve.values import leaving
from headrace.serve.why.veil import Veil
from headrace.types import LogicalType


@dataclass(frozen=True)
class Event:
    """An event in the window of a feature.

    Args:
        sequence: its place in the order of learning; None in a table that a query makes.
        at: when it happened, ISO 8601 in UTC.
        known_at: since when it was known.
        value: that the feature is made of, as it leaves Headrace; None where only events are counted.
        counted: whether it was: the condition of the feature held, and the value was there.
    """

    sequence: int | None
    at: str
    known_at: str | None
    value: Any
    counted: bool


@dataclass(frozen=True)
class Window:
    """What a windowed feature of a row was made of.

    Args:
        source: the stream.
        by: fields that name the entity, with the row's values.
        begin, end: of the window, which holds its begin and not its end; no begin of a lifetime.
        events: in the order of time.
        with_row: whether the row itself was counted, too.
        late: events in the window that the row could not know yet.
    """

    source: str
    by: Mapping[str, Any]
    begin: str | None
    end: str
    events: tuple[Event, ...]
    with_row: bool = False
    late: int = 0

    @property
    def counted(self) -> int:
        return sum(one.counted for one in self.events)


@dataclass(frozen=True)
class State:
    """The row of a state table that was valid.

    Args:
        source: the table.
        by: fields that name the entity, with the row's values.
        sequence, known_at: of the row; None where no row was valid, or a query makes the table.
        valid_from, valid_to: of the row; no end of one that holds until the next.
        fields: what the feature reads of it.
    """

    source: str
    by: Mapping[str, Any]
    sequence: int | None = None
    known_at: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def there(self) -> bool:
        return self.valid_from is not None


@dataclass(frozen=True)
class Seen:
    """What a row could see of the past.

    Args:
        at: its moment, microseconds UTC.
        known: up to when it knew.
        horizon: last sequence (or version) of each source that the state had applied.
    """

    at: int
    known: int
    horizon: Mapping[str, int]


def behind(plan: Plan, row: Mapping[str, Any], seen: Seen, lake: Lake, veil: Veil) -> dict[str, Window | State]:
    """Return what stands behind each feature that is made from a source, by the rules of ``history.recomputed``.

    Args:
        plan: of the features.
        row: fields as the kernel holds them, and those within them by path.
        seen: what the row could see.
        lake: history.
        veil: masks values.
    """
    contracts = source_contracts(plan)
    found: dict[str, Window | State] = {}
    for group in plan.groups:
        contract = contracts[source_of(group)]
        past = _past(group, contract, row, seen, lake)
        by = {key: veil.columns(contract, [key], row[key]) for key in group.keys}
        if isinstance(group, StateGroup):
            found |= {name: _state(group, name, past, seen, by, veil) for name, _ in group.expressions}
            continue
        for one in group.aggregations:
            values = _Values(one, past, contract, veil)
            for name, span in zip(one.outputs, one.spans, strict=True):
                found[name] = _window(group, one, span, past, values, seen, by)
    return found


@dataclass(frozen=True)
class _Past:
    """The rows of one entity in a source, in the order of time, and which of them the row could see."""

    rows: Frame
    time: Any
    visible: Any


def _past(
    group: WindowGroup | StateGroup, contract: type[Contract], row: Mapping[str, Any], seen: Seen, lake: Lake
) -> _Past:
    source = source_of(group)
    time = group.stream.event_time if isinstance(group, WindowGroup) else group.valid_from
    columns = tuple(dict.fromkeys(group.columns))
    if not lake.exists(source) or any(row[key] is None for key in group.keys):
        kinds = {name: contract.columns()[name].type for name in columns}
        empty = pa.table([array(kind, []) for kind in kinds.values()], names=list(kinds))
        return _Past(frame(empty, columns, contract, source), np.zeros(0, np.int64), np.zeros(0, np.bool_))
    numbered = SEQ in lake.schema(source).names
    version = None if numbered else seen.horizon.get(source)
    names = [*columns, *((SEQ, KNOWN) if numbered else ())]
    parts = [lake.schema(source, version, names).empty_table()]
    within = _within(group, time, seen)
    for batch in lake.batches(source, version=version, columns=names, within=within):
        parts += [_of_entity(pa.Table.from_batches([batch]), group.keys, contract, row)]
    table = pa.concat_tables(parts)
    order = [(time, "ascending"), *([(SEQ, "ascending")] if numbered else [])]
    rows = frame(table.sort_by(order), columns, contract, source)
    visible = np.ones(rows.length, np.bool_)
    if rows.seq is not None and rows.known is not None:
        visible = (rows.seq <= seen.horizon.get(source, 0)) & (rows.known <= seen.known)
    return _Past(rows, rows.columns[time].values, visible)


def _within(group: WindowGroup | StateGroup, time: str, seen: Seen) -> Within | None:
    """Bounds of what can be in a window, so that older files are not opened."""
    low: int | None = None
    if isinstance(group, WindowGroup):
        begins = [_edges(span, seen.at)[0] for one in group.aggregations for span in one.spans]
        low = None if None in begins else min(one for one in begins if one is not None)
    return Within(time, low, seen.at)


def _of_entity(part: pa.Table, keys: tuple[str, ...], contract: type[Contract], row: Mapping[str, Any]) -> pa.Table:
    for key in keys:
        wanted = array(contract.columns()[key].type, [row[key]]).cast(part.schema.field(key).type)
        part = part.filter(pc.equal(part.column(key), wanted[0]))
    return part


def _edges(span: Span, at: int) -> tuple[int | None, int]:
    """Where a window begins and ends: its old edge is aligned down to a hop."""
    end = at - span.delay
    if span.length is None:
        return None, end
    begin = end - span.length
    return (begin // span.hop * span.hop if span.hop else begin), end


class _Values:
    """What one aggregate makes of events: the value that it takes, and which of them count."""

    def __init__(self, one: Aggregation, past: _Past, contract: type[Contract], veil: Veil) -> None:
        given, length = past.rows.columns, past.rows.length
        self._value = None if one.value is None else lower.columns(one.value, given, length)
        self.counts = np.ones(length, np.bool_)
        if one.where is not None:
            holds = lower.columns(one.where, given, length)
            self.counts = holds.values & holds.mask
        if self._value is not None and not catalogue()[one.aggregate].sees_null:
            self.counts = self.counts & self._value.mask
        self._names, self._contract, self._veil = (() if one.value is None else references(one.value)), contract, veil

    def at(self, place: int) -> Any:
        if self._value is None:
            return None
        return self._veil.columns(self._contract, self._names, plain(self._value, place))


def _window(
    group: WindowGroup,
    one: Aggregation,
    span: Span,
    past: _Past,
    values: _Values,
    seen: Seen,
    by: Mapping[str, Any],
) -> Window:
    begin, end = _edges(span, seen.at)
    inside = past.time < end
    if begin is not None:
        inside &= past.time >= begin
    events = tuple(
        Event(*_when(past, place), values.at(place), bool(values.counts[place]))
        for place in np.flatnonzero(inside & past.visible).tolist()
    )
    late = int((inside & ~past.visible).sum())
    begun = None if begin is None else moment(begin)
    return Window(group.stream.name, by, begun, moment(end), events, one.include_current, late)


def _when(past: _Past, place: int) -> tuple[int | None, str, str | None]:
    rows = past.rows
    sequence = None if rows.seq is None else int(rows.seq[place])
    known = None if rows.known is None else moment(int(rows.known[place]))
    return sequence, moment(int(past.time[place])), known


def _state(group: StateGroup, name: str, past: _Past, seen: Seen, by: Mapping[str, Any], veil: Veil) -> State:
    until = None if group.valid_to is None else past.rows.columns[group.valid_to]
    for place in np.flatnonzero(past.visible & (past.time <= seen.at))[::-1].tolist():
        ends = None if until is None or not until.mask[place] else int(until.values[place])
        if ends is not None and ends <= seen.at:
            continue
        sequence, begins, known = _when(past, place)
        node = dict(group.expressions)[name]
        fields = {
            one: veil.columns(group.table.contract, [one], plain(past.rows.columns[one], place))
            for one in references(node)
        }
        return State(group.table.name, by, sequence, known, begins, None if ends is None else moment(ends), fields)
    return State(group.table.name, by)


def plain(column: Column, place: int) -> Any:
    """Return one value of a column as it leaves Headrace; times as ISO 8601."""
    return shown(held(column, place), column.type)


def shown(value: Any, kind: LogicalType) -> Any:
    """Return a held value as people read it: decimals as numbers, times as ISO 8601 in UTC."""
    return moment(value) if kind.name == "timestamp" and value is not None else leaving(value, kind)


def moment(us: int) -> str:
    """Return microseconds UTC as ISO 8601."""
    try:
        return clock.from_us(us).isoformat()
    except OverflowError:  # a window of a year 1 row begins before there are dates
        return f"{us} us"


def listed(events: Sequence[Event], most: int) -> tuple[list[Event], int]:
    """Return the first and the last events, and how many are left out between them."""
    if len(events) <= most:
        return list(events), 0
    half = most // 2
    return [*events[: most - half], *events[len(events) - half :]], len(events) - most
