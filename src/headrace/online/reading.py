"""Reading: what some rows see of their keys, out of LMDB's pages in one look, as columns that hold all of them."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from headrace.contracts.json import column
from headrace.errors import Fault, HeadraceError
from headrace.kernel.column import Column, all_held
from headrace.kernel.gather import HEADER, gather
from headrace.kernel.layout import END
from headrace.kernel.typing import Bools, Ints
from headrace.online.packed import FIRST, SEQ, SMALL, TIME, header
from headrace.online.room import REBUILD
from headrace.online.slots import Slot
from headrace.online.texts import Texts
from headrace.types import LogicalType

_EVER = -(1 << 62)
_FIRST, _SECOND = bytes(4), bytes(3) + b"\1"
"""Numbers of chunks."""


@dataclass(frozen=True)
class Asked:
    """Rows that ask for what they may see.

    Args:
        rows: their fields, as the kernel holds them.
        moment: [rows] event time, microseconds UTC; what happened later is left out.
        known: [rows] an event is visible if its known time, microseconds UTC, is not behind this.
        places: [rows] by stream, where rows are events of that stream themselves: their sequences; of that stream's
            events that became known at just that time, those up to the sequence are visible. Sequences of two streams
            say nothing about each other.
    """

    rows: Sequence[Mapping[str, Any]]
    moment: Ints
    known: Ints
    places: Mapping[str, Ints] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)


class Slice:
    """The events of one entity that rows see, side by side; each row has its own, in the total order.

    Args:
        slot: of the state.
        asked: the rows.
        starts: [rows + 1] the events of row i are those from ``starts[i]`` up to ``starts[i + 1]``.
        matrix: int64 [3 + columns, events], as chunks are packed.
        there: [columns, events] which values are not null; of width 0 where all are there.
        texts: of the state.
    """

    def __init__(self, slot: Slot, asked: Asked, starts: Ints, matrix: Ints, there: Bools, texts: Texts) -> None:
        self.slot, self.starts, self.matrix, self.there, self._texts = slot, starts, matrix, there, texts
        self.columns: Mapping[str, Column] = _Columns(slot, asked, starts, matrix, there, texts)

    def line(self, name: str) -> int | None:
        """Return which line of the matrix is a column as the kernel holds it; None for texts and parts of the key."""
        return self.slot.lines.get(name)

    def plain(self, name: str, positions: Ints) -> list[Any]:
        """Return values of events as the kernel holds them, texts as texts; None for null and for a negative position.

        Args:
            name: of a column, the time among them.
            positions: of some events.
        """
        slot = self.slot
        if not len(self.matrix[TIME]):
            return [None] * len(positions)
        if name in slot.keys:
            return all_held(self.columns[name].take(positions))
        at = None if name == slot.time else slot.place_of(name)
        kind = LogicalType("timestamp") if at is None else slot.columns[at][1]
        there = positions >= 0
        if at is not None and self.there.shape[1]:
            there = there & self.there[at][positions]
        words = self.matrix[TIME if at is None else FIRST + at][positions]
        if kind.name == "str":
            known = iter(self._texts.texts(words[there].tolist()))
            return [next(known) if one else None for one in there.tolist()]
        if kind.name == "float":
            values: list[Any] = words.view(np.float64).tolist()
        else:
            values = (words.astype(np.bool_) if kind.name == "bool" else words).tolist()
        return [value if one else None for value, one in zip(values, there.tolist(), strict=True)]

    @cached_property
    def counts(self) -> list[int]:
        """[rows] how many events each sees."""
        starts: list[int] = self.starts.tolist()
        return [end - begin for begin, end in itertools.pairwise(starts)]

    @property
    def length(self) -> int:
        return int(self.starts[-1])

    @property
    def time(self) -> Ints:
        """[events] event time, microseconds UTC."""
        time: Ints = self.matrix[TIME]
        return time

    @property
    def seq(self) -> Ints:
        """[events] sequence."""
        seq: Ints = self.matrix[SEQ]
        return seq


class _Columns(dict[str, Column]):
    """Columns of a slice, each made when it is asked for; those of the key repeat the rows' own."""

    def __init__(self, slot: Slot, asked: Asked, starts: Ints, matrix: Ints, there: Bools, texts: Texts) -> None:
        super().__init__()
        self._slot, self._asked, self._starts, self._matrix = slot, asked, starts, matrix
        self._there, self._texts = there, texts

    def __missing__(self, name: str) -> Column:
        self[name] = made = self._made(name)
        return made

    def _made(self, name: str) -> Column:
        slot = self._slot
        if name == slot.time:
            return Column(LogicalType("timestamp"), self._matrix[TIME])
        if name in slot.keys:
            return self._repeated(name, slot.key_types[slot.keys.index(name)])
        at = slot.place_of(name)
        kind, words = slot.columns[at][1], self._matrix[FIRST + at]
        valid = self._there[at] if self._there.shape[1] else None
        if valid is not None and valid.all():
            valid = None
        if kind.name == "str":
            return self._texts.column(kind, words, valid)
        if kind.name == "float":
            return Column(kind, words.view(np.float64), valid)
        return Column(kind, words.astype(np.bool_) if kind.name == "bool" else words, valid)

    def _repeated(self, name: str, kind: LogicalType) -> Column:
        """The key of a row that has events is not null."""
        owner = np.repeat(np.arange(len(self._asked)), np.diff(self._starts))
        return column(kind, [row[name] for row in self._asked.rows]).take(owner)


