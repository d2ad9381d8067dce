"""Order: events and rows laid out key by key in the total order of the log, so that a sweep walks straight ahead."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import njit

from headrace.kernel.typing import Ints

END = np.int64(1) << np.int64(62)
"""A sequence after every event: what a row without a sequence of its own has."""


@dataclass(frozen=True)
class Events:
    """What happened. ``key`` is a dense code from 0; ``known`` is None where all was known as it happened."""

    key: Ints
    time: Ints
    seq: Ints
    known: Ints | None = None


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
    time = events.time[event_order]
    nothing = np.zeros(0, dtype=np.int64)
    rank = by_rank = row_rank = nothing
    if _is_late(events, rows):
        rank, row_rank = _ranks(events, rows)
        known_order, _ = _grouped(events.key, np.argsort(rank, kind="stable"), keys)
        place = np.empty(len(time), dtype=np.int64)
        place[event_order] = np.arange(len(time))
        by_rank = place[known_order]
        rank = rank[event_order]
        in_order = np.lexsort((rows.moment, row_rank))
    elif _ascending(rows.moment):
        in_order = np.arange(len(rows.moment), dtype=np.int64)
    else:
        in_order = np.argsort(rows.moment, kind="stable")
    row_order, row_starts = _grouped(rows.key, in_order, keys)
    if len(row_rank):
        row_rank = row_rank[row_order]
    segments = np.stack([event_starts[:-1], event_starts[1:], row_starts[:-1], row_starts[1:]], axis=1)
    segments = np.ascontiguousarray(segments[segments[:, 3] > segments[:, 2]])
    return Layout(event_order, row_order, segments, time, rows.moment[row_order], rank, by_rank, row_rank)


def _by_time(events: Events) -> Ints:
    """Return the positions of events in the total order: event time, then sequence."""
    if _in_total_order(events.time, events.seq):
        return np.arange(len(events.time), dtype=np.int64)
    return np.lexsort((events.seq, events.time))


def _is_late(events: Events, rows: Rows) -> bool:
    """Whether some event became known after it happened, or some row knows more than its moment did."""
    late_event = events.known is not None and not np.array_equal(events.known, events.time)
    late_row = rows.known is not None and not np.array_equal(rows.known, rows.moment)
    return late_event or late_row


def _ranks(events: Events, rows: Rows) -> tuple[Ints, Ints]:
    """Return each event's place in the order of becoming known, and how many events each row knows."""
    known = events.time if events.known is None else events.known
    row_known = rows.moment if rows.known is None else rows.known
    row_seq = np.full(len(row_known), END) if rows.seq is None else rows.seq
    n = len(known)
    order = np.lexsort((np.concatenate([events.seq, row_seq]), np.concatenate([known, row_known])))
    is_event = order < n
    before: Ints = np.cumsum(is_event) - is_event
    rank, row_rank = np.empty(n, dtype=np.int64), np.empty(len(row_known), dtype=np.int64)
    rank[order[is_event]] = before[is_event]
    row_rank[order[~is_event] - n] = before[~is_event]
    return rank, row_rank


def _grouped(key: Ints, order: Ints, keys: int) -> tuple[Ints, Ints]:
    """Sort an order by key, keeping it within a key; return it and where each key starts."""
    counts = np.bincount(key, minlength=keys) if len(key) else np.zeros(keys, dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return _counting_sort(key, order, starts[:-1].copy()), starts


@njit(cache=True, nogil=True)
def _counting_sort(key, order, cursor):  # type: ignore[no-untyped-def]
    out = np.empty(len(order), dtype=np.int64)
    for position in order:
        out[cursor[key[position]]] = position
        cursor[key[position]] += 1
    return out


@njit(cache=True, nogil=True)
def _ascending(values):  # type: ignore[no-untyped-def]
    for i in range(1, len(values)):  # noqa: SIM110 - compiled
        if values[i] < values[i - 1]:
            return False
    return True


@njit(cache=True, nogil=True)
def _in_total_order(time, seq):  # type: ignore[no-untyped-def]
    for i in range(1, len(time)):
        if time[i] < time[i - 1] or (time[i] == time[i - 1] and seq[i] < seq[i - 1]):
            return False
    return True


def in_threads(work: Callable[[Ints], Any], segments: Ints) -> None:
    """Call ``work`` on parts of the segments of about equal size, one thread for each core."""
    if len(segments) < 2:  # a request
        work(segments)
        return
    threads = os.cpu_count() or 1
    load = np.cumsum(segments[:, 1] - segments[:, 0] + segments[:, 3] - segments[:, 2])
    if threads == 1 or load[-1] < 50_000:
        work(segments)
        return
    pieces = 4 * threads
    cuts = np.searchsorted(load, np.linspace(0, load[-1], pieces + 1)[1:-1])
    list(_pool().map(work, [part for part in np.split(segments, cuts) if len(part)]))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="headrace-kernel")
