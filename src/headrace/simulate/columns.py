"""Numbers as the Arrow columns of a world: moments, money and identifiers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
DIGITS = 7


def moments(us: Ints) -> pa.Array:
    """Return microseconds since 1970 as moments in UTC."""
    return pa.array(us, type=pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def microseconds(column: pa.ChunkedArray) -> Ints:
    """Return moments as microseconds since 1970."""
    us: Ints = column.cast(pa.int64()).to_numpy()
    return us


def money(cents: Ints) -> pa.Array:
    """Return cents as amounts with two places."""
    # A decimal is 128 bits, low half first; the sign fills the high half. So cents never become floats.
    halves = np.stack([cents, cents >> 63], axis=1).astype("<i8", copy=False)
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(cents), [None, pa.py_buffer(halves)])


def identifiers(letter: str, count: int) -> pa.Array:
    """Return ``p0000001`` and so on, of one width, so that their order as text is their order."""
    width = max(DIGITS, len(str(count)))
    digits = pc.utf8_lpad(pa.array(np.arange(1, count + 1)).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(letter, digits, "")
