"""Records: what was asked, known, computed and answered, as one flat row that keeps its shape when features change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from headrace.declare.kept import DECISIONS
from headrace.serve.desk import Decided, Desk
from headrace.serve.fields import Row, document
from headrace.types import arrow_schema

SCHEMA = arrow_schema(DECISIONS)

Record = dict[str, Any]


def request_of(desk: Desk, row: Row) -> str:
    """Return a row as its record holds it."""
    return _json(document(row, desk.reader.fields))


def record_of(
    desk: Desk, decided: Decided, request: str, record_id: str, declaration: str, now: int, latency_us: int
) -> Record:
    """Return the record of an answer to a request, as ``request_of`` gives it; times in microseconds UTC."""
    record: Record = {
        "record_id": record_id,
        "at": decided.row[desk.moment],
        "_known_at": decided.known,
        "horizon": _json(decided.horizon),
        "request": request,
        "features": _json(decided.features),
        "score": decided.score,
        "decision": decided.decision,
        "reasons": _json(decided.reasons),
        "model": desk.version.name,
        "model_version": desk.version.number,
        "model_digest": desk.version.digest,
        "declaration": declaration,
        "features_declaration": desk.meaning,
        "decided_at": now,
        "latency_us": latency_us,
    }
    record["checksum"] = checksum(record)
    return record


def checksum(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record's other fields: an altered record is told from a wrong one."""
    said = {name: record[name] for name in SCHEMA.names if name != "checksum"}
    return hashlib.sha256(_json(said).encode()).hexdigest()


def table(records: list[Record]) -> pa.Table:
    """Return records as rows of the lake."""
    columns = []
    for field in SCHEMA:
        values = [record[field.name] for record in records]
        kind = pa.int64() if pa.types.is_timestamp(field.type) else field.type
        columns.append(pa.array(values, kind).cast(field.type))
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def read(rows: pa.Table) -> list[Record]:
    """Undo ``table``."""
    columns = {}
    for name in SCHEMA.names:
        column = rows.column(name)
        columns[name] = (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
