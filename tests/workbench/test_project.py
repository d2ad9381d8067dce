"""The verbs of a project from Python: the same as on the command line."""

import pytest

import headrace as hr
from headrace.errors import HeadraceError
from headrace.run import load_project
from tests.run.bank import WITH_MODEL, edit, make_bank

pytestmark = pytest.mark.filterwarnings("ignore")


def test_from_files_to_a_frame(tmp_path, monkeypatch):
    folder = make_bank(tmp_path / "bank", WITH_MODEL, (1, 2))
    project = load_project(folder).project
    assert isinstance(project, hr.Project)
    assert project.check() == ()
    assert project.plan(folder).first
    report = project.run(folder)
    assert report.ok
    assert report._repr_html_().startswith("<div><b>run 1: ok in ")
    assert ">ingest:payments</td>" in report._repr_html_()
    assert "done    ingest:payments: not built yet" in repr(report)
    monkeypatch.chdir(folder / "data")
    assert not project.run().changed
    assert repr(project.plan()) == "* train score: not trained yet"
    assert project.query("select count(*) as n from payments")["n"].tolist() == [38]
    with pytest.raises(hr.HeadraceError, match="HR-LAKE-008: found a column that pandas cannot hold"):
        project.query("select union_value(a := 1) as u")
    assert "stream payments: 38 rows, 2 quarantined" in repr(project.status())
    assert "<b>What the next run would change</b><br>1 in all<table>" in project.plan()._repr_html_()
    cells = ("payments", "stream", "40", "38", "2", "38", "2")
    assert "".join(f"<td style='text-align:left'>{one}</td>" for one in cells) in project.status()._repr_html_()

    trained = project.train()
    assert repr(trained) == repr(trained[0].report)
    assert trained._repr_html_() == trained[0].report._repr_html_()
    assert repr(project.train()) == "model:score: nothing changed; version 1 stands"
    assert "model:score: nothing changed; version 1 stands" in project.train()._repr_html_()
    assert "<b>Nothing would change</b>" in project.plan()._repr_html_()
    assert "<b>score</b><br>version 1 is the champion" in project.promote("score", 1, "as a test")._repr_html_()
    assert ">score</td>" in project.status()._repr_html_()

    cases = project.all_training_sets["cases"]
    built = cases.build()
    frame = built.to_pandas()
    assert len(frame) == built.rows == 38 - sum(built.excluded.values())

    payments = project.query("select * from payments order by _seq")
    spending = project.feature_groups["spending"]
    from_lake = spending.values(payments)
    from_frame = spending.values(payments, events=payments)
    assert from_lake.equals(from_frame)
    assert from_lake["spending.count_7d"].tolist()[: len(frame)] == frame["spending.count_7d"].tolist()


def test_faults_and_no_folder(tmp_path, monkeypatch):
    folder = make_bank(tmp_path / "bank")
    edit(folder, '"amount": "amount"', '"amount": "amuont"')
    project = load_project(folder).project
    assert [fault.severity for fault in project.check()] == ["error"]
    with pytest.raises(HeadraceError, match="amuont"):
        project.run(folder)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HeadraceError, match="HR-PROJECT-001"):
        project.run()
