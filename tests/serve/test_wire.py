"""HTTP/1.1 as clients use it: order, kept connections, encodings, limits of work, and the end."""

from __future__ import annotations

import gzip
import json
import logging
import subprocess
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from headrace.serve.wire import Limits, Router
from tests.serve.wires import BIG, Raw, post, until, wire


@pytest.fixture
def one():
    with wire() as one:
        yield one


@pytest.fixture
def raw(one):
    with Raw(one.port) as raw:
        yield raw


def test_an_answer_has_the_headers_that_all_have(raw):
    raw.send(post(b'{"a": 1}'))
    answer = raw.answer()
    assert (answer.status, answer.body) == (200, b'{"a": 1}')
    assert answer.headers == {
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "content-length": "8",
    }
    raw.send(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n")
    page = raw.answer()
    assert page.body == BIG
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_request_says_who_asks_what_and_how(one):
    with httpx.Client(base_url=one.url) as client:
        client.post("/echo?a=b%20c", content=b"x", headers={"X-Name": "n", "x-deadline-ms": "1000"})
    (asked,) = one.asked
    assert (asked.method, asked.path, asked.query, asked.body, asked.client) == (
        "POST",
        "/echo",
        "a=b%20c",
        b"x",
        "127.0.0.1",
    )
    assert asked.headers[b"x-name"] == b"n"
    assert 0 < asked.deadline - time.perf_counter() < 1


@pytest.mark.parametrize("path", ["/echo", "/future", "/later/0"])
def test_pipelined_requests_are_answered_in_order(raw, path):
    raw.send(b"".join(post(b"%d" % i, path) for i in range(500)))
    assert [raw.answer().body for _ in range(500)] == [b"%d" % i for i in range(500)]


def test_answers_that_become_ready_in_one_turn_go_out_together(one, raw, monkeypatch):
    from headrace.serve.wire import http1

    flushed, flush = [], http1.Http1._flush
    monkeypatch.setattr(http1.Http1, "_flush", lambda self: (flushed.append(len(self._out)), flush(self))[1])
    raw.send(b"".join(post(b"%d" % i, "/future") for i in range(60)))
    assert [raw.answer().body for _ in range(60)] == [b"%d" % i for i in range(60)]
    assert sum(flushed) == 60
    assert sum(count > 0 for count in flushed) <= 6  # the bytes may come in more than one piece


def test_slow_and_quick_answers_keep_their_order_and_their_refusals(raw):
    paths = ["/later/0.2", "/echo", "/nothing", "/future", "/later/0.05", "/wrong", "/echo"]
    raw.send(b"".join(post(b"%d" % i, path) for i, path in enumerate(paths)))
    answers = [raw.answer() for _ in paths]
    assert [one.status for one in answers] == [200, 200, 404, 201, 200, 400, 200]
    assert [one.body for one in answers if one.status < 300] == [b"0", b"1", b"3", b"4", b"6"]


@pytest.mark.parametrize("size", [1, 7, 100, 16_383, 16_384, 16_385, 60_000])
def test_requests_may_come_in_pieces_of_any_size(raw, size):
    data = b"".join(post(b"%d" % i * 700, "/echo") for i in range(40)) if size > 1 else post(b"abc") * 2
    for at in range(0, len(data), size):
        raw.send(data[at : at + size])
    got = [raw.answer().body for _ in range(2 if size == 1 else 40)]
    assert got == ([b"abc"] * 2 if size == 1 else [b"%d" % i * 700 for i in range(40)])


def test_the_same_head_with_other_bodies_other_lengths_and_halves(raw):
    """Heads that repeat are not parsed again; what comes otherwise is."""
    for body in (b"one", b"two", b"", b"three", b"six"):
        raw.send(post(body))
        assert raw.answer().body == body
    raw.send(post(b"two")[:-1])
    time.sleep(0.05)
    raw.send(b"x")
    assert raw.answer().body == b"twx"
    raw.send(post(b"six") + post(b"two"))
    assert [raw.answer().body for _ in range(2)] == [b"six", b"two"]
    raw.send(b"P")
    time.sleep(0.05)
    raw.send(post(b"two")[1:])
    assert raw.answer().body == b"two"
    raw.send(b"P")  # and then a whole request whose head is known: together they are none
    time.sleep(0.05)
    raw.send(post(b"two"))
    assert (raw.answer().status, raw.closed()) == (400, True)


def test_chunked_bodies_with_extensions_and_trailers(raw):
    head = b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    raw.send(head + b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nx-after: 1\r\nhost: b\r\n\r\n" + post(b"next"))
    assert [raw.answer().body for _ in range(2)] == [b"abcde", b"next"]


def test_a_client_that_asks_first_is_told_to_go_on(raw):
    raw.send(post(b"", "/echo", "expect: 100-continue", length=3))
    assert raw.answer().status == 100
    raw.send(b"abc")
    assert raw.answer().body == b"abc"
    raw.send(post(b"", "/echo", "expect: 100-continue", length=100_000))
    assert (raw.answer().status, raw.closed()) == (413, True)


def test_other_expectations_are_refused(raw):
    raw.send(post(b"", "/echo", "expect: wonders", length=3))
    answer = raw.answer()
    assert (answer.status, answer.code) == (417, "HR-WIRE-006")


def test_head_is_get_without_a_body(raw):
    raw.send(b"HEAD /big HTTP/1.1\r\nhost: a\r\n\r\n" + b"GET /live HTTP/1.1\r\nhost: a\r\n\r\n")
    answer = raw.answer(bodiless=True)
    assert (answer.status, answer.headers["content-length"]) == (200, str(len(BIG)))
    assert raw.answer().body == b'{"live":true}'


def test_http_1_0_and_connection_close(one):
    with Raw(one.port) as raw:
        raw.send(b"GET /live HTTP/1.0\r\n\r\n")
        assert raw.answer().headers["connection"] == "close"
        assert raw.closed()
    with Raw(one.port) as raw:
        for _ in range(2):
            raw.send(b"GET /live HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
            assert raw.answer().headers["connection"] == "keep-alive"
    with Raw(one.port) as raw:
        raw.send(post(b"a", "/later/0.1", "connection: close") + post(b"ignored"))
        assert raw.answer().headers["connection"] == "close"
        assert raw.closed()
    assert [asked.body for asked in one.asked] == [b"a"]


def test_a_client_that_ends_its_half_still_gets_its_answers(one):
    with Raw(one.port) as raw:
        raw.send(post(b"a", "/later/0.2") + post(b"b"))
        raw.socket.shutdown(1)
        assert [raw.answer().body for _ in range(2)] == [b"a", b"b"]
        assert raw.closed()


def test_other_forms_of_a_path(raw):
    raw.send(b"GET http://a.example:80/live?x=1 HTTP/1.1\r\nhost: a\r\n\r\n")
    assert raw.answer().status == 200
    raw.send(b"GET /%6Cive HTTP/1.1\r\nhost: a\r\n\r\n")
    assert raw.answer().status == 200
    raw.send(b"GET /things/a%2Fb/of/%C3%A9 HTTP/1.1\r\nhost: a\r\n\r\n")
    assert json.loads(raw.answer().body) == ["a/b", "é"]
    raw.send(b"GET /things/all/of/b HTTP/1.1\r\nhost: a\r\n\r\n")
    assert json.loads(raw.answer().body) == ["every", "b"]
    raw.send(b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n")
    assert raw.answer().status == 404


def test_another_protocol_that_is_offered_is_declined(raw):
    offer = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA")
    raw.send(post(b"a", "/echo", *offer) + post(b"b", "/echo", "connection: upgrade", "upgrade: websocket"))
    assert [raw.answer().body for _ in range(2)] == [b"a", b"b"]
    raw.send(b"CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n")
    assert raw.answer().status == 404


def test_unknown_paths_and_methods_tell_what_there_is(raw):
    raw.send(post(b"", "/nothing"))
    assert raw.answer().code == "HR-SERVE-009"
    raw.send(b"GET /echo HTTP/1.1\r\nhost: a\r\n\r\n")
    answer = raw.answer()
    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "HR-SERVE-010", "POST")
    raw.send(b"DELETE /live HTTP/1.1\r\nhost: a\r\n\r\n")
    assert raw.answer().headers["allow"] == "GET, HEAD"


def test_what_is_no_fault_of_the_client_is_told_without_what_it_sent(one, caplog):
    with caplog.at_level(logging.DEBUG), httpx.Client(base_url=one.url) as client:
        for path in ("/broken", "/late-fault"):
            answer = client.post(path, content=b"Ada", headers={"x": "Ada"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, "HR-INTERNAL")
            assert "Ada" not in answer.text
    assert [(one.levelname, one.message) for one in caplog.records if one.name == "headrace.serve"] == [
        ("ERROR", "RuntimeError while answering broken"),
        ("ERROR", "KeyError while answering late-fault"),
    ]
    assert "Ada" not in caplog.text


@pytest.mark.parametrize("coding", ["gzip", "deflate", "x-gzip", "GZIP", "identity"])
def test_compressed_bodies(one, coding):
    packed = {"deflate": zlib.compress, "identity": bytes}.get(coding, gzip.compress)(b"row" * 5000)
    with httpx.Client(base_url=one.url) as client:
        assert client.post("/echo", content=packed, headers={"content-encoding": coding}).content == b"row" * 5000


def test_compressed_bodies_that_are_too_large_broken_or_unknown(one):
    bomb = gzip.compress(b"\0" * (200 << 20), 9)
    many = gzip.compress(b"") * 40_000
    several = gzip.compress(b"a") + gzip.compress(b"b")
    cases = [
        ("/large", bomb[: 1 << 20], "gzip", 413, "HR-REQUEST-001"),
        ("/large", gzip.compress(b"a" * ((1 << 20) + 1)), "gzip", 413, "HR-REQUEST-001"),
        ("/large", gzip.compress(b"a" * (1 << 20)), "gzip", 200, None),
        ("/large", several, "gzip", 200, None),
        ("/large", many, "gzip", 400, "HR-WIRE-005"),
        ("/echo", gzip.compress(b"abc")[:-1], "gzip", 400, "HR-WIRE-005"),
        ("/echo", gzip.compress(b"abc") + b"x", "gzip", 400, "HR-WIRE-005"),
        ("/echo", b"abc", "deflate", 400, "HR-WIRE-005"),
        ("/echo", b"abc", "br", 415, "HR-WIRE-004"),
        ("/echo", gzip.compress(gzip.compress(b"a")), "gzip, gzip", 415, "HR-WIRE-004"),
    ]
    with httpx.Client(base_url=one.url, timeout=30) as client:
        for path, body, coding, status, code in cases:
            begun = time.perf_counter()
            answer = client.post(path, content=body, headers={"content-encoding": coding})
            assert answer.status_code == status
            assert code is None or answer.json()["error"]["code"] == code
            assert time.perf_counter() - begun < 5


def test_beyond_so_many_under_way_clients_are_asked_to_come_again():
    with wire(Limits(under_way=3)) as one, ThreadPoolExecutor(3) as pool, httpx.Client(base_url=one.url) as client:
        held = [pool.submit(httpx.get, f"{one.url}/gate") for _ in range(3)]
        assert until(lambda: one.reception.under_way == 3)
        busy = client.post("/echo")
        assert (busy.status_code, busy.json()["error"]["code"]) == (429, "HR-SERVE-014")
        assert busy.headers["retry-after"] == "1"
        assert client.get("/live").status_code == 200  # whether it is there can be asked always
        one.opened.set()
        assert [one.result().text for one in held] == ["open"] * 3
        assert client.post("/echo", content=b"a").text == "a"
        assert one.reception.under_way == 0


def test_a_client_that_asks_too_often_waits():
    with wire(Limits(per_client=5)) as one, httpx.Client(base_url=one.url) as client:
        answers = [client.post("/echo", content=b"a") for _ in range(20)]
        refused = [one for one in answers if one.status_code == 429]
        assert len(refused) >= 14
        assert (refused[0].json()["error"]["code"], refused[0].headers["retry-after"]) == ("HR-SERVE-015", "1")
        assert client.get("/live").status_code == 200
        time.sleep(0.5)
        assert client.post("/echo", content=b"a").status_code == 200


def test_deadlines_of_clients(one):
    with httpx.Client(base_url=one.url) as client:
        late = client.post("/echo", content=b"a", headers={"x-deadline-ms": "0"})
        assert (late.status_code, late.json()["error"]["code"]) == (504, "HR-SERVE-016")
        for wrong in ("", "-1", "soon", "1.5", "99999999999"):
            answer = client.post("/echo", content=b"a", headers={"x-deadline-ms": wrong})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "HR-WIRE-007")
    with Raw(one.port) as raw:  # its turn comes when it is too late
        held = [post(b"%d" % i, "/later/0.3") for i in range(64)]
        raw.send(b"".join(held) + post(b"late", "/echo", "x-deadline-ms: 100"))
        answers = [raw.answer() for _ in range(65)]
        assert [one.status for one in answers] == [200] * 64 + [504]


def test_what_is_under_way_is_finished_and_nothing_new_is_taken():
    with wire() as one:
        idle, busy, half = Raw(one.port), Raw(one.port), Raw(one.port)
        busy.send(post(b"slow", "/later/0.5"))
        half.send(post(b"ab", "/echo", length=4))
        assert until(lambda: one.reception.under_way == 1)
        threading.Timer(0.05, one.server.stop).start()
        assert idle.closed(5)
        half.send(b"cd")
        for raw, body in ((half, b"abcd"), (busy, b"slow")):
            answer = raw.answer()
            assert (answer.body, answer.headers["connection"]) == (body, "close")
            assert raw.closed(5)
        with pytest.raises(OSError, match="refused"):
            Raw(one.port)


def test_the_end_does_not_wait_for_ever():
    with wire(Limits(drain_s=0.5)) as one:
        raw = Raw(one.port)
        raw.send(b"GET /gate HTTP/1.1\r\nhost: a\r\n\r\n")
        assert until(lambda: one.reception.under_way == 1)
        begun = time.perf_counter()
        one.server.stop()
        one.thread.join(10)
        assert 0.4 < time.perf_counter() - begun < 5
        assert raw.closed(1)
        one.opened.set()


def test_curl(one):
    said = subprocess.run(
        ["curl", "-s", "--http2", "-d", "a", f"{one.url}/echo", "-d", "b", f"{one.url}/echo", "-w", "%{http_code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "a&b200a&b200"


def test_a_path_of_the_clients_choice_is_not_remembered_for_ever():
    with wire() as one, Raw(one.port) as raw:
        for first in range(0, 10_000, 100):
            paths = (b"/things/%d/of/b" % number for number in range(first, first + 100))
            raw.send(b"".join(b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % path for path in paths))
            assert [raw.answer().status for _ in range(100)] == [200] * 100
        assert len(one.reception._router.known) <= 4_096


def test_a_route_that_is_written_out_goes_before_one_with_braces():
    from headrace.serve.message import Route

    open_, written = Route("GET", "/a/{b}", print, ""), Route("GET", "/a/b", print, "")
    assert Router([open_, written]).find("GET", b"/a/b")[0] is written
    assert Router([open_, written]).find("GET", b"/a/c")[0] is open_


def test_a_look_that_fails_ends_no_later_ones(caplog):
    looks = []

    def look():
        looks.append(1)
        raise RuntimeError("secret")

    with wire(Limits(idle_s=1.0)) as one:
        one.server._looks = (look, *one.server._looks)
        until(lambda: len(looks) > 1)
        with Raw(one.port) as raw:
            assert raw.closed(6)  # by a look after those that failed
    assert "RuntimeError while looking" in caplog.text
    assert "secret" not in caplog.text
