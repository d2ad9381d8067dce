"""Rules of text, judged for the few values that a column mostly has, and one by one only for the others.

Codes of countries and currencies come again and again: what a regular expression says of one of them holds for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from headrace.contracts.problems import Rows, where

_MANY = 10_000
"""Rows below which there is nothing to gain."""
_SAMPLE, _FEW = 1000, 16
"""Of so many values no more than so many differ, where it is worth to look for each of these."""


def unlike(values: pa.Array, match: Callable[[pa.Array], pa.BooleanArray]) -> Rows:
    """Return the positions of values that do not match; nulls do.

    Args:
        values: column of text.
        match: says of each value whether it does, whatever the others are.

    Example:
        >>> unlike(pa.array(["DE", "de", None]), lambda some: pc.match_substring_regex(some, "^[A-Z]{2}$")).tolist()
        [1]
    """
    if len(values) < _MANY:
        return where(pc.invert(match(values)))
    usual = values.slice(0, _SAMPLE).drop_null().unique()
    good = usual.filter(match(usual)).to_pylist() if len(usual) <= _FEW else []
    if not good:
        return where(pc.invert(match(values)))
    rest = outside(values, good)
    return rest[where(pc.invert(match(values.take(pa.array(rest)))))] if len(rest) else rest


def outside(values: pa.Array, few: Sequence[str]) -> Rows:
    """Return the positions of values that are none of a few; nulls are no values.

    Example:
        >>> outside(pa.array(["EUR", "XXX", None]), ["EUR", "USD"]).tolist()
        [1]
    """
    numbers = _as_numbers(values) if len(values) >= _MANY and len(few) <= _FEW else None
    if numbers is None:
        found = pc.invert(pc.is_in(values, pa.array(few, values.type)))
        return where(pc.and_(pc.is_valid(values), found) if values.null_count else found)
    there, width = numbers
    others = np.ones(len(there), np.bool_)
    for one in few:
        raw = one.encode()
        if len(raw) == width:
            others &= there != np.frombuffer(raw.ljust(there.itemsize, b"\0"), there.dtype)[0]
    return np.flatnonzero(others).astype(np.int64)


def longer(values: pa.Array, most: int) -> Rows:
    """Return the positions of texts of more letters than ``most``: one that has no more bytes has no more letters.

    Example:
        >>> longer(pa.array(["abc", "äöü", None, "abcd"]), 3).tolist()
        [3]
    """
    rows = where(pc.greater(pc.binary_length(values), most))
    return rows[where(pc.greater(pc.utf8_length(values.take(pa.array(rows))), most))] if len(rows) else rows


def is_ascii(values: pa.Array) -> bool:
    """Return whether a column of text is known to have no byte beyond ASCII, and so to be UTF-8."""
    if not pat.is_string(values.type) or not len(values) or values.buffers()[2] is None:
        return False
    _, offsets, data = values.buffers()
    bounds = np.frombuffer(offsets, np.int32)
    first, last = int(bounds[values.offset]), int(bounds[values.offset + len(values)])
    return first == last or int(np.frombuffer(data, np.int8)[first:last].min()) >= 0


def _as_numbers(values: pa.Array) -> tuple[npt.NDArray[np.unsignedinteger], int] | None:
    """Return texts of one length, up to eight bytes, as numbers of these bytes, and that length."""
    if not pat.is_string(values.type) or values.null_count or values.buffers()[2] is None:
        return None
    _, offsets, data = values.buffers()
    bounds = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    width = int(bounds[1] - bounds[0])
    if not 0 < width <= 8 or not bool(np.all(np.diff(bounds) == width)):
        return None
    text = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]]
    whole = 1 << (width - 1).bit_length()
    if whole == width:
        return text.view(f"<u{whole}"), width
    letters, numbers = text.reshape(-1, width), np.zeros(len(values), f"<u{whole}")
    for place in range(width):
        numbers |= letters[:, place].astype(numbers.dtype) << numbers.dtype.type(8 * place)
    return numbers, width
