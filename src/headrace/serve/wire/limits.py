"""What one connection and all of them together may take of time, memory and work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of a server. Times are looked at once a second, so a limit may be overstepped by that much.

    Args:
        head_s: seconds from the first byte of a request to the end of its headers.
        body_s: seconds for a body, to which each ``body_rate`` bytes that came add one.
        body_rate: bytes a second that a client of a larger body has to reach.
        idle_s: seconds that a connection may wait for its next request.
        write_s: seconds that a client may leave an answer unread.
        linger_s: seconds in which a client that is cut may still read why.
        drain_s: seconds that requests under way have left when the server is told to stop.
        target: bytes of a path with its query.
        head: bytes after which headers must have ended.
        headers: number of them.
        pipelined: answers that one connection may wait for; what comes behind them is not read.
        connections: open at once; one more is closed at once.
        bodies: bytes of bodies that are still coming, of all connections; more is answered 429.
        unread: bytes of answers that clients have not read, of all connections; where there are more, those that
            leave most unread are cut.
        under_way: requests that wait for their answer, of all connections; one more is answered 429.
        per_client: requests a second of one client, of which it may save up a second's worth; None for any.
        hosts: names by which it may be asked; none for any.
    """

    head_s: float = 10.0
    body_s: float = 30.0
    body_rate: int = 16_384
    idle_s: float = 75.0
    write_s: float = 30.0
    linger_s: float = 2.0
    drain_s: float = 10.0
    target: int = 8_192
    head: int = 32_768
    headers: int = 100
    pipelined: int = 64
    connections: int = 8_192
    bodies: int = 256 << 20
    unread: int = 256 << 20
    under_way: int = 1_024
    per_client: float | None = None
    hosts: tuple[str, ...] = ()
