"""Views of the lake in a DuckDB file: what other tools see, when they see what is new, and whose file it is."""

import duckdb
import pytest

from headrace.errors import HeadraceError
from headrace.run import attach, load_project, restore, run
from tests.run.bank import add_month, make_bank


@pytest.fixture
def bank(tmp_path):
    folder = make_bank(tmp_path / "bank")
    run(load_project(folder))
    return folder


def _sql(path, query):
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_each_table_is_a_view_by_its_name(bank, monkeypatch):
    monkeypatch.chdir(bank.parent)
    path, count, _ = attach(load_project(bank))
    lake = load_project(bank).lake()
    assert count == len(lake.tables())
    monkeypatch.chdir("/")
    for name in lake.tables():
        assert _sql(path, f'select count(*) from "{name}"') == [(lake.rows(name),)]
    told = {row[0]: row[1:3] for row in _sql(path, "from _lake")}
    assert told == {name: (lake.extent(name).version, lake.rows(name)) for name in lake.tables()}
    assert _sql(path, "select sum(amount) from payments")[0][0] == lake.read("payments").to_pandas()["amount"].sum()


def test_a_run_and_a_restore_write_the_projects_own_file_anew(bank, tmp_path):
    own, *_ = attach(load_project(bank))
    other, *_ = attach(load_project(bank), tmp_path / "views" / "bank.duckdb")
    before = load_project(bank).lake().version("payments")
    add_month(bank, 2)
    run(load_project(bank))
    assert _sql(own, "select count(*) from payments") == [(38,)]
    assert _sql(other, "select count(*) from payments") == [(19,)], "as it was when it was written"
    restore(load_project(bank), "payments", version=before)
    assert _sql(own, "select count(*) from payments") == [(19,)]


def test_who_has_the_file_open_goes_on_reading_what_was(bank):
    path, *_ = attach(load_project(bank))
    with duckdb.connect(str(path), read_only=True) as tool:
        add_month(bank, 2)
        run(load_project(bank))
        assert tool.execute("select count(*) from payments").fetchall() == [(19,)]


def test_a_file_of_somebody_else_is_left_alone(bank, tmp_path):
    path = tmp_path / "mine.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table mine as select 1 as n")
    with pytest.raises(HeadraceError, match="HR-LAKE-015: found mine.duckdb, which is there"):
        attach(load_project(bank), path)
    assert _sql(path, "from mine") == [(1,)]
    path.write_text("no database")
    with pytest.raises(HeadraceError, match="HR-LAKE-015"):
        attach(load_project(bank), path)


def test_a_place_that_cannot_be_written(bank):
    with pytest.raises(HeadraceError, match="HR-LAKE-015: found x could not be written"):
        attach(load_project(bank), bank / "headrace.toml" / "x")


def test_a_run_tells_when_it_cannot_write_the_file_anew(bank):
    path, *_ = attach(load_project(bank))
    path.write_text("spoiled")
    report = run(load_project(bank))
    assert report.ok
    assert [(fault.code, fault.severity) for fault in report.faults] == [("HR-LAKE-015", "warning")]


def test_a_lake_without_tables(tmp_path):
    path, count, _ = attach(load_project(make_bank(tmp_path / "new")))
    assert (count, _sql(path, "from _lake")) == (0, [])
