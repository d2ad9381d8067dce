"""Where windows begin and end: a pointer that walks along the events of a key as the moments of its rows move on."""

from __future__ import annotations

import numpy as np
from numba import njit

from headrace.kernel.typing import Ints, Places


@njit(cache=True, nogil=True, error_model="numpy")
def edges(
    segments: Ints,
    time: Ints,
    moment: Ints,
    ascending: bool,
    spans: Ints,
    delays: Ints,
    tails: Places,
    heads: Places,
) -> None:
    """Find the events in [old edge, new edge) for rows and windows.

    Args:
        segments: [keys, 4] int64: first and last event, first and last row of a key (last exclusive).
        time: [events] int64, ascending within a key.
        moment: [rows] int64.
        ascending: whether the moments of a key ascend.
        spans: [old edges, 3] int64: length in microseconds (negative for a lifetime), delay, hop (0 for none).
        delays: [new edges] int64.
        tails, heads: [old or new edges, rows] int32: first event inside and first event behind, counted from the
            key's first.
    """
    for s in range(segments.shape[0]):
        times, rows = time[segments[s, 0] : segments[s, 1]], moment[segments[s, 2] : segments[s, 3]]
        begin, end = segments[s, 2], segments[s, 3]
        for w in range(spans.shape[0]):
            if spans[w, 0] < 0:
                tails[w, begin:end] = 0
            else:
                _walk(times, rows, ascending, spans[w, 0] + spans[w, 1], spans[w, 2], tails[w, begin:end])
        for w in range(len(delays)):
            _walk(times, rows, ascending, delays[w], 0, heads[w, begin:end])


@njit
def _walk(times: Ints, moment: Ints, ascending: bool, before: int, hop: int, places: Places) -> None:
    """For each moment, find the first event from ``before`` microseconds earlier on, aligned down to a hop."""
    at = np.int64(0)
    if len(times) > 64:
        # a request asks one row of a long history: find the edge instead of walking there
        at = np.searchsorted(times, _edge(moment[0], before, hop))
    if ascending:
        for row in range(len(moment)):
            edge = _edge(moment[row], before, hop)
            if at + 3 <= len(times):
                # most steps are short: comparisons that do not wait for each other cost less than a wrong guess
                at += np.int64(times[at] < edge) + np.int64(times[at + 1] < edge) + np.int64(times[at + 2] < edge)
            while at < len(times) and times[at] < edge:
                at += 1
            places[row] = at
    else:
        for row in range(len(moment)):
            edge = _edge(moment[row], before, hop)
            while at < len(times) and times[at] < edge:
                at += 1
            while at > 0 and times[at - 1] >= edge:
                at -= 1
            places[row] = at


@njit
def _edge(moment: int, before: int, hop: int) -> int:
    edge = moment - before
    return edge // hop * hop if hop > 0 else edge