@dataclass(frozen=True)
class Reading:
    """What rows see.

    Args:
        slices: by slot.
        horizon: last sequence (or version) of each source that the state had applied.
        faults: of rows that cannot be answered; these see nothing.
        newest: of each source that has any event, when the newest became known, microseconds UTC.
    """

    slices: Mapping[tuple[str, tuple[str, ...]], Slice]
    horizon: Mapping[str, int]
    faults: Mapping[int, HeadraceError]
    newest: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Held:
    """A slot in a transaction.

    Args:
        transaction, database: where its chunks are.
        floor: from which event time on it is complete; None where all of it is there.
    """

    transaction: Any
    database: Any
    floor: int | None


def look(
    slot: Slot,
    held: Held,
    keys: Sequence[bytes | None],
    asked: Asked,
    texts: Texts,
    faults: dict[int, HeadraceError],
) -> Slice:
    """Return what rows see of a slot; what is wrong with a row goes into ``faults``.

    Args:
        slot: of the state.
        held: its chunks.
        keys: [rows] by which they are found; None where a part of the key is null.
        asked: the rows.
        texts: of the state.
        faults: by row: HR-ONLINE-001 for state that was altered on disk, 003 for a row older than what is held.
    """
    reach, get, database = slot.reach, held.transaction.get, held.database
    oldest = asked.moment - slot.reach if slot.reach is not None else np.full(len(asked), _EVER, dtype=np.int64)
    floor = _EVER if held.floor is None or reach is None else held.floor
    parts, owner = list[Any](), list[int]()
    cursor = None
    for at, (key, newest, earliest) in enumerate(zip(keys, asked.moment.tolist(), oldest.tolist(), strict=True)):
        if earliest < floor:
            faults.setdefault(at, _too_old(slot))
            continue
        if key is None:
            continue
        chunk = get(key + _FIRST, None, database)
        there = chunk is not None
        if not there or header(chunk)[0] >= SMALL:  # there may be more of them; most keys have one
            cursor = cursor or held.transaction.cursor(db=database)
            if there:
                if not _take(chunk, newest, earliest, parts):
                    faults.setdefault(at, _altered())
                    continue
                owner.extend([at] * (len(parts) - len(owner)))
            there = cursor.set_range(key + _SECOND)
            while there:
                name, chunk = cursor.item()
                if len(name) != len(key) + 4 or name[:-4] != key:
                    break
                if not _take(chunk, newest, earliest, parts):
                    faults.setdefault(at, _altered())
                    break
                there = cursor.next()
        elif not _take(chunk, newest, earliest, parts):
            faults.setdefault(at, _altered())
        owner.extend([at] * (len(parts) - len(owner)))
    return _slice(slot, asked, oldest, parts, owner, texts)


def _take(chunk: Any, newest: int, oldest: int, parts: list[Any]) -> bool:
    """Take a chunk whose events lie in a time; return whether it is as it was written."""
    _, _, first, last, _, checksum = header(chunk)
    if first <= newest and last >= oldest:
        if zlib.crc32(chunk[HEADER:]) != checksum:
            return False
        parts.append(chunk)
    return True


def _too_old(slot: Slot) -> HeadraceError:
    found = f"a row whose windows reach further back than the state of {slot.source}"
    expected, cure = "a recent event time", "score old rows in batch: a training set reads all history"
    return HeadraceError(Fault("HR-ONLINE-003", "", found, expected, cure))


def _altered() -> HeadraceError:
    found = "state of a key that was altered on disk"
    return HeadraceError(Fault("HR-ONLINE-001", "", found, "what was written", REBUILD))


def _slice(slot: Slot, asked: Asked, oldest: Ints, parts: Sequence[Any], owner: Sequence[int], texts: Texts) -> Slice:
    """Copy what rows may see out of LMDB's pages, which only live as long as the transaction."""
    begins = np.array([0, *itertools.accumulate(map(len, parts))], dtype=np.int64)[: len(parts)]
    raw = np.frombuffer(b"".join(parts), dtype=np.uint8)
    seq = asked.places.get(slot.source)
    if seq is None:
        seq = np.full(len(asked), END, dtype=np.int64)
    starts, matrix, there = gather(
        raw, begins, np.array(owner, dtype=np.int64), len(slot.columns), asked.moment, oldest, asked.known, seq
    )
    return Slice(slot, asked, starts, matrix, there, texts)
