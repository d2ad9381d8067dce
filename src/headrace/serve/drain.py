"""From the spool into the lake: each record and each live event exactly once, whatever is killed and when."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from headrace.contracts.json import array
from headrace.declare import Stream
from headrace.declare.kept import stated
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.serve import record as serve_record
from headrace.serve.journal import forget, frames, identity
from headrace.serve.loaded import Loaded
from headrace.serve.record import unpacked
from headrace.serve.spool import Spool, opened
from headrace.types import LogicalType

AT_ONCE = 20_000
"""Records that are brought into the lake together."""
_CASES = 5_000
LIVE = "live"
"""Application id of the commits that bring live events, and ``_load`` of their rows."""


def drain(loaded: Loaded) -> dict[str, int]:
    """Bring all that waits in a project's spool into its lake; return how many rows each table got.

    Safe at any time and from any process: a lock for each table, and the lake's own record of what was committed,
    keep every row from being lost or doubled. A service that runs beside is waited for.

    Raises:
        HeadraceError: HR-LAKE-… when the lake cannot be written; then the spool keeps everything.
    """
    folder = spool_of(loaded.state_dir)
    if not folder.exists():
        return {}
    lake, moved = loaded.lake(), dict[str, int]()
    with opened(folder) as spool:
        for stream in loaded.project.streams.values():
            if spool.events_waiting(stream.name):
                with lake.lock(stream.name):
                    moved[stream.name] = drain_events(spool, lake, stream)
        return moved | drain_records(spool, folder, lake)


def drain_stream(loaded: Loaded, stream: Stream) -> int:
    """Bring the live events of one stream into the lake; the caller holds the stream's lock."""
    with opened(spool_of(loaded.state_dir)) as spool:
        return drain_events(spool, loaded.lake(), stream)


def spool_of(state_dir: Path) -> Path:
    """Return the folder of a project's spool: it is no cache, so it lies beside what may be deleted."""
    return state_dir / "spool"


def table_of(service: str) -> str:
    """Return the name of the lake table that holds a service's decisions."""
    return f"decisions_{service}"


def drain_records(spool: Spool, folder: Path, lake: Lake) -> dict[str, int]:
    """Move the records of all journals into the tables of their services.

    Args:
        spool: to which their cases are told first.
        folder: of the journals.
        lake: of the project.

    Returns:
        How many each table got.
    """
    moved, faults = Counter[str](), list[Fault]()
    with lake.lock("decisions"):
        for journal in journals(folder):
            try:
                _drain_journal(spool, lake, journal, moved)
            except HeadraceError as error:  # what is wrong with one keeps no record of another
                faults += error.faults
    if faults:
        raise HeadraceError(list(dict.fromkeys(faults)))
    return dict(moved)


def _drain_journal(spool: Spool, lake: Lake, journal: Path, moved: Counter[str]) -> None:
    own = identity(journal)
    note = _moved(lake, journal, own)
    last = max(note.values(), default=0)
    for some in _groups(unpacked(frames(journal, last), last)):
        for service in dict.fromkeys(one.service for one in some):
            count = commit(spool, lake, own, [one for one in some if one.service == service])
            if count:
                moved[table_of(service)] += count
        note |= {one.service: one.number for one in some}
        last = some[-1].number
        _note_moved(journal, own, note)
    forget(journal, last)


def _groups(read: Iterator[serve_record.Kept]) -> Iterator[list[serve_record.Kept]]:
    """Yield records that are moved together; those in front of altered ones come before these are told."""
    while True:
        some, told = list[serve_record.Kept](), None
        try:
            some.extend(itertools.islice(read, AT_ONCE))
        except HeadraceError as error:
            told = error
        if some:
            yield some
        if told is not None:
            raise told
        if not some:
            return


def commit(spool: Spool, lake: Lake, journal: str, some: Sequence[serve_record.Kept]) -> int:
    """Move records of one service; their cases are known before their file may be removed."""
    # a journal whose files are lost counts from one again: its id keeps its numbers apart from those of an older one
    name, app = table_of(some[0].service), f"records:{journal}"
    done = lake.committed(name, app)
    fresh = [one for one in some if one.number > done]
    if fresh:
        cases = [(one.case, f"{journal}-{one.number}") for one in fresh if one.case is not None]
        for at in range(0, len(cases), _CASES):  # who posts events waits for one transaction, not for all
            spool.put_cases(dict(cases[at : at + _CASES]))
        lake.append(name, serve_record.table([one.record(journal) for one in fresh]), once=(app, fresh[-1].number))
    return len(fresh)


