"""The demo: the fraud template on generated payments, from raw files to decisions, parity and a report."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace import clock
from headrace.cli.progress import Bars
from headrace.cli.template import make_project
from headrace.errors import Fault, HeadraceError

if TYPE_CHECKING:
    from headrace.cli.demo_data import Looked
    from headrace.run import Explained, LoadedProject, RunReport, Trained
    from headrace.serve.parity import ParityReport

DAYS = 183
_MARK, _MODEL = ".demo", "fraud_score"
_SEED = 7
_READY_S = 120.0  # a first start compiles, on a busy machine beside others
_AGGREGATES = ("mean", "sum", "count", "nunique", "max", "time_since_last")
"""Those of the template, the longest to compile first: that is hidden behind the generation of the data."""


@dataclass(frozen=True)
class Decision:
    """A payment that was asked about, in words, and what the service answered."""

    case: str
    request: Mapping[str, Any]
    answer: Mapping[str, Any]


@dataclass
class Demo:
    """What the demo did, with the seconds of each step; without a model that passed, nothing is served or compared."""

    folder: Path
    loaded: LoadedProject
    run: RunReport
    trained: tuple[Trained, ...]
    decisions: tuple[Decision, ...]
    explained: Explained | None
    parity: ParityReport | None
    looked: Looked
    report: Path
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every model passed its gates, and every served value is what history says."""
        return self.parity is not None and self.parity.differing == 0

    def as_dict(self) -> dict[str, Any]:
        """Return the demo as plain values for ``--json``."""
        return {
            "ok": self.passed,
            "folder": str(self.folder),
            "run": self.run.as_dict(),
            "models": [one.as_dict() for one in self.trained],
            "decisions": [{"case": one.case, "request": one.request, "answer": one.answer} for one in self.decisions],
            "explained": None if self.explained is None else self.explained.as_dict(),
            "parity": None if self.parity is None else self.parity.as_dict(),
            "data": self.looked.as_dict(),
            "report": str(self.report),
            "seconds": {name: round(seconds, 1) for name, seconds in self.seconds.items()},
        }


class _Course(Bars):
    """Progress that also keeps the seconds of each part, and waits for compilation before features are computed."""

    def __init__(self, compiling: Sequence[subprocess.Popen[bytes]]) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}
        self._compiling = compiling

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        begun = clock.monotonic_s()
        self.begins(name, ())
        yield
        self.seconds[name] = clock.monotonic_s() - begun
        self.settle(f"{name:<44} {self.seconds[name]:.1f} s")

    def begins(self, step: str, why: tuple[str, ...]) -> None:
        """Show that a step begins."""
        super().begins(step, why)
        if step.startswith("training_set:"):
            self.moves("waiting for compilation", 0, 0)
            for one in self._compiling:
                one.wait()


def run_demo(folder: Path, customers: int) -> Demo:
    """Make a demo project in a folder and run the whole road.

    Args:
        folder: a new or empty one, or that of an earlier demo, which is replaced.
        customers: how many; each makes about two payments a day for 183 days.

    Raises:
        HeadraceError: HR-INIT-002 when the folder holds anything else, HR-DEMO-001 when the service does not answer.
    """
    from headrace.audit import checked
    from headrace.audit import report as audit_report
    from headrace.cli.demo_data import looked
    from headrace.run import explain, load_project, run, train
    from headrace.serve.parity import parity

    _cleared(folder)
    compiling = _compile_beside()
    with _Course(compiling) as course:
        with course.part("generate payments"):
            _project(folder, customers)
        loaded = load_project(folder)
        with course.part("run"):
            ran = run(loaded, course)
        with course.part("train"):
            trained = train(loaded, (), course)
        decisions: tuple[Decision, ...] = ()
        explained: Explained | None = None
        compared: ParityReport | None = None
        if all(one.report is not None and one.report.champion for one in trained):
            with course.part("serve and decide"):
                decisions = _decided(loaded)
            with course.part("explain"):
                explained = explain(loaded, _MODEL, request=json.dumps(decisions[-1].request).encode())
            with course.part("parity"):
                compared = parity(loaded)
                checked.keep(loaded.state_dir, compared.as_dict())
        with course.part("look at the data"):
            seen = looked(loaded)
        with course.part("report"):
            path = audit_report.write(loaded).path
    return Demo(folder, loaded, ran, trained, decisions, explained, compared, seen, path, course.seconds)


