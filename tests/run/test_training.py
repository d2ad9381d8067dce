"""Training through the journal: what is trained, what is kept, and what is refused."""

import json
import shutil
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.errors import HeadraceError
from headrace.learn.thresholds import thresholds
from headrace.run import TrainFailed, load_project, plan_changes, promote, registry, run, status, train
from tests.run.bank import WITH_MODEL, add_month, edit, make_bank

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    folder = make_bank(tmp_path_factory.mktemp("train") / "bank", WITH_MODEL, (1, 2))
    run(load_project(folder))
    return folder


def _train(folder):
    return [(one.step.action, one.step.why) for one in train(load_project(folder))]


def test_the_life_of_a_model(bank):
    report = run(load_project(bank))
    assert not report.changed
    built = {step.id: step.figures for step in report.steps}["training_set:cases"]
    assert built["rows"] + sum(built["excluded"].values()) == 38
    first = train(load_project(bank))
    assert [(one.step.id, one.step.action) for one in first] == [("model:score", "done")]
    assert first[0].report.version.number == 1
    assert _train(bank) == [("kept", ("nothing changed",))]
    assert status(load_project(bank)).models[0].versions == 1
    assert plan_changes(load_project(bank)).training == {}
    edit(bank, "C=1.0", "C=0.5")
    assert plan_changes(load_project(bank)).training == {"score": ("declaration of score changed",)}
    assert _train(bank) == [("done", ("declaration of score changed",))]
    assert [one.kind for one in status(load_project(bank)).runs] == ["train"] * 3 + ["run"] * 2
    edit(bank, 'hr.mean("amount", "7d")', 'hr.mean("amount", "14d")')
    with pytest.raises(HeadraceError, match="HR-RUN-006 .*declaration of spending changed"):
        train(load_project(bank))
    assert {step.id: step.why for step in run(load_project(bank)).steps}["training_set:cases"] == (
        "declaration of spending changed",
    )
    assert _train(bank) == [("done", ("cases changed",))]


def test_one_model_that_fails_leaves_the_others(tmp_path):
    failing = (
        "def bad(train):\n    raise ValueError\n\nother = hr.Model('other', cases, bad, hr.time_split('25d', '14d'), "
    )
    ending = WITH_MODEL.replace("project = ", f"{failing}[hr.roc_auc()])\nproject = ")
    folder = make_bank(tmp_path / "bank", ending.replace("services=[desk]", "services=[desk], models=[other]"), (1, 2))
    run(load_project(folder))
    with pytest.raises(TrainFailed, match="HR-LEARN-004 .*ValueError in fit") as caught:
        train(load_project(folder))
    assert caught.value.exit_code == 2
    became = {one.step.id: one.step.action for one in caught.value.trained}
    assert became == {"model:score": "done", "model:other": "failed"}
    assert registry(load_project(folder)).champion("score") is not None
    assert status(load_project(folder)).runs[0].outcome == "failed"
    said = CliRunner().invoke(main, ["train", "--project", str(folder), "--json", "--again"])
    told = json.loads(said.stdout)
    assert (said.exit_code, told["ok"], told["faults"][0]["code"]) == (2, False, "HR-LEARN-004")
    assert {one["step"]: one["action"] for one in told["models"]} == became
    with pytest.raises(HeadraceError, match="HR-LEARN-004") as alone:
        train(load_project(folder), ["other"])
    assert not isinstance(alone.value, TrainFailed)


def test_a_version_that_failed_is_told_again_until_it_serves(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL.replace('"roc_auc", 0.1', '"roc_auc", 1.1'), (1, 2))
    run(load_project(folder))
    for _ in range(2):
        (one,) = train(load_project(folder))
        assert [gate.name for gate in one.failed] == ["at_least(roc_auc)"]
        said = CliRunner().invoke(main, ["train", "--project", str(folder)])
        assert (said.exit_code, "HR-RUN-007" in said.stderr) == (1, True)
    promote(load_project(folder), "score", 1, "a trial")
    (one,) = train(load_project(folder))
    assert (one.step.action, one.failed) == ("kept", ())


def test_what_a_fit_that_failed_held_is_let_go():
    import weakref

    from headrace.errors import let_go

    class Large:
        pass

    seen = []

    def fit():
        large = Large()
        seen.append(weakref.ref(large))
        raise ValueError

    try:
        try:
            fit()
        except ValueError as cause:
            raise HeadraceError([]) from cause
    except HeadraceError as error:
        assert seen[0]() is not None
        let_go(error)
        assert seen[0]() is None


