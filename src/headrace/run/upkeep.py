"""Keeping the lake in order: small files become few, and what nobody points at any more is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace import clock
from headrace.run.attaching import refreshed
from headrace.run.lock import one_at_a_time
from headrace.run.progress import SILENT, Progress, StepReport
from headrace.run.project import LoadedProject

if TYPE_CHECKING:
    from headrace.lake.compact import Compacted


def compact(loaded: LoadedProject, table: str | None = None, progress: Progress = SILENT) -> dict[str, Compacted]:
    """Write the small files of a table, or of all, as few large ones; rows and their order stay.

    Args:
        loaded: the project.
        table: its name; all by default.
        progress: told of each table.

    Returns:
        What was done, by table.

    Raises:
        HeadraceError: HR-LAKE-001 unknown table, 002 disk full; HR-RUN-001 when a run is going on.
    """
    lake, found = loaded.lake(), {}
    with one_at_a_time(loaded.state_dir):
        for name in lake.tables() if table is None else [table]:
            step, begun = f"compact:{name}", clock.monotonic_s()
            progress.begins(step, ())
            found[name] = lake.compact(name, lambda done, total: progress.moves("rows", done, total))
            action = "done" if found[name].files_before else "kept"
            progress.ends(StepReport(step, action, (), clock.monotonic_s() - begun, {}))
        refreshed(loaded)
    return found
