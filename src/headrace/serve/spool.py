"""The spool: live events in a log, durable on this machine, and which record each case has."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lmdb
import msgspec

from headrace import clock
from headrace.contracts.json import read_back, written
from headrace.errors import Fault, HeadraceError
from headrace.online.room import DAMAGED, RESTORE, environment, has_pages, is_damage, named, no_room
from headrace.stream.embedded import EmbeddedLog
from headrace.types import LogicalType, type_of

MAP_BYTES = 64 << 30
"""Upper bound of the file; it only takes what is used."""
LAKE = "lake"
"""Reader of the log that brings live events into the lake."""
_AT_ONCE = 100_000
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
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
    """Cases, in an LMDB environment (mode 0600), and beside it the log of live events: a topic for each stream.

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
        self.log = EmbeddedLog(folder / "log", map_bytes)
        self._forms: dict[str, Form] = {}

    def close(self) -> None:
        self._env.close()
        self.log.close()

    @contextmanager
    def _begun(self, **how: Any) -> Iterator[Any]:
        with _told(), self._env.begin(**how) as transaction:
            yield transaction

    def forget_readers(self) -> None:
        """Let go of what processes were reading when they were killed."""
        self._env.reader_check()
        self.log.forget_readers()

    def clock(self) -> int:
        """Return the newest time that was written, microseconds UTC; ours must not go back behind it."""
        return self.log.clock()

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

    def put_events(self, stream: str, first: int, rows: Sequence[Sequence[Any]], now: int) -> int:
        """Write live events, each of them the fields of the layout as the kernel holds them; return their known time.

        Args:
            stream: of which the layout is known.
            first: sequence of the first row.
            rows: at least one.
            now: microseconds UTC; where the log has as late a time, the next microsecond counts.

        Raises:
            HeadraceError: HR-ONLINE-002 when there is no room; then none of them is written.
        """
        payloads = list(map(self._form(stream).payload, rows))
        with self.log.transaction() as writing:
            if writing.position(LAKE, stream) >= writing.last(stream):  # what lies between is in the lake by itself
                writing.reached(LAKE, stream, first - 1)
            return writing.append(stream, payloads, now, first).known

    def events(self, stream: str, after: int | None = None) -> list[tuple[int, list[Any]]]:
        """Return the live events of a stream beyond a sequence, in order: fields as the kernel holds them, known time.

        Args:
            stream: of them.
            after: the sequence; by default the last one that is in the lake.
        """
        found, last = list[tuple[int, list[Any]]](), self.log.position(LAKE, stream) if after is None else after
        if self.log.last(stream) <= last:
            return found
        form = self._form(stream)
        while groups := self.log.read(stream, last, _AT_ONCE):
            found += [(seq, [*form.row(raw), group.known]) for group in groups for seq, raw in group]
            last = groups[-1].last
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
        """Return how many live events of a stream are not in the lake yet, at most."""
        return max(0, self.log.last(stream) - self.log.position(LAKE, stream))

    def forget_events(self, stream: str, last: int) -> None:
        """Note that live events up to a sequence are in the lake; what no reader of the log waits for is removed."""
        with self.log.transaction() as writing:
            writing.reached(LAKE, stream, last)
        self.log.forget(stream, min([last, *self.log.positions(stream).values()]))

    def _form(self, stream: str) -> Form:
        fields = self.layout(stream)
        if fields is None:
            raise LookupError(f"live events of {stream}, of which no layout is known")
        if stream not in self._forms or self._forms[stream].fields != fields:
            self._forms[stream] = Form(fields)
        return self._forms[stream]


class Form:
    """How a row stands in the log: a JSON object of its fields.

    Args:
        fields: with types.

    Example:
        >>> from headrace.types import Decimal
        >>> form = Form({"amount": Decimal(12, 2)})
        >>> form.payload([150]), form.row(b'{"amount":"1.50"}')
        (b'{"amount":"1.50"}', [150])
    """

    def __init__(self, fields: Mapping[str, LogicalType]) -> None:
        self.fields = dict(fields)
        self._back = list(map(read_back, fields.values()))

    def payload(self, row: Sequence[Any]) -> bytes:
        """Return a row, in the order of the fields, as it stands in the log."""
        return _encode(
            {
                name: None if value is None else written(value, kind)
                for (name, kind), value in zip(self.fields.items(), row, strict=True)
            }
        )

    def row(self, payload: bytes) -> list[Any]:
        """Undo ``payload``."""
        said = _decode(payload)
        return [
            value if of is None or value is None else of(value)
            for value, of in zip(map(said.__getitem__, self.fields), self._back, strict=True)
        ]


class Ticking:
    """A clock that never goes back, not even behind what was written before a restart."""

    def __init__(self, start: int, now_us: clock.Clock = clock.now_us) -> None:
        self._last, self._now_us, self._lock = start, now_us, threading.Lock()

    def __call__(self) -> int:
        with self._lock:
            self._last = max(self._last, self._now_us())
            return self._last
