"""Services on the air: in the foreground for people, and in a thread for tests and notebooks."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.serve import decisions, http
from headrace.serve.loaded import Loaded
from headrace.serve.message import Route
from headrace.serve.office import SETTLE_S, Office
from headrace.serve.spool import MAP_BYTES
from headrace.serve.wire import Limits, Reception
from headrace.serve.wire.listen import bound, url_of
from headrace.serve.wire.server import Server

ROUTES: Sequence[Callable[[Office], Sequence[Route]]] = (decisions.routes, http.routes)
"""What can be asked, by room: each gives the routes that it answers."""


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


def serve(loaded: Loaded, host: str = "127.0.0.1", port: int = 8470, told: Told = announce) -> None:
    """Answer requests until told to stop (SIGTERM, Ctrl-C); then finish those under way and drain into the lake.

    Args:
        loaded: the project.
        host: an address of this machine's loopback; any other would need tokens, which do not exist yet.
        port: 0 takes a free one.
        told: is called when all is ready.

    Raises:
        HeadraceError: HR-SERVE-006 for another host, 004 for a port in use, and as ``Office``.
    """
    with contextlib.closing(bound(host, port)) as taken:
        office = Office(loaded)
        server = _server(office)
        told(url_of(taken), sorted(loaded.project.all_services), office.warnings)
        server.run(sockets=[taken])


@contextlib.contextmanager
def start(
    loaded: Loaded,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    now_us: clock.Clock = clock.now_us,
    spool_bytes: int = MAP_BYTES,
    settle_s: float = SETTLE_S,
    limits: Limits | None = None,
) -> Iterator[Running]:
    """Run a service in a thread for the length of a ``with`` block, and drain it at the end.

    Args:
        loaded: the project.
        host, port: as for ``serve``; by default a free port.
        now_us: the clock.
        spool_bytes: upper bound of what waits for the lake.
        settle_s: seconds between two trips of live events to the lake.
        limits: of connections and requests.

    Yields:
        Running: with the ``url`` to which paths are added.
    """
    with contextlib.closing(bound(host, port)) as taken:
        office = Office(loaded, now_us, spool_bytes)
        server = _server(office, settle_s, limits)
        thread = threading.Thread(target=server.run, args=([taken],), name="headrace-serve", daemon=True)
        thread.start()
        server.started.wait()
        try:
            yield Running(url_of(taken), office)
        finally:
            server.stop()
            thread.join()


def _server(office: Office, settle_s: float = SETTLE_S, limits: Limits | None = None) -> Server:
    reception = Reception([route for routes in ROUTES for route in routes(office)], limits)
    return Server(reception, beside=[partial(http.settling, office, settle_s)], ended=partial(_close, office))


def _close(office: Office) -> None:
    try:
        office.close()
    except HeadraceError as error:
        # what was not brought into the lake is in the spool: the next drain goes on with it
        sys.stderr.write(f"{error} What waits is kept in the spool.\n")
