"""Decisions over HTTP: features, model and durable record on one core; beside servers of models and of features."""

from __future__ import annotations

import datetime
import decimal
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bench import score
from bench.apart import Absent, own, resident, tree
from bench.measure import Result
from bench.serving_load import CLIENT, Load, at_rate, profile_of, server, wrk
from bench.serving_peers import BENTOML, FEAST, MLSERVER, Asked, Peer, as_v2, bentoml, feast, free_port, mlserver
from headrace import simulate
from headrace.learn.native import METADATA
from headrace.learn.scorer import open_session
from headrace.run import LoadedProject, load_project, promote, run, train
from headrace.serve.metrics.reading import read
from headrace.serve.metrics.watched import Look, seen
from headrace.serve.scoring import score_table

TEMPLATE = Path(__file__).resolve().parent.parent / "src/headrace/cli/templates/fraud/project.py.template"
SERVICE, MODEL = "fraud_desk", "fraud_score"
SERVE = [sys.executable, "-m", "headrace.cli", "serve"]
WHAT = "22 features of 3 entities, LightGBM of 100 trees in ONNX, rules, durable record"
"""What the template's service does."""
MANY = 400
"""Requests whose answers are held against the batch path, or against the model."""


def laid(folder: Path, small: bool) -> LoadedProject:
    """Make the template's project, its data and two versions of its model; the first one serves."""
    folder.mkdir()
    text = TEMPLATE.read_text().replace("{{name}}", "bench")
    text = re.sub(r"gates=\[.*?\],\n", "gates=[],\n", text, flags=re.DOTALL)  # which a small world may miss
    (folder / "headrace.toml").write_text('[project]\nname = "bench"\n')
    world = simulate.payments(days=90 if small else 120, customers=300 if small else 5_000, terminals=2_000, seed=5)
    simulate.write(world, folder / "data", faults=0.0, format="parquet")
    for trees in ("100", "90"):
        (folder / "project.py").write_text(text.replace("n_estimators=100", f"n_estimators={trees}"))
        loaded = load_project(folder)
        if not run(loaded).ok:
            raise AssertionError("the payments could not be loaded")
        train(loaded)
    (folder / "project.py").write_text(text)
    loaded = load_project(folder)
    promote(loaded, MODEL, 1)
    return loaded


def bodies_of(loaded: LoadedProject, count: int) -> list[str]:
    """Return requests of now: customers and terminals that are known, at the end of history."""
    newest = loaded.lake().sql("select max(at) as at from payments", reads=["payments"])["at"][0].as_py().isoformat()
    known = loaded.lake().sql("select distinct customer_id, terminal_id from payments", reads=["payments"]).to_pylist()
    chosen = random.Random(1).choices(known, k=count)
    amounts = random.Random(2).choices(range(1, 300), k=count)
    return [
        json.dumps({"payment_id": "b@ID@", "at": newest, **one, "amount": f"{amount}.25"})
        for one, amount in zip(chosen, amounts, strict=True)
    ]


