"""Load on a server: by wrk as fast as it answers, or at a rate whether it answers or not; each pinned to a core."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.apart import Absent, _tree

SERVER, CLIENT = "0", "1"
"""Cores of the two."""
_TICK = 1 / os.sysconf("SC_CLK_TCK")
_SCRIPT = """
local lines, at = {}, 0
for line in io.lines(%(bodies)r) do lines[#lines + 1] = line end
local base = tostring(os.time()) .. "-"
wrk.headers["content-type"] = "application/json"
function init(args) math.randomseed(os.time()) at = math.random(#lines) end
local sent = 0
function request()
  at = at %% #lines + 1
  sent = sent + 1
  return wrk.format("POST", %(path)r, nil, (lines[at]:gsub("@ID@", base .. sent, 1)))
end
function done(summary, latency, requests)
  io.write(string.format('{"requests": %%d, "us": %%d, "p50": %%d, "p99": %%d, "failed": %%d}\\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write +
    summary.errors.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What came of a load: requests a second, seconds of half of them and of 99 in 100, CPU seconds each, failures."""

    rate: float
    p50: float
    p99: float
    cpu: float
    failed: int

    def said(self) -> str:
        """As a note."""
        return (
            f"{self.rate:,.0f} requests/s, p50 {self.p50 * 1e3:.2f} ms, p99 {self.p99 * 1e3:.2f} ms, "
            f"{self.cpu * 1e6:.0f} µs of CPU each" + (f", {self.failed} failed" if self.failed else "")
        )


@contextmanager
def server(
    command: Sequence[str], url: str, folder: Path, env: Mapping[str, str] | None = None, cores: str = SERVER
) -> Iterator[int]:
    """Run a server on one core until the block ends, from when it is ready; give its process id.

    Raises:
        Absent: it does not get ready.
    """
    with (folder / "server.log").open("a+") as log:
        words = ["taskset", "-c", cores, *command]
        process = subprocess.Popen(
            words,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=env,
            start_new_session=True,  # it may begin others
        )
        try:
            until = time.monotonic() + 180
            while not _answers(url):
                if process.poll() is not None or time.monotonic() > until:
                    raise Absent(f"did not get ready: {Path(log.name).read_text().strip()[-200:]}")
                time.sleep(0.02)
            yield process.pid
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wrk(url: str, bodies: Sequence[str], connections: int, seconds: float, pid: int) -> Load:
    """Ask as fast as a server answers, each connection one request after the other.

    Args:
        url: that bodies are posted to.
        bodies: JSON, in turn; ``@ID@`` becomes another text in each request.
        connections, seconds: how many, and for how long.
        pid: of the server, whose CPU is counted with that of all below it.

    Raises:
        Absent: there is no wrk here.
    """
    if shutil.which("wrk") is None:
        raise Absent("there is no wrk here (Debian's package wrk)")
    root, _, path = url.removeprefix("http://").partition("/")
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "bodies").write_text("\n".join(bodies))
        script = Path(place) / "load.lua"
        script.write_text(_SCRIPT % {"bodies": str(Path(place) / "bodies"), "path": f"/{path}"})
        words = ["taskset", "-c", CLIENT, "wrk", "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s"]
        words += ["--timeout", "10s"]
        before = cpu_of(pid)
        done = subprocess.run([*words, "-s", str(script), f"http://{root}"], capture_output=True, text=True, check=True)
        spent = cpu_of(pid) - before
    said = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    count = said["requests"]
    return Load(count / said["us"] * 1e6, said["p50"] / 1e6, said["p99"] / 1e6, spent / max(count, 1), said["failed"])


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process and all below it have used."""
    spent = 0.0
    for one in _tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            spent += (int(fields[11]) + int(fields[12])) * _TICK
    return spent


@dataclass(frozen=True)
class Overload:
    """What came of a rate: how many a second were sent, which part was accepted, and the seconds of those."""

    rate: float
    accepted: float
    p50: float
    p99: float
    other: int


def at_rate(url: str, bodies: Sequence[str], rate: float, seconds: float, connections: int = 256) -> Overload:
    """Ask at a rate, whatever comes back, from a process of its own; a request waits from when it was due.

    Args:
        url, bodies: as for ``wrk``.
        rate: requests a second.
        seconds: for how long.
        connections: how many are open at most; where none is free, the request that is due waits.
    """
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "bodies").write_text("\n".join(bodies))
        words = [sys.executable, "-m", "bench.serving_load", url, str(Path(place) / "bodies")]
        words += [str(rate), str(seconds), str(connections)]
        done = subprocess.run(["taskset", "-c", CLIENT, *words], capture_output=True, text=True, check=True)
    return Overload(**json.loads(done.stdout.splitlines()[-1]))


def _ask_at_rate(url: str, bodies: Sequence[str], rate: float, seconds: float, connections: int) -> Overload:
    root, _, path = url.removeprefix("http://").partition("/")
    host, _, port = root.partition(":")
    head = f"POST /{path} HTTP/1.1\r\nhost: {root}\r\ncontent-type: application/json\r\ncontent-length: "
    selector, idle = selectors.DefaultSelector(), deque[socket.socket]()
    for _ in range(connections):
        one = socket.create_connection((host, int(port)))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.setblocking(False)
        selector.register(one, selectors.EVENT_READ)
        idle.append(one)
    due_of: dict[socket.socket, float] = {}
    accepted, other, sent, total = list[float](), {"429": 0, "else": 0}, 0, int(rate * seconds)
    stamp, begun = f"{time.time_ns()}-", time.perf_counter()
    while sent < total or due_of:
        now = time.perf_counter()
        while sent < total and idle and (due := begun + sent / rate) <= now:
            body = bodies[sent % len(bodies)].replace("@ID@", f"{stamp}{sent}", 1).encode()
            one = idle.popleft()
            due_of[one] = due
            one.send(f"{head}{len(body)}\r\n\r\n".encode() + body)
            sent += 1
        for key, _ in selector.select(0 if sent < total else 1):
            one = key.fileobj  # type: ignore[assignment]
            answer = one.recv(65_536)
            if not answer:
                raise AssertionError("the server closed a connection")
            waited = time.perf_counter() - due_of.pop(one)
            idle.append(one)
            if answer[9:12] == b"200":
                accepted.append(waited)
            else:
                other["429" if answer[9:12] == b"429" else "else"] += 1
        if now - begun > 4 * seconds + 30:
            raise AssertionError("the server does not answer")
    taken = time.perf_counter() - begun
    p50, p99 = (float(one) for one in np.quantile(accepted, [0.5, 0.99])) if accepted else (0.0, 0.0)
    return Overload(sent / taken, len(accepted) / sent, p50, p99, other["else"])


if __name__ == "__main__":
    _lines = Path(sys.argv[2]).read_text().splitlines()
    print(json.dumps(_ask_at_rate(sys.argv[1], _lines, *map(float, sys.argv[3:5]), int(sys.argv[5])).__dict__))
