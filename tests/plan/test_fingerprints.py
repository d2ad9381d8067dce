"""Fingerprints of declarations change with their meaning, and with nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

import headrace as hr
from headrace import plan
from headrace.plan.query import canonical

QUERY = "select k, at as since, 'x y' as seg, 1 as more from ev where name = 'a' -- why\n and k > 1"
SAME_QUERIES = [
    "SELECT k,at AS since,\n  'x y' AS seg, 1 AS more\nFROM ev WHERE name='a' AND k>1",
    "select k, at as since, 'x y' as seg, 1 as more from ev /* all */ where name = 'a' and k > 1 ; -- end",
]
OTHER_QUERIES = [
    QUERY.replace("x y", "x  y"),
    QUERY.replace("'a'", "'A'"),
    QUERY.replace("\n", ""),  # the rest is a comment now
    QUERY.replace("more", "More"),
    QUERY.replace("'x y'", "round(1, 2)"),
]


class Level(hr.Contract):
    k: int
    since: hr.Timestamp = hr.valid_from()
    seg: str


class Event(hr.Contract):
    id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    k: int
    name: str


def of_query(query: str) -> tuple[str, ...]:
    """The fingerprints of a table and of the features over it."""
    table = hr.Table("it", Level, query=query)
    group = hr.Features("state", table, by=hr.Entity("k"), features={"seg": "length(seg)"})
    cases = hr.TrainingSet("cases", hr.Stream("ev", Event), [group])
    found = plan.fingerprints(hr.Project("p", training_sets=[cases]))
    return found["table:it"], plan.set_fingerprint(cases)


@pytest.mark.parametrize("query", SAME_QUERIES)
def test_a_query_in_other_words_is_the_same(query: str) -> None:
    assert of_query(query) == of_query(QUERY)


@pytest.mark.parametrize("query", OTHER_QUERIES)
def test_another_query_is_another_table(query: str) -> None:
    assert not set(of_query(query)) & set(of_query(QUERY))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select round(a, 2, 3)", "select round(a, 2)"),  # a parser would drop the third
        ("select x'ff'", "select x 'ff'"),
        ("select 1 .5", "select 1.5"),
        ("select $$a  b$$", "select $$a b$$"),
        ("select 'open  text", "select 'open text"),  # no SQL: the exact text
        ('select "a b"', 'select "a  b"'),
        ("select a as Date", "select a as date"),
        ("select Date from t", "select date from t"),
    ],
)
def test_the_canonical_text_of_a_query_loses_nothing(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_key_words_of_a_query_have_no_case() -> None:
    low = "select sum(a) over (partition by c order by d desc) from t left join u using (k) group  by all"
    high = "SELECT SUM(a) OVER (PARTITION BY c ORDER BY d DESC) FROM t LEFT JOIN u USING (k) GROUP BY ALL"
    assert canonical(low) == canonical(high) == high


DEFAULTS: dict[str, Any] = {
    "at": {},
    "day": {},
    "amount": {"ge": 0, "le": 100},
    "y": {"ge": 0, "le": 1},
    "name": {"isin": ["a", "b"]},
    "lateness": None,
    "source": "data/pay",
    "refresh": None,
    "windows": {"n": hr.count("7d")},
    "rows": {"r": "amount"},
    "by": ("k",),
    "where": None,
    "on": "id",
    "value": "y",
    "default": 0,
    "split": hr.time_split("20d", "7d"),
    "metrics": [hr.average_precision(), hr.roc_auc()],
    "gates": [],
}


def of_project(**said: Any) -> dict[str, str]:
    """The fingerprints of all nodes of a project, and those by which a set and a model are kept."""
    how = DEFAULTS | said

    class Payment(hr.Contract):
        id: str = hr.key()
        at: hr.Timestamp = hr.event_time(**how["at"])
        day: hr.Date = hr.field(**how["day"])
        k: int
        amount: hr.Decimal(12, 2) = hr.field(**how["amount"])  # type: ignore[valid-type]
        name: str = hr.field(**how["name"])
        y: int = hr.field(**how["y"])
        z: int = hr.field(ge=0, le=9)
        f: float

    stream = hr.Stream("pay", Payment, source=how["source"], lateness=how["lateness"])
    windows = hr.Features("w", stream, by=hr.Entity(*how["by"]), features=how["windows"])
    rows = hr.Features("r", stream, features=how["rows"])
    label = hr.label(stream, how["value"], on=how["on"], matures="7d", default=how["default"])
    cases = hr.TrainingSet("cases", stream, [windows, rows], label=label, where=how["where"])
    model = hr.Model("m", cases, fit=print, split=how["split"], metrics=how["metrics"], gates=how["gates"])
    table = hr.Table("levels", Level, source="levels.csv", refresh=how["refresh"])
    found = plan.fingerprints(hr.Project("p", models=[model], sources=[table]))
    return found | {"set": plan.set_fingerprint(cases), "model": plan.model_fingerprint(model)}


def in_words(one: str, other: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """One expression in two ways, wherever one can stand."""
    return tuple(
        {"rows": {"r": text}, "windows": {"n": hr.sum("z", "7d", where=text)}, "where": text} for text in (one, other)
    )  # type: ignore[return-value]


def three(*metrics: hr.Metric) -> dict[str, Any]:
    return {"metrics": [hr.average_precision(), *metrics]}


INNER = {"_n": hr.count("1d"), "n": hr.count("7d")}
OTHER_INNER = INNER | {"_n": hr.count("2d")}
FIRST, SECOND = hr.at_least("roc_auc", 1), hr.better_than_baseline()
SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "values of a set": ({"name": {"isin": ["a", "b"]}}, {"name": {"isin": ("b", "a", "a")}}),
    "numbers of a set": ({"amount": {"isin": [1, 2]}}, {"amount": {"isin": [Decimal("2.00"), 1.0]}}),
    "a bound of 0.0": ({}, {"amount": {"ge": 0.0, "le": 100.0}}),
    "a decimal bound": ({}, {"amount": {"ge": Decimal("-0.00"), "le": Decimal("1E+2")}}),
    "another offset": ({"at": {"le": "2030-01-01T00:00:00Z"}}, {"at": {"le": "2030-01-01T01:00:00+01:00"}}),
    "a moment": ({"at": {"le": "2030-01-01T00:00:00Z"}}, {"at": {"le": datetime(2030, 1, 1, tzinfo=UTC)}}),
    "a day": ({"day": {"le": "2030-01-01"}}, {"day": {"le": date(2030, 1, 1)}}),
    "lateness": ({"lateness": "2h"}, {"lateness": "120m"}),
    "a path": ({}, {"source": "./data//pay/"}),
    "refresh": ({"refresh": "1h"}, {"refresh": "60m"}),
    "half-life": (
        {"windows": {"d": hr.decayed_sum("amount", half_life="12h")}},
        {"windows": {"d": hr.decayed_sum("amount", half_life="720m")}},
    ),
    "quantile": (
        {"windows": {"q": hr.quantile("amount", "7d", q=1)}},
        {"windows": {"q": hr.quantile("amount", "7d", q=1.0)}},
    ),
    "in another order": ({"rows": {"r": "name in ('a', 'b')"}}, {"rows": {"r": "name in ('b', 'a', 'b')"}}),
    "a default of False": ({}, {"default": False}),
    "a default of 0.0": ({}, {"default": 0.0}),
    "a default of a condition": ({"value": "y = 1", "default": False}, {"value": "y = 1", "default": 0}),
    "a split in other units": ({}, {"split": hr.time_split("480h", "1w")}),
    "the gap that is meant": ({}, {"split": hr.time_split("20d", "7d", gap="7d")}),
    "gates in another order": ({"gates": [FIRST, SECOND]}, {"gates": [SECOND, FIRST]}),
    "a bound of a gate": ({"gates": [FIRST]}, {"gates": [hr.at_least("roc_auc", 1.0)]}),
    "a threshold": (
        {"metrics": [hr.recall(1)], "gates": [hr.at_least("recall_1", 0.5)]},
        {"metrics": [hr.recall(1.0)], "gates": [hr.at_least("recall_1", 0.5)]},
    ),
    "a comparison from its other side": in_words("z >= 1", "1 <= z"),
    "a condition that always holds beside another": in_words("z >= 1 and true", "z >= 1"),
    "one that never holds": in_words("z >= 1 or false", "z >= 1"),
    "the least of two": in_words("least(z, 1) > 0", "least(1, z) > 0"),
    "a strict comparison from its other side": in_words("amount < f", "f > amount"),
    "an equation from its other side": in_words("name = 'a'", "'a' = name"),
    "an inequality from its other side": in_words("f <> z", "z <> f"),
    "and in another order": in_words("z = 1 and name = 'a' and k > 2", "k > 2 and (z = 1 and 'a' = name)"),
    "or in another order": in_words("f > 1 or (z = 1 and k > 2)", "(k > 2 and z = 1) or f > 1"),
    "a condition said twice": in_words("k > 2", "k > 2 and k > 2"),
    "between": in_words("k between 1 and 2", "k <= 2 and k >= 1"),
    "a sum of whole numbers": in_words("z + 2 + amount > 1", "amount + (2 + z) > 1"),
    "a product of decimals": in_words("amount * z > 1", "z * amount > 1"),
    "keys of an entity": ({"by": ("k", "y")}, {"by": ("y", "k")}),
    "keys of a label": ({"on": ("id", "k")}, {"on": ("k", "id")}),
    "a condition that always holds": ({}, {"where": "true"}),
    "a condition of constants that always holds": ({}, {"where": "1 < 2"}),
    "a window's condition that always holds": ({}, {"windows": {"n": hr.count("7d", where="true")}}),
    "further metrics": (three(hr.roc_auc(), hr.recall(0.5)), three(hr.recall(0.5), hr.roc_auc())),
    "open bounds of an int": ({}, {"y": {"gt": -1, "lt": 2}}),
    "open bounds of an int between numbers": ({}, {"y": {"gt": -0.5, "lt": 1.5}}),
    "a bound below another": ({}, {"y": {"ge": 0, "gt": -7, "le": 1}}),
    "open bounds of a decimal": ({}, {"amount": {"gt": Decimal("-0.01"), "lt": 100.01}}),
    "the first metric": ({"gates": [SECOND]}, {"gates": [hr.better_than_baseline("average_precision")]}),
}
OTHER: dict[str, tuple[dict[str, Any], str]] = {
    "values of a set": ({"name": {"isin": ["a", "c"]}}, "stream:pay"),
    "a bound": ({"amount": {"ge": 0, "le": 100.01}}, "stream:pay"),
    "a moment": ({"at": {"le": "2030-01-01T00:00:00+01:00"}}, "stream:pay"),
    "lateness": ({"lateness": "2h"}, "stream:pay"),
    "a path": ({"source": "../data/pay"}, "stream:pay"),
    "refresh": ({"refresh": "1h"}, "table:levels"),
    "half-life": ({"windows": {"n": hr.decayed_sum("amount", half_life="12h")}}, "set"),
    "an open bound": ({"amount": {"gt": 0, "le": 100}}, "stream:pay"),
    "an open bound of a feature's field": ({"amount": {"gt": 0, "le": 100}}, "set"),
    "fewer keys": ({"by": ("y",)}, "set"),
    "a condition": ({"where": "k > 2"}, "set"),
    "a condition that never holds": ({"where": "false"}, "set"),
    "a default": ({"default": 1}, "set"),
    "no default": ({"default": None}, "set"),
    "a split": ({"split": hr.time_split("20d", "8d")}, "model"),
    "a gap": ({"split": hr.time_split("20d", "7d", gap="8d")}, "model"),
    "metrics in another order": ({"metrics": DEFAULTS["metrics"][::-1]}, "model"),
    "a gate": ({"gates": [hr.at_least("roc_auc", 0.5)]}, "model"),
}


@pytest.mark.parametrize("what", list(SAME))
def test_the_same_meaning_in_other_words(what: str) -> None:
    one, other = SAME[what]
    assert of_project(**one) == of_project(**other)


@pytest.mark.parametrize("what", list(OTHER))
def test_another_meaning(what: str) -> None:
    said, where = OTHER[what]
    assert of_project(**said)[where] != of_project()[where]


def test_an_inner_feature_counts_in_a_set_where_a_feature_reads_it() -> None:
    one, other = of_project(windows=INNER), of_project(windows=OTHER_INNER)
    assert {name for name in one if one[name] != other[name]} == {"features:w"}  # rules may read it
    one, other = (of_project(windows=it, rows={"r": "w._n * 2"}) for it in (INNER, OTHER_INNER))
    assert {"set", "model"} < {name for name in one if one[name] != other[name]}


def test_a_default_is_a_value_of_the_label() -> None:
    none, zero, half = (of_project(value="amount", default=it, rows={"r": "k"}) for it in (0, 0.0, 0.5))
    assert none == zero != half


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("k > 1", "1 > k"),
        ("k >= 1", "k > 1"),
        ("k > 1 and z = 1", "k > 1 or z = 1"),
        ("(k > 1 or z = 1) and f > 1", "k > 1 or (z = 1 and f > 1)"),
        ("z - amount", "amount - z"),
        ("f + 0.1 + z", "f + (0.1 + z)"),  # floats: the last bit may be another
        ("f * 0.1 * z", "z * 0.1 * f"),
        ("z + z", "z"),
        ("z * z + 1", "z * (z + 1)"),
        ("coalesce(f, z)", "coalesce(z, f)"),
        ("case when k > 1 then f end", "case when f > 1 then k end"),
    ],
)
def test_what_is_not_the_same_in_another_order(one: str, other: str) -> None:
    assert of_project(rows={"r": one})["set"] != of_project(rows={"r": other})["set"]
