"""Rows that take the place of others of their key, and rows that go since all that there is does not have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace.connect.loading.given import Given
from headrace.connect.loading.repeatable import Repeatable
from headrace.connect.loading.seen import keys_of
from headrace.connect.loading.work import Job
from headrace.connect.loads import Past
from headrace.contracts import Across, KeyIndex
from headrace.contracts.keys import Look
from headrace.errors import Fault


class _Anew(KeyIndex):
    """Knows no key: a row whose key is there takes the place of the other."""

    def look(self, keys: pa.Table) -> Look:
        return Look(keys, _NO_HASHES, np.ones(keys.num_rows, np.bool_), _NO_ROWS, np.zeros(0, np.bool_), ())

    def remember(self, look: Look, taken: npt.NDArray[np.bool_]) -> None:
        pass


_NO_ROWS, _NO_HASHES = np.empty(0, np.int64), np.empty(0, np.uint64)


class Merging(Repeatable):
    """Rows on their way into a table that has one row of each key.

    A merge can be done again, so a load that was cut off is gone through from its beginning. A row that is there as it
    is stays untouched, with the sequence and the load that brought it.

    Args:
        job: what loading is about.
        given: what is loaded: where it is all that there is, each key comes once, and what is not among it goes.
        superseded: loads of which nothing counts any more once this is done.
    """

    def __init__(self, job: Job, superseded: Sequence[Past], given: Given) -> None:
        super().__init__(job, superseded)
        self.given = given
        self._names = list(job.contract.key_fields())
        # A row follows itself: what is unique is so among the rows that come together.
        key = KeyIndex(self._names) if given.whole else _Anew(self._names)
        self._across = Across(job.received, referred=job.referred, key=key)
        self._delivered: list[pa.Table] = []
        self._nameless = 0

    def _become(self) -> None:
        """Take out the rows whose key is not among all that there are."""
        if self._nameless:
            self.faults.append(self._unsure())
        elif self.given.whole or self.given.others is not None:
            self._take_out_gone()

    def _take_out_gone(self) -> None:
        others = self.given.others
        there = self._delivered if others is None else [keys_of(part, self.job.contract) for part in others()]
        index = KeyIndex(self._names, lambda: there)
        nothing = self.lake.schema(self.name).empty_table().select(self._names)
        gone = (keys.filter(pa.array(~index.holds(keys))) for keys in self._present())
        keys = pa.concat_tables([nothing, *gone])
        if keys.num_rows:
            self._take_out(keys)

    def _learn(self, batch: pa.Table) -> None:
        if self.given.whole:
            keys = keys_of(batch, self.job.contract)
            self._delivered.append(keys)
            self._nameless += keys.num_rows - keys.drop_null().num_rows

    def _commit(self, rows: pa.Table) -> None:
        if rows.num_rows:
            self.lake.merge(self.name, last_of_each(rows, self._names), keys=self._names)

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
