"""Windows of keys that grow event by event: each row is asked of what was put before it, late or not.

This file is compiled once for each set of aggregates, with their functions in place of those below; see ``compile.py``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from headrace.kernel.placing import NULL
from headrace.kernel.trees import (
    AT,
    FIRST,
    FRESH,
    LAST,
    LENGTH,
    LEVEL,
    LIVE,
    TALLEST,
    TIME,
    UP,
    first_from,
    has_room,
    put,
)
from headrace.kernel.typing import Bools, Counts, Floats, Ints

CODE, VALUE, BIT, SUMS, WIDTH, KEYS, BEGIN, END, OWN, ITEMS, WORD, RESULT = range(12)
"""Numbers of a sweep: which aggregate, the columns of its value and condition (-1 for none), where its sums begin (-1
for none), words of its state, counter keys of an event, its windows, whether rows themselves count, and its results."""
SPAN, DELAY, HOP = 0, 1, 2
"""Numbers of a window: length (negative for a lifetime), delay and hop, microseconds."""


def advance(
    begin: int,
    keys: Ints,
    events: Ints,
    asks: Bools,
    adds: Bools,
    roots: Ints,
    used: Ints,
    nodes: Ints,
    store: Ints,
    groups: Ints,
    sums: Ints,
    sweeps: Ints,
    spans: Ints,
    settings: Ints,
    words: Ints,
    counts: Counts,
) -> int:
    """Ask and put in, in the order of learning.

    Args:
        begin: where to begin.
        keys: [rows] which key each is of.
        events: [rows, 2 + values] as rows of the store.
        asks, adds: [rows] whether it asks, and whether it is put in then.
        roots: [keys] the tree of each key, -1 for none.
        used, nodes, store, groups: see ``trees``.
        sums: [nodes, words of all sums].
        sweeps: [sweeps, 12]; spans: [windows, 3]; settings: [sweeps, 8].
        words, counts: [rows, words] and [rows, results] the results of those that ask.

    Returns:
        The first row for which there is no room; else how many there are.
    """
    widest = 1
    for s in range(len(sweeps)):
        widest = max(widest, sweeps[s, WIDTH], sweeps[s, ITEMS])
    state, other, ints = np.zeros(widest, np.int64), np.zeros(widest, np.int64), np.zeros(widest, np.int64)
    floats = ints.view(np.float64)
    nothing, table = np.zeros((1, 3), np.int64), np.zeros((256, 3), np.int64)
    path, child = np.zeros(TALLEST, np.int64), np.zeros(TALLEST, np.int64)
    for row in range(begin, len(keys)):
        if not has_room(used, nodes, store, groups):
            return row
        root, moment = roots[keys[row]], events[row, TIME]
        if asks[row]:
            for s in range(len(sweeps)):
                setting = settings[s]
                reals = setting.view(np.float64)
                code, width, counted = sweeps[s, CODE], sweeps[s, WIDTH], sweeps[s, KEYS]
                value, bit, at_sums = sweeps[s, VALUE], sweeps[s, BIT], sweeps[s, SUMS]
                for w in range(sweeps[s, BEGIN], sweeps[s, END]):
                    for word in range(width):
                        state[word] = 0
                    high = moment - spans[w, DELAY]
                    low = high - spans[w, SPAN]
                    if spans[w, HOP] > 0:
                        low = low // spans[w, HOP] * spans[w, HOP]
                    if spans[w, SPAN] < 0:
                        low = -(1 << 62)
                    mine = nothing
                    if counted > 0:
                        inside = _inside(root, low, high, nodes, store, groups, path, child) if root >= 0 else 0
                        room = 2
                        while room < 2 * counted * (inside + 1):
                            room *= 2
                        if room > len(table):
                            table = np.zeros((room, 3), np.int64)
                        mine = table[:room]
                        for slot in range(room):
                            mine[slot, 1] = 0
                            mine[slot, 2] = 0
                    depth = -1
                    if root >= 0:
                        depth, path[0], child[0] = 0, root, 0
                    while depth >= 0:
                        node = path[depth]
                        at, length = nodes[node, AT], nodes[node, LENGTH]
                        whole = nodes[node, FIRST] >= low and nodes[node, LAST] < high
                        if whole and at_sums >= 0 and nodes[node, UP] >= 0:
                            if not nodes[node, FRESH]:
                                freshen(node, nodes, store, groups, sums, sweeps, settings, nothing, other)
                            for word in range(width):
                                other[word] = sums[node, at_sums + word]
                            merge(code, state, mine, other, nothing, setting)
                            depth -= 1
                        elif nodes[node, LEVEL] == 0:
                            first, last = 0, length
                            if not whole:
                                first, last = first_from(store, at, length, low), first_from(store, at, length, high)
                            scan(code, store, at + first, at + last, value, bit, state, mine, setting, reals)
                            depth -= 1
                        else:
                            some = child[depth]
                            while some < length and nodes[groups[at, some], LAST] < low:
                                some += 1
                            if some == length or nodes[groups[at, some], FIRST] >= high:
                                depth -= 1
                            else:
                                child[depth] = some + 1
                                depth += 1
                                path[depth], child[depth] = groups[at, some], 0
                    if sweeps[s, OWN] and (bit < 0 or (events[row, LIVE] >> bit) & 1):
                        update(code, state, mine, events[row, value], moment, setting, reals)
                    found = finalize(code, state, mine, setting, reals, moment, ints, floats)
                    items, window = sweeps[s, ITEMS], w - sweeps[s, BEGIN]
                    counts[row, sweeps[s, RESULT] + window] = found
                    for item in range(items):
                        words[row, sweeps[s, WORD] + window * items + item] = ints[item] if item < found else NULL
        if adds[row]:
            leaf = put(roots, keys[row], events[row], used, nodes, store, groups)
            node = leaf
            while node >= 0:
                if nodes[node, FRESH]:
                    for s in range(len(sweeps)):
                        at_sums, bit = sweeps[s, SUMS], sweeps[s, BIT]
                        if at_sums >= 0 and (bit < 0 or (events[row, LIVE] >> bit) & 1):
                            setting = settings[s]
                            for word in range(sweeps[s, WIDTH]):
                                state[word] = sums[node, at_sums + word]
                            value = events[row, sweeps[s, VALUE]]
                            update(sweeps[s, CODE], state, nothing, value, moment, setting, setting.view(np.float64))
                            for word in range(sweeps[s, WIDTH]):
                                sums[node, at_sums + word] = state[word]
                node = nodes[node, UP]
    return len(keys)


def freshen(
    node: int,
    nodes: Ints,
    store: Ints,
    groups: Ints,
    sums: Ints,
    sweeps: Ints,
    settings: Ints,
    nothing: Ints,
    other: Ints,
) -> None:
    """Make the sums of a node as they should be, and those below it that are not."""
    if nodes[node, LEVEL] > 0:
        for child in range(nodes[node, LENGTH]):
            below = groups[nodes[node, AT], child]
            if not nodes[below, FRESH]:
                freshen(below, nodes, store, groups, sums, sweeps, settings, nothing, other)
    state = np.zeros(len(other), np.int64)
    for s in range(len(sweeps)):
        at_sums, width, setting = sweeps[s, SUMS], sweeps[s, WIDTH], settings[s]
        if at_sums < 0:
            continue
        for word in range(width):
            state[word] = 0
        at, length = nodes[node, AT], nodes[node, LENGTH]
        if nodes[node, LEVEL] == 0:
            reals = setting.view(np.float64)
            scan(
                sweeps[s, CODE],
                store,
                at,
                at + length,
                sweeps[s, VALUE],
                sweeps[s, BIT],
                state,
                nothing,
                setting,
                reals,
            )
        else:
            for child in range(length):
                for word in range(width):
                    other[word] = sums[groups[at, child], at_sums + word]
                merge(sweeps[s, CODE], state, nothing, other, nothing, setting)
        for word in range(width):
            sums[node, at_sums + word] = state[word]
    nodes[node, FRESH] = 1


@njit
def _inside(root: int, low: int, high: int, nodes: Ints, store: Ints, groups: Ints, path: Ints, child: Ints) -> int:
    """Return how many events of a tree are in a window."""
    found, depth = 0, 0
    path[0], child[0] = root, 0
    while depth >= 0:
        node = path[depth]
        at, length = nodes[node, AT], nodes[node, LENGTH]
        if nodes[node, LEVEL] == 0:
            found += first_from(store, at, length, high) - first_from(store, at, length, low)
            depth -= 1
            continue
        some = child[depth]
        while some < length and nodes[groups[at, some], LAST] < low:
            some += 1
        if some == length or nodes[groups[at, some], FIRST] >= high:
            depth -= 1
        else:
            child[depth] = some + 1
            depth += 1
            path[depth], child[depth] = groups[at, some], 0
    return found


def scan(
    code: int, store: Ints, begin: int, end: int, value: int, bit: int, state: Ints, table: Ints, setting: Ints,
    reals: Floats,
) -> None:  # fmt: skip
    """Take in the events of a leaf that count."""


def update(code: int, state: Ints, table: Ints, value: int, time: int, setting: Ints, reals: Floats) -> None:
    """Take in one event."""


def merge(code: int, state: Ints, table: Ints, other: Ints, other_table: Ints, setting: Ints) -> None:
    """Take in a state whose events are all later."""


def finalize(
    code: int, state: Ints, table: Ints, setting: Ints, reals: Floats, moment: int, ints: Ints, floats: Floats
) -> int:
    """Write a result; return how many items it has."""
    return 0
