"""``headrace quarantine``: what was refused is listed, shown, repaired by expression or file, and replayed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headrace.cli.commands.quarantine import command

PROJECT = """
import headrace as hr

class Payment(hr.Contract):
    payment_id: int = hr.key()
    at: hr.Timestamp = hr.event_time()
    amount: hr.Decimal(8, 2) = hr.field(ge=0)

payments = hr.Stream("payments", Payment, source="data/*.csv", owner="desk")
daily = hr.Table("daily", query="select at::date as day, count(*) as n from payments group by all")
project = hr.Project("bank", sources=[payments, daily])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from headrace.run import RunFailed, load_project, run

    monkeypatch.chdir(tmp_path)
    (tmp_path / "headrace.toml").write_text("")
    (tmp_path / "project.py").write_text(PROJECT)
    (tmp_path / "data").mkdir()
    rows = '1,2026-01-01T00:00:00Z,1.00\n2,2026-01-01T00:00:01Z,-2.00\n3,2026-01-01T00:00:02Z,"1,000"\n'
    (tmp_path / "data/a.csv").write_text(f"payment_id,at,amount\n{rows}")
    try:
        run(load_project(tmp_path))
    except RunFailed as failed:
        raise AssertionError(failed.report) from failed
    return tmp_path


def call(*args: str) -> Result:
    return CliRunner().invoke(command, list(args), catch_exceptions=True)


def told(*args: str) -> dict[str, Any]:
    done = call(*args, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_list_and_show(folder: Path) -> None:
    found = told("list")["refused"]
    assert [(one["rule"], one["rows"], one["owner"]) for one in found] == [
        ("HR-DATA-004 amount", 1, "desk"),
        ("HR-DATA-002 amount", 1, "desk"),
    ]
    (row,) = told("show", "payments", "--where", "payment_id = '3'")["shown"]
    assert row["amount"] == "1,000"
    assert "HR-DATA-002" in call("show", "payments").output


def test_fix_by_expression_shows_first_what_it_does(folder: Path) -> None:
    given = ("fix", "payments", "--set", "amount = replace(ltrim(amount, '-'), ',', '')")
    would = told(*given, "--dry-run")
    assert (would["done"], would["accepted"], would["downstream"]) == (False, 2, ["table:daily"])
    assert would["first"] == "2026-01-01T00:00:01+00:00"
    assert told("list")["refused"]
    refused = call(*given)
    assert "would be accepted" in refused.output
    assert refused.exception is not None
    assert "HR-QUARANTINE-005" in str(refused.exception)
    assert told(*given, "--yes")["done"]
    assert told("list")["refused"] == []


def test_fix_by_an_edited_file(folder: Path) -> None:
    for name in ("bad.csv", "bad.jsonl"):
        call("show", "payments", "--out", name)
        text = Path(name).read_text()
        Path(name).write_text(text.replace("-2.00", "2.00"))
    assert told("fix", "payments", "--file", "bad.jsonl", "--dry-run")["accepted"] == 1
    assert told("fix", "payments", "--file", "bad.csv", "--yes")["staying"] == {"HR-DATA-002 amount": 1}
    again = call("fix", "payments", "--file", "bad.csv", "--yes")
    assert "HR-QUARANTINE-004" in str(again.exception), "its row is not in quarantine any more"


def test_an_empty_cell_of_an_edited_file_stays_null_or_an_empty_text(folder: Path) -> None:
    from headrace.run import load_project, run

    text = PROJECT.replace("data/*.csv", "data/*.jsonl").replace("ge=0)", "ge=0)\n    note: str | None\n    name: str")
    (folder / "project.py").write_text(text.replace("payments", "refunds"))
    rows = [
        {"payment_id": at, "at": "2026-01-01T00:00:00Z", "amount": -5, "note": note, "name": name}
        for at, (note, name) in enumerate([("", ""), (None, "x"), ("a", "")])
    ]
    (folder / "data/a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    run(load_project(folder))
    call("show", "refunds", "--out", "bad.csv")
    text = Path("bad.csv").read_text()
    Path("bad.csv").write_text(text.replace(",-5,", ",5,").replace(",a,", ",,"))
    assert told("fix", "refunds", "--file", "bad.csv", "--yes")["accepted"] == 3
    kept = load_project(folder).lake().read("refunds").sort_by("payment_id").to_pylist()
    assert [(row["note"], row["name"]) for row in kept] == [("", ""), (None, "x"), (None, "")]


def test_the_next_run_completes_a_replay_that_was_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.connect import account
    from headrace.lake import Lake
    from headrace.run import load_project, run

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Lake, "overwrite", killed)
        call("fix", "payments", "--set", "amount = '1.00'", "--yes")
    loaded = load_project(folder)
    assert account(loaded.lake(), "payments").received == 5, "two rows are in both"
    assert "rows of payments were replayed" in str(run(loaded).as_dict())
    found = account(loaded.lake(), "payments")
    assert (found.received, found.accepted, found.quarantined) == (3, 3, 0)
    assert "up to date" in str(run(loaded)) or all(step.action == "kept" for step in run(loaded).steps)


def test_an_edited_file_names_each_row_once_and_fields_that_there_are(folder: Path) -> None:
    call("show", "payments", "--out", "bad.csv")
    assert call("show", "payments", "--out", "bad.csv").exit_code == 2, "it may have been edited"
    head, *rows = Path("bad.csv").read_text().splitlines()
    Path("twice.csv").write_text("\n".join([head, rows[0], rows[0]]) + "\n")
    assert "more than once" in str(call("fix", "payments", "--file", "twice.csv", "--yes").exception)
    Path("more.csv").write_text(f"{head},amuont\n{rows[0]},1\n")
    assert "no field amuont" in str(call("fix", "payments", "--file", "more.csv", "--yes").exception)


def test_wrong_use(folder: Path) -> None:
    assert "HR-QUARANTINE-001" in str(call("show", "payment").exception)
    assert "HR-QUARANTINE-002" in str(call("fix", "payments", "--set", "amuont = '1'", "--yes").exception)
    assert "HR-QUARANTINE-003" in str(call("replay", "daily", "--yes").exception)
    assert call("fix", "payments").exit_code == 2
    assert call("fix", "payments", "--set", "amount").exit_code == 2
    Path("bad.jsonl").write_text("{not json")
    assert "HR-QUARANTINE-006" in str(call("fix", "payments", "--file", "bad.jsonl", "--yes").exception)
