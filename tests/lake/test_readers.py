"""Other engines read the tables as they are, after whatever was done to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import deltalake
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from headrace.clock import now_us
from headrace.lake import Lake


def _appended(lake: Lake) -> None:
    for _ in range(2):
        begin = lake.sequence("t") + 1
        seq = pa.array(range(begin, begin + 3), pa.int64())
        lake.append("t", pa.table({"_seq": seq, "s": ["a", None, "ü"]}))


def _restored(lake: Lake) -> None:
    lake.restore("t", 1)


def _compacted(lake: Lake) -> None:
    assert lake.compact("t").files_before


def _vacuumed(lake: Lake) -> None:
    assert lake.vacuum("t", now_us() + 10_000_000, set()).files


DONE: dict[str, list[Callable[[Lake], object]]] = {
    "append": [_appended],
    "restore": [_appended, _restored],
    "compact": [_appended, _compacted],
    "compact after a restore": [_appended, _restored, _appended, _compacted],
    "vacuum": [_appended, _compacted, _vacuumed],
}


@pytest.mark.parametrize("done", DONE)
def test_duckdb_polars_and_pandas_see_what_the_lake_sees(tmp_path: Path, done: str) -> None:
    lake = Lake(tmp_path / "lake")
    for step in DONE[done]:
        step(lake)
    rows = lake.read("t").to_pylist()
    assert rows
    assert lake.attach(tmp_path / "views.duckdb") == 1
    with duckdb.connect(str(tmp_path / "views.duckdb"), read_only=True) as connection:
        assert connection.sql("select * from t").to_arrow_table().to_pylist() == rows
    path = str(tmp_path / "lake" / "t")
    assert pl.scan_delta(path).sort("_seq").collect().to_dicts() == rows
    table = deltalake.DeltaTable(path)
    frame: pd.DataFrame = table.to_pandas().sort_values("_seq")
    assert frame["_seq"].tolist() == [row["_seq"] for row in rows]
    assert [None if pd.isna(one) else one for one in frame["s"]] == [row["s"] for row in rows]


def test_spark_sees_what_the_lake_sees(tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    import os

    from pyspark.sql import SparkSession

    jars = os.environ.get("HEADRACE_SPARK_JARS")
    if not jars:
        pytest.skip("HEADRACE_SPARK_JARS names no jars of Delta")
    lake = Lake(tmp_path / "lake")
    _appended(lake)
    _restored(lake)
    extension = "io.delta.sql.DeltaSparkSessionExtension"
    catalog = "org.apache.spark.sql.delta.catalog.DeltaCatalog"
    building = SparkSession.builder.master("local[1]").config("spark.jars", jars)
    building = building.config("spark.sql.extensions", extension)
    spark = building.config("spark.sql.catalog.spark_catalog", catalog).getOrCreate()
    try:
        rows = spark.read.format("delta").load(str(tmp_path / "lake" / "t")).orderBy("_seq").collect()
        assert [row.asDict() for row in rows] == lake.read("t").to_pylist()
    finally:
        spark.stop()
