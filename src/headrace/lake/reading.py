"""The half of a lake that reads: its tables, and of each the rows, columns, files and versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from headrace import sql
from headrace.clock import from_us
from headrace.contracts.nested import column_at
from headrace.errors import Fault, HeadraceError, nearest
from headrace.lake.bucket import Address, Place, files, place, source
from headrace.lake.changes import Changed, changed
from headrace.lake.commit import clear_errors, done, is_table, seen_table
from headrace.lake.evolve import aligned, aligned_batch, held, plain
from headrace.lake.log import Extent, extent, lifetimes, only_grew, ordered, standing, told
from headrace.lake.sequence import highest_sequence
from headrace.lake.strangers import cannot_open, empty, require_plain, require_sequence
from headrace.lake.within import Within
from headrace.lake.writing import NAME

_ENDS = ("min", "max")


def nobody(left_out: Fault) -> None:
    """Tell nobody of a table that is left out."""


class Reading:
    """What ``Lake`` does that reads tables, their columns, files and versions."""

    def __init__(self, root: Path | str) -> None:
        self.root: Place = place(root)
        self._there: set[str] = set()

    def tables(self) -> list[str]:
        """Return the names of all tables, sorted."""
        with clear_errors(self.root.name):
            if not self.root.exists():
                return []
            named = [one for one in self.root.iterdir() if NAME.fullmatch(one.name)]
            return sorted(one.name for one in named if (one / "_delta_log").exists())

    def exists(self, name: str) -> bool:
        """Return whether the lake has a table of this name."""
        if NAME.fullmatch(name) is None:
            return False
        if name in self._there:  # to ask a bucket takes its time
            return True
        if is_table(self.root / name):
            self._there |= {name} if isinstance(self.root, Address) else set()
            return True
        return False

    def version(self, name: str) -> int:
        """Return the version that brought the rows that a table has: its newest, compactions aside."""
        return standing(self._open(name))

    def schema(self, name: str, version: int | None = None, columns: list[str] | None = None) -> pa.Schema:
        """Return the Arrow schema of a table, or of some of its columns, as ``read`` gives them."""
        return self._columns(name, self._open(name, version), version, columns)

    def committed(self, name: str, app: str) -> int:
        """Return the highest number that ``append(once=(app, number))`` has committed, or -1."""
        return self.committed_each(name, [app])[app]

    def committed_each(self, name: str, apps: Iterable[str]) -> dict[str, int]:
        """Return the highest number that was committed under each application id, or -1, as of one moment."""
        table = self._open(name) if self.exists(name) else None
        return {app: -1 if table is None else done(table, app) for app in apps}

    def read(
        self, name: str, *, version: int | None = None, at: int | None = None, columns: list[str] | None = None
    ) -> pa.Table:
        """Return a table's rows in the order in which they were appended.

        Args:
            name: of the table.
            version: to read, or
            at: the moment (UTC microseconds) as of whose last commit to read; default is the newest version.
            columns: to read, what is in structs by its path, such as ``address.city``; all of them by default. A
                column that came later than a version is null in it.

        Raises:
            HeadraceError: HR-LAKE-001 unknown table, 007 no such version, 011 unknown column, 025 rows that another
                program wrote without a sequence, 026 a table whose files do not say what its rows are.
        """
        if at is not None:
            version = self.version_at(name, at)
        table = self._open(name, version)  # once: columns and files of one moment
        schema = self._columns(name, table, version, columns)
        require_sequence(self.root / name, table)
        return pa.concat_tables(
            [_rows(file, schema) for file in self._files(name, table, version)] or [schema.empty_table()]
        )

    def batches(
        self,
        name: str,
        *,
        version: int | None = None,
        columns: list[str] | None = None,
        within: Within | None = None,
        batch_rows: int = 1_000_000,
    ) -> Iterator[pa.RecordBatch]:
        """Yield a table's rows in order, at most ``batch_rows`` at a time, in memory bounded by that.

        Args:
            name: of the table.
            version: to read; the newest by default.
            columns: to read; all of them by default.
            within: bounds of one of these columns; files that have none of these rows are not opened.
            batch_rows: of a batch at most.

        Raises:
            HeadraceError: as in ``read``.
        """
        table = self._open(name, version)
        schema = self._columns(name, table, version, columns)
        require_sequence(self.root / name, table)
        for path in self._files(name, table, version, within):
            with pq.ParquetFile(source(path)) as file:
                groups = None if within is None else within.groups(file)
                for batch in file.iter_batches(batch_size=batch_rows, row_groups=groups, columns=held(file, schema)):
                    part = aligned_batch(batch, schema)
                    yield part if within is None else within.rows(part)

    def files(self, name: str, version: int | None = None, within: Within | None = None) -> list[str]:
        """Return the Parquet files of a version, in the order in which their rows were appended.

        Args:
            name: of the table.
            version: to read; the newest by default.
            within: bounds; files that have no rows between them are left out.
        """
        return self._files(name, self._open(name, version), version, within)

    def _files(
        self, name: str, table: deltalake.DeltaTable, version: int | None, within: Within | None = None
    ) -> list[str]:
        named = ordered(table)
        if within is not None:
            named = [one for one in named if within.may_hold(*(one.get(f"{end}.{within.column}") for end in _ENDS))]
        paths = [self.root / name / one["path"] for one in named]
        if version is not None and not {path.name for path in paths} <= {one[0] for one in files(self.root / name)}:
            found, cure = f"version {version} of {name}, whose files a vacuum removed", "name a version that is kept"
            cure = f"{cure}: headrace lake history {name}"
            raise HeadraceError(Fault("HR-LAKE-007", "", found, "a version that can still be read", cure))
        return [str(path) for path in paths]

    def rows(self, name: str, version: int | None = None) -> int:
        """Return the number of rows, from the log alone."""
        added = pa.table(self._open(name, version).get_add_actions(flatten=True))
        return sum(int(count or 0) for count in added["num_records"].to_pylist())

    def history(self, name: str) -> list[dict[str, Any]]:
        """Return the commits of a table, newest first: version, at (UTC microseconds), operation, rows, message."""
        return [told(one) for one in self._open(name).history()]

    def version_at(self, name: str, at: int) -> int:
        """Return the version that was the newest at a moment (UTC microseconds); HR-LAKE-007 when there was none."""
        commits = self.history(name)
        fitting = [one["version"] for one in commits if one["at"] <= at]
        if not fitting:
            found = f"{name} did not exist yet at {from_us(at).isoformat()}"
            expected = f"a moment from {from_us(commits[-1]['at']).isoformat()} on"
            cure = "name a later moment, or none for the newest version"
            raise HeadraceError(Fault("HR-LAKE-007", "", found, expected, cure))
        return int(max(fitting))

    def extent(self, name: str) -> Extent:
        """Return the newest version of a table with its rows, files and bytes, from the log alone."""
        return extent(self._open(name))

    def identity(self, name: str) -> str:
        """Return what tells a table from another of its name, such as one that was made again."""
        return str(self._open(name).metadata().id)

    def unreadable(self, name: str) -> set[int]:
        """Return the versions of a table of which a vacuum has removed files."""
        newest = int(self._open(name).version())
        there = {one[0] for one in files(self.root / name)}
        lost = [one for one in lifetimes(self.root / name)[0] if one.path not in there]
        return {version for version in range(newest + 1) if any(one.spans(version) for one in lost)}

    def changed(self, name: str, since: int, until: int) -> Changed | None:
        """Return the files whose rows came or went after one version, up to another; None where they are gone."""
        return changed(self.root / name, since, until)

    def only_grew(self, name: str, since: int) -> bool:
        """Return whether all that was committed after a version added rows, or left them as they were."""
        return only_grew(self._open(name), since)

    def sequence(self, name: str) -> int:
        """Return the highest sequence that a row of a table was ever given, also one that is no longer there."""
        if not self.exists(name) or "_seq" not in self.schema(name).names:
            return 0
        require_sequence(self.root / name, self._open(name))
        return highest_sequence(self.root / name, self._open(name))

    def readable(self, left_out: Callable[[Fault], None] = nobody) -> list[str]:
        """Return the names of the tables that can be read; a warning tells why others cannot."""
        return [name for name, _ in self._opened(self.tables(), left_out)]

    def _opened(
        self, names: Iterable[str], left_out: Callable[[Fault], None]
    ) -> Iterator[tuple[str, deltalake.DeltaTable]]:
        for name in names:
            try:
                yield name, self._open(name)
            except HeadraceError as error:
                for fault in error.faults:
                    left_out(replace(fault, severity="warning"))

    def _open(self, name: str, version: int | None = None) -> deltalake.DeltaTable:
        if not self.exists(name):
            there = self.tables()
            raise HeadraceError(empty(name) if name in there else sql.unknown(name, there))
        try:
            table = seen_table(self.root / name, version)
            require_plain(name, table)
            return table
        except (DeltaError, OSError, ValueError) as error:
            if version is None and isinstance(error, DeltaError):
                raise cannot_open(name, error) from error
            newest = seen_table(self.root / name).version()
            if version is None or 0 <= version <= newest:
                raise
            found = f"{name} has no version {version}"
            fault = Fault("HR-LAKE-007", "", found, f"a version from 0 to {newest}", "name one of these, or none")
            raise HeadraceError(fault) from error

    def _columns(
        self, name: str, table: deltalake.DeltaTable, version: int | None, columns: list[str] | None
    ) -> pa.Schema:
        schema = plain(arrow_schema(table))
        if version is not None and any(column not in schema.names for column in columns or ()):
            later = self.schema(name)
            schema = pa.schema([*schema, *(one for one in later if one.name not in schema.names)])
        paths = [column for column in columns or () if column not in schema.names]
        within = {path: found for path in paths if (found := column_at(schema.empty_table(), path)) is not None}
        unknown = [path for path in paths if path not in within]
        if unknown:
            raise HeadraceError(
                Fault("HR-LAKE-011", "", f"{name} has no column {column}", "a column", nearest(column, schema.names))
                for column in unknown
            )
        if columns is None:
            return schema
        return pa.schema([(one, within[one].type) if one in within else schema.field(one) for one in columns])


def arrow_schema(table: deltalake.DeltaTable) -> pa.Schema:
    """Return the columns of a table as Arrow has them."""
    schema: pa.Schema = pa.schema(table.schema().to_arrow())
    return schema


def _rows(path: str, schema: pa.Schema) -> pa.Table:
    with pq.ParquetFile(source(path)) as file:
        return aligned(file.read(columns=held(file, schema)), schema)
