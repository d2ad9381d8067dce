"""Counters by key inside compiled code: an open-addressing table of int64 that never forgets a key.

A table is an int64 array of shape [capacity, 3]: key, used, amount. The capacity is a power of two and at least
twice the number of distinct keys, so a probe ends after a step or two.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from headrace.kernel.typing import Ints


@njit
def mix(value: int) -> np.int64:
    """Scatter the bits of an int64 (the finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014)."""
    x = np.uint64(value) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64(x ^ (x >> np.uint64(31)))


@njit
def slot_of(table: Ints, key: int) -> int:
    last = table.shape[0] - 1
    slot = mix(key) & last
    while table[slot, 1] != 0 and table[slot, 0] != key:
        slot = (slot + 1) & last
    return slot


@njit
def bump(table: Ints, key: int, by: int) -> int:
    """Add to the amount of a key and return the new amount."""
    slot = slot_of(table, key)
    table[slot, 0] = key
    table[slot, 1] = 1
    table[slot, 2] += by
    return table[slot, 2]


@njit
def amount(table: Ints, key: int) -> int:
    """Return the amount of a key, 0 where it was never seen."""
    slot = slot_of(table, key)
    return table[slot, 2] if table[slot, 1] != 0 else 0


@njit
def merge_tables(table: Ints, other: Ints) -> None:
    """Add all amounts of another table."""
    for slot in range(other.shape[0]):
        if other[slot, 1] != 0:
            bump(table, other[slot, 0], other[slot, 2])
