"""A project served with its figures and its interface, on a real socket, for tests of what is seen from outside."""

import asyncio
import contextlib
import socket
import threading
import time
from dataclasses import replace
from unittest import mock

from headrace import clock
from headrace.errors import HeadraceError
from headrace.serve import app, http, interface, metrics
from headrace.serve.interface.document import DECIDE
from headrace.serve.message import Request, Response, Route, as_json
from headrace.serve.metrics import Meters

ON_WIRE = hasattr(http, "routes")
"""Whether the server takes routes; where it does not yet, uvicorn carries them beside the office's own application."""


@contextlib.contextmanager
def routed(loaded, routes):
    """Serve a project with more routes, for the length of a ``with`` block; ``routes`` gets the office."""
    if not ON_WIRE:
        with _beside(loaded, routes) as found:
            yield found
        return

    def every(office):
        more = routes(office)
        taken = {(one.method, one.pattern) for one in more}
        return [*more, *(one for one in http.routes(office) if (one.method, one.pattern) not in taken)]

    with mock.patch.object(app, "ROUTES", (every,)), app.start(loaded) as running:
        yield running.url, running.office


@contextlib.contextmanager
def watched(loaded):
    """Serve a project with its figures, its interface, and decisions that are counted."""

    def more(office):
        meters = Meters({name: [*one.decide, one.otherwise] for name, one in loaded.project.all_services.items()})
        meters.gauge("headrace_model_info", lambda: {_model(name, desk): 1 for name, desk in office.desks.items()})
        meters.gauge("headrace_state_age_seconds", lambda: dict.fromkeys(loaded.project.streams, 0.5))
        meters.gauge("headrace_parity_compared_total", lambda: 1200)
        meters.gauge("headrace_parity_differing_total", lambda: 0)
        own = [_counted(one, meters) if one.pattern == DECIDE else one for one in _own(office)]
        mine = [*own, *metrics.routes(meters), *interface.routes(loaded.project, lambda: mine)]
        return mine

    with routed(loaded, more) as found:
        yield found


def _counted(route, meters):
    async def answer(request, name):
        begun = clock.monotonic_s()
        try:
            response = await route.answer(request, name)
        except HeadraceError as error:
            meters.refused(name, error.faults[0].code, 400)
            raise
        said = _read(response)
        meters.answered(name, said["decision"], clock.monotonic_s() - begun, said["record_id"])
        return response

    return replace(route, answer=answer)


def _read(response):
    import json

    return json.loads(response.body)


def _model(name, desk):
    return name, desk.version.name, desk.version.number, desk.version.digest


# -- until the server takes routes -------------------------------------------------------------------------------------


def _own(office):
    if ON_WIRE:
        return http.routes(office)

    async def decide(request, name):
        http._json_only({"headers": list(request.headers.items())})
        given = http._parameters({"query_string": request.query.encode()})
        return as_json(await office.decide(name, request.body, *given))

    return [
        Route("POST", DECIDE, decide, "decide", tells="Decide."),
        Route("POST", "/events/{stream}", None, "events", 16 << 20, tells="Take events."),
        Route("GET", "/health/live", None, "", tells="Whether it lives."),
        Route("GET", "/health/ready", None, "", tells="Whether it answers."),
    ]


@contextlib.contextmanager
def _beside(loaded, routes):
    import uvicorn

    from headrace.serve.office import office

    with contextlib.closing(socket.socket()) as bound, office(loaded) as one:
        bound.bind(("127.0.0.1", 0))
        config = uvicorn.Config(_application(http.App(one), routes(one)), log_level="error", lifespan="off")
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


def _application(own, routes):
    async def answer(scope, receive, send):
        found = _answer_of(routes, scope)
        if found is None:
            await own(scope, receive, send)
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
            status, document = http._refusal(error)
            response = as_json(document, status)
        assert isinstance(response, Response)
        headers = [(b"content-type", response.kind), *response.headers]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    return answer


def _answer_of(routes, scope):
    parts = scope["path"].strip("/").split("/")
    for route in routes:
        wanted = route.pattern.strip("/").split("/")
        named = [part for want, part in zip(wanted, parts, strict=False) if want.startswith("{")]
        alike = all(want == part or want.startswith("{") for want, part in zip(wanted, parts, strict=False))
        if len(parts) == len(wanted) and alike and route.method == scope["method"] and route.answer is not None:
            return route, named
    return None
