"""Who reads a column: features, sets, models and services, also through queries and other features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace import plan
from headrace.plan.consumers import EVERY, consumers
from headrace.run import load_project
from tests.run.bank import SOURCE, WITH_MODEL, edit, make_bank


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = make_bank(tmp_path_factory.mktemp("bank") / "bank", WITH_MODEL, ())
    edit(folder, 'features={"amount": "amount"}', 'features={"amount": "amount", "ratio": "1 / spending.mean_7d"}')
    edit(folder, '{"block": "score > 0.9"}', '{"block": "score > 0.9 or terminal_id = 3"}')
    assert "spending" in SOURCE
    return plan.snapshot(load_project(folder).project)


def names(snapshot: dict[str, Any], source: str, column: str) -> list[str]:
    return [one.name for one in consumers(snapshot, source, column)]


END = ["training set cases", "model score", "service desk"]


def test_values_also_through_other_features_and_queries(snapshot: dict[str, Any]) -> None:
    assert names(snapshot, "payments", "amount") == [
        *("now.amount", "now.ratio", "spending.mean_7d"),
        *("table daily", "table weekly", *END),
    ]


def test_keys_of_entities(snapshot: dict[str, Any]) -> None:
    found = names(snapshot, "payments", "customer_id")
    assert found == ["spending.count_7d", "spending.mean_7d", "now.ratio", *END]


def test_labels_and_what_they_are_joined_on(snapshot: dict[str, Any]) -> None:
    for source, column in (("chargebacks", "is_fraud"), ("chargebacks", "payment_id"), ("payments", "payment_id")):
        assert names(snapshot, source, column) == END


def test_rules_of_services(snapshot: dict[str, Any]) -> None:
    assert names(snapshot, "payments", "terminal_id") == ["service desk"]


def test_what_nobody_reads(snapshot: dict[str, Any]) -> None:
    assert names(snapshot, "chargebacks", "terminal_id") == []
    assert names(snapshot, "nothing", "at") == []
    assert consumers({}, "payments", "amount") == ()


def test_all_that_read_a_source(snapshot: dict[str, Any]) -> None:
    found = names(snapshot, "payments", EVERY)
    assert {"now.amount", "spending.count_7d", "table daily", *END} <= set(found)


def test_owners_are_told(snapshot: dict[str, Any]) -> None:
    found = {one.name: one.owners for one in consumers(snapshot, "payments", "amount")}
    assert found["spending.mean_7d"] == ("payments-data",)
    assert set(found["model score"]) == {"payments-data", "risk-data"}


@pytest.mark.parametrize(
    ("query", "reads"),
    [
        ("select * from payments", True),
        ("select count(*) as n from payments", False),
        ("select p.* from payments p", True),
        ("select sum(Amount) as n from payments", True),
        ("select sum(amount * 2) as n from other", False),
        ("select amounts from payments", False),
    ],
)
def test_queries(query: str, reads: bool) -> None:
    from headrace.plan.query import canonical

    node = {"kind": "table", "name": "q", "owner": "", "uses": [], "meaning": {"query": canonical(query)}}
    assert bool(consumers({"nodes": {"table:q": node}}, "payments", "amount")) == reads


def test_a_snapshot_of_the_bank_is_small(tmp_path: Path) -> None:
    project = load_project(make_bank(tmp_path / "bank", months=())).project
    assert names(plan.snapshot(project), "chargebacks", "is_fraud") == []
