"""Which values of a column of text have a form, told for most of them at once and not each by its own.

A regular expression takes longer for a column than all else that is done with it. The values of one column are mostly
alike: times as long as each other, with digits at the same places; numbers of digits and nothing else.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_ZERO, _NINE = np.uint8(ord("0")), np.uint8(9)
_MANY = 10_000
"""Rows below which there is nothing to gain."""
_ROWS = 8192
"""As many rows are compared at once, so that they stay in the processor's cache."""


def matches(raw: pa.StringArray, form: str) -> pa.BooleanArray:
    """Return for each value whether it has a form, null where there is none.

    Args:
        raw: column of text.
        form: regular expression of RE2, of the whole value, to which all digits are the same.

    Example:
        >>> matches(pa.array(["2024-01-01", "2024-13-x1", None]), "^[0-9]{4}-[0-9]{2}-[0-9]{2}$").to_pylist()
        [True, False, None]
    """
    if len(raw) - raw.null_count < _MANY or not pa.types.is_string(raw.type):
        return pc.match_substring_regex(raw, form)
    lengths = pc.fill_null(pc.binary_length(raw), -1).to_numpy()
    first = int(np.argmax(lengths >= 0))
    alike = lengths == lengths[first]
    if not pc.match_substring_regex(raw.slice(first, 1), form)[0].as_py() or 2 * alike.sum() < len(raw):
        return pc.match_substring_regex(raw, form)
    if lengths[first]:
        chosen = raw if alike.all() else raw.filter(pa.array(alike))
        alike[alike] = _like_first(_bytes(chosen)[0].reshape(len(chosen), -1))
    rest = np.flatnonzero(~alike)
    fits = pa.array(alike)
    if not len(rest):
        return fits
    return pc.replace_with_mask(fits, pa.array(~alike), pc.match_substring_regex(raw.take(pa.array(rest)), form))


def strange(raw: pa.StringArray, letters: bytes) -> npt.NDArray[np.int64]:
    """Return the positions of values in which anything but some letters stands.

    Args:
        raw: column of text.
        letters: of ASCII.

    Example:
        >>> strange(pa.array(["12", "-7", "0x7", None]), b"-0123456789").tolist()
        [2]
    """
    known = np.zeros(256, np.bool_)
    known[np.frombuffer(letters, np.uint8)] = True
    text, bounds = _bytes(raw)
    places = np.flatnonzero(~known[text])
    if not len(places):
        return places
    rows = np.unique(np.searchsorted(bounds[1:], places + bounds[0], side="right"))
    there = np.asarray(raw.is_valid().to_numpy(zero_copy_only=False), np.bool_)
    return np.asarray(rows[there[rows]], np.int64)  # beneath a null may stand anything


def _bytes(raw: pa.StringArray) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Return the bytes of all values, and where each begins and the last one ends."""
    _, offsets, data = raw.buffers()
    if data is None or not len(raw):
        return np.empty(0, np.uint8), np.zeros(len(raw) + 1, np.int32)
    bounds = np.frombuffer(offsets, np.int32)[raw.offset : raw.offset + len(raw) + 1]
    return np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]], bounds


def _like_first(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return which rows have digits where the first has, and the same letters elsewhere."""
    digits = rows[0] - _ZERO <= _NINE  # what is below wraps around
    least, span = np.where(digits, _ZERO, rows[0]), np.where(digits, _NINE, np.uint8(0))
    alike = np.ones(len(rows), np.bool_)
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS] - least <= span
        if not part.all():
            alike[start : start + _ROWS] = part.all(axis=1)
    return alike
