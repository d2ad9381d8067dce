"""Keys that must be unique across a file, all files and all processes: an index of hashes, each hit verified.

What is stored is the truth. The index is made from its key columns when it is first needed, holds 8 to 12 bytes for
each row, and decides nothing: a hash that is there already only says which rows to compare with the stored keys. Making
it anew in each run that has new files took 0.3 s for a million keys of text; keeping it would be a second truth. Whole
numbers that only grow, as most keys do in the order of time, are not hashed at all.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.contracts.held import Hashes, Held, Numbers, ascends, numbers_of
from headrace.contracts.problems import Rows

if TYPE_CHECKING:
    import duckdb


class KeyIndex:
    """The keys of all rows accepted so far.

    Args:
        columns: names of the key columns.
        stored: yields the key columns of the rows that are stored; read once for the index, and again only to verify.

    Example:
        >>> index = KeyIndex(["id"], stored=lambda: [pa.table({"id": [7]})])
        >>> batch = pa.table({"id": [7, 8, 8, 9]})
        >>> index.repeated(batch, np.array([True, True, True, True])).tolist()
        [0, 2]
    """

    def __init__(
        self, columns: Sequence[str], stored: Callable[[], Iterable[pa.Table | pa.RecordBatch]] = tuple
    ) -> None:
        self.columns = list(columns)
        self._stored = stored
        self._unsettled: list[tuple[pa.Table, npt.NDArray[np.bool_]]] = []
        self._held: Held | None = None

    def repeated(self, keys: pa.Table, good: npt.NDArray[np.bool_]) -> Rows:
        """Return the positions of rows whose key an earlier accepted row has, and remember the keys of the others.

        Args:
            keys: the key columns of a batch, without chunks of other types; rows with a null are left out.
            good: whether nothing else is wrong with a row. A row that is not good takes no key from a later one.
        """
        return repeated([self], [keys], good, [True])[0]

    def holds(self, keys: pa.Table) -> npt.NDArray[np.bool_]:
        """Return whether each row has a key that is there already; nothing is remembered.

        Example:
            >>> KeyIndex(["id"], stored=lambda: [pa.table({"id": [7]})]).holds(pa.table({"id": [8, 7]})).tolist()
            [False, True]
        """
        look = self.look(keys)
        found = np.zeros(keys.num_rows, np.bool_)
        found[look.suspects[look.held]] = True
        return found

    def look(self, keys: pa.Table) -> Look:
        """Return what is known of the keys of a batch; nothing is remembered yet."""
        held, there, numbers = self._known(), complete(keys), numbers_of(keys)
        if numbers is not None and ascends(numbers) and (not len(numbers) or held.below(int(numbers[0]))):
            return _in_order(keys, numbers, there)
        hashes = _hashes(keys)
        ordered = np.sort(hashes)
        suspects = np.flatnonzero(_suspicious(held, hashes, ordered) & there)
        if not len(suspects):
            return Look(keys, ordered, there, suspects, np.zeros(0, np.bool_), (), numbers)
        chosen = keys.take(pa.array(suspects))
        return Look(keys, ordered, there, suspects, self._already(chosen), tuple(_tuples(chosen)), numbers)

    def remember(self, look: Look, taken: npt.NDArray[np.bool_]) -> None:
        """Remember the keys of the rows that are accepted.

        Hashes of all rows are kept: one that is nobody's key only makes a later row be compared in vain.
        """
        taken, held = taken & look.complete, self._known()
        if look.numbers is not None and not len(look.hashes):
            held.add_numbers(look.numbers)
        else:
            held.add(look.hashes)
            if look.numbers is not None and len(look.numbers):
                held.reaches(int(look.numbers.max()))
        self._unsettled.append((look.keys, taken))

    def settle(self) -> None:
        """Say that all rows remembered so far are stored by now, or never will be: only what is stored counts."""
        self._unsettled = []

    def _known(self) -> Held:
        if self._held is None:
            self._held = Held(lambda numbers: _hashes(pa.table({self.columns[0]: numbers})))
            for part in self._stored():
                numbers = numbers_of(part)
                if numbers is None:
                    self._held.add(np.sort(_hashes(pa.table(part))))
                else:
                    self._held.add_numbers(numbers)
        return self._held

    def _already(self, chosen: pa.Table) -> npt.NDArray[np.bool_]:
        """Compare the chosen keys themselves with all stored and unsettled ones, a batch at a time."""
        taken = np.zeros(chosen.num_rows, np.bool_)
        names = ", ".join(f'"{name}"' for name in self.columns)
        places = chosen.append_column("#place", pa.array(np.arange(chosen.num_rows)))
        with _tables(chosen=places) as connection:
            unsettled = (keys if taken.all() else keys.filter(pa.array(taken)) for keys, taken in self._unsettled)
            for part in itertools.chain(unsettled, self._stored()):
                connection.register("held", pa.table(part))
                query = f'select "#place" as place from chosen semi join held using ({names})'
                taken[connection.execute(query).fetchnumpy()["place"]] = True
                connection.unregister("held")
        return taken


@dataclass(frozen=True)
class Look:
    """What an index knows of the keys of a batch.

    Args:
        keys: of all rows.
        hashes: of all rows, ascending.
        complete: whether a row has no null in its key.
        suspects: positions of rows that may have the key of another, ascending.
        held: for each of these, whether an accepted row of an earlier batch has its key.
        values: the keys of these.
        numbers: keys that are whole numbers; where there are no hashes, they ascend and are above all before.
    """

    keys: pa.Table
    hashes: npt.NDArray[np.uint64]
    complete: npt.NDArray[np.bool_]
    suspects: npt.NDArray[np.int64]
    held: npt.NDArray[np.bool_]
    values: tuple[tuple[object, ...], ...]
    numbers: Numbers | None = None


def _in_order(keys: pa.Table, numbers: Numbers, there: npt.NDArray[np.bool_]) -> Look:
    """Return what is known of keys that ascend above all before them: one that is there twice is so at once."""
    same = numbers[1:] == numbers[:-1]
    twice = np.append(same, False) | np.append(False, same) if len(numbers) else same
    suspects = np.flatnonzero(there)[twice] if twice.any() else _NO_ROWS
    values = tuple(_tuples(keys.take(pa.array(suspects)))) if len(suspects) else ()
    return Look(keys, _NONE, there, suspects, np.zeros(len(suspects), np.bool_), values, numbers)


def _suspicious(held: Held, hashes: Hashes, ordered: Hashes) -> npt.NDArray[np.bool_]:
    """Return which of some hashes are held, or are there twice."""
    found = np.unique(np.concatenate([ordered[1:][ordered[1:] == ordered[:-1]], held.among(ordered)]))
    if not len(found):
        return np.zeros(len(hashes), np.bool_)
    at = np.minimum(np.searchsorted(found, hashes), len(found) - 1)  # np.isin would sort all hashes again
    return np.asarray(found[at] == hashes)


def repeated(
    indexes: Sequence[KeyIndex], keys: Sequence[pa.Table], good: npt.NDArray[np.bool_], rejects: Sequence[bool]
) -> list[Rows]:
    """Return for each index the rows whose key an earlier accepted row has, and remember those that are accepted.

    Args:
        indexes: each of other columns of the same rows.
        keys: the columns of each.
        good: whether nothing else is wrong with a row.
        rejects: for each index, whether a row whose key is there already is kept out. A row that one index keeps out
            takes no key from a later row in any other.
    """
    looks = [index.look(part) for index, part in zip(indexes, keys, strict=True)]
    found: list[list[int]] = [[] for _ in indexes]
    owners: list[set[tuple[object, ...]]] = [set() for _ in indexes]
    accepted = good.copy()
    for row, places in _by_row(looks):
        hits = [i for i, place in places if looks[i].held[place] or looks[i].values[place] in owners[i]]
        for i in hits:
            found[i].append(row)
        if any(rejects[i] for i in hits):
            accepted[row] = False
        elif good[row]:
            for i, place in places:
                owners[i].add(looks[i].values[place])
    for index, look, rows in zip(indexes, looks, found, strict=True):
        first = accepted.copy()
        first[rows] = False
        index.remember(look, first)
    return [np.array(rows, np.int64) for rows in found]


def _by_row(looks: Sequence[Look]) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield each suspect row, in order, with the indexes that suspect it and its place among their suspects."""
    placed: dict[int, list[tuple[int, int]]] = {}
    for number, look in enumerate(looks):
        for place, row in enumerate(look.suspects.tolist()):
            placed.setdefault(row, []).append((number, place))
    yield from sorted(placed.items())


