"""Validation of rows: twelve checks against one hand-written DuckDB query, pandera and Great Expectations."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import headrace as hr
from bench.apart import Absent, answer, environment
from bench.measure import Result, in_turn
from headrace.contracts import Across, judge
from headrace.contracts.validation import unmarked

BATCH = 1_000_000
"""Rows that a load validates at a time."""
HERE = Path(__file__).resolve().parent
RIVALS = {
    "pandera": ["pandera==0.35.0", "pandas<3", "pyarrow"],
    "pandera on Polars": ["pandera[polars]==0.35.0", "polars", "pandas<3", "pyarrow"],
    "Great Expectations": ["great-expectations==1.24.1", "pandas<3", "pyarrow"],
}
"""Each in an environment of its own and a process of its own; only the validation itself is timed."""


class Payment(hr.Contract):
    """Twelve promises, the most frequent kinds of those that data teams write."""

    payment_id: int = hr.key()
    at: hr.Timestamp = hr.event_time()
    settled: hr.Timestamp | None
    customer_id: int = hr.field(ge=1)
    amount: float = hr.field(ge=0, le=10_000)
    fee: float | None
    currency: str = hr.field(isin=["EUR", "USD", "GBP", "CHF"])
    country: str = hr.field(pattern="[A-Z]{2}")
    note: str | None = hr.field(max_length=20)
    in_order = hr.check("settled >= at")
    fee_below = hr.check("fee <= amount")


DUCKDB = """
select
    count(*) filter (where payment_id is null) as "payment_id",
    count(payment_id) - count(distinct payment_id) as "key",
    count(*) filter (where "at" is null) as "at",
    count(*) filter (where customer_id is null) as "customer_id",
    count(*) filter (where customer_id < 1) as "customer_id ge",
    count(*) filter (where amount < 0) as "amount ge",
    count(*) filter (where amount > 10000) as "amount le",
    count(*) filter (where currency not in ('EUR', 'USD', 'GBP', 'CHF')) as "currency isin",
    count(*) filter (where not regexp_full_match(country, '[A-Z]{2}')) as "country pattern",
    count(*) filter (where length(note) > 20) as "note max_length",
    count(*) filter (where settled < "at") as "in_order",
    count(*) filter (where fee > amount) as "fee_below"
