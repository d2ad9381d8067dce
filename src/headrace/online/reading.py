"""Reading: what some rows see of their keys, out of LMDB's pages in one look, as columns that hold all of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from headrace.contracts.json import column
from headrace.errors import Fault, HeadraceError
from headrace.kernel.column import Column, all_held
from headrace.kernel.gather import gather
from headrace.kernel.layout import END
from headrace.kernel.typing import Bools, Ints
from headrace.online.packed import FIRST, SEQ, SMALL, TIME, altered, is_whole, spans
from headrace.online.slots import Slot
from headrace.online.texts import Texts
from headrace.types import LogicalType

_EVER = -(1 << 62)
_FIRST = bytes(4)
"""Number of a key's first chunk."""


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

    @cached_property
    def moments(self) -> list[int]:
        """The moments as plain numbers."""
        moments: list[int] = self.moment.tolist()
        return moments


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
        self.slot, self.starts, self.matrix, self.there = slot, starts, matrix, there
        self._asked, self._texts = asked, texts

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """Values of the events by name, each made when it is asked for; those of the key repeat the rows' own."""
        return _Columns(self.slot, self._asked, self.starts, self.matrix, self.there, self._texts)

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
    """Columns of a slice."""

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
        slot: of the state.
        transaction, database: where its chunks are.
        floor: from which event time on it is complete; None where all of it is there.
    """

    slot: Slot
    transaction: Any
    database: Any
    floor: int | None

    def chunks(self, key: bytes) -> Iterable[tuple[Any, int, int]]:
        """Give the chunks of a key in their order, with their oldest and newest time."""
        first = self.transaction.get(key + _FIRST, None, self.database)
        if first is not None:
            events, oldest, newest = spans(first)
            if events < SMALL:  # one that another follows is large
                return ((first, oldest, newest),)
        return self._all(key)

    def _all(self, key: bytes) -> Iterator[tuple[Any, int, int]]:
        cursor = self._cursor
        there = cursor.set_range(key + _FIRST)
        while there:
            name, chunk = cursor.item()
            if len(name) != len(key) + len(_FIRST) or name[: len(key)] != key:
                return
            _, oldest, newest = spans(chunk)
            yield chunk, oldest, newest
            there = cursor.next()

    @cached_property
    def _cursor(self) -> Any:
        return self.transaction.cursor(db=self.database)


class Chunks:
    """What rows see of the slots of a state, one slot after the other, as it lies in LMDB's pages."""

    def __init__(self) -> None:
        self._parts: list[Any] = []
        self._owner: list[int] = []
        self._ends = [0]

    def take(self, held: Held, keys: Sequence[bytes | None], asked: Asked, faults: dict[int, HeadraceError]) -> None:
        """Take what rows may see of a slot; what is wrong with a row goes into ``faults``.

        Args:
            held: the slot.
            keys: [rows] by which its chunks are found; None where a part of the key is null.
            asked: the rows.
            faults: by row: HR-ONLINE-001 for state that was altered on disk, 003 for a row older than what is held.
        """
        reach, parts, owner = held.slot.reach, self._parts, self._owner
        floor = None if reach is None else held.floor
        for at, (key, newest) in enumerate(zip(keys, asked.moments, strict=True)):
            oldest = _EVER if reach is None else newest - reach
            if floor is not None and oldest < floor:
                faults.setdefault(at, _too_old(held.slot))
            elif key is not None:
                try:
                    for chunk, first, last in held.chunks(key):
                        if first <= newest and last >= oldest:
                            if not is_whole(chunk):
                                raise altered()
                            parts.append(chunk)
                            owner.append(at)
                except HeadraceError as error:
                    faults.setdefault(at, error)
        self._ends.append(len(parts))

    def copied(self) -> bytes:
        """Return all of it, out of LMDB's pages, which only live as long as the transaction."""
        return b"".join(self._parts)

    def slices(
        self, raw: bytes, slots: Sequence[Slot], asked: Asked, texts: Texts
    ) -> dict[tuple[str, tuple[str, ...]], Slice]:
        """Return what rows may see of each slot.

        Args:
            raw: what was copied.
            slots: in the order in which they were taken.
            asked: the rows.
            texts: of the state.
        """
        rows = len(asked)
        begins = np.array([0, *itertools.accumulate(map(len, self._parts))], dtype=np.int64)
        columns = [len(slot.columns) for slot in slots]
        reach = [-1 if slot.reach is None else slot.reach for slot in slots]
        seq = np.empty((len(slots), 0), dtype=np.int64)
        if asked.places:
            every = np.full(rows, END, dtype=np.int64)
            seq = np.array([asked.places.get(slot.source, every) for slot in slots])
        starts, ends = np.zeros((len(slots), rows + 1), dtype=np.int64), np.empty((len(slots), 2), dtype=np.int64)
        matrices, there = gather(
            np.frombuffer(raw, dtype=np.uint8),
            begins,
            np.array(self._owner, dtype=np.int64),
            np.array(self._ends, dtype=np.int64),
            np.array(columns, dtype=np.int64),
            asked.moment,
            np.array(reach, dtype=np.int64),
            asked.known,
            seq,
            starts,
            ends,
        )
        found, word, mask = {}, 0, 0
        for at, (slot, (last_word, last_mask)) in enumerate(zip(slots, ends.tolist(), strict=True)):
            matrix = matrices[word:last_word].reshape(3 + columns[at], -1)
            none = np.ones((columns[at], 0), dtype=np.bool_)
            masks = there[mask:last_mask].reshape(columns[at], -1) if last_mask > mask else none
            found[slot.id] = Slice(slot, asked, starts[at], matrix, masks, texts)
            word, mask = last_word, last_mask
        return found


def _too_old(slot: Slot) -> HeadraceError:
    found = f"a row whose windows reach further back than the state of {slot.source}"
    expected, cure = "a recent event time", "score old rows in batch: a training set reads all history"
    return HeadraceError(Fault("HR-ONLINE-003", "", found, expected, cure))
