"""What was decided of an event, as it stands in the log: the record of a service as one JSON object."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.serve import record as serve_record
from headrace.serve.drain import table_of
from headrace.serve.record import Record
from headrace.serve.spool import LAKE
from headrace.stream.embedded import EmbeddedLog

NAME = "decide"
"""Of the workers that decide, under which their positions are kept."""
_JSON = ("horizon", "request", "features", "reasons", "situation")
"""Fields of a record that are JSON themselves: in the log they are objects and lists, to the very bytes."""
_AT_ONCE = 20_000
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(
    msgspec.defstruct(
        "Decision", [(name, msgspec.Raw if name in _JSON else Any) for name in serve_record.SCHEMA.names], gc=False
    )
).decode


def topic_of(service: str) -> str:
    """Return the topic into which the decisions of a service's events go."""
    return f"decisions_{service}"


def refused_of(service: str) -> str:
    """Return the topic of the events for which there is no decision, each with the reason."""
    return f"refused_{service}"


def journal_of(log: EmbeddedLog, service: str) -> str:
    """Return what the ids of records begin with that decide events of a log."""
    return hashlib.sha256(f"{log.id} {service}".encode()).hexdigest()[:12]


def written(record: Record) -> bytes:
    """Return a record as it stands in the log."""
    return _encode({name: msgspec.Raw(value.encode()) if name in _JSON else value for name, value in record.items()})


def read(payload: bytes) -> Record:
    """Undo ``written``."""
    values = msgspec.structs.asdict(_decode(payload))
    return {name: bytes(value).decode() if name in _JSON else value for name, value in values.items()}


def drain_decided(log: EmbeddedLog, lake: Lake) -> dict[str, int]:
    """Move what was decided of events into the tables of the services; return how many rows each got.

    Raises:
        HeadraceError: HR-LOG-001 where the log was altered, HR-LAKE-… where the lake cannot be written: the log keeps
            what is not there.
    """
    moved = dict[str, int]()
    for topic in log.topics():
        if not topic.startswith(topic_of("")):
            continue
        service = topic.removeprefix(topic_of(""))
        table, app = table_of(service), f"records:{journal_of(log, service)}"
        last = max(log.position(LAKE, topic), lake.committed(table, app))
        while groups := log.read(topic, last, _AT_ONCE):
            last = groups[-1].last
            records = [read(payload) for group in groups for payload in group.payloads]
            lake.append(table, serve_record.table(records), once=(app, last))
            moved[table] = moved.get(table, 0) + len(records)
            _moved(log, topic, last)
    return moved


def _moved(log: EmbeddedLog, topic: str, last: int) -> None:
    try:
        with log.transaction() as writing:
            writing.reached(LAKE, topic, last)
        log.forget(topic, min(log.positions(topic).values()))
    except HeadraceError as error:  # a full disk: it is removed another time
        if error.faults[0].code != "HR-ONLINE-002":
            raise
