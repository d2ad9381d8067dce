"""HTTP: a raw ASGI application over the office."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from headrace.errors import Fault, HeadraceError, nearest
from headrace.serve.fields import LARGEST
from headrace.serve.office import SETTLE_S, Office

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
LARGEST_POST = 16 << 20
"""Bytes of a post of many events."""
_MOST_REASONS = 1000
_SHOWN = 100
_JSON = ("application/json", "application/x-ndjson", "application/jsonl")
_STATUS = {
    "HR-REQUEST-001": 413,
    "HR-REQUEST-010": 415,
    "HR-ONLINE-002": 503,
    "HR-SERVE-005": 503,
    "HR-SERVE-007": 404,
    "HR-SERVE-008": 404,
    "HR-SERVE-009": 404,
    "HR-SERVE-010": 405,
    "HR-SERVE-013": 409,
    "HR-ONLINE-001": 503,
    "HR-LEARN-007": 503,
    "HR-INTERNAL": 500,
}
"""Every other fault is the request's: 400."""
_OURS = Fault("HR-INTERNAL", "", "a fault of the service itself", "an answer", "report it; its log names the kind")
_log = logging.getLogger("headrace.serve")


class Refused(HeadraceError):
    """A request that names no answer: unknown path, method or parameter."""


class App:
    """ASGI application: ``/services/{name}/decide``, ``/events/{stream}``, ``/health/live``, ``/health/ready``.

    Args:
        office: already open; the application closes it when the server says that it ends.
        settle_s: seconds between two trips of live events to the lake.
    """

    def __init__(self, office: Office, settle_s: float = SETTLE_S) -> None:
        self.office, self._settle_s = office, settle_s

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            document = await self._route(scope, receive)
            status = 202 if "behind" in document else 200
        except HeadraceError as error:
            status, document = _refusal(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            # neither the answer nor the log may hold what the request held
            _log.error("%s while answering %s", type(error).__name__, scope["path"].split("/")[1][:20])
            status, document = _refusal(HeadraceError(_OURS))
        body = msgspec.json.encode(document)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if status == 503:
            headers.append((b"retry-after", b"1"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _route(self, scope: Mapping[str, Any], receive: Receive) -> Any:
        parts = scope["path"].strip("/").split("/")
        match parts:
            case ["services", name, "decide"]:
                _only(scope, "POST")
                _json_only(scope)
                explain, features = _parameters(scope)
                return await self.office.decide(name, await _body(receive, LARGEST), explain, features)
            case ["events", stream]:
                _only(scope, "POST")
                _json_only(scope)
                return await self.office.take(stream, _lines(await _body(receive, LARGEST_POST)))
            case ["health", "live"]:
                _only(scope, "GET")
                return {"live": True}
            case ["health", "ready"]:
                _only(scope, "GET")
                return {"ready": True, "services": sorted(self.office.desks)}
        expected = "/services/NAME/decide, /events/STREAM, /health/live or /health/ready"
        raise _refused("HR-SERVE-009", "an unknown path", expected, "call one of these")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        settling: asyncio.Task[None] | None = None
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                settling = asyncio.create_task(self._settling())
                await send({"type": "lifespan.startup.complete"})
                continue
            if settling is not None:
                settling.cancel()
                await asyncio.wait([settling])
            try:
                await asyncio.to_thread(self.office.close)
            except HeadraceError as error:
                # what was not brought into the lake is in the spool: the next drain goes on with it
                await send({"type": "lifespan.shutdown.failed", "message": f"{error} What waits is kept in the spool."})
            else:
                await send({"type": "lifespan.shutdown.complete"})
            return

    async def _settling(self) -> None:
        while True:
            await asyncio.sleep(self._settle_s)
            try:
                await self.office.settle()
            except HeadraceError as error:
                # what waits stays in the spool; the next round tries again
                _log.warning("%s", error)
            except Exception as error:  # noqa: BLE001 - no single round may end all later ones
                _log.error("%s while settling", type(error).__name__)


def _only(scope: Mapping[str, Any], method: str) -> None:
    if scope["method"] != method:
        raise _refused("HR-SERVE-010", f"the method {scope['method'][:16]}", method, f"call it with {method}")


def _json_only(scope: Mapping[str, Any]) -> None:
    """Refuse another content type: a page in a browser of this machine can post any but JSON without being asked."""
    given = next((value for name, value in scope["headers"] if name == b"content-type"), b"application/json")
    kind = given.split(b";")[0].strip().lower().decode("latin-1")
    if kind not in _JSON:
        cure = "send the header content-type: application/json"
        raise _refused("HR-REQUEST-010", f"the content type {kind[:64]!r}", " or ".join(_JSON), cure)


def _parameters(scope: Mapping[str, Any]) -> tuple[int, bool]:
    given = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    unknown = sorted(set(given) - {"explain", "features"})
    if unknown:
        cure = nearest(unknown[0][:64], ("explain", "features"))
        raise _refused("HR-REQUEST-007", f"the parameter {unknown[0][:64]!r}", "explain=N or features=1", cure)
    explain, features = given.get("explain", ["0"])[-1], given.get("features", ["0"])[-1]
    if not (explain.isascii() and explain.isdigit() and len(explain) < 6 and int(explain) <= _MOST_REASONS):
        expected = f"a whole number from 0 to {_MOST_REASONS}"
        raise _refused("HR-REQUEST-007", "explain= with another value", expected, "write explain=3")
    if features not in ("0", "1"):
        raise _refused("HR-REQUEST-007", "features= with another value", "0 or 1", "write features=1")
    return int(explain), features == "1"


def _lines(body: bytes) -> list[bytes]:
    """One JSON object, which may span lines, or one object on each line."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    whole = len(lines) < 2 or not all(line.strip().startswith(b"{") and line.strip().endswith(b"}") for line in lines)
    return [body] if whole else lines


async def _body(receive: Receive, largest: int) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _refused("HR-REQUEST-008", "half a request", "all of it", "send it again, to its end")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > largest:
            cure = "send one row; many events go to /events/STREAM, in several posts"
            raise _refused("HR-REQUEST-001", f"more than {largest:,} bytes", f"at most {largest:,}", cure)
        if not message.get("more_body"):
            return b"".join(parts)


def _refused(code: str, found: str, expected: str, cure: str) -> HeadraceError:
    return Refused(Fault(code, "", found, expected, cure))


def _refusal(error: HeadraceError) -> tuple[int, dict[str, Any]]:
    told = [{**fault.as_dict(), "place": fault.place or "request"} for fault in error.faults[:_SHOWN]]
    for one in told:
        del one["severity"]
    return _STATUS.get(told[0]["code"], 400), {"error": told[0], "errors": told}
