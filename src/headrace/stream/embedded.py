"""The log of one machine: topics in LMDB, a group of payloads an entry, each with a checksum."""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import numpy as np

from headrace.errors import Fault, HeadraceError
from headrace.online.room import DAMAGED, RESTORE, environment, is_damage, no_room
from headrace.stream.log import Group

MAP_BYTES = 256 << 30
"""Upper bound of the file; it only takes what is used."""
ENTRY_BYTES = 128 << 10
"""A group that is larger lies in several entries: LMDB looks for as many free pages side by side as an entry takes."""
_KEY = struct.Struct(">Q")
_HEADER = struct.Struct("<IIq")
"""CRC-32 of what follows, payloads, and when they were taken; then their lengths, four bytes each, and themselves."""
_CHECKED = slice(4, None)
_ID, _CLOCK, _POSITION = b"id", b"clock", b"position:"


@dataclass(frozen=True)
class Damage:
    """Payloads that are not what was written.

    Args:
        topic: where.
        first, last: their sequences; those at the end of a topic are not known, then ``last`` is ``first``.
    """

    topic: str
    first: int
    last: int

    def fault(self) -> Fault:
        """Return what a user is told."""
        found = f"{self.first} to {self.last} of the log, altered on disk"
        return Fault("HR-LOG-001", self.topic, found, "what was written", RESTORE)


