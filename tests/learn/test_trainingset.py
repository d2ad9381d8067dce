"""Building: the same bytes in memory and spilled, after kill -9 and on a full disk, and nothing left over."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import namedtuple
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import headrace as hr
from headrace.engines import job, spilled
from headrace.lake import Lake
from headrace.learn.trainingset import build
from tests.disks import fill, small_disk
from tests.learn.sets import DAY_US, PIECE, ROWS, SPILLING, START_US, cases, filled, logged, more, times

IN_MEMORY = 10**9
LEVELS = pa.schema(
    [
        ("since", pa.timestamp("us", tz="UTC")),
        ("user", pa.int64()),
        ("name", pa.string()),
        ("_seq", pa.int64()),
        ("_known_at", pa.timestamp("us", tz="UTC")),
    ]
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return filled(tmp_path_factory.mktemp("building"))


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (job, spilled):
        monkeypatch.setattr(module, "PIECE", PIECE)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a state folder, the empty ones of locks aside."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in sorted(files.items()) if not name.endswith(".lock")}


def test_spilled_or_not_the_bytes_are_the_same_and_only_they_are_there(lake: Lake, tmp_path: Path) -> None:
    told: list[str] = []
    whole = build(cases(), lake, tmp_path / "whole", memory=IN_MEMORY)
    built = build(cases(), lake, tmp_path / "spilled", lambda what, *_: told.append(what), memory=SPILLING)
    assert "features by user" in told
    assert built.rows + sum(built.excluded.values()) == ROWS
    assert len(built.files) == -(-ROWS // PIECE)
    assert contents(tmp_path / "whole") == contents(tmp_path / "spilled")
    assert whole.path.name == built.path.name


def test_an_inner_feature_is_used_and_is_in_no_set(lake: Lake, tmp_path: Path) -> None:
    built = build(cases(), lake, tmp_path / "whole", memory=IN_MEMORY)
    assert built.manifest["features"] == ["now.amount", "now.ratio", "now.moved", "u.n", "u.mean", "s.users"]
    assert "u._shop" not in built.manifest["columns"]
    found, previous = [], {}
    for row in lake.read("events").to_pylist():
        before = previous.get(row["user"])
        if row["amount"] > 10:
            recent = before is not None and before["at"] >= row["at"] - timedelta(days=30)
            found.append(before["shop"] != row["shop"] if recent else None)
        previous[row["user"]] = row
    assert built.to_arrow().column("now.moved").to_pylist() == found[: built.rows]  # the last have no label yet
    assert True in found
    assert False in found


def test_no_case_at_all(lake: Lake, tmp_path: Path) -> None:
    none = cases("amount > 999.5")
    whole = build(none, lake, tmp_path / "whole", memory=IN_MEMORY)
    assert (whole.rows, whole.excluded) == (0, {"where is not true": ROWS})
    build(none, lake, tmp_path / "spilled", memory=SPILLING)
    assert contents(tmp_path / "whole") == contents(tmp_path / "spilled")


class Level(hr.Contract):
    since: hr.Timestamp = hr.valid_from()
    user: int
    name: str


def test_a_source_without_a_row_gives_counts_of_0_and_nulls(lake: Lake, tmp_path: Path) -> None:
    here = Lake(tmp_path / "lake")
    shutil.copytree(lake.root, here.root)
    clicks = hr.Stream("clicks", cases().spine.contract)
    levels = hr.Table("levels", Level, source="levels")
    here.append("clicks", here.read("events").slice(0, 0))
    here.append("levels", LEVELS.empty_table())
    by_user = hr.Entity("user")
    groups = [
        hr.Features(
            "c", clicks, by_user, {"n": hr.count("7d"), "mean": hr.mean("amount", "7d"), "shop": hr.last("shop", "7d")}
        ),
        hr.Features("l", levels, by_user, {"known": "name is not null"}),
    ]
    truth = hr.label(clicks, "amount > 1", on="event_id", matures="2d", default=0)
    for label, rows in ((None, ROWS), (truth, 0)):
        some = hr.TrainingSet("some", cases().spine, groups, label)
        whole = build(some, here, tmp_path / f"whole{rows}", memory=IN_MEMORY)
        build(some, here, tmp_path / f"spilled{rows}", memory=SPILLING)
        assert contents(tmp_path / f"whole{rows}") == contents(tmp_path / f"spilled{rows}")
        assert whole.rows == rows
    built = build(hr.TrainingSet("some", cases().spine, groups), here, tmp_path / f"whole{ROWS}", memory=IN_MEMORY)
    found = built.to_arrow().select(["c.n", "c.mean", "c.shop", "l.known"]).to_pylist()
    assert found == [{"c.n": 0, "c.mean": None, "c.shop": None, "l.known": None}] * ROWS


_Usage = namedtuple("_Usage", "total used free")


def test_too_little_disk_is_told_before_anything_is_spilled(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fullest = 0

    def look(*_: object) -> None:
        nonlocal fullest
        fullest = max(fullest, sum(map(len, contents(tmp_path).values())))

    build(cases(), lake, tmp_path, look, memory=SPILLING)
    shutil.rmtree(tmp_path / "sets")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(fullest, 0, fullest - 1))
    with pytest.raises(hr.HeadraceError, match=r"HR-SPILL-001: found \d\.\d MB free .*expected about \d\.\d MB"):
        build(cases(), lake, tmp_path, memory=SPILLING)
    assert contents(tmp_path) == {}
    build(cases(), lake, tmp_path, memory=IN_MEMORY)
    shutil.rmtree(tmp_path / "sets")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(10 * fullest, 0, 4 * fullest))
    build(cases(), lake, tmp_path, memory=SPILLING)


@pytest.mark.parametrize("memory", [IN_MEMORY, SPILLING])
@pytest.mark.parametrize("when", ["reading rows", "reading events by shop", "features by event_id", "writing"])
def test_a_disk_that_fills_up_while_building(lake: Lake, tmp_path: Path, when: str, memory: int) -> None:
    def meanwhile(what: str, *_: int) -> None:
        if what == (when if memory == SPILLING else "features") and not (disk / "filler").exists():
            fill(disk, 4096)

    with small_disk(tmp_path / "disk", "6m") as disk:
        with pytest.raises(hr.HeadraceError, match="HR-SET-002: found a full disk while building cases") as told:
            build(cases(), lake, disk, meanwhile, memory=memory)
        assert told.value.exit_code == 2
        assert not list((disk / "sets" / "cases").glob("*.new"))
        (disk / "filler").unlink()
        build(cases(), lake, disk, memory=memory)
        build(cases(), lake, tmp_path / "undisturbed", memory=memory)
        assert contents(disk) == contents(tmp_path / "undisturbed")


def test_a_disk_that_is_too_small_from_the_beginning(lake: Lake, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        with pytest.raises(hr.HeadraceError, match="HR-SPILL-001"):
            build(cases(), lake, disk, memory=SPILLING)
        assert contents(disk) == {}


class Stopped(BaseException):
    """What a kill looks like to the code that it ends."""


def interrupted(lake: Lake, folder: Path) -> None:
    def stop(what: str, *_: int) -> None:
        if what == "features by shop":
            raise Stopped

    with pytest.raises(Stopped):
        build(cases(), lake, folder, stop, memory=SPILLING)


def test_what_was_spilled_counts_as_room_and_is_not_done_again(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(lake, tmp_path)
    held = sum(map(len, contents(tmp_path).values()))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(0, 0, 2 * held))
    told: list[str] = []
    build(cases(), lake, tmp_path, lambda what, *_: told.append(what), memory=SPILLING)
    assert "reading rows" not in told
    assert "reading events by user" not in told


def test_work_of_another_cut_is_not_gone_on_with(lake: Lake, tmp_path: Path) -> None:
    interrupted(lake, tmp_path / "a")
    build(cases(), lake, tmp_path / "a", memory=2 * SPILLING)
    build(cases(), lake, tmp_path / "b", memory=IN_MEMORY)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_what_a_killed_build_of_older_rows_left_is_removed(tmp_path: Path) -> None:
    lake = filled(tmp_path)
    interrupted(lake, tmp_path / "state")
    more(lake)
    built = build(cases(), lake, tmp_path / "state", memory=SPILLING)
    assert [path.name for path in built.path.parent.iterdir()] == [built.path.name]


_KILLED = """
import json, os, signal, sys
from pathlib import Path
from headrace.kernel.compile import warm
from headrace.lake import Lake
from headrace.learn.trainingset import build
from tests.learn.sets import SPILLING, cases, small_pieces

