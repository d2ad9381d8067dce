"""As-of look-ups: which state row of a key was valid at a moment."""

from __future__ import annotations

import numpy as np
from numba import njit

from headrace.kernel.layout import Layout, in_threads
from headrace.kernel.typing import Ints


def positions(layout: Layout, valid_to: Ints | None) -> Ints:
    """Return for each row the position of the newest state with valid_from <= moment < valid_to, -1 for none.

    Args:
        layout: state rows as events (time is valid_from), in the order of their valid_from.
        valid_to: [states] end of validity, exclusive, in input order; None where states hold until the next.

    Returns:
        int64 [rows]: positions in the input, in input order of the rows.
    """
    found = np.empty(len(layout.row_order), dtype=np.int64)

    def part(segments: Ints) -> None:
        _newest(segments, layout.time, layout.moment, layout.rank, layout.row_rank, found)

    in_threads(part, layout.segments)
    there = found >= 0
    state = np.where(there, found, 0)
    result = np.full(len(found), -1, dtype=np.int64)
    if len(layout.event_order):
        original = layout.event_order[state]
        if valid_to is not None:
            there &= layout.moment < valid_to[original]
        result[layout.row_order] = np.where(there, original, -1)
    return result


@njit(cache=True, nogil=True)
def _newest(segments, time, moment, rank, row_rank, found):  # type: ignore[no-untyped-def]
    late = len(rank) > 0
    for s in range(segments.shape[0]):
        first, last = segments[s, 0], segments[s, 1]
        head = first
        for row in range(segments[s, 2], segments[s, 3]):
            while head < last and time[head] <= moment[row]:
                head += 1
            while head > first and time[head - 1] > moment[row]:
                head -= 1
            state = head - 1
            while late and state >= first and rank[state] >= row_rank[row]:
                state -= 1
            found[row] = state if state >= first else -1
