"""A column may have another type the next time it is read: the rows there are the same rows."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import headrace as hr
from headrace.connect import account, ingest
from headrace.lake import Lake


class Bare(hr.Contract):
    """Without a key, so that only what was read tells one row from another."""

    n: int
    amount: float | None
    price: hr.Decimal(8, 2) | None  # type: ignore[valid-type]


def load(source: Any, folder: Path) -> list[int]:
    table = hr.Table("bare", Bare, source=source, load="append")
    lake = Lake(folder / "lake")
    ingest(table, folder, lake)
    found = account(lake, "bare")
    assert found.received == found.accepted + found.quarantined
    rows = lake.read("bare", columns=["n"])["n"].to_pylist() if lake.exists("bare") else []
    held = lake.rows("quarantine_bare") if lake.exists("quarantine_bare") else 0
    return [*sorted(rows), *[-1] * held]


def test_text_among_the_numbers_of_sqlite_makes_no_row_another(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as base:
        base.execute("create table bare (n integer, amount, price decimal(8, 2))")

        def insert(*rows: tuple[Any, ...]) -> None:
            base.executemany("insert into bare values (?, ?, ?)", rows)
            base.commit()

        source = hr.Database("sqlite:///x.db", cursor="n")
        insert((1, 5, 5.5), (2, 7.0, 7))
        assert load(source, tmp_path) == [1, 2]
        insert((3, "many", 1))  # all values that are read become text, also those of the last row
        assert load(source, tmp_path) == [1, 2, -1]
        insert((4, 8, 1.25))
        assert load(source, tmp_path) == [1, 2, 4, -1]


def test_a_frame_with_a_gap_has_floats_and_the_same_rows(tmp_path: Path) -> None:
    frames = [pd.DataFrame({"n": [1, 2], "amount": [5, 6], "price": [1, 2]})]

    def rows(since: int | None) -> Iterator[pd.DataFrame]:
        yield pd.concat(frames)

    source = hr.Rows(rows, cursor="n")
    assert load(source, tmp_path) == [1, 2]
    frames.append(pd.DataFrame({"n": [3], "amount": [None], "price": [None]}))
    assert load(source, tmp_path) == [1, 2, 3]


@pytest.mark.parametrize("overlap", [None, 5])
def test_digits_that_a_column_gets_make_no_row_another(tmp_path: Path, overlap: int | None) -> None:
    import duckdb

    def said(*statements: str) -> None:
        with duckdb.connect(tmp_path / "x.duckdb") as base:
            for one in statements:
                base.execute(one)

    said("create table bare (n integer, amount double, price numeric(8, 2))")
    said("insert into bare select range, range * 1.5, range / 4 from range(10)")
    source = hr.Database("duckdb:///x.duckdb", cursor="n", overlap=overlap)
    assert load(source, tmp_path) == [*range(10)]
    said("alter table bare alter price type numeric(12, 4)", "alter table bare alter n type bigint")
    said("insert into bare values (10, 1, 2.5)")
    assert load(source, tmp_path) == [*range(11)]
