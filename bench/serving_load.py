"""Load on a server: by wrk as fast as it answers, or at a rate whether it answers or not; each pinned to a core."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.apart import Absent, tree
from bench.load_client import ID, load

SERVER, CLIENT = "0", "1"
"""Cores of the two."""
_TO_STOP = 300
"""Seconds in which records of a million answers can be brought into the lake."""
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
                process.wait(_TO_STOP)
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
    return sum(sum(_spent(Path(f"/proc/{one}"))) for one in tree(pid))


def profile_of(pid: int) -> dict[str, float]:
    """Return the CPU seconds of a process and all below it, in its own code, in the kernel, and by name of thread."""
    found = {"own code": 0.0, "kernel": 0.0}
    for one in tree(pid):
        for place in Path(f"/proc/{one}/task").glob("*"):
            own, kernel = _spent(place)
            found["own code"] += own
            found["kernel"] += kernel
            with suppress(OSError):
                main = place.name == str(one)
                name = "thread " + ("main" if main else (place / "comm").read_text().strip())
                found[name] = found.get(name, 0.0) + own + kernel
    return found


def _spent(place: Path) -> tuple[float, float]:
    """Return the seconds in its own code and in the kernel of a process or a thread; none of one that has ended."""
    try:
        fields = (place / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0.0
    return int(fields[11]) * _TICK, int(fields[12]) * _TICK


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


def _at_rate(url: str, file: str, rate: str, seconds: str, connections: str) -> Overload:
    bodies = [line.replace("@ID@", ID.decode()).encode() for line in Path(file).read_text().splitlines()]
    load(url, bodies, 1, 0.1)  # which compiles it
    found = load(url, bodies, int(connections), float(seconds), float(rate))
    accepted = float((found.status == 200).mean())
    sent = (len(found.begun) - 1) / max(found.begun[-1] + found.waited[-1], 1e-9)
    return Overload(sent, accepted, found.percentile(0.5), found.percentile(0.99), found.failed)


if __name__ == "__main__":
    print(json.dumps(asdict(_at_rate(*sys.argv[1:]))))
