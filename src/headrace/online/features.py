"""Features of events as they come: some rows at a time, column by column, from the state of their keys.

A row is told what had a sequence before its own, and what other streams had told by then, also where the state has gone
on meanwhile: what comes later is left out by the kernel, as it is in history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from headrace.engines.compute import derived, grouped
from headrace.engines.frame import Frame
from headrace.kernel.column import Column
from headrace.kernel.typing import Bools, Ints
from headrace.online import State
from headrace.online.slots import Slot, groups_of
from headrace.plan.meaning import Plan


class LiveFeatures:
    """A plan over the state of keys, a micro-batch at a time.

    Args:
        plan: what to compute.
        state: which holds the slots of the plan.
    """

    def __init__(self, plan: Plan, state: State) -> None:
        assert plan.spine is not None
        self._plan, self._state = plan, state
        self._spine, self._moment = plan.spine.name, plan.spine.event_time
        slots = {slot.id: slot for slot in state.slots}
        self._groups = [(slots[name], groups) for name, groups in groups_of(plan).items()]

    def of(self, rows: Frame, horizon: Mapping[str, int] | None = None) -> dict[str, Column]:
        """Return every feature of every row, by name.

        Args:
            rows: with the plan's ``row_columns``; those that are events of the spine have their sequences. The state
                has applied all that they may see.
            horizon: of sources, the last sequence that any row sees; None where time alone decides.

        Raises:
            HeadraceError: HR-ONLINE-001 where the state was altered on disk, 003 where a row is ``too_old``.
        """
        moment = rows.columns[self._moment].values
        asked = rows if rows.known is not None else replace(rows, known=moment)
        found: dict[str, Column] = {}
        for slot, groups in self._groups:
            events = self._events(slot, asked, moment)
            if horizon is not None and slot.source in horizon:
                events = _until(events, horizon[slot.source])
            found |= grouped(groups, asked, self._moment, {slot.source: events}, self._spine)
        return found | derived(self._plan, asked, found)

    def too_old(self, moment: Ints) -> Bools:
        """Return which rows reach further back than the state of their keys."""
        found = np.zeros(len(moment), dtype=np.bool_)
        for (slot, _), floor in zip(self._groups, self._state.floors(one for one, _ in self._groups), strict=True):
            if floor is not None and slot.reach is not None:
                found |= moment - slot.reach < floor
        return found

    def _events(self, slot: Slot, rows: Frame, moment: Ints) -> Frame:
        """Return the events of the keys of some rows, as far as the windows of any of them reach."""
        keys: Mapping[str, Column] = {name: rows.columns[name] for name in slot.keys}
        low, high = (int(moment.min()), int(moment.max())) if len(moment) else (0, 0)
        return self._state.history(slot, keys, low, high)


def _until(events: Frame, last: int) -> Frame:
    assert events.seq is not None
    if int(events.seq.max(initial=0)) <= last:
        return events
    chosen = np.flatnonzero(events.seq <= last)
    columns = {name: column.take(chosen) for name, column in events.columns.items()}
    return Frame(len(chosen), columns, events.seq[chosen], None if events.known is None else events.known[chosen])