class EmbeddedLog:
    """Topics in a folder: written by one process at a time, read by many, also while it is written.

    Every transaction is on the disk (fsync) when it ends: neither kill -9 nor the loss of power takes back what was
    acknowledged, and LMDB undoes what was killed half way. Give what waits together, to pay for one fsync. Only their
    owner can read the files (mode 0600).

    Args:
        folder: of the log, made where it is absent.
        map_bytes: upper bound of its size.

    ``id`` are twelve hex digits by which it is told from others.

    Raises:
        HeadraceError: HR-ONLINE-001 where the file cannot be opened, 002 where the disk is full.

    Example:
        >>> import tempfile
        >>> log = EmbeddedLog(Path(tempfile.mkdtemp()))
        >>> log.append("payments", [b"one", b"two"], now=1_000_000).last
        2
        >>> [payload for group in log.read("payments", after=1, most=10) for _, payload in group]
        [b'two']
    """

    def __init__(self, folder: Path, map_bytes: int = MAP_BYTES) -> None:
        self.folder = Path(folder)
        self._env = environment(self.folder, map_bytes, 1024, RESTORE)
        with no_room():
            self._meta = self._env.open_db(b"meta")
        self._topics: dict[str, Any] = {}
        self.id = self._named()

    def close(self) -> None:
        """Release the files."""
        self._env.close()

    # -- writing

    def append(self, topic: str, payloads: Sequence[bytes], now: int, first: int | None = None) -> Group:
        """Add payloads behind the last of a topic; see ``Log``."""
        with self.transaction() as writing:
            return writing.append(topic, payloads, now, first)

    @contextmanager
    def transaction(self) -> Iterator[_Transaction]:
        """Give what puts output and positions into the log together, when the block ends; others wait for that.

        Raises:
            HeadraceError: HR-ONLINE-002 where the disk is full: then nothing of it is there.
        """
        opened = dict[str, Any]()
        with no_room(), self._begun(write=True) as transaction:
            yield _Transaction(transaction, self._meta, lambda topic: self._created(topic, transaction, opened))
        self._topics |= opened  # those of a transaction that is undone are no databases

    def forget(self, topic: str, last: int) -> int:
        """Remove entries that reach up to a sequence at most; return how many sequences that were.

        These stay taken.
        """
        removed = 0
        if (database := self._there(topic)) is None:
            return 0
        with no_room(), self._begun(write=True) as transaction, transaction.cursor(db=database) as cursor:
            there, end = cursor.first(), _number(transaction.get(_last_key(topic), db=self._meta))
            while there:
                first = int(_KEY.unpack(cursor.key())[0])
                # an entry says where the one in front of it ends, also where that was altered
                behind = int(_KEY.unpack(cursor.key())[0]) - 1 if cursor.next() else end
                if behind > last:
                    break
                cursor.set_key(_KEY.pack(first))
                removed += behind - first + 1
                there = cursor.delete() and bool(cursor.key())
        return removed

    # -- reading

    def read(self, topic: str, after: int, most: int) -> list[Group]:
        """Return up to so many payloads that follow a sequence, in order; see ``Log``."""
        found, left = list[Group](), most
        if (database := self._there(topic)) is None:
            return found
        with self._begun(buffers=True) as transaction, transaction.cursor(db=database) as cursor:
            there = _at(cursor, after)
            while there and left > 0:
                try:
                    group = _unpacked(topic, cursor).after(after)
                except HeadraceError:
                    if found:  # what is in front of it is whole
                        return found
                    raise
                if len(group):
                    group = group.until(group.first + left - 1)
                    found.append(group)
                    left -= len(group)
                there = cursor.next()
        return found

    def last(self, topic: str) -> int:
        """Return the last sequence that was given, 0 for none."""
        return self._number(_last_key(topic))

    def clock(self) -> int:
        """Return when the newest payloads were taken, microseconds UTC, 0 for none."""
        return self._number(_CLOCK)

    def position(self, reader: str, topic: str) -> int:
        """Return up to which sequence a reader has done with a topic, 0 for none."""
        return self._number(_position_key(reader, topic))

    def topics(self) -> list[str]:
        """Return the topics by name."""
        with self._begun() as transaction:
            names = [bytes(name) for name, _ in transaction.cursor()]
        return [name[6:].decode() for name in names if name.startswith(b"topic:")]

    def damaged(self, topic: str) -> list[Damage]:
        """Read a topic as a whole; return what of it is not what was written."""
        found: list[Damage] = []
        if (database := self._there(topic)) is None:
            return found
        with self._begun(buffers=True) as transaction, transaction.cursor(db=database) as cursor:
            for _ in cursor:
                try:
                    _unpacked(topic, cursor)
                except HeadraceError:
                    first = int(_KEY.unpack(cursor.key())[0])
                    behind = int(_KEY.unpack(cursor.key())[0]) - 1 if cursor.next() else self.last(topic)
                    cursor.set_key(_KEY.pack(first))
                    found.append(Damage(topic, first, max(first, behind)))
        return found

    def positions(self, topic: str) -> dict[str, int]:
        """Return how far each reader of a topic has come."""
        with self._begun() as transaction, transaction.cursor(db=self._meta) as cursor:
            there, found = cursor.set_range(_POSITION), dict[str, int]()
            while there and bytes(cursor.key()).startswith(_POSITION):
                reader, _, about = bytes(cursor.key())[len(_POSITION) :].decode().partition("\0")
                if about == topic:
                    found[reader] = _number(cursor.value())
                there = cursor.next()
        return found

    def forget_readers(self) -> None:
        """Let go of what processes were reading when they were killed."""
        self._env.reader_check()

    @contextmanager
    def _begun(self, **how: Any) -> Iterator[Any]:
        """Begin a transaction; tell of pages that were altered which file they are of."""
        try:
            with self._env.begin(**how) as transaction:
                yield transaction
        except lmdb.Error as error:
            if not is_damage(error):
                raise
            found = f"a log whose data.mdb was altered ({type(error).__name__})"
            raise HeadraceError(Fault(DAMAGED, "", found, "what was written", RESTORE)) from error

    def _named(self) -> str:
        """Return twelve hex digits by which it is told from others; they are made once."""
        with self._begun(db=self._meta) as transaction:
            raw = transaction.get(_ID)
        if raw is None:
            with no_room(), self._begun(write=True, db=self._meta) as transaction:
                transaction.put(_ID, uuid.uuid4().hex[:12].encode(), overwrite=False)
                raw = transaction.get(_ID)
        return bytes(raw).decode()

    def _number(self, key: bytes) -> int:
        with self._begun(db=self._meta) as transaction:
            return _number(transaction.get(key))

    def _there(self, topic: str) -> Any:
        """Return the database of a topic, None where nothing was ever written to it."""
        if topic not in self._topics and self.last(topic):
            with no_room():
                self._topics[topic] = self._env.open_db(_database(topic), create=False)
        return self._topics.get(topic)

    def _created(self, topic: str, transaction: Any, opened: dict[str, Any]) -> Any:
        if topic in self._topics:
            return self._topics[topic]
        if topic not in opened:
            opened[topic] = self._env.open_db(_database(topic), transaction)
        return opened[topic]


