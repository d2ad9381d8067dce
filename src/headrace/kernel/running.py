"""The sweep for aggregates that can give values up: one state slides along the events of a key.

This file is compiled once for each aggregate, with its ``update``, ``remove`` and ``finalize`` in place of those
below (see ``compile.py``). All windows of a key are swept before the next key, while its events are in the cache.
"""

from __future__ import annotations

import numpy as np

from headrace.kernel.aggregates.count import finalize, remove, update
from headrace.kernel.typing import Bools, Counts, Ints

FIRST = -(2**63)
"""Before every event: the old edge of a lifetime."""


def sweep(
    segments: Ints,
    time: Ints,
    value: Ints,
    live: Bools,
    rank: Ints,
    by_rank: Ints,
    moment: Ints,
    row_rank: Ints,
    row_order: Ints,
    own_value: Ints,
    own_live: Bools,
    spans: Ints,
    setting: Ints,
    width: int,
    items: int,
    table_keys: int,
    out: Ints,
    counts: Counts,
) -> None:
    """Compute windows for the rows of each key.

    Args:
        segments: [keys, 4]: first and last event, first and last row of a key (last exclusive).
        time: [events] event time, microseconds; ascending within a key, ties by sequence.
        value, live: [events] prepared value, and whether the event counts at all; ``live`` is empty where all do.
        rank: [events] place of the event in the order in which events became known; empty where every event is
            known as soon as it happens.
        by_rank: [events] the events of each key in the order of ``rank``; empty likewise.
        moment: [rows] time of the row; ascending within a key, or in the order of ``row_rank`` where that is given.
        row_rank: [rows] how many events were known before the row; empty likewise.
        row_order: [rows] where the results of the row belong.
        own_value, own_live: [rows] the row's own prepared value, where it is to be included; else empty.
        spans: [windows, 3] length in microseconds (negative for a lifetime), delay, hop (0 for none).
        setting, width, items, table_keys: of the aggregate.
        out: [rows, windows * items] results; counts: [rows, windows] number of items, 0 for null.
    """
    reals = setting.view(np.float64)
    ints = np.zeros(items, dtype=np.int64)
    floats = ints.view(np.float64)
    state = np.zeros(width, dtype=np.int64)
    longest = 0
    for s in range(segments.shape[0]):
        longest = max(longest, segments[s, 1] - segments[s, 0])
    capacity = 1
    while table_keys > 0 and capacity < 2 * table_keys * (longest + 1):
        capacity *= 2
    whole_table = np.zeros((capacity, 3), dtype=np.int64)
    late, own, every = len(rank) > 0, len(own_live) > 0, len(live) == 0
    seen = np.zeros(longest if late else 0, dtype=np.uint8)
    for s in range(segments.shape[0]):
        first, last = segments[s, 0], segments[s, 1]
        capacity = 1
        while table_keys > 0 and capacity < 2 * table_keys * (last - first + 1):
            capacity *= 2
        table = whole_table[:capacity]
        for w in range(spans.shape[0]):
            span, delay, hop = spans[w, 0], spans[w, 1], spans[w, 2]
            for word in range(width):
                state[word] = 0
            for slot in range(capacity if table_keys > 0 else 0):
                table[slot, 1] = 0
                table[slot, 2] = 0
            for event in range(last - first if late else 0):
                seen[event] = 0
            tail, head, known = first, first, first
            for row in range(segments[s, 2], segments[s, 3]):
                new_edge = moment[row] - delay
                old_edge = FIRST
                if span >= 0:
                    old_edge = new_edge - span
                    if hop > 0:
                        old_edge = old_edge // hop * hop
                while late and known < last and rank[by_rank[known]] < row_rank[row]:
                    event = by_rank[known]
                    seen[event - first] = 1
                    if tail <= event < head and (every or live[event]):
                        update(state, table, value[event], time[event], setting, reals)
                    known += 1
                new_head, new_tail = head, tail
                if row == segments[s, 2] and last - first > 64:
                    # a request asks one row of a long history: find the window instead of walking there
                    new_tail = first + np.searchsorted(time[first:last], old_edge)
                    new_head = first + np.searchsorted(time[first:last], new_edge)
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
                        if (every or live[event]) and (not late or seen[event - first]):
                            remove(state, table, value[event], time[event], setting, reals)
                    tail = head = new_tail if new_tail > head else new_head
                while head < new_head:
                    if (every or live[head]) and (not late or seen[head - first]):
                        update(state, table, value[head], time[head], setting, reals)
                    head += 1
                while head > new_head:
                    head -= 1
                    if (every or live[head]) and (not late or seen[head - first]):
                        remove(state, table, value[head], time[head], setting, reals)
                while tail < new_tail:
                    if (every or live[tail]) and (not late or seen[tail - first]):
                        remove(state, table, value[tail], time[tail], setting, reals)
                    tail += 1
                while tail > new_tail:
                    tail -= 1
                    if (every or live[tail]) and (not late or seen[tail - first]):
                        update(state, table, value[tail], time[tail], setting, reals)
                own_counts = own and own_live[row]
                if own_counts:
                    update(state, table, own_value[row], moment[row], setting, reals)
                found = finalize(state, table, setting, reals, moment[row], ints, floats)
                if own_counts:
                    remove(state, table, own_value[row], moment[row], setting, reals)
                place = row_order[row]
                counts[place, w] = found
                for item in range(items):
                    out[place, w * items + item] = ints[item]
