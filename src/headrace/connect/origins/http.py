"""Asking over HTTP: at a rate, again when a server is busy or an answer is cut, and with secrets for no one else."""

from __future__ import annotations

import email.utils
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from headrace.clock import backoff_s, monotonic_s, now_us, to_us
from headrace.connect.formats.library import needed
from headrace.connect.origins.page import LARGEST, NoPage, Torn, aside, too_large, torn, unpacked
from headrace.connect.origins.reader import away
from headrace.declare.origins import is_loopback
from headrace.errors import Fault, HeadraceError

ATTEMPTS = 6
_FIRST_S, _LONGEST_S = 0.5, 30.0
_LONGEST_ASKED_S = 300.0
"""How long a server may ask to be left alone; beyond that the run ends, and the next one begins anew."""
_BUSY = (408, 425, 429)
_REDIRECTS = 5
_CONNECT_S, _READ_S = 10.0, 60.0


@dataclass(frozen=True)
class Access:
    """What a server is given to let us in: to its own address, and to no other.

    Args:
        headers: with their secrets.
        params: of the query that hold secrets; an address of a next page often leaves them out.
    """

    headers: dict[str, str]
    params: dict[str, str]


@dataclass
class Answer:
    """What a server sent.

    Args:
        body: unpacked.
        link: address of the next page, if its header names one.
        is_whole: whether the server told the length of the body, and it was so long.
        is_empty: whether it says that there is nothing (204).
        header: name of one, beside Link, that tells of a further page; empty where none does.
    """

    body: IO[bytes]
    link: str | None
    is_whole: bool
    is_empty: bool
    header: str = ""


class _Again(Exception):
    """An answer that may be better next time: what it was, and after how many seconds."""

    def __init__(self, what: str, after_s: float | None = None) -> None:
        super().__init__(what)
        self.what, self.after_s = what, after_s


class Client:
    """Asks one server for pages.

    Args:
        address: shown in faults.
        place: of the declaration.
        url: of the first page, whose server gets what ``access`` holds.
        access: headers and parameters with secrets.
        rate: requests at most, e.g. ``"5/s"``.
        pause: waits some seconds.
        read_s: seconds without a byte after which an answer is given up.
    """

    def __init__(
        self,
        address: str,
        place: str,
        url: str,
        access: Access,
        rate: str | None,
        pause: Callable[[float], object] = time.sleep,
        read_s: float = _READ_S,
    ) -> None:
        self._address, self._place, self._access, self._pause = address, place, access, pause
        self._server = _server(url)
        self._secure = urlsplit(url).scheme == "https"
        self._gap_s = _gap_s(rate)
        self._last_s: float | None = None
        self._httpx = needed("httpx", address, "http")
        # With a logger of the user's own it would write addresses, and so the secrets in them.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        timeout = self._httpx.Timeout(read_s, connect=_CONNECT_S)
        self._client = self._httpx.Client(timeout=timeout, follow_redirects=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, url: str, params: dict[str, str]) -> Answer | None:
        """Return the answer to a request, None for a page that there is not (404).

        Raises:
            Away: HR-SOURCE-020 when the last try has failed as well.
            HeadraceError: HR-SOURCE-045 the server refuses, 046 it cannot be asked safely, 047 no rows of JSON.
        """
        for attempt in range(ATTEMPTS):
            self._keep_rate()
            try:
                return self._followed(url, params)
            except _Again as again:
                told = again
                wait_s = self._wait_s(again, attempt)
            if attempt + 1 < ATTEMPTS:
                self._pause(wait_s)
        cure = "look at the address and whether its server is well; the next run begins at the first page again"
        raise away(self._address, f"{told.what}, after {ATTEMPTS} tries", cure)

    def _wait_s(self, again: _Again, attempt: int) -> float:
        if again.after_s is None:
            return backoff_s(attempt, _FIRST_S, _LONGEST_S)
        if again.after_s > _LONGEST_ASKED_S:
            what = f"{again.what}, to be asked again in {again.after_s:,.0f} seconds"
            raise away(self._address, what, "run again then, or ask less often: rate='1/s'")
        return again.after_s

    def _keep_rate(self) -> None:
        if self._last_s is not None and self._gap_s:
            left = self._last_s + self._gap_s - monotonic_s()
            if left > 0:
                self._pause(left)
        self._last_s = monotonic_s()

    def _followed(self, url: str, params: dict[str, str]) -> Answer | None:
        for _ in range(_REDIRECTS):
            with self._asked(url, params) as response:
                if not response.is_redirect:
                    return self._answer(response)
                url, params = urljoin(str(response.request.url), response.headers.get("location", "")), {}
        raise self._fault("HR-SOURCE-045", "redirects without an end", "an answer", "correct the address")

    @contextmanager
    def _asked(self, url: str, params: dict[str, str]) -> Iterator[Any]:
        """Send a request and keep its answer open; what goes wrong until it is closed is worth another try."""
        own = _server(url) == self._server
        if self._secure and urlsplit(url).scheme != "https" and not is_loopback(urlsplit(url).hostname or ""):
            expected, cure = "https all the way", "write to those who run the API: it leads from https to http"
            raise self._fault("HR-SOURCE-046", "a page without encryption", expected, cure)
        # Bodies are taken as they come and unpacked here: the length that the server told is of the packed ones.
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip, zstd"}
        headers |= self._access.headers if own else {}
        try:
            with self._client.stream(
                "GET", _with(url, params, self._access.params if own else {}), headers=headers
            ) as it:
                yield it
        except (self._httpx.InvalidURL, self._httpx.UnsupportedProtocol, self._httpx.LocalProtocolError) as error:
            cure = "correct url=, params= or headers=, and look at the secrets in them: a line break is one too many"
            raise self._fault("HR-SOURCE-046", "a request that cannot be sent", "an address", cure) from error
        except self._httpx.RequestError as error:
            raise _Again(_told(error)) from error

    def _answer(self, response: Any) -> Answer | None:
        status = response.status_code
        if status in _BUSY or status >= 500:
            raise _Again(f"HTTP {status}", _asked_wait_s(response.headers.get("retry-after", "")))
        if status in (404, 410):
            return None
        if status >= 300:
            raise self._refused(status)
        body = self._received(response)
        link = next((one.get("url") for rel, one in response.links.items() if "next" in (rel or "").split()), None)
        whole = "content-length" in response.headers or "chunked" in response.headers.get("transfer-encoding", "")
        try:
            plain = unpacked(body)
            _no_html(plain)
            return Answer(plain, link, whole, status == 204, _tells_more(response.headers))
        except Torn as error:
            raise _Again(error.found) from error
        except NoPage as error:
            raise self._fault("HR-SOURCE-047", error.found, error.expected, error.cure) from error

    def _received(self, response: Any) -> IO[bytes]:
        body = aside()
        for block in response.iter_raw():
            body.write(block)
            if body.tell() > LARGEST:
                told = too_large()
                raise self._fault("HR-SOURCE-047", told.found, told.expected, told.cure)
        return body

    def _refused(self, status: int) -> HeadraceError:
        if status in (401, 403):
            cure = "look at the secret that headers= or params= name, and at what its owner may read"
            return self._fault("HR-SOURCE-045", f"HTTP {status}: we are not let in", "a secret that it takes", cure)
        cure = "look at the address, params= and since=, as the API's own pages describe them"
        return self._fault("HR-SOURCE-045", f"HTTP {status}", "a request that it takes", cure)

    def missing(self) -> HeadraceError:
        """Return the fault of a page that is not there."""
        return self._fault("HR-SOURCE-045", "HTTP 404: nothing at this address", "rows", "correct the address")

    def no_page(self, error: NoPage, answer: Answer) -> HeadraceError:
        """Return the fault of an answer that is not as declared, or that was cut where nobody told its length."""
        if isinstance(error, Torn) and not answer.is_whole:
            return away(self._address, torn().found, "run again: the answer was probably cut off")
        return self._fault("HR-SOURCE-047", error.found, error.expected, error.cure)

    def _fault(self, code: str, found: str, expected: str, cure: str) -> HeadraceError:
        return HeadraceError(Fault(code, self._place, f"{found}, from {self._address}", expected, cure))


