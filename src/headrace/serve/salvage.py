"""Records of a journal that was altered on the disk: what is whole goes into the lake, its files are set aside."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace import clock
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.lake.disk import sync
from headrace.lake.lock import exclusive
from headrace.online.room import RESTORE, environment
from headrace.serve.drain import commit, journals, spool_of, table_of
from headrace.serve.journal import Frame, frames, identity, salvaged
from headrace.serve.loaded import Loaded, services_of
from headrace.serve.record import Kept, is_context, unpacked
from headrace.serve.spool import MAP_BYTES, Spool, gone, opened
from headrace.serve.workers.part import in_use


@dataclass(frozen=True)
class Salvaged:
    """What was kept of a journal that was altered.

    Args:
        journal: its id, with which the ids of its records begin.
        moved: records that were brought into the lake.
        missing: the first and the last of each run of numbers of which no record is whole, neither in its files nor in
            the lake; writes that a full disk refused leave such runs, too.
        aside: where its files are now.
    """

    journal: str
    moved: int
    missing: list[tuple[int, int]]
    aside: Path

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return {**vars(self), "aside": str(self.aside)}


def salvage(loaded: Loaded) -> tuple[list[Salvaged], bool]:
    """Bring what is whole of altered journals into the lake, and set their files aside; nothing is removed.

    Returns:
        What was kept of each; and whether the spool had lost its file, and has another now: it does not know which ids
        were decided before, and live events that were not in the lake are gone.

    Raises:
        HeadraceError: HR-SERVE-001 for a project without services; 011 where a service runs; HR-ONLINE-004 where the
            id of a journal is not known any more; HR-LAKE-... when the lake cannot be written.
    """
    services, folder = list(services_of(loaded)), spool_of(loaded.state_dir)
    try:
        with exclusive(loaded.state_dir / "serving.lock", wait_s=0):
            damaged = [journal for journal in journals(folder) if _altered(journal)]
            anew = gone(folder)
            if anew:
                environment(folder, MAP_BYTES, 1, RESTORE).close()
            if not damaged:
                return [], anew
            lake = loaded.lake()
            with opened(folder) as spool, lake.lock("decisions"):
                return [_salvaged(spool, lake, journal, services) for journal in damaged], anew
    except HeadraceError as error:
        raise (in_use() if error.faults[0].code == "HR-LAKE-009" else error) from None


def _altered(journal: Path) -> bool:
    try:
        identity(journal)
        deque(frames(journal), maxlen=0)
    except HeadraceError:
        return True
    return False


def _identity(journal: Path) -> str:
    """The id of a journal; where it is lost, notes of what was moved have it in their name."""
    try:
        return identity(journal)
    except HeadraceError:
        noted = {path.name.removeprefix("moved-") for path in journal.glob("moved-*")}
        if len(noted) != 1:
            raise
        return noted.pop()


def _salvaged(spool: Spool, lake: Lake, journal: Path, services: list[str]) -> Salvaged:
    own = _identity(journal)
    there = {name: lake.committed(table_of(name), f"records:{own}") for name in services}
    every, moved = list(salvaged(journal)), 0
    whole = _whole(every)
    fresh = [one for one in whole if one.number > there.get(one.service, 0)]
    for service in dict.fromkeys(one.service for one in fresh):
        moved += commit(spool, lake, own, [one for one in fresh if one.service == service])
    begin, end = min((number for number, _ in every), default=1), max((number for number, _ in every), default=0) + 1
    done = max(0, *there.values())
    lost = set(range(min(begin, done + 1), end)) - {one.number for one in whole}
    if any(number <= done for number in lost):  # a salvage that did not end has moved what is behind them
        lost -= _there(lake, own, list(there))
    missing = _spans(sorted(lost))
    aside = journal.with_name(f"aside-{own}-{clock.now_us()}")
    journal.rename(aside)
    sync(journal.parent)
    return Salvaged(own, moved, missing, aside)


def _there(lake: Lake, own: str, services: Sequence[str]) -> set[int]:
    """The numbers of a journal's records that are in the lake."""
    found = set[int]()
    for table in map(table_of, services):
        for batch in lake.batches(table, columns=["record_id"]) if lake.exists(table) else ():
            ids = (one.rpartition("-") for one in batch.column("record_id").to_pylist())
            found |= {int(number) for journal, _, number in ids if journal == own}
    return found


def _whole(every: Sequence[Frame]) -> list[Kept]:
    """All records that can be read; what they share stands in each file, and that of one serves another."""
    shared = [one for one in every if is_context(one[1])]
    records = [one for one in every if not is_context(one[1])]
    with contextlib.suppress(KeyError):
        return list(unpacked([*shared, *records]))
    found = list[Kept]()
    for one in records:
        with contextlib.suppress(KeyError):  # what it shares with others is not there any more
            found += unpacked([*shared, one])
    return found


def _spans(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and the last of each run of numbers."""
    runs = (list(run) for _, run in itertools.groupby(enumerate(numbers), lambda one: one[1] - one[0]))
    return [(run[0][1], run[-1][1]) for run in runs]
