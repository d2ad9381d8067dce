"""Commits survive what happens to processes: kill -9, other writers, a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import deltalake
import numpy as np
import pyarrow as pa
import pytest

from headrace.errors import HeadraceError
from headrace.lake import Lake
from tests.disks import filled_up, small_disk

# Children are forked from a process that has only imported, since starting Python anew for each takes seconds.
_KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import deltalake, pyarrow as pa, pyarrow.parquet
from headrace.lake import Lake

def work(lake):
    for number in range(40):
        lake.append("t", pa.table({"n": [number] * 3}), once=("app", number))

lake, random = Lake(Path(sys.argv[1])), random.Random(7)
for attempt in range(26):
    child = os.fork()
    if child == 0:
        work(lake)
        os._exit(0)
    if attempt < 25:
        time.sleep(random.uniform(0.005, 0.08))
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), end=" ")
"""
_TOGETHER = """
import os, sys
from pathlib import Path
import deltalake, pyarrow as pa, pyarrow.parquet
from headrace.lake import Lake

children = []
for writer in range(3):
    children.append(os.fork())
    if children[-1] == 0:
        lake = Lake(Path(sys.argv[1]))
        for number in range(5):
            lake.append("t", pa.table({"writer": [writer], "n": [number]}))
            lake.append("shared", pa.table({"n": [number]}), once=("app", number))
        os._exit(0)
print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""
_LIMITED = """
import resource, sys
from pathlib import Path
import pyarrow as pa
from headrace.errors import HeadraceError
from headrace.lake import Lake

lake = Lake(Path(sys.argv[1]))
lake.append("t", pa.table({"s": ["before"]}))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    lake.append("t", pa.table({"s": [f"{n * 7919 % 10007:x}" for n in range(100_000)]}))
except HeadraceError as error:
    print(error)
"""


def run(script: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_append_is_committed_once_whenever_it_is_killed(tmp_path: Path) -> None:
    codes = run(_KILLED, tmp_path).split()
    assert codes.count("-9") >= 20
    assert codes[-1] == "0"
    assert Lake(tmp_path).read("t")["n"].to_pylist() == [n for n in range(40) for _ in range(3)]


def test_writers_at_the_same_time_lose_and_double_nothing(tmp_path: Path) -> None:
    assert run(_TOGETHER, tmp_path).split() == ["0"] * 3
    written = Lake(tmp_path).read("t").to_pylist()
    assert sorted((row["writer"], row["n"]) for row in written) == [(w, n) for w in range(3) for n in range(5)]
    assert sorted(Lake(tmp_path).read("shared")["n"].to_pylist()) == list(range(5))


def test_once_across_several_ids(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for _ in range(2):
        lake.append("t", pa.table({"n": [1]}), once=[("a", 5), ("b", 2)])
    assert (lake.rows("t"), lake.committed("t", "a"), lake.committed("t", "b"), lake.committed("t", "c")) == (
        1,
        5,
        2,
        -1,
    )


def test_file_size_limit(tmp_path: Path) -> None:
    told = run(_LIMITED, tmp_path)
    assert "HR-LAKE-002: found no space left while writing t; nothing of it was committed" in told
    assert Lake(tmp_path).read("t")["s"].to_pylist() == ["before"]
    assert len(list((tmp_path / "t").glob("*.parquet"))) == 1


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "1m") as mounted:
        yield mounted


def open_below(folder: Path) -> list[Path]:
    links = list(Path("/proc/self/fd").iterdir())
    return [one.readlink() for one in links if one.is_symlink() and folder in one.readlink().parents]


def test_full_disk_leaves_the_table_as_it_was_and_the_next_append_goes_on(disk: Path) -> None:
    lake = Lake(disk)
    version = lake.append("t", pa.table({"n": [1]}))
    noise = pa.table({"n": np.random.default_rng(0).integers(2**62, size=300_000)})
    with pytest.raises(HeadraceError, match="HR-LAKE-002: found no space left while writing t; nothing of it was"):
        lake.append("t", noise, once=("a", 1))
    assert (lake.version("t"), lake.rows("t")) == (version, 1)
    with filled_up(disk), pytest.raises(HeadraceError, match="HR-LAKE-002"):
        lake.append("t", pa.table({"n": [2]}), once=("a", 2))
    assert not open_below(disk), "a file that is deleted and still open keeps its space"
    lake.append("t", pa.table({"n": [2]}), once=("a", 2))
    assert lake.read("t")["n"].to_pylist() == [1, 2]


def test_collisions_that_do_not_end_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path)
    lake.append("t", pa.table({"n": [1]}))

    def collide(*_: object, **__: object) -> None:
        raise deltalake.exceptions.CommitFailedError("someone was faster")

    monkeypatch.setattr(deltalake.DeltaTable, "create_write_transaction", collide)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(HeadraceError, match="HR-LAKE-003: found t: other writers came first 12 times"):
        lake.append("t", pa.table({"n": [2]}))
    assert len(lake.files("t")) == len(list((tmp_path / "t").glob("*.parquet"))) == 1


def test_a_commit_that_stands_keeps_its_files_though_what_follows_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deltalake writes a checkpoint after some commits; when that fails, the rows are committed all the same."""
    lake = Lake(tmp_path)
    lake.append("t", pa.table({"n": [1]}))
    genuine = deltalake.DeltaTable.create_write_transaction

    def commit_then_fail(*arguments: object, **named: object) -> None:
        genuine(*arguments, **named)  # type: ignore[arg-type]
        raise deltalake.exceptions.DeltaError("No space left on device (os error 28)")

    monkeypatch.setattr(deltalake.DeltaTable, "create_write_transaction", commit_then_fail)
    lake.append("t", pa.table({"n": [2]}))
    assert lake.read("t")["n"].to_pylist() == [1, 2]


def test_rows_are_on_the_disk_before_their_commit_and_both_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    genuine = os.fsync

    def fsync(handle: int) -> None:
        log = tmp_path / "t" / "_delta_log" / "00000000000000000001.json"
        synced.append((Path(f"/proc/self/fd/{handle}").resolve().name, log.exists()))
        genuine(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    Lake(tmp_path).append("t", pa.table({"n": [1]}))
    (part,) = (tmp_path / "t").glob("*.parquet")
    before = [name for name, committed in synced if not committed]
    after = [name for name, committed in synced if committed]
    assert before[:2] == [part.name, "t"]
    assert after == ["00000000000000000001.json", "_delta_log", "t", tmp_path.name]
