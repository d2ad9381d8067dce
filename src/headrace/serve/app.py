"""The server: uvicorn on loopback, in the foreground for people and in a thread for tests and notebooks."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.serve.http import App
from headrace.serve.loaded import Loaded
from headrace.serve.office import SETTLE_S, Office
from headrace.serve.spool import MAP_BYTES

if TYPE_CHECKING:
    import uvicorn


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
    with contextlib.closing(_bound(host, port)) as bound:
        office = Office(loaded)
        server = _server(office)
        told(_url(bound), sorted(loaded.project.all_services), office.warnings)
        server.run(sockets=[bound])


@contextlib.contextmanager
def start(
    loaded: Loaded,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    now_us: clock.Clock = clock.now_us,
    spool_bytes: int = MAP_BYTES,
    settle_s: float = SETTLE_S,
) -> Iterator[Running]:
    """Run a service in a thread for the length of a ``with`` block, and drain it at the end.

    Args:
        loaded: the project.
        host, port: as for ``serve``; by default a free port.
        now_us: the clock.
        spool_bytes: upper bound of what waits for the lake.
        settle_s: seconds between two trips of live events to the lake.

    Yields:
        Running: with the ``url`` to which paths are added.
    """
    with contextlib.closing(_bound(host, port)) as bound:
        office = Office(loaded, now_us, spool_bytes)
        server = _server(office, settle_s)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="headrace-serve", daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        try:
            yield Running(_url(bound), office)
        finally:
            server.should_exit = True
            thread.join()


def _server(office: Office, settle_s: float = SETTLE_S) -> uvicorn.Server:
    import uvicorn

    config = uvicorn.Config(
        App(office, settle_s),
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=10,
    )
    return uvicorn.Server(config)


def _bound(host: str, port: int) -> socket.socket:
    """Return a bound socket, before anything else is opened: a wrong address is told at once."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        local = ipaddress.ip_address(address)
    except ValueError:
        local = None
    if local is None or not local.is_loopback:
        found = f"the address {host[:100]!r}, which others could reach"
        cure = "leave out --host; access from elsewhere needs tokens, which this version does not have"
        raise HeadraceError(Fault("HR-SERVE-006", "", found, "loopback, e.g. 127.0.0.1", cure))
    bound = socket.socket(socket.AF_INET6 if local.version == 6 else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        found = f"port {port}, which cannot be had ({error.strerror})"
        raise HeadraceError(Fault("HR-SERVE-004", "", found, "a free port", "name another one with --port")) from None
    return bound


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
