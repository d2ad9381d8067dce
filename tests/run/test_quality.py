"""Rules of contracts in a run: order by reference, freshness without news, queries; and what status tells of it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from headrace.run import RunFailed, load_project, plan_changes, run, status
from headrace.run.project import LoadedProject
from headrace.workbench import Project

PROJECT = """
import headrace as hr


class Sale(hr.Contract):
    id: int = hr.key()
    at: hr.Timestamp = hr.event_time()
    shop_id: int
    net: float
    shop = hr.reference("shop_id", to="shops")
    recent = hr.fresh("2h", severity="SEVERITY")


class Shop(hr.Contract):
    shop_id: int = hr.key()


class Total(hr.Contract):
    shop_id: int = hr.key()
    net: float = hr.field(le=100, severity="warn")
    known = hr.reference("shop_id", to="shops", severity="warn")
    enough = hr.volume(at_least=2, severity="stop")


sales = hr.Stream("sales", Sale, source="data/sales*", owner="till")
shops = hr.Table("shops", Shop, source="data/shops*")
totals = hr.Table("totals", Total, query="select shop_id, sum(net) as net from sales group by shop_id")
project = hr.Project("bakery", sources=[sales, totals, shops])
"""


def moment(ago: str) -> str:
    hours = datetime.timedelta(hours=int(ago))
    return (datetime.datetime.now(datetime.UTC) - hours).isoformat(timespec="seconds")


@pytest.fixture
def bakery(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "headrace.toml").write_text("")
    (tmp_path / "data" / "shops.csv").write_text("shop_id\n1\n2\n")
    declare(tmp_path, "warn")
    return tmp_path


def declare(folder: Path, severity: str) -> LoadedProject:
    (folder / "project.py").write_text(PROJECT.replace("SEVERITY", severity))
    return load_project(folder)


def deliver(folder: Path, name: str, ago: str, *rows: tuple[int, int, float]) -> None:
    lines = [f"{key},{moment(ago)},{shop},{net}\n" for key, shop, net in rows]
    (folder / "data" / name).write_text("id,at,shop_id,net\n" + "".join(lines))


def test_a_table_is_loaded_after_those_that_it_refers_to(bakery: Path) -> None:
    deliver(bakery, "sales.csv", "1", (1, 1, 5), (2, 2, 5), (3, 9, 5))
    report = run(load_project(bakery))
    assert [one.id for one in report.steps] == ["ingest:shops", "ingest:sales", "query:totals"]
    assert [(one["accepted"], one["quarantined"]) for one in (s.figures for s in report.steps[:2])] == [(2, 0), (2, 1)]
    assert {one.action for one in run(load_project(bakery)).steps} == {"kept"}


def test_what_grows_old_is_told_once_and_stops_each_time(bakery: Path) -> None:
    deliver(bakery, "sales.csv", "3", (1, 1, 5), (2, 2, 5))
    first = run(load_project(bakery))
    assert [one.code for one in first.faults] == ["HR-QUALITY-023"]
    assert "sales has a newest row 3h old" in first.faults[0].found
    run(load_project(bakery))
    assert not run(load_project(bakery)).changed
    stopping = declare(bakery, "stop")
    for _ in range(2):
        with pytest.raises(RunFailed) as failed:
            run(stopping)
        assert {one.id: one.action for one in failed.value.report.steps}["query:totals"] == "skipped"
    deliver(bakery, "sales-2.csv", "1", (3, 1, 5))
    assert run(stopping).ok


def test_a_query_keeps_the_rules_of_its_contract(bakery: Path) -> None:
    deliver(bakery, "sales.csv", "1", (1, 1, 500), (2, 2, 5))
    loaded = load_project(bakery)
    report = run(loaded)
    assert [(one.code, one.severity) for one in report.faults] == [("HR-QUALITY-021", "warning")]
    assert "1 rows of totals break HR-DATA-004 net: is above 100" in report.faults[0].found
    lake = loaded.lake()
    said = "select rule, checked, failed from quality_totals where not ok"
    assert [tuple(one.values()) for one in lake.sql(said).to_pylist()] == [("net le", 2, 1)]


def test_a_query_of_too_few_rows_is_not_written(bakery: Path) -> None:
    deliver(bakery, "sales.csv", "1", (1, 1, 5))
    loaded = load_project(bakery)
    with pytest.raises(RunFailed, match=r"HR-QUALITY-020.*totals.*enough: 1 rows"):
        run(loaded)
    lake = loaded.lake()
    assert not lake.exists("totals")
    said = "select _load, checked from quality_totals where rule = 'enough' and not ok"
    assert [tuple(one.values()) for one in lake.sql(said).to_pylist()] == [("refused:version 0", 1)]


def test_status_tells_freshness_the_last_change_and_quality(bakery: Path) -> None:
    deliver(bakery, "sales-1.csv", "5", (1, 1, 5), (2, 2, 5))
    deliver(bakery, "sales-2.csv", "3", (3, 1, 5), (4, 9, 5), (5, 8, 5), (6, 2, 5))
    loaded = load_project(bakery)
    run(loaded)
    table = next(one for one in status(loaded).tables if one.name == "sales")
    assert table.quality == (1.0, 0.5)
    assert table.broken == ("shop",)
    assert table.age_s == pytest.approx(3 * 3600, abs=600)
    assert table.changed is not None
    project = loaded.project
    assert isinstance(project, Project)
    found = project.quality("sales", folder=bakery)
    assert set(found.loc[found["rule"] == "shop", "failed"]) == {0, 2}


def test_plan_tells_a_rule_that_changed(bakery: Path) -> None:
    deliver(bakery, "sales.csv", "1", (1, 1, 5), (2, 2, 5))
    run(load_project(bakery))
    changes = plan_changes(declare(bakery, "stop"))
    assert "promises.recent.severity: warn -> stop" in str(changes)
