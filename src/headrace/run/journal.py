"""What was done with which inputs: a small crash-safe record, by which a run knows what it need not do again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace import clock
from headrace.errors import Fault, HeadraceError

_SCHEMA = """
create table if not exists steps (
    id text primary key, inputs text not null, figures text not null, at integer not null
);
create table if not exists runs (
    number integer primary key autoincrement,
    kind text not null, started integer not null, finished integer, outcome text not null, report text not null
);
create table if not exists declarations (only_one integer primary key check (only_one = 1), snapshot text not null);
pragma user_version = 1;
"""
_VERSION = 1


@dataclass(frozen=True)
class Done:
    """A step as it was last completed: its inputs, what came of it, and when (UTC microseconds)."""

    inputs: Mapping[str, str]
    figures: Mapping[str, Any]
    at: int


@dataclass(frozen=True)
class PastRun:
    """A run on record; times are UTC microseconds, ``finished`` is None for one that was cut off."""

    number: int
    kind: str
    started: int
    finished: int | None
    outcome: str
    report: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the run as plain values for ``--json``; ``by`` is who applied it, where somebody did."""
        return {
            "number": self.number,
            "kind": self.kind,
            "started": _second(self.started),
            "finished": None if self.finished is None else _second(self.finished),
            "outcome": self.outcome,
            "by": self.report.get("by", ""),
        }


class Journal:
    """The record of a project's runs, in one SQLite file; every call is one transaction on disk.

    Args:
        path: of the file; made where it is absent.
        now_us: clock, UTC microseconds.

    Example:
        >>> import tempfile
        >>> journal = Journal(Path(tempfile.mkdtemp()) / "run.db")
        >>> journal.complete("ingest:payments", {"file a.csv": "1"}, {"accepted": 5})
        >>> journal.step("ingest:payments").figures["accepted"]
        5
    """

    def __init__(self, path: Path, now_us: clock.Clock = clock.now_us) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._now_us = now_us
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=30)
            self._connection.execute("pragma journal_mode = wal")
            self._connection.execute("pragma synchronous = full")
            version = int(self._connection.execute("pragma user_version").fetchone()[0])
            if version == 0:
                self._connection.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise HeadraceError(_unwritten(error)) from error
        except sqlite3.DatabaseError as error:
            cure = f"move {path.name} away: the next run makes a new one, and doubles nothing"
            raise HeadraceError(Fault("HR-RUN-002", path.name, f"{error}", "a journal", cure)) from error
        if version > _VERSION:
            found = f"a journal of version {version}"
            raise HeadraceError(Fault("HR-RUN-003", path.name, found, f"version {_VERSION}", "use a newer Headrace"))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def step(self, step_id: str) -> Done | None:
        """Return how a step was last completed, or None."""
        row = self._connection.execute("select inputs, figures, at from steps where id = ?", (step_id,)).fetchone()
        return None if row is None else Done(json.loads(row[0]), json.loads(row[1]), row[2])

    def complete(self, step_id: str, inputs: Mapping[str, str], figures: Mapping[str, Any]) -> None:
        """Record that a step was done with these inputs; call it after the effect is on disk."""
        values = (step_id, _json(inputs), _json(figures), self._now_us())
        self._write("insert or replace into steps values (?, ?, ?, ?)", values)

    def forget(self, step_id: str) -> None:
        """Forget a step, so that the next run does it again."""
        self._write("delete from steps where id = ?", (step_id,))

    def begin(self, kind: str) -> int:
        """Record that a ``run``, ``apply`` or ``train`` begins; return its number. An unfinished one was cut off."""
        self._write("update runs set outcome = 'cut off' where outcome = 'running'", ())
        begun = "insert into runs (kind, started, outcome, report) values (?, ?, 'running', '{}')"
        return self._write(begun, (kind, self._now_us()))

    def note(self, number: int, report: Mapping[str, Any]) -> None:
        """Record what a run has done so far, so that one that is cut off has left its steps."""
        self._write("update runs set report = ? where number = ?", (_json(report), number))

    def finish(self, number: int, outcome: str, report: Mapping[str, Any]) -> None:
        """Record how a run ended: ``done``, ``failed`` or ``interrupted``."""
        values = (self._now_us(), outcome, _json(report), number)
        self._write("update runs set finished = ?, outcome = ?, report = ? where number = ?", values)

    def runs(self, last: int = 10, *, number: int | None = None, after: int = -1) -> list[PastRun]:
        """Return the last runs, newest first; only one of a number, or those after one, where that is asked for."""
        columns = "number, kind, started, finished, outcome, report"
        query = f"select {columns} from runs where number > ? and ? in (-1, number) order by number desc limit ?"
        rows = self._connection.execute(query, (after, -1 if number is None else number, last)).fetchall()
        return [PastRun(row[0], row[1], row[2], row[3], row[4], json.loads(row[5])) for row in rows]

    def snapshot(self) -> dict[str, Any] | None:
        """Return the declarations as the last completed run saw them, or None before the first."""
        row = self._connection.execute("select snapshot from declarations").fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def keep_snapshot(self, snapshot: Mapping[str, Any]) -> None:
        """Record the declarations that a completed run saw."""
        self._write("insert or replace into declarations values (1, ?)", (_json(snapshot),))

    def _write(self, statement: str, values: tuple[Any, ...]) -> int:
        try:
            return int(self._connection.execute(statement, values).lastrowid or 0)
        except sqlite3.DatabaseError as error:
            raise HeadraceError(_unwritten(error)) from error


def _second(us: int) -> str:
    return clock.from_us(us).isoformat(timespec="seconds")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _unwritten(error: sqlite3.Error) -> Fault:
    cure = "free some space and run again: what was done is not done again"
    return Fault("HR-RUN-008", "", f"a journal that cannot be written: {error}", "room, and the right to write", cure)