def _no_html(body: IO[bytes]) -> None:
    body.seek(0)
    if body.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        cure = "look at the address, which may be that of a page for people, and at headers=: it may ask to log in"
        raise NoPage("a page of HTML", "JSON", cure)


def _server(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _with(url: str, params: dict[str, str], secret: dict[str, str]) -> str:
    """Return an address with parameters, those of its own first; of secret ones those that it has not."""
    parts = urlsplit(url)
    own = dict(parse_qsl(parts.query, keep_blank_values=True))
    added = {**{name: value for name, value in secret.items() if name not in own}, **params}
    if not added:
        return url
    kept = [(n, v) for n, v in parse_qsl(parts.query, keep_blank_values=True) if n not in added]
    return urlunsplit(parts._replace(query=urlencode([*kept, *added.items()])))


def _gap_s(rate: str | None) -> float:
    if rate is None:
        return 0.0
    count, _, unit = rate.partition("/")
    return {"s": 1, "m": 60, "h": 3600}[unit] / int(count)


def _tells_more(headers: Mapping[str, str]) -> str:
    """Return the name of a header that tells of a page behind this one."""
    named = next((name for name in ("X-Next-Page", "X-Next-Cursor") if headers.get(name.lower(), "").strip()), "")
    page, pages = (headers.get(name, "") for name in ("x-page", "x-total-pages"))
    return named or ("X-Total-Pages" if pages.isdigit() and int(pages) > int(page if page.isdigit() else 1) else "")


def _asked_wait_s(text: str) -> float | None:
    """Return the seconds of a ``Retry-After``, which are a number or a date (RFC 9110, section 10.2.3)."""
    if text.strip().isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
        return max(0.0, (to_us(moment) - now_us()) / 1e6)
    except (TypeError, ValueError):
        return None


def _told(error: Exception) -> str:
    """Say what became of a request without a word of it: its address may hold a secret."""
    if "CERTIFICATE" in str(error):
        return "a certificate that is not trusted"
    kinds = {"Timeout": "no answer in time", "Connect": "no connection", "Protocol": "an answer that was cut off"}
    return next((said for kind, said in kinds.items() if kind in type(error).__name__), "a connection that broke")
