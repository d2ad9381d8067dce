"""The lake: a folder of Delta tables that any engine can read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace import sql
from headrace.errors import Fault, HeadraceError
from headrace.lake import query as lake_query
from headrace.lake.bucket import Address
from headrace.lake.commit import Once, restore
from headrace.lake.compact import Compacted, compact
from headrace.lake.dataset import dataset
from headrace.lake.evolve import add_columns, plain
from headrace.lake.lease import leased
from headrace.lake.lock import exclusive
from headrace.lake.log import extent, ordered
from headrace.lake.reading import Reading, arrow_schema, nobody
from headrace.lake.sequence import SEQUENCE, highest_sequence
from headrace.lake.vacuum import Vacuumed, drop, vacuum
from headrace.lake.views import write_views
from headrace.lake.writing import Writing, check_name


def _silent(done: int, total: int) -> None:
    pass


class Lake(Reading, Writing):
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

    def __repr__(self) -> str:
        return f"Lake({len(self.tables())} tables: {', '.join(self.tables())})"

    @property
    def address(self) -> str:
        """By which another process opens the same lake."""
        return str(self.root.absolute()) if isinstance(self.root, Path) else f"s3://{self.root.key}"

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

    def source_of(self, name: str, version: int | None = None, among: Sequence[str] | None = None) -> lake_query.Source:
        """Return what a query reads a table from, and its columns.

        Args:
            name: of the table.
            version: to read; the newest by default.
            among: names of Parquet files of this or another version that are to be read instead of its own.
        """
        table, path = self._open(name, version), self.root / name
        schema = arrow_schema(table)
        if isinstance(path, Address):
            known = ordered(table) if among is None else [{"path": one} for one in among]
            return dataset(path, known, plain(schema)), schema
        return self._files(name, table, version) if among is None else [str(path / one) for one in among], schema

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

    def attach(self, path: Path, left_out: Callable[[Fault], None] = nobody) -> int:
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
        write_views(path, {name: (files[name], arrow_schema(one), extent(one)) for name, one in tables.items()})
        return len(tables)

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
