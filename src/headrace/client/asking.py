"""Asking: what is sent, when it is sent again, and when that ends; no socket is touched here.

One conversation is a generator that yields what is to be done and is told how it went, so that the client that waits
and the one that does not are the same client.
"""

from __future__ import annotations

import email.utils
import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from headrace import clock
from headrace.client.answers import ServiceError, refusal, stranger
from headrace.errors import Fault, HeadraceError

ATTEMPTS = 6
_FIRST_S, _LONGEST_S = 0.05, 2.0
_LONGEST_CALL_S = 86_400.0
_BUSY = (429, 503)
"""Refused before anything was done: to ask again does no harm, whatever was asked."""

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """A request.

    Args:
        method, path: of HTTP, with the query.
        content: of the body.
        kind: content type of the body.
        accept: content types of the answer.
        repeatable: whether doing it twice is as good as doing it once; None where only the service knows, since it
            depends on whether its rows have a key.
    """

    method: str
    path: str
    content: bytes = b""
    kind: str = ""
    accept: str = "application/json"
    repeatable: bool | None = True


@dataclass(frozen=True)
class Send:
    """To be done: send a request, and give it up after some seconds."""

    call: Call
    headers: Mapping[str, str]
    timeout_s: float


@dataclass(frozen=True)
class Wait:
    """To be done: nothing, for some seconds."""

    seconds: float


@dataclass(frozen=True)
class Answer:
    """A request was answered; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class Lost:
    """A request was not answered.

    Args:
        found: how that looked from here.
        begun: whether the service may have seen it.
        stranger: whether who is there cannot show that it is the service; to ask again does not help.
    """

    found: str
    begun: bool
    stranger: bool = False


Steps = Generator[Send | Wait, Answer | Lost | None, T]
"""A conversation that comes to a ``T``."""


@dataclass
class Service:
    """A service, as far as a client knows it.

    Args:
        url: shown in faults.
        token: sent with each request.
        timeout_s: for one call with all its repeats.
    """

    url: str
    token: str | None
    timeout_s: float
    _keyed: dict[str, bool] | None = field(default=None, init=False)

    def ask(self, call: Call, timeout_s: float | None = None) -> Steps[Answer]:
        """Ask until there is an answer; only what does no harm when it is done twice is asked again.

        Raises:
            ServiceError: HR-CLIENT-001 when the service cannot be reached, 002 when there is no answer in time; what
                the service itself says when it refuses.
        """
        until = clock.monotonic_s() + (self.timeout_s if timeout_s is None else checked(timeout_s))
        attempt = 0
        while True:
            got = yield self._send(call, until - clock.monotonic_s())
            if isinstance(got, Answer) and got.status not in _BUSY:
                return self._good(got)
            assert got is not None
            if isinstance(got, Lost) and got.stranger:
                break
            attempt += 1
            wait = _wait(got, attempt)
            begun = isinstance(got, Answer) or got.begun
            if (begun and attempt == ATTEMPTS) or clock.monotonic_s() + wait >= until:
                break
            if isinstance(got, Lost) and got.begun and not (yield from self._repeatable(call, until)):
                break
            yield Wait(wait)
        if isinstance(got, Answer):
            return self._good(got)
        raise self._lost(got)

    def _send(self, call: Call, left_s: float) -> Send:
        headers = {"accept": call.accept, "x-deadline-ms": str(max(1, round(left_s * 1000)))}
        headers |= {"content-type": call.kind} if call.kind else {}
        headers |= {"authorization": f"Bearer {self.token}"} if self.token else {}
        return Send(call, headers, max(left_s, 0.001))

    def _good(self, answer: Answer) -> Answer:
        if not 200 <= answer.status < 300:
            raise refusal(answer.status, answer.content, self.url)
        return answer

    def _lost(self, lost: Lost) -> ServiceError:
        if lost.stranger:
            cure = "name the file of certificates that it comes from with verify="
            return ServiceError([Fault("HR-CLIENT-005", self.url, lost.found, "one that is trusted", cure)])
        if lost.begun:
            cure = "ask again with the same key, if its rows have one: what was decided is answered again"
            return ServiceError([Fault("HR-CLIENT-002", self.url, lost.found, "an answer in time", cure)])
        cure = "start it with 'headrace serve', or give the address that it printed"
        return ServiceError([Fault("HR-CLIENT-001", self.url, lost.found, "a service that can be reached", cure)])

    def _repeatable(self, call: Call, until: float) -> Steps[bool]:
        """Whether a request may be sent again that the service may have carried out: rows with a key count once."""
        if call.repeatable is not None:
            return call.repeatable
        if self._keyed is None:
            left = until - clock.monotonic_s()
            if left <= 0:
                return False
            try:  # a service that went away may be on its way back
                answer = yield from self.ask(Call("GET", "/openapi.json"), left)
            except ServiceError:
                return False
            self._keyed = _keyed(answer.content)
        return self._keyed.get(call.path.partition("?")[0], False)

    def document(self, answer: Answer) -> Any:
        """Return the JSON that an answer holds.

        Raises:
            ServiceError: HR-CLIENT-003 where it is none.
        """
        try:
            return json.loads(answer.content)
        except ValueError:
            raise stranger(self.url, "an answer that is no JSON", answer.status) from None


def checked(timeout_s: float) -> float:
    """Return a time for a call.

    Raises:
        HeadraceError: HR-CLIENT-007 for what is none.
    """
    is_number = isinstance(timeout_s, int | float) and not isinstance(timeout_s, bool)
    if not is_number or not 0 < timeout_s <= _LONGEST_CALL_S:
        raise wrong_use("timeout= with another value", "seconds, more than 0 and at most a day", "write timeout=10")
    return timeout_s


def wrong_use(found: str, expected: str, cure: str) -> HeadraceError:
    """Return what is said of a call that could not be made."""
    return HeadraceError(Fault("HR-CLIENT-007", "client", found, expected, cure))


def _wait(got: Answer | Lost, attempt: int) -> float:
    """Seconds before the next attempt: as the service asks, else longer and longer."""
    asked = got.headers.get("retry-after", "") if isinstance(got, Answer) else ""
    backoff = clock.backoff_s(attempt - 1, _FIRST_S, _LONGEST_S)
    if asked.isascii() and asked.isdigit():
        return max(float(asked), backoff)
    try:
        at = clock.to_us(email.utils.parsedate_to_datetime(asked))
    except (ValueError, TypeError):
        return backoff
    return max((at - clock.now_us()) / 1e6, backoff)


def _keyed(content: bytes) -> dict[str, bool]:
    """Whether rows have a key, by path, as the document of the interface says."""
    try:
        paths = json.loads(content)["paths"]
        return {path: bool(one["post"].get("x-key")) for path, one in paths.items() if "post" in one}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def with_query(call: Call, **given: int | bool) -> Call:
    """Return a call with those parameters that are not zero."""
    query = "&".join(f"{name}={int(value)}" for name, value in given.items() if value)
    return replace(call, path=f"{call.path}?{query}") if query else call
