"""Names by which a server may be asked: a page of another site that has a browser ask this machine is refused.

Such a page can give its own name the address of this machine (DNS rebinding), or post to this machine without being
able to read the answer. A browser tells both: the one by ``host``, the other by ``origin``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from headrace.serve.wire.refusal import Declined, refused

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def check(headers: Mapping[bytes, bytes], names: Collection[str]) -> None:
    """Refuse a request that was meant for another server, or that a page of another one has made.

    Args:
        headers: with names in lower case; what has no ``host`` was sent by no browser.
        names: of this server, in lower case; any port goes.

    Raises:
        HeadraceError: HR-WIRE-009 for another host, 010 for another origin.

    Example:
        >>> check({b"host": b"LOCALHOST:8470"}, LOOPBACK)
    """
    host = headers.get(b"host", b"").decode("latin-1").lower()
    if host and _name(host) not in names:
        raise _other_host()
    origin = headers.get(b"origin")
    if origin is not None and origin.decode("latin-1").lower().partition("://")[2] != host:
        found, cure = "a page of another site", "ask from a program, or let a server of yours stand between"
        raise refused("HR-WIRE-010", found, "the pages of this server, or no browser", cure)


def _name(host: str) -> str:
    """Return a host without its port."""
    bare = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    return bare.removesuffix(".")


def _other_host() -> Declined:
    cure = "ask by one of these, or name it with headrace serve --server-name"
    return refused("HR-WIRE-009", "another host", "localhost, 127.0.0.1, [::1] or a name that was given", cure)
