"""``headrace run`` as a process that goes on: signals, kills, two at once, its log, and what it is asked for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from headrace.run import beat_of, load_project
from tests.run.bank import add_month, make_bank

_LONG_S = 120.0


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    return make_bank(tmp_path / "bank")


def _command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "headrace", *words, "--project", str(folder)]


def _headrace(folder: Path, *words: str, code: int = 0) -> str:
    ran = subprocess.run(_command(folder, *words), capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stderr
    return ran.stdout if code == 0 else ran.stderr


@contextmanager
def _going(folder: Path, *words: str) -> Iterator[subprocess.Popen]:
    child = subprocess.Popen(
        _command(folder, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        child.communicate()


def _lines(child: subprocess.Popen, count: int) -> list[dict]:
    return [json.loads(child.stdout.readline()) for _ in range(count)]


def _until(true) -> None:
    end = time.monotonic() + _LONG_S
    while not true():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.02)


def test_it_runs_again_and_again_takes_what_is_new_and_ends_well_when_told_to(bank: Path) -> None:
    with _going(bank, "run", "--every", "1s", "--json") as child:
        first = _lines(child, 1)[0]
        assert first["outcome"] == "done"
        assert first["report"]["changed"]
        add_month(bank, 2)
        while not (tick := _lines(child, 1)[0])["report"]["changed"]:
            assert tick["outcome"] == "done"
        beat = json.loads(_headrace(bank, "status", "--json"))["scheduler"]
        assert (beat["pid"], beat["schedule"], beat["failed"]) == (child.pid, "every 1s", 0)
        assert "another scheduler of this project is alive" in _headrace(bank, "run", "--every", "1h", code=2)
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=_LONG_S)
        assert child.returncode == 0
        assert json.loads(out.splitlines()[-1])["ended"]
    assert json.loads(_headrace(bank, "status", "--json"))["scheduler"] is None
    assert load_project(bank).lake().rows("payments") == 38


def test_sigterm_in_the_middle_of_a_run_ends_it_at_a_commit(bank: Path) -> None:
    with _going(bank, "run", "--every", "1h", "--json") as child:
        _until(lambda: beat_of(bank / ".headrace") is not None)
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=_LONG_S)
    assert child.returncode == 0
    outcomes = [json.loads(line).get("outcome") for line in out.splitlines()]
    assert outcomes in (["stopped", None], [None], ["done", None])
    _headrace(bank, "run")
    assert load_project(bank).lake().rows("payments") == 19


def test_a_killed_scheduler_hinders_nobody_and_its_run_is_taken_up(bank: Path) -> None:
    for delay in (0.0, 0.4, 1.5):
        with _going(bank, "run", "--every", "1s", "--json") as child:
            _until(lambda: beat_of(bank / ".headrace") is not None)
            time.sleep(delay)
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        assert json.loads(_headrace(bank, "status", "--json"))["scheduler"] is None
    with _going(bank, "run", "--every", "1h", "--json") as child:
        assert _lines(child, 1)[0]["outcome"] == "done"
    lake = load_project(bank).lake()
    assert (lake.rows("payments"), lake.rows("quarantine_payments")) == (19, 1)
    total = lake.sql("select sum(amount) as total from payments").to_pylist()
    assert lake.sql("select sum(total) as total from weekly").to_pylist() == total
    logged = lake.sql("select run from run_log group by run").to_pylist()
    told = json.loads(_headrace(bank, "runs", "--json", "--last", "100"))["runs"]
    ended = {one["number"] for one in told if one["outcome"] != "running"}
    assert {one["run"] for one in logged} == ended


def test_a_run_by_hand_meanwhile_makes_the_scheduler_pass_one_time(bank: Path) -> None:
    from headrace.run.lock import one_at_a_time

    with one_at_a_time(bank / ".headrace"), _going(bank, "run", "--every", "1s", "--json") as child:
        ticks = _lines(child, 2)
        assert [tick["outcome"] for tick in ticks] == ["busy", "busy"]
        assert ticks[0]["faults"][0]["code"] == "HR-RUN-001"


def test_a_schedule_can_be_declared_and_the_settings_go_first(bank: Path) -> None:
    source = (bank / "project.py").read_text()
    (bank / "project.py").write_text(source.replace("hr.Project('bank',", "hr.Project('bank', schedule='0 3 * * *',"))
    with _going(bank, "run", "--scheduled") as child:
        assert child.stderr.readline() == "runs cron 0 3 * * * (UTC); Ctrl-C or SIGTERM ends it\n"
        assert child.stderr.readline().endswith("03:00:00 UTC\n")
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=_LONG_S)
    assert (child.returncode, out) == (0, "Ended after 0 runs: 0 failed, 0 skipped.\n")
    settings = '[run]\nschedule = "0 4 * * *"\nzone = "Asia/Tokyo"\nretries = 2\nretry_wait = "1s"\n'
    (bank / "headrace.toml").write_text(settings)
    with _going(bank, "run", "--scheduled") as child:
        assert "0 4 * * * (Asia/Tokyo)" in child.stderr.readline()
        assert child.stderr.readline().endswith("19:00:00 UTC\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--every", "soon"), "'soon' is no time such as 15m"),
        (("--every", "1h", "--cron", "0 1 * * *"), "exclude one another"),
        (("--scheduled",), "no schedule: write hr.Project"),
        (("--zone", "UTC"), "--zone goes with --cron"),
        (("--cron", "61 * * * *"), "HR-SCHEDULE-003"),
        (("--retry-wait", "x"), "'x' is no time such as 5s"),
        (("--memory", "64MB"), "less than 800MB"),
        (("--from", "2026-02-01", "--to", "2026-01-01"), "the end is not after the beginning"),
        (("--from", "2026-01-01", "--to", "2026-02-01", "--step", "1s"), "more than 10,000 pieces"),
        (("--to", "2026-02-01"), "go with --from"),
        (("--from", "January"), "'January' is no time"),
        (("--from", "2026-01-01", "--full"), "one run of its own"),
        (("paymnets",), "did you mean 'payments'?"),
    ],
)
def test_wrong_use_is_told(bank: Path, words: tuple[str, ...], told: str) -> None:
    assert told in _headrace(bank, "run", *words, code=2)


def test_runs_are_listed_told_one_by_one_and_kept_in_the_lake(bank: Path) -> None:
    (bank / "data" / "payments-9.csv").write_text("payment_id,at,customer_id,terminal_id,amuont\n")
    _headrace(bank, "run", code=2)
    (bank / "data" / "payments-9.csv").unlink()
    _headrace(bank, "run")
    listed = json.loads(_headrace(bank, "runs", "--json"))["runs"]
    assert [(one["number"], one["outcome"]) for one in listed] == [(2, "done"), (1, "failed")]
    assert [one["number"] for one in json.loads(_headrace(bank, "runs", "--json", "--failed"))["runs"]] == [1]
    one = json.loads(_headrace(bank, "runs", "1", "--json"))
    actions = {step["step"]: step["action"] for step in one["steps"]}
    assert actions["ingest:payments"] == "failed"
    assert actions["query:daily"] == "skipped"
    assert "HR-DATA" in {step["step"]: step for step in one["steps"]}["ingest:payments"]["faults"][0]["code"]
    assert "ingest:chargebacks" in _headrace(bank, "runs", "1")
    assert "no run 7" in _headrace(bank, "runs", "7", code=2)
    query = "select run, outcome, action, rows, quarantined, len(faults) as faults from run_log where step = "
    rows = json.loads(_headrace(bank, "query", query + "'ingest:payments' order by run", "--format", "json"))
    assert rows[0] == {"run": 1, "outcome": "failed", "action": "failed", "rows": 19, "quarantined": 1, "faults": 1}
    assert rows[1] == {"run": 2, "outcome": "done", "action": "done", "rows": 19, "quarantined": 1, "faults": 0}
    assert "HR-LAKE-014" in _headrace(bank, "lake", "restore", "run_log", "--version", "0", code=2)
