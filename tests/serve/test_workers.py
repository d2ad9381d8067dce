"""Several processes over one state: each case is decided once, each event is seen by all, whichever of them dies."""

import collections
import contextlib
import json
import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from headrace.lake.lock import exclusive
from headrace.run import load_project
from headrace.serve import parity
from headrace.serve.cases import case_of
from headrace.serve.fields import RowReader
from headrace.serve.journal import identity
from headrace.serve.workers.claims import Claims
from headrace.serve.workers.part import seated
from tests.serve.server import Server
from tests.shop import DECIDE, START, payment, rows_of


def children(server):
    """The processes of a service, by what they do: the keeper begins first."""
    path = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return sorted(map(int, path.read_text().split()))


@contextmanager
def several(server, number):
    """Clients with a connection each; who asks on all of them asks all workers."""
    clients = [httpx.Client(base_url=server.client.base_url, timeout=60) for _ in range(number)]
    try:
        for client in clients:
            assert client.get("/health/live").status_code == 200
        yield clients
    finally:
        for client in clients:
            client.close()


def ask(client, number, name, **more):
    answer = client.post(DECIDE, json=payment(number, payment_id=name, **more))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def two(trained, tmp_path_factory):
    """A service of two workers, and its folder."""
    folder = tmp_path_factory.mktemp("two") / "shop"
    shutil.copytree(trained, folder)
    server = Server(folder, "--workers", "2")
    try:
        yield server, load_project(folder)
    finally:
        if server.process.poll() is None:
            server.stop()


def test_connections_are_shared_out_and_a_case_is_decided_once(two):
    server, _ = two
    with several(server, 4) as clients, ThreadPoolExecutor(4) as pool:
        journals = {ask(one, 1, f"who-{at}")["record_id"].split("-")[0] for at, one in enumerate(clients)}
        assert len(journals) == 2
        for number in range(30):
            found = list(pool.map(lambda one, n=number: ask(one, n, f"once-{n}"), clients))
            assert len({one["record_id"] for one in found}) == 1
            assert sum("repeated" not in one for one in found) == 1
            again = clients[number % 4].post(DECIDE, json=payment(number + 1, payment_id=f"once-{number}"))
            assert (again.status_code, again.json()["error"]["code"]) == (409, "HR-SERVE-013")


def test_each_worker_sees_an_event_once_it_is_acknowledged(two):
    server, _ = two
    with several(server, 4) as clients:
        for number in range(12):
            key = 1_000_000 + number
            event = payment(number, payment_id=f"seen-{number}", customer_id=key)
            posted = clients[number % 4].post("/events/payments", json=event)
            assert posted.json()["taken"] == 1
            for at, client in enumerate(clients):
                row = payment(number, START + timedelta(hours=1), payment_id=f"see-{number}-{at}", customer_id=key)
                answer = client.post(f"{DECIDE}?features=1", json=row).json()
                assert answer["features"]["spending.count_1d"] == 1
        again = clients[0].post("/events/payments", json=event).json()
        assert (again["taken"], again["known_before"]) == (0, 1)
        wrong = clients[1].post("/events/payments", json={"amount": 1})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "HR-REQUEST-006")
        unknown = clients[2].post("/events/paymets", json=event)
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "HR-SERVE-008")


def counted(client, name):
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name) and line[len(name)] in " {")


def test_figures_of_any_worker_are_those_of_all(two):
    server, _ = two
    with several(server, 4) as clients:
        time.sleep(2.5)  # what was asked before is posted by each of them within a second
        before = counted(clients[0], "headrace_requests_total")
        for at in range(20):
            ask(clients[at % 4], at, f"counted-{at}")
        end = time.monotonic() + 30
        while {counted(one, "headrace_requests_total") for one in clients} != {before + 20}:
            assert time.monotonic() < end
            time.sleep(0.2)
        assert counted(clients[0], "headrace_workers") == 2
        assert clients[1].get("/health/ready").json()["workers"] == {"wanted": 2, "answering": 2, "keeper": True}


def claim(loaded, name, journal):
    """Claim a case for a record that is not there, as a worker that dies before it has written it."""
    stream = loaded.project.streams["payments"]
    row = RowReader(stream.contract).read(json.dumps(payment(1, payment_id=name)).encode())
    claims = Claims(loaded.state_dir / "workers" / "cases", lambda _: None)
    case = case_of("desk", stream.contract.key_fields(), row)
    assert claims.claim([case], identity(journal), 6) == [True]
    claims.close()


