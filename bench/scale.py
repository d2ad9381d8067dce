"""Training sets larger than memory: time and peak memory as events grow, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

import headrace as hr
from bench.measure import Result
from bench.windows import DAY, Event
from headrace.lake import Lake


class Asked(hr.Contract):
    """A row of the spine."""

    at: hr.Timestamp = hr.event_time()
    key: int


events = hr.Stream("events", Event)
asked = hr.Stream("asked", Asked)
wanted = hr.Features(
    "f",
    events,
    by=hr.Entity("key"),
    features={
        "count": hr.count(["1d", "30d"]),
        "mean": hr.mean("amount", ["7d", "30d"]),
        "max": hr.max("amount", "7d"),
    },
)
cases = hr.TrainingSet("cases", asked, [wanted])
CHUNK = 2_000_000


def fill(lake: Lake, name: str, rows: int, keys: int, seed: int) -> None:
    """Append rows in the order of time, some at a time."""
    random = np.random.default_rng(seed)
    for begin in range(0, rows, CHUNK):
        count = min(CHUNK, rows - begin)
        low, high = 183 * DAY * begin // rows, 183 * DAY * (begin + count) // rows
        at = pa.array(np.sort(random.integers(low, high, count))).cast(pa.timestamp("us", tz="UTC"))
        columns = {"at": at, "key": random.integers(0, keys, count)}
        if name == "events":
            columns["amount"] = np.round(random.random(count) * 1000, 2)
        columns["_seq"] = np.arange(begin + 1, begin + count + 1)
        lake.append(name, pa.table({**columns, "_known_at": at}))


def build(folder: Path) -> None:
    """Build the set in this process and print seconds, rows and peak memory."""
    from headrace.learn.trainingset import build as build_set

    begun = time.perf_counter()
    built = build_set(cases, Lake(folder / "lake"), folder)
    taken = time.perf_counter() - begun
    # not ru_maxrss, which a process inherits from the one that starts it
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1e6
    print(json.dumps({"seconds": taken, "rows": built.rows, "peak_gb": peak}))


def run(sizes: tuple[int, ...] = (1_000_000, 10_000_000, 100_000_000), share: int = 10) -> Result:
    """Build sets of growing size; time per event must not grow."""
    seconds, notes = {}, {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            lake = Lake(folder / "lake")
            fill(lake, "events", size, size // 50, 1)
            fill(lake, "asked", size // share, size // 50, 2)
            done = subprocess.run(
                [sys.executable, "-m", "bench.scale", str(folder)], capture_output=True, text=True, check=True
            )
            said = json.loads(done.stdout.splitlines()[-1])
        if said["rows"] != size // share:
            raise AssertionError("every row of the spine must be there")
        seconds[f"{size:,} events"] = said["seconds"]
        notes[f"peak memory at {size:,}"] = f"{said['peak_gb']:.2f} GB"
    return Result(
        "scaling", f"training set of a spine a {share}th as long", seconds, "all rows there", "", notes, rivals=False
    )


def suite(small: bool) -> list[Result]:
    """Run the benchmark at its full or at a hundredth of its size."""
    return [run((10_000, 100_000, 1_000_000))] if small else [run()]


if __name__ == "__main__":
    build(Path(sys.argv[1]))
