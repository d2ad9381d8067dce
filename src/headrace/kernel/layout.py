"""Order: events and rows laid out key by key in the total order of the log, so that a sweep walks straight ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from headrace.kernel.memory import empty
from headrace.kernel.placing import ordered
from headrace.kernel.threads import in_ranges
from headrace.kernel.typing import Ints

END = np.int64(1) << np.int64(62)
"""A sequence after every event: what a row without a sequence of its own has."""


@dataclass(frozen=True)
class Events:
    """What happened. ``key`` is a dense code from 0.

    ``seq`` None means that they come in the order of their sequence, ``known`` None that all was known as it happened.
    """

    key: Ints
    time: Ints
    seq: Ints | None
    known: Ints | None = None

    @property
    def in_total_order(self) -> bool:
        """Whether they come in the order of time, ties by sequence."""
        return ascending(self.time) if self.seq is None else _in_total_order(self.time, self.seq)


@dataclass(frozen=True)
class Rows:
    """Which values are asked for: of which key, as of which moment, and by what was known when.

    ``known`` None means that a row knows all that was known at its moment.
    """

    key: Ints
    moment: Ints
    seq: Ints | None = None
    known: Ints | None = None


@dataclass(frozen=True)
class Layout:
    """Events and rows in the order of the sweep, and where each key begins and ends.

    Args:
        event_order, row_order: positions in the input, in the order of the sweep.
        segments: [keys with rows, 4], see ``running.sweep``.
        time, moment: of events and rows in that order.
        rank, by_rank, row_rank: order of becoming known; empty where it is the order of time.
    """

    event_order: Ints
    row_order: Ints
    segments: Ints
    time: Ints
    moment: Ints
    rank: Ints
    by_rank: Ints
    row_rank: Ints

    @property
    def late(self) -> bool:
        """Whether some events became known after they happened."""
        return len(self.row_rank) > 0

    def part(self, segments: Ints) -> Layout:
        """Return the layout of a run of segments, with places counted from its own beginning."""
        events, rows = slice(segments[0, 0], segments[-1, 1]), slice(segments[0, 2], segments[-1, 3])
        origin = np.array([events.start, events.start, rows.start, rows.start])
        return Layout(
            self.event_order[events],
            self.row_order[rows],
            segments - origin,
            self.time[events],
            self.moment[rows],
            self.rank[events],
            self.by_rank[events] - events.start,
            self.row_rank[rows],
        )


@njit(cache=True, nogil=True)
def side_by_side(starts: Ints) -> Ints:
    """Return the segments of rows that each have events of their own, see ``running.sweep``.

    Args:
        starts: [rows + 1] the events of row i, in the total order, are those from ``starts[i]`` up to the next.
    """
    segments = np.empty((len(starts) - 1, 4), dtype=np.int64)
    for row in range(len(starts) - 1):
        segments[row, 0], segments[row, 1] = starts[row], starts[row + 1]
        segments[row, 2], segments[row, 3] = row, row + 1
    return segments


def arrange(events: Events, rows: Rows, keys: int) -> Layout:
    """Lay events and rows out by key.

    Args:
        events, rows: with key codes below ``keys``.
        keys: number of key codes.

    Returns:
        The layout; sorting is stable, so equal input gives equal output.
    """
    by_time = _by_time(events)
    event_order, event_starts = _grouped(events.key, by_time, keys)
    time = ordered(events.time, event_order)
    nothing = np.zeros(0, dtype=np.int64)
    rank = by_rank = row_rank = nothing
    if is_late(events, rows):
        rank, row_rank = _ranks(events, rows)
        known_order, _ = _grouped(events.key, np.argsort(rank, kind="stable"), keys)
        place = np.empty(len(time), dtype=np.int64)
        place[event_order] = np.arange(len(time))
        by_rank = place[known_order]
        rank = rank[event_order]
        row_order, row_starts = _grouped(rows.key, np.lexsort((rows.moment, row_rank)), keys)
        row_rank = row_rank[row_order]
    elif rows.key is events.key and np.array_equal(rows.moment, events.time):
        row_order, row_starts = event_order, event_starts
    else:
        in_order = None if ascending(rows.moment) else np.argsort(rows.moment, kind="stable")
        row_order, row_starts = _grouped(rows.key, in_order, keys)
    moment = time if row_order is event_order else ordered(rows.moment, row_order)
    segments = np.stack([event_starts[:-1], event_starts[1:], row_starts[:-1], row_starts[1:]], axis=1)
    segments = np.ascontiguousarray(segments[segments[:, 3] > segments[:, 2]])
    return Layout(event_order, row_order, segments, time, moment, rank, by_rank, row_rank)


def _by_time(events: Events) -> Ints | None:
    """Return the positions of events in the total order, event time, then sequence; None where they are in it."""
    if events.in_total_order:
        return None
    if events.seq is None:
        return np.argsort(events.time, kind="stable")
    return np.lexsort((events.seq, events.time))


def is_late(events: Events, rows: Rows) -> bool:
    """Whether some event became known after it happened, or some row knows less than what happened before it."""
    late_event = events.known is not None and bool((events.known > events.time).any())
    late_row = rows.known is not None and bool((rows.known < rows.moment).any())
    return late_event or late_row


def _ranks(events: Events, rows: Rows) -> tuple[Ints, Ints]:
    """Return each event's place in the order of becoming known, and how many events each row knows."""
    known = events.time if events.known is None else events.known
    row_known = rows.moment if rows.known is None else rows.known
    row_seq = np.full(len(row_known), END) if rows.seq is None else rows.seq
    n = len(known)
    seq = np.arange(n) if events.seq is None else events.seq
    order = np.lexsort((np.concatenate([seq, row_seq]), np.concatenate([known, row_known])))
    is_event = order < n
    before: Ints = np.cumsum(is_event) - is_event
    rank, row_rank = np.empty(n, dtype=np.int64), np.empty(len(row_known), dtype=np.int64)
    rank[order[is_event]] = before[is_event]
    row_rank[order[~is_event] - n] = before[~is_event]
    return rank, row_rank


