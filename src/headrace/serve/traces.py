"""OpenTelemetry: a span for each sampled request; a service without traces neither imports it nor asks whether."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import msgspec

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.serve.message import Answer, Request, Response, Route

SHARE = 0.01
"""Of the requests whose caller says nothing of traces."""
_WAIT_S = 5
_SAMPLED = 1
_OURS = "HR-INTERNAL"


class Traces:
    """Spans on their way to a collector, over OTLP and HTTP, in a thread of its own.

    A caller that traces decides itself (W3C Trace Context): its header ``traceparent`` says whether it is sampled. A
    collector that is not there costs spans, never an answer.

    Args:
        endpoint: of the collector, e.g. ``"http://127.0.0.1:4318"``; what lets in there is taken from the variable
            ``OTEL_EXPORTER_OTLP_HEADERS``.
        project: name of the project.
        share: of all other requests that is sampled, from 0 to 1.

    Raises:
        HeadraceError: HR-TRACE-001 without the libraries (extra ``otel``).
    """

    def __init__(self, endpoint: str, project: str, share: float = SHARE) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace import SpanKind, StatusCode
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError:
            found, cure = "no libraries of OpenTelemetry", "pip install 'headrace[otel]', or take [serve] traces out"
            raise HeadraceError(Fault("HR-TRACE-001", "headrace.toml", found, "them, to send traces", cure)) from None
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)
        self._share, self._chance = share, Random().random  # noqa: S311 - nothing secret hangs on it
        resource = Resource.create({"service.name": "headrace", "headrace.project": project})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_WAIT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("headrace")
        self._context = TraceContextTextMapPropagator().extract
        self._kind, self._error = SpanKind.SERVER, StatusCode.ERROR

    def wanted(self, traceparent: bytes) -> bool:
        """Return whether a request is sampled, by what its caller says, else by chance."""
        if traceparent:
            try:
                return bool(int(traceparent[-2:], 16) & _SAMPLED)
            except ValueError:
                return False
        return self._chance() < self._share

    def span(
        self, name: str, said: Mapping[str, Any], begun_us: int, traceparent: bytes = b"", error: str = ""
    ) -> None:
        """Tell of a request that is answered, from a moment until now; ``error`` is the code of its refusal."""
        parent = self._context({"traceparent": traceparent.decode("latin-1")} if traceparent else {})
        span = self._tracer.start_span(
            name, context=parent, kind=self._kind, attributes=dict(said), start_time=begun_us * 1000
        )
        if error:
            span.set_attribute("error.type", error)
        if error == _OURS:  # what a request is refused for is no fault of the server's
            span.set_status(self._error)
        span.end(clock.now_us() * 1000)

    def close(self) -> None:
        """Send what waits, for some seconds at most."""
        self._provider.force_flush(_WAIT_S * 1000)
        self._provider.shutdown()


def traced(routes: Sequence[Route], traces: Traces) -> list[Route]:
    """Return routes of which those of services tell of their requests.

    Args:
        routes: of the server.
        traces: where to.
    """
    return [_traced(one, traces) if one.pattern.startswith("/services/{name}") else one for one in routes]


def _traced(route: Route, traces: Traces) -> Route:
    def answer(request: Request, *parts: str) -> Answer:
        traceparent = request.headers.get(b"traceparent", b"")
        if not traces.wanted(traceparent):
            return route.answer(request, *parts)
        return _followed(request, parts, traceparent)

    async def _followed(request: Request, parts: Sequence[str], traceparent: bytes) -> Response:
        begun, error = clock.now_us(), _OURS
        said: dict[str, Any] = {"http.request.method": request.method, "http.route": route.pattern}
        try:
            found = route.answer(request, *parts)
            response: Response = await found if inspect.isawaitable(found) else found
            said |= {"headrace.service": parts[0], "http.response.status_code": response.status, **_told(response)}
            error = ""
            return response
        except HeadraceError as refused:
            error = refused.faults[0].code
            raise
        finally:
            traces.span(f"{request.method} {route.pattern}", said, begun, traceparent, error)

    return replace(route, answer=answer)


def _told(response: Response) -> dict[str, Any]:
    """What an answer says of a decision; of several rows how many they are."""
    try:
        said = msgspec.json.decode(response.body)
    except msgspec.DecodeError:
        return {}
    if isinstance(said, list):
        return {"headrace.rows": len(said)}
    if not isinstance(said, dict) or "record_id" not in said:
        return {}
    model = said.get("model") or {}
    told = {"headrace.decision": said.get("decision"), "headrace.record_id": said["record_id"]}
    told |= {"headrace.model": model.get("name"), "headrace.model.version": model.get("version")}
    return {name: value for name, value in told.items() if value is not None}
