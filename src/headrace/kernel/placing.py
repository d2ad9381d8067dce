"""Moves from the order of the input to the order of the sweep, and back."""

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


@njit(cache=True, nogil=True)
def _scaled(values: Floats, factor: float, out: Ints) -> None:
    for i in range(len(values)):
        out[i] = np.int64(np.rint(values[i] * factor))


@njit(cache=True, nogil=True)
def _ordered_bits(values: Floats, out: Ints) -> None:
    for i in range(len(values)):
        out[i] = bits_in_order(values[i])


@njit
def bits_in_order(value: float) -> int:
    """Return a float64 as int64 in the same order; -0.0 becomes 0.0."""
    bits = bits_of(value + 0.0)
    ordered: int = bits ^ ((bits >> 63) & 0x7FFFFFFFFFFFFFFF)
    return ordered


@njit(cache=True, nogil=True)
def scatter(words: Ints, counts: Counts, order: Ints, at: Ints, kinds: Ints, values: Ints, valid: Bools) -> None:
    """Write results that have one word each to where their rows stand in the input.

    Args:
        words: [words, rows] results in the order of the sweep.
        counts: [results, rows] numbers of items, 0 for null.
        order: [rows] the row of the input that each is.
        at: [columns, 2] which word and which number of items are its own.
        kinds: [columns] what the word is.
        values: [columns, all rows] to write to; 0 where there is none.
        valid: [columns, all rows] true at first; to write to where there is none.
    """
    beyond, none = np.int64(0x7FF0000000000000), np.int64(NULL)
    for column in range(len(at)):
        word, result, kind = at[column, 0], at[column, 1], kinds[column]
        for row in range(len(order)):
            value = words[word, row]
            if kind == FLOAT:
                there = (value & beyond) != beyond
            elif kind == COUNTED:
                there = counts[result, row] > 0
            else:
                there = value != none
                if kind == ORDERED:
                    value ^= (value >> 63) & 0x7FFFFFFFFFFFFFFF
            if not there:
                value = 0
                valid[column, order[row]] = False
            values[column, order[row]] = value
