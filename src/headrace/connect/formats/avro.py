"""Avro: records with a schema, in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from headrace.connect.formats.format import Format
from headrace.connect.formats.library import library
from headrace.connect.formats.typed import column
from headrace.connect.places import File
from headrace.declare import Contract

_ROWS = 50_000


def _reader(raw: Any, file: File) -> Any:
    return library("fastavro", file).reader(raw)


def _columns(file: File, contract: type[Contract]) -> pa.Schema:
    """The names of all fields; of what kind they are is seen in the first records."""
    with file.stream() as raw:
        reader = _reader(raw, file)
        names = [one["name"] for one in reader.writer_schema["fields"]]
        some = list(islice(reader, 1000))
    return pa.schema([(name, column([one[name] for one in some]).type) for name in names])


def _batches(file: File, contract: type[Contract], batch_rows: int) -> Iterator[pa.Table]:
    with file.stream() as raw:
        reader = _reader(raw, file)
        names = [one["name"] for one in reader.writer_schema["fields"] if one["name"] in contract.fields()]
        while some := list(islice(reader, min(batch_rows, _ROWS))):
            yield pa.table({name: column([one[name] for one in some]) for name in names})


FORMATS = (
    Format("Avro", (".avro",), _columns, _batches, errors=(ValueError, EOFError, IndexError, KeyError, TypeError)),
)