def posted(url: str, body: str) -> Any:
    """Return what a server answers to JSON."""
    request = urllib.request.Request(url, body.encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def held_against_batch(loaded: LoadedProject, url: str, bodies: list[str]) -> str:
    """Hold answers against the batch path: features to the bit, scores and decisions; a difference ends the run."""
    rows = [json.loads(body.replace("@ID@", f"-{at}")) for at, body in enumerate(bodies[:MANY])]
    answers = [posted(f"{url}?features=1", json.dumps(row)) for row in rows]
    now = datetime.datetime.now(datetime.UTC)  # a request knows what is known by now, whatever its own moment
    typed = [
        row
        | {"at": datetime.datetime.fromisoformat(row["at"]), "amount": decimal.Decimal(row["amount"]), "_known_at": now}
        for row in rows
    ]
    scored = score_table(loaded, pa.Table.from_pylist(typed)).to_arrow().to_pylist()
    by_id = {one["payment_id"]: one for one in scored}
    for row, answer in zip(rows, answers, strict=True):
        other = by_id[row["payment_id"]]
        if (answer["score"], answer["decision"]) != (other["score"], other["decision"]):
            raise AssertionError(f"the service and batch scoring differ: {answer} and {other}")
        for name, value in answer["features"].items():
            if value != other[name] and not (value is None and other[name] is None):
                raise AssertionError(f"the service and batch scoring differ in {name}: {value!r} and {other[name]!r}")
    return f"{len(rows)} answers equal batch scoring to the bit"


def asked_of(loaded: LoadedProject, url: str, bodies: list[str]) -> Asked:
    """Return the champion's file and feature values of requests, as servers of models take them."""
    registry = loaded.registry()
    version = registry.champion(MODEL)
    assert version is not None
    content = registry.path(version).read_bytes()
    about = json.loads(open_session(content).get_modelmeta().custom_metadata_map[METADATA])
    rows = [json.loads(body.replace("@ID@", f"f{at}")) for at, body in enumerate(bodies)]
    answers = [posted(f"{url}?features=1", json.dumps(row))["features"] for row in rows]
    names = list(about["features"])
    values = pd.DataFrame(answers)[names].astype(float).fillna(0.0)  # JSON has no NaN
    keys = pd.DataFrame(rows)[["customer_id", "terminal_id"]]
    x = values.to_numpy(np.float32)
    said = {"output": about["output"], "column": int(about["columns"][0]), "sign": int(about["sign"])}
    scores = registry.load(version).score(x)[:, None]
    return Asked(registry.path(version), said, x, scores, pd.concat([keys, values], axis=1))


class Bench:
    """One project with its server, and what was found of it."""

    def __init__(self, folder: Path, small: bool, long: bool) -> None:
        self.small, self.long, self.seconds = small, long, 1.0 if small else 10.0
        self.folder, self.loaded = folder, laid(folder / "project", small)
        self.bodies = bodies_of(self.loaded, 4_000)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.decide = f"{self.url}/services/{SERVICE}/decide"

    def serving(self, *options: str, cores: str = "0") -> AbstractContextManager[int]:
        """Run the service until a block ends."""
        words = [*SERVE, "--project", str(self.folder / "project"), "--port", str(self.port), *options]
        return server(words, f"{self.url}/health/ready", self.folder, os.environ, cores)

    def load(self, connections: int, pid: int, url: str = "", bodies: list[str] | None = None) -> Load:
        """Warm up, then load."""
        url, bodies = url or self.decide, bodies or self.bodies
        wrk(url, bodies, connections, self.seconds / 5, pid)
        found = wrk(url, bodies, connections, self.seconds, pid)
        if found.failed:
            raise AssertionError(f"{found.failed} requests failed at {connections} connections")
        return found

    def look(self) -> Look:
        """Return the figures of the service now."""
        with urllib.request.urlopen(f"{self.url}/metrics") as answer:
            return Look.of(read(answer.read().decode()), time.perf_counter())

    def serves(self) -> str:
        """Return the version that serves now."""
        look = self.look()
        return ", ".join(model for one in seen(look, look).services for model in one.models)


def decisions(bench: Bench) -> list[Result]:
    """Ask at 1, 64 and 16 connections; then peers, then the bare model."""
    notes, seconds, found = dict[str, str](), dict[str, float](), dict[int, Load]()
    with bench.serving() as pid:
        with busy(bench, pid):
            agreed = held_against_batch(bench.loaded, bench.decide, bench.bodies)
        asked = asked_of(bench.loaded, bench.decide, bench.bodies[:MANY])
        for connections in (1, 64, 16):
            before = bench.look(), profile_of(pid)
            found[connections] = bench.load(connections, pid)
            notes[f"{connections} connections"] = found[connections].said()
            seconds[f"Headrace, {connections} connections"] = 1 / found[connections].rate
        notes |= where_it_goes(*before, bench.look(), profile_of(pid))
        for beside in set(tree(pid)) - {pid}:
            os.sched_setaffinity(beside, {int(CLIENT)})
        notes["16 connections, records moved on the other core"] = bench.load(16, pid).said()
        bare = f"{bench.url}/v2/models/{MODEL}/infer"
        model = bench.load(16, pid, bare, [as_v2(row) for row in asked.rows])
    one = found[16]
    held = {
        "15,000 requests/s": one.rate >= 15_000,
        "p99 below 2 ms": one.p99 < 0.002,
        "60 µs of CPU": one.cpu <= 60e-6,
    }
    whole = Result("serving: a request", WHAT, seconds, agreed, aims(held, " at 16 connections"), notes, False)
    return [whole, *peers(bench, asked, one, model)]


@contextmanager
def busy(bench: Bench, pid: int) -> Iterator[None]:
    """Load the service while a block runs."""
    ending = threading.Event()

    def run() -> None:
        while not ending.is_set():
            wrk(bench.decide, bench.bodies, 16, 1, pid)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def aims(held: Mapping[str, bool], where: str = "") -> str:
    """Return aims with whether each is met."""
    return "; ".join(f"{aim}{where}: {'met' if met else 'not met'}" for aim, met in held.items())


def where_it_goes(look: Look, spent: dict[str, float], now: Look, ended: dict[str, float]) -> dict[str, str]:
    """Return what a request consists of between two looks: its stages, and the CPU of all that the server does."""
    told = seen(look, now)
    count = sum(one.rate for one in told.services) * told.seconds
    stages = ", ".join(f"{name} {took * 1e6:.1f}" for name, took in told.stages.items())
    parts = {name: (used - spent.get(name, 0.0)) / max(count, 1) * 1e6 for name, used in ended.items()}
    kinds = ", ".join(f"{parts.pop(name):.0f} {name}" for name in ("own code", "kernel"))
    threads = ", ".join(f"{name.removeprefix('thread ')} {took:.0f}" for name, took in sorted(
        parts.items(), key=lambda one: one[1], reverse=True)[:4])  # fmt: skip
    return {
        "stages of a request at 16 connections, µs, those decided together share them": stages,
        "CPU of a request, µs": f"{kinds}; by thread: {threads}",
    }


def peers(bench: Bench, asked: Asked, ours: Load, model: Load) -> list[Result]:
    """Ask servers of models for the score alone, and Feast for features, all at 16 connections on one core."""
    notes, found = {"Headrace": ours.said(), "Headrace, the bare model": model.said()}, dict[str, Load]()
    for name, begin in (("MLServer", mlserver), ("BentoML", bentoml), ("Feast", feast)):
        try:
            with tempfile.TemporaryDirectory() as place, begin(asked, Path(place)) as peer:
                same_numbers(name, peer)
                found[name] = bench.load(16, peer.pid, peer.url, peer.bodies)
                notes[name] = found[name].said()
        except Absent as why:
            notes[name] = str(why)
    each = {name: 1 / one.rate for name, one in found.items()}
    servers = {f"{name} {version}, the model alone": each[name] for name, version in
               (("MLServer", MLSERVER), ("BentoML", BENTOML)) if name in each}  # fmt: skip
    both = {f"Feast {FEAST}, features, and {name}, the model": each["Feast"] + taken for name, taken in each.items()
            if name != "Feast" and "Feast" in each}  # fmt: skip
    agreed = f"scores of {len(asked.rows)} rows equal to 1e-6, features in Feast to 1e-9"
    said = "16 connections, one core; Headrace with features, rules and record"
    wanted = {"MLServer": 5, "BentoML": 15}

    def met(load: Load) -> dict[str, bool]:
        return {
            f"{least}x {name}": load.rate >= least * found[name].rate for name, least in wanted.items() if name in found
        }

    against = met(ours) | ({"10x Feast with either": min(both.values()) * ours.rate >= 10} if both else {})
    return [
        Result("serving: beside peers", said, {"Headrace": 1 / ours.rate, **servers, **both}, agreed,
               aims(against), notes),
        Result("serving: the bare model", "the same ONNX file, 16 connections, one core",
               {"Headrace": 1 / model.rate, **servers}, agreed, aims(met(model))),
    ]  # fmt: skip


def same_numbers(name: str, peer: Peer) -> None:
    """Hold a peer's numbers against ours; a difference ends the run."""
    theirs = np.array([peer.read(posted(peer.url, body)) for body in peer.bodies], float)
    apart = np.abs(theirs - peer.expected) / np.maximum(np.abs(peer.expected), 1.0)
    if theirs.shape != peer.expected.shape or apart.max() > (1e-9 if name == "Feast" else 1e-6):
        raise AssertionError(f"{name} gives other numbers")


def overload(bench: Bench) -> Result:
    """Send three times what is answered at most."""
    with bench.serving("--at-once", "16") as pid:
        most = bench.load(16, pid)
        found = at_rate(bench.decide, bench.bodies, 3 * most.rate, bench.seconds, 128)
    if found.other:
        raise AssertionError(f"{found.other} answers under load were neither 200 nor 429")
    notes = {
        "sent": f"{found.rate:,.0f} a second from a process of its own; {found.rate / most.rate:.1f}x what it does",
        "accepted": f"{found.accepted:.0%}, all others answered 429",
    }
    seconds = {"p50 of accepted": found.p50, "p99 of accepted": found.p99}
    aim = aims({"p99 of accepted below 10 ms": found.p99 < 0.010})
    return Result("serving: overload", "3x capacity, --at-once 16", seconds, "no other answer", aim, notes, False)


def swap(bench: Bench) -> Result:
    """Promote other versions while load runs."""
    with bench.serving() as pid:
        before = bench.load(16, pid)
        ending, served = threading.Event(), list[str]()

        def promoting() -> None:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)  # the core is the client's
            version, since = 1, 0.0
            while not ending.wait(0.25):
                now = bench.serves()
                served.extend([now] if [now] != served[-1:] else [])
                if now == f"{MODEL} {version}" and time.monotonic() - since > bench.seconds / 4:
                    version, since = 3 - version, time.monotonic()
                    promote(bench.loaded, MODEL, version)

        thread = threading.Thread(target=promoting)
        thread.start()
        during = bench.load(16, pid)
        ending.set()
        thread.join()
    promote(bench.loaded, MODEL, 1)
    if len(served) < 2 and not bench.small:
        raise AssertionError("no other version took over")
    notes = {"before": before.said(), "during": during.said(), "what served, in turn": ", ".join(served)}
    seconds = {"p99 before": before.p99, "p99 while versions change": during.p99}
    said = "another version every few seconds, 16 connections"
    aim = aims({"0 failed": during.failed == 0, "the same p99, within a tenth": during.p99 <= 1.1 * before.p99})
    return Result("serving: swap", said, seconds, "every answer 200", aim, notes, False)


