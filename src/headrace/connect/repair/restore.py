"""Restoring a stream or table to an older version: its rows, its quarantine and its ledger, so that they still agree.

The rows go first, by one commit that says all that the rest needs; whatever is killed after it is completed by the next
load or restore. A version can be restored when each load is in it as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from headrace.connect.loads import Ledger, Past
from headrace.connect.repair.replay import complete_replay
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake

_APP = "restore"
"""Application id of the commits of a restore; their number is that of the restore, from 1."""
Counts = Mapping[str, int]


@dataclass(frozen=True)
class Restored:
    """What a restore did.

    Args:
        table: its name.
        restored: the version whose rows it has now.
        version: the new version that holds them; as before where nothing had to be done.
        rows: there now.
        rows_before: that were there before.
        removed: files whose rows are out now, and that are not loaded again.
        returned: files whose rows are back.
        reload: files that the next run loads again.
    """

    table: str
    restored: int
    version: int
    rows: int
    rows_before: int
    removed: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()


def restore(
    lake: Lake, name: str, *, version: int | None = None, at: int | None = None, reload: bool = False
) -> Restored:
    """Make the rows of an older version of a stream or table the newest ones; nothing between is lost.

    Args:
        lake: with the table, its quarantine and its ledger.
        name: of the table.
        version: to restore, or
        at: the moment (UTC microseconds) as of which; then the last version that has no load by half is taken.
        reload: whether the next run loads files again whose rows are out, by this restore or an earlier one.

    Returns:
        What was done; the newest version of the rows is no work.

    Raises:
        HeadraceError: HR-LAKE-001 unknown table, 007 no such version, or one that was vacuumed, 009 it is being
            loaded, 012 a version in the middle of a load; HR-QUARANTINE-007 a drop of it was cut off.
    """
    with lake.lock(name):
        ledger = complete_restore(lake, name)
        before, rows = dict(ledger.by_id), lake.rows(name)
        newest = lake.version_at(name, at) if version is None and at is not None else int(version or 0)
        wanted, quarantine, half = _last_whole(lake, name, ledger, newest)
        if half and version is not None:
            raise HeadraceError(_halved(name, version, half, wanted))
        if wanted != lake.version(name):
            number = restores(lake, name) + 1
            lake.restore(name, wanted, once=(_APP, number), message={"quarantine": quarantine, "reload": reload})
            _complete(lake, name, ledger, number, quarantine, reload=reload)
        elif reload and ledger.removed:
            ledger.restored(ledger.restores + 1, [replace(past, state="withdrawn") for past in ledger.removed])
        return _told(lake, name, wanted, rows, before, ledger)


def restores(lake: Lake, name: str) -> int:
    """Return how often a stream or table was restored."""
    return max(lake.committed(name, _APP), Ledger(lake, name).restores, 0)


def complete_restore(lake: Lake, name: str) -> Ledger:
    """Return the ledger of a stream, after what was cut off is completed, a restore or a replay.

    The caller holds the stream's lock.

    Raises:
        HeadraceError: HR-QUARANTINE-007 a drop of it was cut off.
    """
    ledger = Ledger(lake, name)
    ledger.require_kept()
    number = lake.committed(name, _APP)
    if number > ledger.restores:
        message = next(one["message"] for one in lake.history(name) if one["operation"] == _APP)
        _complete(lake, name, ledger, number, message["quarantine"], reload=message["reload"])
    return complete_replay(lake, name, ledger)


def _complete(lake: Lake, name: str, ledger: Ledger, number: int, quarantine: int | None, *, reload: bool) -> None:
    if quarantine is not None:
        lake.restore(f"quarantine_{name}", quarantine, once=(_APP, number))
    accepted, refused = _counts(lake, name, None), _counts(lake, f"quarantine_{name}", None)
    pasts = [_as_counted(past, accepted, refused) for past in ledger.by_id.values()]
    states = [(past, _state(past, set(accepted) | set(refused), reload)) for past in pasts]
    loads = [
        replace(past, state=state or past.state) for past, state in states if state or past != ledger.by_id[past.id]
    ]
    # What is out comes first: of a file that was loaded twice, the load that is there decides.
    ledger.restored(number, sorted(loads, key=lambda past: past.finished))


def _as_counted(past: Past, accepted: Counts, refused: Counts) -> Past:
    """Return a load with the rows that it has now: a replay may have moved some between the two versions."""
    found = accepted.get(past.id, 0), refused.get(past.id, 0)
    return replace(past, accepted=found[0], quarantined=found[1]) if past.finished and any(found) else past


def _state(past: Past, there: set[str], reload: bool) -> str | None:
    """Return the state that a load has after a restore, or None where it stays what it was."""
    if past.id in there:
        return None if past.finished or past.state == "started" else "restored"
    if past.state == "started" or (reload and past.removed):
        return "withdrawn"
    if past.finished and past.received:
        return "withdrawn" if reload else "removed"
    return None


def _last_whole(lake: Lake, name: str, ledger: Ledger, newest: int) -> tuple[int, int | None, str]:
    """Return the last version up to one that has no load by half, its quarantine, and the file that the newest halves.

    Raises:
        HeadraceError: HR-LAKE-007 when there is no such version.
    """
    first = ""
    for version in range(newest, -1, -1):
        quarantine = _quarantine_of(lake, name, version)
        half = _half(lake, name, ledger, version, quarantine)
        if not half:
            return version, quarantine, first
        first = first or half
    raise HeadraceError(_halved(name, newest, first, None))


def _half(lake: Lake, name: str, ledger: Ledger, version: int, quarantine: int | None) -> str:
    """Return the file of a load of which a version has some rows and not all, or nothing."""
    held = f"quarantine_{name}"
    rows, refused = _counts(lake, name, version), {} if quarantine is None else _counts(lake, held, quarantine)
    now, refused_now = _counts(lake, name, None), _counts(lake, held, None)
    for past in ledger.by_id.values():
        # A load that was cut off has no end yet: as it is, it can go on.
        ended = past.received or now.get(past.id, 0) + refused_now.get(past.id, 0)
        if rows.get(past.id, 0) + refused.get(past.id, 0) not in (0, ended):
            return past.name
    return ""


def _quarantine_of(lake: Lake, name: str, version: int) -> int | None:
    """Return the version of a quarantine that belongs to a version of its table: of each batch it is committed first.

    What a restore leaves in quarantine comes after its rows, and is told by the commit of these.
    """
    if not lake.exists(f"quarantine_{name}"):
        return None
    lake.files(name, version)
    commit = next(one for one in lake.history(name) if one["version"] == version)
    if commit["operation"] == _APP and commit["message"].get("quarantine") is not None:
        return int(commit["message"]["quarantine"])
    if "replayed" in commit["message"]:  # of a replay the quarantine follows
        after = [one for one in lake.history(f"quarantine_{name}") if one["at"] >= commit["at"]]
        return min(int(one["version"]) for one in after if "replay" in one["message"])
    before = [one["version"] for one in lake.history(f"quarantine_{name}") if one["at"] <= commit["at"]]
    return max(before, default=0)


def _counts(lake: Lake, table: str, version: int | None) -> Counts:
    """Return the rows of each load in a table."""
    if not lake.exists(table) or "_load" not in lake.schema(table, version).names:
        return {}
    versions = {} if version is None else {table: version}
    rows = lake.sql(f'select _load, count(*) as n from "{table}" where _load is not null group by 1', versions)
    return {row["_load"]: row["n"] for row in rows.to_pylist()}


def _halved(name: str, version: int, file: str, before: int | None) -> Fault:
    cure = "name another with --version" if before is None else f"name another: the last before it is {before}"
    found = f"version {version} of {name}, which has a part of a file that was loaded"
    return Fault("HR-LAKE-012", file, found, "a version that has all rows of a load, or none", cure)


def _told(lake: Lake, name: str, wanted: int, rows: int, before: Mapping[str, Past], ledger: Ledger) -> Restored:
    def changed(state: str) -> tuple[str, ...]:
        now = (past for past in ledger.by_id.values() if past.state == state)
        return tuple(sorted(past.name for past in now if before[past.id].state != state))

    out = changed("removed"), changed("restored"), changed("withdrawn")
    return Restored(name, wanted, lake.version(name), lake.rows(name), rows, *out)
