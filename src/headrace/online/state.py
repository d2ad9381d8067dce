"""The state of keys: one LMDB environment that holds, for each key, its events in the order they were learned."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.contracts.nested import read_at
from headrace.engines.frame import Frame
from headrace.errors import HeadraceError
from headrace.kernel.column import Column, all_held, from_arrow
from headrace.kernel.layout import END
from headrace.kernel.typing import Ints
from headrace.online import keys as online_keys
from headrace.online.packed import FIRST, KNOWN, SEQ, SMALL, TIME, Chunk, join, pack, spans, unpack
from headrace.online.reading import Asked, Chunks, Held, Reading
from headrace.online.room import REBUILD, environment, named, no_room
from headrace.online.slots import Slot
from headrace.online.texts import Texts
from headrace.types import LogicalType

MAP_BYTES = 64 << 30
"""Upper bound of the file; it only takes what is used."""
_LARGE = 4096
"""Most events of a chunk."""
_NUMBER = struct.Struct(">I")


@dataclass(frozen=True)
class _Applied:
    """What the state had applied as of one transaction: positions, newest events, and floors of slots."""

    number: int
    horizon: Mapping[str, int]
    newest: Mapping[str, int]
    floors: Mapping[tuple[str, tuple[str, ...]], int | None]


class State:
    """The state of some slots in a folder, readable by many threads, written by one process.

    Only this user can read the files (mode 0600): keys are those of the entities. Each write is one transaction that
    holds events and position together; LMDB undoes what is killed half way. The last transaction may be lost with the
    power (``metasync`` is off), never its wholeness: what is lost comes again from the lake and the spool.

    Args:
        folder: of the state; made where it is absent.
        slots: what it holds, from ``slots_of``.
        map_bytes: upper bound of its size.
    """

    def __init__(self, folder: Path, slots: Sequence[Slot], map_bytes: int = MAP_BYTES) -> None:
        self.folder, self.slots = Path(folder), tuple(slots)
        self._env = environment(self.folder, map_bytes, len(self.slots) + 4, REBUILD, metasync=False)
        slotted = [b"slot-%d" % i for i in range(len(self.slots))]
        self._meta, texts, *held = named(self._env, (b"meta", b"texts", *slotted))
        self._texts = Texts(self._env, texts)
        self._held = {slot.id: one for slot, one in zip(self.slots, held, strict=True)}
        self.sources = tuple(dict.fromkeys(slot.source for slot in self.slots))
        self._applied: _Applied | None = None

    def close(self) -> None:
        """Release the files."""
        self._env.close()

    def forget_readers(self) -> None:
        """Let go of what processes were reading when they were killed: it would never be written over."""
        self._env.reader_check()

    @contextmanager
    def begin(self) -> Iterator[Any]:
        """Give a write transaction that is durable when the block ends, or has no effect.

        Raises:
            HeadraceError: HR-ONLINE-002 when the disk is full.
        """
        with no_room(), self._env.begin(write=True) as transaction:
            yield transaction

    # -- what was applied

    def position(self, source: str) -> int:
        """Return the last sequence of a source that was applied, 0 for none."""
        with self._env.begin(db=self._meta) as transaction:
            return self._number(transaction, b"position:" + source.encode())

    def newest(self) -> dict[str, int]:
        """Return of each source that has any event when the newest became known, microseconds UTC."""
        with self._env.begin(db=self._meta) as transaction:
            found = {name: self._number(transaction, _newest_key(name)) for name in self.sources}
        return {name: at for name, at in found.items() if at}

    def note(self, name: str, transaction: Any = None) -> Any:
        """Return what was noted under a name, or None."""
        if transaction is not None:
            raw = transaction.get(b"note:" + name.encode(), db=self._meta)
        else:
            with self._env.begin(db=self._meta) as reading:
                raw = reading.get(b"note:" + name.encode())
        return None if raw is None else json.loads(bytes(raw))

    def put_note(self, transaction: Any, name: str, value: Any) -> None:
        """Note a plain value in a transaction."""
        transaction.put(b"note:" + name.encode(), json.dumps(value).encode(), db=self._meta)

    def put_position(self, transaction: Any, source: str, position: int) -> None:
        """Note how far a source has been applied."""
        transaction.put(b"position:" + source.encode(), struct.pack(">q", position), db=self._meta)

    def put_newest(self, transaction: Any, source: str, known: int) -> None:
        """Note when the newest event of a source became known, microseconds UTC, unless a later one is noted."""
        if known > self._number(transaction, _newest_key(source)):
            transaction.put(_newest_key(source), struct.pack(">q", known), db=self._meta)

    def floor(self, transaction: Any, slot: Slot) -> int | None:
        """Return from which event time on a slot is complete, None where all of it is there."""
        raw = transaction.get(_floor_key(slot), db=self._meta)
        return None if raw is None else int(struct.unpack(">q", raw)[0])

    def _number(self, transaction: Any, key: bytes) -> int:
        raw = transaction.get(key, db=self._meta)
        return 0 if raw is None else int(struct.unpack(">q", raw)[0])

    # -- reading

    def read(self, asked: Asked) -> Reading:
        """Return what rows may see of their keys, all of it as of one moment of the state.

        What is wrong with a row is in the faults of the reading: HR-ONLINE-001 where the state was altered on disk,
        003 where the row is older than what is held.
        """
        faults: dict[int, HeadraceError] = {}
        keys: dict[tuple[str, ...], list[bytes | None]] = {}
        chunks = Chunks()
        with self._env.begin(buffers=True) as transaction:
            applied = self._as_applied(transaction)
            for slot in self.slots:
                if slot.keys not in keys:
                    columns = zip(*([row[name] for row in asked.rows] for name in slot.keys), strict=True)
                    keys[slot.keys] = list(map(online_keys.encode, columns))
                held = Held(slot, transaction, self._held[slot.id], applied.floors[slot.id])
                chunks.take(held, keys[slot.keys], asked, faults)
            raw = chunks.copied()
        slices = chunks.slices(raw, self.slots, asked, self._texts)
        return Reading(slices, applied.horizon, faults, applied.newest)

    def history(self, slot: Slot, keys: Mapping[str, Column], low: int, high: int) -> Frame:
        """Return the events of the keys of some rows that windows of moments from ``low`` to ``high`` can reach.

        Args:
            slot: of the state.
            keys: [rows] the parts of the key, by name.
            low, high: microseconds UTC.

        Returns:
            The slot's columns, each event once, in the total order of its key; with sequence and known time.

        Raises:
            HeadraceError: HR-ONLINE-001 where the state was altered on disk, 003 where it does not reach so far back.
        """
        first = _firsts([keys[name] for name in slot.keys])
        parts = {name: all_held(keys[name].take(first)) for name in slot.keys}
        own = [dict(zip(parts, values, strict=True)) for values in zip(*parts.values(), strict=True)]
        asked = Asked(own, np.full(len(own), high), np.full(len(own), END))
        faults: dict[int, HeadraceError] = {}
        chunks = Chunks()
        wide = slot if slot.reach is None else replace(slot, reach=slot.reach + high - low)
        with self._env.begin(buffers=True) as transaction:
            held = Held(wide, transaction, self._held[slot.id], self.floor(transaction, slot))
            chunks.take(held, list(map(online_keys.encode, zip(*parts.values(), strict=True))), asked, faults)
            raw = chunks.copied()
        for fault in faults.values():
            raise fault
        found = chunks.slices(raw, [wide], asked, self._texts)[slot.id]
        columns = {name: found.columns[name] for name in slot.reads}
        return Frame(found.length, columns, found.matrix[SEQ], found.matrix[KNOWN])

    def floors(self, slots: Iterable[Slot]) -> list[int | None]:
        """Return from which event time on slots are complete, None where all of one is there."""
        with self._env.begin() as transaction:
            return [self.floor(transaction, slot) for slot in slots]

    def _as_applied(self, transaction: Any) -> _Applied:
        """Return what was applied when a transaction began; it is read again only where another was committed."""
        number = transaction.id()
        if self._applied is None or self._applied.number != number:
            self._applied = _Applied(
                number,
                {name: self._number(transaction, b"position:" + name.encode()) for name in self.sources},
                {name: at for name in self.sources if (at := self._number(transaction, _newest_key(name)))},
                {slot.id: self.floor(transaction, slot) for slot in self.slots},
            )
        return self._applied

    # -- writing

    def add(self, source: str, events: pa.Table, seq: Ints, known: Ints) -> None:
        """Add live events to all slots of a source and move its position, in one transaction.

        Args:
            source: name of the stream.
            events: typed columns of its contract.
            seq: sequence of each, ascending; what was applied before is passed over.
            known: when each was learned, microseconds UTC.
        """
        with self.begin() as transaction:
            done = self._number(transaction, b"position:" + source.encode())
            fresh = seq > done
            if not fresh.any():
                return
            rows = events.filter(pa.array(fresh))
            for slot in self.slots:
                if slot.source == source:
                    self.put_events(transaction, slot, rows, seq[fresh], known[fresh])
            self.put_position(transaction, source, int(seq.max()))
            self.put_newest(transaction, source, int(known.max()))

    def clear(self, transaction: Any, slot: Slot) -> None:
        """Remove all of a slot."""
        transaction.drop(self._held[slot.id], delete=False)

    def forget(self, transaction: Any, slot: Slot, floor: int) -> None:
        """Drop the events of a slot before an event time; from now on it is complete only from there."""
        with transaction.cursor(db=self._held[slot.id]) as cursor:
            there = cursor.first()
            while there:
                _, oldest, newest = spans(cursor.value())
                if newest < floor:
                    there = cursor.delete() and bool(cursor.key())
                    continue
                if oldest < floor:
                    chunk = unpack(bytes(cursor.value()))
                    rest = chunk.select(chunk.matrix[TIME] >= floor)
                    # one that is followed by another stays so large that a reader knows it
                    if len(chunk) < SMALL or len(rest) >= SMALL:
                        cursor.put(bytes(cursor.key()), pack(rest))
                there = cursor.next()
        transaction.put(_floor_key(slot), struct.pack(">q", floor), db=self._meta)

    def put_events(self, transaction: Any, slot: Slot, rows: pa.Table, seq: Ints, known: Ints) -> None:
        """Put events under their keys: sorted at once, one write for each key."""
        if not rows.num_rows:
            return
        by_key = [from_arrow(rows.column(name), kind) for name, kind in zip(slot.keys, slot.key_types, strict=True)]
        time = from_arrow(rows.column(slot.time), LogicalType("timestamp")).values
        matrix = np.empty((FIRST + len(slot.columns), rows.num_rows), dtype=np.int64)
        there = np.ones((len(slot.columns), rows.num_rows), dtype=np.bool_)
        matrix[TIME], matrix[SEQ], matrix[KNOWN] = time, seq, known
        for i, (name, kind) in enumerate(slot.columns):
            column = from_arrow(read_at(rows, name), kind)
            matrix[FIRST + i] = self._words(transaction, column)
            if column.valid is not None:
                there[i] = column.valid
        self._put(transaction, slot, by_key, Chunk(matrix, there))

    def _words(self, transaction: Any, column: Column) -> Ints:
        if column.dictionary is not None:
            numbers = self._texts.numbers(transaction, column.dictionary.to_pylist())
            return numbers[np.where(column.mask, column.values, 0)] if len(numbers) else np.zeros(len(column), np.int64)
        if column.type.name == "float":
            return np.where(column.mask, column.values, 0.0).view(np.int64)
        return column.values.astype(np.int64)

    def _put(self, transaction: Any, slot: Slot, by_key: Sequence[Column], chunk: Chunk) -> None:
        codes = _codes(by_key)
        order = np.lexsort((chunk.matrix[SEQ], chunk.matrix[TIME], codes))
        ordered, codes = chunk.select(order), codes[order]
        starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
        ends = np.append(starts[1:], len(codes))
        names = online_keys.encode_rows(by_key, order[starts])
        found = sorted(
            (name, start, end) for name, start, end in zip(names, starts, ends, strict=True) if name is not None
        )
        with transaction.cursor(db=self._held[slot.id]) as cursor:
            empty = not cursor.first()
            for name, start, end in found:
                events = _part(ordered, int(start), int(end))
                number, kept = (0, None) if empty else _last(cursor, name)
                if kept is not None:
                    events = join([kept, events])
                for first in range(0, len(events), _LARGE):
                    raw = pack(_part(events, first, first + _LARGE))
                    if not cursor.put(name + _NUMBER.pack(number), raw, append=empty):
                        raise AssertionError("keys of a new slot are written in their order")
                    number += 1

    def size(self) -> dict[str, int]:
        """Return how many keys' chunks each slot holds, by ``source by keys``, and the bytes of the file."""
        with self._env.begin() as transaction:
            entries = {
                f"{slot.source} by {', '.join(slot.keys)}": transaction.stat(self._held[slot.id])["entries"]
                for slot in self.slots
            }
        return {**entries, "bytes": (self.folder / "data.mdb").stat().st_blocks * 512}

    def __repr__(self) -> str:
        return f"State({', '.join(f'{n}: {c:,}' for n, c in self.size().items())})"


