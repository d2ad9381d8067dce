"""What the log of a Delta table tells: commits in our words, files in the order of their rows, how long each lasted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import deltalake
import pyarrow as pa

from headrace.lake.bounds import of_log
from headrace.lake.bucket import Place

SAME_ROWS_AS = "same_rows_as"
"""In the message of a commit without new rows: the version whose rows it holds, in fewer files or more columns."""
EVOLVED = "evolved"
"""In the message of a commit that changed columns: their names."""
_ENTRY = re.compile(r"(\d{20})\.json")


def told(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a commit as ``Lake.history`` gives it."""
    try:
        ours = json.loads(entry.get("headrace", "{}"))
    except json.JSONDecodeError:
        ours = {}
    message = ours.get("message", {})
    return {
        "version": int(entry["version"]),
        "at": int(entry["timestamp"]) * 1000,
        "operation": _operation(entry, message, ours.get("operation")),
        "rows": int(ours.get("rows", 0)),
        "message": message,
    }


def _operation(entry: dict[str, Any], message: dict[str, Any], ours: str | None) -> str:
    if ours is not None:
        return ours
    if EVOLVED in message or SAME_ROWS_AS in message:
        return "evolve" if EVOLVED in message else "compact"
    name = str(entry["operation"]).lower()
    mode = entry.get("operationParameters", {}).get("mode", "")
    return str(mode).lower() if name == "write" and mode else name


def standing(table: deltalake.DeltaTable) -> int:
    """Return the version that brought the rows of a table: its newest, unless that one left them as they were."""
    version = int(table.version())
    message = told(table.history(1)[0])["message"]
    return int(message.get(SAME_ROWS_AS, version))


def only_grew(table: deltalake.DeltaTable, since: int) -> bool:
    """Return whether all commits after a version added rows, or left those that were there as they were."""
    count = int(table.version()) - since
    commits = [told(one) for one in table.history(count)] if count > 0 else []
    return count >= 0 and all(_grew(one) for one in commits)


def _grew(commit: Mapping[str, Any]) -> bool:
    """Whether a commit took no row out; a merge says how many."""
    if commit["operation"] in ("merge", "replace"):
        return not any(commit["message"].get(what, 1) for what in ("updated", "deleted"))
    return commit["operation"] == "append" or SAME_ROWS_AS in commit["message"]


def ordered(table: deltalake.DeltaTable) -> list[dict[str, Any]]:
    """Return the files of a table in the order of their rows, with their statistics: times as ``bounds`` says them."""
    rows: list[dict[str, Any]] = of_log(pa.table(table.get_add_actions(flatten=True))).to_pylist()
    return sorted(rows, key=lambda row: (row.get("min._seq") or 0, row["path"]))


@dataclass(frozen=True)
class Extent:
    """How much a table has in its newest version, and what it is named by: rows, files, bytes, the number of it."""

    version: int
    rows: int
    files: int
    bytes: int


def extent(table: deltalake.DeltaTable) -> Extent:
    """Return how much a table has, from the log alone."""
    files = ordered(table)
    rows, size = (sum(int(one[name] or 0) for one in files) for name in ("num_records", "size_bytes"))
    return Extent(int(table.version()), rows, len(files), size)


@dataclass(frozen=True)
class Lifetime:
    """A span of versions in which a file was part of a table.

    Args:
        path: of the file, in the table's folder.
        added: first version that has it; -1 where the log does not reach back so far.
        removed: first version after that without it; None for a file that is still there.
        removed_ms: when it was removed, milliseconds UTC.
    """

    path: str
    added: int
    removed: int | None = None
    removed_ms: int = 0

    def spans(self, version: int) -> bool:
        """Whether a version has the file."""
        return self.added <= version and (self.removed is None or version < self.removed)


def lifetimes(path: Place) -> tuple[list[Lifetime], bool]:
    """Return the lifetimes of all files that a table's log names, and whether the log is whole."""
    there: dict[str, int] = {}
    found: list[Lifetime] = []
    first = None
    for version, actions in _entries(path):
        first = version if first is None else first
        committed = max(
            (int(one["commitInfo"].get("timestamp") or 0) for one in actions if "commitInfo" in one), default=0
        )
        for action in actions:
            if "remove" in action:
                name = unquote(action["remove"]["path"])
                at = max(committed, int(action["remove"].get("deletionTimestamp") or 0))
                found.append(Lifetime(name, there.pop(name, -1), version, at))
            elif "add" in action:
                there[unquote(action["add"]["path"])] = version
    found += [Lifetime(name, added) for name, added in there.items()]
    return found, first == 0


def _entries(path: Place) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    log = path / "_delta_log"
    for name in sorted(one.name for one in log.iterdir() if _ENTRY.fullmatch(one.name)):
        lines = (log / name).read_text(encoding="utf-8").splitlines()
        # A file in both was taken out and put back by one commit: removals come first.
        actions = sorted((json.loads(line) for line in lines if line.strip()), key=lambda one: "add" in one)
        yield int(name[:20]), actions
