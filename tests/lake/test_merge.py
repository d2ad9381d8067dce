"""Merge by key: what a dictionary would hold, in the order of facts, whoever writes beside it and when killed."""

from __future__ import annotations

import datetime
import random
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import deltalake
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.clock import now_us
from headrace.errors import HeadraceError
from headrace.lake import Lake, MergeReport, commit, parts

_BESIDE = """
import os, sys
from pathlib import Path
import deltalake, pyarrow as pa, pyarrow.parquet, pyarrow.compute
from headrace.lake import Lake

lake = Lake(Path(sys.argv[1]))
children = []
for writer in range(2):
    children.append(os.fork())
    if children[-1] == 0:
        for n in range(1, 9):
            rows = pa.table({"k": [0, 1, 10 + writer, 100 + 10 * writer + n], "writer": [writer] * 4, "n": [n] * 4})
            lake.merge("t", rows, keys=["k"], once=(f"w{writer}", n))
        os._exit(0)
children.append(os.fork())
if children[-1] == 0:
    for n in range(12):
        lake.append("t", pa.table({"k": [1000 + n], "writer": [9], "n": [n]}))
    os._exit(0)
children.append(os.fork())
if children[-1] == 0:
    for n in range(4):
        lake.compact("t")
    os._exit(0)
print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""
_KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import deltalake, pyarrow as pa, pyarrow.parquet, pyarrow.compute
from headrace.lake import Lake

def work(lake):
    for n in range(30):
        rows = pa.table({"k": [n % 5, 100 + n], "n": [n, n]})
        lake.merge("t", rows, keys=["k"], deletes=pa.table({"k": [99 + n]}), once=("app", n))

lake, random = Lake(Path(sys.argv[1])), random.Random(5)
for attempt in range(26):
    child = os.fork()
    if child == 0:
        work(lake)
        os._exit(0)
    if attempt < 25:
        time.sleep(random.uniform(0.005, 0.12))
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), end=" ")
"""


