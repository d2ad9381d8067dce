"""Sockets to listen on, bound before anything else is opened: what is wrong with an address is told at once."""

from __future__ import annotations

import ipaddress
import socket

from headrace.errors import Fault, HeadraceError


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address of this machine's loopback.

    Raises:
        HeadraceError: HR-SERVE-006 for another host, HR-SERVE-004 for a port that cannot be had.
    """
    address = "127.0.0.1" if host == "localhost" else host
    try:
        local = ipaddress.ip_address(address)
    except ValueError:
        local = None
    if local is None or not local.is_loopback:
        found = f"the address {host[:100]!r}, which others could reach"
        cure = "leave out --host; access from elsewhere needs tokens, which this version does not have"
        raise HeadraceError(Fault("HR-SERVE-006", "", found, "loopback, e.g. 127.0.0.1", cure))
    taken = socket.socket(socket.AF_INET6 if local.version == 6 else socket.AF_INET)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((address, port))
    except OSError as error:
        taken.close()
        found = f"port {port}, which cannot be had ({error.strerror})"
        raise HeadraceError(Fault("HR-SERVE-004", "", found, "a free port", "name another one with --port")) from None
    return taken


def url_of(taken: socket.socket) -> str:
    """Return the URL of a bound socket."""
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
