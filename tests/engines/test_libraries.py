"""Windows over a few thousand events against DuckDB's window SQL, Polars' rolling, and NumPy."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import headrace as hr
from headrace.engines import batch
from headrace.plan import compile_features
from tests.plan.worlds import DAY, HOUR, START

ROWS = 3_000
TIMES = pa.timestamp("us", tz="UTC")


class Trade(hr.Contract):
    """Whole numbers, on which other libraries are exact, too; and floats, on which they are nearly so."""

    w: hr.Timestamp = hr.event_time()
    k: int
    n: int | None = hr.field(ge=-1000, le=1000)
    x: float = hr.field(ge=-1000, le=1000)


trades = hr.Stream("trades", Trade)


@pytest.fixture(scope="module")
def events() -> pa.Table:
    rng = np.random.default_rng(11)
    times = np.sort(START + rng.integers(0, 10 * DAY // HOUR, ROWS) * HOUR)
    numbers = pa.array(rng.integers(-1000, 1000, ROWS), mask=rng.random(ROWS) < 0.1)
    columns = {"w": pa.array(times).cast(TIMES), "k": pa.array(rng.integers(0, 30, ROWS)), "n": numbers}
    return pa.table({**columns, "x": pa.array(rng.normal(0, 100, ROWS).clip(-1000, 1000)), "i": pa.array(range(ROWS))})


FEATURES = {
    "count": hr.count("1d"),
    "values": hr.count("n", "1d"),
    "sum": hr.sum("n", "1d"),
    "mean": hr.mean("n", "1d"),
    "min": hr.min("n", "1d"),
    "max": hr.max("n", "1d"),
    "var": hr.var("x", "1d"),
    "std": hr.std("x", "1d"),
    "first": hr.first("n", "1d"),
    "last": hr.last("n", "1d"),
    "known": hr.last_known("n", "1d"),
    "unique": hr.nunique("n", "1d"),
    "delayed": hr.sum("n", "1d", delay="6h"),
    "where": hr.count("1d", where="n > 0"),
    "floats": hr.sum("x", "1d"),
    "decayed": hr.decayed_sum("x", half_life="6h"),
    "quantile": hr.quantile("x", "1d", q=0.5),
    "ever": hr.sum("n", "lifetime"),
    "since": hr.time_since_last("1d"),
}
ABOUT = {"mean": 1e-14, "var": 1e-9, "std": 1e-9, "floats": 1e-9}


@pytest.fixture(scope="module")
def made(events: pa.Table) -> dict[str, list[Any]]:
    plan = compile_features([hr.Features("g", trades, by=hr.Entity("k"), features=FEATURES)], trades)
    found = batch.features(plan, events, lambda name, columns: events)
    return {name: found.column(f"g.{name}").to_pylist() for name in FEATURES}


DAY_BEFORE = "over (partition by k order by t range between 86400000000 preceding and 1 preceding)"
DELAYED = "over (partition by k order by t range between 108000000000 preceding and 21600000001 preceding)"
EVER = "over (partition by k order by t range between unbounded preceding and 1 preceding)"
ORDERED = "over (partition by k order by t, i range between 86400000000 preceding and 1 preceding)"
SQL = {
    "count": f"count(*) {DAY_BEFORE}",
    "values": f"count(n) {DAY_BEFORE}",
    "sum": f"cast(sum(n) {DAY_BEFORE} as double)",
    "mean": f"avg(n) {DAY_BEFORE}",
    "min": f"min(n) {DAY_BEFORE}",
    "max": f"max(n) {DAY_BEFORE}",
    "var": f"var_samp(x) {DAY_BEFORE}",
    "std": f"stddev_samp(x) {DAY_BEFORE}",
    "unique": f"nullif(count(distinct n) {DAY_BEFORE}, 0)",
    "delayed": f"cast(sum(n) {DELAYED} as double)",
    "where": f"count(*) filter (n > 0) {DAY_BEFORE}",
    "floats": f"sum(x) {DAY_BEFORE}",
    "ever": f"cast(sum(n) {EVER} as double)",
    "since": f"(t - max(t) {DAY_BEFORE}) / 1000000",
}


@pytest.mark.parametrize("name", list(SQL))
def test_duckdb(name: str, events: pa.Table, made: dict[str, list[Any]]) -> None:
    lake = events.set_column(0, "t", events.column("w").cast(pa.int64()))
    found = duckdb.connect().from_arrow(lake).query("lake", f"select {SQL[name]} from lake order by i").fetchall()
    same(made[name], [row[0] for row in found], ABOUT.get(name))


POLARS = {
    "count": pl.len(),
    "sum": pl.col("n").sum(),
    "min": pl.col("n").min(),
    "max": pl.col("n").max(),
    "first": pl.col("n").first(),
    "last": pl.col("n").last(),
    "known": pl.col("n").drop_nulls().last(),
    "std": pl.col("x").std(),
}


@pytest.mark.parametrize("name", list(POLARS))
def test_polars(name: str, events: pa.Table, made: dict[str, list[Any]]) -> None:
    frame = pl.from_arrow(events)
    assert isinstance(frame, pl.DataFrame)
    rolled = frame.rolling("w", period="1d", closed="left", group_by="k").agg(
        pl.col("n").count().alias("m"), f=POLARS[name]
    )
    by_key = (
        frame.sort("k", maintain_order=True).select("i").hstack(rolled.sort("k", "w", maintain_order=True)).sort("i")
    )
    expected = by_key.get_column("f").to_list()
    if name == "sum":  # of nothing: 0 there, null here
        counts = by_key.get_column("m").to_list()
        expected = [None if count == 0 else float(value) for value, count in zip(expected, counts, strict=True)]
    same(made[name], expected, ABOUT.get(name))


def test_numpy(events: pa.Table, made: dict[str, list[Any]]) -> None:
    time, key = events.column("w").cast(pa.int64()).to_numpy(), events.column("k").to_numpy()
    x = events.column("x").to_numpy()
    for row in range(0, ROWS, 7):
        before = (key == key[row]) & (time < time[row])
        age = (time[row] - time[before]) / (6 * HOUR)
        expected = float((x[before] * 2.0**-age).sum()) if before.any() else None
        same([made["decayed"][row]], [expected], 1e-9)
        window = x[before & (time >= time[row] - DAY)]
        if len(window):
            lower = float(np.quantile(window, 0.5, method="lower"))
            assert abs(made["quantile"][row] - lower) <= abs(lower) / 256


def same(made: list[Any], expected: list[Any], about: float | None) -> None:
    if about is None:
        assert made == expected
    else:
        np.testing.assert_allclose(_nan_for_null(made), _nan_for_null(expected), rtol=about, atol=about)


def _nan_for_null(values: list[Any]) -> list[float]:
    return [float("nan") if value is None else value for value in values]
