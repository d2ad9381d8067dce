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


Form: TypeAlias = tuple[tuple[str, pa.DataType], ...]
"""Columns as they come: names and types, in their order."""
Rows: TypeAlias = tuple[pa.Array, pa.Table]
"""The id of the load of each row, and the rows."""


@dataclass(frozen=True)
class Taken:
    """What became of files that were taken together.

    Args:
        parts: their rows as received.
        accepted, quarantined: the id of the load of each row, and the rows, as in ``Validated``.
        bad: rows of each file that are in quarantine.
    """

    parts: Sequence[pa.Table]
    accepted: Rows
    quarantined: Rows
    bad: Sequence[int]


@dataclass(frozen=True)
class Group:
    """Files that are taken together.

    Args:
        loads: of these, in order.
        lengths: rows of each.
        forms: in which part the rows of each are.
        parts: all their rows, those of one form in this order: of the same columns, as the same types.
    """

    loads: Sequence[Load]
    lengths: Ints
    forms: Ints
    parts: Sequence[pa.Table]

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.lengths.sum())

    @cached_property
    def places(self) -> list[Ints]:
        """The places of the rows of each part among all."""
        forms = np.repeat(self.forms, self.lengths)
        return [np.flatnonzero(forms == number) for number in range(len(self.parts))]

    @cached_property
    def ends(self) -> Ints:
        """Behind which row of all each file ends."""
        return np.cumsum(self.lengths)

    @cached_property
    def owners(self) -> Ints:
        """The number of the file of each row."""
        return np.repeat(np.arange(len(self.loads)), self.lengths)

    @cached_property
    def positions(self) -> Ints:
        """The position of each row in its file, from 1."""
        return np.arange(1, self.rows + 1) - np.repeat(self.ends - self.lengths, self.lengths)

    def behind(self, count: int) -> Group:
        """Return the group without its first files."""
        ends = self._ends_of_parts(count)
        parts = [part.slice(end) for part, end in zip(self.parts, ends, strict=True)]
        return Group(self.loads[count:], self.lengths[count:], self.forms[count:], parts)

    def apart(self, result: Validated) -> Iterator[Validated]:
        """Yield what became of the rows of each file; of those that are kept out only their problems."""
        accepted = self._count(unmarked(result.problems, self.rows))
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
        good = unmarked(result.problems, self.rows)
        bad = ~good[:rows]
        ids = pa.array([one.id for one in self.loads], pa.string())
        names = pa.array([one.name for one in self.loads], pa.string())
        owners, others = pa.array(self.owners[:rows][~bad]), pa.array(self.owners[:rows][bad])
        aside = result.quarantined.slice(0, len(others))
        place = aside.schema.get_field_index("_source")
        return Taken(
            [part.slice(0, end) for part, end in zip(self.parts, self._ends_of_parts(count), strict=True)],
            (ids.take(owners), result.accepted.slice(0, len(owners))),
            (ids.take(others), aside.set_column(place, aside.schema.field(place), names.take(others))),
            self._count(~good)[:count],
        )

    def _ends_of_parts(self, count: int) -> list[int]:
        """Return behind which row of each part the first files end."""
        forms = self.forms[:count]
        return [int(self.lengths[:count][forms == number].sum()) for number in range(len(self.parts))]

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
    """Yield loads in order: small ones together, whatever their columns are, and all others alone.

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
        self._forms: dict[Form, list[pa.Table]] = {}
        self._files: list[tuple[Load, int, int]] = []
        self._rows = self._bytes = 0

    def add(self, load: Load, rows: pa.Table) -> bool:
        """Take a file in, unless it has columns that cannot be taken with others."""
        form = _form_of(rows.schema)
        if not rows.num_columns:
            self._files.append((load, 0, 0))
            return True
        if form not in self._forms and not self._fits(load, rows.schema):
            return False
        self._forms.setdefault(form, []).append(rows)
        self._files.append((load, rows.num_rows, list(self._forms).index(form)))
        self._rows, self._bytes = self._rows + rows.num_rows, self._bytes + rows.nbytes
        return True

    def full(self, room: int) -> bool:
        return self._rows >= room or self._bytes >= _BYTES or len(self._files) >= _FILES

    def given(self) -> Iterator[Load | Group]:
        """Yield what is held, and hold nothing any more."""
        files, forms = self._files, self._forms
        self._files, self._forms, self._rows, self._bytes = [], {}, 0, 0
        loads = [load for load, *_ in files]
        if not forms or len(files) == 1:
            yield from loads
            return
        lengths, of = (np.array(one, np.int64) for one in zip(*(counts for _, *counts in files), strict=True))
        parts = [pa.concat_tables(tables, promote_options="default").combine_chunks() for tables in forms.values()]
        yield Group(loads, lengths, of, parts)

    def _fits(self, load: Load, schema: pa.Schema) -> bool:
        """Whether columns are such as the contract has; each file has a dictionary of its own."""
        if any("dictionary" in str(one.type) for one in schema):
            return False
        told = schema.get_field_index(MALFORMED)
        try:
            check_columns(self._contract, schema if told < 0 else schema.remove(told), load.name)
        except HeadraceError:
            return False
        return True


def _form_of(schema: pa.Schema) -> Form:
    """Return columns in their order; what a reader adds for rows that it could not read comes and goes."""
    return tuple((one.name, one.type) for one in schema if one.name != MALFORMED)


_NO_ROWS = pa.table({})


def _rows_of(load: Load, read: Callable[[Load], Generator[pa.Table]]) -> pa.Table | None:
    """Return all rows of a file; None where they are of several batches, or cannot be read."""
    try:
        with closing(read(load)) as batches:
            first = next(batches, _NO_ROWS)
            return first if next(batches, None) is None else None
    except HeadraceError:
        return None
