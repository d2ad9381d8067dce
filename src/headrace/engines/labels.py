"""Labels: for each row the newest truth about its key that was known when it matured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from headrace.engines.compute import coded
from headrace.engines.frame import Frame
from headrace.kernel import asof
from headrace.kernel.column import Column, from_arrow
from headrace.plan import lower
from headrace.plan.meaning import LabelPlan


def labels(plan: LabelPlan, rows: Frame, moment: str, events: Frame) -> Column:
    """Return the label of each row; null where no truth came in time and the label has no default.

    A truth counts when it happened at or after the row, and both happened and was known by the row's moment plus
    ``matures``; of several the newest counts.

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
    if events.length:
        early = events.columns[happened].values[np.where(position >= 0, position, 0)] < asked
        position = np.where(early, -1, position)
    value = lower.columns(plan.value, events.columns, events.length)
    found = value.take(position)
    if plan.label.default is None:
        return found
    valid = found.mask | (position < 0)
    kind = plan.value.domain.type.bare
    default = from_arrow(pa.array([plan.label.default]).cast(kind.arrow()), kind)
    values = np.where(position < 0, default.values[0], found.values)
    return Column(kind, values.astype(found.values.dtype), None if valid.all() else valid)
