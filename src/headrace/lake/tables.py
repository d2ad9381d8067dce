"""The lake: a folder of Delta tables that any engine can read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from headrace import sql
from headrace.errors import Fault, HeadraceError, nearest
from headrace.lake import query as lake_query
from headrace.lake.commit import Once, clear_errors, commit, done, open_table, same_columns
from headrace.lake.lock import exclusive

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")


class Lake:
    """Tables with versions under one folder; each ``root/<table>/`` is a plain Delta table.

    Args:
        root: folder of the lake; made at the first write.

    Example:
        >>> import tempfile
        >>> lake = Lake(Path(tempfile.mkdtemp()))
        >>> version = lake.append("payments", pa.table({"amount": [3, 4]}))
        >>> lake.sql("select max(amount) as most from payments").to_pylist()
        [{'most': 4}]
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"Lake({len(self.tables())} tables: {', '.join(self.tables())})"

    def tables(self) -> list[str]:
        """Return the names of all tables, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(p.parent.name for p in self.root.glob("*/_delta_log") if _NAME.fullmatch(p.parent.name))

    def exists(self, name: str) -> bool:
        """Return whether the lake has a table of this name."""
        return _NAME.fullmatch(name) is not None and deltalake.DeltaTable.is_deltatable(str(self.root / name))

    def version(self, name: str) -> int:
        """Return the newest version of a table."""
        return int(self._open(name).version())

    def schema(self, name: str, version: int | None = None) -> pa.Schema:
        """Return the Arrow schema of a table."""
        return _arrow_schema(self._open(name, version))

    def append(
        self,
        name: str,
        data: pa.Table | pa.RecordBatchReader,
        *,
        schema: pa.Schema | None = None,
        once: Once | None = None,
        message: Mapping[str, Any] | None = None,
    ) -> int:
        """Add rows as one atomic version, making the table where it is absent.

        Args:
            name: of the table; letters, digits and underscores.
            data: rows; a reader is written in bounded memory.
            schema: to which the data is cast first.
            once: application id and number (or several); what has been committed under it is not committed again,
                even after a kill between commit and answer.
            message: plain values kept with the commit and shown by ``history``.

        Returns:
            The version that holds the rows.

        Raises:
            HeadraceError: HR-LAKE-002 disk full, 003 too many collisions, 004 bad name, 008 other columns.
        """
        return self._write(name, data, "append", schema, once, message)

    def overwrite(
        self,
        name: str,
        data: pa.Table | pa.RecordBatchReader,
        *,
        schema: pa.Schema | None = None,
        once: Once | None = None,
        message: Mapping[str, Any] | None = None,
    ) -> int:
        """Replace all rows (and columns) by one atomic version; older versions stay readable. See ``append``."""
        return self._write(name, data, "overwrite", schema, once, message)

    def committed(self, name: str, app: str) -> int:
        """Return the highest number that ``append(once=(app, number))`` has committed, or -1."""
        return done(self._open(name), app) if self.exists(name) else -1

    def read(
        self, name: str, *, version: int | None = None, at: int | None = None, columns: list[str] | None = None
    ) -> pa.Table:
        """Return a table's rows in the order in which they were appended.

        Args:
            name: of the table.
            version: to read, or
            at: the moment (UTC microseconds) as of whose last commit to read; default is the newest version.
            columns: to read; all of them by default.

        Raises:
            HeadraceError: HR-LAKE-001 unknown table, 007 no such version, 011 unknown column.
        """
        if at is not None:
            version = self._version_at(name, at)
        schema = self._columns(name, version, columns)
        parts = [pq.read_table(file, columns=schema.names, partitioning=None) for file in self.files(name, version)]
        return pa.concat_tables([part.select(schema.names).cast(schema) for part in parts] or [schema.empty_table()])

    def batches(
        self,
        name: str,
        *,
        version: int | None = None,
        columns: list[str] | None = None,
        batch_rows: int = 1_000_000,
    ) -> Iterator[pa.RecordBatch]:
        """Yield a table's rows in order, at most ``batch_rows`` at a time, in memory bounded by that."""
        schema = self._columns(name, version, columns)
        for path in self.files(name, version):
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=batch_rows, columns=schema.names):
                    yield batch.select(schema.names).cast(schema)

    def files(self, name: str, version: int | None = None) -> list[str]:
        """Return the Parquet files of a version, in the order in which their rows were appended."""
        table = self._open(name, version)
        added = pa.table(table.get_add_actions(flatten=True))
        if not added.num_rows:
            return []
        rows: list[dict[str, Any]] = added.to_pylist()
        rows.sort(key=lambda row: (row.get("min._seq") or 0, row["path"]))
        return [str(self.root / name / row["path"]) for row in rows]

    def rows(self, name: str, version: int | None = None) -> int:
        """Return the number of rows, from the log alone."""
        added = pa.table(self._open(name, version).get_add_actions(flatten=True))
        return sum(int(count or 0) for count in added["num_records"].to_pylist())

    def history(self, name: str) -> list[dict[str, Any]]:
        """Return the commits of a table, newest first: version, at (UTC microseconds), operation, rows, message."""
        return [_told(one) for one in self._open(name).history()]

    def sql(self, query: str, versions: Mapping[str, int] | None = None) -> pa.Table:
        """Return the result of one SELECT (DuckDB's dialect, times in UTC) over the tables that it names.

        The query reads those tables and nothing else: no file, no network, no setting.

        Args:
            query: SQL; one statement that only reads.
            versions: of tables to be read as of; the newest by default.

        Raises:
            HeadraceError: HR-LAKE-001 unknown table, 005 not a SELECT, 006 what DuckDB says of it.
        """
        return lake_query.run(query, self._sources(query, versions or {}))

    def require(self, name: str, schema: pa.Schema) -> None:
        """Refuse columns that rows for a table may not have.

        Args:
            name: of the table.
            schema: of the rows, without the columns that loading adds.

        Raises:
            HeadraceError: HR-LAKE-008.
        """
        ours = [field for field in self.schema(name) if field.name.startswith("_")]
        same_columns(name, self._open(name), pa.schema([*schema, *ours]))

    def answered(self, query: str) -> AbstractContextManager[lake_query.Answer]:
        """Return the result of one SELECT as ``sql`` does, for a ``with`` block and batch by batch."""
        return lake_query.answered(query, self._sources(query, {}))

    def lock(self, name: str, wait_s: float = 600.0) -> AbstractContextManager[None]:
        """Return a lock on a name, for writes that depend on what was read before; a kill frees it."""
        self._check_name(name)
        return exclusive(self.root / ".locks" / f"{name}.lock", wait_s)

    def _sources(self, query: str, versions: Mapping[str, int]) -> dict[str, tuple[list[str], pa.Schema]]:
        """Return what a query may see: the tables that it names, or all where it names none, as in ``show tables``."""
        by_lower = {name.lower(): name for name in self.tables()}
        faults, found = [], {}
        for asked in sql.tables(query) or list(by_lower):
            name = by_lower.get(asked.lower())
            if name is None:
                faults.append(sql.unknown(asked, by_lower.values()))
            else:
                found[name] = (self.files(name, versions.get(name)), self.schema(name, versions.get(name)))
        if faults:
            raise HeadraceError(faults)
        return found

    def _write(
        self,
        name: str,
        data: pa.Table | pa.RecordBatchReader,
        mode: Literal["append", "overwrite"],
        schema: pa.Schema | None,
        once: Once | None,
        message: Mapping[str, Any] | None,
    ) -> int:
        self._check_name(name)
        with clear_errors(name):
            data = _cast(name, data, schema) if schema is not None else data
        return commit(self.root / name, data, mode, once, message)

    def _open(self, name: str, version: int | None = None) -> deltalake.DeltaTable:
        if not self.exists(name):
            raise HeadraceError(sql.unknown(name, self.tables()))
        try:
            return open_table(self.root / name, version)
        except (DeltaError, OSError, ValueError) as error:
            newest = open_table(self.root / name).version()
            if version is None or 0 <= version <= newest:
                raise
            found = f"{name} has no version {version}"
            fault = Fault("HR-LAKE-007", "", found, f"a version from 0 to {newest}", "name one of these, or none")
            raise HeadraceError(fault) from error

    def _version_at(self, name: str, at: int) -> int:
        commits = self.history(name)
        fitting = [one["version"] for one in commits if one["at"] <= at]
        if not fitting:
            found = f"{name} did not exist yet at {at} (UTC microseconds)"
            expected, cure = (
                f"a moment from {commits[-1]['at']} on",
                "name a later moment, or none for the newest version",
            )
            raise HeadraceError(Fault("HR-LAKE-007", "", found, expected, cure))
        return int(max(fitting))

    def _columns(self, name: str, version: int | None, columns: list[str] | None) -> pa.Schema:
        schema = self.schema(name, version)
        unknown = [column for column in columns or [] if column not in schema.names]
        if unknown:
            raise HeadraceError(
                Fault("HR-LAKE-011", "", f"{name} has no column {column}", "a column", nearest(column, schema.names))
                for column in unknown
            )
        return schema if columns is None else pa.schema([schema.field(column) for column in columns])

    def _check_name(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            expected = "a letter, then letters, digits and underscores"
            better = re.sub("[^A-Za-z0-9_]+", "_", name).lstrip("_0123456789")[:128]
            cure = f"rename it, for example to {better or 'events'}"
            raise HeadraceError(Fault("HR-LAKE-004", "", f"the table name {name!r}", expected, cure))


def _arrow_schema(table: deltalake.DeltaTable) -> pa.Schema:
    schema: pa.Schema = pa.schema(table.schema().to_arrow())
    return schema


def _told(entry: dict[str, Any]) -> dict[str, Any]:
    ours = json.loads(entry.get("headrace", "{}"))
    return {
        "version": int(entry["version"]),
        "at": int(entry["timestamp"]) * 1000,
        "operation": str(entry["operation"]).lower(),
        "rows": int(ours.get("rows", 0)),
        "message": ours.get("message", {}),
    }


def _cast(name: str, data: pa.Table | pa.RecordBatchReader, schema: pa.Schema) -> pa.Table | pa.RecordBatchReader:
    given = data.schema.names
    if missing := [column for column in schema.names if column not in given]:
        raise HeadraceError(
            Fault("HR-LAKE-011", "", f"rows for {name} without {column}", "every column", nearest(column, given))
            for column in missing
        )
    if isinstance(data, pa.Table):
        return data.select(schema.names).cast(schema)
    return pa.RecordBatchReader.from_batches(schema, (part.select(schema.names).cast(schema) for part in data))
