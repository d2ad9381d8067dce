"""Traces: spans that a collector reads, sampled as the caller says, and no cost where they are off."""

import asyncio
import contextlib
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

import httpx
import pytest

from headrace.errors import HeadraceError
from headrace.serve import app
from headrace.serve.traces import Traces, traced
from tests.shop import DECIDE, payment

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is not installed")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"


class Collector(BaseHTTPRequestHandler):
    """Takes spans as OTLP over HTTP says."""

    def do_POST(self):
        import gzip

        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        body = self.rfile.read(int(self.headers["content-length"]))
        body = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            of = _plain(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.server.spans += [(one, _plain(one.attributes) | of) for one in scope.spans]
        self.server.paths.append(self.path)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def _plain(attributes):
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextlib.contextmanager
def collector():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.spans, server.paths = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def followed(loaded, traces):
    """Serve with traces."""
    real = app.routes
    with (
        mock.patch.object(app, "routes", lambda *given: traced(real(*given), traces)),
        app.start(loaded) as running,
    ):
        yield running.url


def test_a_request_is_a_span_below_that_of_its_caller(shop):
    with collector() as (got, endpoint):
        traces = Traces(endpoint, "shop", share=0.0)
        with followed(shop, traces) as url:
            ask = httpx.Client(base_url=url, timeout=30)
            answer = ask.post(DECIDE, json=payment(1), headers={"traceparent": f"{PARENT}1"}).json()
            ask.post(DECIDE, json=payment(2), headers={"traceparent": f"{PARENT}0"})
            ask.post(DECIDE, json=payment(3))
            ask.post(DECIDE, json=payment(4), headers={"traceparent": "nonsense \x7f zz"})
            refused = ask.post(DECIDE, content=b"{", headers={"traceparent": f"{PARENT}1"})
            assert refused.status_code == 400
        traces.close()
        (span, said), (wrong, why) = got.spans
    assert got.paths == ["/v1/traces"]
    assert span.trace_id.hex() == PARENT.split("-")[1]
    assert span.parent_span_id.hex() == PARENT.split("-")[2]
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 30e9
    assert said == {
        "http.request.method": "POST",
        "http.route": "/services/{name}/decide",
        "http.response.status_code": 200,
        "headrace.service": "desk",
        "headrace.decision": answer["decision"],
        "headrace.record_id": answer["record_id"],
        "headrace.model": "score",
        "headrace.model.version": 1,
        "headrace.project": "shop",
        "service.name": "headrace",
        **{name: value for name, value in said.items() if name.startswith(("telemetry.", "service.instance"))},
    }
    assert why["error.type"] == "HR-REQUEST-002"
    assert wrong.status.code == 0, "the request was wrong, not the service"


def test_a_share_of_the_others_is_sampled():
    traces = Traces("http://127.0.0.1:1", "shop", share=0.2)
    try:
        assert 300 < sum(traces.wanted(b"") for _ in range(2_000)) < 500
    finally:
        traces.close()


def test_a_collector_that_is_not_there_costs_no_answer(shop):
    traces = Traces("http://127.0.0.1:1", "shop", share=1.0)
    with followed(shop, traces) as url:
        for number in range(5):
            assert httpx.post(f"{url}{DECIDE}", json=payment(number), timeout=30).status_code == 200
    traces.close()


def test_a_fault_of_our_own_is_an_error():
    from headrace.serve.message import Request, Route

    def broken(_request, _name):
        raise ZeroDivisionError

    with collector() as (got, endpoint):
        traces = Traces(endpoint, "shop", share=1.0)
        (route,) = traced([Route("POST", "/services/{name}/decide", broken, "decide")], traces)
        with pytest.raises(ZeroDivisionError):
            asyncio.run(route.answer(Request("POST", DECIDE), "desk"))
        traces.close()
        ((span, said),) = got.spans
    assert (span.status.code, said["error.type"]) == (2, "HR-INTERNAL")


def test_off_is_not_there():
    code = "import sys; import headrace.serve.app, headrace.serve.traces\n"
    code += "assert not [one for one in sys.modules if one.startswith('opentelemetry')]"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_libraries_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(HeadraceError, match=r"HR-TRACE-001.*headrace\[otel\]"):
        Traces("http://127.0.0.1:4318", "shop")
