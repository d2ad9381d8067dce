"""What ``headrace plan`` says of a change: what was written and what is now, cut around where they differ."""

from __future__ import annotations

import json
from typing import Any

import pytest

import headrace as hr
from headrace import plan
from headrace.run import Journal, load_project, plan_changes, run
from headrace.run.differences import differences
from tests.run.bank import edit, make_bank

WEEKEND = "dayofweek(at) = 0 or dayofweek(at) = 6 or hour(at) < 7 or hour(at) > 20 or name = 'night:{}' or total > 4000"
QUERY = (
    "select shopper, at as valid_from, null::timestamptz as valid_to,  18 as age "
    "from orders where total > 0 and total > 17 and name = '{}' and total < 99"
)


def of(node: str, **said: Any) -> dict[str, Any]:
    """One node of a small shop as a snapshot holds it."""
    how = {"rule": "now.total > 1", "row": "total > 900", "where": None, "amount": {"ge": 0, "le": 50_000}} | said

    class Shopper(hr.Contract):
        shopper: int
        valid_from: hr.Timestamp = hr.valid_from()
        valid_to: hr.Timestamp | None = hr.valid_to()
        age: int = hr.field(ge=0, le=130)

    class Order(hr.Contract):
        id: str = hr.key()
        at: hr.Timestamp = hr.event_time()
        shopper: int
        name: str
        total: hr.Decimal(9, 2) = hr.field(**how["amount"])  # type: ignore[valid-type]
        late: bool
        gift: bool

    orders = hr.Stream("orders", Order)
    shoppers = hr.Table("shoppers", Shopper, query=how.get("query"), source=None if "query" in how else "shoppers.csv")
    by = hr.Entity("shopper")
    windows = {"n": hr.count("7d", where=how.get("counted"))} | how.get("windows", {})
    now = hr.Features("now", orders, features={"big": how["row"], "total": "total"})
    spent = hr.Features("spent", orders, by=by, features=windows)
    who = hr.Features("who", shoppers, by=by, features={"old": how.get("state", "age >= 60")})
    label = hr.label(orders, how.get("label", "late"), on="id", matures="7d", default=0)
    cases = hr.TrainingSet("cases", orders, [now, spent, who], label, where=how["where"])
    model = hr.Model("risk", cases, fit=print, split=hr.time_split("20d", "7d"))
    desk = hr.Service("desk", model, {"block": how["rule"]})
    found: dict[str, Any] = json.loads(json.dumps(plan.snapshot(hr.Project("p", services=[desk])), default=str))
    return found["nodes"][node]


