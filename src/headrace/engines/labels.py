"""Labels: for each row the newest truth about its key that was known when it matured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from headrace.engines.compute import coded
from headrace.engines.frame import Frame
from headrace.engines.job import EARLY, LABEL
from headrace.kernel import asof
from headrace.kernel.column import Column, concat, from_arrow
from headrace.plan import lower
from headrace.plan.meaning import LabelPlan
from headrace.types import LogicalType


def labels(plan: LabelPlan, rows: Frame, moment: str, events: Frame) -> dict[str, Column]:
    """Return the label of each row; null where no truth came in time and the label has no default.

    Where it is joined by the row's own key, also which rows have none because the only truth came before them.

    A truth counts when it happened at or after the row (or no more than ``skew`` before it), and both happened and was
    known by the row's moment plus ``matures``; of several the newest counts. A row of which the only truth happened
    earlier has no label, whatever the default, where the label is joined by the row's own key: clocks differ, and
    nothing is guessed.

    Args:
        plan: the compiled label.
        rows: with the moment and the key columns.
        moment: name of the column of the rows' event time.
        events: of the label's source.
    """
    happened = plan.label.source.event_time
    asked = rows.columns[moment].values
    until = asked + plan.label.matures_us
    column = replace(rows.columns[moment], values=until)
    patient = Frame(rows.length, {**rows.columns, moment: column}, None, until)
    position = asof.positions(*coded(plan.label.on, events, happened, patient, moment), None)
    early = np.zeros(rows.length, np.bool_)
    if events.length:
        since = asked - plan.label.skew_us
        early = (position >= 0) & (events.columns[happened].values[np.where(position >= 0, position, 0)] < since)
        position = np.where(early, -1, position)
    value = lower.columns(plan.value, events.columns, events.length)
    told = {EARLY: Column(LogicalType("bool"), early)} if plan.own else {}
    if plan.label.default is None:
        return {LABEL: value.take(position), **told}
    # The default is one more truth, behind the others.
    kind = plan.value.domain.type.bare
    default = from_arrow(pa.array([plan.label.default]).cast(kind.arrow()), kind)
    lost = early if plan.own else np.zeros(rows.length, np.bool_)
    found = concat(replace(value, type=kind), default).take(np.where((position < 0) & ~lost, len(value), position))
    return {LABEL: found, **told}
