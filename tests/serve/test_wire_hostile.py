"""HTTP/1.1 as nobody should speak it: each is answered clearly or cut, and others are not kept waiting."""

from __future__ import annotations

import os
import random
import re
import socket
import time
from pathlib import Path

import httpx
import pytest

from headrace.serve.wire import Limits
from tests.serve.wires import Raw, post, until, wire

HOST = b"host: a\r\n"


@pytest.fixture
def one():
    with wire() as one:
        yield one
        assert httpx.post(f"{one.url}/echo", content=b"still here").text == "still here"


@pytest.mark.parametrize(
    "data",
    [
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nab",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2, 2\r\n\r\nab",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: -2\r\n\r\nab",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: +2\r\n\r\nab",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 0x2\r\n\r\nab",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999\r\n\r\nab",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nab",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\nab\n0\n\n",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        b"GET /live HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"GET /live HTTP/1.1\r\n\r\n",
        b"GET /live HTTP/1.1\r\nhost: a\r\nauthorization: x\r\nauthorization: y\r\n\r\n",
        b"GET /live HTTP/1.1\nhost: a\n\n",
        b"GET /live HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n",
        b"GET /live HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n",
        b"GET /live HTTP/1.1\r\nhost: a\r\nx\x01y: a\r\n\r\n",
        b"GET /live HTTP/1.1\r\nhost: a\r\n: a\r\n\r\n",
        b"GET /live HTTP/3.0\r\nhost: a\r\n\r\n",
        b"GET /live HTTP/11.1\r\nhost: a\r\n\r\n",
        b"GET /live\r\n\r\n",
        "GET /é HTTP/1.1\r\nhost: a\r\n\r\n".encode(),
        b"get /live HTTP/1.1\r\nhost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
        b"SSH-2.0-OpenSSH_9\r\n",
        b"PRIVATE /live HTTP/1.1\r\nhost: a\r\n\r\n",
        b"\0" * 100,
        b"{}",
    ],
)
def test_what_is_not_http_or_can_be_read_in_two_ways_ends_the_connection(one, data):
    for before in (b"", post(b"good")):
        for sent in (before + data, before + data + post(b"smuggled")):
            with Raw(one.port) as raw:
                raw.send(sent)
                if before:
                    assert raw.answer().body == b"good"
                answer = raw.answer()
                assert (answer.status, answer.code) == (400, "HR-WIRE-001")
                assert answer.headers["connection"] == "close"
                assert raw.closed()
    assert b"smuggled" not in [asked.body for asked in one.asked]


def test_garbage_behind_good_requests_leaves_the_good_ones_answered(one):
    with Raw(one.port) as raw:
        raw.send(post(b"a", "/later/0.1") + post(b"b") + os.urandom(2000))
        answers = [raw.answer() for _ in range(3)]
        assert [one.status for one in answers] == [200, 200, 400]
        assert raw.closed()


def test_any_bytes_at_all(one):
    choose = random.Random(7)
    good = post(b"abc") + b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    for _ in range(300):
        data = bytearray(good * 2)
        for _ in range(choose.randint(1, 6)):
            data[choose.randrange(len(data))] = choose.randrange(256)
        with Raw(one.port) as raw:
            for piece in (data[: (cut := choose.randrange(len(data)))], data[cut:]):
                raw.send(bytes(piece))
            raw.socket.shutdown(socket.SHUT_WR)
            got = b""
            while more := raw.socket.recv(1 << 16):
                got += more
        statuses = re.findall(rb"HTTP/1\.1 (\d+) ", got)
        assert statuses
        assert set(statuses) <= {b"200", b"400", b"404", b"405", b"408", b"413", b"415", b"417", b"100"}


def test_limits_of_path_and_headers(one):
    cases = [
        (b"GET /live?" + b"a" * 8_192 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, "HR-WIRE-002"),
        (b"GET /" + b"a" * 300_000, 414, "HR-WIRE-002"),
        (b"GET /live HTTP/1.1\r\n" + HOST + b"x: 1\r\n" * 100 + b"\r\n", 431, "HR-WIRE-003"),
        (b"GET /live HTTP/1.1\r\n" + HOST + b"x: 1\r\n" * 10_000, 431, "HR-WIRE-003"),
        (b"GET /live HTTP/1.1\r\n" + HOST + b"x: " + b"1" * 300_000, 431, "HR-WIRE-003"),
        (b"GET /live HTTP/1.1\r\n" + HOST + b"x" * 300_000, 431, "HR-WIRE-003"),
        (b"POST /echo HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n0\r\nx: " + b"1" * 300_000, 431, None),
        (b"POST /echo HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n1;" + b"1" * 300_000, 431, None),
    ]
    for data, status, code in cases:
        with Raw(one.port) as raw:
            raw.send(data)
            answer = raw.answer()
            assert answer.status == status
            assert code is None or answer.code == code
            assert raw.closed()
    with Raw(one.port) as raw:
        lines = b"".join(b"x-%d: %b\r\n" % (i, b"v" * 300) for i in range(99))
        raw.send(b"GET /live?" + b"a" * 8_000 + b" HTTP/1.1\r\n" + HOST + lines + b"\r\n")
        assert raw.answer().status == 200


def rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_hundred_megabytes_are_refused_without_being_kept(one):
    body, before = b"x" * (100 << 20), rss()
    for head in (b"content-length: %d" % len(body), b"transfer-encoding: chunked"):
        with Raw(one.port, 30) as raw:
            raw.send(b"POST /echo HTTP/1.1\r\n" + HOST + head + b"\r\n\r\n")
            chunk = b"%x\r\n" % len(body) + body if b"chunked" in head else body
            try:
                raw.send(chunk)
            except ConnectionError:
                pass
            answer = raw.answer()
            assert (answer.status, answer.code) == (413, "HR-REQUEST-001")
    assert rss() - before < 150 << 20  # of which 100 are the body of this test, made once more
    for many in range(3):
        answer = httpx.post(f"{one.url}/echo", content=body)
        assert (many, answer.status_code) == (many, 413)


def test_bodies_that_come_at_once_are_bounded_together():
    with wire(Limits(bodies=1 << 20)) as one:
        held = [Raw(one.port) for _ in range(4)]
        for raw in held:
            raw.send(post(b"x" * 300_000, "/large", length=300_001))
        answered = [raw for raw in held if until(lambda raw=raw: _readable(raw), 0.5)]
        assert [raw.answer().status for raw in answered] == [429]
        for raw in held:
            if raw not in answered:
                raw.send(b"x")
                assert raw.answer().status == 200
        assert httpx.post(f"{one.url}/large", content=b"x" * 1_000_000).status_code == 200


def _readable(raw: Raw) -> bool:
    raw.socket.setblocking(False)
    try:
        return bool(raw.socket.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        raw.socket.settimeout(15)


QUICK = Limits(head_s=0.5, body_s=0.5, body_rate=1_000, idle_s=1.0, write_s=1.0, linger_s=0.5)


@pytest.fixture
def quick():
    with wire(QUICK) as one:
        yield one


@pytest.mark.parametrize(
    "half",
    [
        b"P",
        b"POST /echo",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-le",
        post(b"", length=3),
        post(b"ab", length=3),
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab",
    ],
)
def test_half_a_request_is_told_so_after_a_while(quick, half):
    with Raw(quick.port) as raw:
        raw.send(post(b"first") + half if half != b"P" else half)
        if half != b"P":
            assert raw.answer().body == b"first"
        begun = time.perf_counter()
        answer = raw.answer()
        assert (answer.status, answer.code) == (408, "HR-REQUEST-008")
        assert time.perf_counter() - begun < 4
        assert raw.closed()
    with Raw(quick.port) as raw:  # and at once, where the client says itself that no more comes
        raw.send(half)
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.answer().status == 408
        assert raw.closed(1)


def test_clients_that_drip_are_cut_and_those_that_are_only_slow_are_not(quick):
    def dripped(data, every):
        with Raw(quick.port) as raw:
            try:
                for at in range(len(data)):
                    raw.send(data[at : at + 1])
                    time.sleep(every)
            except ConnectionError:
                pass
            return raw.answer().status

    assert dripped(b"GET /live HTTP/1.1\r\n" + HOST + b"x: " + b"1" * 60, 0.05) == 408
    assert dripped(post(b"x" * 60), 0.05) == 408
    with Raw(quick.port) as raw:  # 3 s for a body, at more than the rate that is asked for
        raw.send(post(b"", length=6_000))
        for _ in range(30):
            raw.send(b"x" * 200)
            time.sleep(0.1)
        assert len(raw.answer().body) == 6_000


def test_connections_that_ask_nothing_are_ended(quick):
    with Raw(quick.port) as raw:
        assert raw.closed(5)
    with Raw(quick.port) as raw:
        for _ in range(4):
            raw.send(post(b"a"))
            assert raw.answer().status == 200
            time.sleep(0.5)
        assert raw.closed(5)


def test_a_client_that_does_not_read_is_cut_and_takes_no_memory(quick):
    before = rss()
    with Raw(quick.port) as raw:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.socket.settimeout(2)
        try:
            for _ in range(400):
                raw.send(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n" * 200)
        except (TimeoutError, ConnectionError):
            pass
        assert rss() - before < 60 << 20
        assert httpx.get(f"{quick.url}/live").status_code == 200
        assert until(lambda: _gone(raw), 10)


def _gone(raw: Raw) -> bool:
    try:
        raw.socket.send(b"x")
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return False


def test_a_client_that_reads_slowly_gets_all(quick):
    with Raw(quick.port) as raw:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        raw.send(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n" * 12)
        got = 0
        while got < 12_000_000:
            more = raw.socket.recv(400_000)
            assert more
            got += len(more)
            time.sleep(0.05)


def test_more_connections_than_may_be_are_ended_at_once():
    with wire(Limits(connections=5)) as one:
        held = [Raw(one.port) for _ in range(5)]
        for raw in held:
            raw.send(post(b"a"))
            assert raw.answer().status == 200
        with Raw(one.port) as more:
            assert more.closed(5)
        held.pop().socket.close()
        assert until(lambda: _served(one))


def _served(one) -> bool:
    try:
        return httpx.post(f"{one.url}/echo", content=b"a").status_code == 200
    except httpx.TransportError:
        return False


def test_clients_that_go_away_leave_nothing_behind(one):
    for _ in range(50):
        raw = Raw(one.port)
        raw.send(post(b"a", "/later/0.05") * 20)
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        raw.socket.close()
    assert until(lambda: one.reception.under_way == 0)
