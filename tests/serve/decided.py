"""A project whose service has decided: trees, two versions of the model, labels, late events and personal fields."""

import shutil
import time
from datetime import timedelta

import httpx
import pytest

from tests.run.bank import edit
from tests.shop import DECIDE, PROJECT, START, copy_of, made_of, payment

TREES = """
def boosting(train):
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(train.X, train.y)
"""
AMOUNT = "    amount: hr.Decimal(12, 2) = hr.field(ge=0, le=10000)\n"
MORE = """    channel: str | None = hr.field(isin=("web", "shop", "app"), default=None)
    email: str | None = hr.field(privacy="personal", default=None)
    hint: float | None = hr.field(default=None)
    no_large_app = hr.check("channel is null or channel <> 'app' or amount <= 100")
"""
RULES = '{"block": "score > 0.5 or amount > 900", "review": "score > 0.02 or channel = \'web\' or hint > 0.9"}'


def source():
    """The shop's project with trees, more windows, more fields and another rule."""
    head, rest = PROJECT.split("def boosting(train):")
    text = head + TREES.lstrip() + rest[rest.index("\n\nscore = ") :]
    windows = '"big": hr.count("7d", where="amount > 50"), "hopped": hr.sum("amount", "7d", hop="1h"),\n    '
    rules = '{"block": "score > 0.5 or amount > 900", "review": "score > 0.02"}'
    for old, new in ((AMOUNT, AMOUNT + MORE), ('"with_this":', windows + '"with_this":'), (rules, RULES)):
        assert old in text
        text = text.replace(old, new)
    return text


def past(loaded, count):
    """Payments of the past, as they were: of those the truth is known."""
    query = (
        "select payment_id, at, customer_id, terminal_id, amount from payments where at >= timestamptz '2026-02-01' "
    )
    rows = loaded.lake().sql(f"{query} order by _seq limit {count}").to_pylist()
    return [{**row, "at": row["at"].isoformat(), "amount": str(row["amount"])} for row in rows]


def asked(number, **more):
    """A row of the live requests."""
    return payment(number, START + timedelta(hours=number), **more)


@pytest.fixture(scope="session")
def grown_once(trained, tmp_path_factory):
    """The folder, and the answers in the order in which they were given."""
    from headrace.run import load_project, run, train
    from headrace.serve.app import start

    folder = tmp_path_factory.mktemp("decided") / "shop"
    shutil.copytree(trained / "data", folder / "data")
    loaded = made_of(source(), folder)
    answers = []
    with start(loaded) as running, httpx.Client(base_url=running.url, timeout=60) as client:

        def decide(row):
            answer = client.post(DECIDE, json=row)
            assert answer.status_code == 200, answer.text
            answers.append({"row": row, **answer.json()})

        for row in past(loaded, 250):
            decide(row)
        for number in range(40):
            decide(asked(number))
            if number % 5 == 0:  # the second comes too late for the requests before it, in whose windows it happened
                assert client.post("/events/payments", json=asked(1000 + number, customer_id=3)).status_code == 200
                early = payment(2000 + number, START - timedelta(hours=5), customer_id=number % 7)
                assert client.post("/events/payments", json=early).status_code == 200
        decide(asked(49, hint=0.95, amount="7.00"))
        decide(asked(50, payment_id="<script>alert(1)</script>", email="ann@example.org", amount="250.10"))
        decide(asked(51, channel="web", amount="8.00"))
        decide(asked(52, customer_id=999_999, amount="42.00"))
        decide(asked(53, amount="950.50", customer_id=3))
    edit(folder, "max_iter=40", "max_iter=6")
    assert run(load_project(folder)).ok
    train(load_project(folder))
    return folder, answers


@pytest.fixture
def grown(grown_once, tmp_path):
    """A copy of it, and the answers."""
    folder, answers = grown_once
    return copy_of(folder, tmp_path), answers


@pytest.fixture
def another(shop):
    """The shop with a second version of its model, which is not promoted: project, registry and both versions."""
    from headrace.run import load_project, train

    edit(
        shop.folder,
        "SimpleImputer(), StandardScaler(), LogisticRegression()",
        "SimpleImputer(), LogisticRegression(C=0.1)",
    )
    loaded = load_project(shop.folder)
    registry = loaded.registry()
    first = registry.champion("score")
    train(loaded)
    second = max(registry.versions("score"), key=lambda one: one.number)
    assert second.number > first.number
    registry.promote("score", first.number)
    return loaded, registry, first, second


def until(holds, seconds=60):
    """Wait for something that a running service comes to."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")