def test_a_model_whose_file_was_altered_is_told_and_trained_again(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL, (1, 2))
    run(load_project(folder))
    train(load_project(folder))
    kept = registry(load_project(folder))
    version = kept.champion("score")
    content = kept.path(version).read_bytes()
    copies = folder / ".headrace" / "models" / "artifacts" / version.run
    for harm in (lambda path: path.write_bytes(b"other"), lambda path: path.unlink() or shutil.rmtree(copies)):
        harm(kept.path(version))
        (fault,) = status(load_project(folder)).warnings
        assert (fault.code, fault.severity) == ("HR-LEARN-011", "warning")
        assert _train(folder) == [("done", ("its output is gone",))]
        assert kept.path(version).read_bytes() == content, "the same inputs give the same file"
        assert status(load_project(folder)).warnings == ()


def test_a_database_that_another_program_holds_does_not_keep_plan_and_status_from_telling(tmp_path, monkeypatch):
    import sqlite3
    from contextlib import closing

    from headrace.learn import tracking

    folder = make_bank(tmp_path / "bank", WITH_MODEL, (1, 2))
    run(load_project(folder))
    train(load_project(folder))
    monkeypatch.setattr(tracking, "_PATIENCE_S", 0.2)
    with closing(sqlite3.connect(folder / ".headrace" / "models" / "mlflow.db", isolation_level=None)) as other:
        other.execute("begin exclusive")
        for verb in (status, plan_changes):
            (fault,) = verb(load_project(folder)).warnings
            assert (fault.code, fault.severity) == ("HR-LEARN-019", "warning")
        with pytest.raises(HeadraceError, match="HR-LEARN-019"):
            train(load_project(folder), again=True)
    assert status(load_project(folder)).warnings == ()


def test_trainings_are_in_the_run_log_by_model(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL, (1, 2))
    run(load_project(folder))
    train(load_project(folder))
    edit(folder, "hr.label(", "hr.label( ")
    train(load_project(folder))
    lake = load_project(folder).lake()
    logged = lake.sql("select run, kind, outcome, step, action from run_log where kind = 'train' order by run")
    assert [tuple(row.values()) for row in logged.to_pylist()] == [
        (2, "train", "done", "model:score", "done"),
        (3, "train", "done", "model:score", "kept"),
    ]


def test_unknown_models_and_sets_that_were_never_built(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL)
    with pytest.raises(HeadraceError, match=r"HR-RUN-005: .*'scroe'.*did you mean 'score'"):
        train(load_project(folder), ["scroe"])
    with pytest.raises(HeadraceError, match="HR-RUN-006 .*not built yet"):
        train(load_project(folder))
    with pytest.raises(HeadraceError, match="HR-RUN-005"):
        train(load_project(make_bank(tmp_path / "other")))


def test_new_data_makes_the_set_new(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL)
    run(load_project(folder))
    add_month(folder, 2)
    ran = {step.id: step.why for step in run(load_project(folder)).steps}
    assert ran["training_set:cases"] == ("new rows in payments", "new rows in chargebacks") or set(
        ran["training_set:cases"]
    ) == {"new rows in payments", "new rows in chargebacks"}


SLOW = """
def fit(train):
    import pathlib, time
    here = pathlib.Path(__file__).parent
    (here / "fitting").touch()
    while not (here / "go").exists():
        time.sleep(0.02)
"""


def test_two_trainings_at_once(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL.replace("\ndef fit(train):\n", SLOW), (1, 2))
    run(load_project(folder))
    words = [sys.executable, "-m", "headrace", "train", "--project", str(folder)]
    first = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (folder / "fitting").exists():
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.02)
    second = subprocess.run([*words, "--json"], capture_output=True, text=True)
    assert second.returncode == 2
    assert f"HR-RUN-001\n  found     another run of this project is going on (process {first.pid})" in second.stderr
    assert json.loads(second.stdout)["faults"][0]["code"] == "HR-RUN-001"
    (folder / "go").touch()
    assert first.wait() == 0
    assert [one.number for one in registry(load_project(folder)).versions()] == [1]
    assert _train(folder) == [("kept", ("nothing changed",))]


def test_thresholds_are_read_from_the_rules(bank):
    rules = {
        "block": "score > 9e-1 and amount > 10",
        "hold": "0.5 < score",
        "ask": "score between .25 and 0.3 or not (score * 2 > 1.5)",
        "skip": "score < 0.1 or amount > 7",
    }
    edit(bank, '{"block": "score > 0.9"}', str(rules))
    project = load_project(bank).project
    assert thresholds(project, project.all_models["score"]) == (0.1, 0.25, 0.3, 0.5, 0.9)
