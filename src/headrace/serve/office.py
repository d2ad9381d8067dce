"""Everything a running service holds: desks, state, spool; each answer is on record before it is given."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
import pyarrow as pa

from headrace import clock
from headrace.contracts import KeyIndex
from headrace.declare import Project, Stream
from headrace.engines.frame import frame
from headrace.errors import Fault, HeadraceError, nearest
from headrace.lake import Lake, exclusive
from headrace.learn import Registry
from headrace.online.state import State
from headrace.serve.desk import Decision, Desk
from headrace.serve.records import INBOX, SPOOL, drain, put, waiting
from headrace.serve.request import accepted

if TYPE_CHECKING:
    from headrace.declare import TrainingSet

Values = dict[str, Any]
ONLINE = "online"


class Loaded(Protocol):
    """A project in its folder, as far as serving needs it."""

    @property
    def project(self) -> Project: ...

    @property
    def state_dir(self) -> Path: ...

    def lake(self) -> Lake: ...


class Office:
    """The services of a project, ready to answer.

    Args:
        project: what is declared.
        state_dir: folder of lake, models and state.
        now_us: the clock.
    """

    def __init__(self, project: Project, state_dir: Path, now_us: Callable[[], int] = clock.now_us) -> None:
        if not project.all_services:
            found = "a project without services"
            raise HeadraceError(Fault("HR-SERVE-001", project.place, found, "an hr.Service", "declare one"))
        self.project, self.now_us = project, now_us
        self.lake, registry = Lake(state_dir / "lake"), Registry(state_dir / "models")
        self.desks = {name: _desk(project, name, registry, state_dir) for name in project.all_services}
        self.state = State(state_dir / ONLINE, [desk.plan for desk in self.desks.values()])
        self._lock = threading.Lock()
        self._keys: dict[str, KeyIndex] = {}
        self._sequences: dict[str, int] = {}
        self.drain()
        self.state.build(self.lake)
        self._warm()

    def _warm(self) -> None:
        """Answer one row of history unrecorded, so that no client waits for code to be loaded."""
        for desk in self.desks.values():
            spine = desk.service.model.cases.spine.name
            if self.lake.exists(spine):
                for batch in self.lake.batches(spine, columns=list(desk.contract.fields()), batch_rows=1):
                    with self.state.env.begin(write=True) as transaction:
                        desk.decide(pa.Table.from_batches([batch]), self.state, transaction, explain=1)
                    break

    def decide(self, name: str, body: Any, explain: int = 0, with_features: bool = False) -> Values:
        """Answer one request; when this returns, the answer is on record.

        Raises:
            HeadraceError: HR-SERVE-002 for an unknown service, HR-REQUEST-… for a request that breaks its contract,
                HR-ONLINE-002 when the disk is full: then there is no answer.
        """
        begun = clock.monotonic_s()
        if name not in self.desks:
            raise HeadraceError(
                Fault("HR-SERVE-002", "", f"no service {name!r}", "a service", nearest(name, self.desks))
            )
        desk = self.desks[name]
        row = accepted(desk.contract, [body])
        with self._lock, self.state.writing() as transaction:
            made = desk.decide(row, self.state, transaction, explain)
            record = _record(desk, row, made, self.now_us(), begun)
            number = put(self.state, SPOOL, name, b"", transaction)
            record["record_id"] = f"{name}-{number}"
            key = number.to_bytes(8, "big")
            transaction.put(key, msgspec.json.encode(record), db=self.state.db(f"{SPOOL}|{name}", transaction))
        return _answer(desk, made, record["record_id"], with_features)

    def take(self, stream: str, bodies: list[Any]) -> Values:
        """Take live events in: durable and part of the state when this returns. A key that is known is taken once.

        Raises:
            HeadraceError: HR-SERVE-003 for an unknown stream; HR-REQUEST-… when one breaks the contract: none is taken.
        """
        source = self.project.streams.get(stream)
        if source is None:
            cure = nearest(stream, self.project.streams)
            raise HeadraceError(Fault("HR-SERVE-003", "", f"no stream {stream!r}", "a stream", cure))
        rows = accepted(source.contract, _each_once(bodies, source.contract.key_fields()))
        with self._lock:
            new = self._new(source, rows)
            known = self.now_us()
            last = max(self.state.seen(stream), self._newest(stream))
            numbered = _numbered(new, last, known)
            with self.state.writing() as transaction:
                if new.num_rows:
                    events = frame(numbered, self._columns(stream), source.contract, stream)
                    self.state.add(stream, events, transaction)
                    put(self.state, INBOX, stream, _bytes(numbered), transaction)
            self._sequences[stream] = last + new.num_rows
            if stream in self._keys:
                self._keys[stream].settle()
        sequences = numbered.column("_seq").to_pylist()
        return {"taken": new.num_rows, "known_before": len(bodies) - new.num_rows, "sequences": sequences}

    def drain(self) -> int:
        """Move live events and records into the lake."""
        return drain(self.state, self.lake, list(self.project.all_services), list(self.project.streams))

    def close(self) -> None:
        """Drain, and let go of the state."""
        with self._lock:
            self.drain()
            self.state.close()

    def _new(self, source: Stream, rows: pa.Table) -> pa.Table:
        keys = list(source.contract.key_fields())
        if not keys:
            return rows
        if source.name not in self._keys:
            self._keys[source.name] = KeyIndex(keys, lambda: self._stored_keys(source.name, keys))
        repeated = self._keys[source.name].repeated(rows.select(keys), np.ones(rows.num_rows, dtype=np.bool_))
        kept = np.ones(rows.num_rows, dtype=np.bool_)
        kept[repeated] = False
        return rows.filter(pa.array(kept))

    def _stored_keys(self, stream: str, keys: list[str]) -> Iterator[pa.Table]:
        if self.lake.exists(stream):
            for batch in self.lake.batches(stream, columns=keys):
                yield pa.Table.from_batches([batch])
        for value in waiting(self.state, INBOX, stream).values:
            yield pa.ipc.open_stream(value).read_all().select(keys)

    def _newest(self, stream: str) -> int:
        """The newest sequence anywhere: in the lake, in the queue, in the state."""
        newest = self._sequences
        if stream not in newest:
            queued = [pa.ipc.open_stream(v).read_all() for v in waiting(self.state, INBOX, stream).values]
            tables = [pa.table({"_seq": table.column("_seq")}) for table in queued]
            if self.lake.exists(stream):
                tables += [pa.Table.from_batches([b]) for b in self.lake.batches(stream, columns=["_seq"])]
            newest[stream] = max((int(np.asarray(t["_seq"]).max()) for t in tables if t.num_rows), default=0)
        return newest[stream]

    def _columns(self, stream: str) -> list[str]:
        used = [column for one in self.state.shelves if one.source == stream for column in one.types]
        return list(dict.fromkeys(used)) or [self.project.streams[stream].event_time]


@contextmanager
def alone(state_dir: Path) -> Iterator[None]:
    """Hold the one right to give sequences to a project's events.

    Raises:
        HeadraceError: HR-SERVE-009 while a service answers from the project.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    held = exclusive(state_dir / "serving.lock", wait_s=0)
    try:
        held.__enter__()
    except HeadraceError:
        found, cure = "a service that is answering from this project", "stop it (SIGTERM), then go on"
        raise HeadraceError(Fault("HR-SERVE-009", "", found, "one process that takes events in", cure)) from None
    try:
        yield
    finally:
        held.__exit__(None, None, None)


