"""Merge by key: files that hold a row which changes are written anew without it, and new rows follow, in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import deltalake
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.errors import Fault, HeadraceError, nearest
from headrace.lake import parts
from headrace.lake.bucket import Place, source
from headrace.lake.commit import Exchange, Once, clear_errors, ensure, exchange, is_table, open_table, same_columns
from headrace.lake.evolve import aligned, aligned_batch, held, plain
from headrace.lake.keys import Keys, Positions, positions_of, same_rows
from headrace.lake.log import SAME_ROWS_AS, lifetimes, ordered, standing
from headrace.lake.parts import Part, discard
from headrace.lake.sequence import SEQUENCE, highest_sequence
from headrace.lake.strangers import require_writable

_BATCH_ROWS = 100_000


@dataclass(frozen=True)
class MergeReport:
    """What a merge did, in rows.

    Args:
        version: that holds the rows.
        inserted: rows of keys that the table did not have.
        updated: rows that took the place of others of their key.
        deleted: rows that were taken out and have no successor.
        unchanged: rows that the table had already, as they are.
    """

    version: int
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0

    def counts(self) -> dict[str, int]:
        """Return the counts by their names."""
        return {name: getattr(self, name) for name in ("inserted", "updated", "deleted", "unchanged")}


@dataclass(frozen=True)
class _Seen:
    """Rows of a file that have a wanted key: where they are, which key, and whether they are what is to be written."""

    rows: Positions
    keys: Positions
    equal: npt.NDArray[np.bool_]


@dataclass
class _Work:
    """What one merge has read and written so far; what still holds of it is used again when another came first.

    Args:
        path: of the table.
        rows: to be written.
        keys: whose rows go: first those of ``rows``, by their place in it, then those that are deleted.
        compared: whether a row that is in the table already stays, or all rows of the keys go.
        operation: as the history names it.
        message: kept with the commit.
    """

    path: Place
    rows: pa.Table
    keys: Keys
    compared: bool
    operation: str
    message: Mapping[str, Any]
    seen: dict[str, _Seen] = field(default_factory=dict)
    rewritten: dict[str, tuple[Positions, list[Part]]] = field(default_factory=dict)
    appended: tuple[Positions, list[Part]] | None = None
    report: MergeReport = field(default_factory=lambda: MergeReport(-1))

    def exchange(self, table: deltalake.DeltaTable) -> Exchange:
        """Return which files are to take the place of which others in the newest version of a table."""
        schema = plain(pa.schema(table.schema().to_arrow()))
        files = [one for one in ordered(table) if self.keys.may_be_in(one)]
        for one in files:
            if one["path"] not in self.seen:
                self.seen[one["path"]] = self._look(one["path"], schema)
        seen = {one["path"]: self.seen[one["path"]] for one in files if len(self.seen[one["path"]].rows)}
        kept = self._kept(list(seen.values()))
        gone = {path: one.rows[~kept[one.keys]] for path, one in seen.items()}
        gone = {path: rows for path, rows in gone.items() if len(rows)}
        added = [part for path, rows in gone.items() for part in self._without(path, rows, schema)]
        added += self._new(np.flatnonzero(~kept[: self.rows.num_rows]) if self.compared else self._all())
        self.report = self._counted(kept, list(seen.values()), gone)
        # A row that is taken out may be the one that has the highest sequence, which is not given again.
        notes = [(SEQUENCE, highest_sequence(self.path, table))] if gone and "_seq" in schema.names else []
        counts = self.report.counts()
        message = {**self.message, **counts, **({} if added or gone else {SAME_ROWS_AS: standing(table)})}
        rows = counts["inserted"] + counts["updated"]
        return Exchange(tuple(gone), tuple(added), message, self.operation, rows, tuple(notes))

    def forget(self) -> None:
        """Remove what was written and never became part of the table, such as for a version that was overtaken."""
        written = [part for _, some in self.rewritten.values() for part in some]
        written += self.appended[1] if self.appended is not None else []
        named = set()
        if written and is_table(self.path):
            named = {one.path for one in lifetimes(self.path)[0]}
        discard([part for part in written if part.path.name not in named])

    def begin(self) -> None:
        """Write the rows of a table that is yet to be: where that fails, there is none."""
        self._new(self._all())

    def _look(self, name: str, schema: pa.Schema) -> _Seen:
        compared = [one for one in schema.names if not one.startswith("_")] if self.compared else []
        rows, keys, equal = [], [], []
        with pq.ParquetFile(source(self.path / name)) as file:
            for group, first, places, numbers in self.keys.places(file, schema):
                same = np.zeros(len(places), bool)
                mine = np.flatnonzero(numbers < self.rows.num_rows)
                if compared and len(mine):
                    wanted = pa.schema([schema.field(one) for one in compared])
                    old = aligned(file.read_row_group(group, columns=held(file, wanted)), wanted).take(places[mine])
                    new = self.rows.select(compared).take(numbers[mine])
                    same[mine] = same_rows(old.cast(new.schema), new)
                rows.append(places + first)
                keys.append(numbers)
                equal.append(same)
        return _Seen(positions_of(rows), positions_of(keys), np.concatenate([np.empty(0, bool), *equal]))

    def _kept(self, seen: Sequence[_Seen]) -> npt.NDArray[np.bool_]:
        """Return for each key whether its one row in the table is what it is to be."""
        count = np.zeros(self.keys.count, np.int64)
        same = np.zeros(self.keys.count, bool)
        for one in seen:
            np.add.at(count, one.keys, 1)
            same[one.keys[one.equal]] = True
        return np.asarray(same & (count == 1))

    def _counted(
        self, kept: npt.NDArray[np.bool_], seen: Sequence[_Seen], gone: Mapping[str, Positions]
    ) -> MergeReport:
        rows, taken = self.rows.num_rows, sum(len(one) for one in gone.values())
        if not self.compared:
            return MergeReport(-1, inserted=rows, deleted=taken)
        there = np.zeros(self.keys.count, bool)
        there[positions_of([one.keys for one in seen])] = True
        unchanged = int(kept[:rows].sum())
        updated = int(there[:rows].sum()) - unchanged
        return MergeReport(-1, rows - updated - unchanged, updated, taken - updated, unchanged)

    def _without(self, name: str, rows: Positions, schema: pa.Schema) -> list[Part]:
        """Write a file anew without some of its rows."""
        before = self.rewritten.get(name)
        if before is not None and np.array_equal(before[0], rows):
            return before[1]
        if before is not None:
            discard(before[1])
        batches = _batches(self.path / name, rows, schema)
        made = parts.write(self.path, pa.RecordBatchReader.from_batches(schema, batches), in_place_of=name)
        self.rewritten[name] = (rows, made)
        return made

    def _all(self) -> Positions:
        return np.arange(self.rows.num_rows)

    def _new(self, rows: Positions) -> list[Part]:
        if self.appended is not None and np.array_equal(self.appended[0], rows):
            return self.appended[1]
        if self.appended is not None:
            discard(self.appended[1])
        chosen = self.rows if len(rows) == self.rows.num_rows else self.rows.take(rows)
        self.appended = (rows, parts.write(self.path, chosen))
        return self.appended[1]


def merge(
    path: Place,
    rows: pa.Table,
    columns: Sequence[str],
    deletes: pa.Table | None,
    once: Once | None,
    message: Mapping[str, Any] | None,
) -> MergeReport:
    """Give a table the rows of some keys; see ``Lake.merge``."""
    rows = _as_kept(path.name, rows)
    wanted = _chosen(path.name, rows, columns)
    if deletes is not None:
        wanted = pa.concat_tables([wanted, _chosen(path.name, deletes, columns).cast(wanted.schema)])
    keys = Keys(path.name, wanted)
    _single(path.name, keys, wanted)
    return _done(_Work(path, rows, keys, True, "merge", message or {}), once)


def replace_rows(
    path: Place, rows: pa.Table, where_keys: pa.Table, once: Once | None, message: Mapping[str, Any] | None
) -> MergeReport:
    """Put rows in the place of all rows that have one of some keys; see ``Lake.replace``."""
    rows = _as_kept(path.name, rows)
    kinds = _chosen(path.name, rows, where_keys.column_names).schema
    keys = Keys(path.name, where_keys.cast(kinds))
    return _done(_Work(path, rows, keys, False, "replace", message or {}), once)


def _as_kept(name: str, rows: pa.Table) -> pa.Table:
    """Return rows in the types in which a table gives them back."""
    with clear_errors(name):
        return rows.cast(pa.schema(deltalake.Schema.from_arrow(rows.schema).to_arrow()))


def _done(work: _Work, once: Once | None) -> MergeReport:
    path, schema = work.path, work.rows.schema
    try:
        with clear_errors(path.name):
            if is_table(path):
                table = open_table(path)
                require_writable(path.name, table)
                same_columns(path.name, table, schema)
            else:
                path.mkdir(parents=True, exist_ok=True)
                work.begin()
        ensure(path, schema)
        version = exchange(path, work.exchange, once)
    finally:
        work.forget()
    return MergeReport(version, **work.report.counts())


def _chosen(name: str, rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    if not columns:
        raise HeadraceError(Fault("HR-LAKE-020", "", f"no key for {name}", "a column at least", "name the columns"))
    if missing := [one for one in columns if one not in rows.column_names]:
        raise HeadraceError(
            Fault("HR-LAKE-011", "", f"keys of {name} in {one}", "a column", nearest(one, rows.column_names))
            for one in missing
        )
    return rows.select(list(columns))


def _single(name: str, keys: Keys, wanted: pa.Table) -> None:
    """Refuse a key without a value, and one that is given twice: which row is to stay could not be told."""
    for column in wanted.column_names:
        if wanted[column].null_count:
            found, cure = f"{wanted[column].null_count} rows for {name} without {column}", "leave them out"
            raise HeadraceError(Fault("HR-LAKE-020", "", found, "a value in each column of the key", cure))
    if twice := wanted.num_rows - keys.count:
        found = f"{twice} rows for {name} whose {', '.join(wanted.column_names)} another row or delete has as well"
        raise HeadraceError(Fault("HR-LAKE-020", "", found, "each key once", "hand over the newest row of each key"))


def _batches(path: Place, gone: Positions, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    first = 0
    with pq.ParquetFile(source(path)) as file:
        for batch in file.iter_batches(batch_size=min(_BATCH_ROWS, parts.group_rows(schema))):
            here = gone[np.searchsorted(gone, first) : np.searchsorted(gone, first + batch.num_rows)] - first
            first += batch.num_rows
            stays = np.ones(batch.num_rows, bool)
            stays[here] = False
            if stays.any():
                part = aligned_batch(batch, schema)
                yield part.filter(pa.array(stays)) if len(here) else part
