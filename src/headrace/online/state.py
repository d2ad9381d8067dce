"""The state of a project's keys in one LMDB environment: built from the lake, then moved on by live events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import msgspec
import numpy as np
import pyarrow as pa

from headrace.declare import Contract
from headrace.engines.batch import source_contracts
from headrace.engines.frame import KNOWN, SEQ, Frame, frame, joint_codes
from headrace.errors import Fault, HeadraceError
from headrace.kernel.column import Column
from headrace.kernel.typing import Ints
from headrace.lake import Lake
from headrace.online.packing import join, matrix, unpack
from headrace.plan.meaning import Plan, WindowGroup
from headrace.types import LogicalType

MAP_SIZE = 1 << 38
"""Upper bound of the file; it only grows as far as it is used."""


@dataclass(frozen=True)
class Shelf:
    """The events of one source by one set of keys, and which of their columns are kept."""

    source: str
    keys: tuple[str, ...]
    time: str
    types: Mapping[str, LogicalType]

    @property
    def name(self) -> str:
        return f"{self.source}|{','.join(self.keys)}"

    @property
    def time_line(self) -> int:
        return 1 + 2 * list(self.types).index(self.time)


def shelves(plans: Sequence[Plan]) -> list[Shelf]:
    """Return what the plans of some services need, each source and key once."""
    found: dict[tuple[str, tuple[str, ...]], tuple[str, dict[str, LogicalType]]] = {}
    for plan in plans:
        contracts = source_contracts(plan)
        for group in plan.groups:
            source = group.stream if isinstance(group, WindowGroup) else group.table
            time = group.stream.event_time if isinstance(group, WindowGroup) else group.valid_from
            fields = contracts[source.name].fields()
            _, types = found.setdefault((source.name, group.keys), (time, {}))
            types |= {column: fields[column].type for column in group.columns}
    return [Shelf(source, keys, time, dict(sorted(types.items()))) for (source, keys), (time, types) in found.items()]


class State:
    """Events of every key, where a request finds them.

    Args:
        folder: of the LMDB environment; its files are for the owner alone, since keys are values of entities.
        plans: of the services that read it.
    """

    def __init__(self, folder: Path, plans: Sequence[Plan]) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self.shelves = shelves(plans)
        self._contracts: dict[str, type[Contract]] = {}
        for plan in plans:
            self._contracts |= source_contracts(plan)
        try:
            self.env = lmdb.open(str(folder), map_size=MAP_SIZE, max_dbs=256, mode=0o600, metasync=False)
        except lmdb.Error as error:
            found = f"a state that cannot be opened ({error})"
            cure = "restore the folder 'online': answers that are not in the lake yet are in it"
            raise HeadraceError(Fault("HR-ONLINE-001", "", found, "an intact LMDB file", cure)) from None

    def close(self) -> None:
        """Let go of the environment."""
        self.env.close()

    @contextmanager
    def writing(self) -> Iterator[lmdb.Transaction]:
        """Give a transaction that is durable when the block ends, or has no effect.

        Raises:
            HeadraceError: HR-ONLINE-002 when the disk is full.
        """
        try:
            with self.env.begin(write=True) as transaction:
                yield transaction
        except (lmdb.MapFullError, lmdb.DiskError) as error:
            raise HeadraceError(_full(str(error))) from None
        except lmdb.Error as error:
            if "No space" in str(error) or "Input/output" in str(error):
                raise HeadraceError(_full(str(error))) from None
            raise

    def db(self, name: str, transaction: lmdb.Transaction) -> Any:
        """Return one of the environment's tables, made if it is absent."""
        return self.env.open_db(name.encode(), txn=transaction)

    def seen(self, source: str) -> int:
        """Return the newest sequence of a source that is in the state, 0 for none."""
        with self.env.begin() as transaction:
            return int(transaction.get(_seen(source)) or 0)

    def build(self, lake: Lake) -> int:
        """Bring the state up to the lake; only what is new is read. Return how many events were added."""
        shape = json.dumps([[one.name, {c: repr(t) for c, t in one.types.items()}] for one in self.shelves]).encode()
        with self.writing() as transaction:
            if transaction.get(b"shape") != shape:
                for shelf in self.shelves:
                    transaction.drop(self.db(shelf.name, transaction), delete=False)
                    transaction.delete(_seen(shelf.source))
                transaction.put(b"shape", shape)
        return sum(self._build(source, lake) for source in dict.fromkeys(one.source for one in self.shelves))

    def _build(self, source: str, lake: Lake) -> int:
        if not lake.exists(source):
            return 0
        mine = [one for one in self.shelves if one.source == source]
        columns = list(dict.fromkeys(column for one in mine for column in one.types))
        seen = self.seen(source)
        parts = []
        for batch in lake.batches(source, columns=[*columns, SEQ, KNOWN]):
            new = np.asarray(batch.column(SEQ)) > seen
            if new.any():
                parts.append(pa.Table.from_batches([batch]).filter(pa.array(new)))
        if not parts:
            return 0
        events = frame(pa.concat_tables(parts), columns, self._contracts[source], source)
        with self.writing() as transaction:
            self.add(source, events, transaction)
        return events.length

    def add(self, source: str, events: Frame, transaction: lmdb.Transaction) -> None:
        """Put events into the state; their newest sequence becomes the newest seen."""
        assert events.seq is not None
        for shelf in self.shelves:
            if shelf.source == source:
                self._shelve(shelf, events, transaction)
        if events.length:
            newest = max(int(events.seq.max()), int(transaction.get(_seen(source)) or 0))
            transaction.put(_seen(source), str(newest).encode())

    def _shelve(self, shelf: Shelf, events: Frame, transaction: lmdb.Transaction) -> None:
        identifiers = {
            name: self._identifiers(f"{shelf.name}|{name}", events.columns[name].dictionary or (), transaction)
            for name, kind in shelf.types.items()
            if kind.name == "str"
        }
        lines = matrix(events, shelf.types, identifiers)
        keys = [events.columns[key] for key in shelf.keys]
        codes, _, _ = joint_codes(keys, [key.part(0, 0) for key in keys])
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1)).tolist()
        arranged, db = lines[:, order], self.db(shelf.name, transaction)
        for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
            first = int(order[start])
            if codes[first] == 0:
                continue  # an event without a key belongs to nobody
            name = encoded([plain(key, first) for key in keys])
            packed = join(_bytes(transaction.get(name, db=db)), arranged[:, start:end], shelf.time_line)
            transaction.put(name, packed, db=db)

    def _identifiers(self, column: str, texts: Sequence[str], transaction: lmdb.Transaction) -> Ints:
        """Return the number of each text of a column, the same for ever; new texts get new numbers."""
        db = self.db(f"texts|{column}", transaction)
        found = np.empty(len(texts), dtype=np.int64)
        for position, text in enumerate(texts):
            key = b"t" + encoded([text])
            stored = transaction.get(key, db=db)
            if stored is None:
                stored = str(transaction.stat(db)["entries"] // 2).encode()
                transaction.put(key, stored, db=db)
                transaction.put(b"n" + stored, text.encode(), db=db)
            found[position] = int(stored)
        return found

    def read(
        self, source: str, keys: tuple[str, ...], values: Sequence[Any], transaction: lmdb.Transaction
    ) -> tuple[Frame, int]:
        """Return the events of one key, and the newest sequence of the source that is in the state."""
        shelf = next(one for one in self.shelves if one.source == source and one.keys == keys)
        packed = None
        if all(value is not None for value in values):
            packed = _bytes(transaction.get(encoded(list(values)), db=self.db(shelf.name, transaction)))

        def words(column: str, numbers: Sequence[int]) -> list[str]:
            db = self.db(f"texts|{shelf.name}|{column}", transaction)
            return [bytes(transaction.get(b"n" + str(number).encode(), db=db) or b"").decode() for number in numbers]

        return unpack(packed, shelf.types, words), int(transaction.get(_seen(source)) or 0)


def encoded(values: Sequence[Any]) -> bytes:
    """Return key values as bytes, within the 511 that LMDB allows; longer ones by their digest."""
    packed = msgspec.msgpack.encode(values)
    return packed if len(packed) <= 500 else b"#" + hashlib.sha256(packed).digest()


def plain(column: Column, position: int) -> Any:
    """Return one value as the kernel holds it: text as text, all else as a number; None for null."""
    if column.valid is not None and not column.valid[position]:
        return None
    if column.counts is not None:
        return column.to_python()[position]
    value = column.values[position].item()
    return column.dictionary[value] if column.dictionary is not None else value


def _bytes(stored: bytes | memoryview | None) -> bytes | None:
    return None if stored is None else bytes(stored)


def _seen(source: str) -> bytes:
    return b"seen:" + source.encode()


def _full(reason: str) -> Fault:
    cure = "free some space: what was not answered was not taken"
    return Fault("HR-ONLINE-002", "", f"a disk that takes no more ({reason[:60]})", "room for the state", cure)
