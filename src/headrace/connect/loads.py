"""The ledger of loads: which files were begun and finished, so that each is loaded once and never changes unseen."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from headrace.clock import now_us
from headrace.connect.places import File
from headrace.contracts.evolution import Promises
from headrace.declare.kept import LOADS
from headrace.errors import Fault, HeadraceError
from headrace.lake import Lake
from headrace.plan.snapshot import digest
from headrace.types import arrow_schema

_SCHEMA = arrow_schema(LOADS)
_PIECE = re.compile(r"#(\d+)\.\w+$")
"""How the name of a part ends that an origin delivered."""
_CONTRACT = "contract"
"""In the message of a commit: what the contract promises that all rows keep from then on."""


@dataclass(frozen=True)
class Load:
    """One file on its way into the lake.

    Args:
        id: of the load, from stream, path and content: the same file is the same load however often it is tried,
            until what came of it was withdrawn.
        file: that is loaded.
        sha256: of its bytes, in hex.
        begun: whether an earlier run began it and did not finish.
        position: how far its origin was read with it; empty for files.
    """

    id: str
    file: File
    sha256: str
    begun: bool = False
    position: str = ""

    @property
    def name(self) -> str:
        """Of the file."""
        return self.file.name

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        return self.file.size

    @property
    def app(self) -> str:
        """Application id of the load's commits; their number is the last row of the file that they cover."""
        return f"load:{self.id}"


@dataclass(frozen=True)
class Past:
    """What the ledger knows of a load: its file, what became of it, and its rows, as they were counted at its end.

    Args:
        state: ``started``; ``finished``; ``withdrawn``, and to be loaded anew; ``removed``, its rows taken out by a
            restore, and not to be loaded again; ``restored``, its rows brought back by a later one.
        accepted, quarantined: rows; 0 before its end was reached.
        position: how far its origin was read with it; empty for files.
    """

    id: str
    name: str
    size: int
    sha256: str
    state: str
    received: int = 0
    accepted: int = 0
    quarantined: int = 0
    position: str = ""

    @property
    def finished(self) -> bool:
        """Whether all its rows are in the lake."""
        return self.state in ("finished", "restored")

    @property
    def removed(self) -> bool:
        """Whether a restore took its rows out, for good."""
        return self.state == "removed"


