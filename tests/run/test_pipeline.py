"""Running: everything up to date, only what changed is redone, and each step says why."""

import shutil
import sqlite3

import deltalake
import pytest

from headrace.errors import HeadraceError
from headrace.run import RunFailed, load_project, plan_changes, run, status
from headrace.run.lock import one_at_a_time
from tests.run.bank import add_month, edit, make_bank


@pytest.fixture
def bank(tmp_path):
    return make_bank(tmp_path / "bank")


def _run(folder):
    report = run(load_project(folder))
    return {step.id: (step.action, step.why) for step in report.steps}


def _rows(folder, name):
    return load_project(folder).lake().rows(name)


KEPT = ("kept", ("nothing changed",))


def test_the_first_run_does_everything_and_the_second_nothing(bank):
    report = run(load_project(bank))
    ids = [step.id for step in report.steps]
    assert set(ids[:2]) == {"ingest:payments", "ingest:chargebacks"}
    assert ids[2:] == ["query:daily", "query:weekly"]
    assert {step.action for step in report.steps} == {"done"}
    figures = {step.id: step.figures for step in report.steps}
    assert (figures["ingest:payments"]["received"], figures["ingest:payments"]["accepted"]) == (20, 19)
    assert figures["ingest:payments"]["quarantined"] == 1
    assert list(figures["ingest:payments"]["this_run"]["reasons"].values()) == [1]
    assert report.ok
    assert report.changed
    again = run(load_project(bank))
    assert not again.changed
    assert {step.id: (step.action, step.why) for step in again.steps} == dict.fromkeys(figures, KEPT)


def test_the_query_is_what_it_says(bank):
    _run(bank)
    lake = load_project(bank).lake()
    total = lake.sql("select sum(amount) as total from payments").to_pylist()
    assert lake.sql("select sum(total) as total from daily").to_pylist() == total
    assert lake.sql("select sum(total) as total from weekly").to_pylist() == total


def test_a_new_file_redoes_what_depends_on_it_and_says_so(bank):
    _run(bank)
    add_month(bank, 2)
    (bank / "data" / "chargebacks-2.csv").unlink()
    assert _run(bank) == {
        "ingest:payments": ("done", ("new file data/payments-2.csv",)),
        "ingest:chargebacks": KEPT,
        "query:daily": ("done", ("new rows in payments",)),
        "query:weekly": ("done", ("new rows in daily",)),
    }
    assert _rows(bank, "payments") == 38
    assert _rows(bank, "quarantine_payments") == 2


def test_a_changed_declaration_redoes_what_it_means(bank):
    _run(bank)
    edit(bank, "sum(total) as total from daily", "max(total) as total from daily")
    ran = _run(bank)
    assert ran.pop("query:weekly") == ("done", ("declaration of weekly changed",))
    assert set(ran.values()) == {KEPT}
    edit(bank, '"""A bank."""', '"""A bank."""\n\n# a line moves everything down\n')
    assert set(_run(bank).values()) == {KEPT}


def test_lost_outputs_are_made_again(bank):
    _run(bank)
    shutil.rmtree(bank / ".headrace" / "lake" / "daily")
    assert _run(bank)["query:daily"] == ("done", ("its output is gone",))
    shutil.rmtree(bank / ".headrace" / "lake")
    assert _run(bank)["ingest:payments"] == ("done", ("its output is gone",))
    assert _rows(bank, "payments") == 19


def test_a_table_by_query_that_somebody_else_wrote_to_is_made_again(bank):
    _run(bank)
    lake = load_project(bank).lake()
    rows = lake.rows("daily")
    deltalake.DeltaTable(str(lake.root / "daily")).delete()
    assert lake.rows("daily") == 0
    assert _run(bank)["query:daily"] == ("done", ("somebody else wrote to its output",))
    assert lake.rows("daily") == rows
    lake.compact("daily")
    assert _run(bank)["query:daily"] == KEPT


