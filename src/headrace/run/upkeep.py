"""Keeping the lake in order: small files become few, and what nobody points at any more is removed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from headrace import clock
from headrace.declare import sources_of
from headrace.declare.project import DECISIONS_OF, kept_beside, names_of_the_lake
from headrace.errors import Fault, HeadraceError
from headrace.run.attaching import refreshed
from headrace.run.lock import one_at_a_time
from headrace.run.pins import is_named, pinned
from headrace.run.progress import SILENT, Progress, StepReport
from headrace.run.project import LoadedProject

if TYPE_CHECKING:
    from headrace.lake import Lake
    from headrace.lake.compact import Compacted
    from headrace.lake.vacuum import Vacuumed

LEAST_US = 3_600_000_000
"""How long a version stays at least, microseconds: others may be reading it."""
_OF_OTHERS = {"HR-LAKE-026", "HR-LAKE-027"}
"""Faults of tables that other programs made."""


def compact(
    loaded: LoadedProject, table: str | None = None, progress: Progress = SILENT, *, left_out: list[Fault] | None = None
) -> dict[str, Compacted]:
    """Write the small files of a table, or of all, as few large ones; rows and their order stay.

    Args:
        loaded: the project.
        table: its name; all by default.
        progress: told of each table.
        left_out: gets a warning about each table that another program made in a way that keeps it from being written
            here, where all are meant.

    Returns:
        What was done, by table.

    Raises:
        HeadraceError: HR-LAKE-001 unknown table, 002 disk full; HR-RUN-001 when a run is going on.
    """
    lake, found = loaded.lake(), {}
    with one_at_a_time(loaded.state_dir):
        for name in _all_of(lake, left_out) if table is None else [table]:
            step, begun = f"compact:{name}", clock.monotonic_s()
            progress.begins(step, ())
            with _passed_over(left_out if table is None else None):
                found[name] = lake.compact(name, lambda done, total: progress.moves("rows", done, total))
            action = "done" if name in found and found[name].files_before else "kept"
            progress.ends(StepReport(step, action, (), clock.monotonic_s() - begun, {}))
        refreshed(loaded)
    return found


def vacuum(
    loaded: LoadedProject,
    keep_us: int,
    progress: Progress = SILENT,
    *,
    dry_run: bool = False,
    left_out: list[Fault] | None = None,
) -> dict[str, Vacuumed]:
    """Remove the files of versions that are older than a time and that nothing on record names.

    Args:
        loaded: the project.
        keep_us: how long a version stays readable after another took its place, microseconds; an hour or more.
        progress: told of each table.
        dry_run: whether only to say what would be removed.
        left_out: as of ``compact``.

    Returns:
        What was removed, by table.

    Raises:
        HeadraceError: HR-LAKE-010 a file that cannot be removed, 016 a training set that does not say what it came
            from; HR-RUN-001 when a run is going on.
    """
    from headrace.serve.drain import drain

    lake, found = loaded.lake(), {}
    with one_at_a_time(loaded.state_dir):
        if (loaded.state_dir / "spool").exists():
            drain(loaded)  # decisions that wait name versions, too
        before, pins = clock.now_us() - max(keep_us, LEAST_US), pinned(loaded)
        for name in _all_of(lake, left_out):
            step, begun = f"vacuum:{name}", clock.monotonic_s()
            progress.begins(step, ())
            with _passed_over(left_out):
                found[name] = lake.vacuum(name, before, pins.get(name, set()), dry_run=dry_run)
            action = "done" if name in found and found[name].files else "kept"
            progress.ends(StepReport(step, action, (), clock.monotonic_s() - begun, {}))
        refreshed(loaded)
    return found


def drop(loaded: LoadedProject, table: str) -> list[str]:
    """Remove a table that the project does not declare any more, with what the lake kept beside it.

    Returns:
        The tables that were removed.

    Raises:
        HeadraceError: HR-LAKE-001 unknown table, 010 a file that cannot be removed, 029 a table that is needed;
            HR-RUN-001 when a run is going on.
    """
    from headrace.connect import drop as drop_table
    from headrace.serve.drain import drain

    lake = loaded.lake()
    with one_at_a_time(loaded.state_dir):
        if (loaded.state_dir / "spool").exists():
            drain(loaded)
        there = lake.tables()
        _refuse_needed(loaded, table, there)
        going = drop_table(lake, table, loaded.state_dir / "inbox")
        refreshed(loaded)
    return going


def _refuse_needed(loaded: LoadedProject, table: str, there: Collection[str]) -> None:
    declared = [one.name for one in sources_of(loaded.project)]
    owner = next((one for one in there if table in kept_beside(one)), None)
    if table in declared:
        found, cure = "which the project declares", "take it out of the project first"
    elif table in names_of_the_lake(declared) or owner is not None:
        found = "which the lake keeps of another" if owner else "which the lake keeps itself"
        cure = f"drop {owner}: it goes with it" if owner and owner not in declared else "leave it"
    elif table.startswith(DECISIONS_OF.format("")):
        found, cure = "the record of what was decided", "leave it: each decision has to be explained for years"
    elif is_named(loaded, table):
        found = "which a training set, a registered model or a decision on record names"
        cure = "leave it: they could not be explained or built again"
    else:
        return
    expected = "a table that nothing needs any more"
    raise HeadraceError(Fault("HR-LAKE-029", "", f"{table}, {found}", expected, cure))


def _all_of(lake: Lake, left_out: list[Fault] | None) -> list[str]:
    """The tables that can be read, and warnings of the others."""
    if left_out is None:
        return lake.tables()
    return lake.readable(left_out.append)


@contextmanager
def _passed_over(left_out: list[Fault] | None) -> Iterator[None]:
    """Tell of a table that another program made, and go on with the others."""
    try:
        yield
    except HeadraceError as error:
        if left_out is None or not {one.code for one in error.faults} <= _OF_OTHERS:
            raise
        left_out += [replace(one, severity="warning") for one in error.faults]
