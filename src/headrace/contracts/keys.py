"""Keys that must be unique across a file, all files and all processes: an index of hashes, each hit verified.

What is stored is the truth. The index is made from its key columns when it is first needed, holds 8 bytes for each
row, and decides nothing: a hash that is there already only says which rows to compare with the stored keys. Making it
anew in each run that has new files took 0.3 s for a million keys of text; keeping it would be a second truth.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.contracts.problems import Rows

if TYPE_CHECKING:
    import duckdb

_RUNS = 8
"""As many sorted runs are searched one after another before they are merged."""


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
        self._unsettled: list[pa.Table] = []
        self._runs: list[npt.NDArray[np.uint64]] | None = None

    def repeated(self, keys: pa.Table, good: npt.NDArray[np.bool_]) -> Rows:
        """Return the positions of rows whose key an earlier accepted row has, and remember the keys of the others.

        Args:
            keys: the key columns of a batch, without chunks of other types; rows with a null are left out.
            good: whether nothing else is wrong with a row. A row that is not good takes no key from a later one.
        """
        if self._runs is None:
            self._runs = [np.sort(np.concatenate([_hashes(pa.table(part)) for part in self._stored()] or [_NONE]))]
        complete = _complete(keys)
        hashes = _hashes(keys)
        suspects = np.flatnonzero(self._suspicious(hashes) & complete)
        repeats = self._verified(keys, suspects, good)
        taken = good & complete
        taken[repeats] = False
        self._remember(hashes[taken])
        self._unsettled.append(keys.filter(pa.array(taken)))
        return repeats

    def settle(self) -> None:
        """Say that all rows remembered so far are stored by now."""
        self._unsettled = []

    def _suspicious(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        ordered = np.sort(hashes)
        hits = [ordered[1:][ordered[1:] == ordered[:-1]]]
        for run in self._runs or []:
            if len(run):
                at = np.minimum(np.searchsorted(run, ordered), len(run) - 1)
                hits.append(ordered[run[at] == ordered])
        found = np.unique(np.concatenate(hits))
        return np.isin(hashes, found) if len(found) else np.zeros(len(hashes), np.bool_)

    def _verified(self, keys: pa.Table, suspects: npt.NDArray[np.int64], good: npt.NDArray[np.bool_]) -> Rows:
        if not len(suspects):
            return np.empty(0, np.int64)
        chosen = keys.take(pa.array(suspects))
        taken = self._already(chosen)
        owners: set[tuple[object, ...]] = set()
        repeats = []
        for place, (row, key) in enumerate(zip(suspects.tolist(), _tuples(chosen), strict=True)):
            if taken[place] or key in owners:
                repeats.append(row)
            elif good[row]:
                owners.add(key)
        return np.array(repeats, np.int64)

    def _already(self, chosen: pa.Table) -> npt.NDArray[np.bool_]:
        """Compare the chosen keys themselves with all stored and unsettled ones, a batch at a time."""
        taken = np.zeros(chosen.num_rows, np.bool_)
        names = ", ".join(f'"{name}"' for name in self.columns)
        places = chosen.append_column("#place", pa.array(np.arange(chosen.num_rows)))
        with _tables(chosen=places) as connection:
            for part in (*self._unsettled, *self._stored()):
                connection.register("held", pa.table(part))
                query = f'select "#place" as place from chosen semi join held using ({names})'
                taken[connection.execute(query).fetchnumpy()["place"]] = True
                connection.unregister("held")
        return taken

    def _remember(self, hashes: npt.NDArray[np.uint64]) -> None:
        runs = [*(self._runs or []), np.sort(hashes)]
        self._runs = [np.sort(np.concatenate(runs), kind="stable")] if len(runs) > _RUNS else runs


_NONE = np.empty(0, np.uint64)


def _hashes(keys: pa.Table) -> npt.NDArray[np.uint64]:
    if not keys.num_rows:
        return _NONE
    names = ", ".join(f'"{name}"' for name in keys.column_names)
    with _tables(keys=keys) as connection:
        return np.asarray(connection.execute(f"select hash({names}) as h from keys").fetchnumpy()["h"], np.uint64)


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    """Return the one database in memory that all indexes compute in; making one takes longer than a small batch."""
    import duckdb

    return duckdb.connect(":memory:", config={"python_enable_replacements": False})


@contextmanager
def _tables(**tables: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = _database().cursor()
    try:
        for name, table in tables.items():
            connection.register(name, table)
        yield connection
    finally:
        connection.close()


def _complete(keys: pa.Table) -> npt.NDArray[np.bool_]:
    complete = np.ones(keys.num_rows, np.bool_)
    for column in keys.columns:
        if column.null_count:
            complete &= column.is_valid().to_numpy()
    return complete


def _tuples(keys: pa.Table) -> Iterable[tuple[object, ...]]:
    return zip(*(column.to_pylist() for column in keys.columns), strict=True)
