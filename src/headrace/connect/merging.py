"""Rows that take the place of others: merged by their key, as all that there is now, or with their history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.connect.known import keys_of
from headrace.connect.loads import Load
from headrace.connect.work import Work
from headrace.contracts import KeyIndex
from headrace.contracts.problems import Rows
from headrace.declare import Contract

_ADDED = ("_seq", "_known_at", "_load")


class _Anew(KeyIndex):
    """Knows no key: a row whose key is there takes the place of the other."""

    def repeated(self, keys: pa.Table, good: npt.NDArray[np.bool_]) -> Rows:
        return np.empty(0, np.int64)


@dataclass
class Merging(Work):
    """Rows on their way into a table that has one row of each key.

    A merge can be done again, so a load that was cut off is gone through from its beginning. A row that is there as it
    is stays untouched, with the sequence and the load that brought it.

    Args:
        whole: whether what is loaded is all that there is: then each key comes once, and what is not among it goes.
        learned_us: microseconds UTC, when the rows were read.
        history: whether rows that go are kept, with the time until which they held.
    """

    whole: bool = field(default=False, kw_only=True)
    learned_us: int = field(default=0, kw_only=True)
    history: bool = field(default=False, kw_only=True)
    _delivered: list[pa.Table] = field(default_factory=list, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        names = self.contract.key_fields()
        self._keys = KeyIndex(names) if self.whole else _Anew(names)
        self._first = self.lake.rows(self.name) == 0

    def reached(self, load: Load) -> int:
        """A merge changes nothing when it is done again."""
        return 0

    def end(self, others: Iterator[pa.Table] | None) -> None:
        """Take out the rows whose key is not among all that there are.

        Args:
            others: keys of all rows that there are, where not all rows were loaded; None to keep what did not come.
        """
        if not self.whole and others is None:
            return
        names = list(self.contract.key_fields())
        there = [keys_of(part, self.contract) for part in others] if others is not None else self._delivered
        index = KeyIndex(names, lambda: there)
        for batch in list(self.lake.batches(self.name, columns=[*names, *self._ends()])):
            rows = pa.Table.from_batches([batch])
            gone = np.ones(len(rows), np.bool_)
            gone[index.repeated(rows.select(names), np.zeros(len(rows), np.bool_))] = False
            if self.history:
                gone &= rows[self._until].is_null().to_numpy()
            if gone.any():
                self._take_out(rows.filter(pa.array(gone)).select(names))

    def _validate(self, load: Load, batch: pa.Table, rows: npt.NDArray[np.int64], new: npt.NDArray[np.bool_]) -> int:
        if self.whole:
            self._delivered.append(keys_of(batch, self.contract))
        return super()._validate(load, self._with_period(batch) if self.history else batch, rows, new)

    def _commit(self, rows: pa.Table) -> None:
        names = list(self.contract.key_fields())
        newest = _last_of_each(rows, names)
        if not newest.num_rows:
            return
        if self.history:
            self._succeed(newest)
        else:
            self.lake.merge(self.name, newest, keys=names)

    def _verify(self, ended: list[tuple[Load, int, int, int]]) -> None:
        """Rows that others took the place of are not in the lake any more."""

    def _take_out(self, keys: pa.Table) -> None:
        if self.history:
            self._close(self._open_rows(keys), None)
        else:
            nothing = self.lake.schema(self.name).empty_table()
            self.lake.merge(self.name, nothing, keys=keys.column_names, deletes=keys)

    @property
    def _until(self) -> str:
        return self.contract.role("valid_to") or ""

    def _ends(self) -> list[str]:
        return [self._until] if self.history else []

    def _with_period(self, batch: pa.Table) -> pa.Table:
        """Fill what the source does not say: rows hold from when they were read, and still do."""
        since, until = self.contract.role("valid_from") or "", self._until
        learned = pa.scalar(self.learned_us, pa.timestamp("us", tz="UTC"))
        if since not in batch.column_names:
            batch = batch.append_column(since, pa.repeat(learned, batch.num_rows))
        if until not in batch.column_names:
            batch = batch.append_column(until, pa.nulls(batch.num_rows, learned.type))
        return batch

    def _succeed(self, rows: pa.Table) -> None:
        """Let rows follow those of their keys that still hold, where they differ from them."""
        names = list(self.contract.key_fields())
        before = self._open_rows(rows.select(names))
        said = [name for name in self.contract.fields() if name not in self._filled]
        known = before.select(said).append_column("#row", pa.array(np.arange(len(before))))
        same = _matched(rows, known, said)
        news = rows.filter(pa.array(~same[0]))
        replaced = np.isin(np.arange(len(before)), same[1], invert=True)
        self._close(before.filter(pa.array(replaced)), news)

    @property
    def _filled(self) -> set[str]:
        return {self._until} | ({self.contract.role("valid_from") or ""} if self.fills_since else set())

    fills_since: bool = field(default=False, kw_only=True)

    def _open_rows(self, keys: pa.Table) -> pa.Table:
        """Return the rows of some keys that still hold."""
        index = KeyIndex(keys.column_names, lambda: [keys])
        found = [self.lake.schema(self.name).empty_table()]
        for batch in self.lake.batches(self.name):
            rows = pa.Table.from_batches([batch]).filter(pc.is_null(batch[self._until]))
            mine = index.repeated(rows.select(keys.column_names), np.zeros(len(rows), np.bool_))
            found.append(rows.take(pa.array(mine)))
        return pa.concat_tables(found)

    def _close(self, rows: pa.Table, news: pa.Table | None) -> None:
        """End rows at the moment at which their successors were read; both in one commit."""
        if not rows.num_rows and (news is None or not news.num_rows):
            return
        learned = pa.scalar(self.learned_us, pa.timestamp("us", tz="UTC"))
        at = rows.column_names.index(self._until)
        ended = rows.set_column(at, rows.schema.field(at), pa.repeat(learned, rows.num_rows))
        both = ended if news is None else pa.concat_tables([ended, news.select(ended.column_names).cast(ended.schema)])
        self.lake.replace(self.name, both, rows.select(["_seq"]))

    def _known(self, rows: pa.Table) -> pa.Array | pa.ChunkedArray:
        """What came with the first load was known when it began to hold; later changes when they were read."""
        if not self.history or self._first:
            return super()._known(rows)
        since = rows[self.contract.role("valid_from") or ""]
        return pc.max_element_wise(since, pa.scalar(self.learned_us, since.type))


def _last_of_each(rows: pa.Table, names: list[str]) -> pa.Table:
    """Return the last row of each key, in their order."""
    numbered = rows.select(names).append_column("#row", pa.array(np.arange(rows.num_rows)))
    last = numbered.group_by(names).aggregate([("#row", "max")])["#row_max"]
    return rows if len(last) == rows.num_rows else rows.take(pc.sort_indices(last) if False else _ascending(last))


def _ascending(places: pa.ChunkedArray) -> pa.Array:
    return pa.array(np.sort(places.to_numpy()))


def _matched(
    rows: pa.Table, before: pa.Table, names: list[str]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Return which rows are there before, and at which places; nulls are equal."""
    raise NotImplementedError


def period_fields(contract: type[Contract]) -> tuple[str, str]:
    """Return the names of the fields that say from and until when a row holds."""
    return contract.role("valid_from") or "", contract.role("valid_to") or ""
