"""The two clients: one that waits, one for asyncio; both over a pool of connections that are kept."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit

from headrace.client.answers import Decision, ServiceError, Taken, error_in_place, stranger
from headrace.client.asking import Answer, Call, Lost, Send, Service, Steps, checked, with_query, wrong_use
from headrace.client.rows import as_json, batches, is_table, rows_of
from headrace.declare.origins import is_loopback
from headrace.errors import Fault, HeadraceError

T = TypeVar("T")
URL = "http://127.0.0.1:8470"
"""Where ``headrace serve`` is by default."""
_LINES = "application/x-ndjson"


class Conversations:
    """What can be said to a service, whoever carries it."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def decide(self, name: str, row: Any, explain: int, features: bool, timeout: float | None) -> Steps[Decision]:
        _explained(explain)
        call = Call("POST", _path("services", name, "decide"), as_json(row), "application/json", repeatable=None)
        answer = yield from self.service.ask(with_query(call, explain=explain, features=features), timeout)
        return self._read(answer, Decision.read)

    def decide_many(
        self, name: str, rows: Any, explain: int, features: bool, timeout: float | None
    ) -> Steps[list[Decision | ServiceError]]:
        _explained(explain)
        path = _path("services", name, "decide")
        found, unsent = list[Decision | ServiceError](), dict[int, HeadraceError]()
        for some in batches(_several(rows), unsent):
            call = Call("POST", path, b"[" + b",".join(some) + b"]", "application/json", repeatable=None)
            answer = yield from self.service.ask(with_query(call, explain=explain, features=features), timeout)
            told = self._read(answer, lambda said: [_in_place(one) for one in said])
            if len(told) != len(some):
                raise stranger(self.service.url, f"{len(told)} answers to {len(some)} rows", answer.status)
            found += told
        answered = iter(found)
        places = range(len(found) + len(unsent))
        return [ServiceError(unsent[one].faults) if one in unsent else next(answered) for one in places]

    def post_events(self, stream: str, rows: Iterable[Any], timeout: float | None) -> Steps[list[Taken]]:
        found = []
        for some in batches(_several(rows)):
            call = Call("POST", _path("events", stream), b"\n".join(some), _LINES, repeatable=None)
            answer = yield from self.service.ask(call, timeout)
            found.append(self._read(answer, Taken.read))
        return found

    def health(self, timeout: float | None) -> Steps[dict[str, Any]]:
        answer = yield from self.service.ask(Call("GET", "/health/ready"), timeout)
        return self._read(answer, dict)

    def metrics(self, timeout: float | None) -> Steps[str]:
        answer = yield from self.service.ask(Call("GET", "/metrics", accept="text/plain"), timeout)
        return answer.content.decode("utf-8", "replace")

    def _read(self, answer: Answer, read: Callable[[Any], T]) -> T:
        said = self.service.document(answer)
        try:
            return read(said)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise stranger(self.service.url, "JSON that no service of Headrace writes", answer.status) from None


