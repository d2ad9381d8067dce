"""HTTP/2 of one connection: the same requests and answers, many at once, each in a stream of its own."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from headrace.errors import HeadraceError
from headrace.serve.message import Request, Response
from headrace.serve.wire.coding import too_large
from headrace.serve.wire.faults import half, long_head, long_target, no_room, not_http
from headrace.serve.wire.heads import headers as headers_of
from headrace.serve.wire.reception import Asked
from headrace.serve.wire.refusal import refusal
from headrace.serve.wire.shared import Shared, client_of

STREAMS = 128
"""Requests that one connection may have open."""
_RESETS = 100
"""Streams a second that a client may give up (CVE-2023-44487: giving up costs it nothing, and the server a request)."""
_IDLE_FRAMES = 1_000
"""Frames a second that ask nothing: pings, settings, priorities, empty data."""
_ONCE = (b"host", b"authorization", b"content-type", b"content-encoding", b"x-deadline-ms", b"content-length")
_ASKS_NOTHING = (h2.events.PingReceived, h2.events.RemoteSettingsChanged, h2.events.PriorityUpdated)
Call = tuple[Asked, Request]
_Code = h2.errors.ErrorCodes


class _Stream:
    """A request that comes, waits or is answered.

    It is *whole* when nothing more of it is wanted, and *ended* when its client sends nothing more; ``unsent`` is what
    the client has left no window for.
    """

    __slots__ = ("bodiless", "body", "call", "ended", "since", "size", "unsent", "whole")

    def __init__(self, call: Call | Response, bodiless: bool, since: float) -> None:
        self.call, self.bodiless, self.since = call, bodiless, since
        self.body, self.size, self.unsent = list[bytes](), 0, memoryview(b"")
        self.whole = self.ended = False


class Http2(asyncio.Protocol):
    """A connection; its limits are those of HTTP/1.1, for each of its streams.

    Args:
        shared: what all connections have in common.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared, self._reception, self._time = shared, shared.reception, shared.loop.time
        config = h2.config.H2Configuration(client_side=False, header_encoding=None)
        self._http = h2.connection.H2Connection(config)
        self._http.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
                h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: shared.limits.head,
            },
        )
        self._http.decoder.max_header_list_size = shared.limits.head
        self._streams: dict[int, _Stream] = {}
        self._since, self._ended, self._winding, self._gone = self._time(), False, False, False
        self._blocked_since: float | None = None
        self._lingers_since: float | None = None
        self._tls = False
        self._unread = self._resets = self._idle_frames = self._quiet = 0
        self._client = ""
        self._transport: asyncio.Transport

    # -- of the transport -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._client = client_of(transport)
        self._tls = transport.get_extra_info("sslcontext") is not None
        if not self._shared.admit(self):
            self._end()
            return
        self._http.initiate_connection()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.connections.discard(self)
        self._ended = self._gone = True
        for number in tuple(self._streams):
            self._forget(number)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        try:
            events = self._http.receive_data(data)
        except (h2.exceptions.ProtocolError, ValueError):
            self._end()  # what tells the client why was written by h2
            return
        self._quiet = 0 if events else self._quiet + len(data)
        if events:
            self._since = self._time()
        for event in events:
            if self._ended:
                return
            self._take(event)
        # h2 itself waits for all of a frame before it looks at how long that is
        longest = self._shared.limits.head + 2 * self._http.max_inbound_frame_size
        if self._quiet > longest or self._resets > _RESETS or self._idle_frames > _IDLE_FRAMES:
            self._http.close_connection(_Code.ENHANCE_YOUR_CALM)
            self._end()
            return
        self._flush()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._blocked_since, self._unread = self._time(), self._transport.get_write_buffer_size()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._blocked_since = None
        self._transport.resume_reading()
        self._send_on()
        self._flush()

    # -- of the server --------------------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Cut a client that is too slow, or that has been idle for too long."""
        limits = self._shared.limits
        self._resets = self._idle_frames = 0
        if self._lingers_since is not None:
            if now - self._lingers_since > limits.linger_s:
                self._transport.abort()
            return
        if self._blocked_since is not None:
            left = self._transport.get_write_buffer_size()
            if left < self._unread:
                self._blocked_since, self._unread = now, left
            elif now - self._blocked_since > limits.write_s:
                self._transport.abort()
            return
        for number, stream in tuple(self._streams.items()):
            if not stream.whole and now - stream.since > limits.body_s + stream.size / limits.body_rate:
                self._refuse(number, stream, half())
            elif stream.unsent and now - stream.since > limits.write_s:
                self._reset(number, _Code.CANCEL)
            elif stream.whole and not stream.ended and not stream.unsent and now - stream.since > limits.body_s:
                self._reset(number, _Code.NO_ERROR)
        if not self._streams and now - self._since > limits.idle_s:
            self._http.close_connection()
            self._end()
        else:
            self._flush()

    def unread(self) -> int:
        """Return how many bytes of answers wait for the client to read them."""
        written = 0 if self._blocked_since is None else self._transport.get_write_buffer_size()
        return written + sum(len(one.unsent) for one in self._streams.values())

    def wind_down(self) -> None:
        """End when what is under way is answered; at once where nothing is."""
        self._winding = True  # told when the last answer is out: some clients take nothing behind a GOAWAY
        self._flush()

    def cut(self) -> None:
        """End at once."""
        self._transport.abort()

    # -- what comes in --------------------------------------------------------------------------------------------

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._begin(event.stream_id, event.headers or ())
        elif isinstance(event, h2.events.DataReceived):
            self._body(event.stream_id, event.data or b"", event.flow_controlled_length or 0)
        elif isinstance(event, h2.events.StreamEnded):
            self._whole(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self._resets += 1
            self._forget(event.stream_id)
        elif isinstance(event, h2.events.WindowUpdated):
            self._send_on(event.stream_id)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._winding = True
        elif isinstance(event, _ASKS_NOTHING):
            self._idle_frames += 1
            self._send_on()  # new settings may have widened the windows

    def _begin(self, number: int, sent: object) -> None:
        if self._winding:
            self._http.reset_stream(number, _Code.REFUSED_STREAM)
            return
        named = [(bytes(name), bytes(value)) for name, value in sent]  # type: ignore[attr-defined]
        headers, now = dict(named), self._time()
        verb, path = headers.get(b":method", b""), headers.get(b":path", b"").partition(b"?")[0].decode("latin-1")
        fault = self._fault(headers, [name for name, _ in named])
        try:
            if fault is not None:
                raise fault
            headers.setdefault(b"host", headers.get(b":authority", b""))
            given = {name: value for name, value in headers.items() if not name.startswith(b":")}
            target = headers[b":path"]
            asked = self._reception.read(verb.decode("latin-1"), target, given)
            call: Call | Response = (asked, self._reception.admit(asked, self._client))
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            call = refusal(error, path)
        self._streams[number] = _Stream(call, verb == b"HEAD", now)

    def _fault(self, headers: dict[bytes, bytes], names: list[bytes]) -> HeadraceError | None:
        limits = self._shared.limits
        if len(headers.get(b":path", b"")) > limits.target:
            return long_target(limits)
        if len(names) > limits.headers:
            return long_head(limits)
        twice = len(headers) != len(names) and any(names.count(one) > 1 for one in _ONCE)
        return not_http() if twice or not headers.get(b":path", b"").startswith(b"/") else None

    def _body(self, number: int, data: bytes, counted: int) -> None:
        if not data:
            self._idle_frames += 1
        stream = self._streams.get(number)
        if counted and (stream is not None or not self._ended):
            self._acknowledge(number, counted)
        if stream is None or stream.whole:
            return
        stream.size += len(data)
        if isinstance(stream.call, Response):
            self._refuse(number, stream, stream.call)
        elif stream.size > stream.call[0].route.largest:
            self._refuse(number, stream, too_large(stream.call[0].route.largest))
        elif not self._shared.reserve(len(data)):
            self._refuse(number, stream, no_room())
        else:
            stream.body.append(data)

    def _acknowledge(self, number: int, counted: int) -> None:
        try:
            self._http.acknowledge_received_data(counted, number)
        except (h2.exceptions.StreamClosedError, KeyError):
            self._http.increment_flow_control_window(counted)

    def _whole(self, number: int) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.ended = True
        if stream.whole:
            self._answered(number, stream)
            return
        stream.whole, call = True, stream.call
        if isinstance(call, Response):
            self._answer(number, call)
            return
        call[1].body = b"".join(stream.body)
        self._shared.release(sum(map(len, stream.body)))
        stream.body = []
        answer = self._reception.answer(*call)
        if isinstance(answer, Response):
            self._answer(number, answer)
        else:
            answer.add_done_callback(partial(self._done, number, call[1].path))

    # -- what goes out --------------------------------------------------------------------------------------------

    def _done(self, number: int, path: str, future: asyncio.Future[Response]) -> None:
        response = self._reception.outcome(future, path)
        if not self._gone and not self._ended:
            self._answer(number, response)
            self._flush()

    def _refuse(self, number: int, stream: _Stream, fault: BaseException | Response) -> None:
        """Answer without waiting for the rest of a body, of which nothing is kept."""
        stream.whole = True
        self._shared.release(sum(map(len, stream.body)))
        stream.body = []
        path = stream.call[1].path if isinstance(stream.call, tuple) else ""
        self._answer(number, fault if isinstance(fault, Response) else refusal(fault, path))

    def _answered(self, number: int, stream: _Stream) -> None:
        """Let go of a stream when both sides have said all; ``look`` ends the patience with those that have not."""
        if stream.ended and not stream.unsent:
            self._forget(number)

    def _answer(self, number: int, response: Response) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        body = b"" if stream.bodiless else response.body
        lines = [(b":status", b"%d" % response.status), *headers_of(response)]
        lines.append((b"content-length", b"%d" % len(response.body)))
        try:
            self._http.send_headers(number, lines, end_stream=not body)
        except h2.exceptions.ProtocolError:  # the client has given the stream up
            self._forget(number)
            return
        stream.unsent, stream.since = memoryview(body), self._time()
        if body:
            self._send(number, stream)
        else:
            self._answered(number, stream)

    def _send_on(self, number: int | None = None) -> None:
        """Go on with answers that had no room: with that of one stream, or with all."""
        for one in (number,) if number else tuple(self._streams):
            stream = self._streams.get(one)
            if stream is not None and stream.unsent:
                self._send(one, stream)

    def _send(self, number: int, stream: _Stream) -> None:
        """Send as much of an answer as the client has room for."""
        try:
            while stream.unsent and self._blocked_since is None:
                room = min(self._http.local_flow_control_window(number), self._http.max_outbound_frame_size)
                if room <= 0:
                    return
                piece, stream.unsent = stream.unsent[:room], stream.unsent[room:]
                stream.since = self._time()
                self._http.send_data(number, bytes(piece), end_stream=not stream.unsent)
                self._transport.write(self._http.data_to_send())
        except h2.exceptions.ProtocolError:
            stream.unsent, stream.ended = memoryview(b""), True
        self._answered(number, stream)

    def _reset(self, number: int, code: _Code) -> None:
        with contextlib.suppress(h2.exceptions.ProtocolError):  # it is closed already
            self._http.reset_stream(number, code)
        self._forget(number)

    def _forget(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None and stream.body:
            self._shared.release(sum(map(len, stream.body)))

    def _flush(self) -> None:
        if data := self._http.data_to_send():
            self._transport.write(data)
        if self._winding and not self._streams and not self._ended:
            self._http.close_connection()
            self._end()

    def _end(self) -> None:
        """Say why, and that no more comes; unread input would take that along, so it is read on for a while."""
        self._ended, self._lingers_since = True, self._time()
        if data := self._http.data_to_send():
            self._transport.write(data)
        if self._tls or not self._transport.can_write_eof():
            self._transport.close()
        else:
            self._transport.write_eof()
