"""Exploring one column of ten million rows: against the same figures by hand with pandas, from the same files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bench.measure import Result, in_turn
from headrace.explore import Explored, explore
from headrace.explore.rows import SAMPLE
from headrace.lake import Lake
from headrace.run import LoadedProject, load_project

ROWS = 10_000_000
PROJECT = """
import headrace as hr


class Payment(hr.Contract):
    payment_id: int = hr.key()
    at: hr.Timestamp = hr.event_time()
    card: int = hr.field(subject=True)
    amount: float | None
    fee: float
    country: str
    online: bool


payments = hr.Stream("payments", Payment)
project = hr.Project("bank", sources=[payments])
"""
_FIRST, _YEAR = 1_735_689_600_000_000, 365 * 86_400_000_000


def world(folder: Path, rows: int) -> LoadedProject:
    """Write a project whose lake has the payments of a year, a million rows in a file."""
    folder.mkdir(parents=True)
    (folder / "headrace.toml").write_text("")
    (folder / "project.py").write_text(PROJECT)
    loaded, random = load_project(folder), np.random.default_rng(0)
    at = pa.array(_FIRST + np.sort(random.integers(0, _YEAR, rows)), pa.timestamp("us", "UTC"))
    amount = random.gamma(2, 20, rows)
    table = pa.table(
        {
            "payment_id": np.arange(rows),
            "at": at,
            "card": random.integers(0, 200_000, rows),
            "amount": pa.array(amount, mask=random.random(rows) < 0.03),
            "fee": amount / 100 + random.random(rows),
            "country": pa.array(["DE", "FR", "IT", "ES", "PL"]).take(pa.array(random.integers(0, 5, rows))),
            "online": random.random(rows) < 0.3,
            "_seq": np.arange(1, rows + 1),
            "_known_at": at,
        }
    )
    for begin in range(0, rows, 1_000_000):
        loaded.lake().append("payments", table.slice(begin, 1_000_000))
    return loaded


def by_pandas(lake: Lake) -> dict[str, Any]:
    """The figures of a profile of one column, as they are written by hand in a notebook."""
    frame = pd.concat([pd.read_parquet(path) for path in lake.files("payments")], ignore_index=True)
    amount, shares = frame["amount"], [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
    told = amount.describe(shares)
    low, high = told["25%"], told["75%"]
    far = 1.5 * (high - low)
    inner = amount.quantile([0.005, 0.995])
    by_week = frame.groupby(frame["at"].dt.tz_convert(None).dt.to_period("W-SUN"))["amount"]
    some = frame.sample(SAMPLE if len(frame) > SAMPLE else len(frame), random_state=0)
    return {
        "described": told,
        "distinct": amount.nunique(),
        "missing": int(amount.isna().sum()),
        "outliers": int(((amount < low - far) | (amount > high + far)).sum()),
        "bins": np.histogram(amount.dropna(), np.linspace(*inner, 25))[0],
        "weeks": pd.concat([by_week.size().rename("rows"), by_week.quantile([0.25, 0.5, 0.75]).unstack()], axis=1),
        "together": some[["amount", "fee", "card"]].corr("spearman")["amount"],
        "countries": some.groupby("country")["amount"].mean(),
    }


def agree(found: Explored, pandas: dict[str, Any]) -> str:
    """Say that both tell the same, or raise."""
    facet = found.facets[0]
    spread, periods = facet.spread, facet.periods
    assert periods is not None
    assert (spread.missing, spread.outliers) == (pandas["missing"], pandas["outliers"])
    for share in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99):
        assert np.isclose(spread.quantiles[share], pandas["described"][f"{100 * share:g}%"], rtol=1e-12)
    assert [one.rows for one in periods.periods] == pandas["weeks"]["rows"].tolist()
    np.testing.assert_allclose([one.median for one in periods.periods], pandas["weeks"][0.5], rtol=1e-12)
    assert abs(spread.distinct / pandas["distinct"] - 1) < 0.05
    fee = next(pair.value for pair in facet.pairs if pair.name == "payments.fee")
    assert abs(fee - pandas["together"]["fee"]) < 0.01
    return "counts, quantiles and weeks equal; Headrace estimates distinct values within 5 %"


def suite(small: bool) -> list[Result]:
    """Run the benchmark."""
    rows = ROWS // 100 if small else ROWS
    with tempfile.TemporaryDirectory() as folder:
        loaded = world(Path(folder) / "bank", rows)
        rivals: dict[str, Callable[[], Any]] = {
            "Headrace": lambda: explore(loaded, "payments.amount"),
            "pandas by hand": lambda: by_pandas(loaded.lake()),
        }
        seconds, results = in_turn(rivals, rounds=2)
        agreed = agree(results["Headrace"], results["pandas by hand"])
    what = f"one column of {rows:,} rows among 7: figures, bins, weeks, other columns"
    return [Result("explore", what, seconds, agreed, "a few seconds")]
