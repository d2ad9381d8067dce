"""A server on sockets that are bound already: accepts, looks after time, ends without dropping what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any

from headrace.serve.wire import accepting
from headrace.serve.wire.http1 import Http1
from headrace.serve.wire.reception import Reception
from headrace.serve.wire.shared import Shared

_LOOK_S = 1.0
_BACKLOG = 2_048
_HANDSHAKE_S = 10.0
_log = logging.getLogger("headrace.serve")


class Server:
    """Answers until it is told to stop.

    Args:
        reception: which answers.
        tls: certificate and key; None for plain HTTP.
        beside: what runs on the same loop as long as the server answers, and is cancelled when it no longer does.
        looks: are called each second.
        ended: is called, in a thread, when nothing is under way any more.
        among: what is known of other processes that accept from the same sockets; None where there are none.
    """

    def __init__(
        self,
        reception: Reception,
        tls: ssl.SSLContext | None = None,
        beside: Sequence[Callable[[], Awaitable[None]]] = (),
        looks: Sequence[Callable[[], object]] = (),
        ended: Callable[[], object] = lambda: None,
        among: accepting.Shared | None = None,
    ) -> None:
        self.reception, self._tls, self._beside, self._ended = reception, tls, beside, ended
        self._looks = (reception.forget_clients, *looks)
        self.started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told: asyncio.Event | None = None
        self._hurried, self._among, self._farewell_s = False, among, 0.0

    def run(self, sockets: Sequence[socket.socket]) -> None:
        """Serve in this thread; in the main thread SIGTERM and Ctrl-C end it, a second one without patience.

        Raises:
            Exception: what ``ended`` raises. A signal is raised again when all is done, for whoever waits for it.
        """
        heard: list[int] = []
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner, self._signals(heard):
                runner.run(self._serve(sockets))
        finally:
            self.started.set()  # whoever waits for it does not wait for ever
        for number in dict.fromkeys(heard):
            signal.raise_signal(number)

    def stop(self, farewell_s: float = 0.0) -> None:
        """Tell it to end; from any thread.

        Args:
            farewell_s: seconds in which a client that says nothing may still ask, and is told that its connection ends:
                one that is closed meanwhile could have a request on its way. Others accept new connections by now.
        """
        self.started.wait()
        self._farewell_s = farewell_s
        loop, told = self._loop, self._told
        if loop is not None and told is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(told.set)

    async def _serve(self, sockets: Sequence[socket.socket]) -> None:
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        shared = Shared(self.reception, self._loop, _http2)
        listening = [await self._listen(one, shared) for one in sockets]
        running = [asyncio.ensure_future(one()) for one in self._beside]
        looking = asyncio.create_task(self._look(shared))
        self.started.set()
        try:
            await self._told.wait()
        finally:
            for one in listening:
                await _closed(one)
            shared.stopping = True
            await self._farewell(shared)
            await self._drained(shared)
            for task in (looking, *running):
                task.cancel()
            await asyncio.wait([looking, *running])
            await asyncio.to_thread(self._ended)

    async def _listen(self, bound: socket.socket, shared: Shared) -> asyncio.Server | accepting.Accepting:
        assert self._loop is not None
        if self._among is not None:
            return accepting.Accepting(
                self._loop,
                bound,
                self._among,
                lambda: len(shared.connections),
                lambda: Http1(shared),
                self._tls,
                _HANDSHAKE_S,
            )
        patience = None if self._tls is None else _HANDSHAKE_S
        given: dict[str, Any] = {
            "sock": bound,
            "backlog": _BACKLOG,
            "ssl": self._tls,
            "ssl_handshake_timeout": patience,
        }
        if bound.family == getattr(socket, "AF_UNIX", None):
            return await self._loop.create_unix_server(lambda: Http1(shared), **given)
        listening: asyncio.Server = await self._loop.create_server(lambda: Http1(shared), **given)
        return listening

    async def _look(self, shared: Shared) -> None:
        assert self._loop is not None
        while True:
            await asyncio.sleep(_LOOK_S)
            now = self._loop.time()
            looks: list[Callable[[], object]] = [partial(one.look, now) for one in shared.connections]
            for look in (*looks, shared.cut_unread, *self._looks):
                try:
                    look()
                except Exception as error:  # noqa: BLE001 - no single look may end all later ones
                    _log.error("%s while looking after connections and tokens", type(error).__name__)

    async def _farewell(self, shared: Shared) -> None:
        assert self._loop is not None
        until = self._loop.time() + self._farewell_s
        while shared.connections and self._loop.time() < until and not self._hurried:
            await asyncio.sleep(0.01)

    async def _drained(self, shared: Shared) -> None:
        """Wait for what is under way, and for those who read their last answer."""
        assert self._loop is not None
        until = self._loop.time() + self.reception.limits.drain_s
        for one in tuple(shared.connections):
            one.wind_down()
        while shared.connections and self._loop.time() < until and not self._hurried:
            await asyncio.sleep(0.01)
        for one in tuple(shared.connections):
            one.cut()
        while self.reception.under_way and not self._hurried and self._loop.time() < until:
            await asyncio.sleep(0.01)

    @contextlib.contextmanager
    def _signals(self, heard: list[int]) -> Iterator[None]:
        """Take SIGTERM and Ctrl-C within a ``with`` block."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def hear(number: int, _frame: object) -> None:
            self._hurried = bool(heard)
            heard.append(number)
            if self._loop is not None and self._told is not None:
                self._loop.call_soon_threadsafe(self._told.set)

        before = {one: signal.signal(one, hear) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


async def _closed(listening: asyncio.Server | accepting.Accepting) -> None:
    if isinstance(listening, accepting.Accepting):
        await listening.close()
    else:
        listening.close()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


def _http2(shared: Shared) -> asyncio.Protocol:
    from headrace.serve.wire.http2 import Http2  # most services never see it

    return Http2(shared)