SAID: dict[str, tuple[str, dict[str, Any], dict[str, Any], list[str]]] = {
    "a feature of the row": (
        "features:now",
        {},
        {"row": "total>950"},
        ["features.now.big: total > 900 -> total>950"],
    ),
    "a rule": ("service:desk", {}, {"rule": "now.total > 2"}, ["decide.block: now.total > 1 -> now.total > 2"]),
    "a feature of a table": (
        "features:who",
        {},
        {"state": "65 <= age"},
        ["features.who.old.expression: age >= 60 -> 65 <= age"],
    ),
    "cases": ("training_set:cases", {}, {"where": "total > 5.50"}, ["where: nothing -> total > 5.50"]),
    "a label": (
        "training_set:cases",
        {},
        {"label": "not late"},
        ["label.value: late -> not late"],
    ),
    "a window's condition": (
        "features:spent",
        {"counted": "total > 1"},
        {"counted": "total > 2"},
        ["features.spent.n.where: total > 1 -> total > 2"],
    ),
    "a new window": (
        "features:spent",
        {},
        {"windows": {"sum": hr.sum("total * 2", ["1d", "168h"], where="gift", delay="1h")}},
        [
            "features.spent.sum_1d: added (sum('total * 2', '1d', where='gift', delay='1h'))",
            "features.spent.sum_7d: added (sum('total * 2', '7d', where='gift', delay='1h'))",
        ],
    ),
    "a window's parameter": (
        "features:spent",
        {"windows": {"q": hr.quantile("total", "7d", q=0.5)}},
        {"windows": {"q": hr.quantile("total", "7d", q=0.9)}},
        ["features.spent.q.q: 0.5 -> 0.9"],
    ),
    "an open bound": (
        "stream:orders",
        {"amount": {"gt": 0, "le": 50}},
        {"amount": {"gt": 5, "le": 50}},
        ["contract.total.gt: 0 -> 5"],
    ),
    "a long text": (
        "features:now",
        {"row": WEEKEND.format("a")},
        {"row": WEEKEND.format("b")},
        [
            "features.now.big: …20 or name = 'night:a' or total > 4000 -> …20 or name = 'night:b' or total > 4000",
        ],
    ),
    "a long query": (
        "table:shoppers",
        {"query": QUERY.format("AT")},
        {"query": QUERY.format("DE").replace(",  18", ",\n    18")},
        ["query: …al > 17 AND name = 'AT' AND total < 99 -> …al > 17 AND name = 'DE' AND total < 99"],
    ),
    "spaces in quotes": (
        "features:now",
        {"row": "name = 'a b'"},
        {"row": "name = 'a  b'"},
        ["""features.now.big: "name = 'a b'" -> "name = 'a  b'\""""],
    ),
    "types of what it reads": (
        "features:now",
        {},
        {"amount": {"ge": 0, "le": 60_000}},
        ["types of what it reads"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", list(SAID))
def test_a_change_is_told_as_it_is_written(what: str) -> None:
    node, before, after, said = SAID[what]
    assert differences(of(node, **before), of(node, **after)) == said


def test_of_a_snapshot_without_words_the_meaning_is_told() -> None:
    old, new = of("features:now"), of("features:now", row="total > 950")
    del old["words"]
    assert differences(old, new) == ["features.now.big: lt(90000, total) -> lt(95000, total)"]
    old, new = of("features:who"), of("features:who", state="age >= 65")
    del old["words"]
    assert differences(old, new) == ["features.who.old.expression: le(60, age) -> le(65, age)"]


def test_a_constant_that_looks_like_a_type_is_told() -> None:
    old, new = (of("features:now", row=f"name = 'a:{text}'") for text in ("int", "str"))
    del old["words"]
    assert differences(old, new) == ["features.now.big: eq('a:int', name) -> eq('a:str', name)"]


def test_another_spelling_is_no_change(tmp_path) -> None:
    folder = make_bank(tmp_path / "bank")
    run(load_project(folder))
    edit(folder, '"amount": "amount"', '"amount": "( amount )"')
    assert not plan_changes(load_project(folder)).any
    edit(folder, '"( amount )"', '"amount * 2"')
    with Journal(folder / ".headrace" / "run.db") as journal:
        kept = journal.snapshot()
        assert kept is not None
        for node in kept["nodes"].values():
            del node["words"]
        journal.keep_snapshot(kept)  # as it was written before there were words
    found = plan_changes(load_project(folder)).changes
    assert [(one.node, one.parts) for one in found] == [
        ("features:now", ("features.now.amount: amount -> mul(2, amount)",))
    ]


SMALL = {"small": hr.check("amount  < 3")}
RULE = "rule check, severity reject,"


def stream(rules: dict[str, Any] | None = None, amount: dict[str, Any] | None = None, **zipped: Any) -> dict[str, Any]:
    """A stream as a snapshot holds it, of a contract with rules and with fields within a field."""

    class Address(hr.Contract):
        city: str
        zip: int = hr.field(**zipped)

    body = {
        "__annotations__": {"id": str, "at": hr.Timestamp, "amount": float, "home": Address},
        "__module__": __name__,
    }
    body |= {"id": hr.key(), "at": hr.event_time(), "amount": hr.field(**(amount or {}))}
    contract: Any = type(hr.Contract)("Payment", (hr.Contract,), body | (rules or {}))
    made = plan.snapshot(hr.Project("p", sources=[hr.Stream("pay", contract)]))
    found: dict[str, Any] = json.loads(json.dumps(made, default=str))["nodes"]["stream:pay"]
    return found


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        (stream(), stream(SMALL), f"promises.small: added ({RULE} condition amount < 3)"),
        (stream(SMALL), stream(), f"promises.small: removed ({RULE} condition amount < 3)"),
        (stream(amount={"severity": "warn"}), stream(), "contract.amount.severity: warn -> reject"),
        (stream(amount={"le": 5}), stream(), "contract.amount.le: removed (5)"),
        (stream(ge=3), stream(ge=4), "contract.home.fields.zip.ge: 3 -> 4"),
        (stream(), stream(ge=4), "contract.home.fields.zip.ge: added (4)"),
    ],
)
def test_rules_and_fields_within_are_told_as_written(was: dict[str, Any], now: dict[str, Any], expected: str) -> None:
    assert differences(was, now) == [expected]
    without = was | {"words": {}}  # a snapshot of before, which has no words of fields within
    assert differences(without, now) != ["types of what it reads"]