def test_a_case_whose_worker_died_without_a_record_is_decided_by_who_is_asked_next(two):
    server, loaded = two
    journal = loaded.state_dir / "spool" / "records-90"
    journal.mkdir(mode=0o700)
    claim(loaded, "orphan", journal)
    with several(server, 2) as clients:
        first = ask(clients[0], 1, "orphan")
        assert "repeated" not in first
        assert ask(clients[1], 1, "orphan") == first | {"repeated": True}


def test_a_case_that_another_worker_decides_is_waited_for_until_that_one_is_gone(two):
    server, loaded = two
    journal = loaded.state_dir / "spool" / "records-91"
    journal.mkdir(mode=0o700)
    claim(loaded, "slow", journal)
    claim(loaded, "late", journal)
    found = []
    with several(server, 1) as (client,):
        with exclusive(seated(journal)):  # so long it lives
            asking = threading.Thread(target=lambda: found.append(ask(client, 1, "slow")))
            asking.start()
            asking.join(0.5)
            assert found == []
            hurried = {"x-deadline-ms": "100"}
            late = server.client.post(DECIDE, json=payment(1, payment_id="late"), headers=hurried)
            assert (late.status_code, late.json()["error"]["code"]) == (504, "HR-SERVE-016")
        asking.join(30)
    assert "repeated" not in found[0]


def test_workers_and_the_keeper_that_are_killed_begin_anew_and_nothing_is_lost_or_doubled(two):
    server, loaded = two
    answers, posted, ended, lock = {}, [], threading.Event(), threading.Lock()

    def deciding(worker):
        number = 0
        with httpx.Client(base_url=server.client.base_url, timeout=60) as client:
            while not ended.is_set():
                number += 1
                name = f"killed-{worker}-{number}"
                for _ in range(100):  # as a client does that lost its answer
                    try:
                        answer = ask(client, number, name)
                        break
                    except httpx.TransportError:
                        continue
                with lock:
                    answers.setdefault(answer["record_id"], []).append(name)

    def posting():
        number = 0
        with httpx.Client(base_url=server.client.base_url, timeout=60) as client:
            while not ended.is_set():
                number += 1
                event = payment(number, payment_id=f"kept-{number}")
                for _ in range(100):
                    try:
                        if client.post("/events/payments", json=event).status_code == 200:
                            posted.append(event["payment_id"])
                            break
                    except httpx.TransportError:
                        pass
                    time.sleep(0.05)

    threads = [threading.Thread(target=deciding, args=(worker,)) for worker in range(4)]
    threads.append(threading.Thread(target=posting))
    for one in threads:
        one.start()
    time.sleep(1)
    before = children(server)
    for victim in (before[1], before[0]):
        os.kill(victim, signal.SIGKILL)
        end = time.monotonic() + 120
        ready = {}
        while victim in children(server) or ready.get("workers") != {"wanted": 2, "answering": 2, "keeper": True}:
            assert time.monotonic() < end
            time.sleep(0.1)
            with contextlib.suppress(httpx.TransportError):  # it may come to the one that is killed
                ready = server.client.get("/health/ready").json()
        time.sleep(1)
    seen = len(posted)
    while len(posted) < seen + 3:
        time.sleep(0.05)
    ended.set()
    for one in threads:
        one.join(60)
    told = server.stop()
    assert "a worker ended (signal 9)" in told
    assert "a keeper ended (signal 9)" in told
    kept = collections.Counter(row["record_id"] for row in rows_of(loaded, "decisions_desk"))
    assert set(kept.values()) == {1}
    assert set(answers) <= set(kept)
    assert all(len(names) == 1 for names in answers.values())
    events = collections.Counter(row["payment_id"] for row in rows_of(loaded, "payments"))
    assert all(events[name] == 1 for name in posted)
    report = parity(loaded)
    assert report.passed
    assert report.records >= len(answers)


def test_a_second_service_of_the_project_is_refused_and_ends_by_itself_when_its_supervisor_is_killed(shop):
    server = Server(shop.folder, "--workers", "2")
    before = children(server)
    with pytest.raises(AssertionError, match="HR-SERVE-011"):
        Server(shop.folder)
    ask(server.client, 1, "left")
    server.kill()
    end = time.monotonic() + 60
    while any(Path(f"/proc/{one}").exists() for one in before):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert [row["decision"] for row in rows_of(shop, "decisions_desk")] == ["allow"]
