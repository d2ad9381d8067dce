"""Files beside those of a source that no source names, such as a CSV where the source is ``data/*.parquet``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from headrace.declare import Stream, Table
from headrace.errors import Fault, HeadraceError

_SHOWN = 3
_GLOB = frozenset("*?[")


def unread_files(sources: Iterable[Stream | Table], folder: Path) -> Fault | None:
    """Return a warning that names files of a kind that can be read, in folders that sources name, which none reads.

    Args:
        sources: streams and tables of a project; those that are not of files name no folder.
        folder: the project's.
    """
    from headrace.connect import find_files
    from headrace.connect.formats import SUFFIXES
    from headrace.connect.places import is_meant, known_as

    folders, read = dict[Path, None](), set[str]()
    for source in (one.files for one in sources if one.files and "://" not in one.files):
        folders[_folder(folder, source)] = None
        try:
            read.update(file.name for file in find_files(folder, source))
        except HeadraceError:  # none yet, of which the run tells
            continue
    beside = [path for one in folders if one.is_dir() for path in sorted(one.iterdir()) if path.is_file()]
    seen = [one for one in beside if is_meant(one, one.parent, SUFFIXES)]
    names = [name for one in seen if (name := known_as(one, folder)) not in read]
    if not names:
        return None
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    found = f"{len(names)} file{'s' if len(names) > 1 else ''} that no source names: {', '.join(names[:_SHOWN])}{more}"
    cure = "widen source= of a stream or table, or nothing if they are not meant to be read"
    return Fault("HR-SOURCE-014", "", found, "that files in the folders of sources are read", cure, "warning")


def _folder(folder: Path, source: str) -> Path:
    """The folder that a source names: itself, or what comes before the name of a file or a pattern."""
    named = folder / source
    if named.is_dir():
        return named
    parts = named.relative_to(folder).parts if named.is_relative_to(folder) else named.parts
    base = folder if named.is_relative_to(folder) else Path(named.anchor)
    plain = next((at for at, part in enumerate(parts) if _GLOB & set(part)), len(parts))
    return base.joinpath(*parts[: min(plain, len(parts) - 1)])