def _grouped(key: Ints, order: Ints | None, keys: int) -> tuple[Ints, Ints]:
    """Sort an order (None for that of the input) by key, keeping it within a key; return it and where keys start.

    Each thread counts and places its own part of the order.
    """
    order = np.zeros(0, dtype=np.int64) if order is None else order
    parts = in_ranges(lambda start, stop: (start, stop, _counted(key, order, start, stop, keys)), len(key))
    counts = np.stack([count for _, _, count in parts])
    starts = np.concatenate([[0], np.cumsum(counts.sum(axis=0))]).astype(np.int64)
    cursors = starts[:-1] + np.cumsum(counts, axis=0) - counts
    out = empty(len(key))
    begin = {start: cursor for (start, _, _), cursor in zip(parts, cursors, strict=True)}
    in_ranges(lambda start, stop: _placed(key, order, start, stop, begin[start], out), len(key))
    return out, starts


@njit(cache=True, nogil=True)
def _counted(key: Ints, order: Ints, start: int, stop: int, keys: int) -> Ints:
    counts = np.zeros(keys, dtype=np.int64)
    for i in range(start, stop):
        counts[key[order[i] if len(order) else i]] += 1
    return counts


@njit(cache=True, nogil=True)
def _placed(key: Ints, order: Ints, start: int, stop: int, cursor: Ints, out: Ints) -> None:
    for i in range(start, stop):
        position = order[i] if len(order) else i
        out[cursor[key[position]]] = position
        cursor[key[position]] += 1


@njit(cache=True, nogil=True)
def ascending(values: Ints) -> bool:
    for i in range(1, len(values)):  # noqa: SIM110 - compiled
        if values[i] < values[i - 1]:
            return False
    return True


@njit(cache=True, nogil=True)
def _in_total_order(time: Ints, seq: Ints) -> bool:
    for i in range(1, len(time)):
        if time[i] < time[i - 1] or (time[i] == time[i - 1] and seq[i] < seq[i - 1]):
            return False
    return True
