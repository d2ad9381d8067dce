"""Moves between the order of the input and the order of the sweep, and from rows of results to columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from headrace.kernel.column import Column
from headrace.kernel.doubled import bits_of
from headrace.kernel.memory import empty
from headrace.kernel.threads import in_ranges
from headrace.kernel.typing import Bools, Counts, Floats, Ints

NULL = 2**63 - 1
"""The word of a result that is null; also what stands behind the last item of a list."""
AS_IS, FLOAT, ORDERED, COUNTED = range(4)
"""What a word is: itself; the bits of a float that may be beyond its range; bits in ascending order; itself even where
it is the word for null, since the number of items tells."""
_BLOCK = 256


def ordered(values: NDArray[Any], order: Ints) -> NDArray[Any]:
    """Return values in an order, gathered in threads."""
    out = empty(len(order), values.dtype)
    if len(order):
        in_ranges(lambda start, stop: values.take(order[start:stop], out=out[start:stop], mode="clip"), len(order))
    return out


def ordered_column(column: Column, order: Ints) -> Column:
    """Return a column in an order."""
    valid = None if column.valid is None else ordered(column.valid, order)
    return replace(column, values=ordered(column.values, order), valid=valid)


def scaled(values: Floats, factor: float) -> Ints:
    """Return each float64 times a power of two as the nearest whole number, ties to even."""
    out = empty(len(values))
    in_ranges(lambda start, stop: _scaled(values[start:stop], factor, out[start:stop]), len(values))
    return out


def ordered_bits(values: Floats) -> Ints:
    """Return float64 as int64 in the same order; -0.0 becomes 0.0."""
    out = empty(len(values))
    in_ranges(lambda start, stop: _ordered_bits(values[start:stop], out[start:stop]), len(values))
    return out


def from_ordered_bits(ordered: Ints) -> Ints:
    """Undo ``ordered_bits``, but for the type: the bits stay int64."""
    bits: Ints = ordered ^ ((ordered >> 63) & np.int64(0x7FFFFFFFFFFFFFFF))
    return bits


def inverse(order: Ints) -> Ints:
    """Return where each position stands in an order."""
    out = empty(len(order))
    in_ranges(lambda start, stop: _inverse(order, start, stop, out), len(order))
    return out


def columns(
    words: Ints, counts: Counts, places: Ints, at: Ints, count_at: Ints, kinds: Ints
) -> tuple[Ints, Bools, Ints]:
    """Turn rows of results into columns.

    Args:
        words: [rows, words] results in the order of the sweep.
        counts: [rows, counts] numbers of items, 0 for null, of the results that are counted.
        places: [rows] where each row of the input stands in that order.
        at, count_at, kinds: [columns] where its word (and, if it is counted, its count) stands, and what the word is.

    Returns:
        values [columns, rows], 0 where there is none; whether there is one [columns, rows]; nulls [columns].
    """
    values = empty((len(at), len(words)))
    valid = empty((len(at), len(words)), np.bool_)

    def part(start: int, stop: int) -> Ints:
        nulls = np.zeros(len(at), dtype=np.int64)
        _columns(words, counts, places, at, count_at, kinds, start, stop, values, valid, nulls)
        return nulls

    return values, valid, np.asarray(np.sum(in_ranges(part, len(words)), axis=0), dtype=np.int64)


@njit(cache=True, nogil=True)
def _scaled(values: Floats, factor: float, out: Ints) -> None:
    for i in range(len(values)):
        out[i] = np.int64(np.rint(values[i] * factor))


@njit(cache=True, nogil=True)
def _ordered_bits(values: Floats, out: Ints) -> None:
    for i in range(len(values)):
        bits = bits_of(values[i] + 0.0)
        out[i] = bits ^ ((bits >> 63) & 0x7FFFFFFFFFFFFFFF)


@njit(cache=True, nogil=True)
def _inverse(order: Ints, start: int, stop: int, out: Ints) -> None:
    for i in range(start, stop):
        out[order[i]] = i


@njit(cache=True, nogil=True)
def _columns(
    words: Ints,
    counts: Counts,
    places: Ints,
    at: Ints,
    count_at: Ints,
    kinds: Ints,
    start: int,
    stop: int,
    values: Ints,
    valid: Bools,
    nulls: Ints,
) -> None:
    beyond, none = np.int64(0x7FF0000000000000), np.int64(NULL)
    rows = np.empty((_BLOCK, words.shape[1]), dtype=np.int64)
    for block in range(start, stop, _BLOCK):
        end = min(block + _BLOCK, stop)
        for row in range(block, end):
            # a first touch of each row lets the processor wait for many lines of memory at once: half the time
            rows[row - block, 0] = words[places[row], 0]
        for row in range(block, end):
            for word in range(words.shape[1]):
                rows[row - block, word] = words[places[row], word]
        for column in range(len(at)):
            word, kind, missing = at[column], kinds[column], 0
            for row in range(block, end):
                value = rows[row - block, word]
                if kind == FLOAT:
                    there = (value & beyond) != beyond
                elif kind == COUNTED:
                    there = counts[places[row], count_at[column]] > 0
                else:
                    there = value != none
                    if kind == ORDERED:
                        value ^= (value >> 63) & 0x7FFFFFFFFFFFFFFF
                if not there:
                    missing += 1
                    value = 0
                values[column, row] = value
                valid[column, row] = there
            nulls[column] += missing
