"""The report of a model whose training set has two million rows: every figure, band, group and refit of the page."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import headrace as hr
from bench.measure import Result, in_turn
from bench.windows import DAY
from headrace.audit.report import write
from headrace.lake import Lake
from headrace.learn import Registry, train
from headrace.learn.trainingset import BuiltSet, open_set

FEATURES, DAYS = 24, 90
FINGERPRINT = "f" * 64


class Payment(hr.Contract):
    payment_id: int = hr.key()
    at: hr.Timestamp = hr.event_time()
    terminal_id: int
    amount: float = hr.field(ge=0, le=100_000, unit="EUR")


class Chargeback(hr.Contract):
    at: hr.Timestamp = hr.event_time()
    payment_id: int
    is_fraud: int


def boosting(train):
    from lightgbm import LGBMClassifier

    how = {"n_estimators": 100, "learning_rate": 0.08, "min_child_samples": 40, "random_state": train.seed}
    return LGBMClassifier(**how, deterministic=True, force_row_wise=True, verbose=-1, n_jobs=1).fit(train.X, train.y)


payments, chargebacks = hr.Stream("payments", Payment), hr.Stream("chargebacks", Chargeback)
windows = {f"mean_{day}d": hr.mean("amount", f"{day}d") for day in range(1, FEATURES)}
now = hr.Features("now", payments, features={"amount": "amount"})
spending = hr.Features("spending", payments, hr.Entity("terminal_id"), windows)
label = hr.label(chargebacks, "is_fraud", on="payment_id", matures="7d")
cases = hr.TrainingSet("cases", payments, [now, spending], label)
score = hr.Model(
    "score", cases, boosting, hr.time_split(train="60d", test="14d"),
    [hr.average_precision(), hr.roc_auc(), hr.expected_cost(5.0, "now.amount")],
    [hr.better_than_baseline()], threshold=hr.lowest_cost(5.0, "now.amount"),
)  # fmt: skip
desk = hr.Service("desk", score, {"block": "score > 0.9", "review": "score > 0.4"})


@dataclass(frozen=True)
class World:
    """What a report needs of a project in its folder."""

    project: hr.Project
    state_dir: Path

    def lake(self) -> Lake:
        return Lake(self.state_dir / "lake")

    def registry(self) -> Registry:
        return Registry(self.state_dir / "models")


def made(folder: Path, rows: int) -> World:
    """Return a project whose set is laid by hand, and whose model learned from it."""
    built = laid(folder, rows)
    world = World(hr.Project("bank", services=[desk]), folder)
    train(score, built, world.registry())
    return world


def laid(folder: Path, rows: int) -> BuiltSet:
    """Write a set as the build would: amounts, means over windows, terminals, and one fraud in a hundred."""
    random = np.random.default_rng(3)
    names = ["now.amount", *(f"spending.{name}" for name in windows)]
    amount = random.lognormal(3, 1, rows)
    columns = {"now.amount": amount}
    for name in names[1:]:
        columns[name] = pa.array(random.lognormal(3, 0.4, rows) + 0.05 * amount, mask=random.random(rows) < 0.05)
    chance = 1 / (1 + np.exp(6.5 - 0.03 * amount - 0.02 * np.nan_to_num(np.asarray(columns["spending.mean_1d"]))))
    at = np.sort(random.integers(0, DAYS * DAY, rows))
    table = pa.table(
        {
            "payment_id": np.arange(rows),
            "terminal_id": random.zipf(1.3, rows) % 10_000,
            "at": pa.array(at).cast(pa.timestamp("us", tz="UTC")),
            **columns,
            "label": random.random(rows) < chance,
        }
    )
    path = folder / "sets" / "cases" / FINGERPRINT[:16]
    path.mkdir(parents=True)
    pq.write_table(table, path / "part-00000.parquet", compression="zstd", row_group_size=250_000)
    manifest = {
        "name": "cases",
        "fingerprint": FINGERPRINT,
        "versions": {"payments": 1, "chargebacks": 1},
        "rows": rows,
        "excluded": {},
        "features": names,
        "lineage": {name: ["payments.amount"] for name in names},
        "keys": ["payment_id"],
        "event_time": "at",
        "label": {"source": "chargebacks", "value": "is_fraud", "on": ["payment_id"]},
        "columns": {name: str(table.schema.field(name).type) for name in table.column_names},
        "parts": ["part-00000.parquet"],
    }
    (path / "manifest.json").write_text(json.dumps(manifest))
    return open_set(path)


def suite(small: bool) -> list[Result]:
    """Run at two million rows, or at twenty thousand."""
    rows, rounds = (20_000, 1) if small else (2_000_000, 2)
    with tempfile.TemporaryDirectory() as place:
        world = made(Path(place), rows)
        seconds, written = in_turn({"Headrace": lambda: write(world)}, rounds)
        found = written["Headrace"].models[0].findings
        if found is None or found.yes_no is None or found.segments is None:
            raise AssertionError("a part of the report is missing")
        size = written["Headrace"].path.stat().st_size
        notes = {
            "page": f"{size / 1000:,.0f} kB",
            "importance": f"on {found.importance.rows:,} test rows",
            "learning curve": f"up to {found.learning.points[-1].rows:,} cases" if found.learning else "none",
        }
        what = f"a training set of {rows:,} rows x {FEATURES} features, {found.rows:,} of them tested on"
        agreed = "every part is there"
        return [Result("report of a model", what, seconds, agreed, "below 15 s", notes, rivals=False)]