@contextmanager
def settled(loaded: Loaded) -> Iterator[None]:
    """Move into the lake what a service left behind, and keep services away for the length of a ``with`` block."""
    with alone(loaded.state_dir):
        if (loaded.state_dir / ONLINE).exists():
            state = State(loaded.state_dir / ONLINE, [])
            try:
                drain(state, loaded.lake(), list(loaded.project.all_services), list(loaded.project.streams))
            finally:
                state.close()
        yield


@contextmanager
def office(project: Project, state_dir: Path, now_us: Callable[[], int] = clock.now_us) -> Iterator[Office]:
    """Open the services of a project; one process at a time may."""
    with alone(state_dir):
        opened = Office(project, state_dir, now_us)
        try:
            yield opened
        finally:
            opened.close()


def _desk(project: Project, name: str, registry: Registry, state_dir: Path) -> Desk:
    service = project.all_services[name]
    version = registry.champion(service.model.name)
    if version is None:
        found = f"service {name}, whose model {service.model.name} has no champion"
        cure = "run 'headrace train'; look at the gates it prints"
        raise HeadraceError(Fault("HR-SERVE-004", service.place, found, "a model that passed its gates", cure))
    return Desk(service, registry, version, typical(service.model.cases, version.record.origin.training_set, state_dir))


def typical(cases: TrainingSet, fingerprint: str, state_dir: Path) -> Mapping[str, float]:
    """Return the median of each numeric feature in the set that a model learned from; empty where it is gone."""
    from headrace.learn.trainingset import open_set

    path = state_dir / "sets" / cases.name / fingerprint[:16]
    if not (path / "manifest.json").exists():
        return {}
    built = open_set(path)
    found: dict[str, float] = {}
    for name in built.manifest["features"]:
        column = built.to_arrow([name]).column(name)
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            values = column.cast(pa.float64()).to_numpy()
            found[name] = float(np.nanmedian(values)) if not np.isnan(values).all() else float("nan")
    return found


def _record(desk: Desk, row: pa.Table, made: Decision, now: int, begun: float) -> Values:
    request = row.to_pylist()[0]
    return {
        "record_id": "",
        "decided_at": now,
        "request": _text(request),
        "features": _text(made.features),
        "score": made.score,
        "decision": made.decision,
        "reasons": _text(list(made.reasons)),
        "model": desk.version.name,
        "version": desk.version.number,
        "digest": desk.version.digest,
        "declaration": desk.declaration,
        "horizon": json.dumps(dict(made.horizon), sort_keys=True),
        "latency_us": round((clock.monotonic_s() - begun) * 1e6),
    }


def _each_once(bodies: list[Any], keys: tuple[str, ...]) -> list[Any]:
    """Leave out what has the key of an earlier one: the same event sent twice."""
    if not keys:
        return bodies
    named = {json.dumps([body.get(key) for key in keys]): body for body in reversed(bodies) if isinstance(body, dict)}
    first = {id(body) for body in named.values()}
    return [body for body in bodies if not isinstance(body, dict) or id(body) in first]


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _answer(desk: Desk, made: Decision, record_id: str, with_features: bool) -> Values:
    model = {"name": desk.version.name, "version": desk.version.number, "digest": desk.version.digest}
    answer = {"decision": made.decision, "score": made.score, "record_id": record_id, "model": model}
    if made.reasons:
        answer["reasons"] = list(made.reasons)
    if with_features:
        answer["features"] = made.features
    return answer


def _numbered(rows: pa.Table, last: int, known: int) -> pa.Table:
    count = rows.num_rows
    moments = pa.array([known] * count, type=pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    rows = rows.append_column("_seq", pa.array(range(last + 1, last + 1 + count), type=pa.int64()))
    return rows.append_column("_known_at", moments).append_column("_load", pa.array(["live"] * count, type=pa.string()))


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed
