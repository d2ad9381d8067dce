"""Columns that files may have or not: null where the field says so, refused where it does not."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace.connect import ingest
from headrace.connect.repair import replay
from headrace.connect.repair.received import received
from headrace.lake import Lake


class Sale(hr.Contract):
    sale_id: int = hr.key()
    amount: float = hr.field(ge=0)
    note: str | None = None
    pieces: int | None = hr.field(default=None, ge=1)


def rows_of(lake: Lake) -> list[tuple[Any, ...]]:
    found = lake.read("sales").select(["sale_id", "amount", "note", "pieces"]).to_pylist()
    return sorted(tuple(one.values()) for one in found)


def in_csv(folder: Path, rows: pa.Table, name: str) -> None:
    rows.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get).to_csv(folder / f"{name}.csv", index=False)


def in_parquet(folder: Path, rows: pa.Table, name: str) -> None:
    pq.write_table(rows, folder / f"{name}.parquet")


def in_excel(folder: Path, rows: pa.Table, name: str) -> None:
    rows.to_pandas().to_excel(folder / f"{name}.xlsx", index=False)


FULL = pa.table({"sale_id": [1, 2], "amount": [1.5, -2.0], "note": ["a", "b"], "pieces": [3, 4]})
OLD = pa.table({"sale_id": [3, 4], "amount": [3.5, -4.0]})


@pytest.mark.parametrize("write", [in_csv, in_parquet, in_excel])
@pytest.mark.parametrize("others", [0, 40], ids=["two files", "many small ones"])
def test_what_a_file_lacks_is_null_in_its_rows(tmp_path: Path, write: Any, others: int) -> None:
    (tmp_path / "data").mkdir()
    write(tmp_path / "data", FULL, "b")
    write(tmp_path / "data", OLD, "a")
    for n in range(others):
        write(tmp_path / "data", pa.table({"amount": [1.0], "note": ["c"], "sale_id": [100 + n]}), f"c{n}")
    lake, sales = Lake(tmp_path / "lake"), hr.Table("sales", Sale, source="data/*")
    report = ingest(sales, tmp_path, lake)
    assert [fault for fault in report.faults if fault.severity == "error"] == []
    assert (report.received, report.accepted, report.quarantined) == (4 + others, 2 + others, 2)
    expected = [(1, 1.5, "a", 3), (3, 3.5, None, None), *((100 + n, 1.0, "c", None) for n in range(others))]
    assert rows_of(lake) == expected

    refused = received(lake.read("quarantine_sales"))
    replay.replay(lake, sales, [one.repaired({"amount": "9"}, Sale) for one in refused])
    assert rows_of(lake) == sorted([*expected, (2, 9.0, "b", 4), (4, 9.0, None, None)])


def test_frames_and_databases(tmp_path: Path) -> None:
    def frames() -> Any:
        yield pd.DataFrame({"sale_id": [1], "amount": [1.5]})
        yield pd.DataFrame({"sale_id": [2], "amount": [2.5], "note": ["x"]})

    lake = Lake(tmp_path / "lake")
    assert ingest(hr.Table("sales", Sale, source=hr.Rows(frames)), tmp_path, lake).accepted == 2
    assert rows_of(lake) == [(1, 1.5, None, None), (2, 2.5, "x", None)]

    with sqlite3.connect(tmp_path / "shop.db") as link:
        link.execute("create table sales (sale_id integer primary key, amount real)")
        link.execute("insert into sales values (7, 1.0)")
    lake = Lake(tmp_path / "other")
    ingest(hr.Table("sales", Sale, source=hr.Database("sqlite:///shop.db")), tmp_path, lake)
    assert rows_of(lake) == [(7, 1.0, None, None)]


def test_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,amount\n1,2.5\n")
    (tmp_path / "b.csv").write_text("id,amount,Remark here\n2,2.5,hello\n")
    columns = {"sale_id": "id", "note": "Remark here"}
    lake = Lake(tmp_path / "lake")
    ingest(hr.Table("sales", Sale, source="*.csv", columns=columns), tmp_path, lake)
    assert rows_of(lake) == [(1, 2.5, None, None), (2, 2.5, "hello", None)]


def test_a_field_that_may_be_null_and_says_no_more_is_missed(tmp_path: Path) -> None:
    class Strict(hr.Contract):
        sale_id: int = hr.key()
        note: str | None

    (tmp_path / "a.csv").write_text("sale_id\n1\n")
    (fault,) = ingest(hr.Table("sales", Strict, source="*.csv"), tmp_path, Lake(tmp_path / "lake")).faults
    assert fault.code == "HR-DATA-101"
    assert fault.cure.endswith("or write note: … = None in it, where files may lack it")
