"""Compaction: the same rows in the same order in fewer files, whoever writes beside it and whenever it is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import HeadraceError
from headrace.lake import Lake, commit, compact, parts

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
        for number in range(12):
            lake.append("t", pa.table({"writer": [writer], "n": [number]}), once=(f"app{writer}", number))
        os._exit(0)
for _ in range(2):
    children.append(os.fork())
    if children[-1] == 0:
        for _ in range(8):
            lake.compact("t")
        os._exit(0)
print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def numbers(begin: int, count: int) -> pa.Table:
    return pa.table({"n": pa.array(range(begin, begin + count), pa.int64())})


def filled(folder: Path, counts: list[int], column: str = "n") -> Lake:
    lake, begin = Lake(folder), 0
    for count in counts:
        lake.append("t", numbers(begin, count).rename_columns([column]))
        begin += count
    return lake


@pytest.mark.parametrize("column", ["n", "_seq"])
def test_same_rows_in_the_same_order_in_one_file(tmp_path: Path, column: str) -> None:
    lake = filled(tmp_path, [3, 1, 4, 1, 5], column)
    before, version = lake.read("t"), lake.version("t")
    said: list[tuple[int, int]] = []
    done = lake.compact("t", lambda *told: said.append(told))
    assert (done.files_before, done.files_after, done.rows) == (5, 1, 14)
    assert said[-1] == (14, 14)
    assert lake.read("t").equals(before)
    assert lake.read("t", version=version).equals(before)
    assert lake.version("t") == version, "what depends on the rows must not be made again"
    assert lake.history("t")[0]["operation"] == "compact"
    lake.append("t", numbers(14, 1).rename_columns([column]))
    assert lake.read("t")[column].to_pylist() == list(range(15))
    assert lake.version("t") == version + 2
    assert lake.only_grew("t", version)
    assert lake.compact("t") == compact.Compacted()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(2, 7), st.data())
@settings(max_examples=25, deadline=None)
def test_order_holds_whatever_is_full_and_however_often(counts: list[int], full: int, data: Any) -> None:
    import tempfile

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(parts, "PART_ROWS", full)
        patch.setattr(parts, "GROUP_ROWS", 1)
        lake, begin = Lake(Path(folder)), 0
        for count in counts:
            lake.append("t", numbers(begin, count))
            begin += count
            if data.draw(st.booleans()):
                lake.compact("t")
        lake.compact("t")
        assert lake.read("t")["n"].to_pylist() == list(range(begin))


def test_a_large_file_is_not_written_anew_for_a_few_rows(tmp_path: Path) -> None:
    lake = filled(tmp_path, [100, 1, 1])
    large = lake.files("t")[0]
    assert lake.compact("t").rows == 2
    assert lake.files("t")[0] == large


def test_beside_writers_and_other_compactions_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    Lake(tmp_path).append("t", pa.table({"writer": [9], "n": [0]}))
    words = [sys.executable, "-c", _BESIDE, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["0"] * 4, done.stderr
    rows = Lake(tmp_path).read("t").to_pylist()
    assert sorted((row["writer"], row["n"]) for row in rows) == [(w, n) for w in range(2) for n in range(12)] + [(9, 0)]
    for writer in range(2):
        assert [row["n"] for row in rows if row["writer"] == writer] == list(range(12))


def test_rows_that_were_replaced_meanwhile_stay_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = filled(tmp_path, [1, 1])
    exchange = compact.exchange

    def late(*given: Any) -> int:
        lake.overwrite("t", numbers(50, 1))
        return exchange(*given)

    monkeypatch.setattr(compact, "exchange", late)
    assert lake.compact("t") == compact.Compacted()
    assert lake.read("t")["n"].to_pylist() == [50]
    assert len(list((tmp_path / "t").glob("*.parquet"))) == 3, "what was written for nothing is gone"


def test_appended_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = filled(tmp_path, [1, 1])
    exchange = compact.exchange

    def late(*given: Any) -> int:
        lake.append("t", numbers(2, 1))
        return exchange(*given)

    monkeypatch.setattr(compact, "exchange", late)
    lake.compact("t")
    assert lake.read("t")["n"].to_pylist() == [0, 1, 2]
    assert lake.version("t") == lake.history("t")[1]["version"]


def test_an_empty_table_and_an_unknown_one(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append("t", numbers(0, 0))
    assert lake.compact("t") == compact.Compacted()
    with pytest.raises(HeadraceError, match="HR-LAKE-001"):
        lake.compact("nothing")


def test_an_overwrite_that_began_before_a_compaction_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = filled(tmp_path, [1, 1])
    write = commit.write

    def late(*given: Any) -> Any:
        made = write(*given)
        assert lake.compact("t").rows == 2
        return made

    with monkeypatch.context() as patch:
        patch.setattr(commit, "write", late)
        lake.overwrite("t", numbers(7, 1))
    assert lake.read("t")["n"].to_pylist() == [7]