def run(script: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shops(ids: list[int], cities: list[str | None], begin: int | None = None) -> pa.Table:
    seq = {} if begin is None else {"_seq": pa.array(range(begin, begin + len(ids)), pa.int64())}
    return pa.table({**seq, "id": pa.array(ids, pa.int64()), "city": pa.array(cities, pa.string())})


def test_update_insert_delete_and_leave(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append("t", shops([1, 2, 3], ["a", None, "c"], 1))
    lake.append("t", shops([4, 5, 6], ["d", "e", "f"], 4))
    before = set(lake.files("t"))
    changes = shops([2, 3, 7], [None, "C", "g"], 7)
    done = lake.merge("t", changes, keys=["id"], deletes=pa.table({"id": [1, 99], "why": ["x", "y"]}))
    assert done == MergeReport(3, inserted=1, updated=1, deleted=1, unchanged=1)
    rows = [(row["_seq"], row["id"], row["city"]) for row in lake.read("t").to_pylist()]
    assert rows == [(2, 2, None), (4, 4, "d"), (5, 5, "e"), (6, 6, "f"), (8, 3, "C"), (9, 7, "g")]
    assert len(before & set(lake.files("t"))) == 1, "a file whose rows stay must not be written anew"
    assert lake.read("t", version=2).num_rows == 6
    newest = lake.history("t")[0]
    assert (newest["operation"], newest["rows"]) == ("merge", 2)
    assert newest["message"] == {"inserted": 1, "updated": 1, "deleted": 1, "unchanged": 1}
    assert not lake.only_grew("t", 2)
    assert pl.scan_delta(str(tmp_path / "t")).sort("_seq").collect().to_dicts() == lake.read("t").to_pylist()


def test_where_nothing_changes_nothing_is_written(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    nan = float("nan")
    rows = pa.table(
        {
            "_seq": [1, 2],
            "id": ["a", "b"],
            "x": [nan, None],
            "price": pa.array([Decimal("1.10"), None], pa.decimal128(12, 2)),
            "at": pa.array([datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), None], pa.timestamp("us", "UTC")),
            "tags": [["u", None], None],
        }
    )
    lake.append("t", rows)
    files = sorted(tmp_path.rglob("*.parquet"))
    again = rows.set_column(0, "_seq", pa.array([3, 4]))
    assert lake.merge("t", again, keys=["id"]) == MergeReport(1, unchanged=2)
    assert lake.merge("t", again, keys=["id"], once=("load", 1)) == MergeReport(2, unchanged=2)
    assert lake.committed("t", "load") == 1
    assert lake.version("t") == 1, "what depends on the rows must not be made again"
    assert lake.only_grew("t", 1)
    assert sorted(tmp_path.rglob("*.parquet")) == files
    other = again.set_column(2, "x", pa.array([None, None], pa.float64()))
    assert lake.merge("t", other, keys=["id"]).updated == 1


def test_a_merge_that_only_inserts_only_grows(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.merge("t", shops([1, 2], ["a", "b"]), keys=["id"]) == MergeReport(1, inserted=2)
    assert lake.merge("t", shops([2, 3], ["b", "c"]), keys=["id"]) == MergeReport(2, inserted=1, unchanged=1)
    assert lake.only_grew("t", 1)
    lake.merge("t", shops([], []), keys=["id"], deletes=pa.table({"id": [3]}))
    assert not lake.only_grew("t", 2)
    assert lake.read("t")["id"].to_pylist() == [1, 2]


def test_done_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for _ in range(2):
        lake.merge("t", shops([1], ["a"]), keys=["id"], once=("load", 1))
    lake.append("t", shops([1], ["twice"]))
    assert lake.merge("t", shops([1], ["a"]), keys=["id"], once=("load", 1)) == MergeReport(2)
    assert lake.rows("t") == 2
    assert lake.merge("t", shops([1], ["a"]), keys=["id"]) == MergeReport(3, updated=1, deleted=1)
    assert lake.read("t")["city"].to_pylist() == ["a"]


def test_the_highest_sequence_is_not_given_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append("t", shops([1, 2], ["a", "b"], 1))
    lake.merge("t", shops([], [], 3), keys=["id"], deletes=pa.table({"id": [2]}))
    assert lake.read("t")["_seq"].to_pylist() == [1]
    assert lake.sequence("t") == 2
    lake.merge("t", shops([], [], 3), keys=["id"], deletes=pa.table({"id": [1]}))
    assert (lake.rows("t"), lake.sequence("t")) == (0, 2)


def test_replace_takes_all_rows_of_the_keys(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append("daily", pa.table({"day": ["mo", "mo", None, "tu"], "shop": [1, 2, 1, 1], "n": [5, 6, 7, 8]}))
    rows = pa.table({"day": ["mo", None], "shop": [3, 1], "n": [9, 9]})
    done = lake.replace("daily", rows, pa.table({"day": pa.array(["mo", None, "we"])}))
    assert done == MergeReport(2, inserted=2, deleted=3)
    assert lake.read("daily")["n"].to_pylist() == [8, 9, 9]
    both = pa.table({"day": pa.array([None, "tu"], pa.string()), "shop": [1, 2]})
    assert lake.replace("daily", rows.slice(0, 0), both).deleted == 1
    assert lake.read("daily")["n"].to_pylist() == [8, 9]
    assert not lake.only_grew("daily", 1)
    assert lake.history("daily")[0]["operation"] == "replace"


@pytest.mark.parametrize(
    ("rows", "keys", "code"),
    [
        (shops([1, 1], ["a", "b"]), ["id"], "HR-LAKE-020: found 1 rows for t whose id another row or delete has"),
        (shops([1], [None]), ["city"], "HR-LAKE-020: found 1 rows for t without city"),
        (shops([1], ["a"]), [], "HR-LAKE-020: found no key for t"),
        (shops([1], ["a"]), ["idd"], "HR-LAKE-011: found keys of t in idd"),
        (pa.table({"id": ["a"], "city": ["b"]}), ["id"], "HR-LAKE-008"),
        (pa.table({"id": [[1]], "city": ["b"]}), ["id"], "HR-LAKE-020: found id of t as a key, which holds many"),
    ],
)
def test_what_does_not_say_which_row_is_meant_is_refused(
    tmp_path: Path, rows: pa.Table, keys: list[str], code: str
) -> None:
    lake = Lake(tmp_path)
    lake.append("t", shops([1], ["a"]))
    with pytest.raises(HeadraceError, match=code):
        lake.merge("t", rows, keys=keys)
    assert (lake.version("t"), len(list((tmp_path / "t").glob("*.parquet")))) == (1, 1)


KEYS = {
    "whole numbers": lambda n: n * 7,
    "texts": lambda n: f"k{n:03d}",
    "days": lambda n: datetime.date(2026, 1, 1) + datetime.timedelta(days=n),
    "times": lambda n: datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=n * 999),
    "decimals": lambda n: Decimal(n) / 100,
}


@pytest.mark.parametrize("kind", KEYS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_it_is_what_a_dictionary_would_hold(kind: str, data: Any) -> None:
    key = KEYS[kind]
    model: dict[int, tuple[int, int | None]] = {}
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(parts, "PART_ROWS", 4)
        patch.setattr(parts, "GROUP_ROWS", 2)
        lake, seq, kept = Lake(Path(folder)), 0, {}
        for _ in range(data.draw(st.integers(1, 6))):
            chosen = data.draw(st.dictionaries(st.integers(0, 12), st.sampled_from([0, 1, None]), max_size=7))
            gone = data.draw(st.sets(st.integers(0, 12), max_size=3)) - chosen.keys()
            rows = pa.table(
                {
                    "_seq": pa.array(range(seq + 1, seq + 1 + len(chosen)), pa.int64()),
                    "part": pa.array([n % 2 for n in chosen], pa.int64()),
                    "k": pa.array([key(n) for n in chosen], pa.array([key(1)]).type),
                    "v": pa.array(list(chosen.values()), pa.int64()),
                }
            )
            deletes = pa.table(
                {
                    "part": pa.array([n % 2 for n in gone], pa.int64()),
                    "k": pa.array([key(n) for n in gone], rows["k"].type),
                }
            )
            told = lake.merge("t", rows, keys=["part", "k"], deletes=deletes)
            same = {n for n, v in chosen.items() if n in model and model[n][1] == v}
            assert told.counts() == {
                "inserted": len(chosen.keys() - model.keys()),
                "updated": len((chosen.keys() & model.keys()) - same),
                "deleted": len(gone & model.keys()),
                "unchanged": len(same),
            }
            model = {n: one for n, one in model.items() if n not in gone}
            model |= {n: (seq + 1 + place, v) for place, (n, v) in enumerate(chosen.items()) if n not in same}
            seq += len(chosen)
            expected = sorted((s, key(n), v) for n, (s, v) in model.items())
            kept[lake.version("t")] = expected
            if data.draw(st.booleans()):
                lake.compact("t")
            assert [(row["_seq"], row["k"], row["v"]) for row in lake.read("t").to_pylist()] == expected
        for version, expected in kept.items():
            rows = lake.read("t", version=version).to_pylist()
            assert [(row["_seq"], row["k"], row["v"]) for row in rows] == expected


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_order_without_a_sequence(data: Any) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(parts, "PART_ROWS", 4)
        patch.setattr(parts, "GROUP_ROWS", 2)
        lake, expected = Lake(Path(folder)), []
        for n in range(data.draw(st.integers(1, 8))):
            new = [n * 100 + one for one in range(data.draw(st.integers(0, 11)))]
            gone = set(data.draw(st.lists(st.sampled_from(expected), max_size=6))) if expected else set()
            lake.replace("t", pa.table({"k": pa.array(new, pa.int64())}), pa.table({"k": pa.array(gone, pa.int64())}))
            expected = [k for k in expected if k not in gone] + new
            if data.draw(st.booleans()):
                lake.compact("t")
            assert lake.read("t")["k"].to_pylist() == expected


def test_two_merges_of_the_same_keys_beside_appends_and_compactions(tmp_path: Path) -> None:
    Lake(tmp_path).append("t", pa.table({"k": list(range(50)), "writer": [-1] * 50, "n": [0] * 50}))
    assert run(_BESIDE, tmp_path).split() == ["0"] * 4
    rows = Lake(tmp_path).read("t").to_pylist()
    by_key = {row["k"]: row for row in rows}
    assert len(by_key) == len(rows), "each key once"
    expected = {*range(50), *range(101, 109), *range(111, 119), *range(1000, 1012)}
    assert by_key.keys() == expected
    assert [by_key[0]["n"], by_key[1]["n"], by_key[10]["n"], by_key[11]["n"]] == [8] * 4
    assert by_key[0]["writer"] == by_key[1]["writer"], "one of the two came last with all of its rows"
    named = {Path(file).name for file in deltalake.DeltaTable(str(tmp_path / "t")).file_uris()}
    assert named <= {file.name for file in (tmp_path / "t").glob("*.parquet")}


def test_a_merge_that_is_killed_is_done_once(tmp_path: Path) -> None:
    codes = run(_KILLED, tmp_path).split()
    assert codes.count("-9") >= 15
    assert codes[-1] == "0"
    rows = [(row["k"], row["n"]) for row in Lake(tmp_path).read("t").to_pylist()]
    assert sorted(rows) == [(n, 25 + n) for n in range(5)] + [(129, 29)]


def test_a_lost_race_leaves_nothing_behind_and_reads_only_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    lake.append("t", shops(list(range(100)), ["a"] * 100))
    lost = iter([True, True, False])
    committing = commit._exchange

    def beaten(*given: Any) -> None:
        if next(lost):
            lake.append("t", shops([random.randrange(1000, 10**9)], ["x"]))
        committing(*given)

    monkeypatch.setattr(commit, "_exchange", beaten)
    assert lake.merge("t", shops([5], ["b"]), keys=["id"]) == MergeReport(4, updated=1)
    assert lake.rows("t") == 102
    assert len(list((tmp_path / "t").glob("*.parquet"))) == 5, "one before, one rewritten, two beside, one new"


def test_restore_compact_and_vacuum_go_on(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    for begin in (0, 10, 20):
        lake.append("t", shops(list(range(begin, begin + 10)), ["a"] * 10, begin + 1))
    lake.merge("t", shops([3, 25], ["b", "b"], 31), keys=["id"])
    merged = lake.read("t")
    lake.compact("t")
    assert lake.read("t").equals(merged)
    lake.restore("t", 3)
    assert (lake.rows("t"), lake.sequence("t")) == (30, 32)
    assert lake.read("t", version=4).equals(merged)
    lake.restore("t", 4)
    assert lake.read("t").equals(merged)
    lake.vacuum("t", now_us() + 10_000_000, set())
    assert lake.read("t").equals(merged)
    assert lake.attach(tmp_path / "views.duckdb") == 1
    assert lake.sql("select count(*) as n from t where city = 'b'").to_pylist() == [{"n": 2}]
