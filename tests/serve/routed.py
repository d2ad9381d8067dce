"""Routes beside a running office, on a real socket: for tests of routes that the server does not have yet."""

import asyncio
import contextlib
import socket
import threading
import time

import uvicorn

from headrace.errors import HeadraceError
from headrace.serve.http import App, _refusal
from headrace.serve.message import Request, as_json
from headrace.serve.office import office


def _answer_of(routes, scope):
    parts = scope["path"].strip("/").split("/")
    for route in routes:
        wanted = route.pattern.strip("/").split("/")
        named = [part for want, part in zip(wanted, parts, strict=False) if want.startswith("{")]
        alike = all(want == part or want.startswith("{") for want, part in zip(wanted, parts, strict=False))
        if len(parts) == len(wanted) and alike and route.method == scope["method"]:
            return route, named
    return None


def application(app, routes):
    """An ASGI application that asks routes first, and the office's own behind them."""

    async def answer(scope, receive, send):
        found = _answer_of(routes, scope) if scope["type"] == "http" else None
        if found is None:
            await app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body")
        route, named = found
        request = Request(scope["method"], scope["path"], scope["query_string"].decode(), dict(scope["headers"]), body)
        try:
            response = route.answer(request, *named)
            response = await response if asyncio.iscoroutine(response) else response
        except HeadraceError as error:
            status, document = _refusal(error)
            response = as_json(document, status)
        headers = [(b"content-type", response.kind), *response.headers]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    return answer


@contextlib.contextmanager
def routed(loaded, routes):
    """Serve a project with more routes, for the length of a ``with`` block; ``routes`` gets the office."""
    with contextlib.closing(socket.socket()) as bound, office(loaded) as one:
        bound.bind(("127.0.0.1", 0))
        config = uvicorn.Config(application(App(one), routes(one)), log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}", one
        finally:
            server.should_exit = True
            thread.join()
