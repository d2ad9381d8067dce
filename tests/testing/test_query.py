"""Tests of queries as a user writes them: rows in, rows expected, and what is said where they differ."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from decimal import Decimal

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import headrace as hr
from headrace.errors import HeadraceError
from headrace.testing import check_query, query_rows


class Sale(hr.Contract):
    """What is sold."""

    sale_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    shop: int = hr.field(ge=1)
    amount: hr.Decimal(9, 2) = hr.field(ge=0)
    kind: str = hr.field(isin=["card", "cash"])
    weight: float = hr.field(gt=0, lt=10)
    note: str | None


class Day(hr.Contract):
    """What a day brought."""

    day: hr.Date = hr.key()
    total: hr.Decimal(12, 2) = hr.field(le=1000)


sales = hr.Stream("sales", Sale, source="data/sales*")
daily = hr.Table(
    "daily", Day, query="select at::date as day, sum(amount)::decimal(12, 2) as total from sales group by all"
)
monthly = hr.Table(
    "monthly", query="select date_trunc('month', day) as month, sum(total) as total from daily group by 1"
)
shapes = hr.Table(
    "shapes", query="select shop, kind, note, weight / 3 as third, min(sale_id) as first from sales group by all"
)
project = hr.Project("shop", sources=[sales, daily, monthly, shapes])
CSV = """
    at, amount
    2026-03-01T10:00:00Z, 2.50
    2026-03-01T23:59:59Z, 1.50
    2026-03-02T00:00:00Z, 7
"""
EXPECTED = [{"day": "2026-03-02", "total": 7}, {"day": datetime.date(2026, 3, 1), "total": Decimal("4.00")}]
DICTS = [
    {"at": "2026-03-01 10:00", "amount": 2.5},
    {"at": datetime.datetime(2026, 3, 1, 23), "amount": "1.50"},  # noqa: DTZ001 - as a user may write it
    {"at": datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC), "amount": 7},
]
AT = pd.to_datetime(["2026-03-01T10:00Z", "2026-03-01T11:00Z", "2026-03-02T11:00Z"])
FRAMES = [
    pd.DataFrame({"at": AT, "amount": [2.5, 1.5, 7.0]}),
    pl.DataFrame({"at": AT.to_pydatetime().tolist(), "amount": [2.5, 1.5, 7.0]}),
    pa.table({"at": pa.array(AT), "amount": [2.5, 1.5, 7.0]}),
]


@pytest.mark.parametrize("given", [CSV, DICTS, *FRAMES], ids=["csv", "dicts", "pandas", "polars", "arrow"])
def test_rows_are_given_in_any_form_and_expected_in_any_order(given: object) -> None:
    check_query(project, "daily", {"sales": given}, EXPECTED)  # type: ignore[dict-item]
    check_query(project, "daily", {"sales": given}, "day,total\n2026-03-01,4\n2026-03-02,7\n")  # type: ignore[dict-item]
    check_query(project, "daily", {"sales": given}, [{"total": 4}, {"total": 7}])  # type: ignore[dict-item]


def test_a_table_that_is_made_of_another_is_tested_alone() -> None:
    given = [{"day": "2026-03-01", "total": 3}, {"day": "2026-03-09", "total": 4}]
    check_query(project, "monthly", {"daily": given}, [{"month": "2026-03-01", "total": 7}])
    check_query(project, "monthly", {}, [])


def test_what_is_not_given_is_valid_or_null() -> None:
    made = query_rows(project, "shapes", {"sales": [{"amount": 1}, {"amount": 2, "note": "n"}]}).to_pylist()
    assert sorted(made, key=lambda one: one["first"]) == [
        {"shop": 1, "kind": "card", "note": None, "third": pytest.approx(1 / 3), "first": "1"},
        {"shop": 1, "kind": "card", "note": "n", "third": pytest.approx(1 / 3), "first": "2"},
    ]
    check_query(project, "shapes", {"sales": [{"amount": 1}]}, [{"third": 0.333333333333}])


DIFFERENT = [
    ([{"day": "2026-03-01", "total": 5}, EXPECTED[0]], "row day=2026-03-01: total is 4.00, not 5.00"),
    ([EXPECTED[0]], "not expected: day=2026-03-01, total=4.00"),
    ([*EXPECTED, {"day": "2026-03-03", "total": None}], "missing: day=2026-03-03, total=null"),
    ([*EXPECTED, EXPECTED[0]], "missing: day=2026-03-02, total=7.00"),
    ([], "2 rows, where none is expected"),
]


@pytest.mark.parametrize(("expect", "told"), DIFFERENT)
def test_what_differs_is_told_row_by_row(expect: list[dict[str, object]], told: str) -> None:
    with pytest.raises(AssertionError) as failed:
        check_query(project, "daily", {"sales": CSV}, expect)
    assert str(failed.value) == f"daily does not give what is expected:\n{told}"


WRONG = [
    ("dayly", {}, [], "HR-TEST-001", "did you mean 'daily'?"),
    ("sales", {}, [], "HR-TEST-001", "no table by query called 'sales'"),
    ("daily", {"sale": CSV}, [], "HR-TEST-002", "did you mean 'sales'?"),
    ("daily", {"sales": [{"amont": 1}]}, [], "HR-TEST-003", "did you mean 'amount'?"),
    ("daily", {"sales": CSV}, [{"dya": 1}], "HR-TEST-003", "expect of daily has no column dya"),
    ("daily", {"sales": [{"amount": 1}, {"amount": "two"}]}, [], "HR-TEST-004", "sales: amount of row 2 is 'two'"),
    ("daily", {"sales": [{"at": "yesterday"}]}, [], "HR-TEST-004", "a value of type timestamp"),
    ("daily", {"sales": [{"amount": 1001}]}, [], "HR-DATA-109", "1 of 1 rows of daily break its contract"),
]


@pytest.mark.parametrize(("name", "given", "expect", "code", "told"), WRONG)
def test_what_is_written_wrong_is_told(
    name: str, given: dict[str, object], expect: object, code: str, told: str
) -> None:
    with pytest.raises(HeadraceError) as failed:
        check_query(project, name, given, expect)  # type: ignore[arg-type]
    assert [fault.code for fault in failed.value.faults] == [code]
    assert told in str(failed.value)


def test_it_needs_no_kernel() -> None:
    code = "import sys, json, headrace.testing; print(json.dumps(sorted({'numba', 'duckdb'} & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
