"""Reception: where every request comes in, whatever carried it, and is let through, asked to wait, or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Protocol

from headrace import clock
from headrace.serve.message import Answer, Request, Response, Route
from headrace.serve.wire import hosts
from headrace.serve.wire.coding import decompressed, known, too_large, unknown
from headrace.serve.wire.limits import Limits
from headrace.serve.wire.rates import Rates
from headrace.serve.wire.refusal import PROTOCOL, of_protocol, refusal, refused
from headrace.serve.wire.router import Router

_DEADLINE = b"x-deadline-ms"
_LONGEST_MS = 86_400_000


class Access(Protocol):
    """Who may ask what."""

    def client(self, authorization: bytes | None, scope: str) -> str:
        """Return the name of who asks; refuse who may not, with HR-ACCESS-001 or 002."""
        ...


class Asked:
    """What the head of a request asks, whoever sends it and when.

    Args:
        route: which answers.
        parts: of the path, for its braces.
        method, path, query, headers: as in ``Request``.
        within_s: seconds that the client is willing to wait; None for any.
    """

    __slots__ = ("coding", "headers", "method", "parts", "path", "query", "route", "within_s")

    def __init__(
        self,
        route: Route,
        parts: tuple[str, ...],
        method: str,
        path: str,
        query: str,
        headers: Mapping[bytes, bytes],
        within_s: float | None,
    ) -> None:
        self.route, self.parts, self.method, self.path, self.query = route, parts, method, path, query
        self.headers, self.within_s, self.coding = headers, within_s, headers.get(b"content-encoding")


class Reception:
    """Routes behind limits.

    A request passes in three steps: what its head asks, which is the same each time; whether it may now; and, whole,
    its answer. A body that is not wanted is not read.

    Args:
        routes: what can be asked.
        limits: of work under way and of single clients.
        access: None where anyone who reaches the server may ask everything.
    """

    def __init__(self, routes: Sequence[Route], limits: Limits | None = None, access: Access | None = None) -> None:
        self.limits, self._access = limits or Limits(), access
        self.under_way = 0
        self._router = Router(routes)
        self._most = self.limits.under_way
        self._rates = None if self.limits.per_client is None else Rates(self.limits.per_client)
        self._tasks = set[asyncio.Future[Response]]()

    def read(self, method: str, target: bytes, headers: Mapping[bytes, bytes]) -> Asked:
        """Return what a head asks.

        Args:
            method: as sent.
            target: path and query as sent.
            headers: with names in lower case; they are kept, and not changed.

        Raises:
            HeadraceError: HR-SERVE-009, 010 for what nothing answers; HR-REQUEST-001, HR-WIRE-004, 007, 009, 010 for
                what the headers say.
        """
        if self.limits.hosts:
            hosts.check(headers, self.limits.hosts)
        path, _, query = target.partition(b"?")
        route, parts, decoded = self._router.find(method, path)
        if (length := headers.get(b"content-length")) is not None and int(length) > route.largest:
            raise too_large(route.largest)
        if (coding := headers.get(b"content-encoding")) is not None and not known(coding):
            raise unknown()
        within = headers.get(_DEADLINE)
        within_s = None if within is None else _milliseconds(within) / 1000
        return Asked(route, parts, method, decoded, query.decode("latin-1"), headers, within_s)

    def admit(self, asked: Asked, client: str) -> Request:
        """Return the request that a head begins, still without its body.

        Args:
            asked: of ``read``.
            client: its address.

        Raises:
            HeadraceError: HR-ACCESS-001, 002 where the client may not; HR-SERVE-015 where it asks too often.
        """
        route, deadline = asked.route, None
        if self._access is not None and route.scope:
            client = self._access.client(asked.headers.get(b"authorization"), route.scope)
        if self._rates is not None and route.scope and not self._rates.spend(client):
            found = "more requests than one client may send"
            raise refused(
                "HR-SERVE-015", found, "fewer a second", "wait as long as Retry-After says, then send it again"
            )
        if asked.within_s is not None:
            deadline = clock.monotonic_s() + asked.within_s
        return Request(asked.method, asked.path, asked.query, asked.headers, b"", client, deadline)

    def answer(self, asked: Asked, request: Request) -> Response | asyncio.Future[Response]:
        """Answer a request that is there whole: at once, or by a future that is still open and never is cancelled.

        Whoever gets a future calls ``outcome`` when it is done.
        """
        route = asked.route
        try:
            if self.under_way >= self._most and route.scope:
                return _full(of_protocol(request.path))
            if request.deadline is not None and clock.monotonic_s() >= request.deadline:
                found = "a deadline that passed before the request was begun"
                raise refused("HR-SERVE-016", found, "time left", "allow more time, or send fewer at once")
            if len(request.body) > route.largest:
                raise too_large(route.largest)
            if asked.coding is not None:
                request.body = decompressed(request.body, asked.coding, route.largest)
            answer = route.answer(request, *asked.parts)
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


@cache
def _full(in_protocol: bool) -> Response:
    """Return what is answered when too much is under way, made once: it is asked for most when time is short."""
    found, cure = "as many requests under way as there may be", "wait as long as Retry-After says, then send it again"
    return refusal(refused("HR-SERVE-014", found, "fewer at once", cure), PROTOCOL if in_protocol else "")


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
