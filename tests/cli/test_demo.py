"""The demo: the whole road from generated files to decisions, parity and a report."""

import json

import pytest
from click.testing import CliRunner

from headrace.cli.app import main

pytest.importorskip("headrace.serve.parity")
pytest.importorskip("headrace.audit.report")


@pytest.mark.filterwarnings("ignore")
def test_the_whole_road(tmp_path):
    folder = tmp_path / "demo"
    result = CliRunner().invoke(main, ["demo", "--folder", str(folder), "--customers", "300", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["ok"]
    figures = {step["step"]: step["figures"] for step in told["run"]["steps"]}
    payments = figures["ingest:payments"]
    assert payments["accepted"] + payments["quarantined"] == payments["received"]
    assert payments["quarantined"] == sum(payments["this_run"]["reasons"].values()) > 0
    assert all(model["report"]["passed"] for model in told["models"])
    assert len(told["decisions"]) == 3
    assert {one["answer"]["decision"] for one in told["decisions"]} <= {"allow", "review", "block"}
    assert told["parity"]
    data = told["data"]
    assert data["repair"]["accepted"] == data["repair"]["rows"] > 0
    assert sum(one["rows"] for one in data["quarantine"]) == payments["quarantined"]
    assert data["verdict"]["code"] == "HR-EVOLVE-001"
    assert "amount is read by service fraud_desk" in " ".join(data["change"]["parts"])
    assert (folder / ".headrace" / "reports" / "data.html").stat().st_size > 1000
    assert (folder / ".headrace" / "reports" / "report.html").stat().st_size > 1000


def test_a_folder_of_ones_own_is_not_replaced(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    result = CliRunner().invoke(main, ["demo", "--folder", str(tmp_path)])
    assert result.exit_code == 2
    assert "HR-INIT-002" in result.stderr
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.filterwarnings("ignore")
def test_a_gate_that_fails_is_named_and_the_demo_still_tells_what_it_did(tmp_path):
    folder = tmp_path / "demo"
    result = CliRunner().invoke(main, ["demo", "--folder", str(folder), "--customers", "200"])
    assert result.exit_code == 1
    assert "error HR-RUN-007" in result.stderr
    assert "fraud_score failed a gate: average_precision is 0." in result.stderr
    assert "to pass better_than_baseline(average_precision)" in result.stderr
    assert "headrace demo --customers 1000" in result.stderr
    assert "HR-DEMO-001" not in result.stderr
    assert "Training set fraud_cases" in result.stdout
    assert "Nothing was served" in result.stdout
    report = (folder / ".headrace" / "reports" / "report.html").read_text()
    assert "fraud_score may not be used: no version has passed its gates" in report
    assert "There is nothing to check yet" in report
