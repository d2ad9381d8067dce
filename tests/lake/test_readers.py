"""Other engines read the tables as they are, after whatever was done to them."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.clock import now_us
from headrace.errors import HeadraceError
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


def test_rows_that_others_append_are_read(tmp_path: Path) -> None:
    lake, path = Lake(tmp_path / "lake"), str(tmp_path / "lake" / "daily")
    at = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
    lake.overwrite("daily", pa.table({"day": [at], "shop": ["a"], "n": [1]}))
    frame = pl.DataFrame({"day": [at], "shop": ["b"], "n": [2]}, schema_overrides={"day": pl.Datetime("us", "UTC")})
    frame.write_delta(path, mode="append")
    deltalake.write_deltalake(path, pa.table({"day": [at], "shop": ["c"], "n": [3]}), mode="append")
    pandas = pd.DataFrame({"day": [at], "shop": ["d"], "n": [4]}).astype({"day": "datetime64[us, UTC]"})
    deltalake.write_deltalake(path, pandas, mode="append")
    assert sorted(lake.read("daily")["shop"].to_pylist()) == ["a", "b", "c", "d"]
    assert lake.sql("select sum(n) as n, max(day) as day from daily").to_pylist() == [{"n": 10, "day": at}]
    assert lake.merge("daily", pa.table({"day": [at] * 2, "shop": ["c", "e"], "n": [5, 6]}), keys=["shop"]).updated == 1
    deltalake.DeltaTable(path).delete("shop = 'a'")
    assert {row["shop"]: row["n"] for row in lake.read("daily").to_pylist()} == {"b": 2, "c": 5, "d": 4, "e": 6}
    assert not lake.only_grew("daily", 5)
    before = lake.read("daily")
    lake.compact("daily")
    assert lake.read("daily").equals(before)


def test_rows_without_a_sequence_are_refused_where_order_matters(tmp_path: Path) -> None:
    lake, path = Lake(tmp_path / "lake"), str(tmp_path / "lake" / "t")
    _appended(lake)
    kept, version = lake.read("t"), lake.version("t")
    deltalake.write_deltalake(path, pa.table({"_seq": pa.array([100], pa.int64()), "s": ["own"]}), mode="append")
    assert lake.sequence("t") == 100, "who numbers rows behind all others may append them"
    lake.restore("t", version)
    deltalake.write_deltalake(path, pa.table({"s": ["x"]}), mode="append", schema_mode="merge")
    cure = f"headrace lake restore t --version {lake.version('t') - 1}"
    for work in (lake.read, lake.sequence, lambda name: list(lake.batches(name))):
        with pytest.raises(HeadraceError, match=f"HR-LAKE-025: found rows in t without _seq.*{cure}"):
            work("t")
    assert lake.sql("select count(*) as n from t where _seq is null").to_pylist() == [{"n": 1}], "to look at them"
    lake.restore("t", lake.version("t") - 1)
    assert lake.read("t").equals(kept)
    assert lake.sequence("t") == 100


def test_tables_whose_files_are_not_their_rows_are_refused(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    rows = pa.table({"n": [1], "day": ["mo"]})
    deltalake.write_deltalake(str(tmp_path / "lake" / "foreign"), rows)
    assert lake.read("foreign").equals(rows.cast(lake.schema("foreign")))
    deltalake.write_deltalake(str(tmp_path / "lake" / "cut"), rows, partition_by=["day"])
    for work in (lake.read, lake.files, lake.schema, lake.compact, lambda name: lake.sql(f"from {name}")):
        with pytest.raises(HeadraceError, match="HR-LAKE-026: found cut, partitioned by day"):
            work("cut")
    settings = {"delta.enableDeletionVectors": "true"}
    deltalake.DeltaTable.create(str(tmp_path / "lake" / "marked"), rows.schema, configuration=settings)
    with pytest.raises(HeadraceError, match="HR-LAKE-026: found marked, with deletionVectors"):
        lake.read("marked")


def test_times_without_a_zone_that_spark_writes_are_of_utc(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    at = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
    for shop in ("a", "b"):
        lake.append("t", pa.table({"day": pa.array([at], pa.timestamp("us", "UTC")), "shop": [shop]}))
    file = Path(lake.files("t")[1])  # as Spark would have written it: under a name of its own, with INT96
    table = pq.read_table(file)
    naive = table.set_column(0, "day", table["day"].cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us")))
    pq.write_table(naive, file.with_name("part-00000-x.c000.snappy.parquet"), use_deprecated_int96_timestamps=True)
    file.unlink()
    entry = tmp_path / "lake" / "t" / "_delta_log" / f"{2:020}.json"
    size = file.with_name("part-00000-x.c000.snappy.parquet").stat().st_size
    told = entry.read_text().replace(file.name, "part-00000-x.c000.snappy.parquet")
    entry.write_text(re.sub(r'"size":\d+', f'"size":{size}', told))
    rows = [{"day": at, "shop": "a"}, {"day": at, "shop": "b"}]
    assert sorted(lake.read("t").to_pylist(), key=str) == rows
    assert lake.sql("from t order by shop").to_pylist() == rows
    lake.attach(tmp_path / "views.duckdb")
    with duckdb.connect(str(tmp_path / "views.duckdb"), read_only=True) as connection:
        connection.execute("set timezone = 'America/New_York'")
        told = connection.sql("select epoch(day) as s from t").fetchall()
    assert told == [(at.timestamp(),)] * 2


@pytest.fixture
def spark(tmp_path: Path) -> Iterator[Any]:
    """Spark with Delta's own connector, from jars on this machine."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'pyspark>=4.2,<4.3'")
    from pyspark.sql import SparkSession

    folder = Path(os.environ.get("HEADRACE_SPARK_JARS") or Path(__file__).parents[2].parent / "shared" / "spark-jars")
    jars = sorted(map(str, folder.glob("*.jar")))
    if not jars:
        pytest.skip("no jars of Delta: HEADRACE_SPARK_JARS names no folder of them")
    said = {
        "spark.jars": ",".join(jars),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.warehouse.dir": str(tmp_path / "warehouse"),
    }
    building = SparkSession.builder.master("local[1]")
    for name, value in said.items():
        building = building.config(name, value)
    session = building.getOrCreate()
    try:
        yield session
    finally:
        session.stop()