def _moved(lake: Lake, journal: Path, own: str) -> dict[str, int]:
    """Return the last record of each service that is in the lake, as was noted; none up to these is read again."""
    try:
        note = msgspec.json.decode((journal / f"moved-{own}").read_bytes(), type=dict[str, int])
    except (OSError, UnicodeDecodeError, msgspec.DecodeError):
        return {}
    # a lake that was restored, or one table of it, may be older than the note
    there = all(lake.committed(table_of(service), f"records:{own}") >= number for service, number in note.items())
    return note if there else {}


def _note_moved(journal: Path, own: str, last: Mapping[str, int]) -> None:
    note, fresh = journal / f"moved-{own}", journal / f"moved.{os.getpid()}.{threading.get_ident()}"
    with contextlib.suppress(OSError):  # without it they are read once more
        fresh.touch(0o600)
        fresh.write_bytes(msgspec.json.encode(last))
        fresh.replace(note)


def last_committed(lake: Lake, services: Iterable[str], journal: str) -> int:
    """Return the last number of a journal that is in the lake, 0 for none."""
    tables = [table_of(name) for name in services]
    return max((lake.committed(name, f"records:{journal}") for name in tables if lake.exists(name)), default=0)


def last_decided(folder: Path) -> int:
    """Return when the last record of all journals was decided, microseconds UTC, 0 for none."""
    return max(map(_last_decided, journals(folder)), default=0)


def _last_decided(journal: Path) -> int:
    every = list(frames(journal))
    last = unpacked(every, every[-1][0] - 1) if every else ()
    return max((one.decided_at for one in last), default=0)


def journals(folder: Path) -> list[Path]:
    """Return the folders of the journals of a spool, one for each process that answers."""
    return sorted(path for path in folder.glob("records-*") if path.is_dir())


def drain_events(spool: Spool, lake: Lake, stream: Stream) -> int:
    """Move the live events of a stream into its table; the caller holds the stream's lock.

    Raises:
        HeadraceError: HR-SERVE-012 when other rows took their sequences: the stream was loaded without draining first.
    """
    waiting = spool.events(stream.name)
    if not waiting:
        return 0
    done = lake.committed(stream.name, LIVE)
    fresh = [(seq, values) for seq, values in waiting if seq > done]
    if fresh:
        if lake.sequence(stream.name) >= fresh[0][0]:
            found = f"{len(fresh)} live events of {stream.name} whose sequence other rows have taken"
            cure = "they are kept in the spool; load files with 'headrace run' only, which drains first"
            raise HeadraceError(Fault("HR-SERVE-012", stream.place, found, "one order of learning", cure))
        rows = _as_held(event_table(stream, fresh, spool.layout(stream.name)), lake, stream.name)
        lake.append(stream.name, rows, once=(LIVE, fresh[-1][0]))
    spool.forget_events(stream.name, waiting[-1][0])
    return len(fresh)


def event_table(
    stream: Stream, events: Sequence[tuple[int, list[object]]], layout: Mapping[str, LogicalType] | None = None
) -> pa.Table:
    """Return spooled events as rows of their stream's table, in the fields in which they were written."""
    fields = stated(stream.contract) if layout is None else layout
    columns = zip(*(values[: len(fields)] for _, values in events), strict=True)
    rows = pa.table({name: array(kind, list(one)) for (name, kind), one in zip(fields.items(), columns, strict=True)})
    known = pa.array([values[-1] for _, values in events], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    seq = pa.array([seq for seq, _ in events], pa.int64())
    load = pa.array([LIVE] * len(events), pa.string())
    return rows.append_column("_seq", seq).append_column("_known_at", known).append_column("_load", load)


def _as_held(rows: pa.Table, lake: Lake, name: str) -> pa.Table:
    """Return rows in the columns that a table has by now: its contract may have moved on since they were written."""
    if not lake.exists(name):
        return rows
    if set(rows.schema.names) - set(lake.schema(name).names):
        lake.add_columns(name, rows.schema)
    held = lake.schema(name)
    there = set(rows.schema.names)
    columns = [rows[one.name].cast(one.type) if one.name in there else pa.nulls(len(rows), one.type) for one in held]
    return pa.table(columns, schema=held)