from rows
"""
CHECKS = (
    "payment_id", "key", "at", "customer_id", "customer_id ge", "amount ge", "amount le", "currency isin",
    "country pattern", "note max_length", "in_order", "fee_below",
)  # fmt: skip


def world(rows: int, seed: int = 1, *, ascending: bool = True) -> pa.Table:
    """Return rows of which about one in ten thousand breaks each check; keys that ascend, or come in any order.

    Every fourth row breaks none, and keys that come again are theirs: Headrace lets the key of a row that is refused
    come again, where a query counts it.
    """
    random, place = np.random.default_rng(seed), np.arange(rows)

    def some() -> np.ndarray:
        return (random.random(rows) < 1e-4) & (place % 4 != 0)

    at = np.sort(random.integers(1_700_000_000_000_000, 1_700_000_000_000_000 + 183 * 86_400_000_000, rows))
    key = np.where((random.random(rows) < 4e-4) & (place % 4 == 1), place - 1, place)
    named = key if ascending else random.permutation(rows)[key]
    amount = np.round(random.random(rows) * 1000, 2)
    amount = np.where(some(), -1.0, np.where(some(), 20_000.0, amount))
    settled = at + np.where(some(), -1, 3_600_000_000)
    moment = pa.timestamp("us", tz="UTC")
    words = pa.array(["thanks", "for the shoes", "rent of this month"]).take(pa.array(random.integers(0, 3, rows)))
    notes = pa.array(np.where(some(), 1, 0)).cast(pa.bool_())
    currency = pa.array(["EUR", "USD", "GBP", "CHF", "XXX"]).take(pa.array(np.where(some(), 4, key % 4)))
    country = pa.array(["DE", "FR", "IT", "xx"]).take(pa.array(np.where(some(), 3, key % 3)))
    return pa.table(
        {
            "payment_id": pa.array(named, mask=some()),
            "at": pa.array(at, mask=some()).cast(moment),
            "settled": pa.array(settled, mask=random.random(rows) < 0.1).cast(moment),
            "customer_id": pa.array(np.where(some(), 0, random.integers(1, 200_000, rows)), mask=some()),
            "amount": amount,
            "fee": pa.array(np.where(some(), 30_000.0, 0.01 * np.abs(amount)), mask=amount < 0),
            "currency": currency,
            "country": country,
            "note": pa.compute.if_else(notes, "a note that is much too long for it", words),
        }
    )


def ours(table: pa.Table) -> dict[str, int]:
    """Return the rows that break each check: the pass of each load, which finds their places, too."""
    found, across = dict.fromkeys(CHECKS, 0), Across(Payment)
    for start in range(0, table.num_rows, BATCH):
        typed, problems = judge(Payment, table.slice(start, BATCH))
        problems += across.problems(typed, unmarked(problems, typed.num_rows))
        for one in problems:
            found[one.name] = found.get(one.name, 0) + len(one.rows)
    return found


def by_duckdb(table: pa.Table) -> dict[str, int]:
    connection = duckdb.connect()
    connection.register("rows", table)
    done = connection.execute(DUCKDB)
    row = done.fetchone()
    assert row is not None
    assert done.description is not None
    return {name: int(value) for (name, *_), value in zip(done.description, row, strict=True)}


def elsewhere(name: str, path: Path, rounds: int) -> tuple[float, dict[str, int]]:
    """Return the least seconds of a rival and the rows that break each check, as its own process tells."""
    python = environment(re.sub(r"[^a-z0-9.]+", "-", RIVALS[name][0]), RIVALS[name])
    inside = HERE / "validation_inside.py"
    found = answer([str(python), "-I", str(inside), name, str(path), str(rounds)], path.parent).said
    return found["seconds"], found["failed"]


def run(rows: int = 10_000_000, rounds: int = 3) -> Result:
    """Count the rows that break each of twelve checks."""
    table = world(rows)
    ours(table.slice(0, 10_000))
    rivals = {"Headrace": lambda: ours(table), "DuckDB": lambda: by_duckdb(table)}
    seconds, results = in_turn(rivals, rounds, memory=400 * rows)
    expected = {name: results["DuckDB"][name] for name in CHECKS}
    assert results["Headrace"] == expected, f"{results['Headrace']} is not {expected}"
    notes: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        pq.write_table(table, path)
        for name in RIVALS:
            try:
                seconds[name], failed = elsewhere(name, path, 1 if rows > 1_000_000 else rounds)
            except Absent as error:
                notes[name] = str(error)
                continue
            assert failed == expected, f"{name}: {failed} is not {expected}"
    what = f"{rows:,} rows x {len(CHECKS)} checks"
    aim = "at most 1.5x the time of DuckDB, 5x pandera, 20x Great Expectations"
    return Result("validation", what, seconds, "all counts equal", aim, notes)


def without_order(rows: int = 10_000_000, rounds: int = 3) -> Result:
    """Count the same where keys come in any order, so that each has to be looked up; against DuckDB alone."""
    table = world(rows, ascending=False)
    rivals = {"Headrace": lambda: ours(table), "DuckDB": lambda: by_duckdb(table)}
    seconds, results = in_turn(rivals, rounds, memory=400 * rows)
    expected = {name: results["DuckDB"][name] for name in CHECKS}
    assert results["Headrace"] == expected, f"{results['Headrace']} is not {expected}"
    what = f"{rows:,} rows x {len(CHECKS)} checks, keys in any order"
    return Result("validation", what, seconds, "all counts equal", "at most 1.5x the time of DuckDB")


def suite(small: bool) -> list[Result]:
    """Return the results of this file."""
    rows = 100_000 if small else 10_000_000
    return [run(rows), without_order(rows)]