def test_a_lost_journal_doubles_nothing(bank):
    _run(bank)
    versions = {name: load_project(bank).lake().version(name) for name in ("payments", "daily", "weekly")}
    for path in (bank / ".headrace").glob("run.db*"):
        path.unlink()
    assert _run(bank)["ingest:payments"] == ("done", ("no run that ended well is on record",))
    assert {name: load_project(bank).lake().version(name) for name in versions} == versions
    assert _rows(bank, "payments") == 19


def test_after_a_run_that_failed_by_one_file_of_many_nothing_is_called_not_built(bank):
    bad = bank / "data" / "payments-9.csv"
    bad.write_text("payment_id\n1\n")
    whys = []
    for _ in range(2):
        with pytest.raises(RunFailed) as failed:
            _run(bank)
        whys += [one.why for one in failed.value.report.steps if one.id == "ingest:payments"]
    assert whys == [("not built yet",), ("no run that ended well is on record",)]
    bad.unlink()
    assert _run(bank)["ingest:payments"] == ("done", ("no run that ended well is on record",))


def test_a_step_that_fails_stops_what_needs_it_and_not_the_rest(bank):
    (bank / "data" / "payments-9.csv").write_text("payment_id,at,customer_id,terminal_id,amuont\n")
    with pytest.raises(RunFailed, match="rename the column amuont to amount") as raised:
        run(load_project(bank))
    actions = {step.id: step.action for step in raised.value.report.steps}
    assert actions == {
        "ingest:payments": "failed",
        "ingest:chargebacks": "done",
        "query:daily": "skipped",
        "query:weekly": "skipped",
    }
    assert raised.value.exit_code == 2
    assert status(load_project(bank)).runs[0].outcome == "failed"
    (bank / "data" / "payments-9.csv").unlink()
    ran = _run(bank)
    assert ran.pop("ingest:chargebacks") == KEPT
    assert {action for action, _ in ran.values()} == {"done"}
    assert _rows(bank, "payments") == 19


def _loaded(folder, action, new):
    """What a run, a run's figures and ``status`` say of a source must be one and the same."""
    try:
        report = run(load_project(folder))
    except RunFailed as error:
        report = error.report
    step = next(one for one in report.steps if one.id == "ingest:payments")
    found = next(one for one in status(load_project(folder)).tables if one.name == "payments")
    assert step.action == action
    assert step.figures.get("this_run", {"received": 0})["received"] == new
    told = (found.received, found.rows, found.quarantined, found.files)
    assert told == tuple(step.figures[name] for name in ("received", "accepted", "quarantined", "files"))
    assert found.received == found.rows + found.quarantined
    return told, step.why


def test_figures_are_right_after_runs_in_which_a_file_failed(bank):
    broken = bank / "data" / "payments-9.csv"
    broken.write_text("payment_id,at,customer_id,terminal_id,amuont\nq,2026-03-01T00:00:00Z,1,1,5.00\n")
    assert _loaded(bank, "failed", 20)[0] == (20, 19, 1, 1)
    add_month(bank, 2)
    assert _loaded(bank, "failed", 20)[0] == (40, 38, 2, 2)
    assert _loaded(bank, "failed", 0)[0] == (40, 38, 2, 2)
    taken = "2 files were taken in by a run that did not end well: data/payments-1.csv, data/payments-2.csv"
    assert plan_changes(load_project(bank)).files["payments"] == (taken, "new file data/payments-9.csv")
    broken.write_text(broken.read_text().replace("amuont", "amount"))
    assert _loaded(bank, "done", 1)[0] == (41, 39, 2, 3)
    assert _loaded(bank, "kept", 0) == ((41, 39, 2, 3), ("nothing changed",))
    (bank / "data" / "payments-3.csv").write_text(broken.read_text().replace("q,", "r,"))
    broken.write_text("payment_id\n")
    assert _loaded(bank, "failed", 1)[0] == (42, 40, 2, 4)
    broken.write_text("payment_id,at,customer_id,terminal_id,amount\nq,2026-03-01T00:00:00Z,1,1,5.00\n")
    told = ("file data/payments-3.csv was taken in by a run that did not end well",)
    assert _loaded(bank, "done", 0) == ((42, 40, 2, 4), told)
    assert _rows(bank, "daily") > 0


