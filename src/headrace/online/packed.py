"""Chunks: events of one key side by side, column after column, eight bytes a value, as they lie in LMDB."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headrace.errors import Fault, HeadraceError
from headrace.kernel.gather import HEADER
from headrace.kernel.typing import Bools, Ints
from headrace.online.room import REBUILD

_HEADER = struct.Struct("<IIIIqqI4x")
"""CRC-32 of the rest of the header, events, columns, columns with nulls, oldest and newest time, CRC-32 of the body."""
_CHECKED = slice(4, HEADER)
_BODY, _BODY_AT = struct.Struct("<I"), HEADER - 8
SMALL = 256
"""Events up to which others are added to the last chunk of a key: all but the last have at least so many."""
TIME, SEQ, KNOWN, FIRST = 0, 1, 2, 3
"""Rows of the matrix: event time, sequence, known time; then the columns of the slot."""


@dataclass(frozen=True)
class Chunk:
    """Some events of a key.

    Args:
        matrix: int64 [3 + columns, events].
        there: bool [columns, events], False for null.
    """

    matrix: Ints
    there: Bools

    def __len__(self) -> int:
        return int(self.matrix.shape[1])

    def select(self, chosen: NDArray[np.generic]) -> Chunk:
        """Return the chosen events."""
        return Chunk(self.matrix[:, chosen], self.there[:, chosen])


def pack(chunk: Chunk) -> bytes:
    """Return a chunk as bytes with a checksum."""
    time = chunk.matrix[TIME]
    there = chunk.there
    body = np.ascontiguousarray(chunk.matrix).tobytes()
    nulls = 0 if there.all() else there.shape[0]
    if nulls:
        body += np.ascontiguousarray(there).tobytes()
    said = len(chunk), chunk.matrix.shape[0], nulls, int(time.min()), int(time.max()), zlib.crc32(body)
    checksum = zlib.crc32(_HEADER.pack(0, *said)[_CHECKED])
    return _HEADER.pack(checksum, *said) + body


def spans(raw: bytes | memoryview) -> tuple[int, int, int]:
    """Return number of events, oldest and newest time of a packed chunk without reading the rest.

    Raises:
        HeadraceError: HR-ONLINE-001 when its header is not what was written.
    """
    if len(raw) < HEADER:
        raise altered()
    checksum, events, _, _, oldest, newest, _ = _HEADER.unpack_from(raw)
    if zlib.crc32(raw[_CHECKED]) != checksum:
        raise altered()
    return events, oldest, newest


def is_whole(raw: bytes | memoryview) -> bool:
    """Return whether the body of a chunk, whose header is, is what was written."""
    return bool(zlib.crc32(raw[HEADER:]) == _BODY.unpack_from(raw, _BODY_AT)[0])


def unpack(raw: bytes | memoryview) -> Chunk:
    """Return a chunk; its arrays are views of ``raw``.

    Raises:
        HeadraceError: HR-ONLINE-001 when a checksum does not fit.
    """
    events, _, _ = spans(raw)
    if not is_whole(raw):
        raise altered()
    _, _, width, nulls, _, _, _ = _HEADER.unpack_from(raw)
    body = memoryview(raw)[HEADER:]
    matrix = np.frombuffer(body, dtype=np.int64, count=width * events).reshape(width, events)
    if not nulls:
        return Chunk(matrix, np.ones((width - FIRST, events), dtype=np.bool_))
    there = np.frombuffer(body, dtype=np.bool_, count=nulls * events, offset=8 * width * events)
    return Chunk(matrix, there.reshape(nulls, events))


def altered() -> HeadraceError:
    """Return what is said of a chunk that is not what was written."""
    found = "state of a key that was altered on disk"
    return HeadraceError(Fault("HR-ONLINE-001", "", found, "what was written", REBUILD))


def join(chunks: list[Chunk]) -> Chunk:
    """Return chunks of the same slot as one."""
    if len(chunks) == 1:
        return chunks[0]
    matrix = np.concatenate([one.matrix for one in chunks], axis=1)
    return Chunk(matrix, np.concatenate([one.there for one in chunks], axis=1))
