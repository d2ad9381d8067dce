"""HTTP: a small ASGI application over the office. Loopback only."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from headrace.errors import Fault, HeadraceError
from headrace.serve.office import Loaded, Office, office
from headrace.serve.request import decoded

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
LARGEST = 1_000_000
"""Bytes of a body; more is refused before it is read to its end."""
_STATUS = {"HR-SERVE-002": 404, "HR-SERVE-003": 404, "HR-SERVE-005": 404, "HR-SERVE-006": 405, "HR-SERVE-007": 413}
_UNAVAILABLE = ("HR-ONLINE",)


class App:
    """ASGI application: ``/services/{name}/decide``, ``/events/{stream}``, ``/health/live`` and ``/health/ready``."""

    def __init__(self, opened: Office) -> None:
        self.office = opened

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            status, answer = 200, await self.answer(scope, receive)
        except HeadraceError as error:
            status, answer = _refusal(error)
        body = msgspec.json.encode(answer)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def answer(self, scope: Mapping[str, Any], receive: Receive) -> Any:
        """Return the answer to a request.

        Raises:
            HeadraceError: when there is none.
        """
        match (scope["method"], *scope["path"].strip("/").split("/")):
            case ("GET", "health", "live"):
                return {"live": True}
            case ("GET", "health", "ready"):
                return {"ready": True, "services": sorted(self.office.desks)}
            case ("POST", "services", name, "decide"):
                return await self._decide(name, scope, receive)
            case ("POST", "events", stream):
                body = await _body(receive)
                lines = [line for line in body.splitlines() if line.strip()] if b"\n" in body.strip() else [body]
                bodies = [decoded(line) for line in lines] if len(lines) > 1 else _several(decoded(body))
                return await asyncio.to_thread(self.office.take, stream, bodies)
            case (_, "services", _, "decide") | (_, "events", _) | (_, "health", _):
                raise _refused("HR-SERVE-006", f"method {scope['method']}", "POST to decide, GET for health")
        raise _refused("HR-SERVE-005", "an unknown path", "/services/NAME/decide, /events/STREAM, /health/ready")

    async def _decide(self, name: str, scope: Mapping[str, Any], receive: Receive) -> Any:
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        explain = asked.get("explain", ["0"])[-1]
        if not explain.isdigit() or len(explain) > 3:
            raise _refused("HR-REQUEST-010", "explain= with another value", "how many reasons, 0 to 999")
        body = decoded(await _body(receive))
        shown = asked.get("features", ["0"])[-1] == "1"
        return await asyncio.to_thread(self.office.decide, name, body, int(explain), shown)


def _several(body: Any) -> list[Any]:
    return body if isinstance(body, list) else [body]


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _refused("HR-REQUEST-011", "half a request", "a whole one")
        part = message.get("body", b"")
        size += len(part)
        if size > LARGEST:
            raise _refused("HR-SERVE-007", f"a body of more than {LARGEST:,} bytes", "a smaller one")
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _refusal(error: HeadraceError) -> tuple[int, dict[str, Any]]:
    first = error.faults[0]
    status = 503 if first.code.startswith(_UNAVAILABLE) else _STATUS.get(first.code, 400)
    shown = [{key: value for key, value in fault.as_dict().items() if value} for fault in error.faults]
    return status, {"error": shown[0], "errors": shown}


def _refused(code: str, found: str, expected: str) -> HeadraceError:
    return HeadraceError(Fault(code, "", found, expected))


def serve(loaded: Loaded, host: str = "127.0.0.1", port: int = 8470) -> None:
    """Answer requests until told to stop (SIGTERM, Ctrl-C); then finish those under way and drain.

    Args:
        loaded: the project.
        host: an address of this machine's loopback; others need tokens, which do not exist yet.
        port: 0 takes a free one.

    Raises:
        HeadraceError: HR-SERVE-008 for another host, 004 without a champion.
    """
    import uvicorn

    if not _loopback(host):
        found = f"the address {host!r}, which others can reach"
        raise HeadraceError(Fault("HR-SERVE-008", "", found, "a loopback address", "leave out --host"))
    with office(loaded.project, loaded.state_dir) as opened:
        config = uvicorn.Config(App(opened), log_level="warning", access_log=False, server_header=False)
        with socket.create_server((host, port), family=_family(host)) as listening:
            shown = f"[{host}]" if ":" in host else host
            address = f"http://{shown}:{listening.getsockname()[1]}"
            sys.stderr.write(f"{', '.join(opened.desks)} at {address}/services/NAME/decide; Ctrl-C stops\n")
            uvicorn.Server(config).run(sockets=[listening])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
