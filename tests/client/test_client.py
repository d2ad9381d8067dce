"""The Python client against a real service, and against servers that fail in every way that servers do."""

import asyncio
import contextlib
import dataclasses
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pytest

import headrace as hr
from headrace.client import Decision, ServiceError
from headrace.serve.app import start
from tests.shop import payment, rows_of


@dataclasses.dataclass
class Payment:
    payment_id: str
    at: datetime
    customer_id: int
    terminal_id: int
    amount: Decimal


def row(number, **more):
    return Payment(f"c-{number}", datetime(2026, 2, 14, tzinfo=UTC), number, number, Decimal("12.50"), **more)


def test_a_service_is_asked(shop):
    with start(shop) as running, hr.Client(running.url, timeout=60) as client:
        told = client.decide("desk", row(1), explain=3, features=True)
        assert isinstance(told, Decision)
        assert told.decision in ("block", "review", "allow")
        assert [len(told.reasons), told.reasons[0].method, told.repeated] == [3, "linear", False]
        assert told.features["now.amount"] == 12.5
        assert told.model.name == "score"
        again = client.decide("desk", row(1))
        assert (again.record_id, again.repeated, again.score) == (told.record_id, True, told.score)
        odd = dataclasses.replace(row(2), customer_id=999_999)
        assert [client.decide("desk", odd).situation for _ in range(2)] == [("cold_key customer_id",)] * 2
        taken = client.post_events("payments", [payment(number) for number in range(1_200)])
        assert (taken.taken, taken.known_before, len(taken.sequences)) == (1_200, 0, 1_200)
        assert client.post_events("payments", [payment(3)]).known_before == 1
        assert client.health()["ready"] is True
        rows = [payment(number) for number in range(40, 43)]
        rows[1] = rows[1] | {"amount": "-1"}
        first, wrong, last = client.decide_many("desk", rows, explain=1)
        assert [len(first.reasons), wrong.status, wrong.faults[0].code, last.repeated] == [1, 400, "HR-DATA-004", False]
        table = pa.Table.from_pylist([rows[0], rows[2]])
        assert [one.record_id for one in client.decide_many("desk", table)] == [first.record_id, last.record_id]

        async def asked():
            async with hr.AsyncClient(running.url, timeout=60) as other:
                return await asyncio.gather(*(other.decide("desk", row(number)) for number in range(10, 30)))

        assert len({one.record_id for one in asyncio.run(asked())}) == 20
    from headrace.serve import drain

    drain(shop)
    assert len(rows_of(shop, "decisions_desk")) == 24


def test_the_faults_are_those_of_the_service(shop):
    with start(shop) as running, hr.Client(running.url, timeout=60) as client:
        with pytest.raises(ServiceError) as error:
            client.decide("desk", {"payment_id": 7, "amount": "x"})
        assert error.value.status == 400
        told = [(fault.code, fault.found.split()[-1]) for fault in error.value.faults]
        assert ("HR-REQUEST-006", "at") in told
        assert len(told) == 5
        with pytest.raises(ServiceError, match="HR-SERVE-007.*did you mean 'desk'"):
            client.decide("disk", row(1))
        with pytest.raises(ServiceError, match="HR-SERVE-00[79]"):
            client.decide("../desk?x=1#y", row(1))
        client.decide("desk", row(2))
        with pytest.raises(ServiceError, match="HR-SERVE-013") as error:
            client.decide("desk", dataclasses.replace(row(2), amount=Decimal("13")))
        assert error.value.status == 409


