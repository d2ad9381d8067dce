"""HTTP/1.1 of one connection: requests out of bytes, answers in the order in which they were asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httptools

from headrace.errors import HeadraceError
from headrace.serve.message import Response
from headrace.serve.wire.coding import too_large
from headrace.serve.wire.faults import half, long_head, long_target, no_room, not_http, unknown_expectation
from headrace.serve.wire.heads import rendered
from headrace.serve.wire.refusal import refusal
from headrace.serve.wire.shared import Repeat, Shared, client_of
from headrace.serve.wire.turns import CLOSE, FLUSHED, FLUSHED_ANSWERS, Call, Turn, Turns

_PIECE = 16_384
"""Bytes that are parsed at once: only behind them is it seen that a client asks for more than it takes."""
_DISCARDED = 65_536
"""Bytes of a body that is read for nothing but to keep the connection; a longer one ends it."""
_LONG = 1_024
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_END = b"\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_KEEP = b"connection: keep-alive\r\n"
_ONCE = frozenset((b"host", b"authorization", b"content-type", b"content-encoding", b"x-deadline-ms", b"expect"))
_METHODS = {one.encode(): one for one in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_KEPT = 16
"""Heads that are kept for a connection before one of them comes again: where none does, no more are kept."""
_IDLE, _HEAD, _HEAD_SEEN, _BODY, _BODY_SEEN = range(5)
"""How far the newest request is; *seen* says that its time runs."""


class Http1(Turns):
    """A connection.

    Bounded throughout: nothing more is read while answers wait for a client that does not read them, or for their turn.

    Args:
        shared: what all connections have in common.
    """

    __slots__ = (
        "_active", "_begun", "_bodiless", "_body", "_call", "_client", "_counted", "_ending", "_first", "_headers",
        "_kept", "_largest", "_last", "_most", "_newest", "_parser", "_phase", "_repeats", "_reserved", "_since",
        "_size", "_target", "_unused",
    )  # fmt: skip

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._parser, self._most, self._repeats = (
            httptools.HttpRequestParser(self),
            shared.limits.headers,
            shared.repeats,
        )
        self._first: bytes | None = b""
        self._target, self._headers, self._body = b"", list[tuple[bytes, bytes]](), list[bytes]()
        self._call: Call | Response | None = None
        self._newest: Call | Response | None = None
        self._ending, self._last, self._bodiless = b"", False, False
        self._size, self._largest, self._unused, self._counted, self._reserved = 0, _PIECE, 0, 0, 0
        self._kept = 0
        self._phase, self._since, self._active, self._begun = _IDLE, self._time(), False, False
        self._client = ""

    # -- of the transport -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._client = client_of(transport)
        self._tls = transport.get_extra_info("sslcontext") is not None
        if not self._shared.admit(self):
            self._ended = True
            transport.abort()  # type: ignore[attr-defined]

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.connections.discard(self)
        # what is under way is finished all the same, and has nobody to be told
        self._clean, self._ended, self._gone = False, True, True
        self._held, self._out = b"", []
        self._waiting.clear()
        self._release_body()

    def data_received(self, data: bytes) -> None:
        if self._clean and not self._awaited:
            # A client sends the same head again and again: what the parser made of these very bytes is kept. Nothing
            # of an earlier request is in the parser, and nothing follows this one, so it need not see them.
            at = data.find(_END) + 4
            if (repeat := self._repeats.get(data[:at])) is not None and len(data) == at + repeat.length:
                self._repeat(repeat, data[at:])
                return
        if self._ended:
            return
        if self._first is not None and (data := self._unspoken(data)) == b"":
            return
        if self._held:
            self._held += data
        else:
            self._feed(data)

    def _repeat(self, repeat: Repeat, body: bytes) -> None:
        """Answer a request whose head is known."""
        asked, self._active, self._kept = repeat.asked, True, 0
        try:
            request = self._reception.admit(asked, self._client)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            self._transport.write(rendered(refusal(error, asked.path), b"", repeat.bodiless))
            return
        request.body = body
        answer = self._reception.answer(asked, request)
        if isinstance(answer, Response):
            self._transport.write(rendered(answer, b"", repeat.bodiless))
        else:
            self._await(Turn((asked, request), b"", False, repeat.bodiless), answer, request.path)

    def eof_received(self) -> bool:
        self._half_closed = True
        if not self._ended:
            if self._phase != _IDLE:
                self._refuse(half())
            self._ended = True
            self._flush()
        return bool(self._awaited or self._waiting) and not self._tls

    # -- of the server --------------------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Cut a client that is too slow, or that has been idle for too long."""
        limits = self._shared.limits
        if self._waits_for_reader(now) or self._awaited or self._waiting or self._ended:
            return
        if self._phase == _IDLE:
            if self._active:
                self._active, self._since = False, now
            elif now - self._since > limits.idle_s:
                self._transport.close()
        elif now - self._since > self._patience():
            self._refuse(half())
            self._flush()

    def wind_down(self) -> None:
        """End when what is under way is answered; at once where nothing is."""
        self._clean = False
        if self._phase == _IDLE and not self._awaited and not self._waiting and self._lingers_since is None:
            self._ended = True
            self._transport.close()

    def cut(self) -> None:
        """End at once."""
        self._transport.abort()

    def _at_rest(self) -> bool:
        return self._phase == _IDLE

    # -- of the parser --------------------------------------------------------------------------------------------
    # Nearly every request comes in one piece: its head is looked at when all of it is there, or when a piece ends.

    def on_message_begin(self) -> None:
        self._begun = True

    def on_url(self, url: bytes) -> None:
        if not self._target:
            self._phase = _HEAD
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase < _BODY:  # behind a body come trailers, of which nothing is made
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._phase = _BODY

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self._largest:
            self._body.append(data)
        elif not self._ended:
            self._refuse(self._call if isinstance(self._call, Response) else too_large(self._largest))

    def on_message_complete(self) -> None:
        if self._ended or self._upgrade_offered():
            return
        self._phase, self._begun = _IDLE, False
        call = self._call or self._head()
        if self._ended:
            return
        if self._size:
            if isinstance(call, tuple):
                call[1].body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._body, self._size = [], 0
            if self._reserved:
                self._release_body()
        self._target, self._headers, self._call, self._largest, self._unused = b"", [], None, _PIECE, 0
        self._ended, self._newest = self._last, call
        if self._awaited or self._waiting or self._blocked_since is not None or self._shared.stopping:
            self._line_up(Turn(call, self._ending, self._last, self._bodiless))
            return
        if isinstance(call, tuple):
            answer = self._reception.answer(*call)
            if not isinstance(answer, Response):
                self._await(Turn(call, self._ending, self._last, self._bodiless), answer, call[1].path)
                return
        else:
            answer = call
        self._out.append(ready := rendered(answer, self._ending, self._bodiless))
        if len(ready) > FLUSHED or len(self._out) > FLUSHED_ANSWERS:
            self._flush()

    def _head(self) -> Call | Response:
        """Look at the head of the newest request: where it goes, and whether it may."""
        sent, headers, parser = self._headers, dict(self._headers), self._parser
        version, keep, verb = parser.get_http_version(), parser.should_keep_alive(), parser.get_method()
        self._last, self._bodiless = not keep, verb == b"HEAD"
        self._ending = (b"" if version == "1.1" else _KEEP) if keep else CLOSE
        likely = version == "1.1" and len(headers) == len(sent) <= self._most and b"host" in headers
        if (not likely or len(self._target) > _LONG) and (fault := self._unlikely(version, headers)) is not None:
            self._refuse(response := refusal(fault, self._path()))
            return response
        target = _path_of(self._target)
        try:
            asked = self._reception.read(_METHODS.get(verb) or verb.decode(), target, headers)
            return asked, self._reception.admit(asked, self._client)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            return refusal(error, self._path())

    # -- what comes in --------------------------------------------------------------------------------------------

    def _unspoken(self, data: bytes) -> bytes:
        """Tell by its first bytes whether a client speaks HTTP/2; return what is HTTP/1.1."""
        data = (self._first or b"") + data
        if len(data) < 4 and _PREFACE.startswith(data):
            self._first, self._phase = data, _HEAD
            return b""
        self._first, self._phase = None, _IDLE
        if not data.startswith(_PREFACE[:4]):
            return data
        self._ended = True
        self._shared.switch(self, self._transport, data)
        return b""

    def _feed(self, data: bytes) -> None:
        self._active, clean, self._newest = True, self._clean, None
        if len(data) <= _PIECE:
            self._parse(data)
        else:
            at = 0
            while at < len(data) and not self._ended and not self._stuck():
                self._parse(data[at : at + _PIECE])
                at += _PIECE
            self._held = data[at:] if not self._ended else b""
        self._clean, newest = self._is_clean(), self._newest
        self._newest = None
        if clean and self._clean and isinstance(newest, tuple) and self._ending == b"" and self._kept < _KEPT:
            self._kept += 1
            self._shared.keep(data, newest[0], self._bodiless)
        if self._out or self._ended:
            self._flush()
        if self._held or self._waiting:
            self._pause()

    def _parse(self, piece: bytes) -> None:
        while True:
            try:
                self._parser.feed_data(piece)
                break
            except httptools.HttpParserUpgrade as upgrade:
                piece = self._declined() + piece[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                if not self._ended:
                    self._refuse(error.__context__ or not_http())
                return
        if self._phase != _IDLE and not self._ended:
            self._look_at_part(len(piece))

    def _upgrade_offered(self) -> bool:
        return self._parser.should_upgrade() and self._parser.get_method() != b"CONNECT"

    def _declined(self) -> bytes:
        """Return the head of a request without the other protocol that it offered: the parser leaves out its body."""
        keep, verb = self._parser.should_keep_alive(), self._parser.get_method()
        version = self._parser.get_http_version()
        offered, self._parser = self._upgrade_offered(), httptools.HttpRequestParser(self)
        if not offered or self._ended:
            return b""
        kept = [one for one in self._headers if one[0] not in (b"upgrade", b"connection", b"http2-settings")]
        lines = b"".join(b"%b: %b\r\n" % one for one in kept) + (b"" if keep else CLOSE)
        head = b"%b %b HTTP/%b\r\n%b\r\n" % (verb, self._target, version.encode(), lines)
        self._target, self._headers, self._phase = b"", [], _IDLE
        return head

    def _look_at_part(self, came: int) -> None:
        """Look after a request of which only a part is there: when its time began, what it holds, what is too much."""
        if self._phase == _HEAD:
            self._phase, self._since = _HEAD_SEEN, self._time()
            self._unused, self._counted = 0, 0
        elif self._phase == _BODY:
            self._phase, self._since = _BODY_SEEN, self._time()
            self._unused, self._counted, self._call = 0, 0, self._head()
            self._body_is_asked(dict(self._headers), self._call)
        limits = self._shared.limits
        self._unused = 0 if self._size > self._counted else self._unused + came
        grown, self._counted = self._size - self._counted, self._size
        if self._ended:
            return
        if grown > 0:
            if not self._shared.reserve(grown):
                self._refuse(no_room())
                return
            self._reserved += grown
        if len(self._target) > limits.target:
            self._refuse(long_target(limits))
        elif self._unused > limits.head + _PIECE or len(self._headers) > limits.headers:
            self._refuse(long_head(limits))

    def _unlikely(self, version: str, headers: Mapping[bytes, bytes]) -> HeadraceError | None:
        """Return what is wrong with a head beyond what the parser finds; what two readers could read in two ways is."""
        limits, sent = self._shared.limits, self._headers
        if len(self._target) > limits.target:
            return long_target(limits)
        if len(sent) > limits.headers:
            return long_head(limits)
        names = [name for name, _ in sent]
        if len(headers) != len(sent) and any(names.count(one) > 1 for one in _ONCE):
            return not_http()
        if version == "1.1":
            return None if b"host" in headers else not_http()
        return not_http() if version != "1.0" or b"transfer-encoding" in headers else None

    def _body_is_asked(self, headers: Mapping[bytes, bytes], call: Call | Response) -> None:
        """Ask for a body that a client holds back; go without one that is not wanted."""
        if self._ended:
            return
        expected, length = headers.get(b"expect"), int(headers.get(b"content-length", 0))
        if isinstance(call, Response):
            self._largest = _DISCARDED
            if expected is not None or length > _DISCARDED:
                self._refuse(call)
            return
        self._largest = call[0].route.largest
        if self._size > self._largest:
            self._refuse(too_large(self._largest))
        elif expected is not None and self._parser.get_http_version() == "1.1":
            if expected.lower() != b"100-continue":
                self._refuse(unknown_expectation())
            elif not self._size:
                asked = Turn(call, b"", False, False)
                asked.ready = _CONTINUE
                self._awaited.append(asked)
                self._release()

    def _patience(self) -> float:
        limits = self._shared.limits
        return limits.head_s if self._phase <= _HEAD_SEEN else limits.body_s + self._size / limits.body_rate

    def _is_clean(self) -> bool:
        """Whether the next byte begins a request that can be answered at once."""
        behind = self._begun or self._ended or self._held or self._stuck()
        return not behind and not self._shared.stopping

    def _refuse(self, fault: BaseException | Response) -> None:
        """Answer with a refusal, behind what was asked before, and end."""
        self._clean = False
        self._ended, self._held, self._body = True, b"", []
        self._release_body()
        response = fault if isinstance(fault, Response) else refusal(fault, self._path())
        self._line_up(Turn(response, CLOSE, True, False))

    def _path(self) -> str:
        return _path_of(self._target).partition(b"?")[0].decode("latin-1")

    def _release_body(self) -> None:
        self._shared.release(self._reserved)
        self._reserved = 0


def _path_of(target: bytes) -> bytes:
    """Return path and query of a target, which may have another form, e.g. with the server's name before it."""
    if target.startswith(b"/"):
        return target
    scheme, _, rest = target.partition(b"://")
    if not rest or scheme.lower() not in (b"http", b"https"):
        return target
    at = min((one for one in (rest.find(b"/"), rest.find(b"?")) if one >= 0), default=len(rest))
    return rest[at:] if rest[at:].startswith(b"/") else b"/" + rest[at:]
