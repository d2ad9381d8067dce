"""Keys that grow event by event against the plain meaning, in order and shuffled, for one busy key and for many."""

import numpy as np
import pytest

from headrace.kernel import trees
from headrace.kernel.aggregates import catalogue
from headrace.kernel.compile import grower

NAMES = ("count", "first", "last", "max", "mean", "min", "nunique", "std", "sum", "var")
WINDOWS = [(40, 0, 0), (400, 0, 0), (40, 25, 0), (90, 0, 30), (-1, 0, 0), (-1, 60, 0)]
"""Length, delay and hop."""


def program():
    """Each aggregate over all windows: of every event, and of those of which a condition holds, with the row itself."""
    sweeps, sums, word = [], 0, 0
    for condition, own in ((-1, 0), (1, 1)):
        for code, name in enumerate(NAMES):
            aggregate = catalogue()[name]
            width, windows = aggregate.words({}), len(WINDOWS)
            at_sums = -1 if aggregate.table_keys else sums
            begin = len(sweeps) * windows
            sweeps.append((code, trees.WORDS, condition, at_sums, width, aggregate.table_keys,
                           begin, begin + windows, own, 1, word, word))  # fmt: skip
            sums += 0 if aggregate.table_keys else width
            word += windows
    spans = np.array(WINDOWS * len(sweeps), dtype=np.int64)
    return np.array(sweeps, dtype=np.int64), sums, spans, np.zeros((len(sweeps), 8), dtype=np.int64)


def grown(keys, events, asks, adds, rooms=4096):
    """Advance through all rows, with arrays that are made larger as often as that is asked for."""
    sweeps, sums, spans, settings = program()
    used = np.zeros(16, dtype=np.int64)
    used[trees.FREE :] = -1
    nodes, store = np.empty((64, 8), dtype=np.int64), np.empty((rooms, events.shape[1]), dtype=np.int64)
    groups, held = np.empty((64, trees.FAN), dtype=np.int64), np.empty((64, sums), dtype=np.int64)
    roots, results = np.full(keys.max() + 1, -1, dtype=np.int64), len(spans)
    words, counts = np.zeros((len(keys), results), np.int64), np.zeros((len(keys), results), np.int16)
    advance, at, stops = grower(NAMES), 0, -1
    while at < len(keys):
        before = at
        at = advance(at, keys, events, asks, adds, roots, used, nodes, store, groups, held, sweeps, spans, settings,
                     words, counts)  # fmt: skip
        stops += 1
        if at < len(keys):
            assert at > before or stops < 40
            nodes, store, groups, held = (
                np.concatenate([one, np.empty_like(one)]) for one in (nodes, store, groups, held)
            )
    return words, counts, stops


def expected(name, setting, events, row, window, condition, own):
    length, delay, hop = window
    high = row[0] - delay
    low = high - length
    if hop:
        low = low // hop * hop
    if length < 0:
        low = -(1 << 62)
    inside = [one for one in events if low <= one[0] < high] + ([row] if own else [])
    inside = [one for one in inside if condition < 0 or one[1] >> condition & 1]
    return catalogue()[name].plain([(int(one[0]), int(one[2])) for one in inside], int(row[0]), setting)


@pytest.mark.parametrize(
    ("keys", "late", "coarse"), [(1, 0, 1), (1, 30, 1), (1, 900, 1), (1, 200, 50), (9, 60, 1), (300, 0, 1)]
)
def test_each_row_is_told_what_was_put_before_it(keys, late, coarse):
    random, size = np.random.default_rng(keys * 1000 + late), 1500
    time = np.sort(random.integers(0, 1000, size)) // coarse * coarse
    order = np.argsort(time + random.integers(0, late + 1, size), kind="stable")
    events = np.stack([time[order], random.integers(0, 4, size), random.integers(-50, 50, size)], axis=1)
    key, asks, adds = random.integers(0, keys, size), random.random(size) < 0.7, random.random(size) < 0.9
    words, counts, stops = grown(key, np.ascontiguousarray(events), asks, adds)
    assert stops > 0 or keys < 300
    setting = np.zeros(8, dtype=np.int64)
    for at in np.flatnonzero(asks)[:: 17 if keys < 300 else 3]:
        before = np.flatnonzero((key[:at] == key[at]) & adds[:at])
        told = events[before[np.argsort(events[before, 0], kind="stable")]]
        result = 0
        for condition, own in ((-1, 0), (1, 1)):
            for name in NAMES:
                for window in WINDOWS:
                    mine = own and events[at, 1] >> 1 & 1
                    wanted = expected(name, setting, told, events[at], window, condition, mine)
                    found = None
                    if counts[at, result]:
                        whole = catalogue()[name].out in ("int", "value", "position")
                        found = (words if whole else words.view(np.float64))[at, result]
                    assert found == wanted, (name, window, condition, at)
                    result += 1


def test_rows_that_only_ask_leave_nothing_behind():
    events = np.array([[10, 3, 1], [20, 3, 2]], dtype=np.int64)
    key, yes, no = np.zeros(2, dtype=np.int64), np.ones(2, dtype=np.bool_), np.zeros(2, dtype=np.bool_)
    _, counts, _ = grown(key, events, yes, no)
    assert counts[1, len(WINDOWS)] == 0
