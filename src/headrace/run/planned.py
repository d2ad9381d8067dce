"""How the next run brings tables by query up to date, and how much of the lake that can read."""

from __future__ import annotations

from collections.abc import Collection

from headrace.declare import node_id
from headrace.plan.queries import reads_of, ways
from headrace.run.declared import Declared
from headrace.run.project import LoadedProject


def planned(loaded: LoadedProject, declared: Declared, names: Collection[str]) -> dict[str, str]:
    """Return for each of some tables by query how it is brought up to date; nothing is read but the log.

    Args:
        loaded: the project, without faults.
        declared: its declarations.
        names: of tables that a run would make.
    """
    from headrace.run.refresh import why_anew

    lake, found = loaded.lake(), dict[str, str]()
    told = ways(loaded.project) if names else {}
    for name, way in told.items():
        if name in names:
            table = loaded.project.tables[name]
            there = [read for read in reads_of(table) if lake.exists(read)]
            extents = {read: lake.extent(read) for read in there}
            held = [
                f"{read} has {one.rows:,} rows in {one.files:,} file{'' if one.files == 1 else 's'}"
                for read, one in extents.items()
            ]
            anew = why_anew(table, lake, declared.own(node_id(table)))
            found[name] = "; ".join([f"in full: {anew}" if anew else way.said(), *held])
    return found
