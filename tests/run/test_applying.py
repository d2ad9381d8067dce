"""``plan``, ``run`` and ``apply`` over contracts that change: told before, refused with what would break, recorded."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from headrace.errors import CheckFailed, HeadraceError
from headrace.run import Journal, RunFailed, apply, load_project, plan_changes, proposed, run
from tests.run.bank import WITH_MODEL, add_month, edit, make_bank

AMOUNT = "    amount: hr.Decimal(12, 2) = hr.field(ge=0, le=10000)\n"
NEW = f"{AMOUNT}    settled: bool | None\n"


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    folder = make_bank(tmp_path / "bank", WITH_MODEL, (1, 2))
    run(load_project(folder))
    return folder


def actions(folder: Path) -> dict[str, str]:
    return {step.id: step.action for step in run(load_project(folder)).steps}


def test_a_new_field_is_compatible_and_makes_nothing_else_anew(bank: Path) -> None:
    edit(bank, AMOUNT, NEW)
    changes = plan_changes(load_project(bank))
    (verdict,) = changes.evolution.values()
    assert verdict.as_dict()["kind"] == "compatible"
    assert "compatible: settled is new: new rows carry settled, older ones have null" in changes.changes[0].parts
    assert (changes.invalidated, changes.training.keys()) == ((), {"score"})
    manifests = [path.read_bytes() for path in (bank / ".headrace" / "sets").rglob("manifest.json")]
    assert actions(bank)["ingest:payments"] == "done"
    assert load_project(bank).lake().read("payments")["settled"].null_count == 38
    assert [path.read_bytes() for path in (bank / ".headrace" / "sets").rglob("manifest.json")] == manifests
    assert not plan_changes(load_project(bank)).any


def test_a_feature_of_a_new_field_reads_rows_of_before(bank: Path) -> None:
    edit(bank, AMOUNT, NEW)
    edit(bank, 'features={"amount": "amount"}', 'features={"amount": "amount", "late": "settled is null"}')
    run(load_project(bank))
    (folder,) = [path for path in (bank / ".headrace" / "sets" / "cases").iterdir() if "late" in _features(path)]
    assert folder


def _features(path: Path) -> str:
    manifest = path / "manifest.json"
    return manifest.read_text() if manifest.exists() else ""


def test_what_breaks_is_told_by_plan_and_refused_by_run_with_owners(bank: Path) -> None:
    edit(bank, AMOUNT, AMOUNT.replace("hr.Decimal(12, 2)", "float"))
    changes = plan_changes(load_project(bank))
    (fault,) = changes.refused
    assert fault.code == "HR-EVOLVE-001"
    assert fault.place == "project.py:9"
    assert "amount of payments type: decimal(12,2) -> float" in fault.found
    assert "38 rows in the lake; it would break now.amount, spending.mean_7d, table daily" in fault.found
    assert "model score, service desk" in fault.found
    assert fault.expected.endswith("talk to payments-data, risk-data")
    said = changes.as_dict()["evolution"][0]
    assert said["kind"] == "breaking"
    assert {one["name"] for one in said["breaks"]["amount"]} >= {"spending.mean_7d", "service desk"}
    version = load_project(bank).lake().version("payments")
    with pytest.raises(RunFailed) as told:
        run(load_project(bank))
    assert told.value.faults == (fault,)
    assert {step.id: step.action for step in told.value.report.steps} == {
        "ingest:payments": "failed",
        "ingest:chargebacks": "kept",
        "query:daily": "skipped",
        "query:weekly": "skipped",
        "training_set:cases": "skipped",
    }
    assert load_project(bank).lake().version("payments") == version
    edit(bank, AMOUNT.replace("hr.Decimal(12, 2)", "float"), AMOUNT)
    assert set(actions(bank).values()) == {"kept"}


def test_a_field_that_features_read_is_gone(bank: Path) -> None:
    edit(bank, AMOUNT, "    sum: hr.Decimal(12, 2) = hr.field(ge=0, le=10000)\n")
    for verb in (plan_changes, run, apply):
        with pytest.raises(HeadraceError) as told:
            verb(load_project(bank))
        first, *rest = told.value.faults
        assert first.code == "HR-EVOLVE-001"
        assert "amount of payments is removed, or renamed to sum" in first.found
        assert "service desk" in first.found
        assert {"HR-EXPRESSION-002", "HR-LAKE-006"} <= {fault.code for fault in rest}


def test_apply_refuses_what_is_not_accepted_and_does_nothing(bank: Path) -> None:
    edit(bank, "    terminal_id: int\n    customer_id: int\n    is_fraud", "    customer_id: int\n    is_fraud")
    with pytest.raises(CheckFailed, match="HR-EVOLVE-001 .*terminal_id of chargebacks is removed.*nothing is known to"):
        apply(load_project(bank))
    assert "terminal_id" in load_project(bank).lake().schema("chargebacks").names
    done = apply(load_project(bank), accept=["chargebacks"])
    assert done.accepted == ("stream:chargebacks",)
    assert "terminal_id" not in load_project(bank).lake().schema("chargebacks").names
    with Journal(bank / ".headrace" / "run.db") as journal:
        (last,) = journal.runs(1)
    assert (last.kind, last.outcome) == ("apply", "done")
    assert last.report["by"] == done.by
    assert last.as_dict()["by"] == done.by
    assert last.report["accepted"] == ["stream:chargebacks"]
    assert "contract.terminal_id: removed (name terminal_id, type int)" in last.report["changes"][0]["parts"]
    assert not plan_changes(load_project(bank)).any


def test_to_accept_what_does_not_break_is_only_told(bank: Path) -> None:
    assert [one.code for one in proposed(load_project(bank), accept=["payments"]).warnings] == ["HR-EVOLVE-005"]
    with pytest.raises(HeadraceError, match="HR-EVOLVE-004.*did you mean 'payments'"):
        proposed(load_project(bank), accept=["paymens"])


def test_a_part_is_applied_and_the_rest_waits(bank: Path) -> None:
    edit(bank, AMOUNT, NEW)
    edit(bank, "is_fraud: int = hr.field(ge=0, le=1)", "is_fraud: int = hr.field(ge=0, le=2)")
    done = apply(load_project(bank), ["daily"])
    assert [step.id for step in done.report.steps] == ["ingest:payments", "query:daily"]
    assert "settled" in load_project(bank).lake().schema("payments").names
    left = plan_changes(load_project(bank))
    assert "stream:payments" not in [one.node for one in left.changes]
    assert "stream:chargebacks" in [one.node for one in left.changes]


def test_a_breaking_change_elsewhere_does_not_stop_a_part(bank: Path) -> None:
    edit(bank, "    terminal_id: int\n    customer_id: int\n    is_fraud", "    customer_id: int\n    is_fraud")
    edit(bank, AMOUNT, NEW)
    assert apply(load_project(bank), ["stream:payments"]).report.ok


def test_a_file_without_a_column_names_what_reads_it(bank: Path) -> None:
    add_month(bank, 3)
    path = bank / "data" / "payments-3.csv"
    path.write_text(path.read_text().replace("amount", "sum", 1))
    with pytest.raises(RunFailed) as told:
        run(load_project(bank))
    (fault,) = [one for one in told.value.faults if one.severity == "error"]
    assert fault.code == "HR-DATA-101"
    assert "it is read by now.amount, spending.mean_7d, table daily" in fault.found
    assert "(owned by payments-data, risk-data)" in fault.found


CLICKS = """
class Click(hr.Contract):
    at: hr.Timestamp = hr.event_time()
    customer_id: int

