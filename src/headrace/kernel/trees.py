"""Trees of events: those of one key in the order of time, with what aggregates make of each part beside it.

A leaf holds events side by side; an inner node holds leaves or inner nodes. So an event finds its place, late or not,
and any window is a few events at its edges and the sums of a few nodes between, however many events lie there.

All trees of an entity share a few arrays, which whoever calls makes larger when ``has_room`` says so.
"""

from __future__ import annotations

from numba import njit

from headrace.kernel.typing import Ints

TIME, LIVE, WORDS = 0, 1, 2
"""Columns of the store: event time, bits of the conditions that hold, then prepared values."""
LEVEL, LENGTH, AT, ROOM, FIRST, LAST, FRESH, UP = range(8)
"""Columns of a node: its height; how many events or nodes it has, where they stand, for how many there is room; first
and last time; whether its sums are as they should be; the node above, -1 for none."""
LEAF, FAN, SMALLEST = 64, 16, 4
"""Most events of a leaf, most nodes of a node, and events for which the first leaf has room."""
NODES, EVENTS, GROUPS, FREE = 0, 1, 2, 3
"""What is used: nodes, rows of the store, groups of nodes; then the free rows of each size, -1 for none."""
TALLEST = 16
"""More levels than a tree can have."""


@njit(forceinline=True)
def has_room(used: Ints, nodes: Ints, store: Ints, groups: Ints) -> bool:
    """Return whether an event can be put in whatever that takes."""
    return (
        used[NODES] + TALLEST < len(nodes)
        and used[EVENTS] + 4 * LEAF < len(store)
        and used[GROUPS] + TALLEST < len(groups)
    )


@njit(forceinline=True)
def first_from(store: Ints, at: int, length: int, time: int) -> int:
    """Return how many events of a leaf are before a time."""
    if length == 0 or store[at + length - 1, TIME] < time:
        return length
    low, high = 0, length
    while low < high:
        middle = (low + high) >> 1
        if store[at + middle, TIME] < time:
            low = middle + 1
        else:
            high = middle
    return low


@njit(forceinline=True)
def _size(room: int) -> int:
    """Return the number of a size of leaves."""
    size = 0
    while SMALLEST << size < room:
        size += 1
    return size


@njit(forceinline=True)
def _rows(used: Ints, store: Ints, room: int) -> int:
    free = FREE + _size(room)
    at = used[free]
    if at >= 0:
        used[free] = store[at, TIME]
        return at
    at = used[EVENTS]
    used[EVENTS] += room
    return at


@njit(forceinline=True)
def _give_back(used: Ints, store: Ints, at: int, room: int) -> None:
    free = FREE + _size(room)
    store[at, TIME] = used[free]
    used[free] = at


@njit(forceinline=True)
def _node(used: Ints, nodes: Ints, level: int, at: int, room: int) -> int:
    node = used[NODES]
    used[NODES] += 1
    nodes[node, LEVEL], nodes[node, LENGTH], nodes[node, AT], nodes[node, ROOM] = level, 0, at, room
    nodes[node, FRESH], nodes[node, UP] = 0, -1
    return node


@njit(forceinline=True)
def _copied(store: Ints, source: int, target: int, count: int) -> None:
    for i in range(count):
        for column in range(store.shape[1]):
            store[target + i, column] = store[source + i, column]


