"""Parquet: columns with types of their own, in row groups."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.connect.formats.format import Format
from headrace.connect.places import File
from headrace.declare import Contract


def _columns(file: File, _: type[Contract]) -> pa.Schema:
    with file.random() as raw:
        return pq.read_schema(raw)


def _batches(file: File, contract: type[Contract], batch_rows: int) -> Iterator[pa.Table]:
    with file.random() as raw, pq.ParquetFile(raw) as parts:
        names = [name for name in parts.schema_arrow.names if name in contract.fields()]
        for batch in parts.iter_batches(batch_size=batch_rows, columns=names):
            yield pa.Table.from_batches([batch])


def _rows(file: File) -> int:
    with file.random() as raw:
        return int(pq.read_metadata(raw).num_rows)


FORMATS = (Format("Parquet", (".parquet", ".pq"), _columns, _batches, rows=_rows, packed=False),)
