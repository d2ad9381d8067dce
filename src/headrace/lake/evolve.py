"""Columns that a table gets later: the log says so, files of before are left as they are, and read as null there.

Deltalake's own ``add_columns`` makes one commit of it, so a reader sees the table with the column or without, and a
kill leaves either. Another type is no matter of the log alone: few readers can widen what a file holds, so rows are
written anew, as one version.
"""

from __future__ import annotations

from collections.abc import Sequence

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.contracts.nested import column_at
from headrace.lake.bucket import Place
from headrace.lake.commit import open_table, properties, until_first
from headrace.lake.log import EVOLVED, SAME_ROWS_AS, standing

_LATER = {"headrace.added": "later"}
"""With a column that files may lack; whoever reads files by themselves must look by name."""


def add_columns(path: Place, columns: pa.Schema) -> int:
    """Give a table the columns that it lacks, null in all rows that are there; return the newest version.

    Args:
        path: of the table.
        columns: names and types; what the table has is passed over.

    Raises:
        HeadraceError: HR-LAKE-002 disk full, 003 too many collisions, 010 a log that cannot be written.
    """

    def attempt(table: deltalake.DeltaTable) -> int:
        there = {field.name for field in table.schema().fields}
        missing = [one.with_metadata(_LATER) for one in columns if one.name not in there]
        if missing:
            names = [one.name for one in missing]
            table.alter.add_columns(_fields(missing), commit_properties=_told(names, table))
        return int(open_table(path).version())

    return until_first(path, attempt)


def _fields(missing: Sequence[pa.Field]) -> list[deltalake.Field]:
    return list(deltalake.Schema.from_arrow(pa.schema(missing)).fields)


def _told(names: list[str], table: deltalake.DeltaTable) -> deltalake.CommitProperties:
    # Without retries of its own: what the message says of the version before would not hold after one.
    return properties(0, {EVOLVED: names, SAME_ROWS_AS: standing(table)}, [], retries=0)


def may_lack(schema: pa.Schema) -> bool:
    """Return whether files of a table may lack some of its columns, or have them in a narrower type."""
    return any((one.metadata or {}).get(b"headrace.added") or _widened(one) for one in schema)


def _widened(field: pa.Field) -> bool:
    """Whether a program such as Spark gave a column a wider type, and left the files of before as they are."""
    count = field.type.num_fields if pa.types.is_nested(field.type) else 0
    return b"delta.typeChanges" in (field.metadata or {}) or any(_widened(field.type.field(n)) for n in range(count))


def plain(schema: pa.Schema) -> pa.Schema:
    """Return a schema without what is noted with its columns."""
    return pa.schema([one.remove_metadata() for one in schema])


def held(file: pq.ParquetFile, schema: pa.Schema) -> list[str]:
    """Return the columns of a schema that a file has; any one of its own where that is none, for its rows."""
    there = file.schema_arrow.names
    wanted = (name if name in there else name.partition(".")[0] for name in schema.names)
    return [name for name in dict.fromkeys(wanted) if name in there] or there[:1]


def aligned(part: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with the columns of a schema, in its order and types; null where they have no such column."""
    return pa.table([_aligned(part, one) for one in schema], schema=schema)


def aligned_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch with the columns of a schema, see ``aligned``."""
    return pa.RecordBatch.from_arrays([_aligned(batch, one) for one in schema], schema=schema)


def _aligned(part: pa.Table | pa.RecordBatch, one: pa.Field) -> pa.Array | pa.ChunkedArray:
    found = column_at(part, one.name)
    return pa.nulls(part.num_rows, one.type) if found is None else found.cast(one.type)
