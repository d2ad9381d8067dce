"""As-of look-ups: which state row of a key was valid at a moment."""

from __future__ import annotations

import numpy as np
from numba import njit

from headrace.kernel.layout import Events, Rows, arrange, ascending, is_late
from headrace.kernel.threads import in_threads
from headrace.kernel.typing import Ints


def positions(states: Events, rows: Rows, keys: int, valid_to: Ints | None) -> Ints:
    """Return for each row the position of the newest state with valid_from <= moment < valid_to, -1 for none.

    Where states overlap (a promotion within a regular price), the newest that still holds counts.

    Args:
        states: their time is valid_from; codes of keys are below ``keys``.
        rows: which states are asked for.
        keys: number of key codes.
        valid_to: [states] end of validity, exclusive; None where states hold until the next.

    Returns:
        int64 [rows]: positions in the input.
    """
    in_order = states.in_total_order and ascending(rows.moment)
    if valid_to is None and in_order and not is_late(states, rows):
        return _walked(states.key, states.time, rows.key, rows.moment, keys)
    layout = arrange(states, rows, keys)
    found = np.empty(len(layout.row_order), dtype=np.int64)
    until = np.zeros(0, dtype=np.int64) if valid_to is None else valid_to[layout.event_order]

    def part(segments: Ints) -> None:
        _newest(segments, layout.time, layout.moment, layout.rank, layout.row_rank, until, found)

    in_threads(part, layout.segments)
    there = found >= 0
    state = np.where(there, found, 0)
    result = np.full(len(found), -1, dtype=np.int64)
    if len(layout.event_order):
        result[layout.row_order] = np.where(there, layout.event_order[state], -1)
    return result


def newest(segments: Ints, time: Ints, moment: Ints, valid_to: Ints | None) -> Ints:
    """Return for each row the position of the newest state that holds, -1 for none; all that is there is known.

    Args:
        segments: see ``running.sweep``; the states of a row in the order of their validity.
        time: [states] valid_from.
        moment: [rows].
        valid_to: [states] end of validity, exclusive; None where states hold until the next.
    """
    nothing = np.zeros(0, dtype=np.int64)
    found = np.empty(len(moment), dtype=np.int64)
    _newest(segments, time, moment, nothing, nothing, nothing if valid_to is None else valid_to, found)
    return found


@njit(cache=True, nogil=True)
def _walked(key: Ints, time: Ints, row_key: Ints, moment: Ints, keys: int) -> Ints:
    """Both in the order of time: walk along them once, with the newest state of each key at hand."""
    newest = np.full(keys, -1, dtype=np.int64)
    found = np.empty(len(row_key), dtype=np.int64)
    state = 0
    for row in range(len(row_key)):
        while state < len(time) and time[state] <= moment[row]:
            newest[key[state]] = state
            state += 1
        found[row] = newest[row_key[row]]
    return found


@njit(cache=True, nogil=True)
def _newest(segments: Ints, time: Ints, moment: Ints, rank: Ints, row_rank: Ints, until: Ints, found: Ints) -> None:
    late, ends = len(rank) > 0, len(until) > 0
    longest = 0
    for s in range(segments.shape[0]):
        longest = max(longest, segments[s, 1] - segments[s, 0])
    latest = np.empty(longest if ends else 0, dtype=np.int64)
    for s in range(segments.shape[0]):
        first, last = segments[s, 0], segments[s, 1]
        head = first
        for state in range(first, last if ends else first):
            latest[state - first] = max(until[state], latest[state - first - 1]) if state > first else until[state]
        for row in range(segments[s, 2], segments[s, 3]):
            while head < last and time[head] <= moment[row]:
                head += 1
            while head > first and time[head - 1] > moment[row]:
                head -= 1
            state = head - 1
            # how long any state up to here holds tells when to stop looking back
            while state >= first and (not ends or latest[state - first] > moment[row]):
                if (not late or rank[state] < row_rank[row]) and (not ends or until[state] > moment[row]):
                    break
                state -= 1
            else:
                state = first - 1
            found[row] = state if state >= first else -1