class Client:
    """Asks a service, and waits for its answers. May be shared by threads.

    A request that may have reached the service is sent again only where that does no harm: rows with a key are decided
    and taken once however often they come. What is refused because the service is busy (429, 503) is sent again after
    the time that it asks for. All of that within ``timeout``, of which the service is told.

    Args:
        url: as ``headrace serve`` prints it, or ``unix:///path`` of its socket.
        token: that lets in beyond loopback; by default the variable ``HEADRACE_TOKEN``.
        timeout: seconds for one call with its repeats; for many rows, of each thousand of them.
        verify: whether the certificate of the service is verified; or a file of certificates that are trusted.
        insecure_http: whether a token may be sent over HTTP without encryption to another machine.

    Raises:
        HeadraceError: HR-CLIENT-005 for an address that is none, or would show the token; 006 without the library
            ``httpx`` (extra ``http``).

    Example:
        >>> with Client("http://127.0.0.1:8470") as client:  # doctest: +SKIP
        ...     client.decide("fraud_desk", {"payment_id": "p1", "amount": "12.50"}, explain=3).decision
        'allow'
    """

    def __init__(
        self,
        url: str = URL,
        token: str | None = None,
        *,
        timeout: float = 10.0,
        verify: bool | str = True,
        insecure_http: bool = False,
    ) -> None:
        base, socket = _address(url)
        self._says = Conversations(Service(str(url), _token(token, base, socket, insecure_http), checked(timeout)))
        self._httpx = _httpx(url)
        transport = self._httpx.HTTPTransport(uds=socket) if socket else None
        self._http = self._httpx.Client(
            base_url=base, transport=transport, verify=_verified(verify, url), trust_env=_trusts(base, socket)
        )

    def decide(
        self, service: str, row: Any, *, explain: int = 0, features: bool = False, timeout: float | None = None
    ) -> Decision:
        """Return the decision on one row, which is on record by then.

        Args:
            service: its name.
            row: a mapping, a dataclass, a named tuple or a Pydantic model of the fields of the contract.
            explain: how many reasons.
            features: whether the values of features are wanted, too.
            timeout: seconds; by default the client's.

        Raises:
            ServiceError: what the service says when it refuses; HR-CLIENT-001 not reached, 002 not in time, 003 an
                answer of something else.
            HeadraceError: HR-CLIENT-004 for a row that JSON cannot hold.
        """
        return self._run(self._says.decide(service, row, explain, features, timeout))

    def decide_many(
        self, service: str, rows: Any, *, explain: int = 0, features: bool = False, timeout: float | None = None
    ) -> list[Decision | ServiceError]:
        """Return the decision on each row, in their order; where one is refused its error stands in its place.

        Args:
            service: its name.
            rows: an iterable of rows as for ``decide``, or a table of Arrow, Polars or pandas.
            explain, features, timeout: as for ``decide``, the time for each thousand rows.

        Raises:
            ServiceError, HeadraceError: as ``decide``, where no row could be looked at.
        """
        return self._run(self._says.decide_many(service, rows, explain, features, timeout))

    def post_events(self, stream: str, rows: Iterable[Any], *, timeout: float | None = None) -> Taken:
        """Give live events to a stream; when this returns they are durable and count in the next decision.

        Each thousand rows are taken together or refused together. Of events with a key each counts once, however
        often it is posted.

        Raises:
            ServiceError, HeadraceError: as ``decide``.
        """
        return _together(self._run(self._says.post_events(stream, rows, timeout)))

    def health(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Return what the service says of itself when it is ready: ``ready`` and the names of its services."""
        return self._run(self._says.health(timeout))

    def metrics(self, *, timeout: float | None = None) -> str:
        """Return the figures of the service, in Prometheus' text format."""
        return self._run(self._says.metrics(timeout))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, steps: Steps[T]) -> T:
        got: Answer | Lost | None = None
        while True:
            try:
                step = steps.send(got)
            except StopIteration as end:
                value: T = end.value
                return value
            got = None
            if isinstance(step, Send):
                got = self._send(step)
            else:
                time.sleep(step.seconds)

    def _send(self, step: Send) -> Answer | Lost:
        if self._http.is_closed:
            raise _closed()
        try:
            return _answer(self._http.request(**_request(step)))
        except self._httpx.HTTPError as error:
            return _lost(error)


class AsyncClient:
    """Asks a service from asyncio: ``Client`` with ``await`` before each call.

    Args:
        url, token, timeout, verify, insecure_http: as for ``Client``.

    Raises:
        HeadraceError: as ``Client``.

    Example:
        >>> async def ask():  # doctest: +SKIP
        ...     async with AsyncClient() as client:
        ...         return await client.decide("fraud_desk", {"payment_id": "p1", "amount": "12.50"})
    """

    def __init__(
        self,
        url: str = URL,
        token: str | None = None,
        *,
        timeout: float = 10.0,
        verify: bool | str = True,
        insecure_http: bool = False,
    ) -> None:
        base, socket = _address(url)
        self._says = Conversations(Service(str(url), _token(token, base, socket, insecure_http), checked(timeout)))
        self._httpx = _httpx(url)
        transport = self._httpx.AsyncHTTPTransport(uds=socket) if socket else None
        self._http = self._httpx.AsyncClient(
            base_url=base, transport=transport, verify=_verified(verify, url), trust_env=_trusts(base, socket)
        )

    async def decide(
        self, service: str, row: Any, *, explain: int = 0, features: bool = False, timeout: float | None = None
    ) -> Decision:
        """Return the decision on one row, as ``Client.decide``."""
        return await self._run(self._says.decide(service, row, explain, features, timeout))

    async def decide_many(
        self, service: str, rows: Any, *, explain: int = 0, features: bool = False, timeout: float | None = None
    ) -> list[Decision | ServiceError]:
        """Return the decision on each row, as ``Client.decide_many``."""
        return await self._run(self._says.decide_many(service, rows, explain, features, timeout))

    async def post_events(self, stream: str, rows: Iterable[Any], *, timeout: float | None = None) -> Taken:
        """Give live events to a stream, as ``Client.post_events``."""
        return _together(await self._run(self._says.post_events(stream, rows, timeout)))

    async def health(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Return what the service says of itself when it is ready."""
        return await self._run(self._says.health(timeout))

    async def metrics(self, *, timeout: float | None = None) -> str:
        """Return the figures of the service, in Prometheus' text format."""
        return await self._run(self._says.metrics(timeout))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self, steps: Steps[T]) -> T:
        got: Answer | Lost | None = None
        while True:
            try:
                step = steps.send(got)
            except StopIteration as end:
                value: T = end.value
                return value
            got = None
            if isinstance(step, Send):
                got = await self._send(step)
            else:
                await asyncio.sleep(step.seconds)

    async def _send(self, step: Send) -> Answer | Lost:
        if self._http.is_closed:
            raise _closed()
        try:
            return _answer(await self._http.request(**_request(step)))
        except self._httpx.HTTPError as error:
            return _lost(error)


