"""The lake: a folder of Delta tables that any engine can read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
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
from headrace.lake import query as lake_query
from headrace.lake.bucket import Address, Place, files, place, source
from headrace.lake.changes import Changed, changed
from headrace.lake.commit import Once, clear_errors, done, is_table, open_table, restore
from headrace.lake.compact import Compacted, compact
from headrace.lake.dataset import dataset
from headrace.lake.evolve import add_columns, aligned, aligned_batch, held, plain
from headrace.lake.lease import leased
from headrace.lake.lock import exclusive
from headrace.lake.log import Extent, extent, lifetimes, only_grew, ordered, standing, told
from headrace.lake.sequence import SEQUENCE, highest_sequence
from headrace.lake.strangers import cannot_open, require_plain, require_sequence
from headrace.lake.vacuum import Vacuumed, drop, vacuum
from headrace.lake.views import write_views
from headrace.lake.within import Within
from headrace.lake.writing import NAME, Writing, check_name

_ENDS = ("min", "max")


def _silent(done: int, total: int) -> None:
    pass


def _nobody(left_out: Fault) -> None:
    pass


class Lake(Writing):
    """Tables with versions under one folder; each ``root/<table>/`` is a plain Delta table.

    Args:
        root: folder of the lake; made at the first write. Or an address in a bucket, ``s3://bucket/path``, for which
            endpoint, region and keys come from the environment, as in every client of S3.

    Example:
        >>> import tempfile
        >>> lake = Lake(Path(tempfile.mkdtemp()))
        >>> version = lake.append("payments", pa.table({"amount": [3, 4]}))
        >>> lake.sql("select max(amount) as most from payments").to_pylist()
        [{'most': 4}]
    """

    def __init__(self, root: Path | str) -> None:
        self.root: Place = place(root)
        self._there: set[str] = set()

    def __repr__(self) -> str:
        return f"Lake({len(self.tables())} tables: {', '.join(self.tables())})"

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

    def compact(self, name: str, progress: Callable[[int, int], None] = _silent) -> Compacted:
        """Write the small files of a table as few large ones: a version with the same rows in the same order.

        What depends on the rows does not see it: ``version`` stays what it was. Others may append meanwhile.

        Args:
            name: of the table.
            progress: called with the rows that are done, and with all that there are to do.

        Raises:
            HeadraceError: HR-LAKE-001 unknown table, 002 disk full, 003 too many collisions.
        """
        self._open(name)
        return compact(self.root / name, progress)

    def vacuum(self, name: str, before_us: int, pinned: Collection[int], *, dry_run: bool = False) -> Vacuumed:
        """Remove files of a table that were of no use before a moment, unless a pinned version has them.

        Args:
            name: of the table.
            before_us: microseconds UTC; a version that was the newest at any time after it stays readable. Give
                an hour ago or more, since others may be reading or writing.
            pinned: versions that stay readable however old they are.
            dry_run: whether only to say what would be removed.

        Raises:
            HeadraceError: HR-LAKE-001 unknown table, 010 a file that cannot be removed.
        """
        self._open(name)
        return vacuum(self.root / name, before_us, pinned, dry_run=dry_run)

    def drop(self, name: str) -> None:
        """Remove a table with all its versions, whoever made it and whether it can be read or not.

        Raises:
            HeadraceError: HR-LAKE-001 unknown table, 010 a file that cannot be removed.
        """
        if name not in (there := self.tables()):
            raise HeadraceError(sql.unknown(name, there))
        drop(self.root / name)
        self._there.discard(name)

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

    def source_of(self, name: str, version: int | None = None, among: Sequence[str] | None = None) -> lake_query.Source:
        """Return what a query reads a table from, and its columns.

        Args:
            name: of the table.
            version: to read; the newest by default.
            among: names of Parquet files of this or another version that are to be read instead of its own.
        """
        table, path = self._open(name, version), self.root / name
        schema = _arrow_schema(table)
        if isinstance(path, Address):
            known = ordered(table) if among is None else [{"path": one} for one in among]
            return dataset(path, known, plain(schema)), schema
        return self._files(name, table, version) if among is None else [str(path / one) for one in among], schema

    def only_grew(self, name: str, since: int) -> bool:
        """Return whether all that was committed after a version added rows, or left them as they were."""
        return only_grew(self._open(name), since)

    def sequence(self, name: str) -> int:
        """Return the highest sequence that a row of a table was ever given, also one that is no longer there."""
        if not self.exists(name) or "_seq" not in self.schema(name).names:
            return 0
        require_sequence(self.root / name, self._open(name))
        return highest_sequence(self.root / name, self._open(name))

    def restore(
        self, name: str, version: int, *, once: Once | None = None, message: Mapping[str, Any] | None = None
    ) -> int:
        """Make the rows of an older version the newest one; nothing is lost, the versions between stay.

        Args:
            name: of the table.
            version: whose rows the table is to have.
            once: as in ``append``.
            message: as in ``append``; ``restored`` is added to it.

        Returns:
            The version that holds the rows.

        Raises:
            HeadraceError: HR-LAKE-001 unknown table, 002 disk full, 003 too many collisions, 007 no such version, or
                one that was vacuumed.
        """
        self.files(name, version)
        seen = highest_sequence(self.root / name, self._open(name)) if "_seq" in self.schema(name).names else 0
        notes = [(SEQUENCE, seen)]
        return restore(self.root / name, version, once, notes, {**(message or {}), "restored": version})

    def sql(
        self, query: str, versions: Mapping[str, int] | None = None, reads: Collection[str] | None = None
    ) -> pa.Table:
        """Return the result of one SELECT (DuckDB's dialect, times in UTC) over the tables that it names.

        The query reads those tables and nothing else: no file, no network, no setting.

        Args:
            query: SQL; one statement that only reads.
            versions: of tables to be read as of; the newest by default.
            reads: names of the tables where they are known, as for a query of our own: it need not be parsed for them.

        Raises:
            HeadraceError: HR-LAKE-001 unknown table, 005 not a SELECT, 006 what DuckDB says of it.
        """
        if reads is not None:
            known = {name: self.source_of(name, (versions or {}).get(name)) for name in reads}
            return lake_query.run(query, known, known=True)
        return lake_query.run(query, self._sources(query, versions or {}))

    def attach(self, path: Path, left_out: Callable[[Fault], None] = _nobody) -> int:
        """Write a DuckDB database file with a view of each table as it is now; return how many there are.

        Args:
            path: of the file.
            left_out: is told why a table is not among them: one that another program made, and that is refused.

        Raises:
            HeadraceError: HR-LAKE-015 when the file cannot be written, or is another one; 021 for a lake in a bucket.
        """
        if isinstance(self.root, Address):
            found, cure = (
                f"a lake in a bucket, {self.root}",
                "ask with 'headrace query', or read the Delta tables there",
            )
            raise HeadraceError(Fault("HR-LAKE-021", "", found, "a folder, for views of its files", cure))
        tables = dict(self._opened(self.tables(), left_out))
        files = {name: self._files(name, table, None) for name, table in tables.items()}
        write_views(path, {name: (files[name], _arrow_schema(one), extent(one)) for name, one in tables.items()})
        return len(tables)

    def readable(self, left_out: Callable[[Fault], None] = _nobody) -> list[str]:
        """Return the names of the tables that can be read; of others, such as partitioned ones, it is told why not."""
        return [name for name, _ in self._opened(self.tables(), left_out)]

    def _opened(
        self, names: Iterable[str], left_out: Callable[[Fault], None]
    ) -> Iterator[tuple[str, deltalake.DeltaTable]]:
        for name in names:
            try:
                yield name, self._open(name)
            except HeadraceError as error:
                for fault in error.faults:
                    left_out(fault)

    def add_columns(self, name: str, schema: pa.Schema) -> int:
        """Give a table the columns of a schema that it lacks, null in the rows that are there; return its version.

        No row is written anew and no version of the rows is made: ``version`` stays what it was, and reading an older
        version gives null for a column that came later.

        Raises:
            HeadraceError: HR-LAKE-001 unknown table, 002 disk full, 003 too many collisions.

        Example:
            >>> import tempfile
            >>> lake = Lake(Path(tempfile.mkdtemp()))
            >>> version = lake.append("payments", pa.table({"amount": [3]}))
            >>> version = lake.add_columns("payments", pa.schema([("settled", pa.bool_())]))
            >>> lake.read("payments").to_pylist()
            [{'amount': 3, 'settled': None}]
        """
        self._open(name)
        return add_columns(self.root / name, schema)

    def answered(
        self, query: str, versions: Mapping[str, int] | None = None
    ) -> AbstractContextManager[lake_query.Answer]:
        """Return the result of one SELECT as ``sql`` does, for a ``with`` block and batch by batch."""
        return lake_query.answered(query, self._sources(query, versions or {}))

    def lock(self, name: str, wait_s: float = 600.0) -> AbstractContextManager[None]:
        """Return a lock on a name, for writes that depend on what was read before; a kill frees it.

        In a bucket it is a lease, see ``headrace.lake.lease``: what a kill left behind is free after a minute.
        """
        check_name(name)
        if isinstance(self.root, Address):
            return leased(self.root / ".locks" / name, wait_s)
        return exclusive(self.root / ".locks" / f"{name}.lock", wait_s)

    def _sources(self, query: str, versions: Mapping[str, int]) -> dict[str, lake_query.Source]:
        """Return what a query may see: the tables that it names, or all where it names none, as in ``show tables``."""
        by_lower = {name.lower(): name for name in self.tables()}
        faults, found = [], {}
        named = sql.tables(query)
        for asked in named or map(str.lower, self.readable()):
            name = by_lower.get(asked.lower())
            if name is None:
                faults.append(sql.unknown(asked, by_lower.values()))
            else:
                found[name] = self.source_of(name, versions.get(name))
        faults = faults or list(sql.natural_joins(query, {name: schema.names for name, (_, schema) in found.items()}))
        if faults:
            raise HeadraceError(faults)
        return found

    def _open(self, name: str, version: int | None = None) -> deltalake.DeltaTable:
        if not self.exists(name):
            raise HeadraceError(sql.unknown(name, self.tables()))
        try:
            table = open_table(self.root / name, version)
            require_plain(name, table)
            return table
        except (DeltaError, OSError, ValueError) as error:
            if version is None and isinstance(error, DeltaError):
                raise cannot_open(name, error) from error
            newest = open_table(self.root / name).version()
            if version is None or 0 <= version <= newest:
                raise
            found = f"{name} has no version {version}"
            fault = Fault("HR-LAKE-007", "", found, f"a version from 0 to {newest}", "name one of these, or none")
            raise HeadraceError(fault) from error

    def _columns(
        self, name: str, table: deltalake.DeltaTable, version: int | None, columns: list[str] | None
    ) -> pa.Schema:
        schema = plain(_arrow_schema(table))
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


def _arrow_schema(table: deltalake.DeltaTable) -> pa.Schema:
    schema: pa.Schema = pa.schema(table.schema().to_arrow())
    return schema


def _rows(path: str, schema: pa.Schema) -> pa.Table:
    with pq.ParquetFile(source(path)) as file:
        return aligned(file.read(columns=held(file, schema)), schema)
