"""The events of one key as bytes: an int64 matrix, one line for the sequence and two for each column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from headrace.engines.frame import Frame
from headrace.kernel.column import Column, dtype_of
from headrace.kernel.typing import Bools, Ints
from headrace.types import LogicalType

Types = Mapping[str, LogicalType]
Words = Callable[[str, Sequence[int]], Sequence[str]]
"""Column and identifiers of texts -> the texts."""


def matrix(frame: Frame, types: Types, identifiers: Mapping[str, Ints]) -> Ints:
    """Return the events of a frame as lines of eight-byte words.

    Args:
        frame: with a sequence.
        types: column to type, in the order of the lines.
        identifiers: for columns of text, the identifier of each entry of the dictionary.
    """
    assert frame.seq is not None
    lines = [frame.seq]
    for name in types:
        column = frame.columns[name]
        values = column.values
        if column.dictionary is not None:
            known = identifiers[name] if len(identifiers[name]) else np.zeros(1, dtype=np.int64)
            values = known[np.where(column.mask, values, 0)]
        lines.append(values.view(np.int64) if values.dtype == np.float64 else values.astype(np.int64))
        lines.append(column.mask.astype(np.int64))
    return np.stack(lines)


def unpack(packed: bytes | None, types: Types, words: Words) -> Frame:
    """Return packed events as a frame; None is a key that was never seen."""
    lines = np.frombuffer(packed or b"", dtype=np.int64).reshape(1 + 2 * len(types), -1)
    columns: dict[str, Column] = {}
    for position, (name, kind) in enumerate(types.items()):
        values, there = lines[1 + 2 * position], lines[2 + 2 * position] != 0
        valid = None if there.all() else there
        columns[name] = _column(name, kind, values, valid, words)
    return Frame(lines.shape[1], columns, lines[0], None)


def _column(name: str, kind: LogicalType, values: Ints, valid: Bools | None, words: Words) -> Column:
    if kind.name == "str":
        distinct, codes = np.unique(values, return_inverse=True)
        texts = words(name, distinct.tolist())
        order = sorted(range(len(texts)), key=texts.__getitem__)
        rank = np.empty(max(len(texts), 1), dtype=np.int64)
        rank[order] = np.arange(len(texts))
        return Column(kind, rank[codes], valid, tuple(texts[i] for i in order))
    if kind.name == "float":
        return Column(kind, values.view(np.float64), valid)
    return Column(kind, values.astype(dtype_of(kind)), valid)


def join(old: bytes | None, new: Ints, time_line: int) -> bytes:
    """Return old and new events of a key together, in the order of event time and sequence."""
    lines = new
    if old:
        lines = np.concatenate([np.frombuffer(old, dtype=np.int64).reshape(len(new), -1), new], axis=1)
    order = np.lexsort((lines[0], lines[time_line]))
    return lines[:, order].tobytes()
