"""From a worker to the keeper: live events over a socket of this machine, one connection for each post.

A connection that is kept could be closed by a keeper that ends, just when a post is under way on it; one that is made
anew waits in the queue of the socket, until whoever keeps by then takes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from headrace.errors import Fault, HeadraceError

_PATIENCE_S = 30.0
_LARGEST = 64 << 20
_FAULT = ("code", "place", "found", "expected", "cure")


async def forward(keeper: Path, stream: str, bodies: Sequence[bytes]) -> dict[str, Any]:
    """Return what the keeper answers to live events.

    Args:
        keeper: path of its socket.
        stream: name.
        bodies: JSON objects.

    Raises:
        HeadraceError: what the keeper refuses with; HR-SERVE-021 where it does not answer.
    """
    body = b"\n".join(bodies)
    head = f"POST /events/{quote(stream, safe='')} HTTP/1.1\r\nhost: keeper\r\nconnection: close\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    try:
        async with asyncio.timeout(_PATIENCE_S):
            said = await _asked(keeper, head.encode() + body)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        raise _lost() from None
    top, _, content = said.partition(b"\r\n\r\n")
    try:
        status, document = int(top.split(b" ", 2)[1]), msgspec.json.decode(content)
    except (ValueError, IndexError, msgspec.MsgspecError):
        raise _lost() from None
    if status in (200, 202):
        return dict(document)
    raise HeadraceError([Fault(*(one.get(name, "") for name in _FAULT)) for one in document["errors"]])


async def _asked(keeper: Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(keeper, limit=_LARGEST)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()


def _lost() -> HeadraceError:
    found = "no answer of the process that takes events"
    cure = "post it again: of a stream with a key, what was taken is not taken twice"
    return HeadraceError(Fault("HR-SERVE-021", "", found, "its answer", cure))