class _Transaction:
    """A write transaction of LMDB as one of the log."""

    def __init__(self, transaction: Any, meta: Any, opened: Callable[[str], Any]) -> None:
        self._transaction, self._meta, self._opened = transaction, meta, opened
        self._known = 0

    def append(self, topic: str, payloads: Sequence[bytes], now: int, first: int | None = None) -> Group:
        """Add payloads behind the last of a topic; see ``Log.append``."""
        if not payloads:
            raise ValueError("a group without payloads")
        last = self.last(topic)
        begin = last + 1 if first is None else first
        if begin <= last:
            raise ValueError(f"sequence {begin} of {topic}, which is at {last}")
        if not self._known:  # what a row knew is said by times alone: no other transaction may have this one
            self._known = max(now, self._number(_CLOCK) + 1)
            self._put(_CLOCK, self._known)
        group, database = Group(begin, self._known, payloads), self._opened(topic)
        for part in _parts(group):
            self._transaction.put(_KEY.pack(part.first), _packed(part), db=database, append=True)
        self._put(_last_key(topic), group.last)
        return group

    def reached(self, reader: str, topic: str, sequence: int) -> None:
        """Note that a reader has done with a topic up to a sequence."""
        self._put(_position_key(reader, topic), sequence)

    def last(self, topic: str) -> int:
        """Return the last sequence that was given, 0 for none."""
        return self._number(_last_key(topic))

    def position(self, reader: str, topic: str) -> int:
        """Return up to which sequence a reader has done with a topic, 0 for none."""
        return self._number(_position_key(reader, topic))

    def _number(self, key: bytes) -> int:
        return _number(self._transaction.get(key, db=self._meta))

    def _put(self, key: bytes, number: int) -> None:
        self._transaction.put(key, _KEY.pack(number), db=self._meta)


def _parts(group: Group) -> Iterator[Group]:
    """Yield a group in entries that are not too large; a single payload may be."""
    begin, size = 0, 0
    for at, payload in enumerate(group.payloads):
        if size and size + len(payload) > ENTRY_BYTES:
            yield Group(group.first + begin, group.known, group.payloads[begin:at])
            begin, size = at, 0
        size += len(payload) + 4
    yield Group(group.first + begin, group.known, group.payloads[begin:])


def _packed(group: Group) -> bytes:
    lengths = np.fromiter(map(len, group.payloads), dtype="<u4", count=len(group.payloads))
    raw = b"".join([_HEADER.pack(0, len(group.payloads), group.known), lengths.tobytes(), *group.payloads])
    return struct.pack("<I", zlib.crc32(memoryview(raw)[_CHECKED])) + raw[4:]


def _unpacked(topic: str, cursor: Any) -> Group:
    raw = cursor.value()
    first = int(_KEY.unpack(cursor.key())[0])
    if len(raw) < _HEADER.size or zlib.crc32(raw[_CHECKED]) != _HEADER.unpack_from(raw)[0]:
        raise HeadraceError(Damage(topic, first, first).fault())
    _, count, known = _HEADER.unpack_from(raw)
    ends = np.cumsum(np.frombuffer(raw, dtype="<u4", count=count, offset=_HEADER.size), dtype=np.int64).tolist()
    body = bytes(raw[_HEADER.size + 4 * count :])
    return Group(first, known, [body[begin:end] for begin, end in zip([0, *ends], ends, strict=False)])


def _at(cursor: Any, after: int) -> bool:
    """Go to the entry that holds what follows a sequence, or begins behind it; return whether there is one."""
    key = _KEY.pack(after + 1)
    there = bool(cursor.set_range(key))
    if there and bytes(cursor.key()) == key:
        return True
    # the one in front of it may reach beyond
    return bool(cursor.prev() if there else cursor.last()) or (there and bool(cursor.first()))


def _number(raw: Any) -> int:
    return 0 if raw is None else int(_KEY.unpack(raw)[0])


def _last_key(topic: str) -> bytes:
    return b"last:" + topic.encode()


def _database(topic: str) -> bytes:
    return b"topic:" + topic.encode()


def _position_key(reader: str, topic: str) -> bytes:
    return _POSITION + reader.encode() + b"\0" + topic.encode()
