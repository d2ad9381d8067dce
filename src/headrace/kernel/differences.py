"""The sweep where a state is a plain sum over events: a window is the difference of two running states.

This file is compiled once for each such aggregate, with its ``update`` and ``finalize`` in place of those below (see
``compile.py``). It needs all events to be known as they happen, and takes as long for a year as for a minute.
"""

from __future__ import annotations

import numpy as np

from headrace.kernel.aggregates.count import finalize, update
from headrace.kernel.placing import NULL
from headrace.kernel.registers import difference
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
    """Compute windows for the rows of each key; arguments as in ``running.sweep``, ``additive`` as of the aggregate."""
    reals = setting.view(np.float64)
    ints = np.zeros(items, dtype=np.int64)
    floats = ints.view(np.float64)
    state = np.zeros(width, dtype=np.int64)
    table = np.zeros((1, 3), dtype=np.int64)
    own, every = len(own_live) > 0, len(live) == 0
    longest = 0
    for s in range(segments.shape[0]):
        longest = max(longest, segments[s, 1] - segments[s, 0])
    sums = np.zeros((longest + 1, additive), dtype=np.int64)
    for s in range(segments.shape[0]):
        first, last = segments[s, 0], segments[s, 1]
        state[:additive] = 0
        for event in range(first, last):
            if every or live[event]:
                update(state, table, value[event], time[event], setting, reals)
            for part in range(additive):
                sums[event - first + 1, part] = state[part]
        for w in range(len(tail_of)):
            tail, head = tails[tail_of[w]], heads[head_of[w]]
            for row in range(segments[s, 2], segments[s, 3]):
                if own and own_live[row]:
                    for part in range(additive):
                        state[part] = sums[head[row], part] - sums[tail[row], part]
                    update(state, table, own_value[row], moment[row], setting, reals)
                    found = finalize(state, table, setting, reals, moment[row], ints, floats)
                else:
                    window = difference(sums, head[row], tail[row], additive)
                    found = finalize(window, table, setting, reals, moment[row], ints, floats)
                counts[result + w, row] = found
                for item in range(items):
                    words[word + w * items + item, row] = ints[item] if item < found else NULL
