"""Writes the results of a run into the documents that show them."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bench.measure import Result

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("duckdb", "polars", "pyarrow", "numba", "numpy", "pandas")
BLOCK = re.compile(r"(<!-- bench:begin -->\n).*?(<!-- bench:end -->)", re.DOTALL)


def table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| what | seconds | ratio | aim |", "| --- | --- | --- | --- |"]
    for one in results:
        times = "<br>".join(f"{name}: {taken:.3g}" for name, taken in one.seconds.items())
        ratios = "<br>".join(f"{ratio:.1f} x {rival}" for rival, ratio in one.ratios().items())
        notes = "".join(f"<br>{key}: {value}" for key, value in one.notes.items())
        what = f"**{one.name}**: {one.what}; {one.agreed}{notes}"
        lines.append(f"| {what} | {times} | {ratios} | {one.aim} |")
    return "\n".join(lines) + "\n"


def write(results: Sequence[Result], *, small: bool) -> None:
    """Write docs/benchmarks.md, and the table between the marks in the README."""
    size = "at a hundredth of the full size" if small else "at full size"
    used = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    text = f"""# Benchmarks

Written by `python -m bench --write`, {size}, on {os.cpu_count()} cores, Python {platform.python_version()}, with
{used}. Rivals run in turn in one process; results are compared before any time counts;
seconds are medians and depend on the machine, ratios less so. A ratio is how many times longer the rival took.

{table(results)}"""
    (ROOT / "docs" / "benchmarks.md").write_text(text)
    readme = ROOT / "README.md"
    said = readme.read_text()
    if BLOCK.search(said):
        readme.write_text(BLOCK.sub(lambda found: found[1] + table(results) + found[2], said))
