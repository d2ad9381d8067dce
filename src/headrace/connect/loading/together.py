"""Small files are taken together: read one by one and validated as one batch, in which each row knows its file.

What a file is told of, counted and remembered by is the same as if it came alone; only the work is shared, since to
validate three rows costs as much as to validate three thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.connect.loads import Load
from headrace.contracts import MALFORMED, QUARANTINE, Validated, check_columns
from headrace.contracts.problems import Problem
from headrace.contracts.validation import unmarked
from headrace.declare import Contract
from headrace.errors import HeadraceError

SMALL = 1 << 20
"""Bytes of a file up to which it may be taken with others."""
_BYTES, _FILES = 16 << 20, 1000
"""Of files that are taken together, at most."""
Ints = npt.NDArray[np.int64]
_NOTHING = QUARANTINE.empty_table()


Rows: TypeAlias = tuple[pa.Array, pa.Table]
"""The id of the load of each row, and the rows."""


@dataclass(frozen=True)
class Taken:
    """What became of files that were taken together.

    Args:
        batch: their rows as received.
        accepted, quarantined: the id of the load of each row, and the rows, as in ``Validated``.
        bad: rows of each file that are in quarantine.
    """

    batch: pa.Table
    accepted: Rows
    quarantined: Rows
    bad: Sequence[int]


@dataclass(frozen=True)
class Group:
    """Files that are taken together.

    Args:
        loads: of these, in order.
        lengths: rows of each.
        batch: all their rows, in this order.
    """

    loads: Sequence[Load]
    lengths: Ints
    batch: pa.Table

    @cached_property
    def ends(self) -> Ints:
        """Behind which row of the batch each file ends."""
        return np.cumsum(self.lengths)

    @cached_property
    def owners(self) -> Ints:
        """The number of the file of each row."""
        return np.repeat(np.arange(len(self.loads)), self.lengths)

    @cached_property
    def positions(self) -> Ints:
        """The position of each row in its file, from 1."""
        return np.arange(1, self.batch.num_rows + 1) - np.repeat(self.ends - self.lengths, self.lengths)

    def behind(self, count: int) -> Group:
        """Return the group without its first files."""
        start = int(self.ends[count - 1]) if count else 0
        return Group(self.loads[count:], self.lengths[count:], self.batch.slice(start))

    def apart(self, result: Validated) -> Iterator[Validated]:
        """Yield what became of the rows of each file; of those that are kept out only their problems."""
        accepted = self._count(unmarked(result.problems, self.batch.num_rows))
        problems = self._problems(result.problems)
        start = 0
        for number, count in enumerate(accepted):
            mine = tuple(problems.get(number, ()))
            counts = {one.rule: len(one.rows) for one in mine if one.rejects}
            yield Validated(result.accepted.slice(start, count), _NOTHING, counts, (), mine)
            start += count

    def first(self, count: int, result: Validated) -> Taken:
        """Return what became of the first files together."""
        rows = int(self.ends[count - 1]) if count else 0
        good = unmarked(result.problems, self.batch.num_rows)
        bad = ~good[:rows]
        ids = pa.array([one.id for one in self.loads], pa.string())
        names = pa.array([one.name for one in self.loads], pa.string())
        owners, others = pa.array(self.owners[:rows][~bad]), pa.array(self.owners[:rows][bad])
        aside = result.quarantined.slice(0, len(others))
        place = aside.schema.get_field_index("_source")
        return Taken(
            self.batch.slice(0, rows),
            (ids.take(owners), result.accepted.slice(0, len(owners))),
            (ids.take(others), aside.set_column(place, aside.schema.field(place), names.take(others))),
            self._count(~good)[:count],
        )

    def _count(self, marked: npt.NDArray[np.bool_]) -> list[int]:
        """Return how many rows of each file are marked."""
        before = np.append(0, np.cumsum(marked))
        found: list[int] = (before[self.ends] - before[self.ends - self.lengths]).tolist()
        return found

    def _problems(self, problems: Sequence[Problem]) -> dict[int, list[Problem]]:
        found: dict[int, list[Problem]] = {}
        starts = self.ends - self.lengths
        for one in problems:
            owners = self.owners[one.rows]
            for rows in np.split(one.rows, np.flatnonzero(np.diff(owners)) + 1):
                number = int(self.owners[rows[0]])
                found.setdefault(number, []).append(replace(one, rows=rows - starts[number]))
        return found


def gathered(
    loads: Sequence[Load],
    read: Callable[[Load], Generator[pa.Table]],
    contract: type[Contract],
    room: Callable[[], int],
    alone: Callable[[Load], bool],
) -> Iterator[Load | Group]:
    """Yield loads in order: small ones together, where their columns are the same, and all others alone.

    Args:
        loads: to be taken.
        read: yields the rows of one.
        contract: of the rows.
        room: returns how many rows may be taken together; asked for each load.
        alone: whether a load must not be taken with others.
    """
    held = _Held(contract)
    for load in loads:
        rows = None if load.size > SMALL or alone(load) else _rows_of(load, read)
        if rows is not None and held.add(load, rows):
            if held.full(room()):
                yield from held.given()
            continue
        yield from held.given()
        if rows is None or not held.add(load, rows):
            yield load
    yield from held.given()


class _Held:
    """Files that were read and are not yet taken."""

    def __init__(self, contract: type[Contract]) -> None:
        self._contract = contract
        self._columns: pa.Schema | None = None
        self._files: list[tuple[Load, pa.Table]] = []
        self._rows = self._bytes = 0

    def add(self, load: Load, rows: pa.Table) -> bool:
        """Take a file in, unless it has other columns than those before it, or such as cannot be taken."""
        if rows.num_columns and not self._fits(load, rows.schema):
            return False
        self._files.append((load, rows))
        self._rows, self._bytes = self._rows + rows.num_rows, self._bytes + rows.nbytes
        return True

    def full(self, room: int) -> bool:
        return self._rows >= room or self._bytes >= _BYTES or len(self._files) >= _FILES

    def given(self) -> Iterator[Load | Group]:
        """Yield what is held, and hold nothing any more."""
        files, columns = self._files, self._columns
        self._files, self._columns, self._rows, self._bytes = [], None, 0, 0
        loads = [load for load, _ in files]
        if columns is None or len(files) == 1:
            yield from loads
            return
        batch = pa.concat_tables([rows for _, rows in files if rows.num_columns], promote_options="default")
        yield Group(loads, np.array([rows.num_rows for _, rows in files], np.int64), batch.combine_chunks())

    def _fits(self, load: Load, schema: pa.Schema) -> bool:
        """Whether columns are those before; what a reader adds for rows that it could not read comes and goes."""
        told = schema.get_field_index(MALFORMED)
        plain = schema if told < 0 else schema.remove(told)
        if self._columns is not None:
            return bool(plain.equals(self._columns))
        if any("dictionary" in str(one.type) for one in plain):  # each file has another one
            return False
        try:
            check_columns(self._contract, plain, load.name)
        except HeadraceError:
            return False
        self._columns = plain
        return True


_NO_ROWS = pa.table({})


def _rows_of(load: Load, read: Callable[[Load], Generator[pa.Table]]) -> pa.Table | None:
    """Return all rows of a file; None where they are of several batches, or cannot be read."""
    try:
        with closing(read(load)) as batches:
            first = next(batches, _NO_ROWS)
            return first if next(batches, None) is None else None
    except HeadraceError:
        return None
