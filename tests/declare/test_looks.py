"""How declared values look: readable lines, and HTML in which nothing of the user's is markup."""

import pytest

import headrace as hr
from headrace import Features, Model, Project, Service, Stream, Table, TrainingSet


class Payment(hr.Contract):
    """One card payment <now>."""

    payment_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    card: int
    amount: hr.Decimal(12, 2) = hr.field(ge=0, unit="<EUR>")


payments = Stream("payments", Payment, source="data/*", owner="team")
spending = Features(
    "spending", payments, hr.Entity("card"), {"n": hr.count(["1d", "7d"], where="amount < 3", delay="1d")}
)
cases = TrainingSet("cases", payments, [spending], hr.label(payments, "amount > 5", on="payment_id", matures="7d"))


def fit(train):
    return None


score = Model("score", cases, fit, hr.time_split("30d", "7d"), [hr.roc_auc()], [hr.at_least("roc_auc", 0.6)])
desk = Service("desk", score, {"block": "score > 0.9"})
project = Project("bank", services=[desk])


def test_lines():
    assert repr(spending).splitlines() == [
        "Features spending: of payments by card",
        "  feature  value    window  how",
        "  n_1d     count()  1d      where amount < 3, delay 1d",
        "  n_7d     count()  7d      where amount < 3, delay 1d",
    ]
    assert repr(payments).splitlines()[0] == "Stream payments: from data/*, owned by team, One card payment <now>."
    assert repr(payments).splitlines()[-1].split() == ["amount", "decimal(12,2)", "≥", "0", "<EUR>"]
    assert "at least 0.6" in repr(score)
    gates = [hr.at_least("roc_auc", 0.6), hr.at_most("log_loss", 0.3), hr.not_worse_than_champion()]
    many = Model("many", cases, fit, hr.time_split("30d", "7d"), [hr.roc_auc(), hr.log_loss(), hr.brier()], gates)
    assert repr(many).splitlines()[2:] == [
        "  roc_auc   at least 0.6, not worse than champion",
        "  log_loss  at most 0.3",
        "  brier",
    ]
    assert repr(desk).splitlines()[1:] == ["  decision  rule", "  block     score > 0.9", "  allow     otherwise"]
    assert repr(cases).splitlines()[0] == "TrainingSet cases: rows of payments, label amount > 5 of payments"
    assert "training set" in repr(project)
    assert repr(Table("daily", query="select 1")) == "Table daily: select 1"


@pytest.mark.parametrize("value", [payments, spending, cases, score, desk, project], ids=lambda one: one.name)
def test_html_is_escaped(value):
    html = value._repr_html_()
    assert html.startswith("<div><b>")
    for text in ("<now>", "<EUR>", "amount < 3", "score > 0.9"):
        assert text not in html


SMALL = [
    (hr.Entity("<card>"), "Entity", ["keys", "&lt;card&gt;"]),
    (hr.sum("amount * 2 < 3", ["1d", "0d"], hop="5m"), "Window", ["sum(amount * 2 &lt; 3)", "1d", "0d", "hop 5m"]),
    (hr.top_k("shop", "7d", k=3), "Window", ["top_k(shop, k=3)", "7d"]),
    (hr.label(payments, "amount < 5", on="card", matures="7d"), "Label", ["payments", "amount &lt; 5", "card", "7d"]),
    (hr.time_split("30d", "7d", "<7d>"), "TimeSplit", ["30d", "7d", "&lt;7d&gt;"]),
    (hr.log_loss(), "Metric", ["log_loss", "greater_is_better", "False"]),
    (hr.card_precision(100, by="<c>"), "Metric", ["card_precision", "by=&lt;c&gt;, k=100"]),
    (hr.at_least("<auc>", 0.6), "Gate", ["at_least", "&lt;auc&gt;", "0.6"]),
    (hr.field(ge=0, pattern="<a>", unit="<EUR>", description="<b>"), "Field", ["≥ 0, like &lt;a&gt;", "&lt;EUR&gt;"]),
    (Payment, "Contract Payment", ["One card payment &lt;now&gt;.", "amount", "≥ 0", "&lt;EUR&gt;"]),
    (
        hr.Charter(**dict.fromkeys(("problem", "metric", "data", "quality", "deployment", "success"), "<x>")),
        "Charter",
        ["problem", "&lt;x&gt;"],
    ),
]


@pytest.mark.parametrize(("value", "title", "words"), SMALL, ids=lambda one: one if isinstance(one, str) else None)
def test_small_values_have_their_html_too(value, title, words):
    html = value._repr_html_()
    assert html.startswith(f"<div><b>{title}</b>")
    for word in words:
        assert word in html
    for text in ("<card>", "< 3", "<7d>", "<c>", "<auc>", "<a>", "<EUR>", "<now>", "<x>", "None"):
        assert text not in html


@pytest.mark.parametrize(
    "call",
    [
        "at_least('roc_auc', 0.8)",
        "not_worse_than_champion()",
        "recall(threshold=0.7)",
        "card_precision(by='card', k=100)",
        "time_split(train='30d', test='7d')",
        "time_split(train='30d', test='7d', gap='1d')",
        "label(payments, 'amount > 5', on='payment_id', matures='7d', default=False)",
        "label(payments, 'amount > 5', on=('payment_id', 'card'), matures='7d')",
        "count('7d')",
        "mean('amount', ['1d', '7d'], where='amount > 3', delay='7d')",
        "quantile('amount', 'lifetime', q=0.5)",
        "count('amount', '7d', include_current=True)",
        "Entity('card', 'shop')",
    ],
)
def test_small_values_look_like_the_call_that_makes_them(call):
    value = eval(f"hr.{call}", {"hr": hr, "payments": payments})
    assert repr(value) == call


def test_what_is_wrong_can_be_looked_at_all_the_same():
    wrong = [
        Stream("s", dict),
        Stream("s", None),
        Features("f", "payments", "card", [1]),
        Features("f", payments, hr.Entity(), {"a": hr.count("0d"), "b": hr.sum(), "c": 5}),
        TrainingSet("c", "payments", [5], "amount"),
        Model("m", "cases", 5, "30d", [hr.roc_auc()]),
        Model("m"),
        Service("s", "model", {"a": 5}),
        hr.time_split(5, None),
        hr.Window(kind=5, value=5, windows=(5,)),
    ]
    for value in wrong:
        assert value.faults
        assert repr(value)
        assert f"<b>{type(value).__name__}" in value._repr_html_()


def test_they_are_the_declarations_themselves():
    again = Stream("payments", Payment, source="data/*", owner="team")
    assert again == payments
    assert hash(again) == hash(payments)
    assert list(project.nodes()) == [
        "stream:payments",
        "features:spending",
        "training_set:cases",
        "model:score",
        "service:desk",
    ]
    assert spending.place.endswith("test_looks.py:19")
