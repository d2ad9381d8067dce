"""Restoring within a project: what follows is made again, what is taken out stays out and is told, records are not."""

import pytest

from headrace.errors import HeadraceError
from headrace.run import load_project, plan_changes, restore, run, status
from tests.run.bank import add_month, make_bank


@pytest.fixture
def bank(tmp_path):
    folder = make_bank(tmp_path / "bank")
    run(load_project(folder))
    add_month(folder, 2)
    run(load_project(folder))
    return folder


def _first(folder):
    lake = load_project(folder).lake()
    return min(one["version"] for one in lake.history("payments") if one["rows"])


def _steps(report):
    return {step.id: (step.action, step.why) for step in report.steps}


def _total(folder):
    return load_project(folder).lake().sql("select sum(total) as total from daily")["total"][0].as_py()


def test_what_follows_is_made_again_and_files_stay_out(bank):
    before, whole = _total(bank), load_project(bank).lake().version("payments")
    found = restore(load_project(bank), "payments", version=_first(bank))
    assert (found.rows_before, found.rows, found.removed) == (38, 19, ("data/payments-2.csv",))
    changes = plan_changes(load_project(bank))
    assert changes.files == {"payments": ("payments was restored",)}
    assert [one.code for one in changes.warnings] == ["HR-LAKE-013"]
    report = run(load_project(bank))
    steps = _steps(report)
    assert steps["ingest:payments"] == ("done", ("payments was restored",))
    assert steps["query:daily"] == ("done", ("new rows in payments",))
    assert _total(bank) < before
    (warning,) = report.faults
    assert (warning.code, warning.severity) == ("HR-LAKE-013", "warning")
    assert "data/payments-2.csv" in warning.found
    assert not run(load_project(bank)).changed
    told = status(load_project(bank))
    (table,) = (one for one in told.tables if one.name == "payments")
    assert (table.received, table.rows, table.quarantined, table.files) == (20, 19, 1, 1)
    assert [one.code for one in told.warnings] == ["HR-LAKE-013"]
    restore(load_project(bank), "payments", version=whole)
    run(load_project(bank))
    assert _total(bank) == before
    assert not status(load_project(bank)).warnings


def test_the_cure_of_the_warning_loads_them_again(bank):
    before = _total(bank)
    restore(load_project(bank), "payments", version=_first(bank))
    run(load_project(bank))
    newest = load_project(bank).lake().version("payments")
    (warning,) = status(load_project(bank)).warnings
    assert f"headrace lake restore payments --version {newest} --reload" in warning.cure
    restore(load_project(bank), "payments", version=newest, reload=True)
    assert plan_changes(load_project(bank)).files == {"payments": ("payments was restored",)}
    report = run(load_project(bank))
    assert _steps(report)["ingest:payments"] == ("done", ("payments was restored",))
    assert not report.faults
    assert _total(bank) == before
    assert not run(load_project(bank)).changed


def test_rows_that_come_back_are_held_against_the_contract_of_now(bank):
    whole = load_project(bank).lake().version("payments")
    restore(load_project(bank), "payments", version=_first(bank))
    (bank / "project.py").write_text((bank / "project.py").read_text().replace("le=10000", "le=99"))
    run(load_project(bank))
    restore(load_project(bank), "payments", version=whole)
    with pytest.raises(HeadraceError, match="HR-DATA-108"):
        run(load_project(bank))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("daily", r"made by a query; .*restore what it reads \(payments\)"),
        ("quarantine_payments", "kept beside payments"),
        ("loads_payments", "kept beside payments"),
    ],
)
def test_what_follows_from_others_is_not_restored(bank, table, said):
    with pytest.raises(HeadraceError, match=f"HR-LAKE-014: .*{said}"):
        restore(load_project(bank), table, version=0)


def test_unknown_tables_and_versions(bank):
    with pytest.raises(HeadraceError, match="HR-LAKE-001: .*did you mean 'payments'"):
        restore(load_project(bank), "paymnts", version=0)
    with pytest.raises(HeadraceError, match="HR-LAKE-007: .*payments has no version 99"):
        restore(load_project(bank), "payments", version=99)
    with pytest.raises(HeadraceError, match="HR-LAKE-007: .*did not exist yet"):
        restore(load_project(bank), "payments", at=0)
