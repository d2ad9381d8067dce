"""What can be told to the services and asked about them: live events, and whether the service is there and ready."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

from headrace.errors import HeadraceError
from headrace.serve import rebuilding
from headrace.serve.decisions import items
from headrace.serve.message import Request, Response, Route, as_json
from headrace.serve.office import Office
from headrace.serve.wire.refusal import plain, refused

LARGEST_POST = 16 << 20
"""Bytes of a post of many events."""
MOST_LINES = 100_000
"""Lines of a post, or items of its array."""
_MOST_VALUES = 20 * MOST_LINES
_JSON = ("application/json", "application/x-ndjson", "application/jsonl")
_log = logging.getLogger("headrace.serve")


def routes(office: Office) -> list[Route]:
    """Return the routes of an office: ``/events/{stream}`` and ``/health/…``."""

    def take(request: Request, stream: str) -> Awaitable[Response]:
        _json_only(request)
        return _answered(office.take(stream, _lines(request.body)))

    def ready(_request: Request) -> Response:
        found: dict[str, Any] = {"ready": not office.stateless, "services": sorted(office.desks)} | dict(
            office.standing
        )
        if progress := office.rebuilding.progress():
            found["rebuilding"] = progress
        if office.stateless:
            found["error"] = plain(rebuilding.refusal("a state to answer from"))
        return as_json(found, 503 if office.stateless else 200)

    def live(_request: Request) -> Response:
        return as_json({"live": True})

    return [
        Route("POST", "/events/{stream}", take, "events", LARGEST_POST, "Take live events"),
        Route("GET", "/health/live", live, "", tells="Whether the service is there"),
        Route("GET", "/health/ready", ready, "", tells="Whether it decides, and which services"),
    ]


async def settling(office: Office, every_s: float) -> None:
    """Bring live events into the lake now and then, for as long as the services run."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await office.settle()
        except HeadraceError as error:
            # what waits stays in the spool; the next round tries again
            _log.warning("%s", error)
        except Exception as error:  # noqa: BLE001 - no single round may end all later ones
            _log.error("%s while settling", type(error).__name__)


async def _answered(answer: Awaitable[dict[str, Any]]) -> Response:
    document = await answer
    return as_json(document, 202 if "behind" in document else 200)


def _json_only(request: Request) -> None:
    """Refuse another content type: a page in a browser of this machine can post any but JSON without being asked."""
    given = request.headers.get(b"content-type", b"application/json")
    kind = given.split(b";")[0].strip().lower().decode("latin-1")
    if kind not in _JSON:
        cure = "send the header content-type: application/json"
        raise refused("HR-REQUEST-010", f"the content type {kind[:64]!r}", " or ".join(_JSON), cure)


def _lines(body: bytes) -> list[bytes]:
    """One JSON object, which may span lines, an array of them, or one object on each line."""
    if body.lstrip().startswith(b"["):
        if (count := body.count(b",")) > _MOST_VALUES:  # to tell its items apart would take a second
            raise _many(f"{count:,} values", _MOST_VALUES)
        if len(listed := items(body)) > MOST_LINES:
            raise _many(f"{len(listed):,} events", MOST_LINES)
        return listed
    if (count := body.count(b"\n")) > MOST_LINES:
        raise _many(f"{count:,} lines", MOST_LINES)
    lines = [line for line in body.split(b"\n") if line.strip()]
    whole = len(lines) < 2 or not all(line.strip().startswith(b"{") and line.strip().endswith(b"}") for line in lines)
    return [body] if whole else lines


def _many(found: str, most: int) -> HeadraceError:
    cure = "send them in several posts; files are loaded with 'headrace run'"
    return refused("HR-REQUEST-001", found, f"at most {most:,}", cure)
