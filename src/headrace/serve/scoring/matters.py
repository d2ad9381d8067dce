"""What is the matter with rows of a table: keys that nobody knew at their moment, and tables that were never loaded.

What else may be the matter with a service while it runs, a state that is stale or is being rebuilt, a table has not.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Service, Stream, Table
from headrace.errors import HeadraceError
from headrace.kernel.column import Column
from headrace.kernel.work import Span
from headrace.online.slots import slots_of
from headrace.plan.domains import domains
from headrace.plan.meaning import Aggregation, Plan, StateGroup, WindowGroup
from headrace.plan.parse import parse
from headrace.serve.situations import Situations
from headrace.types import INT

_SEEN = "#seen"
Codes = npt.NDArray[np.int64]


class Matters:
    """The situations of rows, where their service says what is to be done in them; else nothing is computed for it.

    An entity is known where its row in the stream of the spine, or in a state table, could be seen: the same that
    ``serve.situations`` finds in the state of keys.

    Args:
        service, plan: of it; the plan is of its features alone.
        own: whether the rows are events of the stream themselves, of which each knows only those before it.
        missing: sources that were never loaded.
    """

    def __init__(self, service: Service, plan: Plan, own: bool, missing: Collection[str]) -> None:
        asked = [name for name in ("missing_table", "cold_key") if name in service.when]
        self._situations, self.asked = Situations(service, plan), bool(asked)
        self._common = [f"missing_table {name}" for name in plan.sources if name in missing]
        self._windows, self._states = list[WindowGroup](), list[StateGroup]()
        self._seen: dict[tuple[str, ...], list[tuple[str, int | None]]] = {}
        self._moment = "" if plan.spine is None else plan.spine.event_time
        reach = {slot.id: slot.reach for slot in slots_of([plan])}
        for group in plan.groups if self.asked else ():
            source: Stream | Table = group.stream if isinstance(group, WindowGroup) else group.table
            if isinstance(source, Stream) and plan.spine is not None and source.name != plan.spine.name:
                continue  # that a terminal has no chargebacks does not make it unknown
            names = self._seen.setdefault(group.keys, [])
            name = f"{_SEEN} {source.name} by {', '.join(group.keys)}"
            if name in [one for one, _ in names]:
                continue
            far = reach[source.name, group.keys]
            if isinstance(source, Stream) and own:
                names.append((name, None))
                self._windows.append(_counted(name, source, group.keys, far))
            else:
                names.append((name, far))
                self._states.append(_newest(name, source, group.keys))

    def within(self, plan: Plan) -> Plan:
        """Return a plan that finds out, too, which entities are known."""
        return replace(plan, windows=(*plan.windows, *self._windows), states=(*plan.states, *self._states))

    def of(self, made: Mapping[str, Column], moments: npt.NDArray[np.int64]) -> Codes:
        """Return a number for what is the matter with each row: a bit for each entity that nobody knew."""
        found = np.zeros(len(moments), np.int64)
        for bit, names in enumerate(self._seen.values()):
            seen = np.zeros(len(moments), np.bool_)
            for name, far in names:
                column = made[name]
                if column.type.name == "timestamp":
                    seen |= column.mask & (True if far is None else column.values >= moments - far)
                else:
                    seen |= column.values > 0
            found |= (~seen).astype(np.int64) << bit
        return found

    def said(self, code: int) -> list[str]:
        """Return what a number means, as a record says it."""
        return [*self._common, *(f"cold_key {', '.join(k)}" for bit, k in enumerate(self._seen) if code >> bit & 1)]

    def text(self, code: int) -> str:
        """Return it as a record holds it."""
        return json.dumps(self.said(code), separators=(",", ":"), ensure_ascii=False)

    def done(self, code: int) -> str | HeadraceError | None:
        """Return the decision that a number asks for, why the row is refused, or None where the rules decide."""
        try:
            return self._situations.fallback(self.said(code))
        except HeadraceError as error:
            return error


def _counted(name: str, stream: Stream, keys: tuple[str, ...], far: int | None) -> WindowGroup:
    """Events of the entity before a row that is one of them itself."""
    one = Aggregation("count", None, None, (), False, INT, (name,), (Span(far, 0, 0),))
    return WindowGroup(_SEEN, stream, keys, (one,))


def _newest(name: str, source: Any, keys: tuple[str, ...]) -> StateGroup:
    """The time of the newest row of the entity at a moment, itself included, as the state of keys has it."""
    time = source.event_time if isinstance(source, Stream) else source.contract.role("valid_from")
    node = parse(time, domains(source.contract), source.place, name)
    return StateGroup(_SEEN, source, keys, time, None, ((name, node),))