def layout_of(slots: Sequence[Slot]) -> str:
    """Return a digest of what a state holds: another layout is another folder."""
    said = json.dumps(["2", *(slot.as_dict() for slot in slots)], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _newest_key(source: str) -> bytes:
    return b"newest:" + source.encode()


def _floor_key(slot: Slot) -> bytes:
    return b"floor:" + "\0".join((slot.source, *slot.keys)).encode()


def _codes(columns: Sequence[Column]) -> Ints:
    """Return numbers that are equal where the keys are; a text's is its place in the dictionary."""
    codes = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values = np.where(column.mask, column.values.astype(np.int64), 0)
        _, one = (
            np.unique(np.stack([codes, column.mask.astype(np.int64), values]), axis=1, return_inverse=True)
            if (len(columns) > 1 or column.valid is not None)
            else (None, values)
        )
        codes = np.asarray(one, dtype=np.int64).reshape(-1)
    return codes


def _firsts(keys: Sequence[Column]) -> Ints:
    """Return the places of the first row of each key, those without one left out."""
    _, first = np.unique(_codes(keys), return_index=True)
    whole = np.ones(len(first), dtype=np.bool_)
    for one in keys:
        whole &= one.mask[first]
    return np.asarray(first[whole], dtype=np.int64)


def _part(chunk: Chunk, start: int, end: int) -> Chunk:
    return Chunk(chunk.matrix[:, start:end], chunk.there[:, start:end])


def _last(cursor: Any, name: bytes) -> tuple[int, Chunk | None]:
    """Return the number for the next chunk of a key, and the last one where it is small enough to be added to."""
    there = cursor.last() if not cursor.set_range(name + b"\xff\xff\xff\xff") else cursor.prev()
    if not there or len(cursor.key()) != len(name) + 4 or not bytes(cursor.key()).startswith(name):
        return 0, None
    number = _NUMBER.unpack(bytes(cursor.key())[-4:])[0]
    if spans(cursor.value())[0] < SMALL:
        return number, unpack(bytes(cursor.value()))
    return number + 1, None
