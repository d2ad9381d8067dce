"""Files that are gone while their rows stay, and files that stay while a restore took their rows out: both are said."""

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
    from headrace.connect.files import content_of
    from headrace.connect.loads import Ledger

    if source.files is None:
        return None
    ledger = Ledger(lake, source.name)
    loaded = {name: past for name, past in ledger.by_name.items() if past.finished}
    there = _there(source, folder)
    missing = [name for name in loaded if name not in there]
    if not missing:
        return None
    renamed = {content_of(file, source) for name, file in there.items() if name not in loaded}
    names = [name for name in missing if loaded[name].sha256 not in renamed]
    if not names:
        return None
    return _told(source, sorted(names), sum(loaded[name].accepted for name in names))


def kept_out(source: Stream | Table, folder: Path, lake: Lake) -> Fault | None:
    """Return a warning that names files whose rows a restore took out, and which are not loaded again, else None."""
    from headrace.connect.loads import Ledger

    there = _there(source, folder)
    names = sorted({past.name for past in Ledger(lake, source.name).removed} & set(there))
    if not names:
        return None
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    found = (
        f"{len(names)} file{'s' * (len(names) > 1)} whose rows a restore took out: {', '.join(names[:_SHOWN])}{more}"
    )
    version = lake.version(source.name)
    cure = f"move them away, or 'headrace lake restore {source.name} --version {version} --reload' loads them again"
    return Fault("HR-LAKE-013", source.place, found, "that what was taken out stays out", cure, "warning")


def _there(source: Stream | Table, folder: Path) -> dict[str, File]:
    from headrace.connect import find_files

    try:
        return {file.name: file for file in find_files(folder, source.files)} if source.files else {}
    except HeadraceError:  # none is left, of which the run tells
        return {}


def _told(source: Stream | Table, names: list[str], rows: int) -> Fault:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    one = len(names) == 1
    what = "a loaded file that is gone" if one else f"{len(names)} loaded files that are gone"
    found = f"{what}: {', '.join(names[:_SHOWN])}{more}; {rows:,} rows of {'it' if one else 'them'} stay in the lake"
    cure = "put it back, or leave it so; there is no way yet to take the rows of one file out of the lake, see the docs"
    return Fault("HR-SOURCE-013", source.place, found, "that loaded files stay: the lake only grows", cure, "warning")
