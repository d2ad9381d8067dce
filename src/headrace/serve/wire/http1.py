"""HTTP/1.1 of one connection: requests out of bytes, answers in the order in which they were asked."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import cast

import httptools

from headrace.errors import HeadraceError
from headrace.serve.message import Request, Response
from headrace.serve.wire.coding import too_large
from headrace.serve.wire.faults import half, long_head, long_target, no_room, not_http, unknown_expectation
from headrace.serve.wire.heads import rendered
from headrace.serve.wire.reception import Asked
from headrace.serve.wire.refusal import refusal
from headrace.serve.wire.shared import Repeat, Shared, client_of

_PIECE = 16_384
"""Bytes that are parsed at once: only behind them is it seen that a client asks for more than it takes."""
_DISCARDED = 65_536
"""Bytes of a body that is read for nothing but to keep the connection; a longer one ends it."""
_FLUSHED, _FLUSHED_ANSWERS = 65_536, 64
"""Bytes of one answer, and answers, that go out without waiting for others of the same turn."""
_LONG = 1_024
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_END = b"\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE, _KEEP = b"connection: close\r\n", b"connection: keep-alive\r\n"
_ONCE = frozenset((b"host", b"authorization", b"content-type", b"content-encoding", b"x-deadline-ms", b"expect"))
_METHODS = {one.encode(): one for one in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_IDLE, _HEAD, _HEAD_SEEN, _BODY, _BODY_SEEN = range(5)
"""How far the newest request is; *seen* says that its time runs."""


Call = tuple[Asked, Request]
"""A request that may be asked, and what it asks."""


class _Turn:
    """A request whose answer has to wait for its turn: what is to be called, or the refusal; in time the bytes."""

    __slots__ = ("bodiless", "call", "ending", "last", "ready")

    def __init__(self, call: Call | Response, ending: bytes, last: bool, bodiless: bool) -> None:
        self.call, self.ending, self.last, self.bodiless = call, ending, last, bodiless
        self.ready: bytes | None = None


class Http1(asyncio.Protocol):
    """A connection.

    Bounded throughout: nothing more is read while answers wait for a client that does not read them, or for their turn.

    Args:
        shared: what all connections have in common.
    """

    __slots__ = (
        "_active", "_awaited", "_begun", "_blocked_since", "_bodiless", "_body", "_call", "_clean", "_client",
        "_counted", "_ended", "_ending", "_first", "_gone", "_half_closed", "_headers", "_held", "_largest", "_last",
        "_lingers_since", "_most", "_newest", "_out", "_parser", "_paused", "_phase", "_reception", "_repeats",
        "_reserved", "_shared", "_since", "_size", "_target", "_time", "_tls", "_transport", "_unread", "_unused",
        "_waiting",
    )  # fmt: skip

    def __init__(self, shared: Shared) -> None:
        self._shared, self._reception, self._time = shared, shared.reception, shared.loop.time
        self._parser, self._most = httptools.HttpRequestParser(self), shared.limits.headers
        self._first: bytes | None = b""
        self._target, self._headers, self._call = b"", list[tuple[bytes, bytes]](), cast("Call | Response | None", None)
        self._newest: Call | Response | None = None
        self._ending, self._last, self._bodiless = b"", False, False
        self._body, self._size, self._largest, self._unused, self._counted = list[bytes](), 0, _PIECE, 0, 0
        self._reserved = 0
        self._phase, self._since, self._active = _IDLE, self._time(), False
        self._clean = self._begun = False
        self._awaited, self._waiting = deque[_Turn](), deque[_Turn]()
        self._out, self._held = list[bytes](), b""
        self._ended = self._paused = self._tls = self._gone = self._half_closed = False
        self._blocked_since: float | None = None
        self._lingers_since: float | None = None
        self._unread = 0
        self._client, self._repeats = "", shared.repeats
        self._transport: asyncio.Transport

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
        self._held = b""
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
        asked, self._active = repeat.asked, True
        try:
            request = self._reception.admit(asked, self._client)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            self._transport.write(rendered(refusal(error), b"", repeat.bodiless))
            return
        request.body = body
        answer = self._reception.answer(asked, request)
        if isinstance(answer, Response):
            self._transport.write(rendered(answer, b"", repeat.bodiless))
        else:
            self._await(_Turn((asked, request), b"", False, repeat.bodiless), answer)

    def eof_received(self) -> bool:
        self._half_closed = True
        if not self._ended:
            if self._phase != _IDLE:
                self._refuse(half())
            self._ended = True
            self._flush()
        return bool(self._awaited or self._waiting) and not self._tls

    def pause_writing(self) -> None:
        self._clean = False
        self._blocked_since, self._unread = self._time(), self._transport.get_write_buffer_size()
        self._pause()

    def resume_writing(self) -> None:
        self._blocked_since = None
        self._advance()

    # -- of the server --------------------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Cut a client that is too slow, or that has been idle for too long."""
        limits = self._shared.limits
        if self._blocked_since is not None:
            left = self._transport.get_write_buffer_size()
            if left < self._unread:
                self._blocked_since, self._unread = now, left
            elif now - self._blocked_since > limits.write_s:
                self._transport.abort()
        elif self._lingers_since is not None:
            patience = limits.write_s if self._transport.get_write_buffer_size() else limits.linger_s
            if now - self._lingers_since > patience:
                self._transport.abort()
        elif self._awaited or self._waiting or self._ended:
            return
        elif self._phase == _IDLE:
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

    # -- of the parser --------------------------------------------------------------------------------------------
    # Nearly every request comes in one piece: its head is looked at when all of it is there, or when a piece ends.

    def on_message_begin(self) -> None:
        self._begun = True

    def on_url(self, url: bytes) -> None:
        if not self._target:
            self._phase = _HEAD
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
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
        self._phase, self._begun = _IDLE, False
        if self._ended:
            return
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
            self._line_up(_Turn(call, self._ending, self._last, self._bodiless))
            return
        if isinstance(call, tuple):
            answer = self._reception.answer(*call)
            if not isinstance(answer, Response):
                self._await(_Turn(call, self._ending, self._last, self._bodiless), answer)
                return
        else:
            answer = call
        self._out.append(ready := rendered(answer, self._ending, self._bodiless))
        if len(ready) > _FLUSHED or len(self._out) > _FLUSHED_ANSWERS:
            self._flush()

    def _head(self) -> Call | Response:
        """Look at the head of the newest request: where it goes, and whether it may."""
        sent, headers, parser = self._headers, dict(self._headers), self._parser
        version, keep, verb = parser.get_http_version(), parser.should_keep_alive(), parser.get_method()
        self._last, self._bodiless = not keep, verb == b"HEAD"
        self._ending = (b"" if version == "1.1" else _KEEP) if keep else _CLOSE
        likely = version == "1.1" and len(headers) == len(sent) <= self._most and b"host" in headers
        if (not likely or len(self._target) > _LONG) and (fault := self._unlikely(version, headers)) is not None:
            self._refuse(response := refusal(fault))
            return response
        target = self._target if self._target.startswith(b"/") else _path_of(self._target)
        try:
            asked = self._reception.read(_METHODS.get(verb) or verb.decode(), target, headers)
            return asked, self._reception.admit(asked, self._client)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            return refusal(error)

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
        if clean and self._clean and isinstance(newest, tuple) and self._ending == b"":
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
                # another protocol was offered: it is declined by going on with this one
                self._parser, piece = httptools.HttpRequestParser(self), piece[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                if not self._ended:
                    self._refuse(error.__context__ or not_http())
                return
        if self._phase != _IDLE and not self._ended:
            self._look_at_part(len(piece))

    def _look_at_part(self, came: int) -> None:
        """Look after a request of which only a part is there: when its time began, what it holds, what is too much."""
        if self._phase == _HEAD:
            self._phase, self._since = _HEAD_SEEN, self._time()
            self._unused, self._counted = 0, 0
        elif self._phase == _BODY:
            self._phase, self._since = _BODY_SEEN, self._time()
            self._unused, self._counted, self._call = 0, 0, self._head()
            self._body_is_asked(dict(self._headers), self._call)
            self._headers = []  # what comes now are trailers, of which nothing is made
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
                asked = _Turn(call, b"", False, False)
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

    def _stuck(self) -> bool:
        return bool(self._waiting) or self._blocked_since is not None

    def _pause(self) -> None:
        if not self._paused and self._lingers_since is None:
            self._paused = True
            self._transport.pause_reading()

    # -- what goes out --------------------------------------------------------------------------------------------

    def _release_body(self) -> None:
        self._shared.release(self._reserved)
        self._reserved = 0

    def _line_up(self, asked: _Turn) -> None:
        """Begin a request if its turn has come; else let it wait."""
        if self._waiting or self._blocked_since is not None or len(self._awaited) >= self._shared.limits.pipelined:
            self._waiting.append(asked)
        else:
            self._begin(asked)

    def _begin(self, asked: _Turn) -> None:
        call = asked.call
        answer = call if isinstance(call, Response) else self._reception.answer(*call)
        if not isinstance(answer, Response):
            self._await(asked, answer)
        elif self._awaited:
            self._awaited.append(asked)
            asked.ready = self._rendered(asked, answer)
        else:
            self._out.append(ready := self._rendered(asked, answer))
            if len(ready) > _FLUSHED:
                self._flush()

    def _await(self, asked: _Turn, answer: asyncio.Future[Response]) -> None:
        self._awaited.append(asked)
        answer.add_done_callback(partial(self._done, asked))

    def _done(self, asked: _Turn, future: asyncio.Future[Response]) -> None:
        response = self._reception.outcome(future, cast("Call", asked.call)[1].path)
        if not self._gone:
            asked.ready = self._rendered(asked, response)
            if asked is self._awaited[0]:
                self._release()

    def _rendered(self, asked: _Turn, response: Response) -> bytes:
        if self._shared.stopping and not asked.last and self._is_newest(asked):
            self._ended, asked.ending = True, _CLOSE
        return rendered(response, asked.ending, asked.bodiless)

    def _is_newest(self, asked: _Turn) -> bool:
        behind = self._awaited and self._awaited[-1] is not asked
        return self._phase == _IDLE and not self._waiting and not behind and not self._held

    def _refuse(self, fault: BaseException | Response) -> None:
        """Answer with a refusal, behind what was asked before, and end."""
        self._clean = False
        self._ended, self._held, self._body = True, b"", []
        self._release_body()
        response = fault if isinstance(fault, Response) else refusal(fault)
        self._line_up(_Turn(response, _CLOSE, True, False))

    def _release(self) -> None:
        """Send answers that are ready and have nothing unanswered before them."""
        awaited = self._awaited
        while awaited and (ready := awaited[0].ready) is not None:
            self._out.append(ready)
            awaited.popleft()
        self._flush()
        if self._paused:
            self._advance()

    def _advance(self) -> None:
        """Go on with what had to wait."""
        most = self._shared.limits.pipelined
        while self._waiting and self._blocked_since is None and len(self._awaited) < most:
            self._begin(self._waiting.popleft())
            if len(self._out) >= most:
                self._flush()
        if self._held and not self._stuck():
            held, self._held = self._held, b""
            self._feed(held)
        self._flush()
        self._clean = self._is_clean()
        if self._paused and not self._stuck() and not self._held:
            self._paused = False
            self._transport.resume_reading()

    def _flush(self) -> None:
        if self._out:
            out, self._out = self._out, []
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))
        if self._ended and not self._awaited and not self._waiting and self._lingers_since is None:
            self._finish()

    def _finish(self) -> None:
        """Say that no more comes. A socket closed with unread input would take the answer along, so it is read on."""
        self._lingers_since = self._time()
        if self._tls or self._half_closed or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        if self._paused:
            self._paused = False
            self._transport.resume_reading()


def _path_of(target: bytes) -> bytes:
    """Return path and query of a target in another form than that of a path, e.g. with the server's name before it."""
    scheme, _, rest = target.partition(b"://")
    if not rest or scheme.lower() not in (b"http", b"https"):
        return target
    at = min((one for one in (rest.find(b"/"), rest.find(b"?")) if one >= 0), default=len(rest))
    return rest[at:] if rest[at:].startswith(b"/") else b"/" + rest[at:]
