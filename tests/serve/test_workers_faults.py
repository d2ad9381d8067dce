"""What a service of several processes does when its state is damaged, or its processes die at a bad moment."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import time
import zlib
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec
import pyarrow as pa
import pytest

from headrace.errors import HeadraceError
from headrace.kernel.gather import HEADER
from headrace.serve import parity
from headrace.serve.drain import spool_of
from headrace.serve.keptstate import rebuild
from headrace.serve.office import office
from headrace.serve.spool import opened
from headrace.serve.taken import TakenKeys
from headrace.serve.workers.child import Child
from tests.serve.server import Server
from tests.serve.test_reload import reload_of, until
from tests.serve.test_workers import ask, children, several
from tests.shop import DECIDE, START, payment, rows_of

ALL = {"wanted": 2, "answering": 2, "keeper": True}


def state_of(shop):
    return [one for one in (shop.state_dir / "online").glob("keys-*") if one.suffix != ".empty"]


def corrupt(folder):
    """Alter the body of every chunk of every key, under those who read them."""
    with (folder / "data.mdb").open("r+b") as file:
        raw = file.read()
        for at in range(2 * 4096, len(raw) - HEADER, 2):
            if zlib.crc32(raw[at + 4 : at + HEADER]) == int.from_bytes(raw[at : at + 4], "little"):
                file.seek(at + HEADER)
                file.write(bytes(~one & 255 for one in raw[at + HEADER : at + HEADER + 8]))


def standing(server):
    try:
        return server.client.get("/health/ready").json()
    except httpx.TransportError:
        return {}


def decides_with_all_it_knows(server, number):
    """Whether each of two workers sees an event that was just posted."""
    key = 4_000_000 + number
    posted = server.client.post("/events/payments", json=payment(number, payment_id=f"new-{number}", customer_id=key))
    if posted.status_code != 200:
        return False
    with several(server, 2) as clients:
        rows = [
            payment(number, START + timedelta(hours=1), payment_id=f"see-{number}-{at}", customer_id=key)
            for at in range(2)
        ]
        answers = [client.post(f"{DECIDE}?features=1", json=row) for client, row in zip(clients, rows, strict=True)]
    return all(one.status_code == 200 and one.json()["features"]["spending.count_1d"] == 1 for one in answers)


def kept_at_it(server, holds, seconds=120):
    """Ask until it holds; what is refused meanwhile is refused with a reason."""
    end, number, statuses = time.monotonic() + seconds, 0, set()
    while not holds(number):
        number += 1
        assert time.monotonic() < end
        for at in range(20):
            answer = server.client.post(DECIDE, json=payment(at, payment_id=f"meanwhile-{number}-{at}"))
            statuses.add((answer.status_code, answer.json().get("error", {}).get("code", "")))
        time.sleep(0.2)
    return statuses


def test_a_state_that_is_damaged_while_workers_read_it_is_made_anew_and_all_go_over_to_it(shop):
    server = Server(shop.folder, "--workers", "2")
    try:
        (before,) = state_of(shop)
        assert decides_with_all_it_knows(server, 900_000)
        corrupt(before)
        met = kept_at_it(server, lambda number: not before.exists() and decides_with_all_it_knows(server, number))
        assert met <= {(200, ""), (503, "HR-SERVE-018")}
        assert (503, "HR-SERVE-018") in met
        assert len(state_of(shop)) == 1
    finally:
        told = server.stop()
    assert "made anew, and the workers go over to it" in told
    assert parity(shop).passed


def test_a_state_that_is_cut_off_under_all_of_them_ends_them_and_they_begin_anew_without_it(shop):
    server = Server(shop.folder, "--workers", "2")
    try:
        (before,) = state_of(shop)
        os.truncate(before / "data.mdb", 5 * 4096)
        with pytest.raises(httpx.TransportError):
            kept_at_it(server, lambda _: False)
        until(lambda: standing(server).get("workers") == ALL and standing(server)["ready"])
        until(lambda: not before.exists())
        assert decides_with_all_it_knows(server, 1)
    finally:
        server.stop()
    assert parity(shop).passed


def test_a_state_that_was_damaged_before_is_made_anew_at_the_start(shop):
    Server(shop.folder, "--workers", "2").stop()
    (before,) = state_of(shop)
    (before / "data.mdb").write_bytes(b"no state at all" * 4_096)
    server = Server(shop.folder, "--workers", "2")
    try:
        assert decides_with_all_it_knows(server, 1)
    finally:
        server.stop()


def test_a_state_is_made_anew_when_somebody_asks_for_it_and_no_request_fails(shop):
    server = Server(shop.folder, "--workers", "2")
    try:
        (before,) = state_of(shop)
        assert rebuild(shop) is None
        met = kept_at_it(server, lambda _: not before.exists())
        assert met == {(200, "")}
        assert decides_with_all_it_knows(server, 1)
    finally:
        server.stop()


def test_a_process_that_is_killed_again_while_it_begins_answers_in_the_end_and_gives_way_to_a_new_declaration(shop):
    server = Server(shop.folder, "--workers", "2")
    try:
        keeper, *workers = children(server)
        for victim in (keeper, workers[0]):
            os.kill(victim, signal.SIGKILL)
            before = set(children(server)) - {victim}
            until(lambda: set(children(server)) - before - {victim})  # noqa: B023 - called at once
            (again,) = set(children(server)) - before - {victim}
            os.kill(again, signal.SIGKILL)
            until(lambda: standing(server).get("workers") == ALL)
        project = shop.folder / "project.py"
        project.write_text(project.read_text().replace('"review": "score > 0.02"', '"peek": "score > -1"'))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: reload_of(server).get("serves"))
        until(lambda: len(children(server)) == 3)
        with several(server, 2) as clients:
            assert {ask(one, 1, f"peek-{at}", amount="1.00")["decision"] for at, one in enumerate(clients)} == {"peek"}
    finally:
        told = server.stop()
    assert "Traceback" not in told
    assert "socket.send" not in told


def test_nothing_is_left_of_a_service_but_its_state(shop, tmp_path):
    (tmp_path / "queue.py").write_text("raise RuntimeError('a file of the folder in which it was started')")
    gate, here = tmp_path / "gate", Path.cwd()
    os.chdir(tmp_path)
    try:
        words = [sys.executable, "-P", "-m", "headrace.cli", "serve", "--project", str(shop.folder)]
        process = subprocess.Popen([*words, "--workers", "2", "--unix", str(gate)], stderr=subprocess.PIPE, text=True)
    finally:
        os.chdir(here)
    said = process.stderr.readline()
    while "unix://" not in said:
        assert said
        said = process.stderr.readline()
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(gate)), base_url="http://localhost") as client:
        assert ask(client, 1, "by-unix")["record_id"]
        assert client.post("/events/payments", json=payment(1, payment_id="by-unix")).json()["taken"] == 1
    process.terminate()
    told = process.communicate(timeout=60)[1]
    assert told.strip() == "Stopped. What was answered is on record."
    assert not gate.exists()
    assert not (shop.state_dir / "workers" / "keeper").exists()
    assert len(rows_of(shop, "decisions_desk")) == 1


def test_keys_that_were_read_while_others_wrote_are_made_up_for(shop):
    stream, lake = shop.project.streams["payments"], shop.lake()
    with opened(spool_of(shop.state_dir)) as spool:
        keys = TakenKeys(stream, lake, spool)
        keys.read()
        with office(shop) as running:  # which ends with a commit to the lake
            bodies = [json.dumps(payment(at, payment_id=f"later-{at}")).encode() for at in range(3)]
            assert asyncio.run(running.take("payments", bodies))["taken"] == 3
        names = [f"later-{at}" for at in range(4)]
        asked = pa.table({"payment_id": pa.array(names)})
        read = keys.index(lake.version("payments"))
        assert read.holds(asked).tolist() == [True, True, True, False]
        first = lake.read("payments")["payment_id"][0].as_py()
        assert read.holds(pa.table({"payment_id": [first]})).tolist() == [True]


def test_a_service_ends_though_a_process_that_is_begun_anew_hangs(shop):
    project, hang = shop.folder / "project.py", shop.folder / "hang"
    waits = f"import os, time\n\nwhile os.path.exists({str(hang)!r}):\n    time.sleep(0.1)\n"
    project.write_text(waits + project.read_text())
    server = Server(shop.folder, "--workers", "2")
    try:
        hang.touch()
        _, worker, _ = before = children(server)
        os.kill(worker, signal.SIGKILL)
        until(lambda: set(children(server)) - set(before))
        assert server.client.post(DECIDE, json=payment(1)).status_code == 200
    finally:
        told = server.stop()
    assert "Traceback" not in told
    assert len(rows_of(shop, "decisions_desk")) == 1


def test_a_process_that_the_system_does_not_begin_is_told():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def begun():
        used = len(list(Path("/proc/self/fd").iterdir()))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used, limits[1]))
        try:
            await Child.begin(msgspec.json.decode(b"{}"), (), lambda *_: None)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    with pytest.raises(HeadraceError) as told:
        asyncio.run(begun())
    assert told.value.faults[0].code == "HR-SERVE-023"
