"""Texts as codes: a dictionary of distinct texts, and for each value its place there. Arrow does the work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.kernel.typing import Ints

_FEW = 64
"""Texts up to which Python is faster than a call of Arrow."""


def texts(values: Sequence[str | None] = ()) -> pa.StringArray:
    """Return texts as Arrow holds them."""
    return pa.array(values, type=pa.string())


def coded_few(values: Sequence[str | None]) -> tuple[Ints, pa.StringArray]:
    """Return the same as ``coded``, of texts that are not in Arrow: for a few of them it takes a tenth of the time."""
    places: dict[str, int] = {}
    codes = [0 if text is None else places.setdefault(text, len(places)) for text in values]
    return np.array(codes, dtype=np.int64), texts(list(places))


def coded(values: pa.Array | pa.ChunkedArray) -> tuple[Ints, pa.StringArray]:
    """Return for each text its place among the distinct texts (0 for null), and these as they first appear."""
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # an empty one stays chunked
        return np.zeros(0, dtype=np.int64), texts()
    codes = pc.fill_null(values.indices, 0).to_numpy(zero_copy_only=False)
    return codes.astype(np.int64), values.dictionary.cast(pa.string())


def looked_up(lookup: Ints, codes: Ints) -> Ints:
    """Return ``lookup[codes]``; where there is no text at all, every code is 0."""
    found: Ints = lookup[codes] if len(lookup) else np.zeros_like(codes)
    return found


def joined(first: pa.StringArray, second: pa.StringArray) -> tuple[Ints, pa.StringArray]:
    """Return the distinct texts of two dictionaries, those of the first in their places, and where the second's are."""
    if len(first) + len(second) <= _FEW:
        places, joint = coded_few(first.to_pylist() + second.to_pylist())
    else:
        places, joint = coded(pa.concat_arrays([first, second]))
    return places[len(first) :], joint


def ascending(dictionary: pa.StringArray) -> tuple[Ints, pa.StringArray]:
    """Return where each text stands in ascending order of code points, and the texts in that order."""
    if len(dictionary) < 2 or pc.all(pc.less(dictionary[:-1], dictionary[1:])).as_py():
        return np.arange(len(dictionary), dtype=np.int64), dictionary
    order = pc.array_sort_indices(dictionary)
    rank = np.empty(len(dictionary), dtype=np.int64)
    rank[order.to_numpy()] = np.arange(len(dictionary))
    return rank, dictionary.take(order)