def test_spark_reads_and_writes_the_tables(tmp_path: Path, spark: Any) -> None:
    lake, path = Lake(tmp_path / "lake"), str(tmp_path / "lake" / "t")
    _appended(lake)
    _restored(lake)
    _appended(lake)
    _compacted(lake)
    lake.merge("t", pa.table({"_seq": pa.array([20], pa.int64()), "s": ["ü"]}), keys=["s"])
    rows = spark.read.format("delta").load(path).orderBy("_seq").collect()
    assert [row.asDict() for row in rows] == lake.read("t").to_pylist()
    at = datetime.datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=datetime.UTC)
    daily = str(tmp_path / "lake" / "daily")
    price = pa.array([Decimal("1.10")] * 2, pa.decimal128(12, 2))
    lake.overwrite("daily", pa.table({"day": [at] * 2, "shop": ["a", "b"], "n": [1, 2], "price": price}))
    spark.sql(f"insert into delta.`{daily}` values (timestamp'2026-01-02 00:00:00.5', 'c', 3, 2.25)")
    spark.sql(f"update delta.`{daily}` set n = 7 where shop = 'b'")
    expected = [
        {"day": at, "shop": "a", "n": 1, "price": Decimal("1.10")},
        {"day": at, "shop": "b", "n": 7, "price": Decimal("1.10")},
        {"day": at.replace(day=2, hour=0, microsecond=500000), "shop": "c", "n": 3, "price": Decimal("2.25")},
    ]
    assert sorted(lake.read("daily").to_pylist(), key=lambda row: row["shop"]) == expected
    assert lake.sql("from daily order by shop").to_pylist() == expected
    assert lake.attach(tmp_path / "views.duckdb") == 2
    assert not lake.only_grew("daily", 1)
    assert lake.merge("daily", lake.read("daily").slice(0, 1), keys=["shop"]).unchanged == 1
    changed = pa.table({"day": [at], "shop": ["c"], "n": [4], "price": price[:1]})
    assert lake.merge("daily", changed, keys=["shop"]).updated == 1
    assert spark.read.format("delta").load(daily).selectExpr("sum(n) as n").collect()[0]["n"] == 12