class Script(BaseHTTPRequestHandler):
    """Answers as a list says, one after the other, and notes what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append((self.path, dict(self.headers), body, time.monotonic()))
        if self.path == "/openapi.json" and not self.server.away:
            return self._say(200, {}, self.server.interface)
        if self.path == "/openapi.json":
            self.server.answers.insert(0, self.server.away.pop())
        status, headers, said = self.server.answers.pop(0)
        if status == 0:  # goes away without a word
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        if status < 0:
            return time.sleep(-status)
        return self._say(status, headers, said)

    do_GET = do_POST  # noqa: N815

    def _say(self, status, headers, said):
        content = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def scripted(*answers, keyed=True, away=()):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Script)
    server.daemon_threads = True
    server.asked, server.answers, server.away = [], list(answers), list(away)
    server.interface = {"paths": {"/services/desk/decide": {"post": {"x-key": ["id"] if keyed else []}}}}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


GOOD = {"decision": "allow", "score": 0.5, "record_id": "a-1", "model": {"name": "m", "version": 1, "digest": "d"}}
BUSY = {"error": {"code": "HR-SERVE-014", "place": "", "found": "too much", "expected": "less", "cure": "wait"}}
LOST = (0, {}, b"")


def posts(server):
    return [one for one in server.asked if one[0].startswith("/services")]


def both(url, **more):
    """The same question by either client."""

    def waiting():
        with hr.Client(url, **more) as client:
            return client.decide("desk", {"id": 1})

    async def asked():
        async with hr.AsyncClient(url, **more) as client:
            return await client.decide("desk", {"id": 1})

    return waiting, lambda: asyncio.run(asked())


@pytest.mark.parametrize("which", [0, 1])
def test_who_is_told_to_wait_waits_as_long_as_asked(which):
    with scripted((429, {"retry-after": "1"}, BUSY), (503, {}, BUSY), (200, {}, GOOD)) as (server, url):
        assert both(url)[which]().decision == "allow"
        times = [at for *_, at in server.asked]
        assert times[1] - times[0] >= 1.0
        assert times[2] - times[1] < 0.6


@pytest.mark.parametrize("which", [0, 1])
def test_a_row_with_a_key_is_asked_again_when_its_answer_was_lost(which):
    with scripted(LOST, LOST, (200, {}, GOOD)) as (server, url):
        assert both(url)[which]().decision == "allow"
        assert len(posts(server)) == 3


def test_a_service_that_is_starting_again_is_asked_when_it_is_back():
    with scripted(LOST, (200, {}, GOOD), away=[LOST, (503, {}, BUSY)]) as (server, url):
        assert both(url)[0]().decision == "allow"
        assert len(posts(server)) == 2
        assert len(server.asked) == 5


def test_a_document_that_may_not_be_read_is_as_none():
    with scripted(LOST, (200, {}, GOOD), away=[(403, {}, BUSY)]) as (server, url):
        with pytest.raises(ServiceError, match="HR-CLIENT-002"):
            both(url)[0]()
        assert len(posts(server)) == 1


def test_a_certificate_that_is_not_trusted_is_told_at_once(tmp_path):
    import ssl

    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *named]
    subprocess.run([*made, "-keyout", tmp_path / "key", "-out", tmp_path / "pem"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem", tmp_path / "key")
    with scripted((200, {}, GOOD), (200, {}, GOOD)) as (server, url):
        server.socket = context.wrap_socket(server.socket, server_side=True)
        secure, begun = url.replace("http:", "https:"), time.monotonic()
        for ask in both(secure, timeout=20):
            with pytest.raises(ServiceError, match="HR-CLIENT-005.*not trusted"):
                ask()
        assert time.monotonic() - begun < 5
        for ask in both(secure, verify=str(tmp_path / "pem")):
            assert ask().decision == "allow"


def test_a_row_without_a_key_is_not():
    with scripted(LOST, (200, {}, GOOD), keyed=False) as (server, url):
        with pytest.raises(ServiceError, match="HR-CLIENT-002.*a connection that broke"):
            both(url)[0]()
        assert len(posts(server)) == 1


def test_what_is_refused_for_what_it_is_is_not_asked_again():
    with scripted((400, {}, BUSY)) as (server, url):
        with pytest.raises(ServiceError, match="HR-SERVE-014"):
            both(url)[0]()
        assert len(server.asked) == 1


def test_a_service_that_stays_busy_is_left_alone_after_a_while():
    with scripted(*[(503, {}, BUSY)] * 9) as (server, url):
        with pytest.raises(ServiceError, match="HR-SERVE-014") as error:
            both(url)[0]()
        assert error.value.status == 503
        assert len(server.asked) == 6


@pytest.mark.parametrize("which", [0, 1])
def test_all_repeats_are_within_the_time(which):
    with scripted(*[(429, {"retry-after": "3600"}, BUSY)] * 9) as (server, url):
        begun = time.monotonic()
        with pytest.raises(ServiceError, match="HR-SERVE-014"):
            both(url, timeout=0.5)[which]()
        assert time.monotonic() - begun < 2
        assert len(server.asked) == 1
    with scripted((-3, {}, b"")) as (server, url):
        begun = time.monotonic()
        with pytest.raises(ServiceError, match="HR-CLIENT-002.*no answer in time"):
            both(url, timeout=0.4)[which]()
        assert time.monotonic() - begun < 2
        headers = {name.lower(): value for name, value in server.asked[0][1].items()}
        assert 0 < int(headers["x-deadline-ms"]) <= 400


def test_a_service_that_is_not_there_is_awaited_and_then_told():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{one.getsockname()[1]}"
    for ask in both(url, timeout=1):
        with pytest.raises(ServiceError, match="HR-CLIENT-001.*headrace serve") as error:
            ask()
        assert error.value.__cause__ is None or "httpx" not in str(error.value)


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b"<html>hello</html>"),
        (200, {}, {"hello": 1}),
        (200, {}, [1, 2]),
        (200, {}, b"null"),
        (404, {}, b"<html>no</html>"),
        (301, {"location": "http://elsewhere.example/"}, b""),
        (502, {}, {"error": "bad gateway"}),
        (400, {}, {"error": {"code": 7}}),
    ],
)
def test_an_answer_of_something_else_is_told(answer):
    with scripted(answer) as (_, url), pytest.raises(ServiceError, match="HR-CLIENT-003"):
        both(url)[0]()


def test_what_a_newer_service_says_is_kept():
    newer = GOOD | {"state_age_s": 2.5, "model": GOOD["model"] | {"stage": "canary"}}
    newer |= {"reasons": [{"feature": "a", "value": 1, "contribution": 0.5, "rank": 1}]}
    with scripted((200, {}, newer)) as (_, url):
        told = both(url)[0]()
    assert told.more == {"state_age_s": 2.5}
    assert told.reasons[0].contribution == 0.5


def test_many_rows_have_their_answers_in_their_places():
    refused = {"error": BUSY["error"], "status": 400}
    with scripted((200, {}, [GOOD] * 999 + [refused]), (200, {}, [GOOD])) as (server, url), hr.Client(url) as client:
        told = client.decide_many("desk", ({"id": number} for number in range(1_001)), explain=2)
    assert [type(one) for one in told[998:]] == [Decision, ServiceError, Decision]
    assert server.asked[0][0] == "/services/desk/decide?explain=2"
    assert json.loads(server.asked[0][2]) == [{"id": number} for number in range(1_000)]
    with scripted((200, {}, [GOOD])) as (_, url), hr.Client(url) as client, pytest.raises(ServiceError, match="003"):
        client.decide_many("desk", [{"id": 1}, {"id": 2}])


def test_a_row_that_json_cannot_hold_has_its_error_in_its_place():
    rows = [{"id": number} for number in range(1_005)]
    for place in (0, 1_002, 1_004):
        rows[place] = {"id": float("nan")}
    answers = ((200, {}, [GOOD] * 1_000), (200, {}, [GOOD] * 2))
    with scripted(*answers) as (server, url), hr.Client(url) as client:
        told = client.decide_many("desk", rows)
    assert [place for place, one in enumerate(told) if isinstance(one, ServiceError)] == [0, 1_002, 1_004]
    assert (told[0].status, told[0].faults[0].code, len(told)) == (0, "HR-CLIENT-004", 1_005)
    assert [one["id"] for asked in server.asked for one in json.loads(asked[2])] == [*range(1, 1_002), 1_003]
    with scripted() as (server, url), hr.Client(url) as client:
        assert [type(one) for one in client.decide_many("desk", [None, 5])] == [ServiceError, ServiceError]
        with pytest.raises(hr.HeadraceError, match="HR-CLIENT-004"):
            client.post_events("payments", [{"id": 1}, None])
    assert server.asked == []


def test_a_token_goes_only_where_nobody_reads_it(monkeypatch):
    monkeypatch.setenv("HEADRACE_TOKEN", "hr_secret")
    with scripted((200, {}, GOOD)) as (server, url):
        both(url)[0]()
        assert server.asked[0][1]["authorization"] == "Bearer hr_secret"
    for client in (hr.Client, hr.AsyncClient):
        with pytest.raises(hr.HeadraceError, match="HR-CLIENT-005.*without encryption") as error:
            client("http://desk.example")
        assert "hr_secret" not in str(error.value)
        client("https://desk.example")
        client("http://desk.example", insecure_http=True)
        with pytest.raises(hr.HeadraceError, match="HR-CLIENT-005"):
            client("https://desk.example", token="hr_\n")


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8470", "ftp://x", "http://", "unix://", "http://a:b@c", "http://c/?x=1"]
)
def test_an_address_that_is_none_is_told_at_once(url):
    with pytest.raises(hr.HeadraceError, match="HR-CLIENT-005"):
        hr.Client(url)


@pytest.mark.parametrize("timeout", [0, -1, None, "x", float("nan"), float("inf"), True])
def test_a_time_that_is_none_is_told_at_once(timeout):
    with pytest.raises(hr.HeadraceError, match="HR-CLIENT-007.*timeout="):
        hr.Client(timeout=timeout)
    if timeout is not None:
        with hr.Client() as client, pytest.raises(hr.HeadraceError, match="HR-CLIENT-007.*timeout="):
            client.health(timeout=timeout)


def test_calls_that_cannot_be_made_are_told():
    with hr.Client("http://127.0.0.1:1") as client:
        for call in (
            lambda: client.decide_many("desk", {"id": 1}),
            lambda: client.decide_many("desk", 7),
            lambda: client.post_events("payments", "text"),
            lambda: client.decide(7, {"id": 1}),
            lambda: client.decide("", {"id": 1}),
            lambda: client.decide("desk", {"id": 1}, explain="many"),
            lambda: client.decide("desk", {"id": 1}, explain=-1),
        ):
            with pytest.raises(hr.HeadraceError, match="HR-CLIENT-007"):
                call()
    with pytest.raises(hr.HeadraceError, match="HR-CLIENT-007.*closed"):
        client.health()


def test_certificates_that_cannot_be_read_are_told(tmp_path):
    (tmp_path / "empty.pem").write_text("")
    for name in ("empty.pem", "none.pem"):
        with pytest.raises(hr.HeadraceError, match="HR-CLIENT-005"):
            hr.Client("https://127.0.0.1", verify=str(tmp_path / name))


def test_a_socket_of_this_machine(tmp_path):
    class Unix(socketserver.ThreadingUnixStreamServer):
        daemon_threads, asked, interface, away = True, [], {}, ()
        answers = [(200, {}, GOOD)] * 2

    class Handler(Script):
        def address_string(self):
            return ""

    with Unix(str(tmp_path / "desk.sock"), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for ask in both(f"unix://{tmp_path}/desk.sock"):
            assert ask().decision == "allow"
        server.shutdown()


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with scripted((200, {}, GOOD)) as (_, url):
        assert both(url)[0]().decision == "allow"


def test_without_httpx_it_says_what_to_install():
    code = "import sys; sys.modules['httpx'] = None\nimport headrace as hr\nhr.Client()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert "HR-CLIENT-006" in done.stderr
    assert "pip install 'headrace[http]'" in done.stderr


def test_the_client_is_loaded_only_by_who_asks_for_it():
    code = "import sys, headrace as hr\nassert 'headrace.client' not in sys.modules and 'httpx' not in sys.modules\n"
    code += "assert hr.Client.__name__ == 'Client'; assert 'httpx' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
