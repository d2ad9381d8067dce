"""A small project and its files, for tests of running: written by hand, 40 payments in two months."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.payments import CONTRACTS

SOURCE = (
    f'"""A bank."""\nimport headrace as hr\n{CONTRACTS}'
    """
payments = hr.Stream("payments", Payment, source="data/payments*", owner="payments-data")
chargebacks = hr.Stream("chargebacks", Chargeback, source="data/chargebacks*", owner="risk-data")
daily = hr.Table("daily", query="select date_trunc('day', at) as day, sum(amount) as total from payments group by all")
weekly = hr.Table("weekly", query="select date_trunc('week', day) as week, sum(total) as total from daily group by all")
spending = hr.Features("spending", payments, by=hr.Entity("customer_id"), features={
    "count_7d": hr.count("7d"), "mean_7d": hr.mean("amount", "7d"),
})
now = hr.Features("now", payments, features={"amount": "amount"})
"""
)
WITHOUT_MODEL = "project = hr.Project('bank', features=[now, spending], sources=[daily, weekly, chargebacks])\n"
WITH_MODEL = """
cases = hr.TrainingSet("cases", payments, [now, spending],
                       hr.label(chargebacks, "is_fraud", on="payment_id", matures="2d", default=0))

def fit(train):
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    return make_pipeline(SimpleImputer(), LogisticRegression(C=1.0)).fit(train.X, train.y)

score = hr.Model("score", cases, fit, hr.time_split("25d", "14d"), [hr.roc_auc(), hr.log_loss()],
                 [hr.at_least("roc_auc", 0.1)])
desk = hr.Service("desk", score, {"block": "score > 0.9"})
project = hr.Project("bank", services=[desk], sources=[daily, weekly])
"""
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def make_bank(folder: Path, ending: str = WITHOUT_MODEL, months: tuple[int, ...] = (1,)) -> Path:
    """Write the project and the files of some months (1: days 0 to 29; 2: days 30 to 59)."""
    (folder / "data").mkdir(parents=True)
    (folder / "headrace.toml").write_text('[project]\nname = "bank"\n')
    (folder / "project.py").write_text(SOURCE + ending)
    for month in months:
        add_month(folder, month)
    return folder


def add_month(folder: Path, month: int) -> None:
    """Write one more month: 20 payments of which the fourth has a bad amount, and chargebacks for each fifth."""
    payments, chargebacks = [], []
    for i in range(20 * (month - 1), 20 * month):
        at = START + timedelta(days=1.5 * i)
        amount = "-1.00" if i % 20 == 3 else f"{(i * 37) % 100}.50"
        payments.append((f"p{i}", at.isoformat(), i % 3, i % 2, amount))
        if i % 5 == 0:
            chargebacks.append((f"c{i}", (at + timedelta(days=1)).isoformat(), f"p{i}", i % 2, i % 3, 1))
    _write(folder / "data" / f"payments-{month}.csv", "payment_id,at,customer_id,terminal_id,amount", payments)
    _write(
        folder / "data" / f"chargebacks-{month}.csv",
        "chargeback_id,at,payment_id,terminal_id,customer_id,is_fraud",
        chargebacks,
    )


def edit(folder: Path, old: str, new: str) -> None:
    """Change the project's file."""
    text = (folder / "project.py").read_text()
    assert old in text
    (folder / "project.py").write_text(text.replace(old, new))


def _write(path: Path, header: str, rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
