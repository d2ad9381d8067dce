"""What is wrong with rows: one rule of one field, and the rows that break it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.declare import Field
from headrace.declare.rules import REJECT, WARN

Rows = npt.NDArray[np.int64]
"""Positions of rows in a batch, ascending."""

EMPTY, TYPE, NOT_FINITE, BOUND, SET, PATTERN, LENGTH, KEY = (f"HR-DATA-{n:03}" for n in range(1, 9))
NAIVE, CALENDAR, DIGITS, RANGE, FIELDS, LOCAL, PERIOD = (f"HR-DATA-{n:03}" for n in range(9, 16))
WRITTEN, ITEM = (f"HR-DATA-{n:03}" for n in range(16, 18))
CHECK, UNIQUE, REFERENCE = (f"HR-QUALITY-{n:03}" for n in range(10, 13))


@dataclass(frozen=True)
class Problem:
    """One rule of a contract and the rows of a batch that break it.

    Args:
        code: stable identifier of the kind of problem, e.g. ``HR-DATA-004``.
        field: name of the field.
        text: what is wrong, told without the value, e.g. ``is below 0``.
        rows: positions in the batch, ascending.
        shown: whether a reason quotes the value as received.
        promise: which of the field's promises is broken, such as ``ge``, or the name of a rule of its own; empty for
            a value that is missing or cannot be read.
        severity: ``warn`` for rows that are taken all the same, else ``reject`` or ``stop``.
    """

    code: str
    field: str
    text: str
    rows: Rows
    shown: bool = True
    promise: str = ""
    severity: str = REJECT

    @property
    def rule(self) -> str:
        """The problem without any value, for counts in reports."""
        return f"{self.code} {self.field}: {self.text}"

    @property
    def rejects(self) -> bool:
        """Whether its rows are kept out."""
        return self.severity != WARN

    @property
    def name(self) -> str:
        """What the quality history calls the rule: ``amount``, ``amount ge``, ``key``, or the name that a rule has."""
        if self.code in (CHECK, UNIQUE, REFERENCE, KEY):
            return self.promise
        return f"{self.field} {self.promise}".strip()


def never_taken(field: Field, problems: Iterable[Problem]) -> list[Problem]:
    """Return problems of values that are missing or of another type: whatever a field's severity, no table has them."""
    severity = REJECT if field.severity == WARN else field.severity
    return [replace(one, severity=severity) for one in problems]


def where(mask: pa.BooleanArray) -> Rows:
    """Return the positions at which a mask is true; null counts as false."""
    if not pc.any(mask).as_py():
        return np.empty(0, np.int64)
    return np.asarray(pc.indices_nonzero(mask).to_numpy(), np.int64)


def mask_of(rows: Rows, length: int) -> pa.BooleanArray:
    """Return a mask that is true at the given positions."""
    mask = np.zeros(length, np.bool_)
    mask[rows] = True
    return pa.array(mask)


def blank(values: pa.Array, rows: Rows) -> pa.Array:
    """Return the values with null at the given positions."""
    if not len(rows):
        return values
    return pc.if_else(mask_of(rows, len(values)), pa.scalar(None, values.type), values)
