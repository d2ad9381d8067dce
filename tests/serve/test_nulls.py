"""A model that takes no nulls, over features that have none: the first row of a service has none either."""

import shutil

import httpx
import pytest

from headrace import simulate
from headrace.errors import HeadraceError
from headrace.run import load_project, run, train
from headrace.serve.app import start
from tests.payments import CONTRACTS
from tests.shop import DECIDE, payment

PROJECT = (
    f"import headrace as hr\n{CONTRACTS.replace('ge=0, le=10000', 'ge=0.01, le=10000')}"
    """

payments = hr.Stream("payments", Payment, source="data/payments*")
chargebacks = hr.Stream("chargebacks", Chargeback, source="data/chargebacks*")
now = hr.Features("now", payments, features={
    "amount": "amount", "small": "1 / amount", "log": "ln(amount)", "night": "hour(at) < 6"})
spending = hr.Features("spending", payments, hr.Entity("customer_id"), {"count": hr.count("7d")})
cases = hr.TrainingSet("cases", payments, [now, spending],
                       label=hr.label(chargebacks, "is_fraud", on="payment_id", matures="7d", default=0))


def plain(train):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000).fit(train.X, train.y)


score = hr.Model("score", cases, plain, hr.time_split(train="20d", test="7d"))
project = hr.Project("shop", services=[hr.Service("desk", score, decide={"block": "score > 0.5"})])
"""
)
COUNT, COUNT_AND_MEAN = '{"count": hr.count("7d")}', '{"count": hr.count("7d"), "mean": hr.mean("amount", "lifetime")}'


def test_a_model_without_nulls_serves_a_new_key_and_one_that_would_meet_them_is_not_trained(tmp_path):
    (tmp_path / "headrace.toml").write_text('[project]\nname = "shop"\n')
    (tmp_path / "project.py").write_text(PROJECT)
    simulate.write(simulate.payments(days=40, customers=300, terminals=200, seed=5), tmp_path / "data", faults=0.0)
    loaded = load_project(tmp_path)
    assert run(loaded).ok
    (trained,) = train(loaded)
    assert trained.report.champion
    with start(loaded) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        answer = client.post(f"{DECIDE}?explain=9", json=payment(1, customer_id=10**9)).json()
    assert 0 < answer["score"] < 1
    told = {one["feature"] for one in answer["reasons"]}
    assert told == {"now.amount", "now.small", "now.log", "now.night", "spending.count"}
    shutil.rmtree(tmp_path / loaded.state_dir / "sets")
    with start(loaded) as running, httpx.Client(base_url=running.url, timeout=30) as client:
        again = client.post(f"{DECIDE}?explain=9", json=payment(2)).json()["reasons"]
        assert {one["feature"] for one in again} == told, "no set is needed to say why"
    (tmp_path / "project.py").write_text(
        PROJECT.replace(COUNT, COUNT_AND_MEAN).replace("train.X,", "train.X.fillna(0),")
    )
    loaded = load_project(tmp_path)
    assert run(loaded).ok
    with pytest.raises(HeadraceError, match=r"HR-LEARN-007 .* as spending.mean can be"):
        train(loaded)
