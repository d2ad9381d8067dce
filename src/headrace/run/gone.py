"""Files that were loaded and are no longer where their source points: their rows stay, and that is said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headrace.declare import Stream, Table
from headrace.errors import Fault, HeadraceError

if TYPE_CHECKING:
    from headrace.connect.places import File
    from headrace.lake import Lake

_SHOWN = 3


def gone_files(source: Stream | Table, folder: Path, lake: Lake) -> Fault | None:
    """Return a warning that names loaded files which are gone, with how many rows of them stay in the lake, else None.

    A file that was only renamed is not gone: its content is there.

    Args:
        source: a stream or table of files.
        folder: the project's.
        lake: with what was loaded.
    """
    from headrace.connect.files import digest
    from headrace.connect.loads import Ledger

    ledger = Ledger(lake, source.name)
    loaded = {name: past for name, past in ledger.by_name.items() if past.finished}
    there = _there(source, folder)
    missing = [name for name in loaded if name not in there]
    if not missing:
        return None
    renamed = {digest(file) for name, file in there.items() if name not in loaded}
    names = [name for name in missing if loaded[name].sha256 not in renamed]
    if not names:
        return None
    ids = {loaded[name].id for name in names}
    loads = lake.read(ledger.table).to_pylist()
    rows = sum(one["accepted"] for one in loads if one["state"] == "finished" and one["_load"] in ids)
    return _told(source, sorted(names), rows)


def _there(source: Stream | Table, folder: Path) -> dict[str, File]:
    from headrace.connect import find_files

    try:
        return {file.name: file for file in find_files(folder, source.source or "")}
    except HeadraceError:  # none is left, of which the run tells
        return {}


def _told(source: Stream | Table, names: list[str], rows: int) -> Fault:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    one = len(names) == 1
    what = "a loaded file that is gone" if one else f"{len(names)} loaded files that are gone"
    found = f"{what}: {', '.join(names[:_SHOWN])}{more}; {rows:,} rows of {'it' if one else 'them'} stay in the lake"
    cure = "put it back, or leave it so; there is no way yet to take the rows of one file out of the lake, see the docs"
    return Fault("HR-SOURCE-013", source.place, found, "that loaded files stay: the lake only grows", cure, "warning")