def _request(step: Send) -> dict[str, Any]:
    call = step.call
    return {
        "method": call.method,
        "url": call.path,
        "content": call.content,
        "headers": dict(step.headers),
        "timeout": step.timeout_s,
    }


def _answer(response: Any) -> Answer:
    return Answer(response.status_code, dict(response.headers), response.content)


_BEFORE = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "LocalProtocolError")
"""What can only happen before a request is on its way."""


def _lost(error: Exception) -> Lost:
    kind = type(error).__name__
    if kind == "ConnectError" and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Lost("a certificate that is not trusted", begun=False, stranger=True)
    late = "no answer in time" if kind.endswith("Timeout") else "a connection that broke"
    return Lost("nothing there" if kind in _BEFORE else late, kind not in _BEFORE)


def _in_place(said: Mapping[str, Any]) -> Decision | ServiceError:
    return error_in_place(said) if "error" in said else Decision.read(said)


def _together(some: list[Taken]) -> Taken:
    warned: dict[str, int] = {}
    more: dict[str, Any] = {}
    for one in some:
        more |= one.more
        for rule, count in one.warned.items():
            warned[rule] = warned.get(rule, 0) + count
    sequences = [seq for one in some for seq in one.sequences]
    return Taken(sum(one.taken for one in some), sum(one.known_before for one in some), sequences, warned, more)


def _path(*parts: str) -> str:
    if not all(isinstance(one, str) and one for one in parts):
        raise wrong_use("a name that is no text", "the name of a service or stream", "give it as it is declared")
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _explained(explain: int) -> None:
    if not isinstance(explain, int) or explain < 0:
        raise wrong_use("explain= with another value", "how many reasons", "write explain=3")


def _several(rows: Any) -> Iterable[Any]:
    if is_table(rows):
        return rows_of(rows)
    if isinstance(rows, Mapping | str | bytes) or not isinstance(rows, Iterable):
        raise wrong_use(f"rows that are a {type(rows).__name__}", "several rows", "write [row] for a single one")
    return rows


def _closed() -> HeadraceError:
    return wrong_use("a client that was closed", "an open one", "ask within its 'with' block, or make another one")


def _address(url: str) -> tuple[str, str | None]:
    """The base of paths, and the socket of this machine where it is one."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "unix" and parts.path and not parts.netloc:
            return "http://localhost", parts.path
        whole = parts.hostname and not (parts.query or parts.fragment or parts.username) and parts.port != 0
        if parts.scheme in ("http", "https") and whole and url.isprintable() and " " not in url:
            return url.rstrip("/"), None
    except (ValueError, AttributeError, TypeError):  # a port that is no number, half an address, no text
        pass
    expected = "http://HOST:PORT, https://HOST or unix:///PATH"
    fault = Fault("HR-CLIENT-005", "url", "an address that is none", expected, "write what 'headrace serve' printed")
    raise HeadraceError(fault)


def _token(token: str | None, base: str, socket: str | None, insecure_http: bool) -> str | None:
    token = token or os.environ.get("HEADRACE_TOKEN") or None
    parts = urlsplit(base)
    if token and parts.scheme == "http" and not socket and not insecure_http and not is_loopback(parts.hostname or ""):
        found, cure = "a token that would be sent without encryption", "write https://, or insecure_http=True"
        raise HeadraceError(Fault("HR-CLIENT-005", "url", found, "https:// to another machine", cure))
    if token and not (token.isascii() and token.isprintable()):
        raise HeadraceError(
            Fault("HR-CLIENT-005", "token", "a token with letters that none has", "hr_…", "copy it once more")
        )
    return token


def _trusts(base: str, socket: str | None) -> bool:
    """Whether proxies of the environment are used: what is on this machine is asked directly."""
    return not socket and not is_loopback(urlsplit(base).hostname or "")


def _verified(verify: bool | str, url: str) -> Any:
    if not isinstance(verify, str):
        return verify
    import ssl

    try:
        return ssl.create_default_context(cafile=verify)
    except (OSError, ssl.SSLError):
        found, cure = "a file of certificates that cannot be read", "name a PEM file with verify="
        raise HeadraceError(Fault("HR-CLIENT-005", url, found, "certificates that are trusted", cure)) from None


def _httpx(url: str) -> Any:
    try:
        import httpx
    except ImportError:
        cure = "pip install 'headrace[http]'"
        raise HeadraceError(Fault("HR-CLIENT-006", url, "no library httpx", "it, to ask a service", cure)) from None
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its own words name each address
    return httpx
