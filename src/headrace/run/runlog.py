"""The run log: the table ``run_log`` of the lake, a row for each step of each run, for queries and BI tools."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headrace.declare.kept import RUN_LOG, RUNS
from headrace.errors import HeadraceError
from headrace.run.journal import Journal, PastRun

if TYPE_CHECKING:
    from headrace.run.project import LoadedProject

_FILES = 64
"""Small files that are made into one: each run adds one."""
_AT_ONCE = 1000


def log_runs(loaded: LoadedProject, journal: Journal) -> None:
    """Bring the runs that ended since the last time into ``run_log``, each once; the journal is what is true.

    What the lake refuses, a full disk, is left to the next run.
    """
    with contextlib.suppress(HeadraceError):
        lake = loaded.lake()
        there = lake.committed(RUN_LOG, RUN_LOG)
        past = [run for run in reversed(journal.runs(_AT_ONCE, after=there)) if run.outcome != "running"]
        if not past:
            return
        import pyarrow as pa

        from headrace.types import arrow_schema

        rows = [row for run in past for row in _rows(run)]
        lake.append(RUN_LOG, pa.Table.from_pylist(rows, schema=arrow_schema(RUNS)), once=(RUN_LOG, past[-1].number))
        if lake.extent(RUN_LOG).files > _FILES:
            lake.compact(RUN_LOG)


def _rows(run: PastRun) -> Iterator[dict[str, Any]]:
    """Yield a row for each step, or each model that was trained; one without a step for a run that had none."""
    about = {
        "run": run.number,
        "kind": run.kind,
        "outcome": run.outcome,
        "started": run.started,
        "finished": run.finished,
    }
    for step in run.report.get("steps") or run.report.get("models") or [{}]:
        yield about | _row(step)


def _row(step: Mapping[str, Any]) -> dict[str, Any]:
    figures = step.get("figures", {})
    errors = [fault["code"] for fault in step.get("faults", ()) if fault["severity"] == "error"]
    return {
        "step": step.get("step"),
        "action": step.get("action"),
        "why": "; ".join(step.get("why", ())),
        "seconds": step.get("seconds"),
        "attempts": step.get("attempts", 0),
        "faults": errors,
        "rows": figures.get("rows", figures.get("accepted")),
        "quarantined": figures.get("quarantined"),
        "new_rows": figures.get("this_run", {}).get("accepted"),
        "figures": json.dumps(figures, sort_keys=True, default=str),
    }
