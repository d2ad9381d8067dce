"""Several workers: each posts its figures in a file now and then, and whoever is asked adds all of them up."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from headrace.serve.metrics.families import FAMILIES, Figures, lasting
from headrace.serve.metrics.process import born

_SUFFIX = ".figures"


class _Posted(msgspec.Struct):
    pid: int
    born: int
    figures: Figures


class Board:
    """The folder in which workers post their figures, one file each (mode 0600).

    A worker that takes the place of one that died goes on with its number, and so with its counts: Prometheus takes a
    sum that becomes smaller for a service that began anew.

    Args:
        folder: for nothing else; made where it is not there.
        worker: number of this one.
    """

    def __init__(self, folder: Path, worker: int = 0) -> None:
        self._folder, self._mine = folder, folder / f"{worker}{_SUFFIX}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._pid, self._born = os.getpid(), born(os.getpid()) or 0

    def post(self, figures: Figures) -> None:
        """Write figures, whole or not at all; where the disk is full, those that were posted last stay."""
        half = self._mine.with_suffix(".part")
        try:
            half.touch(0o600)
            half.write_bytes(msgspec.msgpack.encode(_Posted(self._pid, self._born, figures)))
            half.replace(self._mine)
        except OSError:
            half.unlink(missing_ok=True)

    def predecessor(self) -> Figures:
        """Return what was posted last by the worker of this number."""
        posted = _read(self._mine)
        return Figures() if posted is None else posted.figures

    def others(self) -> list[Figures]:
        """Return what all other workers posted last; of those that died what they counted."""
        found = []
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            posted = None if path == self._mine else _read(path)
            if posted is not None:
                alive = born(posted.pid) == posted.born
                found.append(posted.figures if alive else lasting(posted.figures))
        return found


def clear(folder: Path) -> None:
    """Forget what workers posted, before the first one of a service begins."""
    for path in folder.glob(f"*{_SUFFIX}"):
        path.unlink(missing_ok=True)


def _read(path: Path) -> _Posted | None:
    """What a file holds; None for one that is not there, or that another version of Headrace wrote."""
    try:
        posted = msgspec.msgpack.decode(path.read_bytes(), type=_Posted)
    except (OSError, msgspec.MsgspecError):
        return None
    figures = posted.figures
    known = {*figures.numbers, *figures.spreads} <= set(FAMILIES)
    return posted if known else None
