"""The spool: live events, durable on this machine until they are in the lake, and which record each case has."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lmdb

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.online.room import DAMAGED, RESTORE, environment, has_pages, is_damage, named, no_room
from headrace.types import LogicalType, type_of

MAP_BYTES = 64 << 30
"""Upper bound of the file; it only takes what is used."""
_KEY = struct.Struct(">Q")
_open: dict[Path, tuple[Spool, int]] = {}
_opening = threading.Lock()


@contextmanager
def opened(folder: Path, map_bytes: int = MAP_BYTES) -> Iterator[Spool]:
    """Open the spool in a folder; within a process it is opened once and shared, as LMDB demands."""
    folder = Path(folder).resolve()
    with _opening:
        spool, users = _open.get(folder) or (Spool(folder, map_bytes), 0)
        _open[folder] = spool, users + 1
    try:
        yield spool
    finally:
        with _opening:
            users = _open[folder][1] - 1
            if users:
                _open[folder] = spool, users
            else:
                del _open[folder]
                spool.close()


def gone(folder: Path) -> bool:
    """Whether a spool has lost its file: there are journals, which are begun after it."""
    data = folder / "data.mdb"
    return not has_pages(data) and any(folder.glob("records-*/*.log"))


@contextmanager
def _told() -> Iterator[None]:
    """Tell of pages that were altered which file they are of."""
    try:
        yield
    except lmdb.Error as error:
        if not is_damage(error):
            raise
        found = f"a spool whose data.mdb was altered ({type(error).__name__})"
        raise HeadraceError(Fault(DAMAGED, "", found, "what was written", RESTORE)) from error


class Spool:
    """Events by stream and sequence, and cases, in one LMDB environment (mode 0600).

    Every write is one transaction that is on the disk (fsync) when it returns: neither kill -9 nor the loss of power
    takes anything back that was acknowledged. Writers gather what waits and pay for one fsync together.
    """

    def __init__(self, folder: Path, map_bytes: int = MAP_BYTES) -> None:
        if gone(folder):
            found = "a spool without its data.mdb: which ids were decided, and the live events that wait"
            raise HeadraceError(Fault(DAMAGED, "", found, "what was written", f"{RESTORE}; or headrace state salvage"))
        self._env = environment(folder, map_bytes, 256, RESTORE)
        with _told():
            self._meta, self._cases = named(self._env, (b"meta", b"cases"))
        self._streams: dict[str, Any] = {}

    def close(self) -> None:
        self._env.close()

    @contextmanager
    def _begun(self, **how: Any) -> Iterator[Any]:
        with _told(), self._env.begin(**how) as transaction:
            yield transaction

    def forget_readers(self) -> None:
        """Let go of what processes were reading when they were killed."""
        self._env.reader_check()

    def clock(self) -> int:
        """Return the newest time that was written, microseconds UTC; ours must not go back behind it."""
        return self._number(b"clock")

    def _number(self, name: bytes) -> int:
        with self._begun(db=self._meta) as transaction:
            raw = transaction.get(name)
        return 0 if raw is None else int(_KEY.unpack(raw)[0])

    # -- cases

    def put_cases(self, cases: Mapping[bytes, str]) -> None:
        """Say under which ids the records of cases are.

        Raises:
            HeadraceError: HR-ONLINE-002 when there is no room; then none of them is there.
        """
        with no_room(), self._begun(write=True, db=self._cases) as transaction:
            for case, record_id in cases.items():
                transaction.put(case, record_id.encode())

    def record_of(self, case: bytes) -> str | None:
        """Return the id of the record of a case, whether that is in a journal or in the lake; None for a new one."""
        with self._begun(db=self._cases) as transaction:
            raw = transaction.get(case)
        return None if raw is None else bytes(raw).decode()

    # -- live events

    def put_events(self, events: Sequence[tuple[str, int, list[Any]]], now: int) -> None:
        """Write live events: stream, sequence, and fields as the kernel holds them with the known time last.

        Raises:
            HeadraceError: HR-ONLINE-002 when there is no room; then none of them is written.
        """
        databases = {stream: self._stream(stream) for stream, _, _ in events}
        with no_room(), self._begun(write=True) as transaction:
            for stream, seq, values in events:
                raw = json.dumps(values, separators=(",", ":")).encode()
                transaction.put(_KEY.pack(seq), raw, db=databases[stream])
            self._note(transaction, now)

    def events(self, stream: str, after: int = 0) -> list[tuple[int, list[Any]]]:
        """Return the live events of a stream with a sequence beyond ``after`` that are still here, in order."""
        database = self._stream(stream)
        found = []
        with self._begun(db=database) as transaction, transaction.cursor() as cursor:
            there = cursor.set_range(_KEY.pack(after + 1))
            while there:
                found.append((int(_KEY.unpack(cursor.key())[0]), json.loads(cursor.value())))
                there = cursor.next()
        return found

    def layout(self, stream: str) -> dict[str, LogicalType] | None:
        """Return the fields, with types, in which events of a stream are written; None where none ever was."""
        with self._begun(db=self._meta) as transaction:
            raw = transaction.get(b"layout:" + stream.encode())
        return None if raw is None else {name: type_of(said) for name, said in json.loads(bytes(raw))}

    def put_layout(self, stream: str, fields: Mapping[str, LogicalType]) -> None:
        """Say in which fields the events of a stream are written from now on; none of another layout may wait."""
        if self.layout(stream) != dict(fields):
            said = json.dumps([(name, asdict(kind)) for name, kind in fields.items()]).encode()
            with no_room(), self._begun(write=True, db=self._meta) as transaction:
                transaction.put(b"layout:" + stream.encode(), said)

    def events_waiting(self, stream: str) -> int:
        """Return how many live events of a stream are not in the lake yet."""
        database = self._stream(stream)
        with self._begun() as transaction:
            return int(transaction.stat(database)["entries"])

    def forget_events(self, stream: str, last: int) -> None:
        """Remove live events up to a sequence, once they are in the lake."""
        with self._begun(write=True, db=self._stream(stream)) as transaction:
            _remove(transaction.cursor(), last)

    def _stream(self, name: str) -> Any:
        if name not in self._streams:
            with _told(), no_room():
                (self._streams[name],) = named(self._env, [b"events:" + name.encode()])
        return self._streams[name]

    def _note(self, transaction: Any, now: int) -> None:
        transaction.put(b"clock", _KEY.pack(now), db=self._meta)


def _remove(cursor: Any, last: int) -> None:
    cursor.first()
    # behind the last entry, where a deletion may leave it, a cursor has an empty key
    while (key := cursor.key()) and _KEY.unpack(key)[0] <= last:
        cursor.delete()


class Ticking:
    """A clock that never goes back, not even behind what was written before a restart."""

    def __init__(self, start: int, now_us: clock.Clock = clock.now_us) -> None:
        self._last, self._now_us, self._lock = start, now_us, threading.Lock()

    def __call__(self) -> int:
        with self._lock:
            self._last = max(self._last, self._now_us())
            return self._last
