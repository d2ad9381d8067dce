"""Small made worlds for the tests of learn: a built set as the room of training sets hands it over, and a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

import headrace as hr

DAY_US = 86_400_000_000
START_US = 1_700_006_400_000_000  # 2023-11-15T00:00:00Z
FEATURES = ("now.amount", "spending.count_7d", "spending.mean_7d", "now.night")


@dataclass(frozen=True)
class FakeBuilt:
    """What ``learn.trainingset`` returns, without lake and plan."""

    table: pa.Table
    manifest: dict[str, Any] = field(default_factory=dict)

    def to_arrow(self, columns: Sequence[str]) -> pa.Table:
        return self.table.select(list(columns))

    def with_column(self, name: str, values: Any) -> FakeBuilt:
        index = self.table.column_names.index(name)
        return FakeBuilt(self.table.set_column(index, name, values), self.manifest)


def world(rows: int = 6000, days: int = 40, seed: int = 7, fingerprint: str = "a" * 64) -> FakeBuilt:
    """Payments of which about one in fifteen is fraud: large amounts and nights make it likely; some nulls."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(0, days * DAY_US, rows)) + START_US
    amount, night = rng.lognormal(3, 1, rows), rng.random(rows) < 0.2
    count, mean = rng.poisson(5, rows).astype(np.float64), rng.lognormal(3, 0.5, rows)
    chance = 1 / (1 + np.exp(6.2 - 0.035 * amount - 2.0 * night))
    label = rng.random(rows) < chance
    null = rng.random(rows) < 0.1
    table = pa.table(
        {
            "payment_id": [f"p{i}" for i in range(rows)],
            "customer_id": rng.integers(0, 300, rows),
            "at": pa.array(time, pa.timestamp("us", tz="UTC")),
            "now.amount": amount,
            "spending.count_7d": count.astype(np.int64),
            "spending.mean_7d": pa.array(mean, mask=null),
            "now.night": night,
            "label": label,
        }
    )
    manifest = {
        "fingerprint": fingerprint,
        "versions": {"payments": 3, "chargebacks": 1},
        "features": list(FEATURES),
        "columns": {name: str(table.schema.field(name).type) for name in table.column_names},
        "event_time": "at",
        "keys": ["payment_id"],
        "label": {"matures": "7d"},
    }
    return FakeBuilt(table, manifest)


class Payment(hr.Contract):
    payment_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    customer_id: int
    amount: float = hr.field(ge=0, le=100_000)


class Chargeback(hr.Contract):
    at: hr.Timestamp = hr.event_time()
    payment_id: str
    is_fraud: int


def model(
    fit: Callable[..., Any],
    *,
    metrics: tuple[Any, ...] | None = None,
    gates: tuple[Any, ...] = (),
    mean: str = "7d",
    **more: Any,
) -> hr.Model:
    """A declared model over the world; ``mean`` is the window of ``spending.mean_7d``."""
    payments = hr.Stream("payments", Payment)
    now = hr.Features("now", payments, features={"amount": "amount", "night": "hour(at) < 6"})
    aggregates = {"count_7d": hr.count("7d"), "mean_7d": hr.mean("amount", mean)}
    spending = hr.Features("spending", payments, hr.Entity("customer_id"), aggregates)
    label = hr.label(hr.Stream("chargebacks", Chargeback), "is_fraud", on="payment_id", matures="7d")
    cases = hr.TrainingSet("cases", spine=payments, features=[now, spending], label=label)
    task = more.get("task", hr.binary())
    usual = (hr.average_precision(), hr.roc_auc(), hr.card_precision(5)) if task.name == "binary" else ()
    chosen = metrics or usual
    split = more.pop("split", hr.time_split(train="20d", test="7d"))
    return hr.Model("fraud_score", cases, fit=fit, split=split, metrics=chosen, gates=gates, **more)


def fit_boosting(train: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=20, random_state=train.seed).fit(train.X, train.y)


def fit_logistic(train: Any) -> Any:
    from headrace.learn.baselines import logistic_regression

    return logistic_regression(train)


Values = Mapping[str, float]
