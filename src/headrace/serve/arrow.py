"""Arrow streams: rows that come as one, within bounds, and answers that leave as one.

A stream of Arrow can hold far more than its bytes say: compressed buffers, a dictionary whose one long text stands in
every row, lists of a billion nulls. What it unfolds to is counted before any of it is made.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from headrace.serve.wire.faults import many_rows
from headrace.serve.wire.refusal import refused

LARGEST = 16 << 20
"""Bytes that the values of a stream may take, when each stands by itself."""
_VALUE = 8
_HEADER, _DATA_OF_DICTIONARY, _COMPRESSION = 2, 1, 3
"""Places of fields in the tables ``Message``, ``DictionaryBatch`` and ``RecordBatch`` of Arrow's ``Message.fbs``."""
_BATCHES = ("record batch", "dictionary")
_encode = msgspec.json.Encoder().encode


def rows_of(body: bytes, most: int) -> list[bytes]:
    """Return the rows of a stream, each as JSON.

    Args:
        body: in the IPC stream format, not compressed.
        most: rows that it may have.

    Raises:
        HeadraceError: HR-REQUEST-001 for too many rows, or values that are too large together; 002 for what is no such
            stream, or has what JSON has not.
    """
    try:
        if any(_compressed(one) for one in _messages(body)):
            found, cure = "buffers that are compressed", "leave out compression=, and send the body with gzip instead"
            raise refused("HR-REQUEST-002", found, "plain buffers", cure)
        with pa.ipc.open_stream(body) as stream:
            batches, count = list[pa.RecordBatch](), 0
            for batch in stream:
                count += batch.num_rows
                if count > most:
                    raise many_rows(f"more than {most:,} rows", most)
                batch.validate(full=True)
                batches.append(batch)
            if len(set(stream.schema.names)) < len(stream.schema.names):
                found, cure = "a column that is there twice", "remove one of them"
                raise refused("HR-REQUEST-004", found, "each field once", cure)
            columns = [(name, [batch.column(at) for batch in batches]) for at, name in enumerate(stream.schema.names)]
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        found = f"what is no stream of Arrow ({type(error).__name__})"
        raise refused("HR-REQUEST-002", found, "the IPC stream format", "write it with pa.ipc.new_stream") from None
    if sum(_unfolded(one) for _, parts in columns for one in parts) > LARGEST:
        found, cure = "values that are too large together", "send fewer rows at once"
        raise refused("HR-REQUEST-001", found, f"at most {LARGEST:,} bytes", cure)
    try:
        plain = {
            name: [value for one in parts for value in _to_microseconds(one).to_pylist()] for name, parts in columns
        }
        names = tuple(plain)
        return [_encode(dict(zip(names, row, strict=True))) for row in zip(*plain.values(), strict=True)]
    except (pa.ArrowException, msgspec.MsgspecError, TypeError, ValueError, ArithmeticError) as error:
        raise _no_column(type(error).__name__) from None


def stream_of(answers: Sequence[Mapping[str, Any]]) -> bytes:
    """Return decisions as columns; what is wrong with a row is JSON in a column of its own."""
    columns: dict[str, tuple[Any, pa.DataType]] = {
        name: ([one.get(name) for one in answers], kind)
        for name, kind in (("decision", pa.string()), ("score", pa.float64()), ("record_id", pa.string()))
    }
    columns["model_version"] = [one.get("model", {}).get("version") for one in answers], pa.int64()
    for name in ("reasons", "features", "errors"):
        values = [_encode(one[name]).decode() if name in one else None for one in answers]
        if name == "errors" or any(value is not None for value in values):
            columns[name] = values, pa.string()
    table = pa.table({name: pa.array(values, kind) for name, (values, kind) in columns.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    made: bytes = sink.getvalue().to_pybytes()
    return made


def _messages(body: bytes) -> list[pa.Message]:
    reader, found = pa.ipc.MessageReader.open_stream(body), list[pa.Message]()
    while True:
        try:
            found.append(reader.read_next_message())
        except StopIteration:
            return found


def _compressed(message: pa.Message) -> bool:
    """Whether the header of a batch has the field that says how its buffers are compressed."""
    if message.type not in _BATCHES:
        return False
    said = message.metadata.to_pybytes()
    (root,) = struct.unpack_from("<I", said)
    header = _table(said, root, _HEADER)
    if message.type == "dictionary":
        header = _table(said, header, _DATA_OF_DICTIONARY)
    return _field(said, header, _COMPRESSION) is not None


def _table(said: bytes, table: int, number: int) -> int:
    """Return where a table lies that is a field of another one."""
    at = _field(said, table, number)
    if at is None:
        raise ValueError("a table that is not there")
    return int(at + struct.unpack_from("<I", said, at)[0])


def _field(said: bytes, table: int, number: int) -> int | None:
    """Return where a field of a table lies (FlatBuffers, "Internals": a table begins with the way to its vtable)."""
    vtable = table - struct.unpack_from("<i", said, table)[0]
    place = 4 + 2 * number
    if place >= struct.unpack_from("<H", said, vtable)[0]:
        return None
    (offset,) = struct.unpack_from("<H", said, vtable + place)
    return table + offset if offset else None


def _unfolded(column: pa.Array) -> int:
    """Return how many bytes the values of a column take when each stands by itself; refuse types that have no JSON."""
    kind, size = column.type, _VALUE * len(column)
    if pa.types.is_dictionary(kind):
        if not _is_text(kind.value_type):
            raise _no_column(str(kind))
        taken = pc.take(pc.binary_length(column.dictionary), column.indices)
        return size + int(pc.sum(taken).as_py() or 0)
    if _is_text(kind):
        return size + int(pc.sum(pc.binary_length(column)).as_py() or 0)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return size + _unfolded(column.flatten())
    if pa.types.is_struct(kind):
        return size + sum(_unfolded(one) for one in column.flatten())
    if pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return size
    raise _no_column(str(kind))


def _to_microseconds(column: pa.Array) -> pa.Array:
    """Return times in the unit of contracts, of which all that others write are multiples; else it is refused."""
    kind = column.type
    return column.cast(pa.timestamp("us", kind.tz)) if pa.types.is_timestamp(kind) else column


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _no_column(kind: str) -> Exception:
    cure = "send numbers, text, decimals, dates and times with a zone"
    found = f"a column whose values JSON does not have ({kind[:64]})"
    return refused("HR-REQUEST-002", found, "columns as the contract has them", cure)
