"""The registry: versions, aliases, promotions; nothing half or doubled after a kill; altered files are refused."""

import dataclasses
import errno
import itertools
import multiprocessing
import os
import shutil
import signal
import sqlite3
from pathlib import Path

import numpy as np
import pytest

import headrace as hr
from headrace.learn import tracking
from headrace.learn.export import to_onnx
from headrace.learn.gates import GateOutcome
from headrace.learn.registry import Registry
from headrace.learn.scorer import digest_of
from headrace.learn.version import Origin, Record, code_commit

PASSED = GateOutcome("at_least(roc_auc)", True, 0.9, 0.8, "roc_auc is 0.9000, at least 0.8000 as asked")
FAILED = GateOutcome("at_least(roc_auc)", False, 0.7, 0.8, "roc_auc is 0.7000, not at least 0.8000 as asked")


def content(seed: int = 0) -> bytes:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 2))
    return to_onnx(LogisticRegression().fit(x, (x[:, 0] > 0).astype(int)), ("a.b", "a.c"), "")


def record(file: bytes, *gates: GateOutcome, training_set: str = "t" * 64, parent: int | None = None) -> Record:
    origin = Origin("d" * 64, training_set, {"payments": 4}, {"test_rows": 10}, "abc+", {"python": "3.11"})
    metrics = {"model": {"roc_auc": 0.9}, "prior_rate": {"roc_auc": 0.5}}
    return Record("fraud_score", digest_of(file), origin, metrics, gates or (PASSED,), parent)


def test_a_version_comes_back_as_it_was_written(registry):
    file = content()
    told = record(file, PASSED, FAILED, parent=3)
    version, new = registry.register(told, file)
    assert new
    assert version.number == 1
    assert version.record == told
    assert not version.passed
    assert version.aliases == ()
    assert registry.versions() == [version] == registry.versions("fraud_score")
    assert registry.versions("other") == []
    assert registry.load(version).features == ("a.b", "a.c")
    assert version.as_dict()["origin"]["data"] == {"payments": 4}
    assert repr(version) == f"Version(fraud_score 1, {version.digest[:12]}, gates failed)"


def test_the_same_record_is_the_same_version_and_other_data_another(registry):
    file = content()
    first, _ = registry.register(record(file), file)
    again, new = registry.register(record(file), file)
    assert (again, new) == (first, False)
    other, new = registry.register(record(file, training_set="u" * 64), file)
    assert (other.number, new) == (2, True)


def test_mlflow_itself_sees_the_same(registry):
    file = content()
    version, _ = registry.register(record(file), file)
    registry.settle(version, "champion")
    client = registry._tracking._open()
    seen = client.get_model_version_by_alias("fraud_score", "champion")
    assert seen.version in (1, "1")
    assert seen.tags["headrace.digest"] == version.digest
    run = client.get_run(seen.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"roc_auc": 0.9, "prior_rate/roc_auc": 0.5}
    assert run.data.params["data.payments"] == "4"
    assert run.data.tags["mlflow.source.git.commit"] == "abc+"
    assert [entry.path for entry in client.list_artifacts(run.info.run_id, "model")] == ["model/model.onnx"]
    assert (
        digest_of(Path(client.download_artifacts(run.info.run_id, "model/model.onnx")).read_bytes())
        == seen.tags["headrace.digest"]
    )


