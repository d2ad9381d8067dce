"""Streams at work: the events of each are decided by the services that are asked about them, in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from threading import Event
from typing import Any

import numpy as np

from headrace import clock
from headrace.contracts.json import column
from headrace.declare import Service, Stream
from headrace.declare.nested import flat
from headrace.engines.frame import Frame
from headrace.errors import Fault, HeadraceError, nearest
from headrace.kernel.typing import Ints
from headrace.lake.lock import exclusive
from headrace.plan import compile_set, fingerprints
from headrace.serve.drain import spool_of
from headrace.serve.loaded import Loaded, services_of
from headrace.serve.spool import Form, opened
from headrace.serve.streaming.decided import NAME, drain_decided, journal_of, refused_of, topic_of
from headrace.serve.streaming.desk import EventDesk, Events
from headrace.serve.streaming.heads import Heads
from headrace.serve.streaming.keeping import Keeping
from headrace.serve.streaming.latency import Latency
from headrace.serve.veiled import Veiled
from headrace.stream.worker import MOST, Batch, Figures, Output, Worker

_REST_S = 0.002
_LOOK_S = 2.0
"""How often new champions are looked for, and decisions brought into the lake."""
_TURN_S = 0.2
"""How often a worker that stands by asks whether it is its turn."""


class Streaming:
    """Decides the live events of a project, until told to stop.

    Every service decides the events of the stream that its model is asked about, each with the values as of before it.
    Decisions go into the topic ``decisions_<service>`` of the log, and from there into the table of that name; why an
    event has none goes into ``refused_<service>``. A worker that is killed goes on where it was: no event is lost, none
    decided twice.

    Args:
        loaded: the project; the models of its services must have champions.
        services: names; all by default.
        most: events of a micro-batch at most.
        now_us: the clock.

    Raises:
        HeadraceError: HR-SERVE-001 no services, 002 no champion, 003 one of other features, 007 no such service.
    """

    def __init__(
        self,
        loaded: Loaded,
        services: Sequence[str] = (),
        *,
        most: int = MOST,
        now_us: clock.Clock = clock.now_us,
    ) -> None:
        every = services_of(loaded)
        for name in services:
            if name not in every:
                found = f"no service {name[:64]!r}"
                raise HeadraceError(Fault("HR-SERVE-007", "", found, "a declared one", nearest(name[:64], every)))
        chosen = [every[name] for name in services or every]
        self._loaded, self._lake, self._veiled = loaded, loaded.lake(), Veiled(loaded, writes=True)
        self._declared = fingerprints(loaded.project)
        self._stop = Event()
        with ExitStack() as stack:
            self._spool = stack.enter_context(opened(spool_of(loaded.state_dir)))
            plans = [compile_set(one.model.cases) for one in every.values()]
            self._keeping = Keeping(loaded, plans, self._spool)
            stack.callback(self._keeping.close)
            self._streams = {one.model.cases.spine.name: one.model.cases.spine for one in chosen}
            self._of = {name: [one for one in chosen if one.model.cases.spine.name == name] for name in self._streams}
            self._forms = {name: Form(_types(one)) for name, one in self._streams.items()}
            self._heads = Heads(self._spool.log)
            self._latency = Latency(self._spool.log.folder)
            stack.callback(self._latency.close)
            how: dict[str, Any] = {"most": most, "now_us": now_us, "took": self._latency.took}
            self.workers = [Worker(self._spool.log, NAME, name, self._handle, **how) for name in self._streams]
            for one in self.workers:
                self._begin(one.topic)
            self._desks: dict[str, EventDesk] = {}
            self._versions: dict[str, int] = {}
            self._looked = self._asked = float("-inf")
            self._turn: ExitStack | None = None
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Bring what was decided into the lake, and let go."""
        with self._stack:
            if self._turn is not None:
                drain_decided(self._spool.log, self._lake)

    def stop(self) -> None:
        """End ``run`` when what is under way is done; may be called from a handler of signals."""
        self._stop.set()

    def run(self) -> None:
        """Decide what comes until told to stop.

        Raises:
            HeadraceError: HR-LOG-001, 002 as ``Worker.step``; HR-ONLINE-002 where the disk is full.
        """
        while not self._stop.is_set():
            if not self.step():
                self._stop.wait(_REST_S)

    def catch_up(self) -> None:
        """Decide what waits now, or see another worker do it, until told to stop.

        Raises:
            HeadraceError: as ``run``.
        """
        log = self._spool.log
        wanted = {one.topic: log.last(one.topic) for one in self.workers}
        while not self._stop.is_set() and any(log.position(NAME, topic) < last for topic, last in wanted.items()):
            if not self.step():
                self._stop.wait(_REST_S)

    def step(self) -> int:
        """Decide a micro-batch of each stream; return how many events those were.

        One worker of a log is at work at a time. Another one stands by, which takes over when that one ends.
        """
        if not self._has_turn():
            return 0
        self._look()
        try:
            return sum(one.step() for one in self.workers if not self._stop.is_set())
        except _Stopped:
            return 0

    def figures(self) -> dict[str, tuple[Figures, int]]:
        """Return what each stream's worker has done, and how many events wait for it."""
        return {one.topic: (one.figures, one.lag) for one in self.workers}

    def _begin(self, topic: str) -> None:
        """Keep the log from forgetting what is not decided yet; what is in the lake when it is first asked is past."""
        log = self._spool.log
        if NAME not in log.positions(topic):
            with log.transaction() as writing:
                writing.reached(NAME, topic, log.position("lake", topic))

    def _has_turn(self) -> bool:
        if self._turn is None and clock.monotonic_s() - self._asked >= _TURN_S:
            self._asked = clock.monotonic_s()
            with ExitStack() as stack:
                try:
                    stack.enter_context(exclusive(self._spool.log.folder / "working.lock", wait_s=0))
                except HeadraceError as error:
                    if error.faults[0].code != "HR-LAKE-009":
                        raise
                    return False
                self._turn = self._stack.enter_context(stack.pop_all())
        return self._turn is not None

    def _look(self) -> None:
        if clock.monotonic_s() - self._looked < _LOOK_S:
            return
        drain_decided(self._spool.log, self._lake)
        registry = self._loaded.registry()
        for services in self._of.values():
            for service in services:
                version = registry.champion(service.model.name)
                if version is not None and self._versions.get(service.name) != version.number:
                    self._desks.pop(service.name, None)
        self._looked = clock.monotonic_s()

    def _desk(self, service: Service) -> EventDesk:
        state = self._keeping.state(self._stop)
        if state is None:
            raise _Stopped
        desk = self._desks.get(service.name)
        if desk is None or desk.state is not state:
            journal = journal_of(self._spool.log, service.name)
            missing = [one for one in state.sources if not self._lake.exists(one) and not state.position(one)]
            declared = self._declared[f"service:{service.name}"]
            desk = EventDesk(self._loaded, service, state, journal, self._veiled, declared, missing)
            self._desks[service.name], self._versions[service.name] = desk, desk.maker.version.number
        return desk

    def _handle(self, batch: Batch) -> Output:
        output = dict[str, list[bytes]]()
        stream, services = self._streams[batch.topic], self._of[batch.topic]
        desks = [self._desk(one) for one in services]
        state = desks[0].state
        wanted = {batch.topic: int(batch.seq[-1])}
        others = [name for name in state.sources if name != batch.topic and name in self._loaded.project.streams]
        for name in others:
            wanted[name] = self._heads.last(name, int(batch.known[-1]))
        if not self._keeping.reached(wanted, self._stop):
            raise _Stopped
        while True:
            before = {name: state.position(name) for name in state.sources}
            horizon = {name: np.full(len(batch), last) for name, last in before.items()}
            horizon[batch.topic] = batch.seq - 1
            for name in others:
                horizon[name] = self._heads.before(name, batch.known, before[name])
            events = self._events(stream, desks, batch, horizon)
            for desk in desks:
                output[topic_of(desk.maker.service.name)], output[refused_of(desk.maker.service.name)] = desk.decide(
                    events
                )
            tables = [name for name in before if name not in self._loaded.project.streams]
            if all(state.position(name) == before[name] for name in tables):
                return output

    def _events(self, stream: Stream, desks: Sequence[EventDesk], batch: Batch, horizon: Mapping[str, Ints]) -> Events:
        names, contract = list(stream.contract.fields()), stream.contract
        form = self._forms[stream.name]
        rows = [dict(zip(names, form.row(one), strict=True)) for one in batch.payloads]
        flattened = [flat(row, contract) for row in rows] if any(k.nested for k in form.fields.values()) else rows
        kinds = contract.columns()
        wanted = dict.fromkeys(name for desk in desks for name in desk.reads)
        columns = {name: column(kinds[name].type, [row[name] for row in flattened]) for name in wanted}
        frame = Frame(len(rows), columns, batch.seq, batch.known)
        return Events(rows, frame, columns[stream.event_time].values, horizon)


class _Stopped(Exception):
    """A micro-batch that was given up: it is taken again by who comes next."""


def _types(stream: Stream) -> dict[str, Any]:
    return {name: one.type for name, one in stream.contract.fields().items()}
