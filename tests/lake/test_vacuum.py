"""Vacuum: what is wanted stays readable, what is not goes, and asking for what is gone is a clear error."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from headrace.clock import now_us
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.lake.vacuum import Vacuumed


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Versions 1 to 3 by overwrite, each one row; 4 and 5 appended; 6 has these in one file."""
    lake = Lake(tmp_path)
    for n in range(1, 4):
        lake.overwrite("t", pa.table({"n": pa.array([n], pa.int64())}))
    for n in (4, 5):
        lake.append("t", pa.table({"n": pa.array([n], pa.int64())}))
    lake.compact("t")
    return lake


def rows(lake: Lake, version: int | None = None) -> list[int]:
    found: list[int] = lake.read("t", version=version)["n"].to_pylist()
    return found


def test_only_what_nobody_wants_is_removed(lake: Lake) -> None:
    done = lake.vacuum("t", now_us() + 10_000_000, {2})
    assert (done.files, done.versions) == (4, (1, 3, 4, 5))
    assert done.bytes > 0
    assert rows(lake) == [3, 4, 5]
    assert rows(lake, 2) == [2]
    assert lake.unreadable("t") == {1, 3, 4, 5}
    with pytest.raises(HeadraceError, match="HR-LAKE-007: found version 3 of t, whose files a vacuum removed"):
        rows(lake, 3)
    with pytest.raises(HeadraceError, match="HR-LAKE-007"):
        lake.restore("t", 3)
    lake.restore("t", 2)
    assert rows(lake) == [2]
    assert lake.vacuum("t", now_us() + 10_000_000, set(range(9))) == Vacuumed()


def test_versions_within_the_time_stay(lake: Lake) -> None:
    assert lake.vacuum("t", now_us() - 3_600_000_000, set()) == Vacuumed()
    moment = next(one["at"] for one in lake.history("t") if one["version"] == 3)
    lake.vacuum("t", moment, set())
    assert rows(lake, 2) == [2], "it was the newest until that moment"


def test_a_dry_run_removes_nothing(lake: Lake) -> None:
    told = lake.vacuum("t", now_us() + 10_000_000, set(), dry_run=True)
    assert told.files == 5
    assert [rows(lake, version) for version in range(1, 4)] == [[1], [2], [3]]
    assert lake.vacuum("t", now_us() + 10_000_000, set()) == told


def test_what_a_kill_left_behind_goes_when_it_is_old(lake: Lake, tmp_path: Path) -> None:
    old, young = (tmp_path / "t" / f"part-{name}.parquet" for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1_000_000, 1_000_000))
    assert lake.vacuum("t", now_us() - 3_600_000_000, set()).files == 1
    assert not old.exists()
    assert young.exists(), "its commit may be yet to come"


def test_a_file_that_came_back_stays(lake: Lake) -> None:
    lake.restore("t", 1)
    lake.vacuum("t", now_us() + 10_000_000, set())
    assert rows(lake) == [1]


def test_where_the_log_is_not_whole_only_what_it_tells_of_goes(lake: Lake, tmp_path: Path) -> None:
    stray = tmp_path / "t" / "part-stray.parquet"
    stray.write_bytes(b"of a version that the log no longer tells of")
    os.utime(stray, (1_000_000, 1_000_000))
    import deltalake

    deltalake.DeltaTable(str(tmp_path / "t")).create_checkpoint()
    for version in range(3):
        (tmp_path / "t" / "_delta_log" / f"{version:020}.json").unlink()
    lake.vacuum("t", now_us() + 10_000_000, set())
    assert stray.exists()
    assert rows(lake) == [3, 4, 5]
