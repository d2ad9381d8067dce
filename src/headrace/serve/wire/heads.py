"""Answers as bytes of HTTP/1.1; what all answers of a kind have in common is written once."""

from __future__ import annotations

from http import HTTPStatus

from headrace.serve.message import Headers, Response

_ALWAYS: Headers = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
_OF_PAGES: Headers = (
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_OF_STATUS: dict[int, Headers] = {
    401: ((b"www-authenticate", b"Bearer"),),
    429: ((b"retry-after", b"1"),),
    503: ((b"retry-after", b"1"),),
}
_KINDS = 256
_starts: dict[tuple[int, bytes], bytes] = {}


def headers(response: Response) -> Headers:
    """Return all headers of an answer but its length; what it brings itself takes the place of what others have."""
    usual = _usual(response.status, response.kind)
    if not response.headers:
        return usual
    own = {name for name, _ in response.headers}
    return (*(one for one in usual if one[0] not in own), *response.headers)


def rendered(response: Response, ending: bytes = b"", bodiless: bool = False) -> bytes:
    r"""Return an answer as it goes out.

    Args:
        response: the answer.
        ending: further header lines, e.g. ``b"connection: close\r\n"``.
        bodiless: whether a HEAD was asked: the length is told and the body left out.
    """
    body = response.body
    if response.headers:
        start = _start(response.status, headers(response))
    else:
        key = (response.status, response.kind)
        start = _starts.get(key) or _kept(key)
    return b"%b%d\r\n%b\r\n%b" % (start, len(body), ending, b"" if bodiless else body)


def _usual(status: int, kind: bytes) -> Headers:
    pages = _OF_PAGES if kind.startswith(b"text/html") else ()
    return ((b"content-type", kind), *_ALWAYS, *pages, *_OF_STATUS.get(status, ()))


def _kept(key: tuple[int, bytes]) -> bytes:
    start = _start(key[0], _usual(*key))
    if len(_starts) < _KINDS:
        _starts[key] = start
    return start


def _start(status: int, lines: Headers) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    told = b"".join(b"%b: %b\r\n" % line for line in lines)
    return b"HTTP/1.1 %d %b\r\n%bcontent-length: " % (status, phrase.encode(), told)
