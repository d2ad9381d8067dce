"""Commits to a Delta table: at most once each, retried when another writer came first, clear when they fail."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import deltalake
import pyarrow as pa
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from headrace.clock import now_us
from headrace.errors import Fault, HeadraceError
from headrace.lake.bucket import Address, Place, options
from headrace.lake.disk import FULL, sync
from headrace.lake.log import ordered
from headrace.lake.parts import Part, discard, write
from headrace.lake.strangers import require_writable
from headrace.refusals import told_of_arrow, told_of_disk

Once = tuple[str, int] | Sequence[tuple[str, int]]
"""Application transactions of a commit: each an id and a number that only grows."""

_SEEN: dict[tuple[str, int | None], tuple[tuple[int, int, int], deltalake.DeltaTable]] = {}
"""Tables that were opened to be read, by path and version, each with the stamp of its last commit then."""
_MOST_SEEN = 32
"""A project's tables, roughly: of each, an open table holds the names and statistics of its files."""
_ATTEMPTS = 12
_FULL = tuple(f"os error {code}" for code in FULL)
_KINDS = (
    "ACCESS_DENIED",
    "AccessDenied",
    "NO_SUCH_BUCKET",
    "NoSuchBucket",
    "InvalidAccessKeyId",
    "credentials",
    "NETWORK",
)
_BUCKET = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_REGION, and AWS_ENDPOINT_URL where it is not of AWS"
_SETTINGS: dict[str, str | None] = {
    # Every version stays readable, since training sets name the versions that they came from.
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.dataSkippingNumIndexedCols": "-1",
}


def open_table(path: Place, version: int | None = None) -> deltalake.DeltaTable:
    """Return a table of the lake, at its newest or a given version."""
    with _reachable(path):
        return deltalake.DeltaTable(str(path), version=version, storage_options=options(path))


def seen_table(path: Place, version: int | None = None) -> deltalake.DeltaTable:
    """Return a table to be read only: of a disk the one that was read before, as long as its last commit is the same.

    A refresh looks at a table a dozen times, and each time its log would be read. What is committed needs one of its
    own (``open_table``): it tells by that whether others were first.
    """
    stamp = None if isinstance(path, Address) else _last_commit(path)
    key, wanted = (str(path), version), version if version is not None or stamp is None else stamp[0]
    held = _SEEN.get(key)
    if held is not None and held[0] == stamp and held[1].version() == wanted:
        return held[1]
    table = open_table(path, version)
    if stamp is not None:
        while len(_SEEN) >= _MOST_SEEN:
            _SEEN.pop(next(iter(_SEEN)), None)
        _SEEN[key] = (stamp, table)
    return table


def _last_commit(path: Path) -> tuple[int, int, int] | None:
    """Return the version of the last commit in a table's log, and by which it is told from another of that number."""
    try:
        with os.scandir(path / "_delta_log") as log:
            last = max((one for one in log if one.name.endswith(".json")), key=lambda one: one.name, default=None)
        if last is None or not last.name[:-5].isdigit():
            return None
        told = last.stat()
    except OSError:
        return None
    return int(last.name[:-5]), told.st_ino, told.st_mtime_ns


def is_table(path: Place) -> bool:
    """Return whether there is a table."""
    with _reachable(path):
        return deltalake.DeltaTable.is_deltatable(str(path), storage_options=options(path))


@contextmanager
def _reachable(path: Place) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(path, Address):
            raise HeadraceError(_fault(path.name, error)) from error
        raise


def ensure(path: Place, schema: pa.Schema, settings: Mapping[str, str | None] = _SETTINGS) -> None:
    """Make an empty table unless it exists, however many processes try at once."""
    for attempt in range(_ATTEMPTS):
        if is_table(path):
            return
        try:
            with clear_errors(path.name):
                path.mkdir(parents=True, exist_ok=True)
                deltalake.DeltaTable.create(
                    str(path), schema, mode="ignore", configuration=settings, storage_options=options(path)
                )
                _sync_log(path, 0)
        except CommitFailedError:
            _back_off(attempt)


