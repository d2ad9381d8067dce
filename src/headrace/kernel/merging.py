"""The sweep for aggregates that cannot give values up, where events become known late: states merged in a tree.

This file is compiled once for each aggregate, with its ``update``, ``merge`` and ``finalize`` in place of those
below (see ``compile.py``). A leaf is the state of one event; an inner node is the merge of its children, older first;
a window is the merge of the few nodes that cover it. An event that becomes known late changes the nodes above it.
"""

from __future__ import annotations

import numpy as np

from headrace.kernel.aggregates.first import finalize, merge, update
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
    """Compute windows for the rows of each key; arguments as in ``running.sweep``."""
    reals = setting.view(np.float64)
    ints = np.zeros(items, dtype=np.int64)
    floats = ints.view(np.float64)
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
    own, every = len(own_live) > 0, len(live) == 0
    for s in range(segments.shape[0]):
        first, last = segments[s, 0], segments[s, 1]
        size = 1
        while size < last - first:
            size *= 2
        for node in range(2 * size):
            for part in range(width):
                tree[node, part] = 0
        known = first
        for row in range(segments[s, 2], segments[s, 3]):
            while known < last and rank[by_rank[known]] < row_rank[row]:
                event = by_rank[known]
                if every or live[event]:
                    node = size + event - first
                    update(tree[node], table, value[event], time[event], setting, reals)
                    node //= 2
                    while node >= 1:
                        for part in range(width):
                            tree[node, part] = 0
                        merge(tree[node], table, tree[2 * node], table, setting)
                        merge(tree[node], table, tree[2 * node + 1], table, setting)
                        node //= 2
                known += 1
            for w in range(len(tail_of)):
                for part in range(width):
                    left[part] = 0
                    right[part] = 0
                low, high = size + tails[tail_of[w], row], size + heads[head_of[w], row]
                while low < high:
                    if low & 1:
                        merge(left, table, tree[low], table, setting)
                        low += 1
                    if high & 1:
                        high -= 1
                        # right holds what lies behind this node: it is merged after it
                        for part in range(width):
                            front[part] = tree[high, part]
                        merge(front, table, right, table, setting)
                        for part in range(width):
                            right[part] = front[part]
                    low >>= 1
                    high >>= 1
                merge(left, table, right, table, setting)
                if own and own_live[row]:
                    update(left, table, own_value[row], moment[row], setting, reals)
                found = finalize(left, table, setting, reals, moment[row], ints, floats)
                counts[result + w, row] = found
                for item in range(items):
                    words[word + w * items + item, row] = ints[item] if item < found else NULL
