"""Edges: between which events of its key each window of each row lies."""

from __future__ import annotations

import numpy as np
from numba import njit

FIRST = -(2**63)
"""Before every event: the old edge of a lifetime."""


@njit(cache=True, nogil=True, error_model="numpy")
def edges(segments, time, moment, spans, tails, heads):  # type: ignore[no-untyped-def]
    """Find the events in [old edge, new edge) for rows and windows.

    Args:
        segments: [keys, 4] int64: first and last event, first and last row of a key (last exclusive).
        time: [events] int64, ascending within a key.
        moment: [rows] int64.
        spans: [windows, 3] int64: length in microseconds (negative for a lifetime), delay, hop (0 for none).
        tails, heads: [rows of the segments, windows] int32: first event and first event behind, counted from the
            key's first.
    """
    origin = segments[0, 2]
    for s in range(segments.shape[0]):
        first, count = segments[s, 0], segments[s, 1] - segments[s, 0]
        for w in range(spans.shape[0]):
            span, delay, hop = spans[w, 0], spans[w, 1], spans[w, 2]
            tail, head = np.int64(0), np.int64(0)
            for row in range(segments[s, 2], segments[s, 3]):
                new_edge = moment[row] - delay
                old_edge = np.int64(FIRST)
                if span >= 0:
                    old_edge = new_edge - span
                    if hop > 0:
                        old_edge = old_edge // hop * hop
                if row == segments[s, 2] and count > 64:
                    # a request asks one row of a long history: find the window instead of walking there
                    tail = np.searchsorted(time[first : first + count], old_edge)
                    head = np.searchsorted(time[first : first + count], new_edge)
                while head < count and time[first + head] < new_edge:
                    head += 1
                while head > 0 and time[first + head - 1] >= new_edge:
                    head -= 1
                while tail < count and time[first + tail] < old_edge:
                    tail += 1
                while tail > 0 and time[first + tail - 1] >= old_edge:
                    tail -= 1
                tails[row - origin, w] = tail
                heads[row - origin, w] = head
