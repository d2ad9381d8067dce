"""The sweep for aggregates that cannot give values up, where windows only move on: a queue of two halves.

This file is compiled once for each such aggregate, with its ``update``, ``merge`` and ``finalize`` in place of those
below (see ``compile.py``). Of the older half, the state of every remainder is kept; of the newer half, one state. When
the window has left the older half behind, the newer becomes the older. An event is merged three times in all.

Source: Tangwongsan, Hirzel, Schneider, Low-latency sliding-window aggregation in worst-case constant time (DEBS 2017),
whose simplest form ("two stacks") this is.
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
    moment: Ints,
    own_value: Ints,
    own_live: Bools,
    tails: Places,
    heads: Places,
    tail_of: Ints,
    head_of: Ints,
    setting: Ints,
    width: int,
    items: int,
    additive: int,
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
    state = np.zeros(width, dtype=np.int64)
    newer = np.zeros(width, dtype=np.int64)
    own, every = len(own_live) > 0, len(live) == 0
    longest = 0
    for s in range(segments.shape[0]):
        longest = max(longest, segments[s, 1] - segments[s, 0])
    older = np.zeros((longest + 1, width), dtype=np.int64)
    for s in range(segments.shape[0]):
        first = segments[s, 0]
        for w in range(len(tail_of)):
            tail, head = tails[tail_of[w]], heads[head_of[w]]
            middle = reached = 0
            older[0] = 0
            newer[:] = 0
            for row in range(segments[s, 2], segments[s, 3]):
                oldest, behind = tail[row], head[row]
                if oldest >= middle:
                    middle = reached = behind
                    newer[:] = 0
                    older[middle] = 0
                    for event in range(middle - 1, oldest - 1, -1):
                        one = older[event]
                        if every or live[first + event]:
                            for part in range(width):
                                one[part] = 0
                            update(one, table, value[first + event], time[first + event], setting, reals)
                            merge(one, table, older[event + 1], table, setting)
                        else:
                            for part in range(width):
                                one[part] = older[event + 1, part]
                while reached < behind:
                    if every or live[first + reached]:
                        update(newer, table, value[first + reached], time[first + reached], setting, reals)
                    reached += 1
                for part in range(width):
                    state[part] = older[oldest, part]
                merge(state, table, newer, table, setting)
                if own and own_live[row]:
                    update(state, table, own_value[row], moment[row], setting, reals)
                found = finalize(state, table, setting, reals, moment[row], ints, floats)
                counts[result + w, row] = found
                for item in range(items):
                    words[word + w * items + item, row] = ints[item] if item < found else NULL
