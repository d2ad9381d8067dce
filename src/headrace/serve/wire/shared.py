"""What the connections of a server have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from headrace.serve.wire.reception import Asked, Reception

_REPEATS, _LONGEST = 1_024, 2_048
_NOT_KEPT = (b"transfer-encoding", b"expect", b"upgrade")


class Connection(Protocol):
    """What the server knows of a connection, whatever it speaks."""

    def look(self, now: float) -> None:
        """Cut a client that is too slow, or that has been idle for too long; called each second."""
        ...

    def unread(self) -> int:
        """Return how many bytes of answers wait for the client to read them."""
        ...

    def wind_down(self) -> None:
        """End when what is under way is answered; at once where nothing is."""
        ...

    def cut(self) -> None:
        """End at once."""
        ...


class Repeat:
    """The head of a whole request, as the parser understood it."""

    __slots__ = ("asked", "bodiless", "length")

    def __init__(self, asked: Asked, bodiless: bool, length: int) -> None:
        self.asked, self.bodiless, self.length = asked, bodiless, length


class Shared:
    """One for each server.

    Args:
        reception: which answers.
        loop: on which all of it runs.
        http2: makes the protocol that takes over a connection whose client speaks HTTP/2.
    """

    def __init__(
        self, reception: Reception, loop: asyncio.AbstractEventLoop, http2: Callable[[Shared], asyncio.Protocol]
    ) -> None:
        self.reception, self.limits, self.loop = reception, reception.limits, loop
        self.connections = set[Connection]()
        self.stopping = False
        self.repeats: dict[bytes, Repeat] = {}
        self._bodies = 0
        self._http2 = http2

    def admit(self, connection: Connection) -> bool:
        """Count a connection, unless there are too many."""
        if self.stopping or len(self.connections) >= self.limits.connections:
            return False
        self.connections.add(connection)
        return True

    def cut_unread(self) -> None:
        """Cut the connections that leave most unread, as long as all of them leave too much; called each second."""
        unread = sorted(((one.unread(), id(one), one) for one in self.connections), reverse=True)
        total = sum(count for count, _, _ in unread)
        for count, _, one in unread:
            if total <= self.limits.unread:
                return
            one.cut()
            total -= count

    def keep(self, data: bytes, asked: Asked, bodiless: bool) -> None:
        """Remember the head of a request, if ``data`` is one whole request that can be told by its head alone.

        Heads are the clients' to choose, so what is kept of them is bounded in number and length.
        """
        at = data.find(b"\r\n\r\n") + 4
        length = int(asked.headers.get(b"content-length", 0))
        if at > _LONGEST or len(data) != at + length or any(one in asked.headers for one in _NOT_KEPT):
            return
        if len(self.repeats) >= _REPEATS:
            self.repeats.clear()
        self.repeats[data[:at]] = Repeat(asked, bodiless, length)

    def reserve(self, count: int) -> bool:
        """Count bytes of a body that is still coming, unless all of them are too many."""
        if self._bodies + count > self.limits.bodies:
            return False
        self._bodies += count
        return True

    def release(self, count: int) -> None:
        """Give back what was reserved."""
        self._bodies -= count

    def switch(self, from_: Connection, transport: asyncio.Transport, data: bytes) -> None:
        """Hand a connection over to HTTP/2, with what was read of it."""
        self.connections.discard(from_)
        protocol = self._http2(self)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)


def client_of(transport: asyncio.BaseTransport) -> str:
    """Return the address of who is at the other end; a socket of this machine has none."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else "local"
