"""Writes the results of a run into the documents that show them."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from bench.measure import Result

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("duckdb", "deltalake", "polars", "pyarrow", "numba", "numpy", "pandas")
BLOCK = re.compile(r"(<!-- bench:begin -->\n).*?(<!-- bench:end -->)", re.DOTALL)


MEASURED = ROOT / "bench" / "measured.json"
"""Of each suite what was measured last, and of which code."""


def stamp() -> str:
    """Return the day, and which state of the code is there before anything is written."""
    return f"{datetime.datetime.now(datetime.UTC).date()}, {commit()}"


def keep(suite: str, results: Sequence[Result], when: str) -> None:
    """Put what was measured in the place of what was measured before."""
    known = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    known[suite] = {"measured": when, "results": [asdict(one) for one in results]}
    MEASURED.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")


def measured(suites: Sequence[str]) -> list[Result]:
    """Return what was measured last of each suite; its notes say when, and of which code."""
    known = json.loads(MEASURED.read_text())
    return [
        replace(result, notes=result.notes | {"measured": known[suite]["measured"]})
        for suite in suites
        if suite in known
        for result in (Result(**one) for one in known[suite]["results"])
    ]


def table(results: Sequence[Result], *, notes: bool) -> str:
    """Return the results as a Markdown table, with or without the notes on each."""
    lines = ["| what | seconds | ratio | aim |", "| --- | --- | --- | --- |"]
    for one in results:
        times = "<br>".join(f"{name}: {_time(taken)}" for name, taken in one.seconds.items())
        ratios = "<br>".join(f"{ratio:.1f} x {rival}" for rival, ratio in one.ratios().items())
        said = "".join(f"<br>{key}: {value}" for key, value in one.notes.items()) if notes else ""
        what = f"**{one.name}**: {one.what}; {one.agreed}{said}"
        lines.append(f"| {what} | {times} | {ratios} | {one.aim} |")
    return "\n".join(lines) + "\n"


def _time(seconds: float) -> str:
    """Return seconds; as microseconds where they would be hard to read."""
    return f"{seconds:.3g}" if seconds >= 0.001 else f"{seconds * 1e6:.3g} µs"


def write(suites: Sequence[str]) -> None:
    """Write docs/benchmarks.md, and the tables between the marks in the README and in the pages of suites."""
    results, docs = measured(suites), ROOT / "docs"
    (docs / "benchmarks.md").write_text(page(results))
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text(), results))
    for suite in suites:
        if (own := docs / f"{suite}.md").exists() and (mine := measured([suite])):
            own.write_text(with_table(own.read_text(), mine, "benchmarks.md", notes=True))


def page(results: Sequence[Result]) -> str:
    """Return the page: how it was measured, where, and the table, which says when and of which code."""
    used = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"""# Benchmarks

Written by `make bench`, at full size. Suites may be measured one by one (`python -m bench NAME --write`); each row says
when it was, and of which code.

- Machine: {machine()}.
- Software: Python {platform.python_version()}, {used}.
- Method: the results of all sides are compared first, and a difference ends the run. Rivals then run in turn in one
  process, warm, with all cores; only what a row says to be in a process of its own is not. Seconds are the
  least of the rounds. Before each run over ten million rows another process uses as much memory as it needs and ends,
  so that a virtual machine has it at hand whoever's turn it is.
- A ratio is how many times longer the rival took. Seconds depend on the machine, ratios less so.

{table(results, notes=True)}"""


def with_table(text: str, results: Sequence[Result], whole: str = "docs/benchmarks.md", *, notes: bool = False) -> str:
    """Return a text with the table between its marks; without any, as it is.

    Args:
        text: of the README, or of another page.
        results: of the table.
        whole: where all of it is, seen from there.
        notes: whether those of each result are shown, too.
    """
    source = f"Written by `make bench`: [machine, versions, method, and of which code]({whole})."
    return BLOCK.sub(lambda found: f"{found[1]}{table(results, notes=notes)}\n{source}\n{found[2]}", text)


def machine() -> str:
    """Return processor, cores, memory and system."""
    said = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*: (.+)", said)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = model[1] if model else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def commit() -> str:
    """Return which state of the code was measured."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=, with changes that are not in it"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "a copy without its history"
    return f"commit {said}"
