"""Reception: where every request comes in, whatever carried it, and is let through, asked to wait, or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from headrace import clock
from headrace.serve.message import Answer, Request, Response, Route
from headrace.serve.wire.coding import decompressed, known, too_large, unknown
from headrace.serve.wire.limits import Limits
from headrace.serve.wire.rates import Rates
from headrace.serve.wire.refusal import refusal, refused
from headrace.serve.wire.router import Router

Call = tuple[Route, tuple[str, ...], Request]
"""A request whose head was let through: its route, the parts of its path, and itself, still without its body."""
_DEADLINE = b"x-deadline-ms"
_LONGEST_MS = 86_400_000


class Access(Protocol):
    """Who may ask what."""

    def client(self, authorization: bytes | None, scope: str) -> str:
        """Return the name of who asks; refuse who may not, with HR-ACCESS-001 or 002."""
        ...


class Reception:
    """Routes behind limits.

    A request passes twice: with its head, so that a body that is not wanted is not read; and whole, to be answered.

    Args:
        routes: what can be asked.
        limits: of work under way and of single clients.
        access: None where anyone who reaches the server may ask everything.
    """

    def __init__(self, routes: Sequence[Route], limits: Limits | None = None, access: Access | None = None) -> None:
        self.limits, self._access = limits or Limits(), access
        self.under_way = 0
        self._router = Router(routes)
        self._known = self._router.known
        self._most = self.limits.under_way
        self._rates = None if self.limits.per_client is None else Rates(self.limits.per_client)
        self._tasks = set[asyncio.Future[Response]]()

    def head(self, method: str, target: bytes, headers: Mapping[bytes, bytes], client: str) -> Call:
        """Let the head of a request through.

        Args:
            method: as sent.
            target: path and query as sent.
            headers: with names in lower case.
            client: its address.

        Raises:
            HeadraceError: HR-SERVE-009, 010 for what nothing answers; HR-ACCESS-001, 002; HR-SERVE-015 where a client
                asks too often; HR-REQUEST-001, HR-WIRE-004, 007 for what its headers say.
        """
        path, _, query = target.partition(b"?")
        route, parts, decoded = self._known.get((method, path)) or self._router.find(method, path)
        if self._access is not None and route.scope:
            client = self._access.client(headers.get(b"authorization"), route.scope)
        if self._rates is not None and route.scope and not self._rates.spend(client):
            raise refused(
                "HR-SERVE-015", "more requests than one client may send", "fewer a second", "wait, then retry"
            )
        if (length := headers.get(b"content-length")) is not None and int(length) > route.largest:
            raise too_large(route.largest)
        if (coding := headers.get(b"content-encoding")) is not None and not known(coding):
            raise unknown()
        deadline = None
        if (within := headers.get(_DEADLINE)) is not None:
            deadline = clock.monotonic_s() + _milliseconds(within) / 1000
        asked = Request(method, decoded, query.decode("latin-1"), headers, b"", client, deadline)
        return route, parts, asked

    def answer(self, call: Call) -> Response | asyncio.Future[Response]:
        """Answer a request that is there whole: at once, or by a future that is still open and never is cancelled.

        Whoever gets a future calls ``outcome`` when it is done.
        """
        route, parts, request = call
        try:
            if self.under_way >= self._most and route.scope:
                cure = "wait as long as Retry-After says, then send it again"
                raise refused("HR-SERVE-014", "as many requests under way as there may be", "fewer at once", cure)
            if request.deadline is not None and clock.monotonic_s() >= request.deadline:
                found = "a deadline that passed before the request was begun"
                raise refused("HR-SERVE-016", found, "time left", "allow more time, or send fewer at once")
            if len(request.body) > route.largest:
                raise too_large(route.largest)
            if (coding := request.headers.get(b"content-encoding")) is not None:
                request.body = decompressed(request.body, coding, route.largest)
            answer = route.answer(request, *parts)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            return refusal(error, request.path)
        return answer if isinstance(answer, Response) else self._waited(answer, request)

    def outcome(self, future: asyncio.Future[Response], path: str) -> Response:
        """Return the answer of a future that is done."""
        self.under_way -= 1
        self._tasks.discard(future)
        return _outcome(future, path)

    def forget_clients(self) -> None:
        """Let go of clients that have not asked for a while; called now and then."""
        if self._rates is not None:
            self._rates.forget()

    def _waited(self, answer: Answer, request: Request) -> Response | asyncio.Future[Response]:
        future: asyncio.Future[Response] = asyncio.ensure_future(answer)  # type: ignore[arg-type]
        if future.done():
            return _outcome(future, request.path)
        self.under_way += 1
        self._tasks.add(future)  # a loop holds its tasks weakly
        return future


def _outcome(future: asyncio.Future[Response], path: str) -> Response:
    try:
        return future.result()
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - as above
        return refusal(error, path)


def _milliseconds(given: bytes) -> int:
    if given.isdigit() and len(given) < 10 and int(given) <= _LONGEST_MS:
        return int(given)
    expected = f"whole milliseconds, at most {_LONGEST_MS}"
    raise refused("HR-WIRE-007", "x-deadline-ms with another value", expected, "write x-deadline-ms: 50")
