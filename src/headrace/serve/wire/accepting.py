"""Accepting from a socket on which several processes listen: one connection a turn, so that none takes them all."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

_COURTESY_S = 0.001
"""How long a connection is left to a process that has fewer."""
_RELIEF_S = 0.5
"""How long nothing is accepted when there is no file left for a connection."""


class Shared(Protocol):
    """What processes that accept from the same socket know of each other."""

    def has(self, connections: int) -> bool:
        """Tell how many connections this process has; return whether another one that accepts has fewer."""
        ...

    def leave(self) -> None:
        """Tell that this process accepts no more."""
        ...


class Accepting:
    """Takes connections until it is closed; those that it has taken are joined by then.

    Args:
        loop: on which it runs.
        bound: a socket that listens; others may listen on it, too.
        shares: what these others have.
        open: how many connections this process has.
        made: makes the protocol of a connection.
        tls: certificate and key; None for plain HTTP.
        handshake_s: seconds that a client has for its handshake.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bound: socket.socket,
        shares: Shared,
        open: Callable[[], int],
        made: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
        handshake_s: float,
    ) -> None:
        self._loop, self._bound, self._made, self._tls, self._handshake_s = loop, bound, made, tls, handshake_s
        self._shares, self._open = shares, open
        self._joining = set[asyncio.Task[None]]()
        self._closed = self._waits = False
        bound.setblocking(False)
        shares.has(0)
        self._begin()

    async def close(self) -> None:
        """Take no more; what waits in the queue of the socket is left to the others."""
        self._closed = True
        self._shares.leave()
        self._loop.remove_reader(self._bound)
        if self._joining:
            await asyncio.wait(self._joining, timeout=self._handshake_s)

    def _begin(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._bound, self._accept)

    def _accept(self) -> None:
        if not self._waits and self._shares.has(self._open() + len(self._joining)):
            self._waits = True
            self._pause(_COURTESY_S)
            return
        self._waits = False
        try:
            connection, _ = self._bound.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return  # another process was faster, or the client is gone
        except OSError:
            self._pause(_RELIEF_S)
            return
        connection.setblocking(False)
        if connection.family != getattr(socket, "AF_UNIX", None):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._join(connection))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._bound)
        self._loop.call_later(seconds, self._begin)

    async def _join(self, connection: socket.socket) -> None:
        patience = None if self._tls is None else self._handshake_s
        with contextlib.suppress(OSError, asyncio.TimeoutError):  # a client that goes away, or has no TLS
            await self._loop.connect_accepted_socket(
                self._made, connection, ssl=self._tls, ssl_handshake_timeout=patience
            )
