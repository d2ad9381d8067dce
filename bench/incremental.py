"""A table by query after one hundredth of its rows changed: brought up to date, against making it anew."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

import headrace as hr
from bench.measure import Result, in_turn
from bench.windows import DAY
from headrace.lake import Lake
from headrace.run.refresh import refresh

BY_DAY = """
    select date_trunc('day', "at") as day, terminal_id % 100 as area, count(*) as payments, sum(amount) as revenue,
        count(distinct customer_id) as customers, median(amount) as usual, max(amount) as most
    from payments group by all
"""
BY_KEY = """
    select customer_id, count(*) as payments, sum(amount) as revenue, max("at") as last, median(amount) as usual,
        count(distinct terminal_id) as terminals
    from payments group by customer_id
"""
ADDED = "select payment_id, date_trunc('hour', \"at\") as hour, customer_id, amount * 100 as cents from payments"
DECLARED = {"declaration made": "1"}


def payments(first: int, days: np.ndarray, customers: np.ndarray) -> pa.Table:
    """Return payments of some days and customers, in the order of time."""
    random = np.random.default_rng(first)
    rows = len(days)
    order = np.argsort(at := days * DAY + random.integers(0, DAY, rows), kind="stable")
    return pa.table(
        {
            "payment_id": np.arange(first, first + rows),
            "at": pa.array(at[order]).cast(pa.timestamp("us", tz="UTC")),
            "customer_id": customers[order],
            "terminal_id": random.integers(0, 10_000, rows),
            "amount": random.integers(100, 100_000, rows),
        }
    )


def world(folder: Path, rows: int, late: float) -> tuple[Lake, pa.Table]:
    """Return a lake with payments of a hundred days, and one hundredth more: a day's, of which some came late.

    Those that are late are of one day, of which all rows are to be read again: so two hundredths in place of one.
    """
    random, lake, keys = np.random.default_rng(5), Lake(folder), rows // 50
    for month in range(4):
        days = random.integers(25 * month, 25 * month + 25, rows // 4)
        lake.append("payments", payments(month * rows, days, random.integers(0, keys, rows // 4)))
    new = rows // 100
    days = np.where(np.arange(new) < late * new, 97, 100)
    # Those who pay on one day are a hundredth of all.
    return lake, payments(5 * rows, days, random.integers(0, keys // 100, new))


def measured(name: str, query: str, late: float, rows: int, rounds: int) -> Result:
    """Return how long it takes to bring a table up to date, and to make it anew by the same way and by DuckDB."""
    with tempfile.TemporaryDirectory() as place:
        lake, new = world(Path(place), rows, late)
        # One for each round, since a table is brought up to date once; the first is compared and not timed.
        tables = [hr.Table(f"changing_{number}", query=query) for number in range(rounds + 1)]
        anew = hr.Table("anew", query=query, incremental=False)
        for table in (*tables, anew):
            refresh(table, lake, DECLARED)
        lake.append("payments", new)
        said = refresh(tables[0], lake, DECLARED).how
        refresh(anew, lake, DECLARED)
        require_equal(lake, tables[0].name)
        waiting, runs = iter(tables[1:]), count()
        taken = {
            "Headrace, what changed": lambda: refresh(next(waiting), lake, DECLARED),
            "Headrace, in full": lambda: refresh(anew, lake, {"declaration anew": str(next(runs))}),
            "DuckDB, in full, to one Parquet file": lambda: by_hand(lake, query, Path(place) / "made.parquet"),
        }
        seconds, _ = in_turn(taken, rounds)
        what = f"{rows:,} rows, {new.num_rows:,} more; {lake.rows('anew'):,} rows of the table"
        return Result(f"incremental table, {name}", what, seconds, "results equal", "20x in full", {"made": said})


def by_hand(lake: Lake, query: str, path: Path) -> None:
    """Let DuckDB make the table as it would be written by hand."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"create view payments as from read_parquet({lake.files('payments')!r})")
        connection.execute(f"copy ({query}) to '{path}' (compression zstd)")


def require_equal(lake: Lake, name: str) -> None:
    """Raise where a table that was brought up to date is not the one that was made anew."""
    differ = f"(from {name} except all from anew) union all (from anew except all from {name})"
    found = lake.sql(f"select count(*) as n from ({differ})")
    if found["n"][0].as_py():
        raise AssertionError("the table from what changed is not the table in full")


def suite(small: bool) -> list[Result]:
    """Run at thirty million rows, or at a hundred thousand: a refresh takes a tenth of a second however few changed."""
    rows, rounds = (100_000, 1) if small else (30_000_000, 2)
    cases = {
        "by day and area": (BY_DAY, 0.0),
        "by day and area, some came late": (BY_DAY, 0.01),
        "by changed keys": (BY_KEY, 0.01),
        "by new rows": (ADDED, 0.01),
    }
    return [measured(name, *case, rows, rounds) for name, case in cases.items()]