root, genuine = Path(sys.argv[1]), Path.replace
small_pieces()
warm(["count", "mean", "nunique"])  # once, and not in each child
lake = Lake(root / "lake")

def building(folder, deadly):
    count = 0
    def step(*_):
        nonlocal count
        count += 1
        if count == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
    def replace(self, target):
        step()
        done = genuine(self, target)
        step()
        return done
    Path.replace = replace
    build(cases(), lake, folder, step, memory=SPILLING)
    (folder / "steps").write_text(str(count))

def child(folder, deadly):
    number = os.fork()
    if number == 0:
        building(folder, deadly)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])

assert child(root / "clean", 0) == 0
steps = int((root / "clean" / "steps").read_text())
for deadly in sorted({1, steps - 1, steps, *range(3, steps, steps // 4)}):
    folder = root / str(deadly)
    assert child(folder, deadly) == -signal.SIGKILL, deadly
    assert child(folder, 0) == 0, deadly
    (folder / "steps").unlink()
print(steps)
"""


def test_kill_9_while_building_and_the_next_goes_on(tmp_path: Path) -> None:
    filled(tmp_path)
    done = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "clean" / "steps").unlink()
    expected = contents(tmp_path / "clean")
    assert len(expected) == -(-ROWS // PIECE) + 1
    killed = [folder for folder in tmp_path.iterdir() if folder.name.isdigit()]
    assert len(killed) > 5
    for folder in killed:
        assert contents(folder) == expected, folder.name


def test_a_label_matures_at_the_very_edge_and_not_a_microsecond_later(tmp_path: Path) -> None:
    """Truth has arrived up to the newest truth; a row two days before it is a case, one that is younger is counted."""
    lake, edge = Lake(tmp_path / "lake"), START_US + 10 * DAY_US
    rows = [edge - 2 * DAY_US - 1, edge - 2 * DAY_US, edge - 2 * DAY_US + 1, edge]
    ids, same = [f"e{n}" for n in range(4)], {"shop": ["s"] * 4, "amount": [20.0] * 4}
    lake.append("events", logged({"event_id": ids, "at": times(np.array(rows)), "user": [1] * 4} | same))
    truth = {"at": times(np.array([edge - 1, edge])), "event_id": ["e0", "e1"], "bad": [1, 1]}
    lake.append("truths", logged(truth))
    built = build(cases(None), lake, tmp_path / "state", memory=IN_MEMORY)
    assert built.to_arrow(["event_id", "label"]).to_pydict() == {"event_id": ["e0", "e1"], "label": [1, 1]}
    assert built.excluded == {"label not matured": 2}
