"""Gathering: of the packed chunks of some rows' keys, the events that each row may see, in the total order.

A chunk is a header of 32 bytes (events, columns, oldest and newest time, columns with nulls, checksum), then time,
sequence, known time and the columns, eight bytes a value, then where there are nulls a byte a value. ``online.packed``
writes it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from headrace.kernel.typing import Bools, Ints

Raw = NDArray[np.uint8]
HEADER = 32
"""Bytes of a chunk's header; the columns with nulls stand 8 bytes before its end."""


@njit(cache=True, nogil=True)
def gather(
    raw: Raw, begins: Ints, owner: Ints, columns: int, moment: Ints, oldest: Ints, known: Ints, seq: Ints
) -> tuple[Ints, Ints, Bools]:
    """Return the events of rows side by side.

    Args:
        raw: packed chunks, one behind the other.
        begins: [chunks] where each begins.
        owner: [chunks] the row whose key's chunk it is, ascending; the chunks of a row in the order of their numbers.
        columns: how many a chunk has beside time, sequence and known time.
        moment: [rows] event time, microseconds; what happened later is left out.
        oldest: [rows] what happened before is left out.
        known: [rows] what became known later is left out.
        seq: [rows] of what became known at just that time, what has a later sequence is left out.

    Returns:
        starts [rows + 1], the matrix int64 [3 + columns, events], and which values are there [columns, events]; that
        is of width 0 where all are.
    """
    rows = len(moment)
    starts = np.zeros(rows + 1, dtype=np.int64)
    some_null = False
    for c in range(len(begins)):
        row, length, nulls = owner[c], _u32(raw, begins[c]), _u32(raw, begins[c] + 24)
        some_null |= nulls > 0
        time, order, learned = _times(raw, begins[c], length)
        for i in range(length):
            if _seen(time[i], order[i], learned[i], moment[row], oldest[row], known[row], seq[row]):
                starts[row + 1] += 1
    for row in range(rows):
        starts[row + 1] += starts[row]
    total = starts[rows]
    matrix = np.empty((3 + columns, total), dtype=np.int64)
    there = np.ones((columns, total if some_null else 0), dtype=np.bool_)
    chosen = np.empty(total, dtype=np.int64)
    at = np.int64(0)
    for c in range(len(begins)):
        row, length, nulls = owner[c], _u32(raw, begins[c]), _u32(raw, begins[c] + 24)
        time, order, learned = _times(raw, begins[c], length)
        some = 0
        for i in range(length):
            if _seen(time[i], order[i], learned[i], moment[row], oldest[row], known[row], seq[row]):
                chosen[some] = i
                some += 1
        for line in range(3 + columns):
            values = _line(raw, begins[c], length, line)
            for k in range(some):
                matrix[line, at + k] = values[chosen[k]]
        if nulls > 0:
            masks = begins[c] + HEADER + 8 * (3 + columns) * length
            for column in range(columns):
                for k in range(some):
                    there[column, at + k] = raw[masks + column * length + chosen[k]] != 0
        at += some
    for row in range(rows):
        _put_in_order(matrix, there, starts[row], starts[row + 1])
    return starts, matrix, there


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
