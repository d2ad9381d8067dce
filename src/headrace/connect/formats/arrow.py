"""Arrow: columns with types of their own, in record batches, as they lie in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.ipc as ipc

from headrace.connect.formats.format import Format
from headrace.connect.places import File
from headrace.declare import Contract


def _columns(file: File, _: type[Contract]) -> pa.Schema:
    with file.random() as raw:
        return ipc.open_file(raw).schema


def _batches(file: File, contract: type[Contract], batch_rows: int) -> Iterator[pa.Table]:
    with file.random() as raw:
        parts = ipc.open_file(raw)
        names = [name for name in parts.schema.names if name in contract.fields()]
        for number in range(parts.num_record_batches):
            batch = parts.get_batch(number).select(names)
            for at in range(0, batch.num_rows, batch_rows):
                yield pa.Table.from_batches([batch.slice(at, batch_rows)])


def _rows(file: File) -> int:
    with file.random() as raw:
        parts = ipc.open_file(raw)
        return sum(parts.get_batch(number).num_rows for number in range(parts.num_record_batches))


FORMATS = (Format("Arrow", (".arrow", ".feather"), _columns, _batches, rows=_rows, packed=False),)
