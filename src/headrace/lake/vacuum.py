"""Files are removed: those that no version which is still wanted has, those that a kill left behind, whole tables."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass

from headrace.lake.bucket import Address, Place, files, system
from headrace.lake.commit import clear_errors, open_table
from headrace.lake.log import Lifetime, lifetimes, ordered

_LOG, _GOING = "_delta_log", ".dropped"


@dataclass(frozen=True)
class Vacuumed:
    """What a vacuum removed, or would remove: files and their bytes, and the versions that can no longer be read."""

    files: int = 0
    bytes: int = 0
    versions: tuple[int, ...] = ()


def vacuum(path: Place, before_us: int, pinned: Collection[int], *, dry_run: bool) -> Vacuumed:
    """Remove the files of a table that were of no use before a moment, unless a pinned version has them.

    Args:
        path: of the table.
        before_us: microseconds UTC; a version that was the newest at any time after it keeps its files.
        pinned: versions that keep theirs however old they are.
        dry_run: whether only to say what would be removed.

    Raises:
        HeadraceError: HR-LAKE-010 when a file cannot be removed.
    """
    with clear_errors(path.name):
        # What is written from here on is younger than the moment, and so is what this table has now.
        table = open_table(path)
        there, (spans, whole) = {one["path"] for one in ordered(table)}, lifetimes(path)
        by_path: dict[str, list[Lifetime]] = {}
        for one in spans:
            by_path.setdefault(one.path, []).append(one)
        useless: dict[str, int] = {}
        for name, size, changed_us in files(path):
            mine = by_path.get(name, [])
            # What no commit names was left by a kill, or its commit is yet to come.
            stranded = whole and not mine and changed_us < before_us
            over = bool(mine) and all(_is_over(one, before_us, pinned) for one in mine)
            if name not in there and (stranded or over):
                useless[name] = size
        lost = [one for name in useless for one in by_path.get(name, [])]
        gone = {n for n in range(int(table.version())) if any(one.spans(n) for one in lost)}
        for name in () if dry_run else useless:
            (path / name).unlink()
    return Vacuumed(len(useless), sum(useless.values()), tuple(sorted(gone)))


def _is_over(span: Lifetime, before_us: int, pinned: Collection[int]) -> bool:
    over = span.removed is not None and span.removed_ms * 1000 < before_us
    return over and not any(span.spans(version) for version in pinned)


def drop(path: Place) -> None:
    """Remove a table with all its versions.

    On a disk it is gone in one step; what a kill left of it goes with the next drop. In a bucket the folder of its log
    is emptied first and goes last: what is killed in the middle is no table that can be read, but one that is listed,
    and that can be dropped again.
    """
    with clear_errors(path.name):
        if isinstance(path, Address):
            _drop_from_bucket(path)
            return
        for left in path.parent.glob(f".*{_GOING}"):
            shutil.rmtree(left, ignore_errors=True)
        shutil.rmtree(path.rename(path.with_name(f".{path.name}{_GOING}")))


def _drop_from_bucket(path: Address) -> None:
    import pyarrow.fs as pafs

    bucket, key = system(), path.key
    bucket.create_dir(f"{key}/{_LOG}", recursive=False)  # a bucket has no folders but for the mark that this leaves
    bucket.delete_dir_contents(f"{key}/{_LOG}")
    for one in bucket.get_file_info(pafs.FileSelector(key)):
        if one.type == pafs.FileType.File:
            bucket.delete_file(one.path)
        elif one.base_name != _LOG:
            bucket.delete_dir(one.path)
    bucket.delete_dir(key)
