"""What is the matter when a row is decided: it stands in the answer and in the record, and is done as was declared."""

import json
from datetime import timedelta

import httpx
import pytest

from headrace.run import load_project
from headrace.serve import parity
from headrace.serve.app import start
from tests.run.bank import edit
from tests.shop import DECIDE, START, payment, rows_of

RULES = ', "review": "score > 0.02"}'
NEW = payment(1, customer_id=10_000_000)
LATER = START + timedelta(days=1)


@pytest.fixture
def declared(shop):
    """Serve the shop with more said of its service, and tables of the lake away, at a moment."""

    def serving(more="", away=(), at=START):
        edit(shop.folder, RULES, RULES + (f", {more}" if more else ""))
        loaded = load_project(shop.folder)
        for table in away:
            loaded.lake().drop(table)
        now = int(at.timestamp() * 1e6)
        return start(loaded, now_us=lambda: now)

    return serving


def ask(running, row):
    with httpx.Client(base_url=running.url, timeout=60) as client:
        return client.post(DECIDE, json=row)


def test_a_key_that_nobody_knows_is_told_and_decided_by_the_rules(declared, shop):
    with declared() as running:
        answer = ask(running, NEW).json()
        assert answer["situation"] == ["cold_key customer_id"]
        assert "situation" not in ask(running, payment(2)).json()
    rows = {row["record_id"]: json.loads(row["situation"]) for row in rows_of(shop, "decisions_desk")}
    assert sorted(rows.values()) == [[], ["cold_key customer_id"]]
    assert rows[answer["record_id"]] == ["cold_key customer_id"]


def test_a_key_that_nobody_knows_is_decided_as_is_declared_and_parity_knows(declared, shop):
    with declared('when={"cold_key": "review"}') as running:
        assert ask(running, NEW).json()["decision"] == "review"
        assert ask(running, payment(2)).json()["decision"] != "review"
    report = parity(load_project(shop.folder))
    assert (report.records, report.differing) == (2, 0)


def test_a_key_that_nobody_knows_is_refused_where_that_is_declared_and_leaves_no_record(declared, shop):
    with declared('when={"cold_key": "refuse"}') as running:
        refused = ask(running, NEW)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "HR-SERVE-018")
        assert "customer_id" in refused.json()["error"]["found"]
        assert ask(running, payment(2)).status_code == 200
    assert len(rows_of(shop, "decisions_desk")) == 1


def test_a_row_whose_time_is_far_ahead_is_told_and_done_as_is_declared(declared, shop):
    far, near = payment(3, START + timedelta(hours=2)), payment(4, START + timedelta(minutes=59))
    with declared() as running:
        assert ask(running, far).json()["situation"] == ["future"]
        assert "situation" not in ask(running, near).json()
    with declared('when={"future": "refuse"}') as running:
        refused = ask(running, far | {"payment_id": "again"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "HR-SERVE-018")
        assert ask(running, near | {"payment_id": "too"}).status_code == 200
    report = parity(load_project(shop.folder))
    assert (report.records, report.differing) == (3, 0)


@pytest.mark.parametrize(("late", "stale"), [(timedelta(days=30), True), (timedelta(0), False)])
def test_a_stream_without_news_is_told(declared, shop, late, stale):
    newest = max(row["_known_at"] for row in rows_of(shop, "payments"))
    with declared('stale_after="2d", when={"stale": "block"}', at=newest + late) as running:
        answer = ask(running, payment(1, newest)).json()
        assert ("stale payments" in answer.get("situation", [])) is stale
        if stale:
            assert answer["decision"] == "block"
            fresh = payment(900, newest + late)
            with httpx.Client(base_url=running.url, timeout=60) as client:
                assert client.post("/events/payments", json=fresh).status_code == 200
            after = ask(running, payment(3, newest + late)).json()
            assert "stale payments" not in after.get("situation", [])


def test_a_table_that_was_never_loaded_is_told_until_it_is(declared, shop):
    with declared('when={"missing_table": "refuse"}', away=["customers"]) as running:
        refused = ask(running, payment(2))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "HR-SERVE-018")
        assert "customers" in refused.json()["error"]["found"]
