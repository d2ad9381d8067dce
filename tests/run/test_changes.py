"""Plan: what changed, in words, and what it invalidates."""

import os
import shutil

import pytest

from headrace.run import Asked, Journal, RunFailed, load_project, plan_changes, run, status
from headrace.run.declared import Declared
from headrace.run.differences import differences
from headrace.run.quarantine import repaired, replayed, rows_of
from headrace.run.training import training_inputs
from tests.run.bank import WITH_MODEL, add_month, edit, make_bank


@pytest.fixture
def bank(tmp_path):
    folder = make_bank(tmp_path / "bank")
    run(load_project(folder))
    return folder


def test_before_the_first_run_everything_is_new(tmp_path):
    changes = plan_changes(load_project(make_bank(tmp_path / "bank")))
    assert changes.first
    assert {one.action for one in changes.changes} == {"added"}
    assert changes.files["payments"] == ("new file data/payments-1.csv",)
    assert changes.invalidated == ()
    assert not (tmp_path / "bank" / ".headrace").exists()


def test_after_a_run_nothing(bank):
    changes = plan_changes(load_project(bank))
    assert not changes.any
    assert repr(changes) == "nothing would change"


def test_a_window_and_what_it_touches(bank):
    edit(bank, 'hr.mean("amount", "7d")', 'hr.mean("amount", "14d")')
    changes = plan_changes(load_project(bank))
    assert [(one.node, one.action, one.parts) for one in changes.changes] == [
        ("features:spending", "changed", ("features.spending.mean_7d.window: 7d -> 14d",))
    ]
    assert changes.changes[0].place.startswith("project.py:")
    assert changes.as_dict()["changes"][0]["parts"] == ["features.spending.mean_7d.window: 7d -> 14d"]


def test_a_bound_invalidates_what_is_downstream_with_owners(bank):
    edit(bank, "ge=0, le=10000", "ge=0, le=20000")
    changes = plan_changes(load_project(bank))
    assert {one.node: one.parts for one in changes.changes}["stream:payments"] == (
        "contract.amount.le: 10000 -> 20000",
        "compatible: amount le: 10000 -> 20000",
    )
    down = {one.node: one for one in changes.invalidated}
    assert down["features:spending"].because == ("stream:payments",)
    assert down["features:spending"].owners == ("payments-data",)


def test_a_bound_of_zero_is_a_bound(bank):
    edit(bank, "ge=0, le=10000", "le=10000")
    changes = plan_changes(load_project(bank))
    assert {one.node: one.parts[0] for one in changes.changes}["stream:payments"] == "contract.amount.ge: removed (0)"


def test_new_and_changed_files(bank):
    add_month(bank, 2)
    changes = plan_changes(load_project(bank))
    assert changes.files == {
        "payments": ("new file data/payments-2.csv",),
        "chargebacks": ("new file data/chargebacks-2.csv",),
    }
    assert "features:spending" in [one.node for one in changes.invalidated]


def test_a_file_that_was_only_touched_has_not_changed(bank):
    path = bank / "data" / "payments-1.csv"
    os.utime(path, (1, 1))
    assert not plan_changes(load_project(bank)).any
    assert not run(load_project(bank)).changed
    journal = Journal(bank / ".headrace" / "run.db")
    assert journal.step("ingest:payments").inputs["file data/payments-1.csv"].endswith(":1000000000")
    path.write_bytes(path.read_bytes().replace(b"p7", b"q7"))
    assert plan_changes(load_project(bank)).files == {"payments": ("file data/payments-1.csv changed",)}


def test_many_changed_files_are_one_short_line(bank):
    for number in range(2, 8):
        add_month(bank, number)
    run(load_project(bank))
    for number in range(2, 8):
        path = bank / "data" / f"payments-{number}.csv"
        path.write_text(path.read_text() + "\n")
    assert plan_changes(load_project(bank)).files == {
        "payments": ("6 files changed: data/payments-2.csv, data/payments-3.csv, data/payments-4.csv and 3 more",)
    }


def test_added_and_removed_nodes(bank):
    edit(bank, "sources=[daily, weekly, chargebacks]", "sources=[daily]")
    edit(bank, "features=[now, spending]", "features=[now]")
    changes = plan_changes(load_project(bank))
    assert {(one.node, one.action) for one in changes.changes} == {
        ("table:weekly", "removed"),
        ("stream:chargebacks", "removed"),
        ("features:spending", "removed"),
    }


