"""Training-set features: windows over events against DuckDB's window SQL and Polars' rolling."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa

import headrace as hr
from bench.measure import Result, in_turn
from headrace.engines.batch import features
from headrace.plan import compile_features

DAY = 86_400_000_000
FEATURES = (
    ("count", 1),
    ("sum", 1),
    ("mean", 7),
    ("max", 7),
    ("min", 14),
    ("std", 14),
    ("sum", 30),
    ("mean", 60),
)
"""Eight windows, six kinds of aggregate."""


class Event(hr.Contract):
    """An event of the benchmark."""

    at: hr.Timestamp = hr.event_time()
    key: int
    amount: float = hr.field(ge=0, le=1000)


events = hr.Stream("events", Event)
wanted = hr.Features(
    "f",
    events,
    by=hr.Entity("key"),
    features={
        f"{kind}_{days}d": hr.count(f"{days}d") if kind == "count" else hr.aggregate(kind, "amount", f"{days}d")
        for kind, days in FEATURES
    },
)


def world(rows: int, keys: int, seed: int = 1) -> pa.Table:
    """Return events in the order of time; amounts have two decimals."""
    random = np.random.default_rng(seed)
    at = np.sort(random.integers(0, 183 * DAY, rows))
    table = {
        "at": pa.array(at).cast(pa.timestamp("us", tz="UTC")),
        "key": random.integers(0, keys, rows),
        "amount": np.round(random.random(rows) * 1000, 2),
    }
    return pa.table(table)


def run(rows: int = 10_000_000, keys: int = 200_000, rounds: int = 5) -> Result:
    """Compute eight features for every event, as of that event."""
    table = world(rows, keys)
    plan = compile_features([wanted], events)
    features(plan, table.slice(0, 1000), lambda name, columns: table.slice(0, 1000).select(list(columns)))

    def ours() -> pa.Table:
        return features(plan, table, lambda name, columns: table.select(list(columns)))

    rivals = {"Headrace": ours, "DuckDB": lambda: _duckdb(table), "Polars": lambda: _polars(table)}
    seconds, results = in_turn(rivals, rounds, memory=600 * rows)
    agreed = compare(results["Headrace"], {name: results[name] for name in ("DuckDB", "Polars")})
    what = f"{rows:,} rows of {keys:,} keys, {len(FEATURES)} windows of {len({k for k, _ in FEATURES})} kinds"
    return Result("windows", what, seconds, agreed, "5x DuckDB, 4x Polars")


def _duckdb(table: pa.Table) -> dict[str, Any]:
    names = {"count": "count(*)", "std": "stddev_samp(amount)", "mean": "avg(amount)"}
    columns, windows = [], []
    for days in sorted({days for _, days in FEATURES}):
        edge = f"range between {days * DAY} preceding and 1 preceding"
        windows.append(f"w{days} as (partition by key order by t {edge})")
    for kind, days in FEATURES:
        columns.append(f"{names.get(kind, f'{kind}(amount)')} over w{days} as {kind}_{days}d")
    source = table.set_column(0, "t", table.column("at").cast(pa.int64())).append_column(
        "row", pa.array(np.arange(table.num_rows))
    )
    connection = duckdb.connect()
    connection.register("source", source)
    query = f"select row, {', '.join(columns)} from source window {', '.join(windows)} order by row"
    result = connection.sql(query).to_arrow_table()
    return {name: result.column(name) for name in result.column_names}


def _polars(table: pa.Table) -> dict[str, Any]:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    frame = frame.with_columns(pl.col("at").dt.replace_time_zone(None)).with_row_index("row").sort("key", "at")
    found: dict[str, Any] = {}
    value = pl.col("amount")
    for days in sorted({days for _, days in FEATURES}):
        wanted = {kind for kind, each in FEATURES if each == days}
        how = {"count": pl.len(), "sum": value.sum(), "mean": value.mean(), "min": value.min(), "max": value.max()}
        how["std"] = value.std()
        rolled = frame.rolling("at", period=f"{days}d", closed="left", group_by="key").agg(
            **{f"{kind}_{days}d": how[kind] for kind in sorted(wanted)}
        )
        for name in rolled.columns[2:]:
            found[name] = rolled[name]
    arranged = pl.DataFrame({"row": frame["row"], **found}).sort("row")
    return {name: pa.chunked_array([arranged[name].to_arrow()]) for name in arranged.columns}


def compare(ours: pa.Table, others: dict[str, dict[str, Any]]) -> str:
    """Check that all agree: counts and extremes exactly, totals to 1e-9 of their size."""
    worst = 0.0
    for rival, theirs in others.items():
        for kind, days in FEATURES:
            name = f"{kind}_{days}d"
            mine = ours.column(f"f.{name}").to_numpy().astype(float)
            other = np.asarray(theirs[name].to_numpy(), dtype=float)
            if rival == "Polars" and kind == "sum":
                other = np.where(np.isnan(mine), np.nan, other)  # Polars' sum of nothing is 0
            if not np.array_equal(np.isnan(mine), np.isnan(other)):
                raise AssertionError(f"{rival} and Headrace disagree where {name} is null")
            size = np.maximum(np.abs(mine), 1.0)
            difference = float(np.nanmax(np.abs(mine - other) / size))
            # a rolling variance loses digits in floats: that is theirs to lose
            allowed = 1e-5 if kind == "std" else 1e-9
            if difference > (0.0 if kind in ("count", "min", "max") else allowed):
                raise AssertionError(f"{rival} and Headrace differ by {difference} in {name}")
            worst = max(worst, difference)
    return f"results agree, largest relative difference {worst:.1e}"


def suite(small: bool) -> list[Result]:
    """Run the benchmark at its full or at a hundredth of its size."""
    return [run(100_000, 2_000, 1)] if small else [run()]