clicks = hr.Stream("clicks", Click)
"""


def test_live_events_without_files_follow_their_contract(tmp_path: Path) -> None:
    folder = make_bank(tmp_path / "bank")
    edit(folder, 'now = hr.Features("now"', CLICKS + 'now = hr.Features("now"')
    edit(folder, "sources=[daily, weekly, chargebacks]", "sources=[daily, weekly, chargebacks, clicks]")
    run(load_project(folder))
    rows = {"at": [0, 1], "customer_id": [1, 2], "_seq": [1, 2], "_known_at": [0, 1], "_load": ["live", "live"]}
    times = pa.timestamp("us", tz="UTC")
    kinds = {"at": times, "customer_id": pa.int64(), "_seq": pa.int64(), "_known_at": times, "_load": pa.string()}
    live = pa.table({name: pa.array(values, kinds[name]) for name, values in rows.items()})
    load_project(folder).lake().append("clicks", live)
    assert actions(folder)["contract:clicks"] == "done"
    assert actions(folder)["contract:clicks"] == "kept"
    edit(folder, "    customer_id: int\n\nclicks", "    customer_id: int\n    page: str | None\n\nclicks")
    assert actions(folder)["contract:clicks"] == "done"
    assert load_project(folder).lake().read("clicks")["page"].null_count == 2
    edit(folder, "    customer_id: int\n    page", "    customer_id: str\n    page")
    with pytest.raises(RunFailed, match="HR-EVOLVE-001 .*customer_id of clicks type: int -> str"):
        run(load_project(folder))


_APPLY = """
import sys
from headrace.run import apply, load_project
loaded = load_project(sys.argv[1])
print("go", flush=True)
apply(loaded, accept=["chargebacks"])
"""


def test_killed_anywhere_it_is_whole_when_it_is_called_again(tmp_path: Path) -> None:
    clean, killed = (make_bank(tmp_path / name, WITH_MODEL, (1, 2)) for name in ("clean", "killed"))
    for folder in (clean, killed):
        run(load_project(folder))
        edit(folder, AMOUNT, NEW.replace("12, 2", "14, 2"))
        edit(folder, "    terminal_id: int\n    customer_id: int\n    is_fraud", "    customer_id: int\n    is_fraud")
    begun = time.perf_counter()
    apply(load_project(clean), accept=["chargebacks"])
    longest = time.perf_counter() - begun
    delays = random.Random(11)
    for _ in range(4):
        child = subprocess.Popen([sys.executable, "-c", _APPLY, str(killed)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"go\n"
        time.sleep(delays.uniform(0.0, 1.0) * longest)
        child.kill()
        child.wait()
        child.stdout.close()
    apply(load_project(killed), accept=["chargebacks"])
    assert not plan_changes(load_project(killed)).any
    for name in ("payments", "chargebacks", "daily"):
        one, other = (load_project(folder).lake().read(name) for folder in (clean, killed))
        assert one.schema == other.schema
        assert sorted(one.to_pylist(), key=str) == sorted(other.to_pylist(), key=str)
    assert load_project(killed).lake().schema("payments").field("amount").type == pa.decimal128(14, 2)
