"""A plan over frames that fit into memory: windows, states, then what is derived from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from headrace.engines.frame import Frame, joint_codes
from headrace.kernel import asof
from headrace.kernel.column import Column
from headrace.kernel.layout import Events, Layout, Rows, arrange
from headrace.kernel.typing import Bools, Ints
from headrace.kernel.windows import compute
from headrace.kernel.work import Job, Own
from headrace.plan import lower
from headrace.plan.expression import Node, references
from headrace.plan.meaning import Plan, StateGroup, WindowGroup


def features(plan: Plan, rows: Frame, event_time: str, sources: Mapping[str, Frame]) -> dict[str, Column]:
    """Return every feature of a plan for every row, by name.

    Args:
        plan: what to compute.
        rows: the rows asked about, with the plan's ``row_columns``.
        event_time: which of their columns is the moment.
        sources: frames of the plan's ``sources``.
    """
    spine = None if plan.spine is None else plan.spine.name
    found = grouped(plan.groups, rows, event_time, sources, spine)
    return found | derived(plan, rows, found)


def grouped(
    groups: Sequence[WindowGroup | StateGroup],
    rows: Frame,
    event_time: str,
    sources: Mapping[str, Frame],
    spine: str | None,
) -> dict[str, Column]:
    """Return the features that are computed from sources; groups of the same events and keys share one layout.

    Sequences order the events of one stream. A row of the stream ``spine`` has its place among them; of any other
    source it sees what was known by its own known time.
    """
    elsewhere = replace(rows, seq=None)
    found: dict[str, Column] = {}
    together: dict[tuple[str, tuple[str, ...]], list[WindowGroup]] = {}
    for group in groups:
        if isinstance(group, StateGroup):
            found |= states(group, sources[group.table.name], elsewhere, event_time)
        else:
            together.setdefault((group.stream.name, group.keys), []).append(group)
    for (name, keys), some in together.items():
        events, asked = sources[name], rows if name == spine else elsewhere
        layout = arrange(*coded(keys, events, some[0].stream.event_time, asked, event_time))
        found |= windows(some, layout, events, rows)
    return found


def derived(plan: Plan, rows: Frame, found: Mapping[str, Column]) -> dict[str, Column]:
    """Return the features that are expressions over the row and over features found before."""
    given = {**rows.columns, **found}
    made: dict[str, Column] = {}
    for one in plan.derived:
        given[one.name] = made[one.name] = lower.columns(one.node, given, rows.length)
    return made


def coded(keys: tuple[str, ...], events: Frame, happened: str, rows: Frame, moment: str) -> tuple[Events, Rows, int]:
    """Return the events and rows of an entity as the kernel takes them, and how many key codes there are.

    Rows without a key have no events.
    """
    event_codes, row_codes, size = joint_codes(
        (events.columns[key] for key in keys), (rows.columns[key] for key in keys)
    )
    time = events.columns[happened].values
    if (event_codes == 0).any():
        # code 0 is for rows without a key: an event without one belongs to nobody, so it goes behind all of them
        event_codes, size = np.where(event_codes == 0, size, event_codes), size + 1
    happened_events = Events(event_codes, time, events.seq, events.known)
    return happened_events, Rows(row_codes, rows.columns[moment].values, rows.seq, rows.known), size


def windows(groups: Sequence[WindowGroup], layout: Layout, events: Frame, rows: Frame) -> dict[str, Column]:
    """Return the windowed aggregates of groups of the same events and keys."""
    value_of = _evaluator(events)
    own_of = _evaluator(rows)
    holds_of = cache(lambda node: value_of(node).values & value_of(node).mask)
    all_rows: Bools = np.ones(rows.length, dtype=np.bool_)
    own_holds_of = cache(lambda node: all_rows if node is None else own_of(node).values & own_of(node).mask)
    wanted = [one for group in groups for one in group.aggregations]
    jobs = []
    for one in wanted:
        own = None
        if one.include_current:
            own = Own(None if one.value is None else own_of(one.value), own_holds_of(one.where))
        value = None if one.value is None else value_of(one.value)
        jobs.append(Job(one.work, value, None if one.where is None else holds_of(one.where), own))
    found: dict[str, Column] = {}
    for one, columns in zip(wanted, compute(layout, jobs), strict=True):
        found.update(zip(one.outputs, columns, strict=True))
    return found


def _evaluator(frame: Frame) -> Callable[[Node], Column]:
    """Return a function that evaluates each expression over a frame once."""
    return cache(lambda node: lower.columns(node, frame.columns, frame.length))


def states(group: StateGroup, table: Frame, rows: Frame, moment: str) -> dict[str, Column]:
    """Return expressions over the row of a state table that was valid, and known, at each row's moment."""
    valid_to = None
    if group.valid_to is not None:
        until = table.columns[group.valid_to]
        valid_to = np.where(until.mask, until.values, np.iinfo(np.int64).max)
    laid = coded(group.keys, table, group.valid_from, rows, moment)
    return of_states(group, table.columns, asof.positions(*laid, valid_to))


def of_states(group: StateGroup, columns: Mapping[str, Column], position: Ints) -> dict[str, Column]:
    """Return expressions over the rows of a state table at some positions; a negative one has none."""
    used = {name for _, node in group.expressions for name in references(node)}
    given = {name: columns[name].take(position) for name in used}
    there = position >= 0
    found: dict[str, Column] = {}
    for name, node in group.expressions:
        column = lower.columns(node, given, len(position))
        valid = column.mask & there
        found[name] = Column(column.type, column.values, None if valid.all() else valid, column.dictionary)
    return found