_NONE, _NO_ROWS = np.empty(0, np.uint64), np.empty(0, np.int64)


def _hashes(keys: pa.Table) -> npt.NDArray[np.uint64]:
    if not keys.num_rows:
        return _NONE
    names = ", ".join(f'"{name}"' for name in keys.column_names)
    with _tables(keys=keys) as connection:
        return np.asarray(connection.execute(f"select hash({names}) as h from keys").fetchnumpy()["h"], np.uint64)


@functools.cache
def local_database() -> duckdb.DuckDBPyConnection:
    """Return the one database in memory that all indexes compute in; making one takes longer than a small batch."""
    import duckdb

    return duckdb.connect(":memory:", config={"python_enable_replacements": False})


@contextmanager
def _tables(**tables: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = local_database().cursor()
    try:
        for name, table in tables.items():
            connection.register(name, table)
        yield connection
    finally:
        connection.close()


def complete(keys: pa.Table) -> npt.NDArray[np.bool_]:
    """Return whether each row has a value in every column."""
    there = np.ones(keys.num_rows, np.bool_)
    for column in keys.columns:
        if column.null_count:
            there &= column.is_valid().to_numpy()
    return there


def _tuples(keys: pa.Table) -> Iterable[tuple[object, ...]]:
    return zip(*(column.to_pylist() for column in keys.columns), strict=True)