@njit
def put(roots: Ints, key: int, event: Ints, used: Ints, nodes: Ints, store: Ints, groups: Ints) -> int:
    """Put an event where it belongs, behind those of the same time.

    Returns:
        Its leaf, negative minus one where events are behind it: then no sum above is as it should be any more; else the
        sums of the leaf and of all above lack it alone.
    """
    time = event[TIME]
    if roots[key] < 0:
        roots[key] = _node(used, nodes, 0, _rows(used, store, SMALLEST), SMALLEST)
    leaf, last = roots[key], True
    while nodes[leaf, LEVEL] > 0:
        at, child = nodes[leaf, AT], nodes[leaf, LENGTH] - 1
        while child > 0 and nodes[groups[at, child], FIRST] > time:
            child -= 1
            last = False
        leaf = groups[at, child]
    at, length, room = nodes[leaf, AT], nodes[leaf, LENGTH], nodes[leaf, ROOM]
    place = length
    while place > 0 and store[at + place - 1, TIME] > time:
        place -= 1
    if length == room and room < LEAF:
        wider = _rows(used, store, 2 * room)
        _copied(store, at, wider, length)
        _give_back(used, store, at, room)
        at = wider
        nodes[leaf, AT], nodes[leaf, ROOM] = at, 2 * room
    elif length == room:
        # what comes in order leaves full leaves behind it
        cut = length if last and place == length else LEAF // 2
        right = _node(used, nodes, 0, _rows(used, store, LEAF), LEAF)
        _copied(store, at + cut, nodes[right, AT], length - cut)
        nodes[leaf, LENGTH], nodes[right, LENGTH] = cut, length - cut
        nodes[right, FIRST], nodes[right, LAST] = time, time
        if cut < length:
            nodes[right, FIRST], nodes[right, LAST] = store[at + cut, TIME], nodes[leaf, LAST]
            nodes[leaf, LAST], nodes[leaf, FRESH] = store[at + cut - 1, TIME], 0
        _hang(roots, key, leaf, right, cut == length, used, nodes, groups)
        if place >= cut:
            leaf, place = right, place - cut
        at, length = nodes[leaf, AT], nodes[leaf, LENGTH]
    for i in range(at + length, at + place, -1):
        for column in range(store.shape[1]):
            store[i, column] = store[i - 1, column]
    for column in range(store.shape[1]):
        store[at + place, column] = event[column]
    nodes[leaf, LENGTH] = length + 1
    nodes[leaf, FIRST], nodes[leaf, LAST] = store[at, TIME], store[at + length, TIME]
    behind = last and place == length
    node = nodes[leaf, UP]
    while node >= 0:
        at = nodes[node, AT]
        nodes[node, FIRST] = nodes[groups[at, 0], FIRST]
        nodes[node, LAST] = nodes[groups[at, nodes[node, LENGTH] - 1], LAST]
        node = nodes[node, UP]
    if behind:
        return leaf
    node = leaf
    while node >= 0:
        nodes[node, FRESH] = 0
        node = nodes[node, UP]
    return -leaf - 1


@njit
def _hang(roots: Ints, key: int, left: int, right: int, full: bool, used: Ints, nodes: Ints, groups: Ints) -> None:
    """Hang a node behind the one that it was cut off from; nodes above that have no room for it are cut, too.

    Args:
        full: whether events come in order, so that nodes stay full.
    """
    while True:
        up = nodes[left, UP]
        if up < 0:
            up = _node(used, nodes, nodes[left, LEVEL] + 1, used[GROUPS], FAN)
            used[GROUPS] += 1
            groups[nodes[up, AT], 0], groups[nodes[up, AT], 1] = left, right
            nodes[up, LENGTH], nodes[left, UP], nodes[right, UP], roots[key] = 2, up, up, up
            nodes[up, FIRST], nodes[up, LAST] = nodes[left, FIRST], nodes[right, LAST]
            return
        at, length, child = nodes[up, AT], nodes[up, LENGTH], 0
        while groups[at, child] != left:
            child += 1
        if length < FAN:
            _hung(up, child + 1, right, nodes, groups)
            return
        beside = _node(used, nodes, nodes[up, LEVEL], used[GROUPS], FAN)
        used[GROUPS] += 1
        cut = length if full and child == length - 1 else FAN // 2
        for i in range(cut, length):
            groups[nodes[beside, AT], i - cut] = groups[at, i]
            nodes[groups[at, i], UP] = beside
        nodes[up, LENGTH], nodes[beside, LENGTH] = cut, length - cut
        if cut < length:
            nodes[up, FRESH] = 0
        if child >= cut or cut == length:
            _hung(beside, child + 1 - cut, right, nodes, groups)
        else:
            _hung(up, child + 1, right, nodes, groups)
        for node in (up, beside):
            at = nodes[node, AT]
            nodes[node, FIRST] = nodes[groups[at, 0], FIRST]
            nodes[node, LAST] = nodes[groups[at, nodes[node, LENGTH] - 1], LAST]
        left, right = up, beside


@njit(forceinline=True)
def _hung(up: int, child: int, node: int, nodes: Ints, groups: Ints) -> None:
    at = nodes[up, AT]
    for i in range(nodes[up, LENGTH], child, -1):
        groups[at, i] = groups[at, i - 1]
    groups[at, child] = node
    nodes[up, LENGTH] += 1
    nodes[node, UP] = up
