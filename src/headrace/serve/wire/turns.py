"""Answers of one connection of HTTP/1.1: in the order in which they were asked, no faster than they are read."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial

from headrace.serve.message import Request, Response
from headrace.serve.wire.heads import rendered
from headrace.serve.wire.reception import Asked
from headrace.serve.wire.shared import Shared

FLUSHED, FLUSHED_ANSWERS = 65_536, 64
"""Bytes of one answer, and answers, that go out without waiting for others of the same turn."""
CLOSE = b"connection: close\r\n"

Call = tuple[Asked, Request]
"""A request that may be asked, and what it asks."""


class Turn:
    """A request whose answer has to wait for its turn: what is to be called, or the refusal; in time the bytes."""

    __slots__ = ("bodiless", "call", "ending", "last", "ready")

    def __init__(self, call: Call | Response, ending: bytes, last: bool, bodiless: bool) -> None:
        self.call, self.ending, self.last, self.bodiless = call, ending, last, bodiless
        self.ready: bytes | None = None


class Turns(asyncio.Protocol):
    """The half of a connection that answers; the other half reads requests and lines them up.

    Args:
        shared: what all connections have in common.
    """

    __slots__ = (
        "_awaited", "_blocked_since", "_clean", "_ended", "_flushes", "_gone", "_half_closed", "_held",
        "_lingers_since", "_out", "_paused", "_reception", "_shared", "_time", "_tls", "_transport", "_unread",
        "_waiting",
    )  # fmt: skip

    def __init__(self, shared: Shared) -> None:
        self._shared, self._reception, self._time = shared, shared.reception, shared.loop.time
        self._awaited, self._waiting = deque[Turn](), deque[Turn]()
        self._out, self._held = list[bytes](), b""
        self._clean = self._ended = self._paused = self._tls = self._gone = self._half_closed = False
        self._flushes = False
        self._blocked_since: float | None = None
        self._lingers_since: float | None = None
        self._unread = 0
        self._transport: asyncio.Transport

    def _feed(self, data: bytes) -> None:
        """Read requests out of bytes."""
        raise NotImplementedError

    def _is_clean(self) -> bool:
        """Whether the next byte begins a request that can be answered at once."""
        raise NotImplementedError

    def _at_rest(self) -> bool:
        """Whether nothing of a request that is not whole has come."""
        raise NotImplementedError

    def pause_writing(self) -> None:
        self._clean = False
        self._blocked_since, self._unread = self._time(), self._transport.get_write_buffer_size()
        self._pause()

    def resume_writing(self) -> None:
        self._blocked_since = None
        self._advance()

    def unread(self) -> int:
        """Return how many bytes of answers wait for the client to read them."""
        if self._blocked_since is None and self._lingers_since is None:
            return 0
        return self._transport.get_write_buffer_size() + sum(len(one.ready or b"") for one in self._awaited)

    def _waits_for_reader(self, now: float) -> bool:
        """Whether answers wait for a client to read them; one that does not is cut."""
        limits = self._shared.limits
        if self._blocked_since is not None:
            left = self._transport.get_write_buffer_size()
            if left < self._unread:
                self._blocked_since, self._unread = now, left
            elif now - self._blocked_since > limits.write_s:
                self._transport.abort()
            return True
        if self._lingers_since is not None:
            patience = limits.write_s if self._transport.get_write_buffer_size() else limits.linger_s
            if now - self._lingers_since > patience:
                self._transport.abort()
            return True
        return False

    def _stuck(self) -> bool:
        return bool(self._waiting) or self._blocked_since is not None

    def _pause(self) -> None:
        if not self._paused and self._lingers_since is None:
            self._paused = True
            self._transport.pause_reading()

    def _line_up(self, asked: Turn) -> None:
        """Begin a request if its turn has come; else let it wait."""
        if self._waiting or self._blocked_since is not None or len(self._awaited) >= self._shared.limits.pipelined:
            self._waiting.append(asked)
        else:
            self._begin(asked)

    def _begin(self, asked: Turn) -> None:
        call, path = asked.call, ""
        if isinstance(call, Response):
            answer: Response | asyncio.Future[Response] = call
        else:
            answer, path = self._reception.answer(*call), call[1].path
        if not isinstance(answer, Response):
            self._await(asked, answer, path)
        elif self._awaited:
            self._awaited.append(asked)
            asked.ready = self._rendered(asked, answer)
        else:
            self._out.append(ready := self._rendered(asked, answer))
            if len(ready) > FLUSHED:
                self._flush()

    def _await(self, asked: Turn, answer: asyncio.Future[Response], path: str) -> None:
        self._awaited.append(asked)
        answer.add_done_callback(partial(self._done, asked, path))

    def _done(self, asked: Turn, path: str, future: asyncio.Future[Response]) -> None:
        response = self._reception.outcome(future, path)
        if not self._gone:
            asked.ready = self._rendered(asked, response)
            if asked is self._awaited[0]:
                self._release()

    def _rendered(self, asked: Turn, response: Response) -> bytes:
        if self._shared.stopping and not asked.last and self._is_newest(asked):
            self._ended, asked.ending = True, CLOSE
        return rendered(response, asked.ending, asked.bodiless)

    def _is_newest(self, asked: Turn) -> bool:
        behind = self._awaited and self._awaited[-1] is not asked
        return self._at_rest() and not self._waiting and not behind and not self._held

    def _release(self) -> None:
        """Send answers that are ready and have nothing unanswered before them."""
        awaited = self._awaited
        while awaited and (ready := awaited[0].ready) is not None:
            self._out.append(ready)
            awaited.popleft()
        if not awaited:
            self._flush()
        elif not self._flushes:  # those that become ready in the same turn of the loop go out with it
            self._flushes = True
            self._shared.loop.call_soon(self._flush)
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
        self._flushes = False
        if self._gone:
            return
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