def test_mlflow_shows_folds_as_steps_parameters_the_note_and_files(registry):
    file, gone = content(), GateOutcome("at_least(log_loss)", False, 0.7, 0.5, "log_loss is 0.7, not at most 0.5")
    tried = [
        {"name": "plain", "params": {}, "folds": [{"roc_auc": 0.7}, {"roc_auc": 0.8}]},
        {"name": "plain (tuned)", "params": {"depth": 3}, "folds": [{"roc_auc": 0.75}, {"roc_auc": 0.85}]},
    ]
    choice = {"name": "plain", "params": {"depth": 3, "digest": "mine"}, "tried": tried}
    told = dataclasses.replace(record(file, PASSED, gone), choice=choice, intervals={"model": {"roc_auc": (0.8, 0.95)}})
    kept = {"code.diff": b"+x", "requirements.txt": b"a==1", "figures/roc.svg": b"<svg/>"}
    version, _ = registry.register(told, file, kept)
    client = registry._tracking._open()
    run = client.get_run(version.run)
    steps = client.get_metric_history(version.run, "validation/plain tuned/roc_auc")
    assert [(one.step, one.value) for one in steps] == [(0, 0.75), (1, 0.85)]
    assert (run.data.params["depth"], run.data.params["param.digest"]) == ("3", "mine")
    assert run.data.params["digest"] == version.digest
    note = run.data.tags["mlflow.note.content"]
    assert "| roc_auc | 0.9000 | 0.8000 to 0.9500 |" in note
    assert "**failed**: log_loss is 0.7" in note
    assert run.data.tags["headrace.gates"] == "failed"
    for name, text in kept.items():
        assert Path(client.download_artifacts(version.run, name)).read_bytes() == text
        assert registry.file(version, name) == text
    assert Record.from_json(Path(client.download_artifacts(version.run, "record.json")).read_text()) == version.record
    assert client.get_model_version("fraud_score", "1").description == note


def test_more_metrics_than_mlflow_takes_at_once(registry):
    file = content()
    folds = [{f"metric_{i}": float(i) for i in range(600)} for _ in range(4)]
    told = dataclasses.replace(record(file), choice={"name": "a", "tried": [{"name": "a", "folds": folds}]})
    version, _ = registry.register(told, file)
    history = registry._tracking._open().get_metric_history(version.run, "validation/a/metric_599")
    assert [one.value for one in history] == [599.0] * 4


def test_a_record_of_thousands_of_features_comes_back_whole(registry):
    file, told = content(), record(content())
    features = {f"group.feature_{i}": f"{i:064x}" for i in range(3000)}
    told = dataclasses.replace(told, origin=dataclasses.replace(told.origin, features=features))
    assert len(told.to_json()) > 200_000
    version, _ = registry.register(told, file)
    assert registry.version("fraud_score", 1) == version
    assert version.record.origin.features == features


def test_what_lies_beside_a_model_is_checked_too(registry):
    file = content()
    version, _ = registry.register(record(file), file, {"explain.json": b"{}", "code.diff": b"+x"})
    assert set(registry.states(version).values()) == {"intact"}
    path = registry.root / "files" / f"{digest_of(b'{}')}.json"
    path.write_bytes(b"[]")
    assert registry.states(version)["explain.json"] == "altered"
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-011.*explain.json of fraud_score 1, which was altered"):
        registry.file(version, "explain.json")
    path.unlink()
    copy = registry.root / "artifacts" / version.run / "artifacts" / "explain.json"
    assert registry.states(version)["explain.json"] == "intact", "brought from the run in MLflow"
    assert registry.file(version, "explain.json") == b"{}"
    copy.write_bytes(b"[]")
    assert registry.states(version)["explain.json"] == "altered in MLflow"
    path.unlink()
    assert registry.states(version)["explain.json"] == "altered"
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-011.*explain.json .* with another content in its run"):
        registry.file(version, "explain.json")
    copy.unlink()
    assert registry.states(version)["explain.json"] == "gone"
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-011.*which is not there"):
        registry.file(version, "explain.json")
    assert registry.file(version, "nothing.txt") is None


def test_a_version_that_is_removed_takes_its_files_along_and_numbers_are_not_given_again(registry):
    files = [content(seed) for seed in range(3)]
    first, _ = registry.register(record(files[0]), files[0], {"code.diff": b"shared"})
    second, _ = registry.register(record(files[1]), files[1], {"code.diff": b"shared", "notes.txt": b"second"})
    (registry.root / "files" / "left.half").write_bytes(b"of a process that was killed")
    assert len(registry.unnamed([second])) == 3
    assert [path.name for path in registry.unnamed()] == ["left.half"]
    registry.remove([second])
    assert registry.versions() == [first]
    assert registry.unnamed() == []
    assert registry.file(first, "code.diff") == b"shared"
    assert not registry.intact(second)
    assert not (registry.root / "artifacts" / second.run).exists()
    assert (registry.root / "artifacts" / first.run).exists()
    assert registry.register(record(files[2]), files[2])[0].number == 3
    assert registry.register(record(files[1]), files[1])[0].number == 4, "what comes back is another version"


