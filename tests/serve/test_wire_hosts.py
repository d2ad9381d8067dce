"""Pages of other sites: what a browser on this machine is made to ask is refused, and nothing else is."""

import json

import httpx
import pytest

from headrace.serve.app import start
from headrace.serve.wire import Limits
from headrace.serve.wire.listen import Entry
from tests.serve.wires import Raw, wire
from tests.shop import DECIDE, payment

HOSTS = Limits(hosts=Entry(server_name=("Bank.example",)).hosts)


def asked(one, head, path="/live"):
    with Raw(one.port) as raw:
        raw.send(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        return raw.answer()


@pytest.mark.parametrize(
    "head",
    [
        "host: localhost\r\n",
        "host: LOCALHOST:8470\r\n",
        "host: localhost.\r\n",
        "host: 127.0.0.1:1\r\n",
        "host: [::1]\r\n",
        "host: [::1]:8470\r\n",
        "host: bank.example\r\n",
        "host: localhost:8470\r\norigin: http://localhost:8470\r\n",
        "host: bank.example\r\norigin: https://BANK.example\r\n",
    ],
)
def test_names_of_this_machine_are_answered(head):
    with wire(HOSTS) as one:
        assert asked(one, head).status == 200


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        ("host: rebound.example\r\n", 421, "HR-WIRE-009"),
        ("host: localhost.rebound.example:8470\r\n", 421, "HR-WIRE-009"),
        ("host: 127.0.0.1.rebound.example\r\n", 421, "HR-WIRE-009"),
        ("host: [::2]:8470\r\n", 421, "HR-WIRE-009"),
        ("host: [\r\n", 421, "HR-WIRE-009"),
        ("host: \u00e9\r\n", 421, "HR-WIRE-009"),
        ("host: localhost\r\norigin: http://rebound.example\r\n", 403, "HR-WIRE-010"),
        ("host: localhost:8470\r\norigin: http://localhost:3000\r\n", 403, "HR-WIRE-010"),
        ("host: localhost\r\norigin: null\r\n", 403, "HR-WIRE-010"),
    ],
)
def test_others_are_refused_and_the_connection_goes_on(head, status, code):
    with wire(HOSTS) as one, Raw(one.port) as raw:
        for _ in range(3):
            raw.send(f"POST /echo HTTP/1.1\r\n{head}content-length: 2\r\n\r\n{{}}".encode())
            answer = raw.answer()
            assert (answer.status, answer.code) == (status, code)
        assert not one.asked
        raw.send(b"POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}")
        assert raw.answer().status == 200


def test_who_names_no_host_is_no_browser():
    with wire(HOSTS) as one, Raw(one.port) as raw:
        raw.send(b"GET /live HTTP/1.0\r\n\r\n")
        assert raw.answer().status == 200


def test_http2_is_held_to_the_same():
    with wire(HOSTS) as one, httpx.Client(http1=False, http2=True, base_url=one.url) as client:
        assert client.get("/live").status_code == 200
        rebound = client.get("/live", headers={"host": "rebound.example"})
        assert (rebound.status_code, rebound.json()["error"]["code"]) == (421, "HR-WIRE-009")
        other = client.post("/echo", headers={"origin": "http://rebound.example"})
        assert (other.status_code, other.json()["error"]["code"]) == (403, "HR-WIRE-010")


def test_which_names_an_entry_has(tmp_path):
    assert Entry().hosts == ("localhost", "127.0.0.1", "[::1]", "127.0.0.1")
    assert Entry("127.0.0.2").hosts[-1] == "127.0.0.2"
    assert Entry("::1", server_name=("A",)).hosts[-2:] == ("[::1]", "a")
    assert Entry(unix=tmp_path / "desk.sock").hosts == ()
    assert Entry("0.0.0.0").hosts == ()
    assert Entry("0.0.0.0", server_name=("bank.example",)).hosts[-1] == "bank.example"


def test_a_service_on_this_machine_is_asked_by_its_own_pages_alone(shop):
    with start(shop) as running, httpx.Client(base_url=running.url) as client:
        own, other = {"origin": running.url}, {"origin": "http://rebound.example", "content-type": "application/json"}
        assert client.post(DECIDE, json=payment(1), headers=own).status_code == 200
        for path in (DECIDE, "/events/payments"):
            assert client.post(path, content=json.dumps(payment(2)), headers=other).status_code == 403
        refused = client.post("/v2/models/score/infer", content=b"{}", headers=other)
        assert (refused.status_code, "HR-WIRE-010" in refused.json()["error"]) == (403, True)
        metrics = client.get("/metrics", headers={"host": "rebound.example"})
        assert metrics.status_code == 421


def test_refusals_below_v2_have_the_form_of_that_protocol_whoever_refuses():
    far, half = "a" * 9_000, b"POST /v2/models/a/infer?b HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nab"
    with wire(Limits(per_client=0.001, head_s=0.5, body_s=0.5)) as one:
        for sent, status in [
            (f"GET /v2/{far} HTTP/1.1\r\nhost: a\r\n\r\n".encode(), 414),
            (b"GET /v2/nothing HTTP/1.1\r\nhost: a\r\n\r\n", 404),
            (b"GET http://a/v2/nothing HTTP/1.1\r\nhost: a\r\n\r\n", 404),
            (b"GET /v2/x HTTP/1.1\r\nhost: a\r\n" + b"a: b\r\n" * 101 + b"\r\n", 431),
            (b"GET /v2/x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
            (half, 408),
        ]:
            with Raw(one.port) as raw:
                raw.send(sent)
                answer = raw.answer()
                told = json.loads(answer.body)
                assert (answer.status, list(told), type(told["error"])) == (status, ["error"], str), sent[:40]
        with httpx.Client(http1=False, http2=True, base_url=one.url) as client:
            assert client.get("/v2/nothing").json()["error"].startswith("HR-SERVE-009: ")
            assert "code" in client.get("/v2nothing").json()["error"]