def test_a_change_of_owner_invalidates_nothing(bank):
    edit(bank, 'owner="payments-data"', 'owner="other"')
    changes = plan_changes(load_project(bank))
    assert [(one.node, one.parts) for one in changes.changes] == [
        ("stream:payments", ("owner: payments-data -> other",))
    ]
    assert changes.invalidated == ()


def test_models_that_wait_for_training(tmp_path):
    changes = plan_changes(load_project(make_bank(tmp_path / "bank", WITH_MODEL)))
    assert changes.training == {"score": ("not trained yet",)}


def test_differences_of_other_parts():
    def node(**meaning):
        return {"owner": "", "meaning": meaning}

    assert differences(node(fit="aa"), node(fit="bb")) == ["fit: its code changed"]
    assert differences(node(order=["a", "b"]), node(order=["b", "c"])) == ["order: + c, - a"]
    assert differences(node(order=["a", "b"]), node(order=["b", "a"])) == ["order: another order"]
    assert differences(node(gates=[["at_least", "auc", 0.5]]), node(gates=[["at_least", "auc", 0.6]])) == [
        "gates.at_least auc: 0.5 -> 0.6"
    ]
    assert differences(node(decide=[["block", "score > 1"]]), node(decide=[])) == ["decide.block: removed (score > 1)"]
    label = ["cb", ["id"], "is_fraud", 86_400_000_000, 0]
    assert differences(node(label=label), node(label=[*label[:3], 2 * 86_400_000_000, 0])) == [
        "label.matures: 1d -> 2d"
    ]
    assert differences(node(features={}), node(features={"a.b": "x"})) == ["features.a.b: added (x)"]
    assert differences(node(query="select 1"), node(query=None)) == ["query: select 1 -> nothing"]


def test_what_a_window_leads_to_is_told_before_anything_is_built(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL, (1, 2))
    run(load_project(folder))
    with Journal(folder / ".headrace" / "run.db") as journal:  # as a training leaves it
        loaded = load_project(folder)
        inputs = training_inputs(loaded.project.all_models["score"], Declared(loaded.project), journal)
        journal.complete("model:score", inputs, {"version": 1})
    assert plan_changes(load_project(folder)).training == {}
    edit(folder, 'hr.mean("amount", "7d")', 'hr.mean("amount", "14d")')
    changes = plan_changes(load_project(folder))
    assert [one.node for one in changes.invalidated] == ["training_set:cases", "model:score", "service:desk"]
    assert changes.training == {"score": ("cases changed",)}
    edit(folder, 'hr.mean("amount", "14d")', 'hr.mean("amount", "7d")')
    add_month(folder, 3)
    assert plan_changes(load_project(folder)).training == {"score": ("cases changed",)}


def test_new_rows_reach_tables_by_query(bank):
    add_month(bank, 2)
    invalidated = {one.node: one.because for one in plan_changes(load_project(bank)).invalidated}
    assert invalidated["table:daily"] == ("stream:payments",)
    assert invalidated["table:weekly"] == ("table:daily", "stream:payments")


def test_a_file_that_is_gone_leaves_its_rows_and_invalidates_nothing(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL, (1, 2))
    run(load_project(folder))
    (folder / "data" / "payments-2.csv").unlink()
    changes = plan_changes(load_project(folder))
    assert changes.files == {"payments": ("file data/payments-2.csv is gone",)}
    assert changes.invalidated == ()
    assert [fault.code for fault in changes.warnings] == ["HR-SOURCE-013"]
    assert "data/payments-2.csv; 19 rows of it stay in the lake" in changes.warnings[0].found
    report = run(load_project(folder))
    assert [fault.code for fault in report.faults] == ["HR-SOURCE-013"]
    actions = {step.id: step.action for step in report.steps}
    assert actions.pop("ingest:payments") == "done"
    assert set(actions.values()) == {"kept"}
    assert load_project(folder).lake().rows("payments") == 38
    assert not plan_changes(load_project(folder)).any
    assert [fault.code for fault in status(load_project(folder)).warnings] == ["HR-SOURCE-013"]


def test_a_renamed_file_is_not_gone(bank):
    (bank / "data" / "payments-1.csv").rename(bank / "data" / "payments-old.csv")
    changes = plan_changes(load_project(bank))
    assert (changes.warnings, changes.invalidated) == ((), ())
    assert status(load_project(bank)).warnings == ()


