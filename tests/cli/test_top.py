"""``headrace top``: a running service on one page, for people and for programs."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from headrace.serve.app import start
from headrace.serve.metrics.reading import Sample
from headrace.serve.metrics.watched import Look, percentiles, seen
from tests.shop import DECIDE, payment

GONE = "http://127.0.0.1:1"


def top(*args, **more):
    command = [sys.executable, "-m", "headrace.cli", "top", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


def ask(url, many, enough=None):
    """Ask so many times, or about ten times a second until it is enough; return how often, and be refused once."""
    done = 0
    with httpx.Client(base_url=url, timeout=30) as client:
        while done < many and not (enough and enough.wait(0.1)):
            client.post(DECIDE, json=payment(done)).raise_for_status()
            done += 1
        client.post(DECIDE, content=b"{")
    return done


def test_one_reading(shop):
    with start(shop) as running, ThreadPoolExecutor() as pool:
        url = running.url
        enough = threading.Event()
        asked = pool.submit(ask, url, 10_000, enough)
        told = json.loads(top("--json", "--every", "2", "--url", url).stdout)
        enough.set()
        decided = asked.result()
        (desk,) = told["services"]
        assert desk["name"] == "desk"
        assert 1 <= desk["rate"] <= 11
        assert desk["models"] == ["score 1"]
        assert 0 < desk["latency_s"]["50"] <= desk["latency_s"]["99.9"] < 5
        assert sum(desk["shares"].values()) == pytest.approx(1)
        assert told["parity_differing"] == 0
        assert set(told["stages"]) == {"parse", "state", "features", "score", "record"}
        assert told["workers"] == 1
        page = top("--once", "--every", "0.2", "--url", url)
        assert page.returncode == 0
        for word in (
            "desk",
            "score 1",
            "allow",
            "HR-REQUEST-002",
            "values compared, 0 differing",
            "records wait for the lake",
        ):
            assert word in page.stdout
        assert "\x1b" not in page.stdout, "no colours where it is no terminal"
        assert json.loads(top("--json", "--every", "0.2", "--url", url).stdout)["services"][0]["decided"] == decided


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_service_that_is_not_there(more):
    done = top("--once", "--url", GONE, *more)
    assert done.returncode == 1
    assert "HR-CLIENT-001" in done.stderr
    if more:
        assert json.loads(done.stdout)["faults"][0]["code"] == "HR-CLIENT-001"


def test_wrong_use_and_other_servers(tmp_path):
    assert top("--every", "0").returncode == 2
    assert top("--url", "nowhere", "--once").returncode == 2
    from tests.client.test_client import scripted

    with scripted((200, {}, b"<html>hello</html>")) as (_, url):
        done = top("--once", "--url", url)
    assert (done.returncode, "HR-CLIENT-003" in done.stderr) == (1, True)


def screen(url, until, keys=b"q", rows=40):
    """What a terminal was sent until some words were there; then keys are pressed, or it is interrupted."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 110, 0, 0))
    command = [sys.executable, "-m", "headrace.cli", "top", "--every", "0.2", "--url", url]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=os.environ | {"TERM": "xterm"})
    os.close(slave)
    sent, end = b"", time.monotonic() + 30
    try:
        while until.encode() not in sent and time.monotonic() < end:
            if select.select([master], [], [], 0.1)[0]:
                sent += os.read(master, 65_536)
        os.write(master, keys) if keys else process.send_signal(signal.SIGINT)
        while time.monotonic() < end:  # a terminal that nobody reads would keep it from ending
            try:
                sent += os.read(master, 65_536)
            except OSError:
                break
        return process.wait(timeout=10), sent.decode("utf-8", "replace")
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.mark.parametrize("keys", [b"q", b"\x1b", b""], ids=["q", "escape", "ctrl-c"])
def test_the_live_page_shows_and_ends_by_a_key(shop, keys):
    with start(shop) as running:
        url = running.url
        ask(url, 5)
        code, sent = screen(url, "requests/s, most", keys)
    assert code == 0
    assert "\x1b[?1049h" in sent
    assert "\x1b[?1049l" in sent, "the terminal is given back as it was"
    assert "score 1" in re.sub(r"\x1b\[[0-9;]*m", "", sent)
    assert "Traceback" not in sent


def test_the_live_page_waits_for_a_service():
    code, sent = screen(GONE, "Waiting for it")
    assert code == 0
    assert "HR-CLIENT-001" in sent


# -- figures of two looks ----------------------------------------------------------------------------------------------


def test_percentiles_are_within_a_fifth_of_the_true_ones():
    import numpy as np

    from headrace.serve.metrics import Meters
    from headrace.serve.metrics.exposition import exposition
    from headrace.serve.metrics.reading import read

    times = np.random.default_rng(7).lognormal(-7, 0.8, 20_000)
    meters = Meters({"desk": ["allow"]})
    nothing = Look.of(read(exposition(meters.figures())), 0.0)
    for one in times.tolist():
        meters.answered("desk", "allow", one, "a-1")
    (desk,) = seen(nothing, Look.of(read(exposition(meters.figures())), 10.0)).services
    assert desk.rate == 2_000
    for name, value in desk.latency_s.items():
        assert value == pytest.approx(float(np.percentile(times, float(name))), rel=0.2)


def test_a_service_that_began_anew_is_not_negative():
    def look(at, count):
        labels = {"service": "desk"}
        return Look.of([Sample("headrace_request_seconds_count", labels, count)], at)

    (desk,) = seen(look(0, 500), look(2, 10)).services
    assert (desk.rate, desk.decided) == (5, 10)
    assert seen(Look(0, {}), Look(1, {})).services == ()


def test_what_took_longer_than_all_bounds_is_told_as_the_largest():
    assert percentiles([(1.0, 0), (10.0, 0), (float("inf"), 5)])["99"] == 10.0
    assert percentiles([(1.0, 0), (10.0, 0), (float("inf"), 0)])["99"] is None
    assert percentiles([])["50"] is None
