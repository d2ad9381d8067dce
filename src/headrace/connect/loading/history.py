"""Rows of state with their history: what changed or went is kept, with the time until which it held.

A source that only shows what is so now is looked at again and again. A row that differs from the one of its key that
still holds follows it: the old one ends when the new one was read, since nobody knew before. So a row of a training set
sees what a service saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.connect.loading.given import Given
from headrace.connect.loading.merging import Merging, last_of_each
from headrace.connect.loading.work import Job
from headrace.connect.loads import Past
from headrace.contracts import KeyIndex
from headrace.sql import connected
from headrace.types import Timestamp

Places = npt.NDArray[np.int64]


class Keeping(Merging):
    """Rows on their way into a table that has the history of each key; see ``Merging``."""

    def __init__(self, job: Job, superseded: Sequence[Past], given: Given) -> None:
        super().__init__(job, superseded, given)
        self._since, self._until = (job.contract.role(role) or "" for role in ("valid_from", "valid_to"))
        self._first = self.lake.rows(self.name) == 0

    def _commit(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        newest = last_of_each(rows, self._names)
        before = self._open(newest.select(self._names))
        said = list(self.job.received.fields())
        stays, matched = _joined(newest.select(said), before.select(said))
        news = newest.filter(pa.array(~np.isin(np.arange(newest.num_rows), stays)))
        replaced = before.filter(pa.array(~np.isin(np.arange(before.num_rows), matched)))
        self._follow(replaced, news)

    def _take_out(self, keys: pa.Table) -> None:
        self._follow(self._open(keys), self.lake.schema(self.name).empty_table())

    def _present(self) -> Iterable[pa.Table]:
        for batch in self.lake.batches(self.name, columns=[*self._names, self._until]):
            yield pa.Table.from_batches([batch]).filter(pc.is_null(batch[self._until])).select(self._names)

    def _open(self, keys: pa.Table) -> pa.Table:
        """Return the rows of some keys that still hold."""
        index = KeyIndex(self._names, lambda: [keys])
        found = [self.lake.schema(self.name).empty_table()]
        for batch in self.lake.batches(self.name):
            rows = pa.Table.from_batches([batch]).filter(pc.is_null(batch[self._until]))
            found.append(rows.filter(pa.array(index.holds(rows.select(self._names)))))
        return pa.concat_tables(found)

    def _follow(self, replaced: pa.Table, news: pa.Table) -> None:
        """End rows when those that follow them begin; both in one commit.

        A row that ends is the fact that it was, so it keeps its number and since when it is known. One that was to
        begin only later was never so: it goes.
        """
        if not replaced.num_rows and not news.num_rows:
            return
        place = replaced.column_names.index(self._until)
        ends = self._holds_until(replaced, news)
        ended = replaced.set_column(place, replaced.schema.field(place), pa.array(ends, Timestamp.arrow()))
        ended = ended.filter(pa.array(ends > _micros(replaced[self._since])))
        rows = pa.concat_tables([ended, news.select(ended.column_names).cast(ended.schema)])
        self.lake.replace(self.name, rows, replaced.select(["_seq"]))

    def _holds_until(self, replaced: pa.Table, news: pa.Table) -> Places:
        """Return until when each row holds: its successor was read then, or is to begin then, if that is later."""
        ends = np.full(replaced.num_rows, self.given.learned_us)
        old, new = _joined(replaced.select(self._names), news.select(self._names))
        ends[old] = np.maximum(ends[old], _micros(news[self._since])[new])
        return ends

    def _learned(self, length: int) -> pa.Array:
        return pa.repeat(pa.scalar(self.given.learned_us, Timestamp.arrow()), length)

    def _complete(self, rows: pa.Table) -> pa.Table:
        """Fill what the source does not say: rows hold since they were read, and still do."""
        if self._since not in rows.column_names:
            rows = rows.append_column(self._since, self._learned(rows.num_rows))
        rows = rows.append_column(self._until, pa.nulls(rows.num_rows, Timestamp.arrow()))
        return rows.select(list(self.job.contract.fields()))

    def _known_at(self, rows: pa.Table) -> pa.Array | pa.ChunkedArray:
        """What came first was known when it began to hold; later changes when they were read."""
        since = rows[self._since]
        if self._first:
            return since
        return pc.if_else(pc.greater(since, self._learned(1)[0]), since, self._learned(1)[0])


def _joined(rows: pa.Table, before: pa.Table) -> tuple[Places, Places]:
    """Return the places of rows that there are before as well, and where those are; nulls are equal."""
    columns = [f"c{number}" for number in range(rows.num_columns)]
    same = " and ".join(f"r.{one} is not distinct from b.{one}" for one in columns)
    with connected() as connection:
        for name, table in (("r", rows), ("b", before)):
            plain = table.rename_columns(columns)
            connection.register(name, plain.append_column("place", pa.array(np.arange(table.num_rows))))
        found = connection.execute(f"select r.place as row, b.place as old from r join b on {same}").fetchnumpy()
    return np.asarray(found["row"]), np.asarray(found["old"])


def _micros(column: pa.ChunkedArray) -> Places:
    return np.asarray(column.cast(pa.int64()).to_numpy())
