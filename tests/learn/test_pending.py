"""What could not be registered is not lost: it waits, and the next call that reaches MLflow registers it, settled."""

import multiprocessing
import os
import shutil
import signal
import sqlite3
import time

import pytest

import headrace as hr
from headrace.learn import tracking
from headrace.learn.registry import Registry
from headrace.learn.server import Server
from tests.learn.test_registry import FAILED, content, record


def hold(path, ready, seconds):
    """Hold the database as another program would, in the middle of a write."""
    with sqlite3.connect(path, isolation_level=None) as database:
        database.execute("begin exclusive")
        ready.set()
        time.sleep(seconds)


@pytest.fixture
def locked(registry):
    """A registry, and a call that has its database locked by another process for so many seconds."""
    context, held = multiprocessing.get_context("spawn"), []

    def lock(seconds):
        ready = context.Event()
        held.append(context.Process(target=hold, args=(registry.root / "mlflow.db", ready, seconds)))
        held[-1].start()
        assert ready.wait(30)

    yield registry, lock
    for process in held:
        process.kill()
        process.join()


def test_a_database_that_is_locked_for_a_moment_is_waited_for(locked):
    registry, lock = locked
    registry._tracking._open()
    lock(1.5)
    file = content()
    assert registry.register(record(file), file, standing="champion")[0].aliases == ("champion",)


def test_a_database_that_stays_locked_is_told_in_seconds_and_nothing_is_lost(locked, monkeypatch):
    registry, lock = locked
    registry._tracking._open()
    monkeypatch.setattr(tracking, "_PATIENCE_S", 0.5)
    lock(60)
    file, begun = content(), time.monotonic()
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-019.*database is locked.*what was fitted is kept") as caught:
        registry.register(record(file), file, {"code.diff": b"+x"}, standing="champion")
    assert time.monotonic() - begun < 5
    assert "close other programs that write to it" in caught.value.faults[0].cure
    assert "headrace models register" in caught.value.faults[0].cure
    assert [one.record.model for one in registry.pending()] == ["fraud_score"]
    with pytest.raises(hr.HeadraceError, match="HR-LEARN-019"):
        registry.resume()
    assert len(registry.pending()) == 1


def test_what_waits_is_registered_and_settled_by_the_next(registry):
    file = content()
    nowhere = Registry(registry.root, server=Server("http://127.0.0.1:9", "bank"))
    begun = time.monotonic()
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-030.*nothing listens there.*what was fitted is kept"):
        nowhere.register(record(file), file, {"code.diff": b"+x"}, "champion")
    assert time.monotonic() - begun < 20
    assert registry.versions() == []
    assert registry.unnamed() == [], "the files of what waits are needed"
    (version,) = registry.resume()
    assert (version.standing, version.aliases, version.number) == ("champion", ("champion",), 1)
    assert registry.file(version, "code.diff") == b"+x"
    assert registry.load(version).digest == version.digest
    assert registry.pending() == ()
    assert registry.resume() == []


def test_what_lost_its_file_while_it_waited_is_forgotten(registry):
    file = content()
    nowhere = Registry(registry.root, server=Server("http://127.0.0.1:9", "bank"))
    with pytest.raises(hr.HeadraceError, match="HR-LEARN-030"):
        nowhere.register(record(file, FAILED), file, standing="held")
    shutil.rmtree(registry.root / "files")
    assert registry.resume() == []
    assert registry.pending() == ()


def test_what_waits_and_was_altered_is_told(registry):
    (registry.root / "pending").mkdir()
    (registry.root / "pending" / "abc.json").write_text('{"record": 3')
    for work in (registry.resume, registry.pending, registry.records):
        with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-019.*abc.json.*remove pending/abc.json"):
            work()


def dying(root, step, file):
    def killing(*_arguments, **_named):
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(tracking.Tracking, step, killing)
    Registry(root).register(record(file), file, {"code.diff": b"+x"}, "champion")


@pytest.mark.parametrize("step", ["_run", "_version", "set_alias"])
def test_a_killed_registration_is_finished_without_fitting_again(registry, step):
    file, context = content(), multiprocessing.get_context("spawn")
    child = context.Process(target=dying, args=(registry.root, step, file))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert len(registry.pending()) == 1
    (version,) = registry.resume()
    assert (version.number, version.aliases, len(version.promotions)) == (1, ("champion",), 1)
    assert registry.file(version, "code.diff") == b"+x"
    assert registry.pending() == ()


def killed_while_removing(root, step):
    def killing(*_arguments, **_named):
        os.kill(os.getpid(), signal.SIGKILL)

    client = (registry := Registry(root))._tracking._open()
    setattr(client, step, killing)
    registry.remove([registry.version("fraud_score", 1)])


@pytest.mark.parametrize("step", ["delete_run", "delete_model_version"])
def test_a_killed_removal_is_finished_by_the_next(registry, step):
    files, context = [content(seed) for seed in range(2)], multiprocessing.get_context("spawn")
    for file in files:
        registry.register(record(file), file)
    child = context.Process(target=killed_while_removing, args=(registry.root, step))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    left = registry.version("fraud_score", 1)
    assert registry.load(left).digest == left.digest, "as long as it can be seen it is whole"
    registry.remove([left])
    assert [one.number for one in registry.versions()] == [2]
    assert len(list((registry.root / "files").iterdir())) == 1
