"""Loads that are killed at random moments: whatever the moment, each row is there once and the sums agree.

``HEADRACE_KILLS`` says how many; a few in each run of the tests, some hundreds now and then.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.connect import account
from headrace.lake import Lake

KILLS = int(os.environ.get("HEADRACE_KILLS", "8"))
ROWS = 30_000
PROJECT = """
import headrace as hr

class Payment(hr.Contract):
    payment_id: int = hr.key()
    at: hr.Timestamp = hr.event_time(zone="UTC")
    amount: int = hr.field(ge=0)

class State(hr.Contract):
    payment_id: int = hr.key()
    amount: int = hr.field(ge=0)
    since: hr.Timestamp = hr.valid_from()
    until: hr.Timestamp | None = hr.valid_to()

bank = "sqlite:///bank.db"
sources = {
    "files": hr.Stream("files", Payment, source="data/*.csv"),
    "small": hr.Stream("small", Payment, source="small/*.csv"),
    "cursor": hr.Stream("cursor", Payment, source=hr.Database(bank, table="payments", cursor="payment_id")),
    "keys": hr.Stream("keys", Payment, source=hr.Database(bank, table="payments")),
    "merged": hr.Table("merged", Payment, source=hr.Database(bank, table="payments", cursor="payment_id")),
    "whole": hr.Table("whole", Payment, source=hr.Database(bank, table="payments")),
    "kept": hr.Table("kept", State, source=hr.Database(bank, table="payments"), history=True),
}
"""
LOADER = """
import os, sys
from pathlib import Path
import deltalake, duckdb, pyarrow.parquet, pyarrow.fs, sqlite3
import headrace.connect.origins.databases.sqlite, headrace.lake
from headrace.connect import ingest
from headrace.lake import Lake
sys.path.insert(0, ".")
from project import sources

# Each load is a child of this process, which has imported all that it takes: a kill costs no start of Python.
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        ingest(sources[line.strip()], Path.cwd(), Lake(Path("state/lake")), batch_rows=4_000)
        os._exit(0)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Loader:
    """A process that loads on demand, in children that can be killed."""

    def __init__(self, folder: Path) -> None:
        (folder / "project.py").write_text(PROJECT)
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOADER], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def load(self, name: str, seconds: float | None) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        child = int(self.process.stdout.readline())
        if seconds is not None:
            time.sleep(seconds)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


def _bad(number: int) -> bool:
    return number % 997 == 0


def _grow(folder: Path, start: int, end: int) -> None:
    rows = [(n, f"2026-01-01 00:{n // 60 % 60:02}:{n % 60:02}", -1 if _bad(n) else n % 100) for n in range(start, end)]
    with sqlite3.connect(folder / "bank.db") as bank:
        bank.execute("create table if not exists payments (payment_id integer primary key, at text, amount integer)")
        bank.executemany("insert into payments values (?, ?, ?)", rows)
    bank.close()
    lines = "".join(f"{number},{at.replace(' ', 'T')}Z,{amount}\n" for number, at, amount in rows)
    (folder / "data").mkdir(exist_ok=True)
    (folder / f"data/{start}.csv").write_text(f"payment_id,at,amount\n{lines}")
    (folder / "small").mkdir(exist_ok=True)
    each = lines.splitlines(keepends=True)
    for first in range(0, len(rows), 100):
        few = "".join(each[first : first + 100])
        (folder / f"small/{start + first:07}.csv").write_text(f"payment_id,at,amount\n{few}")


@pytest.mark.parametrize("name", ["files", "small", "cursor", "keys", "merged", "whole", "kept"])
def test_kills_lose_and_double_nothing(tmp_path: Path, name: str) -> None:
    luck, killed, rows = random.Random(f"{name} 1"), 0, 0
    loader, lake, longest = Loader(tmp_path), Lake(tmp_path / "state" / "lake"), 1.0
    try:
        wanted = max(1, -(-KILLS // 24))
        for number in range(wanted + 12):
            if number >= wanted and killed:  # a load may be over before its kill comes
                break
            _grow(tmp_path, rows, rows + ROWS)
            rows += ROWS
            for attempt in range(4):
                code = loader.load(name, None if attempt == 3 else luck.uniform(0.02, longest))
                killed += code == -signal.SIGKILL
                assert code in (0, -signal.SIGKILL)
                if code == 0:
                    longest = longest if attempt == 3 else max(0.05, longest * 0.7)
                    break
            good = [number for number in range(rows) if not _bad(number)]
            found = lake.read(name)
            assert sorted(found["payment_id"].to_pylist()) == good
            assert sum(found["amount"].to_pylist()) == sum(number % 100 for number in good)
            assert len(set(found["_seq"].to_pylist())) == len(good)
            assert lake.rows(f"quarantine_{name}") == rows - len(good)
            told = account(lake, name, merged=name in ("merged", "whole", "kept"))
            assert (told.received, told.unfinished) == (rows, 0)
    finally:
        loader.close()
    assert killed, "no load was caught in the middle"
