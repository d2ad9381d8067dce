"""Times beyond Python's calendar, and in zones of any machine: kept, merged, and found by every reader."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import deltalake
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import headrace as hr
from headrace.audit.data.origins import Tagged
from headrace.audit.data.profile import Against, profile
from headrace.lake import Lake
from headrace.run.refresh import refresh
from headrace.testing.differing import differences
from tests.buckets import served

MOMENTS = pa.timestamp("us", "UTC")
INFINITE = 2**63 - 1


@pytest.fixture(params=["America/New_York", "Asia/Tokyo", "UTC"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as here:
        here.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def statistics(lake: Lake, name: str, version: int = 1) -> Any:
    entries = Path(str(lake.root / name), "_delta_log", f"{version:020}.json").read_text("utf-8").splitlines()
    return next(json.loads(one["add"]["stats"]) for one in map(json.loads, entries) if "add" in one)


def months(*years: int) -> pa.Table:
    naive = [datetime.datetime(year, 1, 1) for year in years]  # noqa: DTZ001 - DuckDB's timestamp, without a zone
    zoned = [one.replace(tzinfo=UTC) for one in naive]
    days = [one.date() for one in naive]
    return pa.table({"naive": pa.array(naive, pa.timestamp("us")), "zoned": pa.array(zoned, MOMENTS), "day": days})


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize("year", [2026, 1901, 999, 1])
def test_readers_find_a_time_by_its_statistics_wherever_it_was_written(lake: Lake, year: int) -> None:
    for one in (year, 2030):
        lake.append("t", months(one))
    path = str(lake.root / "t")
    (naive,), (zoned,), (day,) = (months(year)[name].to_pylist() for name in ("naive", "zoned", "day"))
    for name, value in {"naive": naive, "zoned": zoned, "day": day}.items():
        assert pl.scan_delta(path).filter(pl.col(name) == value).collect().height == 1
        wanted = pc.field(name) == pa.scalar(value, months(year).schema.field(name).type)
        assert deltalake.DeltaTable(path).to_pyarrow_dataset().count_rows(filter=wanted) == 1
    assert lake.merge("t", months(year), keys=["naive"]).unchanged == 1
    assert statistics(lake, "t")["minValues"] == {
        "naive": f"{year:04}-01-01T00:00:00.000000",
        "zoned": f"{year:04}-01-01T00:00:00.000000Z",
        "day": f"{year:04}-01-01",
    }


@pytest.mark.usefixtures("zone")
def test_queries_of_a_bucket_find_times_without_a_zone(tmp_path: Path) -> None:
    with served(tmp_path, "bank"):
        lake = Lake("s3://bank/lake")
        for year in (2026, 1, 2027):
            lake.append("t", months(year))
        lake.append("t", pa.table(months(2028).columns, lake.schema("t")))
        for year in (2026, 1, 2027):
            for column in ("naive", "zoned", "day"):
                found = lake.sql(f"select count(*) as n from t where {column} = '{year:04}-01-01'")
                assert found["n"].to_pylist() == [1], (year, column)


def test_infinity_is_kept_merged_and_asked_for(lake: Lake) -> None:
    rows = lake.sql(
        "select * from (values (1, 'infinity'::timestamptz, '-infinity'::timestamp, date '9999-12-31' + 1),"
        " (2, '2026-01-01', '0044-03-15 (BC)', '4713-01-01 (BC)'::date)) as t(id, until, since, day)"
    )
    rows = rows.append_column(
        "span", pa.array([{"until": one} for one in rows["until"]], pa.struct({"until": MOMENTS}))
    )
    lake.append("t", rows)
    assert lake.read("t").equals(rows)
    assert statistics(lake, "t")["minValues"] == {"id": 1}
    for key in ("id", "until", "since", "day"):
        done = lake.merge("t", rows, keys=[key])
        assert (done.unchanged, done.inserted, done.updated) == (2, 0, 0)
    assert lake.replace("t", rows.slice(0, 1), rows.select(["until"]).slice(0, 1)).deleted == 1
    assert lake.sql("select id from t where until > '2100-01-01'")["id"].to_pylist() == [1]
    assert (
        lake.sql("select count(*) as n from t where day > '9999-12-31' or since < '-4000-01-01'")["n"][0].as_py() == 1
    )


def test_statistics_of_others_reach_beyond_the_calendar(lake: Lake) -> None:
    far = pa.table({"id": [1], "at": pa.array([INFINITE // 40], MOMENTS), "day": pa.array([3_000_000], pa.date32())})
    deltalake.write_deltalake(str(lake.root / "t"), far)
    assert lake.extent("t").rows == 1
    assert lake.merge("t", far, keys=["at", "day"]).unchanged == 1


def test_a_query_whose_changed_rows_reach_beyond_the_calendar_is_brought_up_to_date(lake: Lake) -> None:
    def rows(ends: list[int]) -> pa.Table:
        days = pa.array(ends, pa.int32()).cast(pa.date32())
        return pa.table({"id": pa.array(range(len(ends)), pa.int64()), "ends": days})

    last = (datetime.date.max - datetime.date(1970, 1, 1)).days
    query = "select ends + 1 as renewal, count(*) as n from spans where ends < '9999-12-31' group by all"
    table = hr.Table("renew", query=query)
    lake.append("spans", rows([*range(40), last]))
    refresh(table, lake, {"a": "1"})
    for ends in ([*range(40), 7], [*range(40), last]):
        lake.merge("spans", rows(ends), keys=["id"])
        assert refresh(table, lake, {"a": "1"}).how == "for 2 values of renewal"
        fresh = lake.sql(query)
        assert sorted(lake.read("renew").to_pylist(), key=str) == sorted(fresh.to_pylist(), key=str)


def test_a_report_and_the_test_of_a_query_take_them(lake: Lake) -> None:
    far = lake.sql("select 'infinity'::timestamptz as until, date '9999-12-31' + 1 as day, 1 as n from range(3)")
    lake.append("t", far)
    columns = {name: Tagged("time") for name in far.column_names}
    found = profile(lake, "t", columns, Against(), lambda *_: None)
    assert [(one.missing, one.least) for one in found] == [(0, None), (0, None), (0, 1)]
    assert (
        differences(far, far.set_column(2, "n", [[1, 1, 2]]))
        == "row until='infinity', day='10000-01-01': n is 1, not 2"
    )
