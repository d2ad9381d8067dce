"""Rows that take the place of others of their key, and rows that go since all that there is does not have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.connect.loads import Load, Past
from headrace.connect.seen import keys_of
from headrace.connect.withdraw import forget
from headrace.connect.work import Job, Work
from headrace.contracts import KeyIndex
from headrace.contracts.problems import Rows
from headrace.errors import Fault


class _Anew(KeyIndex):
    """Knows no key: a row whose key is there takes the place of the other."""

    def repeated(self, keys: pa.Table, good: npt.NDArray[np.bool_]) -> Rows:
        return np.empty(0, np.int64)


class Merging(Work):
    """Rows on their way into a table that has one row of each key.

    A merge can be done again, so a load that was cut off is gone through from its beginning. A row that is there as it
    is stays untouched, with the sequence and the load that brought it.

    Args:
        job: what loading is about.
        whole: whether what is loaded is all that there is: then each key comes once, and what is not among it goes.
        learned_us: microseconds UTC, when the rows were read.
        others: yields the keys of all rows that there are, where only some of the rows are loaded.
        superseded: loads of which nothing counts any more once this is done.
    """

    def __init__(
        self,
        job: Job,
        whole: bool,
        learned_us: int,
        others: Callable[[], Iterable[pa.Table]] | None,
        superseded: Sequence[Past],
    ) -> None:
        super().__init__(job)
        self.whole, self.learned_us, self.others, self.superseded = whole, learned_us, others, superseded
        self._names = list(job.contract.key_fields())
        self._keys = KeyIndex(self._names) if whole else _Anew(self._names)
        self._delivered: list[pa.Table] = []
        self._nameless = 0

    def flush(self) -> None:
        """Commit what is validated; that a load is finished is told at the end, when what is gone is out."""
        self._flush()

    def end(self) -> None:
        """Commit what is left, take out the rows whose key is not among all that there are, and tell the ledger."""
        self._flush()
        if self._nameless:
            self.faults.append(self._unsure())
        elif self.whole or self.others is not None:
            self._take_out_gone()
        forget(self.lake, f"quarantine_{self.name}", self.superseded)
        self.job.ledger.withdraw(self.superseded)
        self._settle()

    def _take_out_gone(self) -> None:
        there = self._delivered if self.others is None else [keys_of(part, self.job.contract) for part in self.others()]
        index = KeyIndex(self._names, lambda: there)
        gone = [pa.schema([self.lake.schema(self.name).field(name) for name in self._names]).empty_table()]
        for keys in self._present():
            without = np.ones(len(keys), np.bool_)
            without[index.repeated(keys, np.zeros(len(keys), np.bool_))] = False
            gone.append(keys.filter(pa.array(without)))
        keys = pa.concat_tables(gone)
        if keys.num_rows:
            self._take_out(keys)

    def _reach(self, load: Load) -> int:
        return 0

    def _validate(self, load: Load, batch: pa.Table, rows: npt.NDArray[np.int64], new: npt.NDArray[np.bool_]) -> int:
        if self.whole:
            keys = keys_of(batch, self.job.contract)
            self._delivered.append(keys)
            self._nameless += keys.num_rows - keys.drop_null().num_rows
        return super()._validate(load, batch, rows, new)

    def _commit(self, rows: pa.Table) -> None:
        if rows.num_rows:
            self.lake.merge(self.name, last_of_each(rows, self._names), keys=self._names)

    def _verify(self, ended: list[tuple[Load, int, int, int]]) -> None:
        """Rows whose place others took are not in the lake any more."""

    def _unsure(self) -> Fault:
        """Where a key cannot be read, the row that it names would look like one that is gone."""
        found = f"{self._nameless:,} rows of {self.name} whose key cannot be read; no row was taken out"
        cure = "mend them where they come from: they are in quarantine"
        return Fault("HR-SOURCE-029", self.name, found, "a key in each row", cure, "warning")

    def _present(self) -> Iterable[pa.Table]:
        """Yield the keys of the rows that there are."""
        yield from (pa.Table.from_batches([part]) for part in self.lake.batches(self.name, columns=self._names))

    def _take_out(self, keys: pa.Table) -> None:
        nothing = self.lake.schema(self.name).empty_table()
        self.lake.merge(self.name, nothing, keys=self._names, deletes=keys)


def last_of_each(rows: pa.Table, names: list[str]) -> pa.Table:
    """Return the last row of each key, in their order."""
    numbered = rows.select(names).append_column("#row", pa.array(np.arange(rows.num_rows)))
    last = numbered.group_by(names).aggregate([("#row", "max")])["#row_max"].to_numpy()
    return rows if len(last) == rows.num_rows else rows.take(pa.array(np.sort(last)))
