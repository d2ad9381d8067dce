"""``GET /openapi.json``, ``GET /docs``, and made-up rows to try a service with."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import msgspec

from headrace import clock
from headrace.declare import Project
from headrace.errors import Fault, HeadraceError, nearest
from headrace.serve.interface.document import EXAMPLE, document
from headrace.serve.interface.example import example
from headrace.serve.interface.page import page
from headrace.serve.message import Headers, Request, Response, Route, as_json

_KEPT_US = 1_000_000
"""How long a document is told as it was made: only the time of its examples changes, and each takes milliseconds."""


def routes(project: Project, every: Callable[[], Sequence[Route]], now_us: clock.Clock = clock.now_us) -> list[Route]:
    """Return the routes that tell the interface.

    Args:
        project: whose services and streams are told.
        every: gives all routes of the server, once these are known.
        now_us: the clock.
    """
    kept: list[tuple[int, bytes]] = []

    def told(_request: Request) -> Response:
        now = now_us()
        if not kept or not 0 <= now - kept[0][0] < _KEPT_US:
            kept[:] = [(now, msgspec.json.encode(document(project, every(), now)))]
        return Response(200, kept[0][1])

    def shown(_request: Request) -> Response:
        body, policy = page(project.name)
        return Response(200, body, b"text/html; charset=utf-8", _headers(policy))

    def made(_request: Request, name: str) -> Response:
        services = project.all_services
        if name not in services:
            cure = nearest(name[:64], services)
            raise HeadraceError(Fault("HR-SERVE-007", "", f"no service {name[:64]!r}", "a declared one", cure))
        return as_json(example(services[name].model.cases.spine.contract, now_us(), secrets.randbits(63)))

    return [
        Route("GET", "/openapi.json", told, "read", tells="The interface, as OpenAPI 3.1."),
        Route("GET", "/docs", shown, "", tells="A page where the services can be tried."),
        Route("GET", EXAMPLE, made, "read", tells="A row that keeps the contract, made up."),
    ]


def _headers(policy: bytes) -> Headers:
    return (
        (b"content-security-policy", policy),
        (b"referrer-policy", b"no-referrer"),
        (b"x-frame-options", b"DENY"),
    )