def test_champion_and_challenger(registry):
    files = [content(seed) for seed in range(3)]
    versions = [registry.register(record(file), file)[0] for file in files]
    assert registry.champion("fraud_score") is None
    assert registry.settle(versions[0], "champion").aliases == ("champion",)
    assert registry.settle(versions[1], "challenger").aliases == ("challenger",)
    assert registry.settle(versions[2], "held").aliases == ()
    promoted = registry.promote("fraud_score", 2, "seen in shadow")
    assert promoted.aliases == ("champion",)
    assert [(one["reason"], one["replaced"]) for one in promoted.promotions] == [("seen in shadow", 1)]
    assert registry.challenger("fraud_score") is None
    assert registry.version("fraud_score", 1).aliases == ()
    assert registry.version("fraud_score", 3).standing == "held"
    back = registry.promote("fraud_score", 1)
    assert [one["replaced"] for one in back.promotions] == [None, 2]


def test_who_was_promoted_meanwhile_stays_champion(registry):
    files = [content(seed) for seed in range(3)]
    first, _ = registry.register(record(files[0]), files[0])
    registry.settle(first, "champion")
    registry.register(record(files[1]), files[1])
    trained, _ = registry.register(record(files[2], parent=1), files[2])
    registry.promote("fraud_score", 2, by="anna")
    assert registry.settle(trained, "champion").standing == "challenger"
    assert registry.champion("fraud_score").number == 2
    assert registry.champion("fraud_score").promotions[-1]["by"] == "anna"


def test_failed_gates_need_a_reason_which_is_kept(registry):
    file = content()
    registry.register(record(file, FAILED), file)
    for reason in (None, "", "  "):
        with pytest.raises(hr.CheckFailed, match=r"HR-LEARN-015.*which failed at_least\(roc_auc\)"):
            registry.promote("fraud_score", 1, reason)
    assert registry.champion("fraud_score") is None
    assert registry.promote("fraud_score", 1, "pilot on one shop").promotions[0]["reason"] == "pilot on one shop"
    assert registry.champion("fraud_score").number == 1


def test_an_unknown_version_is_told_with_those_there_are(registry):
    file = content()
    registry.register(record(file), file)
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-014.*no version 7 .*versions: 1"):
        registry.version("fraud_score", 7)
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-014.*did you mean 'fraud_score'\?"):
        registry.promote("fraud_scor", 1)


def test_an_altered_file_is_refused_and_mended_by_registering_again(registry):
    file = content()
    version, _ = registry.register(record(file), file)
    path = registry.path(version)
    path.write_bytes(path.read_bytes()[:-10] + b"0123456789")
    for work in (lambda: registry.load(version), lambda: registry.promote("fraud_score", 1)):
        with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-011.*altered since it was registered"):
            work()
    assert registry.champion("fraud_score") is None
    registry.register(record(file), file)
    assert registry.load(version).digest == version.digest


def test_a_file_that_is_not_what_the_record_says_is_refused(registry):
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-011"):
        registry.register(record(content(1)), content(2))


def test_a_damaged_database_is_told(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 100)
    registry, file = Registry(tmp_path), content()
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-019.*mlflow.db that cannot be used"):
        registry.versions()
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-019"):
        registry.register(record(file), file)


STORES = ("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store")
STEPS = ("_model", "_run", "_log", "_version", "_finish", "set_tag", "set_alias")


