"""The sweep for aggregates that can give values up: one state slides along the events of a key.

This file is compiled once for each aggregate, with its ``update``, ``remove`` and ``finalize`` in place of those
below (see ``compile.py``).
"""

from __future__ import annotations

import numpy as np

from headrace.kernel.aggregates.count import finalize, remove, update
from headrace.kernel.typing import Bools, Ints


def sweep(
    segments: Ints,
    time: Ints,
    value: Ints,
    live: Bools,
    rank: Ints,
    by_rank: Ints,
    moment: Ints,
    row_rank: Ints,
    own_value: Ints,
    own_live: Bools,
    span: int,
    delay: int,
    hop: int,
    setting: Ints,
    width: int,
    table_keys: int,
    out: Ints,
    counts: Ints,
) -> None:
    """Compute one window for the rows of each key.

    Args:
        segments: [keys, 4]: first and last event, first and last row of a key (last exclusive).
        time: [events] event time, microseconds; ascending within a key, ties by sequence.
        value, live: [events] prepared value, and whether the event counts at all.
        rank: [events] place of the event in the order in which events became known; empty where every event is
            known as soon as it happens.
        by_rank: [events] the events of each key in the order of ``rank``; empty likewise.
        moment: [rows] time of the row; ascending within a key, or in the order of ``row_rank`` where that is given.
        row_rank: [rows] how many events were known before the row; empty likewise.
        own_value, own_live: [rows] the row's own prepared value, where it is to be included; else empty.
        span: length of the window in microseconds; negative for a lifetime.
        delay, hop: microseconds.
        out: [rows, items] result; counts: [rows] number of items, 0 for null.
    """
    reals = setting.view(np.float64)
    floats = out.view(np.float64)
    state = np.zeros(width, dtype=np.int64)
    longest = 0
    for s in range(segments.shape[0]):
        longest = max(longest, segments[s, 1] - segments[s, 0])
    capacity = 1
    while table_keys > 0 and capacity < 2 * table_keys * (longest + 1):
        capacity *= 2
    whole_table = np.zeros((capacity, 3), dtype=np.int64)
    late = len(rank) > 0
    seen = np.zeros(longest if late else 0, dtype=np.uint8)
    own = len(own_live) > 0
    for s in range(segments.shape[0]):
        first, last, row, last_row = segments[s, 0], segments[s, 1], segments[s, 2], segments[s, 3]
        state[:] = 0
        capacity = 1
        while table_keys > 0 and capacity < 2 * table_keys * (last - first + 1):
            capacity *= 2
        table = whole_table[:capacity]
        table[:] = 0
        if late:
            seen[: last - first] = 0
        tail, head, known = first, first, first
        started = False
        while row < last_row:
            new_edge = moment[row] - delay
            old_edge = np.iinfo(np.int64).min
            if span >= 0:
                old_edge = new_edge - span
                if hop > 0:
                    old_edge = old_edge // hop * hop
            if not started:
                tail = head = first + np.searchsorted(time[first:last], old_edge)
                started = True
            if late:
                while known < last and rank[by_rank[known]] < row_rank[row]:
                    event = by_rank[known]
                    seen[event - first] = 1
                    if tail <= event < head and live[event]:
                        update(state, table, value[event], time[event], setting, reals)
                    known += 1
            new_head, new_tail = head, tail
            while new_head < last and time[new_head] < new_edge:
                new_head += 1
            while new_head > first and time[new_head - 1] >= new_edge:
                new_head -= 1
            while new_tail < last and time[new_tail] < old_edge:
                new_tail += 1
            while new_tail > first and time[new_tail - 1] >= old_edge:
                new_tail -= 1
            if new_tail > head or new_head < tail:
                # the windows of this row and the one before share nothing: start anew beside it
                for event in range(tail, head):
                    if live[event] and (not late or seen[event - first]):
                        remove(state, table, value[event], time[event], setting, reals)
                tail = head = new_tail if new_tail > head else new_head
            while head < new_head:
                if live[head] and (not late or seen[head - first]):
                    update(state, table, value[head], time[head], setting, reals)
                head += 1
            while head > new_head:
                head -= 1
                if live[head] and (not late or seen[head - first]):
                    remove(state, table, value[head], time[head], setting, reals)
            while tail < new_tail:
                if live[tail] and (not late or seen[tail - first]):
                    remove(state, table, value[tail], time[tail], setting, reals)
                tail += 1
            while tail > new_tail:
                tail -= 1
                if live[tail] and (not late or seen[tail - first]):
                    update(state, table, value[tail], time[tail], setting, reals)
            if own and own_live[row]:
                update(state, table, own_value[row], moment[row], setting, reals)
                counts[row] = finalize(state, table, setting, reals, moment[row], out[row], floats[row])
                remove(state, table, own_value[row], moment[row], setting, reals)
            else:
                counts[row] = finalize(state, table, setting, reals, moment[row], out[row], floats[row])
            row += 1
