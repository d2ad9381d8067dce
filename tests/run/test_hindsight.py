"""Tables by query: when their rows became known is respected, and asked for where it matters."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import headrace as hr
from headrace.plan import check
from headrace.run import load_project, run

PROJECT = """
import headrace as hr


class Click(hr.Contract):
    click_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    seen_at: hr.Timestamp = hr.known_time()
    item: int


class Daily(hr.Contract):
    item: int
    day: hr.Timestamp = hr.valid_from()
    told: hr.Timestamp = hr.known_time()
    n: int


clicks = hr.Stream("clicks", Click, source="data/clicks*")
daily = hr.Table("daily", Daily, query='''
    select item, day, max(greatest(_known_at, day)) as told, count(*) as n
    from (select *, date_trunc('day', at) + interval 1 day as day from clicks) group by item, day
''')
popular = hr.Features("popular", daily, by=hr.Entity("item"), features={"n": "n"})
cases = hr.TrainingSet("cases", clicks, [popular])
project = hr.Project("shop", training_sets=[cases])
"""
CLICKS = """click_id,at,seen_at,item
a,2026-03-01T10:00:00Z,2026-03-01T10:00:00Z,1
b,2026-03-01T11:00:00Z,2026-03-03T09:00:00Z,1
c,2026-03-02T12:00:00Z,2026-03-02T12:00:00Z,2
d,2026-03-03T08:00:00Z,2026-03-03T08:00:00Z,1
e,2026-03-03T10:00:00Z,2026-03-03T10:00:00Z,1
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "clicks.csv").write_text(CLICKS)
    (tmp_path / "project.py").write_text(PROJECT)
    (tmp_path / "headrace.toml").write_text("")
    return tmp_path


def test_a_row_sees_of_a_table_by_query_what_was_known(shop: Path) -> None:
    loaded = load_project(shop)
    assert check(loaded.project) == []
    assert run(loaded).ok
    built = loaded.project.all_training_sets["cases"].build(shop).to_pandas()
    values = dict(zip(built["click_id"], built["popular.n"], strict=True))
    # the first day's row is known when b is, on the third at nine, after d and before e
    assert values.pop("e") == 2
    assert pd.isna(list(values.values())).all()
    assert list(values) == ["a", "b", "c", "d"]


def test_a_query_that_does_not_say_is_warned_of(shop: Path) -> None:
    text = PROJECT.replace("    told: hr.Timestamp = hr.known_time()\n", "")
    (shop / "project.py").write_text(text.replace("max(greatest(_known_at, day)) as told, ", ""))
    (fault,) = load_project(shop).project.check()
    assert (fault.code, fault.severity) == ("HR-LEAK-002", "warning")
    assert "popular of cases reads daily, a query over clicks" in fault.found


def test_the_truth_through_a_query_is_warned_of() -> None:
    class Sale(hr.Contract):
        at: hr.Timestamp = hr.event_time()
        sale_id: str
        returned: bool

    class Known(hr.Contract):
        sale_id: str
        since: hr.Timestamp = hr.valid_from()
        returned: bool

    sales, returns = hr.Stream("sales", Sale), hr.Stream("returns", Sale)
    first = hr.Table("first", query="with r as (select * from returns) select * from r")
    known = hr.Table("known", Known, query="select sale_id, at as since, returned from first")
    peek = hr.Features("peek", known, by=hr.Entity("sale_id"), features={"r": "returned"})
    label = hr.label(returns, "returned", on="sale_id", matures="7d")

    def warned(**more: hr.Label) -> list[str]:
        cases = hr.TrainingSet("cases", sales, [peek], **more)
        return [fault.code for fault in check(hr.Project("p", sources=[first, returns], training_sets=[cases]))]

    assert warned(label=label) == ["HR-LEAK-002"]
    assert warned() == []
