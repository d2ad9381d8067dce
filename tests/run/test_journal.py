"""The journal and the lock: what survives a kill, and who may run."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from headrace.errors import HeadraceError
from headrace.run.journal import Journal
from headrace.run.lock import one_at_a_time


def test_steps_are_kept_across_openings(tmp_path):
    with Journal(tmp_path / "run.db", lambda: 5) as journal:
        assert journal.step("a") is None
        journal.complete("a", {"file x": "1"}, {"rows": 3})
        journal.complete("a", {"file x": "2"}, {"rows": 4})
    with Journal(tmp_path / "run.db") as journal:
        done = journal.step("a")
        assert (done.inputs, done.figures, done.at) == ({"file x": "2"}, {"rows": 4}, 5)
        journal.forget("a")
        assert journal.step("a") is None


def test_runs_and_what_was_cut_off(tmp_path):
    times = iter([1, 2, 3])
    with Journal(tmp_path / "run.db", lambda: next(times)) as journal:
        assert journal.begin("run") == 1
    with Journal(tmp_path / "run.db", lambda: next(times)) as journal:
        assert journal.begin("train") == 2
        journal.finish(2, "done", {"ok": True})
        runs = journal.runs()
    assert [(one.number, one.kind, one.outcome, one.started, one.finished) for one in runs] == [
        (2, "train", "done", 2, 3),
        (1, "run", "cut off", 1, None),
    ]


def test_the_snapshot(tmp_path):
    with Journal(tmp_path / "run.db") as journal:
        assert journal.snapshot() is None
        journal.keep_snapshot({"nodes": {"a": 1}})
        journal.keep_snapshot({"nodes": {"a": 2}})
        assert journal.snapshot() == {"nodes": {"a": 2}}


def test_a_damaged_journal_is_told_with_a_cure(tmp_path):
    (tmp_path / "run.db").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(HeadraceError, match=r"HR-RUN-002 run\.db.*move run\.db away"):
        Journal(tmp_path / "run.db")


def test_a_journal_of_a_newer_headrace_is_left_alone(tmp_path):
    connection = sqlite3.connect(tmp_path / "run.db")
    connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(HeadraceError, match="HR-RUN-003"):
        Journal(tmp_path / "run.db")


def test_a_second_run_is_refused_with_the_process_that_holds_it(tmp_path):
    refused = pytest.raises(HeadraceError, match=rf"HR-RUN-001: .*process {os.getpid()}")
    with one_at_a_time(tmp_path), refused, one_at_a_time(tmp_path):
        pass
    with one_at_a_time(tmp_path):
        pass


_HOLD = """
import sys, time, pathlib
from headrace.run.lock import one_at_a_time
with one_at_a_time(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(HeadraceError, match=f"process {holder.pid}"), one_at_a_time(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        time.sleep(0.01)
        with one_at_a_time(tmp_path):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_a_state_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "state").write_text("a file is in the way")
    with pytest.raises(HeadraceError, match="HR-RUN-008"), one_at_a_time(tmp_path / "state"):
        pass


def test_a_journal_that_cannot_be_written(tmp_path):
    with Journal(tmp_path / "run.db") as journal:
        journal._connection.execute("pragma query_only = on")
        with pytest.raises(HeadraceError, match="HR-RUN-008"):
            journal.complete("a", {}, {})
        with pytest.raises(HeadraceError, match="HR-RUN-008"):
            journal.begin("run")
