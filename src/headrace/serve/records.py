"""The record of every answer: spooled in LMDB before the answer leaves, then moved into the lake, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lmdb
import msgspec
import pyarrow as pa

from headrace.lake import Lake
from headrace.online.state import State

SPOOL, INBOX = "records", "inbox"
SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("decided_at", pa.timestamp("us", tz="UTC")),
        ("request", pa.string()),
        ("features", pa.string()),
        ("score", pa.float64()),
        ("decision", pa.string()),
        ("reasons", pa.string()),
        ("model", pa.string()),
        ("version", pa.int64()),
        ("digest", pa.string()),
        ("declaration", pa.string()),
        ("horizon", pa.string()),
        ("latency_us", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Waiting:
    """What stands in a queue: its numbers and bytes, in order."""

    numbers: list[int]
    values: list[bytes]


def table_of(service: str) -> str:
    """Return the name of the lake table with a service's decisions."""
    return f"decisions_{service}"


def put(state: State, queue: str, name: str, value: bytes, transaction: lmdb.Transaction) -> int:
    """Append to a queue within a transaction; return its number, which is never given again."""
    counter = b"last:" + f"{queue}|{name}".encode()
    number = int(transaction.get(counter) or 0) + 1
    transaction.put(counter, str(number).encode())
    transaction.put(number.to_bytes(8, "big"), value, db=state.db(f"{queue}|{name}", transaction))
    return number


def waiting(state: State, queue: str, name: str) -> Waiting:
    """Return what a queue holds."""
    numbers, values = [], []
    with state.env.begin(write=True) as transaction:
        db = state.db(f"{queue}|{name}", transaction)
        for key, value in transaction.cursor(db=db):
            numbers.append(int.from_bytes(key, "big"))
            values.append(bytes(value))
    return Waiting(numbers, values)


def drain(state: State, lake: Lake, services: list[str], streams: list[str]) -> int:
    """Move live events and records into the lake; what was moved before a kill is not moved again."""
    moved = 0
    for stream in streams:
        moved += _drain(state, lake, INBOX, stream, stream, _events)
    for service in services:
        moved += _drain(state, lake, SPOOL, service, table_of(service), _records)
    return moved


def _drain(state: State, lake: Lake, queue: str, name: str, table: str, read: Any) -> int:
    if not waiting(state, queue, name).numbers:
        return 0
    app = f"{queue}:{name}"
    with lake.lock(table):  # a service and a parity check may drain at once: what one moved, the other passes over
        found = waiting(state, queue, name)
        done = lake.committed(table, app)
        values = [value for number, value in zip(found.numbers, found.values, strict=True) if number > done]
        if values:
            lake.append(table, read(values), once=(app, found.numbers[-1]))
    with state.writing() as transaction:
        db = state.db(f"{queue}|{name}", transaction)
        for number in found.numbers:
            transaction.delete(number.to_bytes(8, "big"), db=db)
    return len(values)


def _events(values: list[bytes]) -> pa.Table:
    return pa.concat_tables([pa.ipc.open_stream(value).read_all() for value in values])


def _records(values: list[bytes]) -> pa.Table:
    rows = [msgspec.json.decode(value) for value in values]
    columns = {field.name: pa.array([row[field.name] for row in rows]).cast(field.type) for field in SCHEMA}
    return pa.table(columns, schema=SCHEMA)


def stored(lake: Lake, service: str) -> Iterator[dict[str, Any]]:
    """Yield the records of a service that are in the lake."""
    if lake.exists(table_of(service)):
        for batch in lake.batches(table_of(service)):
            yield from batch.to_pylist()