def _cleared(folder: Path) -> None:
    if (folder / _MARK).exists():
        shutil.rmtree(folder)


def _project(folder: Path, customers: int) -> None:
    from headrace.cli.sample import write_sample

    make_project(folder, "demo", "fraud")
    (folder / _MARK).touch()
    write_sample(folder / "data", customers=customers, days=DAYS, seed=_SEED)


def rehearse(first: Sequence[str]) -> None:
    """Compile these aggregates, then whatever else the template needs, by running it on a few rows out of the way."""
    from headrace.cli.sample import write_sample
    from headrace.kernel.compile import warm
    from headrace.run import load_project, run

    warm(first)
    with tempfile.TemporaryDirectory(prefix="headrace-") as name:
        folder = Path(name) / "rehearsal"
        make_project(folder, "rehearsal", "fraud")
        write_sample(folder / "data", customers=20, days=40, seed=_SEED)
        run(load_project(folder))


def _compile_beside() -> Sequence[subprocess.Popen[bytes]]:
    """Compile in two processes, each its share of the aggregates; the second then rehearses, for all else.

    Compiled code is kept in files, so what one has done the other finds, and so does the demo.
    """
    first, second = _AGGREGATES[::2], _AGGREGATES[1::2]
    words = (
        f"from headrace.kernel import compile, standing; compile.warm({first!r}); standing.warm({_AGGREGATES!r})",
        f"from headrace.cli.demo import rehearse; rehearse({second!r})",
    )
    quiet = subprocess.DEVNULL
    return [
        subprocess.Popen([sys.executable, "-P", "-c", code], stdout=quiet, stderr=quiet)  # noqa: S603 - our own words
        for code in words
    ]


def _decided(loaded: LoadedProject) -> tuple[Decision, ...]:
    """Start the service as a user would, ask it about three payments over HTTP, and stop it."""
    port = _free_port()
    words = [sys.executable, "-m", "headrace.cli", "serve", "--project", str(loaded.folder), "--port", str(port)]
    with (loaded.state_dir / "serve.log").open("wb") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log)  # noqa: S603 - our own words
    try:
        _wait_until_ready(server, port)
        url = f"http://127.0.0.1:{port}/services/fraud_desk/decide?explain=3"
        return tuple(Decision(case, row, _post(url, row)) for case, row in _cases(loaded))
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_until_ready(server: subprocess.Popen[bytes], port: int) -> None:
    import time
    import urllib.error

    deadline = clock.monotonic_s() + _READY_S
    while clock.monotonic_s() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    found = "a service that has ended" if server.poll() is not None else f"a service not ready in {_READY_S:g} s"
    raise HeadraceError(Fault("HR-DEMO-001", "", found, "a service that answers", "see serve.log in the state folder"))


def _post(url: str, row: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(row).encode(), headers)  # noqa: S310 - loopback, our own URL
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        found: dict[str, Any] = json.loads(answer.read())
    return found


def _cases(loaded: LoadedProject) -> Sequence[tuple[str, dict[str, Any]]]:
    """Three payments after the newest one: an ordinary one, a large one, and one at a terminal with chargebacks."""
    lake = loaded.lake()
    usual = lake.sql(_USUAL).to_pylist()[0]
    risky = lake.sql(_RISKY).to_pylist()[0]
    at = lake.sql("select max(at) + interval 1 minute as at from payments").to_pylist()[0]["at"].isoformat()
    mean = round(float(usual["mean"]), 2)

    def row(name: str, terminal: int, amount: float) -> dict[str, Any]:
        customer = usual["customer_id"]
        return {
            "payment_id": f"demo-{name}",
            "at": at,
            "customer_id": customer,
            "terminal_id": terminal,
            "amount": f"{amount:.2f}",
        }

    return (
        ("as usual", row("1", usual["terminal_id"], mean)),
        ("eight times the usual amount", row("2", usual["terminal_id"], 8 * mean + 200)),
        ("at a terminal with chargebacks", row("3", risky["terminal_id"], mean)),
    )


_USUAL = """
select customer_id, mode(terminal_id) as terminal_id, avg(amount) as mean
from payments
where customer_id not in (select customer_id from chargebacks where is_fraud = 1)
group by all having count(*) > 60 order by abs(avg(amount) - 40), customer_id limit 1
"""
_RISKY = """
select terminal_id, sum(is_fraud) as fraud from chargebacks
where at > (select max(at) - interval 14 days from payments)
group by all order by fraud desc, terminal_id limit 1
"""
