"""The load client of the benchmarks: it is held against a server that counts for itself."""

import json
import socketserver
import threading
import time

import numpy as np
import pytest

from bench.load_client import ID, load


class _Server(socketserver.ThreadingTCPServer):
    """Answers posts after a while, every third one by 429, in two pieces; remembers bodies."""

    daemon_threads, allow_reuse_address, request_queue_size = True, True, 64

    def __init__(self, pause, lost=-1):
        super().__init__(("127.0.0.1", 0), _Answering)
        self.pause, self.lost, self.bodies, self.lock = pause, lost, [], threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/some/where"


class _Answering(socketserver.StreamRequestHandler):
    def handle(self):
        server = self.server
        while head := self.rfile.readline():
            assert head == b"POST /some/where HTTP/1.1\r\n"
            while (line := self.rfile.readline()) != b"\r\n":
                if line.startswith(b"content-length:"):
                    size = int(line.partition(b":")[2])
            body = self.rfile.read(size)
            with server.lock:
                server.bodies.append(json.loads(body))
                count = len(server.bodies)
            if count == server.lost:
                return
            time.sleep(server.pause)
            status = b"429 Too Many Requests" if count % 3 == 0 else b"200 OK"
            self.wfile.write(b"HTTP/1.1 " + status + b'\r\ncontent-length: 11\r\n\r\n{"a":')
            self.wfile.write(b" null}")


@pytest.fixture
def served():
    """Serves until the test ends; called with what ``_Server`` takes."""
    begun = []

    def begin(*how):
        begun.append(_Server(*how))
        threading.Thread(target=begun[-1].serve_forever, daemon=True).start()
        return begun[-1]

    yield begin
    for one in begun:
        one.shutdown()
        one.server_close()


BODIES = [b'{"id": "' + ID + b'", "n": 1}', b'{"id": "' + ID + b'", "n": 22}', b'{"n": 333}']


def test_each_connection_has_one_request_under_way(served):
    server = served(0.01)
    found = load(server.url, BODIES, 4, 0.5)
    assert len(found.status) == len(server.bodies) > 20
    assert (found.status == 429).sum() == len(server.bodies) // 3
    assert set(np.unique(found.status)) == {200, 429}
    assert found.failed == 0
    assert found.waited.min() >= 0.01
    assert len(found.status) <= 4 * (found.seconds / 0.01 + 1)


def test_bodies_come_in_turn_and_each_has_an_id_of_its_own(served):
    server = served(0.0)
    load(server.url, BODIES, 1, 5, most=9)
    load(server.url, BODIES, 1, 5, most=9)
    assert [one["n"] for one in server.bodies] == [1, 22, 333] * 6
    ids = [one["id"] for one in server.bodies if "id" in one]
    assert len(set(ids)) == len(ids) == 12
    assert all(len(one) == 15 and one.isdigit() for one in ids)


def test_a_rate_is_kept_and_who_waits_for_a_connection_has_waited(served):
    found = load(served(0.01).url, BODIES, 1, 0.02, rate=1000)  # one connection answers 100 a second
    assert found.begun == pytest.approx(np.arange(20) / 1000)
    assert found.seconds > 0.2
    assert found.waited[-1] > 0.18
    assert (np.diff(found.waited + found.begun) >= 0.01).all()
    easy = load(served(0.0).url, BODIES, 4, 0.5, rate=100)
    assert len(easy.status) == 50
    assert easy.seconds > 0.48


def test_a_connection_that_is_lost_is_a_request_that_failed(served):
    found = load(served(0.0, 5).url, BODIES, 2, 5, most=30)
    assert len(found.status) == 30
    assert found.failed == 1
    assert (found.status == 0).sum() == 1


def test_percentiles_are_of_the_accepted_and_of_a_span_of_time(served):
    found = load(served(0.002).url, BODIES, 1, 5, most=60)
    accepted = found.waited[found.status == 200]
    assert found.percentile(0.5) == pytest.approx(np.median(accepted))
    late = found.begun >= found.begun[30]
    assert found.percentile(0.9, since=found.begun[30]) == pytest.approx(
        np.quantile(found.waited[late & (found.status == 200)], 0.9)
    )
    assert np.isnan(found.percentile(0.5, since=1e9))
    assert found.rate == pytest.approx(40 / found.seconds)
