"""How the next run brings tables by query up to date, and how much of the lake that can read."""

from __future__ import annotations

from collections.abc import Collection

from headrace.plan.queries import reads_of, ways
from headrace.run.project import LoadedProject


def planned(loaded: LoadedProject, names: Collection[str]) -> dict[str, str]:
    """Return for each of some tables by query how it is brought up to date; nothing is read but the log.

    Args:
        loaded: the project, without faults.
        names: of tables that a run would make.
    """
    lake, found = loaded.lake(), dict[str, str]()
    told = ways(loaded.project) if names else {}
    for name, way in told.items():
        if name in names:
            there = [read for read in reads_of(loaded.project.tables[name]) if lake.exists(read)]
            extents = {read: lake.extent(read) for read in there}
            held = [
                f"{read} has {one.rows:,} rows in {one.files:,} file{'' if one.files == 1 else 's'}"
                for read, one in extents.items()
            ]
            found[name] = "; ".join([way.said() if lake.exists(name) else "in full: for the first time", *held])
    return found
