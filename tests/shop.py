"""A small project that is loaded and trained once, and copied for each test that serves it."""

import shutil
from datetime import UTC, datetime

import pytest

from tests.payments import CONTRACTS

PROJECT = (
    f"import headrace as hr\n{CONTRACTS}"
    '''

class Customer(hr.Contract):
    """A customer's state."""

    customer_id: int
    valid_from: hr.Timestamp = hr.valid_from()
    segment: str
    age_band: str


payments = hr.Stream("payments", Payment, source="data/payments*")
chargebacks = hr.Stream("chargebacks", Chargeback, source="data/chargebacks*")
customers = hr.Table("customers", Customer, source="data/customers*")
customer, terminal = hr.Entity("customer_id"), hr.Entity("terminal_id")
spending = hr.Features("spending", payments, by=customer, features={
    "count": hr.count(["1d", "7d"]),
    "mean_7d": hr.mean("amount", "7d"),
    "std_7d": hr.std("amount", "7d"),
    "places": hr.nunique("terminal_id", "7d"),
    "median": hr.quantile("amount", "7d", q=0.5),
    "last": hr.last("amount", "lifetime"),
    "decayed": hr.decayed_sum("amount", half_life="12h"),
    "with_this": hr.sum("amount", "1d", include_current=True),
})
risk = hr.Features("risk", chargebacks, by=terminal, features={"frauds": hr.sum("is_fraud", "7d", delay="1h")})
who = hr.Features("who", customers, by=customer, features={
    "student": "case when segment = 'student' then 1 else 0 end"})
now = hr.Features("now", payments, features={
    "amount": "amount", "ratio": "amount / spending.mean_7d", "night": "hour(at) < 6"})
cases = hr.TrainingSet("cases", payments, [now, spending, risk, who],
                       label=hr.label(chargebacks, "is_fraud", on="payment_id", matures="7d", default=0))


def boosting(train):
    from sklearn.linear_model import LogisticRegression
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(train.X, train.y)


score = hr.Model("score", cases, boosting, hr.time_split(train="20d", test="7d"), [hr.roc_auc()])
desk = hr.Service("desk", score, decide={"block": "score > 0.5 or amount > 900", "review": "score > 0.02"})
project = hr.Project("shop", services=[desk])
'''
)
START = datetime(2026, 2, 14, tzinfo=UTC)
DECIDE = "/services/desk/decide"


def payment(number, at=START, **more):
    """A row of a request, or of an event."""
    row = {"payment_id": f"live-{number}", "at": at.isoformat(), "customer_id": number % 7}
    return row | {"terminal_id": number % 11, "amount": f"{(number * 37) % 300}.25"} | more


def rows_of(loaded, table):
    """The rows of a table of the lake, none where there is no table."""
    return loaded.lake().read(table).to_pylist() if loaded.lake().exists(table) else []


def made_of(source, folder):
    """A project in a folder that has its data, loaded and trained."""
    from headrace.run import load_project, run, train

    (folder / "project.py").write_text(source)
    (folder / "headrace.toml").write_text('[project]\nname = "shop"\n')
    loaded = load_project(folder)
    assert run(loaded).ok
    train(loaded)
    return loaded


def copy_of(folder, tmp_path):
    """A copy of a project."""
    from headrace.run import load_project

    shutil.copytree(folder, tmp_path / "shop")
    return load_project(tmp_path / "shop")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A project with data, a training set and a champion."""
    from headrace import simulate

    folder = tmp_path_factory.mktemp("shop")
    world = simulate.payments(days=45, customers=300, terminals=200, seed=5)
    simulate.write(world, folder / "data", faults=0.0, format="parquet")
    assert made_of(PROJECT, folder).lake().rows("quarantine_payments") == 0
    return folder


@pytest.fixture
def shop(trained, tmp_path):
    """A copy of it."""
    return copy_of(trained, tmp_path)
