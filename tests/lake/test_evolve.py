"""Columns that come later: null in rows of before, in every reader, every version, and beside writers."""

from __future__ import annotations

from pathlib import Path

import deltalake
import duckdb
import polars as pl
import pyarrow as pa
import pytest

from headrace.errors import HeadraceError
from headrace.lake import Lake, Within

LATER = pa.schema([("flag", pa.bool_()), ("price", pa.decimal128(8, 2))])


def rows(first: int, count: int) -> pa.Table:
    return pa.table({"_seq": pa.array(range(first, first + count), pa.int64()), "s": ["x"] * count})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.append("t", rows(1, 3))
    return lake


def test_old_rows_are_null_and_new_ones_are_not(lake: Lake) -> None:
    before = lake.version("t")
    lake.add_columns("t", LATER)
    assert lake.version("t") == before, "no row was added"
    assert lake.only_grew("t", before)
    assert lake.history("t")[0]["operation"] == "evolve"
    assert lake.schema("t").names == ["_seq", "s", "flag", "price"]
    price = pa.array([1], pa.decimal128(8, 2))
    lake.append("t", pa.table({"flag": [True], "price": price, "_seq": [4], "s": ["y"]}))
    assert lake.read("t")["flag"].to_pylist() == [None, None, None, True]
    assert lake.read("t", columns=["price"])["price"].null_count == 3
    assert [one.num_rows for one in lake.batches("t", columns=["flag"])] == [3, 1]
    with pytest.raises(HeadraceError, match="HR-LAKE-008"):
        lake.append("t", rows(5, 1))


def test_twice_is_once(lake: Lake) -> None:
    assert lake.add_columns("t", LATER) == lake.add_columns("t", LATER)


def test_an_older_version_has_null_in_it(lake: Lake) -> None:
    before = lake.version("t")
    lake.add_columns("t", LATER)
    assert lake.read("t", version=before, columns=["s", "flag"])["flag"].null_count == 3
    assert lake.read("t", version=before).schema.names == ["_seq", "s"]
    assert lake.schema("t", before, ["flag"]).field("flag").type == pa.bool_()
    with pytest.raises(HeadraceError, match="HR-LAKE-011"):
        lake.read("t", version=before, columns=["flug"])


def test_bounds_of_a_column_that_no_file_has(lake: Lake) -> None:
    lake.add_columns("t", pa.schema([("n", pa.int64())]))
    assert sum(one.num_rows for one in lake.batches("t", columns=["n"], within=Within("n", low=0))) == 0


@pytest.mark.parametrize("filled", [False, True])
def test_every_reader_sees_the_same(tmp_path: Path, lake: Lake, filled: bool) -> None:
    lake.add_columns("t", LATER)
    if filled:
        lake.append(
            "t", rows(4, 1).append_column("flag", [[True]]).append_column("price", pa.array([None], LATER[1].type))
        )
    expected = lake.read("t").to_pylist()
    assert lake.sql("select * from t order by _seq").to_pylist() == expected
    assert lake.sql("select count(*) as n from t where flag is null").to_pylist() == [{"n": 3}]
    lake.attach(tmp_path / "views.duckdb")
    with duckdb.connect(str(tmp_path / "views.duckdb"), read_only=True) as connection:
        assert connection.sql("select * from t").to_arrow_table().to_pylist() == expected
    path = str(tmp_path / "lake" / "t")
    assert pl.scan_delta(path).sort("_seq").collect().to_dicts() == expected
    assert len(deltalake.DeltaTable(path).to_pandas().columns) == 4


def test_compaction_fills_what_files_lack(lake: Lake) -> None:
    lake.append("t", rows(4, 3))
    lake.add_columns("t", LATER)
    expected = lake.read("t")
    assert lake.compact("t").files_before == 2
    assert lake.read("t").equals(expected)


def test_a_restore_goes_back_behind_it_and_forth(lake: Lake) -> None:
    before = lake.version("t")
    lake.add_columns("t", LATER)
    after = deltalake.DeltaTable(str(lake.root / "t")).version()
    lake.restore("t", before)
    assert lake.schema("t").names == ["_seq", "s"]
    lake.restore("t", after)
    assert lake.read("t")["flag"].null_count == 3


def test_a_writer_that_began_before_is_not_lost(lake: Lake) -> None:
    def slow() -> object:
        lake.add_columns("t", LATER)  # while the rows of the append are on their way
        yield from rows(4, 2).to_batches()

    reader = pa.RecordBatchReader.from_batches(rows(4, 2).schema, slow())  # type: ignore[arg-type]
    lake.append("t", reader)
    assert lake.read("t")["_seq"].to_pylist() == [1, 2, 3, 4, 5]
    assert lake.read("t")["flag"].null_count == 5
