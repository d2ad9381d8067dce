"""A process of a service: it begins, says that it is ready, does its part, and ends when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import socket
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from headrace import clock
from headrace.errors import HeadraceError
from headrace.online import Slot, State
from headrace.plan import fingerprints
from headrace.serve import app, http, oip
from headrace.serve.access import Guard, Oidc, Provider, Tokens
from headrace.serve.loaded import Loaded
from headrace.serve.office import SETTLE_S, Office
from headrace.serve.oip import rpc
from headrace.serve.rebuilding import STAND_IN
from headrace.serve.traces import Traces
from headrace.serve.wire import Limits, Reception
from headrace.serve.wire.listen import Entry
from headrace.serve.wire.server import Server
from headrace.serve.workers.line import Line, Said, Task
from headrace.serve.workers.offices import Keeper, Worker
from headrace.serve.workers.part import Part
from headrace.serve.workers.shares import Shares
from headrace.serve.workers.trial import tried

FAREWELL_S = 3.0
"""How long a client of a worker that ends may say nothing and still be told, with its next answer, to connect anew."""
_log = logging.getLogger("headrace.serve")


def work(loaded: Loaded, task: Task, line: Line, provider: Provider | None, traces: Traces | None) -> None:
    """Do a task, from the first load to the last answer.

    Raises:
        HeadraceError: where it cannot begin, as ``Office``.
    """
    part = Part(shared=True, keeps=task.keeps, seat=task.seat, beside=task.beside, doubt=task.doubt)
    if task.keeps:
        _keep(loaded, task, part, line, provider)
    else:
        _decide(loaded, task, part, line, provider, traces)


def _decide(
    loaded: Loaded, task: Task, part: Part, line: Line, provider: Provider | None, traces: Traces | None
) -> None:
    office = Worker(loaded, part, Path(task.keeper), line.say)
    way = entry_of(task.entry)
    guard = _guard(loaded, way, provider)
    models = oip.Models(loaded.registry(), lambda: office.desks.values())
    reception = app.reception(office, loaded, models, Limits(**task.limits), guard, traces)
    looks = [] if guard is None else [guard.look]
    server = Server(
        reception, way.tls(), [partial(http.settling, office, SETTLE_S), partial(_posting, office)], looks,
        partial(app.closed, office, models, traces), among=Shares(task.shares, task.seat),
    )  # fmt: skip
    app.made_ready()
    line.tell(_ready(office, loaded))
    if _told_to_begin(line) is not None:
        _answer(server, task, line, office)
    else:
        app.closed(office, models, traces)


def _keep(loaded: Loaded, task: Task, part: Part, line: Line, provider: Provider | None) -> None:
    office = Keeper(loaded, part, line.say)
    if task.trial:
        tried(office, loaded)
    models = oip.Models(loaded.registry(), lambda: office.desks.values())
    with contextlib.ExitStack() as stack:
        ending = _Ending(office, models, line, stack)
        beside = [partial(http.settling, office, SETTLE_S), partial(_posting, office)]
        shares = Shares(task.shares, task.seat)
        server = Server(Reception(http.routes(office)), None, beside, ended=ending, among=shares)
        app.made_ready()
        line.tell(_ready(office, loaded))
        if (said := _told_to_begin(line)) is None:
            office.close()
            return
        office.take_charge(_before(said, office))
        if task.grpc_port is not None:
            way = entry_of(task.entry)
            guard = _guard(loaded, way, provider)
            permits = None if guard is None else guard.client
            stack.enter_context(rpc.serving(models, way.host, task.grpc_port, permits))
        line.tell(Said(what="charged"))
        _answer(server, task, line, office, ending)


class _Ending:
    """How a keeper ends: for good, or because another one goes on."""

    def __init__(self, office: Keeper, models: oip.Models, line: Line, stack: contextlib.ExitStack) -> None:
        self._office, self._models, self._line, self._stack, self.retires = office, models, line, stack, False

    def __call__(self) -> None:
        self._stack.close()  # the next keeper needs the port of gRPC
        self._models.close()
        try:
            if self.retires:
                self._office.release()
                self._line.tell(Said(what="released"))
                self._office.close()
            else:
                self._office.finish()
        except HeadraceError as error:
            sys.stderr.write(f"{error} What waits is kept in the spool.\n")


def _answer(server: Server, task: Task, line: Line, office: Office, ending: _Ending | None = None) -> None:
    """Answer from a socket until the supervisor says to end, or has ended itself."""
    threading.Thread(target=_listen, args=(server, line, office, ending), name="headrace-line", daemon=True).start()
    server.run(sockets=[socket.socket(fileno=task.listening)])


def _listen(server: Server, line: Line, office: Office, ending: _Ending | None) -> None:
    while True:
        said = line.hear()
        if said.what == "standing":
            office.standing = said.standing
        elif said.what == "state" and isinstance(office, Worker):
            office.told_state(said.state)
        elif said.what == "damaged" and isinstance(office, Keeper):
            office.distrust(said.state)
        elif said.what == "alone" and isinstance(office, Keeper):
            office.alone(said.state)
        elif said.what in ("retire", "stop"):
            if ending is not None:
                ending.retires = said.what == "retire"
            server.stop(FAREWELL_S if said.what == "retire" or ending is not None else 0.0)
            return


def _told_to_begin(line: Line) -> Said | None:
    while (said := line.hear()).what not in ("begin", "stop", "retire"):
        pass
    return said if said.what == "begin" else None


def _before(said: Said, office: Office) -> State | None:
    """Return the state that others read until they end, where it is not the one of all."""
    if said.state in ("", office.state.folder.name) or said.state.endswith(STAND_IN):
        return None
    slots = msgspec.json.decode(said.slots, type=tuple[Slot, ...])
    return State(office.state.folder.parent / said.state, slots)


def _ready(office: Office, loaded: Loaded) -> Said:
    faults = [fault.as_dict() for fault in office.warnings]
    prints = hashlib.sha256(msgspec.json.encode(fingerprints(loaded.project), order="sorted")).hexdigest()
    return Said(
        what="ready",
        services=sorted(office.desks),
        faults=faults,
        prints=prints,
        state=office.state.folder.name,
        slots=msgspec.json.encode(office.state.slots).decode(),
    )


def _guard(loaded: Loaded, way: Entry, provider: Provider | None) -> Guard | None:
    if not way.guarded:
        return None
    oidc = None if provider is None else Oidc(provider, clock.now_us)
    return Guard(Tokens(loaded.state_dir, clock.now_us), oidc, clock.now_us)


async def _posting(office: Office) -> None:
    while True:
        await asyncio.sleep(1.0)
        await asyncio.to_thread(office.meters.post)


def entry_of(said: dict[str, Any]) -> Entry:
    """Return how one gets in, of what a task says."""
    paths = {name: Path(str(said[name])) for name in ("unix", "tls_cert", "tls_key") if said.get(name) is not None}
    return Entry(**{**said, **paths, "server_name": tuple(said["server_name"])})
