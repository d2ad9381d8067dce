"""``headrace plan --check`` and ``headrace apply``: for people and programs, asked and not, refused and accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headrace.cli.app import main
from headrace.run import load_project, run
from tests.run.bank import edit, make_bank

REMOVED = ("    terminal_id: int\n    customer_id: int\n    is_fraud", "    customer_id: int\n    is_fraud")


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    folder = make_bank(tmp_path / "bank")
    run(load_project(folder))
    return folder


def _call(bank: Path, *args: str) -> Result:
    return CliRunner().invoke(main, [*args, "--project", str(bank)])


def _json(bank: Path, *args: str, exit_code: int = 0) -> dict[str, Any]:
    result = _call(bank, *args, "--json")
    assert result.exit_code == exit_code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_plan_exits_with_one_where_it_is_told_to_check(bank: Path) -> None:
    assert _call(bank, "plan", "--check").exit_code == 0
    edit(bank, *REMOVED)
    assert _call(bank, "plan").exit_code == 0
    told = _json(bank, "plan", "--check", exit_code=1)
    assert told["evolution"][0]["moves"] == [{"field": "terminal_id", "kind": "breaking", "said": "is removed"}]
    assert [fault["code"] for fault in told["faults"]] == ["HR-EVOLVE-001"]
    assert "breaking: terminal_id is removed" in _call(bank, "plan").stdout


def test_nobody_to_be_asked_must_say_yes(bank: Path) -> None:
    edit(bank, "le=10000", "le=20000")
    result = _call(bank, "apply")
    assert (result.exit_code, "say --yes" in result.stderr) == (2, True)
    assert "compatible: amount le: 10000 -> 20000" in result.stdout
    assert _call(bank, "plan").stdout != "Nothing would change.\n"
    assert "Applied by" in _call(bank, "apply", "--yes").stdout
    assert _call(bank, "plan").stdout == "Nothing would change.\n"
    assert _call(bank, "apply").exit_code == 0, "nothing is to be asked where nothing would change"


def test_apply_as_json_has_the_plan_and_the_run(bank: Path) -> None:
    edit(bank, *REMOVED)
    refused = _json(bank, "apply", "--yes", exit_code=1)
    assert [fault["code"] for fault in refused["faults"]] == ["HR-EVOLVE-001"]
    told = _json(bank, "apply", "--yes", "--accept", "chargebacks")
    assert told["ok"]
    assert told["by"]
    assert told["accepted"] == ["stream:chargebacks"]
    assert told["plan"]["evolution"][0]["kind"] == "breaking"
    assert [step["step"] for step in told["steps"] if step["action"] == "done"] == ["ingest:chargebacks"]
    runs = _json(bank, "status")["runs"]
    assert (runs[0]["kind"], runs[0]["by"]) == ("apply", told["by"])


def test_an_unknown_node(bank: Path) -> None:
    told = _json(bank, "apply", "--yes", "dayly", exit_code=2)
    assert [fault["code"] for fault in told["faults"]] == ["HR-EVOLVE-004"]
    assert told["faults"][0]["cure"] == "did you mean 'daily'?"


def test_the_example_is_shown() -> None:
    told = CliRunner().invoke(main, ["apply", "--help"])
    assert "Example:  headrace apply --yes --accept stream:payments" in told.stdout
