"""A server of HTTP that gives the answers it is told, also bad ones: for tests of what reads an API."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """What the server was asked: the path, the parameters of the query, the headers (names in lower case)."""

    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What the server answers.

    Args:
        body: bytes as they are, or a value that is sent as JSON.
        status: of HTTP.
        headers: beside the length.
        cut: how many bytes of the body are kept back, when the connection is closed.
        after_s: seconds until the answer begins.
    """

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int = 0
    after_s: float = 0.0


class Server:
    """A server on a free port of this machine, within a ``with`` block.

    Args:
        answers: one for each request, in order, the last one again and again; or a function of the request.

    Example:
        >>> import urllib.request
        >>> with Server([Answer(status=503), Answer([{"id": 1}])]) as server:
        ...     for _ in range(2):
        ...         try:
        ...             print(urllib.request.urlopen(server.url).read())
        ...         except OSError as error:
        ...             print(error)
        HTTP Error 503: Service Unavailable
        b'[{"id": 1}]'
    """

    def __init__(self, answers: Iterable[Answer] | Callable[[Request], Answer]) -> None:
        self.requests: list[Request] = []
        self._answers: Callable[[Request], Answer] = answers if callable(answers) else self._in_turn(list(answers))
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Address of the server, without a path."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _in_turn(self, answers: list[Answer]) -> Callable[[Request], Answer]:
        return lambda _: answers[min(len(self.requests), len(answers)) - 1]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Request(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers)
                server.requests.append(asked)
                _send(self, server._answers(asked))

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
    time.sleep(answer.after_s)
    try:
        handler.send_response(answer.status)
        for name, value in {"Content-Length": str(len(body)), **answer.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[: len(body) - answer.cut])
    except OSError:  # whoever asked has gone
        pass
    handler.close_connection = True