def dying(root: Path, step: str, after: bool, file: bytes) -> None:
    """Register and settle, and kill this process at a step, before it or right after it."""
    original = getattr(tracking.Tracking, step)

    def killing(*arguments, **named):
        if after:
            original(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(tracking.Tracking, step, killing)
    registry = Registry(root)
    version, _ = registry.register(record(file), file)
    registry.settle(version, "champion")


@pytest.fixture(scope="module")
def killed(empty_registry, tmp_path_factory):
    """Folders of registries, each left by a process that was killed at a step; all of them at work side by side.

    The processes are spawned, not forked: a fork of a process with threads may find their locks taken for ever.
    """
    context, file = multiprocessing.get_context("forkserver"), content()
    context.set_forkserver_preload([*STORES, __name__])
    children = {}
    for step, after in itertools.product(STEPS, (False, True)):
        root = tmp_path_factory.mktemp(f"killed-{step.strip('_')}-{after}")
        shutil.copy(empty_registry / "mlflow.db", root / "mlflow.db")
        children[step, after] = root, context.Process(target=dying, args=(root, step, after, file))
    for _, child in children.values():
        child.start()
    for _, child in children.values():
        child.join()
        assert child.exitcode == -signal.SIGKILL, "the child must have been killed, not ended"
    return {key: root for key, (root, _) in children.items()}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_any_step_leaves_nothing_half_and_the_next_goes_on(killed, step, after):
    root, file = killed[step, after], content()
    registry = Registry(root)
    left = registry.versions()
    assert len(left) <= 1
    for version in left:
        assert version.record == record(file), "a version that can be seen is whole"
        assert registry.load(version).digest == version.digest
    version, _ = registry.register(record(file), file)
    version = version if version.standing else registry.settle(version, "champion")
    assert version.number == 1
    assert (version.aliases, version.standing) == (("champion",), "champion")
    assert len(version.promotions) == 1
    assert len(registry.versions()) == 1
    client = registry._tracking._open()
    assert len(client.search_runs([client.get_experiment_by_name("fraud_score").experiment_id])) == 1
    with sqlite3.connect(root / "mlflow.db") as database:
        assert database.execute("select count(*) from metrics").fetchone() == (2,)


def test_a_kill_while_a_file_is_written_leaves_no_file(registry):
    file = content()
    half = registry.root / "files" / f"{digest_of(file)}.half"
    half.parent.mkdir()
    half.write_bytes(file[:100])
    version, _ = registry.register(record(file), file)
    assert registry.load(version).digest == version.digest
    assert not half.exists()


def test_a_full_disk_is_told_and_the_next_run_goes_on(registry, monkeypatch):
    file = content()

    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-020.*No space left on device"):
            registry.register(record(file), file)
    assert registry.versions() == []
    assert list((registry.root / "files").iterdir()) == []
    assert registry.register(record(file), file)[0].number == 1


def test_a_full_disk_under_the_database_is_told_and_the_next_run_goes_on(registry):
    file = content()
    client = registry._tracking._open()

    def full(*arguments, **named):
        raise sqlite3.OperationalError("database or disk is full")

    original, client.create_model_version = client.create_model_version, full
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-019.*database or disk is full"):
        registry.register(record(file), file)
    client.create_model_version = original
    assert registry.register(record(file), file)[0].number == 1


def test_a_folder_that_is_moved_works_on(registry, tmp_path):
    file = content()
    version, _ = registry.register(record(file), file)
    registry.settle(version, "champion")
    moved = Registry(registry.root.rename(tmp_path / "moved"))
    assert moved.load(moved.champion("fraud_score")).digest == version.digest


def test_an_empty_folder_reads_as_empty_without_being_made(tmp_path):
    registry = Registry(tmp_path / "none")
    assert registry.versions() == []
    assert repr(registry) == "Registry(0 models, 0 versions)"
    assert not (tmp_path / "none").exists()


def test_records_survive_json_and_identity_ignores_numbers():
    one = record(b"x", PASSED)
    assert Record.from_json(one.to_json()) == one
    assert dataclasses.replace(one, metrics={}).identity == one.identity
    assert dataclasses.replace(one, digest="0").identity != one.identity


def test_the_commit_is_empty_outside_git(tmp_path):
    assert code_commit(tmp_path) == ""
