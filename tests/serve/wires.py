"""A server of plain routes, and sockets that say to it what no library would."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator

from headrace.errors import Fault, HeadraceError
from headrace.serve.message import Request, Response, Route, as_json
from headrace.serve.wire import Limits, Reception
from headrace.serve.wire.server import Server

BIG = b"x" * 1_000_000


class Wire:
    """A server in a thread, and what its routes were asked."""

    def __init__(self, limits: Limits | None = None, access=None, tls=None) -> None:
        self.asked: list[Request] = []
        self.opened = threading.Event()
        self.reception = Reception(self.routes(), limits, access)
        self.server = Server(self.reception, tls)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],), daemon=True)

    def routes(self) -> list[Route]:
        def echo(request: Request) -> Response:
            self.asked.append(request)
            return Response(200, request.body)

        async def later(request: Request, seconds: str) -> Response:
            self.asked.append(request)
            await asyncio.sleep(float(seconds))
            return Response(200, request.body or seconds.encode())

        def future(request: Request) -> asyncio.Future[Response]:
            loop = asyncio.get_running_loop()
            made: asyncio.Future[Response] = loop.create_future()
            loop.call_soon(made.set_result, Response(201, request.body))
            return made

        async def gate(_request: Request) -> Response:
            while not self.opened.is_set():
                await asyncio.sleep(0.005)
            return Response(200, b"open")

        def broken(request: Request) -> Response:
            raise RuntimeError(request.body.decode())

        def wrong(_request: Request) -> Response:
            raise HeadraceError(Fault("HR-REQUEST-002", "", "what is not JSON", "JSON", "send JSON"))

        async def late_fault(_request: Request) -> Response:
            await asyncio.sleep(0)
            raise KeyError("Ada")

        return [
            Route("POST", "/echo", echo, "decide"),
            Route("POST", "/large", echo, "events", 1 << 20),
            Route("POST", "/later/{seconds}", later, "decide"),
            Route("POST", "/future", future, "decide"),
            Route("GET", "/gate", gate, "decide"),
            Route("POST", "/broken", broken, "decide"),
            Route("POST", "/wrong", wrong, "decide"),
            Route("POST", "/late-fault", late_fault, "decide"),
            Route("GET", "/big", lambda _request: Response(200, BIG, b"text/html; charset=utf-8"), "read"),
            Route("GET", "/things/{a}/of/{b}", lambda _request, a, b: as_json([a, b]), ""),
            Route("GET", "/things/all/of/{b}", lambda _request, b: as_json(["every", b]), ""),
            Route("GET", "/live", lambda _request: as_json({"live": True}), ""),
        ]


@contextlib.contextmanager
def wire(limits: Limits | None = None, **more) -> Iterator[Wire]:
    one = Wire(limits, **more)
    one.thread.start()
    one.server.started.wait()
    try:
        yield one
    finally:
        one.server.stop()
        one.thread.join(20)
        one.socket.close()
        assert not one.thread.is_alive()


class Answer:
    """One answer as it stood on the wire."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = dict(line.split(": ", 1) for line in lines)
        self.body = body

    @property
    def code(self) -> str:
        return json.loads(self.body)["error"]["code"]


class Raw:
    """A socket."""

    def __init__(self, port: int, timeout: float = 15) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.buffer = b""

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, bodiless: bool = False) -> Answer:
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, _, rest = self.buffer.partition(b"\r\n\r\n")
        found = re.search(rb"\r\ncontent-length: (\d+)", head)
        length = 0 if found is None or bodiless else int(found[1])
        while len(rest) < length:
            self.buffer = b""
            self._more()
            rest += self.buffer
        self.buffer = rest[length:]
        return Answer(head, rest[:length])

    def closed(self, within: float = 15) -> bool:
        """Whether the other side says no more, and ends."""
        self.socket.settimeout(within)
        try:
            got = self.socket.recv(65536)
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return not got and not self.buffer

    def _more(self) -> None:
        got = self.socket.recv(1 << 20)
        if not got:
            raise EOFError(self.buffer)
        self.buffer += got


def post(body: bytes = b"{}", path: str = "/echo", *lines: str, length: int | None = None) -> bytes:
    """A request as bytes."""
    told = [f"content-length: {len(body) if length is None else length}", *lines]
    return f"POST {path} HTTP/1.1\r\nhost: a\r\n".encode() + "\r\n".join(told).encode() + b"\r\n\r\n" + body


def until(true, within: float = 10) -> bool:
    for _ in range(int(within / 0.01)):
        if true():
            return True
        time.sleep(0.01)
    return False
