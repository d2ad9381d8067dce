"""The tables of a project as views of a DuckDB file, for tools that know nothing of Headrace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from headrace.errors import Fault, HeadraceError
from headrace.run.project import LoadedProject

_NAME = "lake.duckdb"


def attach(loaded: LoadedProject, path: Path | None = None) -> tuple[Path, int, list[Fault]]:
    """Write the file, or write it anew; return where it is, how many tables it shows, and warnings of those it cannot.

    It shows the tables as they are at that moment. The one in the project's state is written anew by whatever changes
    tables from then on: runs, restores, compactions, vacuums.

    Args:
        loaded: the project.
        path: of the file; by default ``lake.duckdb`` in the project's state.

    Raises:
        HeadraceError: HR-LAKE-015 when it cannot be written, or is there and holds something else.
    """
    path = loaded.state_dir / _NAME if path is None else path
    left_out = list[Fault]()
    count = loaded.lake().attach(path, left_out.append)
    return path, count, left_out


def refreshed(loaded: LoadedProject) -> list[Fault]:
    """Write the file in the project's state anew where there is one; what hinders that is a warning."""
    if not (loaded.state_dir / _NAME).exists():
        return []
    try:
        return attach(loaded)[2]
    except HeadraceError as error:
        return [replace(fault, severity="warning") for fault in error.faults]
