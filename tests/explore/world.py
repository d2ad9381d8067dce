"""A small project whose events are made by hand, with a planted leak, nested fields and personal ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.run import load_project, run

PROJECT = '''
import headrace as hr


class Address(hr.Contract):
    city: str
    street: str = hr.field(privacy="personal")


class Payment(hr.Contract):
    """A payment."""

    payment_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    card: str = hr.field(subject=True)
    age: int = hr.field(privacy="personal")
    country: str | None
    note: str
    amount: float | None = hr.field(unit="EUR", ge=0, le=100000)
    online: bool
    settled_at: hr.Timestamp
    day: hr.Date
    fee: float
    never: float | None
    address: Address
    items: list[str]


class Chargeback(hr.Contract):
    chargeback_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    payment_id: str
    is_fraud: int = hr.field(ge=0, le=1)
    loss: float = hr.field(ge=-1000, le=100000)
    why: int = hr.field(ge=1, le=2)


class Shop(hr.Contract):
    card: str
    valid_from: hr.Timestamp = hr.valid_from()
    limit: int


class Visit(hr.Contract):
    visit_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()


payments = hr.Stream("payments", Payment, source="data/payments*")
chargebacks = hr.Stream("chargebacks", Chargeback, source="data/chargebacks*")
visits = hr.Stream("visits", Visit)
limits = hr.Table("limits", Shop, source="data/limits*")
daily = hr.Table("daily", query="select day, count(*) as payments, sum(amount) as paid from payments group by all")
card = hr.Entity("card")
spending = hr.Features("spending", payments, by=card, features={
    "count_7d": hr.count("7d"), "mean_7d": hr.mean("amount", "7d"),
})
now = hr.Features("now", payments, features={
    "amount": "amount", "ratio": "amount / spending.mean_7d", "online": "online", "twice": "2 * amount",
})
who = hr.Features("who", payments, features={"age": "age"}, privacy="personal")
leaky = hr.Features("leaky", payments, features={"fee": "fee"})
habit = hr.Features("habit", payments, by=card, features={"most_7d": hr.max("amount", "7d")})
ids = hr.Features("ids", payments, features={"pay": "payment_id", "cards": "card"})
state = hr.Features("state", limits, by=card, features={"limit": "limit"})
label = dict(source=chargebacks, on="payment_id", matures="2d")
cases = hr.TrainingSet("cases", payments, [now, spending, leaky, who], hr.label(value="is_fraud", default=0, **label))
losses = hr.TrainingSet("losses", payments, [now, spending], hr.label(value="loss", default=0.0, **label))
reasons = hr.TrainingSet("reasons", payments, [now, spending], hr.label(value="why", **label))


def fit(train):
    raise NotImplementedError


score = hr.Model("score", losses, fit, hr.time_split("20d", "7d"), task=hr.regression())
kind = hr.Model("kind", reasons, fit, hr.time_split("20d", "7d"), task=hr.multiclass())
project = hr.Project("shop", sources=[payments, chargebacks, visits, limits, daily], features=[habit, ids, state],
                     training_sets=[cases], models=[score, kind])
'''
SECRET = "Rumpelstiltskin"
"""Stands in every value that nothing may show."""
ROWS = 3000
DAYS = 60


def events(seed: int = 0) -> pd.DataFrame:
    """The payments, with the truth about each."""
    rng = np.random.default_rng(seed)
    at = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.sort(rng.uniform(0, DAYS, ROWS)), unit="D")
    at = at.floor("us")
    amount = rng.gamma(2, 20, ROWS).round(2)
    fraud = rng.random(ROWS) < np.clip(amount / 400, 0.01, 0.9)
    amount[rng.random(ROWS) < 0.1] = np.nan
    country = rng.choice(["DE", "FR", "<i>IT</i>"], ROWS, p=[0.5, 0.3, 0.2]).astype(object)
    country[rng.random(ROWS) < 0.05] = None
    return pd.DataFrame(
        {
            "payment_id": [f"{SECRET}-{n}" for n in range(ROWS)],
            "at": at,
            "card": [f"{SECRET}{n % 90}" for n in range(ROWS)],
            "age": 70_000 + rng.integers(0, 60, ROWS),
            "country": country,
            "note": [f"{SECRET} says {n}" for n in range(ROWS)],
            "amount": amount,
            "online": rng.random(ROWS) < 0.4,
            "settled_at": at + pd.Timedelta("1D"),
            "day": at.date,
            "fee": np.where(fraud, 5.0, 1.0) + rng.normal(0, 0.1, ROWS),
            "never": np.full(ROWS, np.nan),
            "city": rng.choice(["Rome", "Oslo"], ROWS),
            "items": [["a"] * int(n % 4) for n in range(ROWS)],
            "fraud": fraud,
        }
    )


def make(folder):
    """Write the project and its files, and load them."""
    (folder / "data").mkdir(parents=True)
    (folder / "project.py").write_text(PROJECT)
    (folder / "headrace.toml").write_text("")
    frame = events()
    streets = [{"city": city, "street": SECRET} for city in frame["city"]]
    table = pa.Table.from_pandas(frame.drop(columns=["fraud", "city"]), preserve_index=False)
    table = table.append_column("address", pa.array(streets))
    pq.write_table(table, folder / "data" / "payments.parquet")
    truth = frame[frame["fraud"]]
    pd.DataFrame(
        {
            "chargeback_id": [f"c{n}" for n in truth.index],
            "at": truth["at"] + pd.Timedelta("1D"),
            "payment_id": truth["payment_id"],
            "is_fraud": 1,
            "loss": truth["amount"].fillna(3.0) * 2,
            "why": np.where(truth["online"], 2, 1),
        }
    ).to_parquet(folder / "data" / "chargebacks.parquet")
    cards = pd.DataFrame({"card": frame["card"].unique()})
    cards["valid_from"], cards["limit"] = pd.Timestamp("2025-01-01", tz="UTC"), 100
    cards.to_parquet(folder / "data" / "limits.parquet")
    loaded = load_project(folder)
    assert run(loaded).ok
    return loaded
