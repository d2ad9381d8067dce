"""Shares: how many connections each process has, so that a new one goes to who has the fewest."""

from __future__ import annotations

import mmap
import os
import struct

_SEATS = 256
_COUNT = struct.Struct("<i")
_ABSENT = -1


class Shares:
    """One number for each seat, in memory that all processes share.

    It has no lock: a number that is a moment old costs one connection its best place, and nothing else.

    Args:
        file: descriptor, of ``made``.
        seat: of this process.
    """

    def __init__(self, file: int, seat: int) -> None:
        self._counts, self._seat = mmap.mmap(file, _SEATS * _COUNT.size), seat % _SEATS

    def has(self, connections: int) -> bool:
        """Tell how many connections this process has; return whether another one that accepts has fewer."""
        self.put(self._seat, connections)
        others = (one for (one,) in _COUNT.iter_unpack(self._counts))
        return any(_ABSENT < one < connections for one in others)

    def leave(self) -> None:
        """Tell that this process accepts no more."""
        self.put(self._seat, _ABSENT)

    def put(self, seat: int, connections: int = _ABSENT) -> None:
        """Say how many connections a process has; none where it is gone."""
        _COUNT.pack_into(self._counts, seat % _SEATS * _COUNT.size, connections)


def made() -> int:
    """Return the descriptor of fresh numbers: memory alone, no file that anybody else can open."""
    file = os.memfd_create("headrace-shares")
    os.write(file, _COUNT.pack(_ABSENT) * _SEATS)
    return file
