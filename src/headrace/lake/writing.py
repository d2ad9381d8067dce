"""The half of a lake that writes rows: append, overwrite, merge, replace, each one atomic version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from headrace.errors import Fault, HeadraceError, nearest
from headrace.lake.bucket import Place
from headrace.lake.commit import Once, clear_errors, commit
from headrace.lake.merge import MergeReport, merge, replace_rows

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
"""Names of tables."""


class Writing:
    """What ``Lake`` does that adds rows to tables or changes them."""

    root: Place

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
            HeadraceError: HR-LAKE-002 disk full, 003 too many collisions, 004 bad name, 008 other columns, 027 a table
                of another program that asks more of its writers.
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

    def merge(
        self,
        name: str,
        rows: pa.Table,
        *,
        keys: Sequence[str],
        deletes: pa.Table | None = None,
        once: Once | None = None,
        message: Mapping[str, Any] | None = None,
    ) -> MergeReport:
        """Give a table the newest rows of some keys, as one atomic version: update, insert and delete.

        A row whose key the table has takes its place, unless it is equal to it in all columns that do not begin with
        an underscore: then the old one stays untouched. New and updated rows come behind all others, in the order
        given, with the ``_seq`` that they have: an update is a new fact. The order of the rest stays. Only files that
        hold a row which goes are written anew; where nothing changes, there is no new version, but for ``once``.

        Args:
            name: of the table; made where it is absent.
            rows: with the columns of the table, each key once.
            keys: columns that say which row is meant; no row may be without a value in them.
            deletes: keys whose rows go; only the columns of ``keys`` are read.
            once: as in ``append``; what is done already reports no rows.
            message: as in ``append``; the counts are added to it.

        Returns:
            The version that holds the rows, and how many were inserted, updated, deleted and left unchanged.

        Raises:
            HeadraceError: HR-LAKE-002 disk full, 003 too many collisions, 004 bad name, 008 other columns, 011 unknown
                key, 020 keys that do not say which row is meant, 027 as in ``append``.

        Example:
            >>> import tempfile
            >>> from pathlib import Path
            >>> from headrace.lake import Lake
            >>> lake = Lake(Path(tempfile.mkdtemp()))
            >>> version = lake.append("shops", pa.table({"id": [1, 2], "city": ["Bonn", "Kiel"]}))
            >>> lake.merge("shops", pa.table({"id": [2, 3], "city": ["Jena", "Köln"]}), keys=["id"])
            MergeReport(version=2, inserted=1, updated=1, deleted=0, unchanged=0)
            >>> lake.read("shops")["city"].to_pylist()
            ['Bonn', 'Jena', 'Köln']
        """
        check_name(name)
        return merge(self.root / name, rows, keys, deletes, once, message)

    def replace(
        self,
        name: str,
        rows: pa.Table,
        where_keys: pa.Table,
        *,
        once: Once | None = None,
        message: Mapping[str, Any] | None = None,
    ) -> MergeReport:
        """Put rows in the place of all that have one of some keys, as one atomic version.

        Args:
            name: of the table; made where it is absent.
            rows: with the columns of the table; they come behind all others.
            where_keys: keys whose rows go, however many each has; null is a key like any other.
            once: as in ``append``; what is done already reports no rows.
            message: as in ``append``; the counts are added to it.

        Returns:
            The version that holds the rows, how many went (``deleted``) and how many came (``inserted``).

        Raises:
            HeadraceError: as in ``merge``.
        """
        check_name(name)
        return replace_rows(self.root / name, rows, where_keys, once, message)

    def _write(
        self,
        name: str,
        data: pa.Table | pa.RecordBatchReader,
        mode: Literal["append", "overwrite"],
        schema: pa.Schema | None,
        once: Once | None,
        message: Mapping[str, Any] | None,
    ) -> int:
        check_name(name)
        with clear_errors(name):
            data = _cast(name, data, schema) if schema is not None else data
        return commit(self.root / name, data, mode, once, message)


def check_name(name: str) -> None:
    """Refuse a name that no table can have (HR-LAKE-004)."""
    if not NAME.fullmatch(name):
        expected = "a letter, then letters, digits and underscores"
        better = re.sub("[^A-Za-z0-9_]+", "_", name).lstrip("_0123456789")[:128]
        cure = f"rename it, for example to {better or 'events'}"
        raise HeadraceError(Fault("HR-LAKE-004", "", f"the table name {name!r}", expected, cure))


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