def commit(
    path: Place,
    data: pa.Table | pa.RecordBatchReader,
    mode: Literal["append", "overwrite"],
    once: Once | None,
    message: Mapping[str, Any] | None,
) -> int:
    """Write data as one version and return a version that holds it; with ``once``, write nothing if it is there.

    What is returned is on the disk: rows before the commit that names them, and the commit before anyone is told.
    """
    return _logged(path, lambda: _committed(path, data, mode, _marks(once), message))


def restore(
    path: Place, version: int, once: Once | None, notes: Sequence[tuple[str, int]], message: Mapping[str, Any] | None
) -> int:
    """Make the rows of an older version the newest ones, see ``commit``; ``notes`` are numbers kept with it."""
    marks = _marks(once)

    def attempt(table: deltalake.DeltaTable) -> int:
        if _all_done(table, marks) or table.version() == version:
            return int(table.version())
        require_writable(path.name, table, removes=True)
        table.restore(version, commit_properties=properties(0, message, [*marks, *notes], retries=0))
        return int(open_table(path).version())

    return _logged(path, lambda: _until_first(open_table(path), path, attempt))


@dataclass(frozen=True)
class Exchange:
    """Files of a table, and others that take their place in one commit.

    Args:
        gone: names of the files that are taken out.
        parts: that are added.
        message: plain values kept with the commit.
        operation: as the history names it; None for what the files say themselves.
        rows: that are new.
        notes: numbers kept with it, each under an application id.
        new_rows: whether others should look: False where the rows are the same, in other files.
    """

    gone: Sequence[str]
    parts: Sequence[Part]
    message: Mapping[str, Any]
    operation: str | None = None
    rows: int = 0
    notes: Sequence[tuple[str, int]] = ()
    new_rows: bool = True


def exchange(path: Place, decide: Callable[[deltalake.DeltaTable], Exchange | None], once: Once | None = None) -> int:
    """Commit what is decided for the newest version, which is asked again when another writer came first.

    Args:
        path: of the table.
        decide: says what to exchange in a version; None for nothing.
        once: as in ``commit``.

    Returns:
        The version that holds the rows; -1 where the decision was None.
    """
    marks = _marks(once)

    def attempt(table: deltalake.DeltaTable) -> int:
        if _all_done(table, marks):
            return int(table.version())
        chosen = decide(table)
        if chosen is None:
            return -1
        if not (chosen.gone or chosen.parts or marks):
            return int(table.version())
        if chosen.new_rows:
            require_writable(path.name, table, removes=bool(chosen.gone))
        try:
            _exchange(table, chosen, marks)
        except DeltaError:
            # The checkpoint after a commit can fail though the commit stands.
            if not _stands(chosen, _paths(open_table(path))):
                raise
        return int(open_table(path).version())

    version = _until_first(open_table(path), path, attempt)
    return version if version < 0 else _logged(path, lambda: version)


def _stands(chosen: Exchange, held: set[str]) -> bool:
    made = {part.path.name for part in chosen.parts}
    return bool(made or chosen.gone) and made <= held and held.isdisjoint(chosen.gone)


