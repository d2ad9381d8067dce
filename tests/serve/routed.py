"""Routes beside a running office, on a real socket: for tests of routes that the server does not have yet."""

import asyncio
import contextlib
import socket
import threading
import time

import uvicorn

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.serve import interface, metrics
from headrace.serve.fields import LARGEST
from headrace.serve.http import App, _json_only, _parameters, _refusal
from headrace.serve.message import Request, Route, as_json
from headrace.serve.metrics import Meters
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


@contextlib.contextmanager
def watched(loaded):
    """Serve a project with its figures, its interface, and decisions that are counted."""

    def more(office):
        meters = Meters({name: [*one.decide, one.otherwise] for name, one in loaded.project.all_services.items()})
        meters.gauge("headrace_spool_records", office.spool.records_waiting)
        meters.gauge("headrace_model_info", lambda: {_model(name, desk): 1 for name, desk in office.desks.items()})
        meters.gauge("headrace_state_age_seconds", lambda: dict.fromkeys(loaded.project.streams, 0.5))
        meters.gauge("headrace_parity_compared_total", lambda: 1200)
        meters.gauge("headrace_parity_differing_total", lambda: 0)

        async def decide(request, name):
            begun = clock.monotonic_s()
            try:
                scope = {"query_string": request.query.encode(), "headers": list(request.headers.items())}
                _json_only(scope)
                if len(request.body) > LARGEST:
                    raise HeadraceError(Fault("HR-REQUEST-001", "", "a large body", "a small one", "send less"))
                answer = await office.decide(name, request.body, *_parameters(scope))
            except HeadraceError as error:
                meters.refused(name, error.faults[0].code, _refusal(error)[0])
                raise
            meters.answered(name, answer["decision"], clock.monotonic_s() - begun, answer["record_id"])
            return as_json(answer)

        mine = [
            Route("POST", "/services/{name}/decide", decide, "decide", tells="Decide."),
            *metrics.routes(meters),
            *interface.routes(loaded.project, lambda: [*mine, *_OFFICES]),
        ]
        return mine

    with routed(loaded, more) as (url, office):
        yield url, office


_OFFICES = [
    Route("POST", "/events/{stream}", None, "events", 16 << 20, tells="Take events."),
    Route("GET", "/health/live", None, "", tells="Whether it lives."),
    Route("GET", "/health/ready", None, "", tells="Whether it answers."),
]
"""What the office's own application answers."""


def _model(name, desk):
    return name, desk.version.name, desk.version.number, desk.version.digest