def test_tags_that_a_change_touches_are_told(bank):
    path = bank / "project.py"
    path.write_text(path.read_text().replace("le=10000)", 'le=10000, unit="EUR", privacy="internal")'))
    run(load_project(bank))
    assert not plan_changes(load_project(bank)).changes
    path.write_text(path.read_text().replace("le=10000", "le=9000").replace('"mean_7d"', '"mean_8d"'))
    found = {one.node: one for one in plan_changes(load_project(bank)).changes}
    assert found["stream:payments"].tags == {"amount": ("internal", "unit EUR")}
    assert found["features:spending"].tags["spending.mean_8d"] == ("internal", "unit EUR")
    assert found["stream:payments"].as_dict()["tags"] == {"amount": ["internal", "unit EUR"]}
    assert "touches amount: internal, unit EUR" in repr(plan_changes(load_project(bank)))


def test_what_a_run_of_a_part_left_behind_is_told(bank):
    add_month(bank, 2)
    run(load_project(bank), asked=Asked(("payments", "chargebacks")))
    changes = plan_changes(load_project(bank))
    assert (changes.any, changes.files) == (True, {})
    assert changes.outdated == {"table:daily": ("new rows in payments",)}
    assert [one.node for one in changes.invalidated if one.node.startswith("table:")] == ["table:weekly"]
    assert {*changes.queries} == {"daily", "weekly"}
    assert changes.as_dict()["outdated"] == {"table:daily": ["new rows in payments"]}
    assert "table:daily: new rows in payments" in repr(changes)
    run(load_project(bank))
    assert repr(plan_changes(load_project(bank))) == "nothing would change"


def test_a_table_that_failed_is_told_until_it_is_made(bank):
    query = "query=\"select date_trunc('day', at) as day, sum(amount) as total from payments group by all\""
    with_contract = (
        "class Day(hr.Contract):\n    day: hr.Timestamp\n    total: hr.Decimal(18, 2) = hr.field(le=100)\n\n"
    )
    edit(bank, f'daily = hr.Table("daily", {query})', f'{with_contract}daily = hr.Table("daily", Day, {query})')
    run(load_project(bank))
    edit(bank, "le=100)", "le=20)")
    with pytest.raises(RunFailed, match="HR-DATA-109"):
        run(load_project(bank))
    add_month(bank, 2)
    with pytest.raises(RunFailed, match="HR-DATA-109"):
        run(load_project(bank))
    edit(bank, "le=20)", "le=100)")
    assert plan_changes(load_project(bank)).outdated == {"table:daily": ("new rows in payments",)}
    run(load_project(bank))
    assert not plan_changes(load_project(bank)).any


def test_a_table_that_somebody_else_wrote_to_or_took_away_is_told(bank):
    lake = load_project(bank).lake()
    lake.append("weekly", lake.read("weekly"))
    changes = plan_changes(load_project(bank))
    assert changes.outdated == {"table:weekly": ("somebody else wrote to its output",)}
    assert changes.queries["weekly"].startswith("in full: somebody else wrote to it; ")
    shutil.rmtree(lake.root / "daily")
    changes = plan_changes(load_project(bank))
    assert changes.outdated == {"table:daily": ("its output is gone",)}
    assert changes.queries["daily"].startswith("in full: for the first time; ")
    steps = {step.id: step.why for step in run(load_project(bank)).steps}
    assert steps["query:daily"] == ("its output is gone",)
    assert not plan_changes(load_project(bank)).any


def test_another_query_makes_a_table_in_full_and_that_is_told(bank):
    edit(bank, "sum(amount) as total from payments", "sum(amount) + 1 as total from payments")
    changes = plan_changes(load_project(bank))
    assert changes.queries["daily"].startswith("in full: its declaration changed; ")
    assert changes.queries["weekly"].startswith("incremental by week; ")
    assert changes.outdated == {}


def test_a_set_that_was_left_behind_is_told(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL)
    run(load_project(folder))
    add_month(folder, 2)
    run(load_project(folder), asked=Asked(("payments", "chargebacks", "daily", "weekly")))
    assert plan_changes(load_project(folder)).outdated == {
        "training_set:cases": ("new rows in payments", "new rows in chargebacks")
    }


def test_a_replay_is_told_until_a_run_took_it_in(bank):
    loaded = load_project(bank)
    rows = rows_of(loaded, "payments")
    replayed(loaded, "payments", repaired(loaded, "payments", rows, {"amount": "replace(amount, '-', '')"}))
    changes = plan_changes(load_project(bank))
    assert changes.files == {"payments": ("rows of payments were replayed",)}
    assert {"table:daily", "table:weekly"} <= {one.node for one in changes.invalidated}
    assert {*changes.queries} == {"daily", "weekly"}
    run(load_project(bank))
    assert repr(plan_changes(load_project(bank))) == "nothing would change"
