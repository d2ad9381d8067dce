"""What sweeps read: values as the aggregates want them, in the order of the sweep, each made once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.kernel import placing
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.column import Column, concat, in_order
from headrace.kernel.layout import Layout
from headrace.kernel.typing import Bools, Ints
from headrace.kernel.work import Job


@dataclass(frozen=True)
class Input:
    """Prepared values [events], or which events count; the same of the rows where they are included, else empty.

    In the order of the sweep.
    """

    events: Any
    rows: Any


class Inputs:
    """What jobs ask about, in the order of the sweep; each thing is made once."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._made: dict[Hashable, Any] = {}

    def _once(self, what: Hashable, make: Callable[[], Any]) -> Any:
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]

    def _column(self, column: Column, order: Ints) -> Column:
        made: Column = self._once((id(column), id(order)), lambda: placing.ordered_column(column, order))
        return made

    def source(self, aggregate: Aggregate, job: Job) -> Column | None:
        """Return the values of events, and behind them those of rows that are included."""
        if job.value is None:
            return None
        made = self._column(job.value, self._layout.event_order)
        if job.own is not None and job.own.value is not None:
            events, rows = made, self._column(job.own.value, self._layout.row_order)
            made = self._once((id(events), id(rows)), lambda: concat(events, rows))
        if aggregate.out == "value" and made.dictionary is not None:
            unordered = made
            made = self._once(("in order", id(unordered)), lambda: in_order(unordered))
        return made

    def prepared(self, aggregate: Aggregate, job: Job, source: Column | None) -> Input:
        events = len(self._layout.event_order)
        length = events + (len(self._layout.row_order) if job.own else 0)

        def make() -> Input:
            prepared = aggregate.prepare(source, length, job.work.setting)
            return Input(prepared[:events], prepared[events:])

        made: Input = self._once((aggregate.prepare, job.work.setting.tobytes(), id(source), length), make)
        return made

    def live(self, aggregate: Aggregate, job: Job) -> Input:
        """Return which events and rows count; empty for events where all do, for rows where none is included."""
        own, sees_null = job.own, aggregate.sees_null

        def make() -> Input:
            events = _counted(job.value, job.holds, sees_null)
            rows = None if own is None else _counted(own.value, own.holds, sees_null)
            return Input(
                _NONE if events is None else placing.ordered(events, self._layout.event_order),
                _NONE if rows is None else placing.ordered(rows, self._layout.row_order),
            )

        both = (id(job.value), id(job.holds), None if own is None else (id(own.value), id(own.holds)))
        made: Input = self._once(("live", both, sees_null), make)
        return made


_NONE: Bools = np.zeros(0, dtype=np.bool_)


def _counted(value: Column | None, holds: Bools | None, sees_null: bool) -> Bools | None:
    if value is None or value.valid is None or sees_null:
        return holds
    return value.valid if holds is None else holds & value.valid
