"""The report of data: its numbers beside pandas', nothing personal in it, and what is wrong in plain sight."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from headrace.audit.data import data_report
from headrace.cli.app import main
from headrace.contracts.quality import instability
from headrace.errors import HeadraceError
from headrace.run import load_project, run
from tests.audit.data.shop import SECRET, accepted, make_shop, rows
from tests.audit.page import Balanced
from tests.browser import browser


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("data_report") / "shop")


@pytest.fixture(scope="module")
def made(shop):
    return data_report(shop)


def facts(made, name):
    return next(one for one in made.gathered.tables if one.name == name)


def column(made, name, table="sales"):
    return next(one for one in facts(made, table).columns if one.name == name)


def change(made, name, table="sales"):
    return next(one for one in facts(made, table).changes if one.column == name)


def test_the_figures_of_a_column_are_those_of_pandas(made):
    expected = accepted()["net"]
    net = column(made, "net")
    assert (net.rows, net.missing, net.distinct, net.exact) == (1194, 0, expected.nunique(), True)
    assert (net.least, net.most) == (expected.min(), expected.max())
    assert net.mean == pytest.approx(expected.mean(), rel=1e-12)
    assert net.quantiles == pytest.approx({one: expected.quantile(one) for one in net.quantiles})
    assert sum(net.bins.counts) == 1194
    inside = expected.between(net.bins.low, net.bins.high)
    counted, _ = np.histogram(expected[inside], np.linspace(net.bins.low, net.bins.high, 25))
    assert (
        np.abs(np.array(net.bins.counts[1:-1]) - counted[1:-1]).sum() <= 2
    )  # a value on an edge may lie on its other side


def test_missing_and_categories_are_counted(made):
    expected = accepted()
    assert column(made, "note").missing == (expected["note"] == "").sum()
    how = expected["how"].value_counts()
    last = expected.loc[expected["load"] == 3, "how"].value_counts()
    assert {value: (every, now) for value, every, now in column(made, "how").values} == {
        one: (how[one], last.get(one, 0)) for one in how.index
    }


def test_what_the_last_load_changed_is_measured(made):
    expected = accepted()
    assert change(made, "net").index > 0.25
    assert change(made, "net").promised
    gross = expected["gross"]
    edges = np.unique(gross.quantile(np.arange(1, 10) / 10))
    places = np.searchsorted(edges, gross, side="left")
    by_load = [np.bincount(places[expected["load"] == load], minlength=len(edges) + 1) for load in (1, 2, 3)]
    index = instability([*(by_load[0] + by_load[1]), 0], [*by_load[2], 0])
    assert change(made, "gross").index == pytest.approx(index, abs=0.02)
    assert not change(made, "gross").promised
    assert change(made, "gross").word == "shifted"
    assert change(made, "shop_id").word == "as before"
    assert (change(made, "how").new, change(made, "how").gone) == (("phone",), ("<i>cheque</i>",))


def test_a_table_by_query_is_held_against_its_version_before(made):
    sales = accepted()
    now, before = (each.groupby("shop_id").size().sum() for each in (sales, sales[sales["load"] < 3]))
    net = column(made, "net", "totals")
    assert net.other_rows == sales[sales["load"] < 3]["shop_id"].nunique()
    assert now > before
    assert column(made, "sales", "totals").mean == pytest.approx(sales.groupby("shop_id").size().mean())


def test_values_of_persons_are_nowhere(made, shop):
    assert SECRET not in made.html
    assert SECRET not in json.dumps(made.as_dict(), default=str)
    hidden = {one.name for one in facts(made, "sales").columns if one.kind == "hidden"}
    assert hidden == {"sale_id", "buyer", "card"}
    assert {one.name for one in facts(made, "cards").columns if one.kind == "hidden"} == {"sale_id", "buyer", "card"}
    expected = accepted()
    assert column(made, "buyer").distinct == expected["buyer"].nunique()
    assert column(made, "card", "cards").distinct == expected["card"].nunique()
    assert column(made, "note").values == ()


def test_what_is_no_longer_declared_tells_no_values(shop, tmp_path):
    folder = tmp_path / "shop"
    shutil.copytree(shop.folder, folder)
    text = (folder / "project.py").read_text()
    text = text.replace("    note: str | None\n", "").replace("sum(net) as net", "sum(nett) as net")
    (folder / "project.py").write_text(text)
    found = data_report(load_project(folder))
    assert column(found, "note").kind == "hidden"
    assert {one.kind for one in facts(found, "totals").columns} == {"hidden"}
    assert column(found, "net").kind == "number"


def test_broken_promises_say_whose_they_are_and_where_a_row_stands(made):
    found = {one.rule: one for one in facts(made, "sales").broken}
    assert set(found) == {"net ge", "with_tax", "cheap", "recent", "nets"}
    bad = found["net ge"]
    assert (bad.severity, bad.says, bad.failed, bad.now) == ("reject", "is at least 0", (0, 1, 1), True)
    assert bad.example == "data/sales-2.csv:14"
    assert found["with_tax"].example == "data/sales-2.csv:8"
    assert found["with_tax"].failed == (0, 2, 2)
    cheap = [int((rows(load)["net"] >= 90).sum()) for load in (1, 2, 3)]
    assert found["cheap"].failed == tuple(cheap)
    assert found["cheap"].example == "data/sales-3.csv"
    assert not found["nets"].of_rows
    assert found["recent"].now
    assert re.search(r"&lt;b&gt;till&lt;/b&gt;", made.html)
    assert "<b>till" not in made.html
    assert "<i>cheque" not in made.html
    assert "5 promises broken by the last load of sales" in made.html
    assert "; and 2 more" in made.html


def test_loads_and_quarantine(made):
    sales = facts(made, "sales")
    assert [(one.file, one.received, one.accepted) for one in sales.loads] == [
        ("data/sales-1.csv", 400, 400),
        ("data/sales-2.csv", 400, 397),
        ("data/sales-3.csv", 400, 397),
    ]
    assert (sales.rows, sales.received, sales.quarantined) == (1194, 1200, 6)
    assert {(one.code, one.field): one.rows for one in sales.aside} == {
        ("HR-QUALITY-010", "with_tax"): 4,
        ("HR-DATA-004", "net"): 2,
    }
    assert set(facts(made, "cards").ways.up) == {"origin data/sales*", "stream sales"}
    assert {"table cards", "table totals"} <= set(sales.ways.down)


def test_what_is_not_there_is_said(made, tmp_path):
    assert not facts(made, "later").loaded
    assert "Nothing is loaded yet" in made.html
    (tmp_path / "headrace.toml").write_text("")
    (tmp_path / "project.py").write_text("import headrace as hr\nproject = hr.Project('none')\n")
    assert "No stream or table is declared." in data_report(load_project(tmp_path)).html
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "empty.csv").write_text("at,key\n")
    (tmp_path / "project.py").write_text(
        "import headrace as hr\n\n\nclass Row(hr.Contract):\n    at: hr.Timestamp = hr.event_time()\n    key: int\n\n\n"
        "rows = hr.Stream('rows', Row, source='data/*')\nproject = hr.Project('none', sources=[rows])\n"
    )
    run(load_project(tmp_path))
    found = data_report(load_project(tmp_path))
    assert (facts(found, "rows").rows, facts(found, "rows").loaded) == (0, True)
    assert column(found, "key", "rows").distinct == 0


def test_large_tables_are_estimated_within_a_few_percent(made, shop, monkeypatch):
    monkeypatch.setattr("headrace.audit.data.profile.EXACT_ROWS", 100)
    seen = []
    found = data_report(shop, ["sales"], shop.folder / "estimated.html", lambda *moved: seen.append(moved))
    exact, net = column(made, "net"), column(found, "net")
    assert not net.exact
    assert f"≈ {net.distinct:,} (HyperLogLog)" in found.html
    methods = {one["distinct_method"] for each in found.as_dict()["tables"] for one in each["columns"]}
    assert methods == {"HyperLogLog"}
    assert column(made, "net").method == "counted"
    assert net.distinct == pytest.approx(exact.distinct, rel=0.1)
    assert net.quantiles[0.5] == pytest.approx(exact.quantiles[0.5], rel=0.03)
    assert column(found, "how").values == column(made, "how").values
    done = [one for _, one, _ in seen]
    assert done == sorted(done)
    assert seen[-1][1:] == (18, 18)


def test_the_page_holds_by_itself_in_a_browser(made, tmp_path):
    assert not re.search(r"src\s*=|https?://|@import|url\(|<script", made.html)
    assert {one[:1] for one in re.findall(r'href="([^"]*)"', made.html)} == {"#"}
    parser = Balanced()
    parser.feed(made.html)
    assert parser.open == []
    with browser(tmp_path) as page:
        for width, dark in ((1200, False), (390, True)):
            page.open(made.path, width, dark=dark)
            assert page.value("document.documentElement.scrollWidth") == width
            assert page.value("document.querySelectorAll('section').length") >= 8
            paper = page.value("getComputedStyle(document.body).backgroundColor")
            assert (paper != "rgb(255, 255, 255)") == dark
        assert {one.split(":")[0] for one in page.requests} == {"file"}
        assert set(page.requests) == {made.path.resolve().as_uri()}
        assert page.said == []


def test_the_command_and_the_notebook(shop, tmp_path):
    output = tmp_path / "sales.html"
    args = ["data", "report", "sales", "--output", str(output), "--project", str(shop.folder)]
    told = CliRunner().invoke(main, [*args, "--json"])
    document = json.loads(told.stdout)
    assert told.exit_code == 0
    assert (document["ok"], document["report"]) == (True, str(output))
    assert [one["name"] for one in document["tables"]] == ["sales"]
    assert f"Report: {output}" in CliRunner().invoke(main, args).stdout
    assert output.read_text().endswith("</html>")
    shown = shop.project.data_report("sales", output=output, folder=shop.folder)
    assert shown.path == output
    assert "srcdoc=" in shown._repr_html_()
    assert "<section" not in shown._repr_html_()
    wrong = CliRunner().invoke(main, ["data", "report", "sale", "--project", str(shop.folder)])
    assert wrong.exit_code == 2
    assert "HR-REPORT-001" in wrong.stderr
    assert "did you mean 'sales'?" in wrong.stderr
    nowhere = CliRunner().invoke(main, [*args[:4], str(output / "no" / "folder.html"), *args[5:]])
    assert (nowhere.exit_code, "HR-CLI-002" in nowhere.stderr) == (2, True)
    with pytest.raises(HeadraceError, match="HR-REPORT-001"):
        data_report(shop, ["sale"])


def test_times_are_days_and_numbers_that_are_none_do_not_spoil_the_rest(tmp_path):
    (tmp_path / "headrace.toml").write_text("")
    (tmp_path / "data").mkdir()
    pd.DataFrame({"at": ["1901-01-01T00:00:00Z", "2199-12-31T23:59:59Z"], "x": [1, 3]}).to_csv(
        tmp_path / "data" / "a.csv", index=False
    )
    (tmp_path / "project.py").write_text(
        "import headrace as hr\n\n\nclass Row(hr.Contract):\n    at: hr.Timestamp\n    x: int\n\n\n"
        "rows = hr.Table('rows', Row, source='data/*')\n"
        "odd = hr.Table('odd', query=\"select x / 0.0 as inf, 'nan'::double as nan, x::double as fine, [x] as several, "
        "{'a': x} as parts, x > 1 as big, at::date as day from rows\")\n"
        "project = hr.Project('odd', sources=[rows, odd])\n"
    )
    run(load_project(tmp_path))
    found = data_report(load_project(tmp_path))
    kinds = {one.name: one.kind for one in facts(found, "odd").columns}
    assert (kinds["several"], kinds["big"], kinds["day"]) == ("list", "category", "time")
    assert column(found, "fine", "odd").mean == 2
    assert column(found, "nan", "odd").mean is None
