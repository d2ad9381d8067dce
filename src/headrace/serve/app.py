"""Services on the air: in the foreground for people, and in a thread for tests and notebooks."""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.serve import decisions, http, interface, metrics, oip
from headrace.serve.access import Guard, Oidc, Provider, Tokens
from headrace.serve.loaded import Loaded
from headrace.serve.message import Route
from headrace.serve.office import SETTLE_S, Office
from headrace.serve.oip import rpc
from headrace.serve.spool import MAP_BYTES
from headrace.serve.traces import Traces, traced
from headrace.serve.wire import Limits, Reception
from headrace.serve.wire.listen import Entry
from headrace.serve.wire.server import Server

if TYPE_CHECKING:
    from headrace.serve.workers.crew import Plan

_COLLECTED = 10_000, 10, 20
"""How many objects come before the collector looks at them; those of a request are gone by themselves."""
_SWITCH_S = 0.0005


def made_ready() -> None:
    """Set this process up for answering, when all that stays has been loaded."""
    # what writes records waits for the loop no longer than for the disk
    sys.setswitchinterval(_SWITCH_S)
    # what is there by now stays: to walk all of it again and again would make requests wait
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED)


def routes(office: Office, loaded: Loaded, models: oip.Models) -> list[Route]:
    """Return what can be asked, room by room, and what is told of all of it."""
    found = [*decisions.routes(office), *http.routes(office), *oip.routes(models), *metrics.routes(office.meters)]
    found += interface.routes(loaded.project, lambda: found, office.now)
    return found


@dataclass(frozen=True)
class Running:
    """A service in a thread of this process."""

    url: str
    office: Office


Told = Callable[[str, Sequence[str], Sequence[Fault]], None]
"""What is told when services are ready: their URL, their names, and what is to be known of them."""


def announce(url: str, services: Sequence[str], warnings: Sequence[Fault]) -> None:
    """Say on stderr where services are."""
    sys.stderr.write(f"{', '.join(services)} at {url}/services/NAME/decide; Ctrl-C stops\n")
    sys.stderr.writelines(f"{fault.severity} {fault}\n" for fault in warnings)
    sys.stderr.flush()


def serve(
    loaded: Loaded,
    host: str = "127.0.0.1",
    port: int = 8470,
    told: Told = announce,
    *,
    entry: Entry | None = None,
    limits: Limits | None = None,
    provider: Provider | None = None,
    traces: Traces | None = None,
    grpc_port: int | None = None,
) -> None:
    """Answer requests until told to stop (SIGTERM, Ctrl-C); then finish those under way and drain into the lake.

    Args:
        loaded: the project.
        host: an address of this machine; beyond its loopback there must be tokens, and TLS.
        port: 0 takes a free one.
        told: is called when all is ready.
        entry: in the place of host and port, where there is more to say of how one gets in.
        limits: of connections and requests.
        provider: of identities, whose tokens are taken, too.
        traces: where spans of requests go.
        grpc_port: where the models answer by gRPC, too, on this machine only; 0 takes a free one.

    Raises:
        HeadraceError: HR-SERVE-006 for an address that others reach, without tokens or TLS; 004 for a port in use;
            HR-WIRE-008 for files that are no certificate; HR-ACCESS-003 for tokens that cannot be read, 007 and 008 for
            a provider; and as ``Office``.
    """
    way = entry or Entry(host, port)
    with _listening(way, loaded, clock.now_us, provider) as (taken, tls, guard):
        office = Office(loaded)
        models = _models(office, loaded)
        server = _server(office, loaded, models, SETTLE_S, limits, tls, guard, traces)
        with contextlib.ExitStack() as stack:
            if grpc_port is not None:
                permits = None if guard is None else guard.client
                stack.enter_context(rpc.serving(models, way.host, grpc_port, permits))
            told(way.url(taken), sorted(loaded.project.all_services), office.warnings)
            made_ready()
            server.run(sockets=[taken])


