"""A world that goes on: payments and chargebacks as they happen, after those that are known already."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np

from headrace.simulate.columns import DAY_US, microseconds
from headrace.simulate.world import payments

_DAYS = 7
"""Days that are made at once."""


def going_on(start: str, customers: int, terminals: int, seed: int = 7) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield events without end, in the order of their time, as they are posted.

    The customers are those of ``payments`` with the same seed and counts, with their habits.

    Args:
        start: first day, in UTC, ISO 8601.
        customers, terminals: how many there are.
        seed: of all randomness; the same seed gives the same events.

    Yields:
        Event time (microseconds UTC), stream (``payments`` or ``chargebacks``), and the row as JSON has it. Ids begin
        with the day on which the events were made, so that they are those of no other day.

    Example:
        >>> at, stream, row = next(going_on("2026-07-01", customers=50, terminals=100))
        >>> stream, row["payment_id"]
        ('payments', '2026-07-01-p0000001')
    """
    first, pending = date.fromisoformat(start).toordinal(), list[tuple[int, str, dict[str, Any]]]()
    while True:
        day = date.fromordinal(first).isoformat()
        world = payments(_DAYS, customers, terminals, seed, day, drawn=first)
        end = (first - date(1970, 1, 1).toordinal() + _DAYS) * DAY_US
        found = [*pending, *_rows("payments", world.payments, day), *_rows("chargebacks", world.chargebacks, day)]
        found.sort(key=lambda one: one[0])
        yield from (one for one in found if one[0] < end)
        pending, first = [one for one in found if one[0] >= end], first + _DAYS


def _rows(stream: str, table: Any, day: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    ids = {"payment_id", "chargeback_id"}
    for at, row in zip(np.asarray(microseconds(table["at"])).tolist(), table.to_pylist(), strict=True):
        said = {name: f"{day}-{value}" if name in ids else value for name, value in row.items()}
        said["at"] = row["at"].isoformat()
        if "amount" in said:
            said["amount"] = str(row["amount"])
        yield at, stream, said