class Ledger:
    """The table ``loads_<stream>`` of the lake.

    Args:
        lake: in which it is.
        stream: whose loads it tells.
    """

    def __init__(self, lake: Lake, stream: str) -> None:
        self._lake, self._stream = lake, stream
        self.table = f"loads_{stream}"
        self.by_id: dict[str, Past] = {}
        self.by_name: dict[str, Past] = {}
        self.by_content: dict[str, Past] = {}
        self.contract = ""
        self.dropped = False
        """Whether all of it is to go: a drop began, and did not come to its end."""
        self.restores = self.replays = 0
        self._begun: Counter[str] = Counter()
        for row in lake.read(self.table).to_pylist() if lake.exists(self.table) else []:
            self._learn(row)

    def _learn(self, row: dict[str, Any]) -> None:
        counts = (row["received"], row["accepted"], row["quarantined"])
        past = Past(row["_load"], row["path"], row["bytes"], row["sha256"], row["state"], *counts, row["position"])
        if past.state == "checked":
            self.contract = past.sha256
        elif past.state in ("drop", "keep"):
            self.dropped = past.state == "drop"
        elif past.state == "restore":
            self.restores, self.contract = past.received, ""
        elif past.state == "replay":
            self.replays = past.received
        else:
            self._know(past)

    def _know(self, past: Past) -> None:
        self.by_id[past.id] = past
        self._begun[past.name] += past.state == "started"
        known = self.by_name.get(past.name)
        if past.state == "withdrawn":
            for index, key in ((self.by_name, past.name), (self.by_content, past.sha256)):
                if key in index and index[key].id == past.id:
                    del index[key]
        elif past.state != "started" or known is None or not known.finished:
            self.by_name[past.name] = past
        if past.finished or past.removed:
            self.by_content[past.sha256] = past

    @property
    def unfinished(self) -> list[Past]:
        """Loads that were begun, and neither finished nor withdrawn."""
        return [past for past in self.by_name.values() if past.state == "started"]

    @property
    def removed(self) -> list[Past]:
        """Loads whose rows a restore took out; files with their content stay out."""
        return [past for past in self.by_content.values() if past.removed]

    @property
    def reached(self) -> str:
        """How far an origin was read with all that was loaded of it; empty at first."""
        there = [past for past in self.by_id.values() if past.position and (past.finished or past.removed)]
        return there[-1].position if there else ""

    @property
    def pieces(self) -> int:
        """The number of the last part that an origin ever delivered."""
        numbers = (_PIECE.search(past.name) for past in self.by_id.values())
        return max((int(found[1]) for found in numbers if found), default=0)

    def load(self, file: File, sha256: str, position: str = "") -> Load:
        """Return the load of a file: one that was cut off, or a new one."""
        name = file.name
        past = self.by_name.get(name)
        if past is not None and past.sha256 == sha256:
            return Load(past.id, file, sha256, begun=True, position=position)
        # What was withdrawn and comes again is another load: the lake would take its rows for committed before.
        again = f"\0{self._begun[name]}" if self._begun[name] else ""
        identity = hashlib.sha256(f"{self._stream}\0{name}\0{sha256}{again}".encode()).hexdigest()[:16]
        return Load(identity, file, sha256, position=position)

    def begin(self, loads: Sequence[Load]) -> None:
        """Record that these loads begin, in one commit, unless an earlier run did."""
        fresh = [load for load in loads if not load.begun]
        if fresh:
            self._append([_row(load, "started", 0, 0, 0) for load in fresh])

    def finish(self, done: Sequence[tuple[Load, int, int, int]]) -> None:
        """Record finished loads with their rows received, accepted and quarantined, in one commit."""
        if done:
            self._append([_row(load, "finished", *counts) for load, *counts in done])

    def withdraw(self, loads: Sequence[Past]) -> None:
        """Record that no rows of these loads are in the lake any more, in one commit."""
        if not loads:
            return
        gone = [replace(load, state="withdrawn") for load in loads]
        self._append([_row(one, one.state, one.received, one.accepted, one.quarantined) for one in gone])
        for one in gone:
            self._know(one)

    def restored(self, number: int, loads: Sequence[Past]) -> None:
        """Record what a restore has made of loads, in one commit.

        Rows may have come back that were accepted under another contract, so they must be checked again.

        Args:
            number: of the restore, from 1.
            loads: as they are from now on, if that is not what they were.
        """
        outcome = [_row(one, one.state, one.received, one.accepted, one.quarantined) for one in loads]
        self._append([*outcome, _row(Past("", "", 0, "", ""), "restore", number, 0, 0)])
        for one in loads:
            self._know(one)
        self.restores, self.contract = number, ""

    def replayed(self, number: int, loads: Sequence[Past]) -> None:
        """Record what a replay has made of loads, in one commit; ``number`` counts them, from 1."""
        outcome = [_row(one, one.state, one.received, one.accepted, one.quarantined) for one in loads]
        self._append([*outcome, _row(Past("", "", 0, "", ""), "replay", number, 0, 0)])
        for one in loads:
            self._know(one)
        self.replays = number

    def drop(self) -> None:
        """Record that a drop begins of the table and all that is kept beside it."""
        self._append([_row(Past("", "", 0, "", ""), "drop", 0, 0, 0)])

    def require_kept(self) -> None:
        """Refuse to work on what a drop that was cut off has left (HR-QUARANTINE-007)."""
        if self.dropped:
            name = self._stream
            found, expected = f"{name}, of which a drop was cut off", "a table that stands, or is gone"
            cure = f"headrace run, which brings the drop to its end or keeps the table; or headrace lake drop {name}"
            raise HeadraceError(Fault("HR-QUARANTINE-007", "", found, expected, cure))

    def keep(self) -> None:
        """Record that a drop which began did not happen: the table stands."""
        self._append([_row(Past("", "", 0, "", ""), "keep", 0, 0, 0)])
        self.dropped = False

    def checked(self, contract: Promises) -> None:
        """Record that all rows in the lake keep a contract, given by what it promises, which the commit keeps."""
        promised = digest(contract)
        row = _row(Past("", "", 0, promised, ""), "checked", 0, 0, 0)
        self._append([row], message={_CONTRACT: contract})
        self.contract = promised

    def promises(self) -> Promises | None:
        """Return what the contract promises that all rows kept when it was last recorded; None where it was not."""
        commits = self._lake.history(self.table) if self._lake.exists(self.table) else []
        found: Promises | None = next(
            (one["message"][_CONTRACT] for one in commits if _CONTRACT in one["message"]), None
        )
        return found

    def _append(self, rows: list[dict[str, object]], message: dict[str, object] | None = None) -> None:
        self._lake.append(self.table, pa.Table.from_pylist(rows, schema=_SCHEMA), message=message)


def _row(load: Load | Past, state: str, received: int, accepted: int, quarantined: int) -> dict[str, object]:
    return {
        "_load": load.id,
        "path": load.name,
        "bytes": load.size,
        "sha256": load.sha256,
        "state": state,
        "received": received,
        "accepted": accepted,
        "quarantined": quarantined,
        "position": load.position,
        "at": now_us(),
    }