def workers(bench: Bench) -> Result:
    """One worker and two, on both cores, of which the client has its part."""
    known = subprocess.run([*SERVE, "--help"], capture_output=True, text=True, check=True).stdout
    if "--workers" not in known:
        raise Absent("serve has no --workers")
    found = {}
    for count in (1, 2):
        with bench.serving("--workers", str(count), cores="0,1") as pid:
            found[count] = bench.load(64, pid)
    one, two = found[1], found[2]
    seconds = {"2 workers": 1 / two.rate, "1 worker": 1 / one.rate}
    notes = {f"{count} workers": load.said() for count, load in found.items()}
    notes["cores"] = f"two, of which the client has a part; by CPU alone {2 * one.cpu / two.cpu:.2f}x, had it its own"
    aim = aims({"1.7x": two.rate >= 1.7 * one.rate})
    return Result("serving: workers", "64 connections", seconds, "every answer 200", aim, notes)


def memory(bench: Bench) -> Result:
    """Memory after more and more requests; pages of files, which the system takes back when it wants, apart."""
    steps = [1_000, 3_000] if bench.small else [100_000, 1_000_000, *([10_000_000] if bench.long else [])]
    sizes, files, count = dict[int, float](), dict[int, float](), 0.0
    with bench.serving() as pid:
        rate = bench.load(64, pid).rate
        before = bench.look()
        for step in steps:
            while count < step:
                rate = wrk(bench.decide, bench.bodies, 64, min(max((step - count) / rate, 1), 60), pid).rate
                told = seen(before, bench.look())
                count = sum(one.rate for one in told.services) * told.seconds
            every = tree(pid)
            sizes[round(count)] = sum(map(own, every)) / 1e9
            files[round(count)] = (sum(map(resident, every)) - sum(map(own, every))) / 1e9
    seconds = {f"after {many:,} requests": size for many, size in sizes.items()}
    first, last = (list(sizes.values())[at] for at in (0, -1))
    aim = aims({"flat, within a tenth": last <= 1.1 * first})
    said = "64 connections; gigabytes in the place of seconds"
    notes = {"pages of files besides": ", ".join(f"{size:.2f}" for size in files.values())}
    return Result("serving: memory", said, seconds, "every answer counted", aim, notes, False)


