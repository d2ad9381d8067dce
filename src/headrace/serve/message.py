"""Messages: a request as routes see it, an answer as they give it, whatever carried the one and will carry the other.

The server (``serve.wire``) reads bytes and knows no services; routes know services and no sockets. A route whose answer
is there at once returns it: no task is made for it. One that has to wait returns what can be awaited.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class Request:
    """A request, whole.

    Args:
        method: as sent, e.g. ``"POST"``.
        path: without the query, percent-decoded.
        query: behind the ``?``, as sent.
        headers: names in lower case; of several the last.
        body: all of it, of no more bytes than its route takes; decompressed.
        client: who asks, for limits: the name of a token, or an address.
        deadline: until when an answer is of use, on the clock of ``clock.monotonic_s``; None for always.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    client: str = ""
    deadline: float | None = None


@dataclass(slots=True)
class Response:
    """An answer; the server adds its length and the headers that all answers have.

    Args:
        status: of HTTP.
        body: all of it.
        kind: its content type.
        headers: others, with names in lower case.
    """

    status: int
    body: bytes
    kind: bytes = b"application/json"
    headers: Headers = ()


Answer = Response | Awaitable[Response]


@dataclass(frozen=True)
class Route:
    """What answers a method and a path.

    Args:
        method: ``"GET"`` or ``"POST"``.
        pattern: the path; a part in braces takes whatever stands there, e.g. ``"/services/{name}/decide"``.
        answer: the request and its parts in braces, in their order -> the answer; what it raises, is refused.
        scope: which a token needs for it: ``"decide"``, ``"events"``, ``"infer"``, ``"read"``, or ``""`` where anyone
            may ask, also without one.
        largest: bytes of a body.
        tells: one line for the page of the interface and its document.
    """

    method: str
    pattern: str
    answer: Callable[..., Answer]
    scope: str
    largest: int = 65_536
    tells: str = ""


def as_json(document: Any, status: int = 200, headers: Headers = ()) -> Response:
    """Return a document of plain values as an answer."""
    return Response(status, _encode(document), headers=headers)
