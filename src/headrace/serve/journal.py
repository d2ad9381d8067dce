"""The journal: what was answered, on the disk before it is answered; files of frames, written ahead and read once.

A group of records costs one write and one ``fdatasync`` over blocks that were filled with zeros beforehand: the file
neither grows nor moves, so the disk has one thing to do. What a kill or the loss of power leaves half written was never
acknowledged; the frames' checksums tell it, and a group behind it would tell that it was whole once.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import struct
import threading
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from headrace.errors import Fault, HeadraceError
from headrace.lake.disk import sync
from headrace.online.room import no_room

SEGMENT_BYTES = 16 << 20
"""Of one file; about 20,000 records."""
MOST_BYTES = 64 << 30
"""What may wait for the lake at most."""
_FRAME = struct.Struct("<IIQ")
"""Length of the payload, CRC-32 of all but itself, number; a length of 0 is the end."""
_BEGINS = 1 << 31
"""Added to the length of the first frame of a group: it was written when all before it was on the disk."""
_SECTOR = 512
"""Bytes of which a disk writes all or nothing."""
_END = bytes(_FRAME.size)
_NUMBER = struct.Struct("<Q")
_LARGEST = 8 << 20
_FURTHER = 1 << 32
"""So far apart two numbers never are: writes that failed leave some out. Checksums cover what is below."""
_ID = re.compile("[0-9a-f]{12}")
_NAME = re.compile(r"[0-9]{20}\.log")

_CURE = "restore the folder 'spool' of the project's state; or headrace state salvage, which keeps all that is whole"
_log = logging.getLogger("headrace.serve")

Frame = tuple[int, bytes]
"""A number and a payload; numbers ascend, contexts have the number of the record that follows."""


class Journal:
    """Frames in files of a folder, written by one thread of one process and read by any.

    Files are named by the number of their first frame; all but the newest are full.

    Args:
        folder: of the journal (mode 0700), made where it is absent.
        segment_bytes: of a file.
        most_bytes: of all files.

    Raises:
        HeadraceError: HR-ONLINE-002 when the disk is full.
    """

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self._most = Path(folder), most_bytes
        self._size = min(segment_bytes, most_bytes // 4)
        with no_room():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.id = identity(self.folder)
            for path in self.folder.glob("*.new"):  # prepared by a process that was killed
                path.unlink()
        self._file, self._at, self._told = -1, 0, set[str]()
        self._ahead: Future[Path] | None = None
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="headrace-journal")
        self.last = _mended(self.folder)

    def prepare(self) -> None:
        """Have a file ready for the first records; where the disk is full they are told."""
        if self._ahead is None:
            self._prepare(0)
        assert self._ahead is not None
        self._ahead.exception()

    def close(self) -> None:
        """Let go of the files; what was prepared and not used is removed."""
        self._maker.shutdown()
        if self._ahead is not None and self._ahead.exception() is None:
            self._ahead.result().unlink(missing_ok=True)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def append(self, some: Sequence[Frame], contexts: Mapping[str, bytes]) -> None:
        """Write records; when this returns they are on the disk.

        Args:
            some: numbers, which ascend, and payloads.
            contexts: payloads, by name, without which these records cannot be read; each file has its own.

        Raises:
            HeadraceError: HR-ONLINE-002 when there is no room, or the disk fails; then none of them counts.
        """
        first, fresh = some[0][0], [contexts[name] for name in contexts if name not in self._told]
        content = _group(first, fresh, some)
        with no_room():
            if self._file < 0 or self._at + len(content) + _FRAME.size > self._size:
                content = _group(first, contexts.values(), some)
                self._turn(first, len(content))
                self._told = set()
            # a write that the disk has failed may be there in part, and reach further than this one
            written, content = 0, content + _END
            while written < len(content):
                written += os.pwrite(self._file, memoryview(content)[written:], self._at + written)
            os.fdatasync(self._file)
        self._at += len(content) - len(_END)
        self._told |= set(contexts)
        self.last = some[-1][0]

    def _turn(self, number: int, length: int) -> None:
        """Go on in the next file, which begins with a number."""
        if sum(path.stat().st_size for path in segments(self.folder)) + self._size > self._most:
            raise OSError("the journal is as large as it may be")
        if self._ahead is None:
            self._prepare(length)
        assert self._ahead is not None
        ahead, self._ahead = self._ahead, None
        made = ahead.result()
        if made.stat().st_size < length + _FRAME.size:
            made.unlink()
            made = self._made(length)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        named = self.folder / f"{number:020d}.log"
        made.rename(named)
        sync(self.folder)
        self._file, self._at = os.open(named, os.O_WRONLY), 0
        self._prepare(0)

    def _prepare(self, length: int) -> None:
        self._ahead = self._maker.submit(self._made, length)

    def _made(self, length: int) -> Path:
        """Return a file of zeros that are on the disk."""
        fresh = self.folder / f"{uuid.uuid4().hex}.new"
        size = max(self._size, length + _FRAME.size)
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            zeros, left = bytes(1 << 20), size
            while left:
                left -= os.write(file, zeros[:left])
            os.fsync(file)
        except OSError:
            fresh.unlink()
            raise
        finally:
            os.close(file)
        return fresh


def identity(folder: Path) -> str:
    """Return the name by which the records of a journal are told from those of another; it is made once.

    Raises:
        HeadraceError: HR-ONLINE-004 when it was altered or lost: records would be taken for those of another journal.
    """
    named = folder / "id"
    if not named.exists():
        if segments(folder):
            raise _altered(f"the journal {folder.name} without its id, by which its records are known")
        fresh = folder / f"id.{os.getpid()}.{threading.get_ident()}"
        fresh.touch(0o600)
        fresh.write_text(uuid.uuid4().hex[:12])
        try:
            sync(fresh)  # answers name it, and must find their records by it after a loss of power
            os.link(fresh, named)  # the first one counts
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        sync(folder, folder.parent)
    own = named.read_bytes().decode(errors="replace").strip()
    if _ID.fullmatch(own) is None:
        raise _altered(f"the id of the journal {folder.name}, which was altered")
    return own


def segments(folder: Path) -> list[Path]:
    """Return the files of a journal in their order."""
    return sorted(path for path in folder.glob("*.log") if _NAME.fullmatch(path.name))


def _told_segments(folder: Path) -> list[Path]:
    """The files of a journal; what is beside them may be one of them that was renamed."""
    for path in sorted(folder.glob("*.log")):
        if not _NAME.fullmatch(path.name) or path.is_dir():
            raise _altered(f"the journal {folder.name} with {path.name}, which is no name that its files have")
    return segments(folder)


def frames(folder: Path, after: int = 0) -> Iterator[Frame]:
    """Yield the frames of a journal with numbers beyond ``after``, in order; contexts of a file that has such ones too.

    Raises:
        HeadraceError: HR-ONLINE-004 for a file in whose midst frames were altered, or which has numbers of another,
            once those before them were given.
    """
    paths = _told_segments(folder)
    firsts = [int(path.stem) for path in paths]
    for at, path in enumerate(paths):
        if at + 1 < len(paths) and firsts[at + 1] <= after + 1:
            continue
        for number, payload, _ in _read(path, newest=at + 1 == len(paths)):
            if at + 1 < len(paths) and number >= firsts[at + 1]:
                raise _misplaced(path)
            yield number, payload


def frames_from(folder: Path, number: int) -> Iterator[Frame]:
    """Yield the frames of the one file in which a number must be, if it is still there."""
    path = next((path for path in reversed(segments(folder)) if int(path.stem) <= number), None)
    if path is not None:
        for found, payload, _ in _read(path, newest=True):
            yield found, payload


def salvaged(folder: Path) -> Iterator[Frame]:
    """Yield every whole frame of a journal that was altered once, in order, whatever its files are called."""
    every = set[Frame]()
    for path in folder.glob("*.log"):
        content = b"" if path.is_dir() else path.read_bytes()
        named = int(path.stem) if _NAME.fullmatch(path.name) else 0
        for at, number, end, _ in _found(content, 0, max(0, named - _FURTHER // 2)):
            every.add((number, content[at + _FRAME.size : end]))
    yield from sorted(every)


def forget(folder: Path, last: int) -> None:
    """Remove the files of which all numbers are up to ``last``; the newest stays, since it may be written to."""
    paths = segments(folder)
    for path, follower in itertools.pairwise(paths):
        if int(follower.stem) <= last + 1:
            path.unlink(missing_ok=True)


def _mended(folder: Path) -> int:
    """Return the last number of a journal; what a kill left half written behind it is cut off."""
    paths = _told_segments(folder)
    if not paths:
        return 0
    # the number of a file's first frame says that all before it were written; so the newest file says the last
    last, end = int(paths[-1].stem) - 1, 0
    for number, _, ending in _read(paths[-1], newest=True):
        last, end = number, ending
    torn = len(paths[-1].read_bytes()[end:].rstrip(b"\0"))
    if torn:
        told = "%d bytes behind number %d are of a write that did not end, and were cut off: they were not acknowledged"
        _log.warning("the journal %s: " + told, paths[-1].name, torn, last)
    os.truncate(paths[-1], end)
    return last


def _group(first: int, contexts: Iterable[bytes], some: Iterable[Frame]) -> bytes:
    every = [*((first, one) for one in contexts), *some]
    return b"".join(_framed(number, payload, begins=not at) for at, (number, payload) in enumerate(every))


def _framed(number: int, payload: bytes, begins: bool) -> bytes:
    marked = len(payload) | (_BEGINS if begins else 0)
    return _FRAME.pack(marked, _checksum(payload, marked, number), number) + payload


def _checksum(payload: bytes | memoryview, marked: int, number: int) -> int:
    return zlib.crc32(payload, (number ^ marked) & 0xFFFFFFFF)


def _whole(content: bytes | memoryview, at: int, before: int) -> tuple[int, int, bool] | None:
    """Number and end of the frame at a place, and whether it begins a group; None where there is none."""
    if at + _FRAME.size > len(content):
        return None
    marked, checksum, number = _FRAME.unpack_from(content, at)
    begin, length = at + _FRAME.size, marked & ~_BEGINS
    if not 0 < length <= min(_LARGEST, len(content) - begin) or not before <= number < before + _FURTHER:
        return None
    if _checksum(memoryview(content)[begin : begin + length], marked, number) != checksum:
        return None
    return number, begin + length, marked != length


def _read(path: Path, newest: bool) -> Iterator[tuple[int, bytes, int]]:
    """Yield number and payload of each frame, and where it ends."""
    at, before, looked = 0, int(path.stem) - 1, -1
    content = _content(path)
    while content is not None:
        found = _whole(content, at, before)
        if found is not None:
            number, end, _ = found
            yield number, content[at + _FRAME.size : end], end
            at, before = end, number
        elif not at and _whole(content, 0, max(0, before - _FURTHER // 2)) is not None:
            raise _misplaced(path)
        elif looked < at and _altered_at(content, at, before, newest):
            content, looked = _content(path), at  # it may have been written to while it was read
        elif looked == at and _altered_at(content, at, before, newest):
            raise _altered_behind(path, before)
        else:
            return


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # removed meanwhile: all of it is in the lake
        return None


def _altered_at(content: bytes, at: int, before: int, newest: bool) -> bool:
    """Whether what was written at a place was altered, and is neither the end nor what a kill or a power cut has torn.

    What is torn belongs to the last group; there either nothing follows it, or a part of it was never written.
    """
    rest = content.rstrip(b"\0")
    ended = len(rest) <= at or not int.from_bytes(content[at : at + 4], "little")
    if not newest and not ended:
        return True
    following = _following(content, at + 1, before)
    if not newest:
        return not at or bool(following)
    return any(following) or bool(following and not ended and not _unwritten(rest, at))


def _found(content: bytes, at: int, before: int) -> Iterator[tuple[int, int, int, bool]]:
    """Yield place, number and end of each whole frame from a place on, and whether it begins a group."""
    view, last = memoryview(content), len(content.rstrip(b"\0"))
    while at < last:
        whole = _whole(view, at, before)
        if whole is None:
            at += 1
        else:
            before, end, begins = whole
            yield at, before, end, begins
            at = end


def _following(content: bytes, at: int, before: int) -> list[bool]:
    """Of the whole frames of later numbers that follow a place, up to one that begins a group: which of them does."""
    found = list[bool]()
    for _, _, _, begins in _found(content, at, before + 1):
        found.append(begins)
        if begins:
            break
    return found


def _unwritten(content: bytes, at: int) -> bool:
    """Whether the rest of the sector of a place, or one behind it, has nothing."""
    places = [at, *range((at // _SECTOR + 1) * _SECTOR, len(content), _SECTOR)]
    return any(not any(content[place : (place // _SECTOR + 1) * _SECTOR]) for place in places)


def _altered_behind(path: Path, number: int) -> HeadraceError:
    return _altered(f"the journal {path.parent.name}/{path.name}, in which records were altered behind number {number}")


def _misplaced(path: Path) -> HeadraceError:
    return _altered(f"the journal {path.parent.name}/{path.name}, which has numbers of another file")


def _altered(found: str) -> HeadraceError:
    return HeadraceError(Fault("HR-ONLINE-004", "", found, "what was written", _CURE))