def _exchange(table: deltalake.DeltaTable, chosen: Exchange, marks: Sequence[tuple[str, int]]) -> None:
    held = {one["path"]: one["size_bytes"] for one in ordered(table)}
    added = [part.action(new_rows=chosen.new_rows) for part in chosen.parts]
    removed = [RemoveAction(name, chosen.new_rows, now_us() // 1000, held[name], {}) for name in chosen.gone]
    # Without retries of its own: what was decided for the version before would not hold after one.
    said = properties(chosen.rows, chosen.message, [*marks, *chosen.notes], 0, chosen.operation)
    table.create_write_transaction([*added, *removed], "append", table.schema(), [], commit_properties=said)


def _logged(path: Place, work: Callable[[], int]) -> int:
    """Sync what a commit wrote."""
    version = work()
    with clear_errors(path.name):
        _sync_log(path, version)
    return version


def until_first(path: Place, attempt: Callable[[deltalake.DeltaTable], int]) -> int:
    """Try to commit, each time to the newest version, until no other writer comes first, and sync it."""
    return _logged(path, lambda: _until_first(open_table(path), path, attempt))


def _until_first(table: deltalake.DeltaTable, path: Place, attempt: Callable[[deltalake.DeltaTable], int]) -> int:
    """Try to commit, each time to the newest version, until no other writer comes first."""
    for number in range(_ATTEMPTS):
        try:
            with clear_errors(path.name):
                return attempt(table)
        except CommitFailedError as error:
            if "Unsupported table features" in str(error):
                require_writable(path.name, table)
            _back_off(number)
            table = open_table(path)
    found = f"{path.name}: other writers came first {_ATTEMPTS} times"
    raise HeadraceError(Fault("HR-LAKE-003", "", found, "a quiet moment to commit in", "run again later"))


def properties(
    rows: int,
    message: Mapping[str, Any] | None,
    marks: Sequence[tuple[str, int]],
    retries: int | None = None,
    operation: str | None = None,
) -> deltalake.CommitProperties:
    """Return what a commit says of itself: rows, a message of plain values, numbers by application id."""
    told = {"rows": rows, "message": dict(message or {}), **({"operation": operation} if operation else {})}
    return deltalake.CommitProperties(
        custom_metadata={"headrace": json.dumps(told, sort_keys=True)},
        max_commit_retries=retries,
        app_transactions=[deltalake.Transaction(app, number) for app, number in marks],
    )


def _sync_log(path: Place, version: int) -> None:
    """Sync a commit and the folders that lead to it: deltalake leaves that to the operating system."""
    log = path / "_delta_log"
    sync(log / f"{version:020}.json", log, path, path.parent)


def _committed(
    path: Place,
    data: pa.Table | pa.RecordBatchReader,
    mode: Literal["append", "overwrite"],
    marks: list[tuple[str, int]],
    message: Mapping[str, Any] | None,
) -> int:
    table = open_table(path) if is_table(path) else None
    if table is not None and _holds(table, path, data.schema, mode, marks):
        return int(table.version())
    with clear_errors(path.name):
        path.mkdir(parents=True, exist_ok=True)
        parts = write(path, data)
    try:
        if table is None:
            # A table begins behind its first rows: when these fail, there is none, not an empty one.
            ensure(path, data.schema)
            table = open_table(path)
            if _holds(table, path, data.schema, mode, marks):
                discard(parts)
                return int(table.version())
        return _commit_parts(table, path, data.schema, parts, mode, marks, message)
    except HeadraceError:
        # The checkpoint after a commit can fail though the commit stands: its files must then stay too.
        if is_table(path):
            table = open_table(path)
            if parts and parts[0].path.name in _paths(table):
                return int(table.version())
        discard(parts)
        raise


def _holds(
    table: deltalake.DeltaTable,
    path: Place,
    schema: pa.Schema,
    mode: Literal["append", "overwrite"],
    marks: list[tuple[str, int]],
) -> bool:
    """Return whether a table holds what is to be committed already; refuse rows that it cannot take."""
    if _all_done(table, marks):
        return True
    require_writable(path.name, table, removes=mode == "overwrite")
    if mode == "append":
        same_columns(path.name, table, schema)
    return False


def _commit_parts(
    table: deltalake.DeltaTable,
    path: Place,
    schema: pa.Schema,
    parts: list[Part],
    mode: Literal["append", "overwrite"],
    marks: list[tuple[str, int]],
    message: Mapping[str, Any] | None,
) -> int:
    # deltalake's own retries would leave what came in between beside the rows that replace all others.
    retries = 0 if mode == "overwrite" else None
    said = properties(sum(part.rows for part in parts), message, marks, retries)

    def attempt(table: deltalake.DeltaTable) -> int:
        if _all_done(table, marks):
            # Of two commits with one application id only one succeeds; the other finds it done.
            discard(parts)
            return int(table.version())
        actions: list[AddAction | RemoveAction] = [part.action() for part in parts]
        columns = table.schema() if mode == "append" else deltalake.Schema.from_arrow(schema)
        table.create_write_transaction(actions, mode, columns, [], commit_properties=said)
        table.update_incremental()
        return int(table.version())

    return _until_first(table, path, attempt)


def _paths(table: deltalake.DeltaTable) -> set[str]:
    return {str(path) for path in pa.table(table.get_add_actions())["path"].to_pylist()}


def _all_done(table: deltalake.DeltaTable, marks: list[tuple[str, int]]) -> bool:
    return bool(marks) and all(done(table, app) >= number for app, number in marks)


def same_columns(name: str, table: deltalake.DeltaTable, schema: pa.Schema) -> None:
    """Refuse rows with other columns than a table has (HR-LAKE-008); their order means nothing."""
    held = {field.name: str(field.type) for field in table.schema().fields}
    given = {field.name: str(field.type) for field in deltalake.Schema.from_arrow(schema).fields}
    if held == given:
        return
    changed = sorted(name for name in {*held, *given} if held.get(name) != given.get(name))
    found = f"rows for {name} that differ from it in {', '.join(changed)}"
    cure = "load into a new stream, or declare the fields as before"
    raise HeadraceError(Fault("HR-LAKE-008", "", found, f"the columns {', '.join(held)}, with their types", cure))


def done(table: deltalake.DeltaTable, app: str) -> int:
    """Return the highest number committed under an application id, or -1."""
    number = table.transaction_version(app)
    return -1 if number is None else int(number)


def _marks(once: Once | None) -> list[tuple[str, int]]:
    if once is None:
        return []
    if isinstance(once, tuple) and len(once) == 2 and isinstance(once[0], str) and isinstance(once[1], int):
        return [(once[0], once[1])]
    return [(str(app), int(number)) for app, number in once]


def _back_off(attempt: int) -> None:
    """Wait a little longer after each collision, differently in each process."""
    spread = 0.5 + (os.getpid() * 7919 + attempt * 31) % 100 / 100
    time.sleep(min(0.005 * 2**attempt, 0.5) * spread)


@contextmanager
def clear_errors(name: str) -> Iterator[None]:
    """Turn the failures that a user can mend into faults; let collisions through to be retried."""
    try:
        yield
    except CommitFailedError:
        raise
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise HeadraceError(_fault(name, error)) from error


def _fault(name: str, error: Exception) -> Fault:
    text = str(error)
    full = isinstance(error, OSError) and error.errno in FULL
    if full or any(sign in text for sign in (*_FULL, "No space left", "File too large")):
        cure = "free some space and run again: it goes on where it stopped"
        found = f"no space left while writing {name}; nothing of it was committed"
        return Fault("HR-LAKE-002", "", found, "space", cure)
    if isinstance(error, TableNotFoundError):
        return Fault("HR-LAKE-001", "", f"no table {name} in the lake", "a table", "load it with 'headrace run'")
    if isinstance(error, (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError)):
        found, cure = f"rows for {name} of other types: {told_of_arrow(text)}", "declare what they are, or cast them"
        return Fault("HR-LAKE-008", "", found, "values of the table's types", cure)
    if any(sign in text for sign in ("AWS Error", "S3", "AWS_")):
        # What a client of S3 says may hold keys: only the kind of the error is told.
        kind = next((word for word in _KINDS if word.lower() in text.lower()), "")
        found = f"{name}, in a bucket that could not be read or written{f' ({kind})' if kind else ''}"
        return Fault("HR-LAKE-023", "", found, "a bucket that takes and gives objects", _BUCKET)
    found, cure = (
        f"{name} could not be written: {told_of_disk(error)}",
        "make the folder of the lake writable, and run again",
    )
    return Fault("HR-LAKE-010", "", found, "a folder that can be written", cure)
