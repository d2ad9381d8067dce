"""Versions asked for, compared, restored and removed: what served comes back to the bit, what decided stays."""

import asyncio
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from headrace.errors import CheckFailed, HeadraceError
from headrace.run import load_project, promote, registry, run, train
from headrace.run.cleaning import clean_models, remove_version
from headrace.run.restored import restore_model, write_out
from headrace.run.versions import compare, shown, version_named
from headrace.serve.office import office
from tests.run.bank import WITH_MODEL, add_month, edit, make_bank

pytestmark = pytest.mark.filterwarnings("ignore")
DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three versions: the second of another parameter, the third of another month; the third is champion."""
    folder = make_bank(tmp_path_factory.mktemp("models") / "bank", WITH_MODEL.replace("0.1)", "0.0)"), (1,))
    edit(folder, '"25d", "14d"', '"14d", "7d"')
    add_month(folder, 2)
    run(load_project(folder))
    train(load_project(folder))
    edit(folder, "C=1.0", "C=0.5")
    train(load_project(folder))
    promote(load_project(folder), "score", 2, "as a trial")
    add_month(folder, 3)
    run(load_project(folder))
    train(load_project(folder))
    promote(load_project(folder), "score", 3, "newer data")
    return folder


@pytest.fixture
def bank(made, tmp_path):
    return shutil.copytree(made, tmp_path / "bank")


def _numbers(loaded):
    return [one.number for one in registry(loaded).versions("score")]


def test_versions_are_named_by_number_alias_or_latest(bank):
    loaded = load_project(bank)
    kept = registry(loaded)
    named = {word: version_named(loaded, kept, "score", word).number for word in ("1", "champion", "latest")}
    assert named == {"1": 1, "champion": 3, "latest": 3}
    with pytest.raises(HeadraceError, match=r"HR-LEARN-014.*no version 'champio'.*did you mean 'champion'\?"):
        version_named(loaded, kept, "score", "champio")
    with pytest.raises(HeadraceError, match=r"HR-RUN-005.*did you mean 'score'\?"):
        version_named(loaded, kept, "scor", "1")


def test_a_trained_version_keeps_code_packages_figures_and_all_is_intact(bank):
    kept = registry(load_project(bank))
    one = shown(kept, kept.version("score", 1))
    assert set(one.files.values()) == {"intact"}
    assert {"requirements.txt", "code.zip", "figures/precision_recall.svg"} <= set(one.files)
    figure = kept.file(one.version, "figures/roc.svg").decode()
    assert figure.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "NaN" not in figure
    assert one.size == kept.path(one.version).stat().st_size
    assert json.loads(json.dumps(one.as_dict()))["state"]["model/model.onnx"] == "intact"


def test_what_differs_between_two_versions_is_named(bank):
    found = compare(load_project(bank), "score", "1", "2")
    assert [one[0] for one in found.metrics] == ["roc_auc", "log_loss"]
    for label, before, after, apart, better in found.metrics:
        assert apart == after - before
        assert better is (None if apart == 0 else (apart > 0) == (label == "roc_auc"))
    assert [one[0] for one in found.differs] == ["declaration", "code"]
    assert found.apart == ""
    other = compare(load_project(bank), "score")
    assert (other.before.number, other.after.number) == (2, 3), "the champion, which is the latest, with the one before"
    differs = {(kind, name): rest for kind, name, *rest in other.differs}
    assert differs["data", "payments"] == [
        str(one.record.origin.data["payments"]) for one in (other.before, other.after)
    ]
    assert ("training set", "") in differs
    assert ("declaration", "") not in differs
    assert other.apart == "each was judged on a training set of its own"
    assert json.loads(json.dumps(other.as_dict()))["before"] == 2


def test_packages_that_differ_are_named(bank):
    loaded = load_project(bank)
    kept = registry(loaded)
    one, version = kept.version("score", 3), kept.version("score", 1).record
    old = kept.file(kept.version("score", 1), "requirements.txt").replace(b"numpy==", b"numpy==0.")
    content = kept.path(kept.version("score", 1)).read_bytes()
    from dataclasses import replace

    origin = replace(version.origin, training_set="f" * 64)
    added, _ = kept.register(replace(version, origin=origin), content, {"requirements.txt": old}, "held")
    found = compare(loaded, "score", str(added.number), str(one.number))
    (package,) = [rest for kind, *rest in found.differs if kind == "package"]
    assert package == ["numpy", f"0.{np.__version__}", np.__version__]


def test_one_version_has_nothing_to_be_compared_with(bank):
    loaded = load_project(bank)
    for number in ("1", "2"):
        remove_version(loaded, "score", number)
    with pytest.raises(HeadraceError, match=r"HR-LEARN-036.*nothing to compare it with.*headrace models show score 3"):
        compare(loaded, "score")


def test_a_restored_version_scores_the_same_bits_and_is_on_record(bank):
    loaded = load_project(bank)
    kept, x = registry(loaded), np.random.default_rng(3).normal(50, 30, (500, 3)).astype(np.float32)
    before = kept.load(kept.version("score", 2)).score(x)
    assert not np.array_equal(before, kept.load(kept.champion("score")).score(x))
    found = restore_model(loaded, "score", "2", "the new one blocks too much")
    assert found.lost == ()
    assert (found.promoted.replaced, found.promoted.changed) == (3, True)
    champion = registry(loaded).champion("score")
    assert champion.number == 2
    assert np.array_equal(registry(loaded).load(champion).score(x), before)
    last = champion.promotions[-1]
    assert (last["reason"], last["replaced"]) == ("the new one blocks too much", 3)
    assert last["by"]
    with office(load_project(bank)) as opened:
        assert opened.desks["desk"].version.digest == champion.digest


def test_what_never_served_is_not_restored(bank):
    loaded = load_project(bank)
    kept = registry(loaded)
    from dataclasses import replace

    one = kept.version("score", 1)
    other = replace(one.record, origin=replace(one.record.origin, training_set="f" * 64))
    added, _ = kept.register(other, kept.path(one).read_bytes(), standing="held")
    with pytest.raises(HeadraceError, match=rf"HR-LEARN-033.*headrace models promote score {added.number}"):
        restore_model(loaded, "score", str(added.number))


def test_what_can_no_longer_be_had_is_told_and_the_model_serves_all_the_same(bank):
    loaded = load_project(bank)
    one = registry(loaded).version("score", 2)
    shutil.rmtree(next((bank / ".headrace" / "sets").glob(f"*/{one.record.origin.training_set[:16]}")))
    (bank / ".headrace" / "models" / "files" / f"{one.record.files['code.zip']}.zip").unlink()
    (bank / ".headrace" / "models" / "artifacts" / one.run / "artifacts" / "code.zip").unlink()
    shutil.rmtree(bank / ".headrace" / "lake" / "chargebacks")
    lost = restore_model(loaded, "score", "2").lost
    assert {fault.code for fault in lost} == {"HR-LEARN-032"}
    assert [fault.found.partition(" of version 2")[0] for fault in lost] == [
        "its file code.zip",
        f"its training set {one.record.origin.training_set[:16]}",
        "table chargebacks",
    ]
    assert registry(loaded).champion("score").number == 2


def test_a_version_of_a_table_that_lost_its_files_is_told(bank):
    loaded = load_project(bank)
    one = registry(loaded).version("score", 1)
    number = one.record.origin.data["payments"]
    min((bank / ".headrace" / "lake" / "payments").glob("*.parquet"), key=lambda one: one.stat().st_mtime_ns).unlink()
    (fault,) = restore_model(loaded, "score", "1").lost
    assert fault.found.startswith(f"version {number} of table payments of version 1 of score")


def test_an_altered_file_is_refused_by_all(bank):
    loaded = load_project(bank)
    kept = registry(loaded)
    one = kept.version("score", 2)
    path = bank / ".headrace" / "models" / "files" / f"{one.record.files['requirements.txt']}.txt"
    path.write_text("evil==1\n")
    assert shown(kept, one).files["requirements.txt"] == "altered"
    with pytest.raises(HeadraceError, match=r"HR-LEARN-011.*requirements.txt of score 2, which was altered"):
        restore_model(loaded, "score", "2")
    kept.path(one).write_bytes(b"no model")
    for work in (restore_model, lambda *words: write_out(*words, bank / "out")):
        with pytest.raises(HeadraceError, match=r"HR-LEARN-011.*altered since it was registered"):
            work(loaded, "score", "2")
    assert not (bank / "out").exists()
    kept.path(kept.champion("score")).write_bytes(b"no model")
    with pytest.raises(HeadraceError, match="HR-LEARN-011"), office(load_project(bank)):
        pass


def test_the_written_out_project_trains_to_the_same_file(bank, tmp_path):
    """The version before the last, whose parameter and data are others by now."""
    edit(bank, "C=0.5", "C=0.01")
    loaded, to = load_project(bank), tmp_path / "was"
    written = write_out(loaded, "score", "1", to)
    assert written.lost == ()
    assert {"model.onnx", "record.json", "requirements.txt", "project", "training_set", "train_again.py"} <= set(
        written.names
    )
    assert "C=1.0" in (to / "project" / "project.py").read_text()
    assert not (to / "project" / "data").exists()
    words = [sys.executable, str(to / "train_again.py")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"The same file came out: {registry(loaded).version('score', 1).digest}" in done.stdout
    with pytest.raises(HeadraceError, match=r"HR-LEARN-034.*which is not empty"):
        write_out(loaded, "score", "1", to)
    (to / "project" / "project.py").write_text((to / "project" / "project.py").read_text().replace("C=1.0", "C=0.01"))
    other = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert other.returncode == 1
    assert "Another file came out" in other.stdout
    shutil.rmtree(to / "training_set")
    assert "HR-LEARN-034" in subprocess.run(words, capture_output=True, text=True, cwd=tmp_path).stderr


def test_a_project_in_git_is_written_out_with_what_was_not_committed(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL.replace("0.1)", "0.0)"), (1, 2))
    (folder / ".gitignore").write_text("data/\n.headrace/\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", "-C", str(folder))
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
        subprocess.run(["git", *who, *words], check=True, capture_output=True)
    edit(folder, "C=1.0", "C=0.7")
    run(load_project(folder))
    version = train(load_project(folder))[0].report.version
    assert version.record.origin.commit.endswith("+")
    subprocess.run(["git", *who, "commit", "-q", "-a", "-m", "second"], check=True, capture_output=True)
    edit(folder, "C=0.7", "C=0.8")
    written = write_out(load_project(folder), "score", "champion", tmp_path / "out")
    assert written.lost == ()
    assert "C=0.7" in (tmp_path / "out" / "project" / "project.py").read_text()
    done = subprocess.run([sys.executable, tmp_path / "out" / "train_again.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(folder / ".git")
    (fault,) = write_out(load_project(folder), "score", "champion", tmp_path / "none").lost
    assert fault.found.startswith("the code (commit ")


def decide(bank):
    """Let the champion decide one payment; the decision is in the lake afterwards."""
    with office(load_project(bank)) as opened:
        row = {"payment_id": "x1", "at": "2026-04-20T12:00:00Z", "customer_id": 1, "terminal_id": 1, "amount": "5.00"}
        return asyncio.run(opened.decide("desk", json.dumps(row).encode()))


def test_cleaning_keeps_what_serves_what_decided_and_what_is_declared(bank):
    loaded = load_project(bank)
    promote(loaded, "score", 1, "for a decision")
    decide(bank)
    promote(loaded, "score", 2)
    promote(loaded, "score", 3)
    foreseen = clean_models(loaded, 0, dry_run=True)
    why = {one.number: text for one, text in foreseen.kept}
    assert why == {
        1: "is named by 1 decisions on record",
        2: "was the champion before the present one",
        3: "is the champion",
    }
    assert foreseen.removed == ()
    with pytest.raises(HeadraceError, match=r"HR-LEARN-035.*version 1 of score, which is named by 1 decisions"):
        remove_version(loaded, "score", "1")
    with pytest.raises(HeadraceError, match=r"HR-LEARN-035.*version 3 of score, which is the champion"):
        remove_version(loaded, "score", "champion")
    assert _numbers(loaded) == [1, 2, 3]


def test_cleaning_removes_what_is_old_and_needed_by_nobody(bank):
    loaded = load_project(bank)
    assert {text for _, text in clean_models(loaded, 90 * DAY_US, dry_run=True).kept} >= {"is not old enough"}
    assert clean_models(loaded, 90 * DAY_US).removed == ()
    foreseen = clean_models(loaded, 0, dry_run=True)
    assert [one.number for one in foreseen.removed] == [1]
    assert _numbers(loaded) == [1, 2, 3]
    gone = registry(loaded).version("score", 1)
    done = clean_models(loaded, 0)
    assert ([one.number for one in done.removed], done.files, done.bytes) == ([1], foreseen.files, foreseen.bytes)
    assert done.bytes > 0
    assert _numbers(loaded) == [2, 3]
    assert not registry(loaded).intact(gone)
    assert {state for one in registry(loaded).versions() for state in shown(registry(loaded), one).files.values()} == {
        "intact"
    }
    assert clean_models(loaded, 0).as_dict()["removed"] == []


def killed_while_cleaning(folder):
    from pathlib import Path

    def killing(*_arguments, **_named):
        os.kill(os.getpid(), signal.SIGKILL)

    Path.unlink = killing
    clean_models(load_project(folder), 0)


def test_a_cleaning_that_was_killed_is_finished_by_the_next(bank):
    child = multiprocessing.get_context("spawn").Process(target=killed_while_cleaning, args=(bank,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    loaded = load_project(bank)
    left = clean_models(loaded, 0)
    assert (left.removed, left.files > 0) == ((), True)
    assert _numbers(loaded) == [2, 3]
    assert registry(loaded).unnamed() == []


def test_a_failed_gate_asks_a_restore_for_a_reason(bank):
    edit(bank, 'hr.at_least("roc_auc", 0.0)', 'hr.at_least("roc_auc", 1.1)')
    loaded = load_project(bank)
    train(loaded)
    number = _numbers(loaded)[-1]
    promote(loaded, "score", number, "a pilot")
    promote(loaded, "score", 3)
    with pytest.raises(CheckFailed, match="HR-LEARN-015"):
        restore_model(loaded, "score", str(number))
    assert restore_model(loaded, "score", str(number), "the pilot goes on").promoted.changed