def start(bench: Bench) -> Result:
    """Time from the command until a service with a million keys is ready; its state was built before."""
    folder, keys = bench.folder, 10_000 if bench.small else 800_000
    (folder / "keys").mkdir()
    score.laid(folder / "keys", keys, (keys, keys // 4))
    port = free_port()
    words = [*SERVE, "--project", str(folder / "keys"), "--port", str(port)]
    times: list[float] = []
    for _ in range(4):
        begun = time.perf_counter()
        with server(words, f"http://127.0.0.1:{port}/health/ready", folder, os.environ):
            times.append(time.perf_counter() - begun)
    notes = {"the first start, which builds the state": f"{times[0]:.1f} s"}
    seconds = {"ready": statistics.median(times[1:])}
    what = f"{keys + keys // 4:,} keys with events"
    return Result("serving: start", what, seconds, "ready", aims({"2 s": seconds["ready"] < 2}), notes, False)


def suite(small: bool, long: bool = False) -> list[Result]:
    """Measure on a project of the template; parts that this machine or version lacks say so.

    Args:
        small: a small project and a second for each load.
        long: ask ten million times to see what memory does, which takes a while.
    """
    if shutil.which("wrk") is None or shutil.which("taskset") is None or (os.cpu_count() or 1) < 2:
        print("serving: needs two cores, taskset and wrk (Debian's packages util-linux and wrk)", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as place:
        bench, cores = Bench(Path(place), small, long), os.sched_getaffinity(0)
        os.sched_setaffinity(0, {int(CLIENT)})  # what we do ourselves costs the server nothing
        results = decisions(bench)
        for part in (overload, swap, workers, memory, start):
            try:
                results.append(part(bench))
            except Absent as why:
                print(f"serving, {part.__name__}: {why}", file=sys.stderr)
                continue
            print(results[-1].line(), file=sys.stderr, flush=True)
        os.sched_setaffinity(0, cores)
        return results
