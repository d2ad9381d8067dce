"""The sweep for aggregates that can give values up: one state slides along the events of a key.

This file is compiled once for each aggregate, with its ``update``, ``remove`` and ``finalize`` in place of those
below (see ``compile.py``).
"""

from __future__ import annotations

import numpy as np

from headrace.kernel.aggregates.count import finalize, remove, update
from headrace.kernel.placing import NULL
from headrace.kernel.typing import Bools, Counts, Ints, Places


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
    tails: Places,
    heads: Places,
    tail_of: Ints,
    head_of: Ints,
    setting: Ints,
    width: int,
    items: int,
    table_keys: int,
    words: Ints,
    word: int,
    counts: Counts,
    result: int,
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
        own_value, own_live: [rows] the row's own prepared value, where it is to be included; else empty.
        tails, heads: see ``edges.edges``; tail_of, head_of: [windows] which of them are a window's.
        setting, width, items, table_keys: of the aggregate.
        words: [all words, rows] results, window by window from column ``word`` on; NULL where there is none.
        counts: [all results, rows] number of items, 0 for null, from column ``result`` on.
    """
    reals = setting.view(np.float64)
    ints = np.zeros(items, dtype=np.int64)
    floats = ints.view(np.float64)
    state = np.zeros(width, dtype=np.int64)
    late, own, every = len(rank) > 0, len(own_live) > 0, len(live) == 0
    longest = largest = 0
    for s in range(segments.shape[0]):
        longest = max(longest, segments[s, 1] - segments[s, 0])
        # a table never forgets a key: each row's own value may bring new ones
        largest = max(largest, segments[s, 1] - segments[s, 0] + (segments[s, 3] - segments[s, 2] if own else 0))
    capacity = 1
    while table_keys > 0 and capacity < 2 * table_keys * (largest + 1):
        capacity *= 2
    whole_table = np.zeros((capacity, 3), dtype=np.int64)
    seen = np.zeros(longest if late else 0, dtype=np.uint8)
    for s in range(segments.shape[0]):
        first, last = segments[s, 0], segments[s, 1]
        capacity = 1
        keyed = last - first + (segments[s, 3] - segments[s, 2] if own else 0)
        while table_keys > 0 and capacity < 2 * table_keys * (keyed + 1):
            capacity *= 2
        table = whole_table[:capacity]
        for w in range(len(tail_of)):
            state[:] = 0
            for slot in range(capacity if table_keys > 0 else 0):
                table[slot, 1] = 0
                table[slot, 2] = 0
            for event in range(last - first if late else 0):
                seen[event] = 0
            tail, head, known = first, first, first
            for row in range(segments[s, 2], segments[s, 3]):
                new_tail, new_head = first + tails[tail_of[w], row], first + heads[head_of[w], row]
                while late and known < last and rank[by_rank[known]] < row_rank[row]:
                    event = by_rank[known]
                    seen[event - first] = 1
                    if tail <= event < head and (every or live[event]):
                        update(state, table, value[event], time[event], setting, reals)
                    known += 1
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
                counts[result + w, row] = found
                for item in range(items):
                    words[word + w * items + item, row] = ints[item] if item < found else NULL
