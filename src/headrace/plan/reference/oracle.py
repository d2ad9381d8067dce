"""Which events a row may see, and what every feature and label of a plan is for it. See DESIGN, section 4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.declare import Contract
from headrace.declare.nested import flat
from headrace.kernel.aggregates import catalogue
from headrace.kernel.work import Span
from headrace.plan.expression import Node
from headrace.plan.meaning import Aggregation, LabelPlan, Plan, StateGroup, WindowGroup
from headrace.plan.reference.expressions import evaluate
from headrace.plan.reference.values import entering, leaving
from headrace.types import Timestamp

Row = Mapping[str, Any]
Sources = Mapping[str, Iterable[Row]]


@dataclass(frozen=True)
class Case:
    """A row that is asked about; without a known time or a sequence it knows all that was known at its moment."""

    fields: Row
    moment: int
    known: int
    seq: int | None
    stream: str


@dataclass(frozen=True)
class Event:
    """Something that happened, or a row of a state table since it held."""

    fields: Row
    time: int
    known: int
    seq: int
    stream: str


def features(
    plan: Plan, spine: Iterable[Row], sources: Sources, contract: type[Contract] | None = None, event_time: str = ""
) -> list[dict[str, Any]]:
    """Return for every row every feature by name.

    Args:
        plan: what to compute.
        spine: the rows; may have ``_known_at`` (microseconds or aware datetime) and ``_seq``.
        sources: name of a stream or table to its rows, which may have ``_known_at`` and ``_seq``; without, they were
            known as they happened and learned in the order given.
        contract: of the rows, where the plan has no spine.
        event_time: field that is the moment of a row; by default the event time of the contract.

    Returns:
        One dictionary for each row, in order; see ``values.leaving`` for how values leave.
    """
    stream = "" if plan.spine is None else plan.spine.name
    contract = contract if plan.spine is None else plan.spine.contract
    assert contract is not None
    moment = event_time or contract.role("event_time") or ""
    events = _all_events(plan, sources)
    return [_values(plan, _case(row, contract, moment, stream), events) for row in spine]


def _values(plan: Plan, case: Case, events: Mapping[str, Sequence[Event]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group in plan.windows:
        for one in group.aggregations:
            for output, span in zip(one.outputs, one.spans, strict=True):
                found[output] = window(group, one, span, case, events[group.stream.name])
    for state in plan.states:
        held = valid(state, case, events[state.table.name])
        for name, node in state.expressions:
            found[name] = None if held is None else evaluate(node, held.fields)
    for derived in plan.derived:
        found[derived.name] = evaluate(derived.node, {**case.fields, **found})
    return {output.name: leaving(found[output.name], output.type) for output in plan.outputs}


def window(group: WindowGroup, one: Aggregation, span: Span, case: Case, events: Iterable[Event]) -> Any:
    """Return one aggregate over one window of one row."""
    aggregate = catalogue()[one.aggregate]
    inside = [event for event in _of_key(group.keys, case, events) if known(event, case) and lies(event, span, case)]
    inside.sort(key=lambda event: (event.time, event.seq))
    rows = [(event.time, event.fields) for event in inside]
    if one.include_current:
        rows.append((case.moment, case.fields))
    counted = [
        (time, None if one.value is None else evaluate(one.value, fields))
        for time, fields in rows
        if one.where is None or evaluate(one.where, fields) is True
    ]
    if one.value is not None and not aggregate.sees_null:
        counted = [(time, value) for time, value in counted if value is not None]
    return aggregate.plain(counted, case.moment, one.work.setting)


def lies(event: Event, span: Span, case: Case) -> bool:
    """Whether an event lies in the window [t - delay - length, t - delay), the old edge aligned down to a hop."""
    new_edge = case.moment - span.delay
    if span.length is None:
        return event.time < new_edge
    old_edge = new_edge - span.length
    if span.hop:
        old_edge -= old_edge % span.hop
    return old_edge <= event.time < new_edge


def known(event: Event, case: Case) -> bool:
    """Whether an event was known before the row. Sequences order what one stream learned, not several."""
    if event.known == case.known and case.seq is not None and event.stream == case.stream:
        return event.seq < case.seq
    return event.known <= case.known


def valid(group: StateGroup, case: Case, rows: Iterable[Event]) -> Event | None:
    """Return the newest row of a state table that was known and valid at the moment."""
    held = [
        row
        for row in _of_key(group.keys, case, rows)
        if known(row, case) and row.time <= case.moment and case.moment < _end(row, group.valid_to)
    ]
    return max(held, key=lambda row: (row.time, row.seq), default=None)


def _end(row: Event, valid_to: str | None) -> float:
    end = None if valid_to is None else row.fields[valid_to]
    return float("inf") if end is None else end


def labels(plan: LabelPlan, spine: Iterable[Row], contract: type[Contract], truth: Iterable[Row]) -> list[Any]:
    """Return the label of each row: the newest truth from its moment on that was known when it matured.

    Args:
        plan: of the label.
        spine: rows with their event time and the keys of the label.
        contract: of the spine.
        truth: rows of the label's source.
    """
    source = plan.label.source
    events = _events(truth, source.contract, source.event_time, source.name)
    moment = contract.role("event_time") or ""
    return [_label(plan, _case(row, contract, moment, ""), events) for row in spine]


def _label(plan: LabelPlan, case: Case, events: Sequence[Event]) -> Any:
    until, since = case.moment + plan.label.matures_us, case.moment - plan.label.skew_us
    known = [event for event in _of_key(plan.label.on, case, events) if event.time <= until and event.known <= until]
    came = [event for event in known if event.time >= since]
    if not came:
        return None if plan.own and known else plan.label.default
    newest = max(came, key=lambda event: (event.time, event.seq))
    return leaving(evaluate(plan.value, newest.fields), plan.value.domain.type)


def holds(condition: Node | None, row: Row, contract: type[Contract]) -> bool:
    """Whether a row of the spine is a case at all."""
    return condition is None or evaluate(condition, _entered(row, contract)) is True


def _of_key(keys: Sequence[str], case: Case, events: Iterable[Event]) -> list[Event]:
    """Events of the row's own key; nothing belongs to a null."""
    wanted = [case.fields[key] for key in keys]
    if None in wanted:
        return []
    return [event for event in events if [event.fields[key] for key in keys] == wanted]


def _all_events(plan: Plan, sources: Sources) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for group in plan.windows:
        stream = group.stream
        found[stream.name] = _events(sources[stream.name], stream.contract, stream.event_time, stream.name)
    for state in plan.states:
        assert state.table.contract is not None
        name = state.table.name
        found[name] = _events(sources[name], state.table.contract, state.valid_from, name)
    return found


def _events(rows: Iterable[Row], contract: type[Contract], time: str, stream: str) -> list[Event]:
    made = []
    for position, row in enumerate(rows):
        fields = _entered(row, contract)
        at = entering(row.get("_known_at"), Timestamp)
        made.append(Event(fields, fields[time], fields[time] if at is None else at, row.get("_seq", position), stream))
    return made


def _case(row: Row, contract: type[Contract], moment: str, stream: str) -> Case:
    fields = _entered(row, contract)
    at = entering(row.get("_known_at"), Timestamp)
    return Case(fields, fields[moment], fields[moment] if at is None else at, row.get("_seq"), stream)


def _entered(row: Row, contract: type[Contract]) -> dict[str, Any]:
    given = flat(row, contract)
    return {name: entering(given[name], one.type) for name, one in contract.columns().items() if name in given}