def serve_many(plan: Plan, way: Entry, loaded: Loaded, told: Told, provider: Provider | None) -> None:
    """Answer with several processes, and with one that looks after them, until told to stop.

    Args:
        plan: how many, and of what.
        way: how one gets in.
        loaded: the project.
        told: is called when all is ready.
        provider: as for ``serve``.

    Raises:
        HeadraceError: as ``serve``, whichever process finds it.
    """
    from headrace.serve.workers.supervisor import supervise

    with _listening(way, loaded, clock.now_us, provider) as (taken, _, _):
        supervise(plan, way, taken, told)


@contextlib.contextmanager
def start(
    loaded: Loaded,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    now_us: clock.Clock = clock.now_us,
    spool_bytes: int = MAP_BYTES,
    settle_s: float = SETTLE_S,
    entry: Entry | None = None,
    limits: Limits | None = None,
    provider: Provider | None = None,
) -> Iterator[Running]:
    """Run a service in a thread for the length of a ``with`` block, and drain it at the end.

    Args:
        loaded: the project.
        host, port, entry, limits, provider: as for ``serve``; by default a free port.
        now_us: the clock.
        spool_bytes: upper bound of what waits for the lake.
        settle_s: seconds between two trips of live events to the lake.

    Yields:
        Running: with the ``url`` to which paths are added.
    """
    way = entry or Entry(host, port)
    limits = limits or Limits(hosts=way.hosts)
    with _listening(way, loaded, now_us, provider) as (taken, tls, guard):
        office = Office(loaded, now_us, spool_bytes)
        server = _server(office, loaded, _models(office, loaded), settle_s, limits, tls, guard)
        thread = threading.Thread(target=server.run, args=([taken],), name="headrace-serve", daemon=True)
        thread.start()
        server.started.wait()
        try:
            yield Running(way.url(taken), office)
        finally:
            server.stop()
            thread.join()


@contextlib.contextmanager
def _listening(
    way: Entry, loaded: Loaded, now_us: clock.Clock, provider: Provider | None
) -> Iterator[tuple[socket.socket, ssl.SSLContext | None, Guard | None]]:
    tokens = Tokens(loaded.state_dir, now_us)
    way.check(len(tokens.usable()) + (provider is not None) if way.guarded else 0)
    tls = way.tls()
    with way.bound() as taken:
        oidc = Oidc(provider, now_us) if way.guarded and provider is not None else None
        yield taken, tls, Guard(tokens, oidc, now_us) if way.guarded else None


def _server(
    office: Office,
    loaded: Loaded,
    models: oip.Models,
    settle_s: float,
    limits: Limits | None,
    tls: ssl.SSLContext | None,
    guard: Guard | None,
    traces: Traces | None = None,
) -> Server:
    received = reception(office, loaded, models, limits, guard, traces)
    settling, looks = partial(http.settling, office, settle_s), [] if guard is None else [guard.look]
    return Server(received, tls, beside=[settling], looks=looks, ended=partial(closed, office, models, traces))


def reception(
    office: Office,
    loaded: Loaded,
    models: oip.Models,
    limits: Limits | None,
    guard: Guard | None,
    traces: Traces | None,
) -> Reception:
    """Return where requests to an office come in."""
    found = routes(office, loaded, models)
    made = Reception(found if traces is None else traced(found, traces), limits, guard)
    office.meters.gauge("headrace_under_way", lambda: made.under_way)
    return made


def _models(office: Office, loaded: Loaded) -> oip.Models:
    return oip.Models(loaded.registry(), lambda: office.desks.values())


def closed(office: Office, models: oip.Models, traces: Traces | None) -> None:
    """End an office with what stands on it, and tell what could not be brought into the lake."""
    models.close()
    if traces is not None:
        traces.close()
    try:
        office.close()
    except HeadraceError as error:
        # what was not brought into the lake is in the spool: the next drain goes on with it
        sys.stderr.write(f"{error} What waits is kept in the spool.\n")