def test_a_warning_is_told_also_when_another_file_fails(bank):
    header = "payment_id,at,customer_id,terminal_id,amount,colour\n"
    (bank / "data" / "payments-8.csv").write_text(header + "q,2026-03-01T00:00:00Z,1,1,5.00,red\n")
    (bank / "data" / "payments-9.csv").write_text("payment_id\n")
    with pytest.raises(RunFailed) as raised:
        run(load_project(bank))
    assert {(one.code, one.place, one.severity) for one in raised.value.faults} == {
        ("HR-DATA-102", "data/payments-8.csv", "warning"),
        ("HR-DATA-101", "data/payments-9.csv", "error"),
    }


def test_all_faults_of_the_declarations_come_before_any_work(bank):
    edit(bank, 'hr.mean("amount", "7d")', 'hr.mean("amuont", "0d")')
    with pytest.raises(HeadraceError, match="HR-TIME-001"):
        run(load_project(bank))
    assert not (bank / ".headrace").exists()


def test_no_source_file(bank):
    for path in (bank / "data").glob("payments*"):
        path.unlink()
    with pytest.raises(RunFailed, match="HR-SOURCE-001"):
        run(load_project(bank))


def test_queries_that_cannot_be_parsed_or_need_each_other(bank):
    edit(bank, "total from payments group by all", "total from weekly group by all")
    with pytest.raises(HeadraceError, match=r"HR-RUN-004 project.py:\d+: .*daily → weekly → daily"):
        run(load_project(bank))
    edit(bank, "total from weekly group by all", "total frm payments")
    with pytest.raises(HeadraceError, match=r"HR-LAKE-006 project.py:\d+: .*daily") as told:
        run(load_project(bank))
    assert len(told.value.faults) == 1
    assert not (bank / ".headrace").exists()


def test_a_query_is_made_anew_whatever_the_case_in_which_it_names_a_table(bank):
    edit(bank, "total from payments group by all", "total from Payments group by all")
    _run(bank)
    before = _rows(bank, "daily")
    add_month(bank, 2)
    _run(bank)
    assert _rows(bank, "daily") > before


def test_what_only_the_lake_can_tell_of_a_query_has_the_place_of_its_table(bank):
    edit(bank, "sources=[daily, weekly, chargebacks]", "sources=[daily, weekly, chargebacks, live, late]")
    more = """late = hr.Table("late", query="select at from live")\nlive = hr.Stream("live", Payment)\nproject ="""
    edit(bank, "project =", more)
    with pytest.raises(RunFailed, match=r"HR-LAKE-001 project.py:\d+: found late: no table live in the lake"):
        run(load_project(bank))


def test_one_run_at_a_time(bank):
    loaded = load_project(bank)
    with one_at_a_time(loaded.state_dir), pytest.raises(HeadraceError, match="HR-RUN-001"):
        run(loaded)


def test_status(bank):
    before = status(load_project(bank))
    assert (before.tables[0].rows, before.tables[0].version, before.runs) == (0, None, ())
    _run(bank)
    found = {table.name: table for table in status(load_project(bank)).tables}
    payments = found["payments"]
    assert (payments.rows, payments.quarantined, payments.files, payments.owner) == (19, 1, 1, "payments-data")
    assert payments.last_event == "2026-01-30T00:00:00+00:00"
    assert found["daily"].rows > 0
    assert [one.outcome for one in status(load_project(bank)).runs] == ["done"]


def test_what_was_cut_off_is_told(bank):
    _run(bank)
    connection = sqlite3.connect(bank / ".headrace" / "run.db")
    connection.execute("update runs set outcome = 'running', finished = null")
    connection.commit()
    connection.close()
    assert run(load_project(bank)).after == "cut off"
    assert [one.outcome for one in status(load_project(bank)).runs] == ["done", "cut off"]
