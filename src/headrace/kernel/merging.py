"""The sweep for aggregates that cannot give values up: states of a key's events are merged in a tree.

This file is compiled once for each aggregate, with its ``update``, ``merge`` and ``finalize`` in place of those
below (see ``compile.py``). A leaf is the state of one event; an inner node is the merge of its children, older first;
a window is the merge of the few nodes that cover it. An event that becomes known late changes the nodes above it.
"""

from __future__ import annotations

import numpy as np

from headrace.kernel.aggregates.first import finalize, merge, update
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
    """Compute one window for the rows of each key; arguments as in ``running.sweep``."""
    reals = setting.view(np.float64)
    floats = out.view(np.float64)
    table = np.zeros((1, 3), dtype=np.int64)
    left = np.zeros(width, dtype=np.int64)
    right = np.zeros(width, dtype=np.int64)
    front = np.zeros(width, dtype=np.int64)
    longest = 1
    for s in range(segments.shape[0]):
        longest = max(longest, segments[s, 1] - segments[s, 0])
    size = 1
    while size < longest:
        size *= 2
    tree = np.zeros((2 * size, width), dtype=np.int64)
    late = len(rank) > 0
    own = len(own_live) > 0
    for s in range(segments.shape[0]):
        first, last, row, last_row = segments[s, 0], segments[s, 1], segments[s, 2], segments[s, 3]
        size = 1
        while size < last - first:
            size *= 2
        tree[: 2 * size] = 0
        if not late:
            for event in range(first, last):
                if live[event]:
                    update(tree[size + event - first], table, value[event], time[event], setting, reals)
            for node in range(size - 1, 0, -1):
                merge(tree[node], table, tree[2 * node], table, setting)
                merge(tree[node], table, tree[2 * node + 1], table, setting)
        head, tail, known = first, first, first
        while row < last_row:
            new_edge = moment[row] - delay
            old_edge = np.iinfo(np.int64).min
            if span >= 0:
                old_edge = new_edge - span
                if hop > 0:
                    old_edge = old_edge // hop * hop
            while late and known < last and rank[by_rank[known]] < row_rank[row]:
                event = by_rank[known]
                if live[event]:
                    node = size + event - first
                    update(tree[node], table, value[event], time[event], setting, reals)
                    node //= 2
                    while node >= 1:
                        tree[node] = 0
                        merge(tree[node], table, tree[2 * node], table, setting)
                        merge(tree[node], table, tree[2 * node + 1], table, setting)
                        node //= 2
                known += 1
            while head < last and time[head] < new_edge:
                head += 1
            while head > first and time[head - 1] >= new_edge:
                head -= 1
            while tail < last and time[tail] < old_edge:
                tail += 1
            while tail > first and time[tail - 1] >= old_edge:
                tail -= 1
            left[:] = 0
            right[:] = 0
            low, high = size + tail - first, size + head - first
            if tail >= head:
                low = high
            while low < high:
                if low & 1:
                    merge(left, table, tree[low], table, setting)
                    low += 1
                if high & 1:
                    high -= 1
                    # right holds what lies behind: it is merged after the node, so take the node in front of it
                    front[:] = tree[high]
                    merge(front, table, right, table, setting)
                    right[:] = front
                low >>= 1
                high >>= 1
            merge(left, table, right, table, setting)
            if own and own_live[row]:
                update(left, table, own_value[row], moment[row], setting, reals)
            counts[row] = finalize(left, table, setting, reals, moment[row], out[row], floats[row])
            row += 1
