"""The Parquet files of one commit: rows in the order given, memory bounded, nothing left behind by a failure.

The files are ours and only the commit is deltalake's, since its writer spreads batches over threads and so mixes the
order of rows (seen in 1.6.6 with a reader of 30 batches), and leaves its files behind when the disk is full.
"""

from __future__ import annotations

import itertools
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pat
from deltalake.transaction import AddAction

from headrace.clock import now_us
from headrace.lake.bounds import in_log, of_group
from headrace.lake.bucket import Place, sink
from headrace.lake.disk import sync
from headrace.types import MOST_DIGITS

GROUP_ROWS = 250_000
"""Rows of a Parquet row group: several to a million rows, so that DuckDB reads one file on every core."""
PART_ROWS = 20 * GROUP_ROWS
"""Rows of a file at most."""
GROUP_BYTES = 64_000_000
"""Of a row group in memory, where its rows are so wide that it has fewer."""
OURS = re.compile(r"part-(\d{17})-[0-9a-f]{12}-\d{5}(?:-[0-9a-f]{12})?\.parquet")
"""Names of files that the lake wrote: the moment of their first commit, and which rewriting of them this is."""
_REWRITTEN = re.compile(r"(?<=-\d{5})-[0-9a-f]{12}\.parquet$|\.parquet$")


@dataclass(frozen=True)
class Part:
    """One written file of a commit that is yet to come."""

    path: Place
    rows: int = 0
    size: int = 0
    statistics: str = ""

    def action(self, *, new_rows: bool = True) -> AddAction:
        """Return what the Delta log says of the file: size, rows, and the bounds that let readers skip it."""
        return AddAction(
            path=self.path.name,
            size=self.size,
            partition_values={},
            modification_time=now_us() // 1000,
            data_change=new_rows,
            stats=self.statistics,
        )


def write(
    folder: Place,
    data: pa.Table | pa.RecordBatchReader,
    moment_us: int | None = None,
    in_place_of: str | None = None,
) -> list[Part]:
    """Write data as Parquet files and return them; on any failure remove what was written and raise it.

    Args:
        folder: of the table.
        data: rows.
        moment_us: by which the files are ordered among others of the table; by default now.
        in_place_of: name of the one file whose rows these are, and whose place among the others they take.
    """
    parts: list[Part] = []
    stem = f"{now_us() if moment_us is None else moment_us:017d}-{uuid.uuid4().hex[:12]}"
    try:
        for number, groups in enumerate(_parts(data) if in_place_of is None else _part(data)):
            path = folder / (f"part-{stem}-{number:05d}.parquet" if in_place_of is None else successor(in_place_of))
            parts.append(Part(path))
            parts[-1] = _write_part(path, data.schema, groups)
        sync(*(part.path for part in parts), folder)
    except BaseException:
        discard(parts)
        raise
    return parts


def successor(name: str) -> str:
    """Return a new name for what takes the place of a file, which comes before and behind the same names as the old."""
    return f"{_REWRITTEN.sub('', name)}-{uuid.uuid4().hex[:12]}.parquet"


def group_rows(schema: pa.Schema) -> int:
    """Return how many rows a row group has: fewer where they are wide, so that writing and reading stay in bounds."""
    return max(1, min(GROUP_ROWS, GROUP_BYTES // max(1, sum(_width(one.type) for one in schema))))


def part_rows(schema: pa.Schema) -> int:
    """Return how many rows a full file has."""
    return max(1, PART_ROWS * group_rows(schema) // GROUP_ROWS)


def _width(kind: pa.DataType) -> int:
    """Bytes of a value in memory; of texts and lists what is usual."""
    if pat.is_nested(kind):
        return 4 * sum(_width(kind.field(number).type) for number in range(kind.num_fields))
    return max(1, kind.bit_width // 8) if pat.is_primitive(kind) or pat.is_decimal(kind) else 24


def discard(parts: list[Part]) -> None:
    """Remove files that no commit will name."""
    for part in parts:
        with suppress(OSError):
            part.path.unlink(missing_ok=True)


def _write_part(path: Place, schema: pa.Schema, groups: Iterator[pa.Table]) -> Part:
    # A ParquetWriter that cannot begin, on a full disk, leaves its file open, and so its space taken.
    with sink(path) as file:
        with pq.ParquetWriter(file, schema, **_encoding(schema)) as out:
            for group in groups:
                out.write_table(group, row_group_size=group_rows(schema))
        size, written = file.tell(), out.writer.metadata
    return Part(path, written.num_rows, size, json.dumps(_statistics(written)))


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    """Numbers and times as bit-packed differences, the rest by dictionary: 2.5 times as fast and small as defaults."""
    whole = [one.name for one in schema if pat.is_int64(one.type) or pat.is_timestamp(one.type) or _small(one.type)]
    return {
        "compression": "zstd",
        "compression_level": 1,
        "store_decimal_as_integer": True,
        "use_dictionary": [one.name for one in schema if one.name not in whole],
        "column_encoding": dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
    }


def _small(kind: pa.DataType) -> bool:
    return bool(pat.is_decimal128(kind) and kind.precision <= MOST_DIGITS)


def _part(data: pa.Table | pa.RecordBatchReader) -> Iterator[Iterator[pa.Table]]:
    """Leave data in one file, however long it is."""
    groups = _groups(data)
    for first in groups:
        yield itertools.chain([first], groups)


def _parts(data: pa.Table | pa.RecordBatchReader) -> Iterator[Iterator[pa.Table]]:
    """Cut data into files, each an iterator of row groups that must be used up before the next is asked for."""
    groups = _groups(data)
    for first in groups:
        yield _until_full(first, groups, part_rows(data.schema))


def _until_full(first: pa.Table, groups: Iterator[pa.Table], full: int) -> Iterator[pa.Table]:
    rows = first.num_rows
    yield first
    while rows < full:
        following = next(groups, None)
        if following is None:
            return
        rows += following.num_rows
        yield following


def _groups(data: pa.Table | pa.RecordBatchReader) -> Iterator[pa.Table]:
    enough = group_rows(data.schema)
    if isinstance(data, pa.Table):
        yield from (data.slice(start, enough) for start in range(0, data.num_rows, enough))
        return
    held: list[pa.RecordBatch] = []
    for batch in data:
        held.append(batch)
        if sum(one.num_rows for one in held) >= enough:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def _statistics(metadata: pq.FileMetaData) -> dict[str, Any]:
    least: dict[str, Any] = {}
    most: dict[str, Any] = {}
    for column in range(metadata.num_columns):
        groups = [metadata.row_group(group).column(column) for group in range(metadata.num_row_groups)]
        bounds: list[Any] = [group.statistics for group in groups if group.statistics is not None]
        if not bounds or not all(one.has_min_max for one in bounds) or "." in groups[0].path_in_schema:
            continue
        ends: list[Any] = [of_group(one) for one in bounds]
        if any(None in pair for pair in ends):
            continue
        low, high = min(one for one, _ in ends), max(one for _, one in ends)
        told = in_log(low, bounds[0]), in_log(high, bounds[0])
        if None not in told:
            least[groups[0].path_in_schema], most[groups[0].path_in_schema] = told
    return {"numRecords": metadata.num_rows, "minValues": least, "maxValues": most}
