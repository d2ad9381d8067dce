"""The sweep for aggregates that cannot give values up: states of a key's events are merged in a tree.

This file is compiled once for each aggregate, with its ``update``, ``merge`` and ``finalize`` in place of those
below (see ``compile.py``). A leaf is the state of one event; an inner node is the merge of its children, older first;
a window is the merge of the few nodes that cover it. An event that becomes known late changes the nodes above it.
"""

from __future__ import annotations

import numpy as np

from headrace.kernel.aggregates.first import finalize, merge, update
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
    row_order: Ints,
    own_value: Ints,
    own_live: Bools,
    tails: Places,
    heads: Places,
    setting: Ints,
    width: int,
    items: int,
    table_keys: int,
    additive: int,
    out: Ints,
    counts: Counts,
) -> None:
    """Compute windows for the rows of each key; arguments as in ``running.sweep``."""
    reals = setting.view(np.float64)
    ints = np.zeros(items, dtype=np.int64)
    floats = ints.view(np.float64)
    table = np.zeros((1, 3), dtype=np.int64)
    left = np.zeros(width, dtype=np.int64)
    right = np.zeros(width, dtype=np.int64)
    front = np.zeros(width, dtype=np.int64)
    windows = tails.shape[1]
    origin = segments[0, 2] if len(segments) else 0
    longest = 1
    for s in range(segments.shape[0]):
        longest = max(longest, segments[s, 1] - segments[s, 0])
    size = 1
    while size < longest:
        size *= 2
    tree = np.zeros((2 * size, width), dtype=np.int64)
    late, own, every = len(rank) > 0, len(own_live) > 0, len(live) == 0
    for s in range(segments.shape[0]):
        first, last = segments[s, 0], segments[s, 1]
        size = 1
        while size < last - first:
            size *= 2
        for node in range(2 * size):
            for word in range(width):
                tree[node, word] = 0
        if not late:
            for event in range(first, last):
                if every or live[event]:
                    update(tree[size + event - first], table, value[event], time[event], setting, reals)
            for node in range(size - 1, 0, -1):
                merge(tree[node], table, tree[2 * node], table, setting)
                merge(tree[node], table, tree[2 * node + 1], table, setting)
        known = first
        for row in range(segments[s, 2], segments[s, 3]):
            while late and known < last and rank[by_rank[known]] < row_rank[row]:
                event = by_rank[known]
                if every or live[event]:
                    node = size + event - first
                    update(tree[node], table, value[event], time[event], setting, reals)
                    node //= 2
                    while node >= 1:
                        for word in range(width):
                            tree[node, word] = 0
                        merge(tree[node], table, tree[2 * node], table, setting)
                        merge(tree[node], table, tree[2 * node + 1], table, setting)
                        node //= 2
                known += 1
            place = row_order[row]
            for w in range(windows):
                for word in range(width):
                    left[word] = 0
                    right[word] = 0
                low, high = size + tails[row - origin, w], size + heads[row - origin, w]
                while low < high:
                    if low & 1:
                        merge(left, table, tree[low], table, setting)
                        low += 1
                    if high & 1:
                        high -= 1
                        # right holds what lies behind this node: it is merged after it
                        for word in range(width):
                            front[word] = tree[high, word]
                        merge(front, table, right, table, setting)
                        for word in range(width):
                            right[word] = front[word]
                    low >>= 1
                    high >>= 1
                merge(left, table, right, table, setting)
                if own and own_live[row]:
                    update(left, table, own_value[row], moment[row], setting, reals)
                counts[place, w] = finalize(left, table, setting, reals, moment[row], ints, floats)
                for item in range(items):
                    out[place, w * items + item] = ints[item]
