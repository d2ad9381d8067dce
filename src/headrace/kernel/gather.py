"""Gathering: of the packed chunks of some rows' keys, the events that each row may see, in the total order.

A chunk is a header of 40 bytes (checksum, events, columns, columns with nulls, oldest and newest time, checksum of the
rest), then time, sequence, known time and the columns, eight bytes a value, then where there are nulls a byte a value.
``online.packed`` writes it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from headrace.kernel.layout import END
from headrace.kernel.typing import Bools, Ints

Raw = NDArray[np.uint8]
HEADER = 40
"""Bytes of a chunk's header; in it are"""
_EVENTS, _NULLS = 4, 12
"""the number of events, and of columns with nulls."""


EVER = np.int64(-(1 << 62))
"""A time before every event."""


@njit(cache=True, nogil=True)
def gather(
    raw: Raw,
    begins: Ints,
    owner: Ints,
    chunks: Ints,
    columns: Ints,
    moment: Ints,
    reach: Ints,
    known: Ints,
    seq: Ints,
    starts: Ints,
    ends: Ints,
) -> tuple[Ints, Bools]:
    """Return the events of rows side by side, slot by slot.

    Args:
        raw: packed chunks, one behind the other.
        begins: [chunks] where each begins.
        owner: [chunks] the row whose key's chunk it is, ascending within a slot; the chunks of a row in the order of
            their numbers.
        chunks: [slots + 1] those of slot s are the ones from ``chunks[s]`` up to the next.
        columns: [slots] how many its chunks have beside time, sequence and known time.
        moment: [rows] event time, microseconds; what happened later is left out.
        reach: [slots] what happened longer before is left out, microseconds; negative where nothing is.
        known: [rows] what became known later is left out.
        seq: [slots, rows] of what became known at just that time, what has a later sequence is left out; of width 0
            where nothing is.
        starts: [slots, rows + 1] zeros; where the events of a row begin among those of the slot is written here.
        ends: [slots, 2] where the matrix and the masks of a slot end is written here.

    Returns:
        The matrices, int64 [3 + columns, events] each, and of the slots in which some value is null which are there,
        [columns, events] each: all of them one behind the other.
    """
    slots, rows = starts.shape[0], len(moment)
    words, masks = np.int64(0), np.int64(0)
    for s in range(slots):
        some_null = False
        for c in range(chunks[s], chunks[s + 1]):
            row, length = owner[c], _u32(raw, begins[c] + _EVENTS)
            some_null |= _u32(raw, begins[c] + _NULLS) > 0
            oldest, last = _bounds(moment[row], reach[s], seq, s, row)
            time, order, learned = _times(raw, begins[c], length)
            for i in range(length):
                if _seen(time[i], order[i], learned[i], moment[row], oldest, known[row], last):
                    starts[s, row + 1] += 1
        for row in range(rows):
            starts[s, row + 1] += starts[s, row]
        words += (3 + columns[s]) * starts[s, rows]
        masks += columns[s] * starts[s, rows] if some_null else 0
        ends[s, 0], ends[s, 1] = words, masks
    matrices, there = np.empty(words, dtype=np.int64), np.ones(masks, dtype=np.bool_)
    words = masks = np.int64(0)
    for s in range(slots):
        total = starts[s, rows]
        matrix = matrices[words : ends[s, 0]].reshape(3 + columns[s], total)
        mask = there[masks : ends[s, 1]].reshape(columns[s], total if ends[s, 1] > masks else 0)
        words, masks = ends[s, 0], ends[s, 1]
        chosen = np.empty(total, dtype=np.int64)
        at = np.int64(0)
        for c in range(chunks[s], chunks[s + 1]):
            row, length = owner[c], _u32(raw, begins[c] + _EVENTS)
            oldest, last = _bounds(moment[row], reach[s], seq, s, row)
            time, order, learned = _times(raw, begins[c], length)
            some = 0
            for i in range(length):
                if _seen(time[i], order[i], learned[i], moment[row], oldest, known[row], last):
                    chosen[some] = i
                    some += 1
            _copy(raw, begins[c], length, chosen[:some], at, matrix, mask)
            at += some
        for row in range(rows):
            _put_in_order(matrix, mask, starts[s, row], starts[s, row + 1])
    return matrices, there


@njit
def _bounds(moment: int, reach: int, seq: Ints, slot: int, row: int) -> tuple[int, int]:
    """Return from which time on a row sees events of a slot, and up to which sequence."""
    oldest = int(EVER) if reach < 0 else moment - reach
    return oldest, int(seq[slot, row]) if seq.shape[1] else int(END)


@njit
def _copy(raw: Raw, begin: int, length: int, chosen: Ints, at: int, matrix: Ints, there: Bools) -> None:
    """Copy chosen events of a chunk to a place in the matrix."""
    columns = matrix.shape[0] - 3
    for line in range(matrix.shape[0]):
        values = _line(raw, begin, length, line)
        for k in range(len(chosen)):
            matrix[line, at + k] = values[chosen[k]]
    if _u32(raw, begin + _NULLS) > 0:
        masks = begin + HEADER + 8 * matrix.shape[0] * length
        for column in range(columns):
            for k in range(len(chosen)):
                there[column, at + k] = raw[masks + column * length + chosen[k]] != 0


@njit
def _u32(raw: Raw, at: int) -> np.int64:
    return np.int64(raw[at]) | np.int64(raw[at + 1]) << 8 | np.int64(raw[at + 2]) << 16 | np.int64(raw[at + 3]) << 24


@njit
def _times(raw: Raw, begin: int, length: int) -> tuple[Ints, Ints, Ints]:
    return _line(raw, begin, length, 0), _line(raw, begin, length, 1), _line(raw, begin, length, 2)


@njit
def _line(raw: Raw, begin: int, length: int, line: int) -> Ints:
    first = begin + HEADER + 8 * line * length
    return raw[first : first + 8 * length].view(np.int64)


@njit
def _seen(time: int, order: int, learned: int, moment: int, oldest: int, known: int, seq: int) -> bool:
    return oldest <= time <= moment and (learned < known or (learned == known and order <= seq))


@njit
def _put_in_order(matrix: Ints, there: Bools, start: int, stop: int) -> None:
    """Sort the events of a row by time; chunks hold them as they were learned, so ties stay in their sequence."""
    for i in range(start + 1, stop):
        if matrix[0, i] < matrix[0, i - 1]:
            break
    else:
        return
    order = np.argsort(matrix[0, start:stop], kind="mergesort")
    for line in range(matrix.shape[0]):
        matrix[line, start:stop] = matrix[line, start:stop][order]
    if there.shape[1]:
        for column in range(there.shape[0]):
            there[column, start:stop] = there[column, start:stop][order]
