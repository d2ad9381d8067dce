"""The commands through click's runner: results, JSON, faults and exit codes."""

import csv
import io
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from headrace.cli.app import COMMANDS, main
from headrace.cli.commands.parity import print_parity
from headrace.serve.parity import ParityReport
from tests.run.bank import WITH_MODEL, add_month, edit, make_bank


def test_a_table_of_many_metrics_is_cut_and_no_number_is(capsys, monkeypatch):
    from headrace.cli import terminal
    from headrace.cli.commands.train import _side_by_side

    monkeypatch.setattr(terminal, "_WIDE", 60)
    head = ["candidate", *(f"metric_{at}" for at in range(7))]
    rows = [["logistic_regression", *(f"0.{at}234 [0.{at}, 0.{at}9]" for at in range(7))] for _ in range(2)]
    parts = list(_side_by_side(head, rows))
    assert [name for some, _ in parts for name in some[1:]] == head[1:]
    for some, cells in parts:
        terminal.print_table("", some, cells, right=some[1:])
    printed = capsys.readouterr().out
    assert all(cell in printed for row in rows for cell in row)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    folder = make_bank(tmp_path_factory.mktemp("cli") / "bank")
    assert _call("run", "--project", folder).exit_code == 0
    return folder


def _call(*args):
    return CliRunner().invoke(main, [str(one) for one in args])


def _json(*args, exit_code=0):
    result = _call(*args, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def test_help_lists_all_commands_and_each_has_an_example():
    listed = _call("--help").stdout
    for name, short in COMMANDS.items():
        assert name in listed
        assert short in listed
        told = _call(name, "--help")
        assert told.exit_code == 0
        assert f"Example:  {'eval' if name == 'completion' else f'headrace {name}'}" in told.stdout
        assert ("--json" in told.stdout) == (name != "completion")


def test_an_unknown_command_has_its_nearest():
    result = _call("rnu")
    assert result.exit_code == 2
    assert "did you mean 'run'?" in result.stderr
    assert _json("rnu", exit_code=2)["faults"][0]["found"] == "No command 'rnu': did you mean 'run'?"


def test_an_unknown_option():
    assert _call("run", "--jsno").exit_code == 2


def test_version():
    assert re.match(r"headrace \d+\.\d+", _call("--version").stdout)


def test_check(bank, tmp_path):
    assert "no faults" in _call("check", "--project", bank).stdout
    found = _json("check", "--project", bank)
    assert found["ok"]
    assert "features:spending" in found["nodes"]
    bad = make_bank(tmp_path / "bad")
    edit(bad, '"amount": "amount"', '"amount": "amuont", "x": "1 +"')
    result = _call("check", "--project", bad)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert re.search(r"error HR-EXPRESSION-\d+  \S*project.py:\d+\n  found     .*amuont", result.stderr)
    assert "did you mean 'amount'?" in result.stderr
    told = _json("check", "--project", bad, exit_code=2)
    assert not told["ok"]
    assert len(told["faults"]) == 2


def test_check_states_the_resolution_of_totals_of_floats(tmp_path):
    folder = make_bank(tmp_path / "bank")
    edit(
        folder, "    amount: hr.Decimal(12, 2)", "    fee: float = hr.field(ge=0, lt=4)\n    amount: hr.Decimal(12, 2)"
    )
    edit(folder, '"count_7d":', '"fee": hr.sum("fee", ["1d", "7d"]), "most": hr.max("fee", "7d"), "count_7d":')
    said = _call("check", "--project", folder).stdout
    assert "totals of floats in steps of 2^-59 (1.7e-18), from their bounds: spending.fee_1d, spending.fee_7d\n" in said
    assert _json("check", "--project", folder)["resolutions"] == {
        "spending.fee_1d": 2.0**-59,
        "spending.fee_7d": 2.0**-59,
    }
    edit(folder, '"fee": hr.sum("fee", ["1d", "7d"]), ', "")
    assert "totals" not in _call("check", "--project", folder).stdout
    assert _json("check", "--project", folder)["resolutions"] == {}


def test_plan(tmp_path):
    folder = make_bank(tmp_path / "bank")
    assert "everything is new" in _call("plan", "--project", folder).stdout
    _call("run", "--project", folder)
    assert _call("plan", "--project", folder).stdout == "Nothing would change.\n"
    edit(folder, "ge=0, le=10000", "ge=0, le=500")
    add_month(folder, 2)
    told = _call("plan", "--project", folder).stdout
    assert "~ stream:payments" in told
    assert "contract.amount.le: 10000 -> 500" in told
    assert "new file data/payments-2.csv" in told
    assert "features:spending  because of stream:payments  [payments-data]" in told
    assert {one["node"] for one in _json("plan", "--project", folder)["invalidated"]} >= {"features:spending"}


def test_run(tmp_path):
    folder = make_bank(tmp_path / "bank")
    first = _call("run", "--project", folder)
    assert first.exit_code == 0
    assert "20 received, 19 accepted, 1 quarantined" in first.stdout
    assert "Quarantined of payments: 1 HR-DATA-004 amount: " in first.stdout
    read = re.search(r"headrace query '(.+)'", first.stdout)[1]
    assert "HR-DATA-004" in _json("query", "--project", folder, read)[0]["reasons"][0]
    assert "Quarantined" not in _call("run", "--project", folder).stdout, "only what this run has put there"
    again = _json("run", "--project", folder)
    assert (again["ok"], again["changed"]) == (True, False)
    assert {tuple(step["why"]) for step in again["steps"]} == {("nothing changed",)}
    (folder / "data" / "payments-9.csv").write_text("payment_id\n1\n")
    failed = _call("run", "--project", folder)
    assert failed.exit_code == 2
    assert "ingest:payments" in failed.stdout
    assert "HR-DATA-101" in failed.stderr
    told = _json("run", "--project", folder, exit_code=2)
    assert told["faults"][0]["code"] == "HR-DATA-101"
    assert {step["action"] for step in told["report"]["steps"]} == {"failed", "kept", "skipped"}


def test_status(bank):
    told = _call("status", "--project", bank).stdout
    assert re.search(r"payments +stream +20 +19 +1 +19 +1 ", told)
    found = _json("status", "--project", bank)
    assert {one["name"]: one["quarantined"] for one in found["tables"]}["payments"] == 1
    assert re.fullmatch(r"[-\d]{10}T[:\d]{8}\+00:00", found["runs"][0]["started"]), "to the second"


MERGED = """
import headrace as hr

class Plan(hr.Contract):
    \"\"\"A plan.\"\"\"
    id: int = hr.key()
    name: str
    changed: int

plans = hr.Table("plans", Plan, source=hr.Database("sqlite:///plans.db", table="plans", cursor="changed"))
rates = hr.Table("rates", Plan, source=hr.Database("sqlite:///plans.db", table="plans"))
project = hr.Project("merged", sources=[plans, rates])
"""


def test_what_was_received_is_what_was_accepted_and_quarantined_where_rows_take_the_place_of_others(tmp_path):
    (tmp_path / "project.py").write_text(MERGED)
    (tmp_path / "headrace.toml").write_text("")
    with closing(sqlite3.connect(tmp_path / "plans.db", isolation_level=None)) as plans:
        plans.execute("create table plans (id integer, name text, changed integer)")
        for changed in (1, 2, 3):
            plans.execute("delete from plans")
            rows = [(n, None if n == changed == 3 else f"p{changed}", changed) for n in range(5)]
            plans.executemany("insert into plans values (?, ?, ?)", rows)
            assert _call("run", "--project", tmp_path).exit_code == 0
    said = _call("plan", "--project", tmp_path).stdout
    assert "What is new in plans (sqlite:///plans.db), rates (sqlite:///plans.db) is asked by the run alone." in said
    told = _call("status", "--project", tmp_path).stdout
    assert "In all 20 received = 18 accepted + 2 quarantined" in told
    found = {one["name"]: one for one in _json("status", "--project", tmp_path)["tables"]}
    counts = {
        name: [one[each] for each in ("received", "accepted", "quarantined", "rows")] for name, one in found.items()
    }
    assert counts == {"plans": [15, 14, 1, 5], "rates": [5, 4, 1, 5]}, "the last good row of a key stays"


def test_query_as_a_table(bank):
    result = _call("query", "--project", bank, "select payment_id, amount from payments order by 1", "--limit", 3)
    assert result.exit_code == 0
    assert "19 rows; the first 3 are shown" in result.stdout
    assert "p0" in result.stdout


def test_query_in_other_forms(bank, tmp_path):
    sql = "select customer_id, count(*) as n, max(at) as newest from payments group by all order by all"
    expected = [(0, 6), (1, 7), (2, 6)]
    rows = _json("query", "--project", bank, sql)
    assert [(row["customer_id"], row["n"]) for row in rows] == expected
    text = _call("query", "--project", bank, sql, "--format", "csv").stdout
    assert [(int(row["customer_id"]), int(row["n"])) for row in csv.DictReader(io.StringIO(text))] == expected
    out = tmp_path / "out.parquet"
    result = _call("query", "--project", bank, sql, "--output", out)
    assert result.exit_code == 0, result.output
    assert list(zip(*pq.read_table(out).select(["customer_id", "n"]).to_pydict().values(), strict=True)) == expected
    assert _call("query", "--project", bank, sql, "--output", tmp_path / "out.csv", "--limit", 1).exit_code == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_query_as_json_is_what_json_would_be(bank, rows):
    sql = f"select payment_id, [amount, null] as two, {{'at': at}} as inner, 'a\nb' as text from payments limit {rows}"
    said = _call("query", "--project", bank, sql, "--json").stdout
    assert said == json.dumps(json.loads(said), indent=2) + "\n"
    assert len(json.loads(said)) == rows


def test_query_as_json_is_json_whatever_the_values(bank):
    sql = """select 'nan'::double as n, [1.5, '-inf'::double] as l, sum(range) as whole, 2::hugeint ** 70 as large,
        1.50::decimal(9, 2) as exact, 'infinity'::timestamptz as until, date '9999-12-31' + 1 as day,
        {'at': '-infinity'::timestamp} as inner, '0044-03-15 (BC)'::date as ides from range(4)"""
    (row,) = json.loads(_call("query", "--project", bank, sql, "--json").stdout, parse_constant=pytest.fail)
    assert row == {
        "n": None,
        "l": [1.5, None],
        "whole": 6,
        "large": 2.0**70,
        "exact": "1.50",
        "until": "infinity",
        "day": "10000-01-01",
        "inner": {"at": "-infinity"},
        "ides": "0044-03-15 (BC)",
    }
    (wide,) = _json("query", "--project", bank, "select sum(range) * 10000000000000000000 as s from range(4)")
    assert wide == {"s": "60000000000000000000"}
    told = _call("query", "--project", bank, sql)
    assert (told.exit_code, "infinity" in told.stdout, "10000-01-01" in told.stdout) == (0, True, True)
    assert "0044-03-15 (BC)" in _call("query", "--project", bank, sql, "--format", "csv").stdout


def test_no_value_is_lost_among_columns_of_one_name(bank, tmp_path):
    sql = 'select 1 as a, 2 as a, 3 as "A", 4 as a_1, 5 as b'
    (row,) = _json("query", "--project", bank, sql)
    assert row == {"a": 1, "a_2": 2, "A_3": 3, "a_1": 4, "b": 5}
    told = _call("query", "--project", bank, sql).stdout.split()
    assert told[:5] == [*row]
    assert list(map(int, told[6:11])) == [1, 2, 3, 4, 5]
    lines = _call("query", "--project", bank, sql, "--format", "csv").stdout.splitlines()
    assert lines == [",".join(row), "1,2,3,4,5"]
    assert _call("query", "--project", bank, sql, "--output", tmp_path / "out.parquet").exit_code == 0
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [row]


def test_nested_values_are_json_in_csv_as_a_source_has_them(bank):
    sql = "select [1, null] as l, {'at': date '2026-01-01', 'n': 'nan'::double} as s, true as b, '\\xAB'::blob as x"
    text = _call("query", "--project", bank, sql, "--format", "csv").stdout
    (row,) = csv.DictReader(io.StringIO(text))
    assert row == {"l": "[1, null]", "s": '{"at": "2026-01-01", "n": null}', "b": "true", "x": "ab"}
    assert '[1, null]   {"at": "2026-01-01"' in _call("query", "--project", bank, sql).stdout


def test_limits_end_a_query_early(bank):
    endless = "select range from range(9000000000000)"
    assert len(_json("query", "--project", bank, endless, "--limit", 3)) == 3
    said = _call("query", "--project", bank, endless, "--limit", 20_000, "--format", "csv").stdout
    assert said.splitlines()[-1] == "19999"


def test_a_query_that_fails_half_way_leaves_no_file(bank, tmp_path):
    late = "select case when range = 900000 then cast('x' || range as int) else range end from range(1000000)"
    result = _call("query", "--project", bank, late, "--output", tmp_path / "out.csv")
    assert result.exit_code == 2
    assert "HR-LAKE-006" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["select * from paymets"], "did you mean 'payments'"),
        (["selec 1"], "HR-LAKE-006"),
        (["drop table payments"], "HR-LAKE-005"),
        (["select * from read_csv('/etc/passwd')"], "HR-LAKE"),
        (["select 1", "--format", "parquet"], "--output FILE"),
        (["select 1", "--output", "x.xlsx"], "--format csv, json or parquet"),
        (["select 1", "--limit", "0"], "--limit"),
        (["select 1", "--output", "nowhere/at/all.csv"], "HR-CLI-002"),
    ],
)
def test_queries_that_are_refused(bank, args, said):
    result = _call("query", "--project", bank, *args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_outside_of_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("check", "plan", "run", "train", "status"):
        result = _call(name)
        assert result.exit_code == 2
        assert "HR-PROJECT-001" in result.stderr


def test_the_nearest_project_upwards_is_taken(bank, monkeypatch):
    monkeypatch.chdir(bank / "data")
    assert _json("check")["ok"]


def test_a_fault_of_ours_is_one_line_and_a_file(bank, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("headrace.run.check", broken)
    result = _call("check", "--project", bank)
    assert result.exit_code == 70
    assert len(result.stderr.splitlines()) == 1
    assert "this is a fault of Headrace" in result.stderr
    path = re.search(r"in (\S+);", result.stderr)[1]
    assert path.startswith(str(bank / ".headrace"))
    assert "ZeroDivisionError: a bug" in Path(path).read_text()
    assert _json("check", "--project", bank, exit_code=70)["faults"][0]["code"] == "HR-INTERNAL"


def test_an_interruption_says_how_to_go_on(bank, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("headrace.run.status", interrupted)
    result = _call("status", "--project", bank)
    assert result.exit_code == 130
    assert "goes on where it stopped" in result.stderr


@pytest.mark.filterwarnings("ignore")
def test_train_and_a_gate_that_fails(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL, (1, 2))
    assert "HR-RUN-006" in _call("train", "--project", folder).stderr
    assert _call("run", "--project", folder).exit_code == 0
    assert "Nothing was compared: no decision is on record" in _call("parity", "--project", folder).stdout
    result = _call("train", "--project", folder)
    assert result.exit_code == 0, result.output
    assert "model:score: not trained yet" in result.stderr, "as plan foretells it"
    assert "score version 1" in result.stdout
    assert "logistic_regression" in result.stdout
    assert "learned from " in result.stdout
    assert " label not matured" in result.stdout
    assert "nothing changed; version 1 stands" in _call("train", "--project", folder).stdout
    assert _json("train", "score", "--project", folder, "--again")["models"][0]["why"] == ["asked to"]
    edit(folder, 'at_least("roc_auc", 0.1)', 'at_least("roc_auc", 1.1)')
    failed = _call("train", "--project", folder)
    assert failed.exit_code == 1
    assert "HR-RUN-007" in failed.stderr
    told = _json("train", "--project", folder, "--again", exit_code=1)
    assert not told["ok"]
    assert told["models"][0]["report"]["passed"] is False
    status = _json("status", "--project", folder)
    assert status["models"][0]["champion"] == 1
    assert [fault["code"] for fault in status["faults"]] == ["HR-LEARN-022"]
    for verb in ("status", "plan"):
        assert "HR-LEARN-022" in _call(verb, "--project", folder).stderr
    refused = _json("models", "promote", "score", 2, "--project", folder, exit_code=1)
    assert refused["faults"][0]["code"] == "HR-LEARN-015"
    words = ("models", "promote", "score", 2, "--reason", "a pilot", "--project", folder)
    promoted = _json(*words)
    assert (promoted["version"], promoted["replaced"], promoted["changed"]) == (2, 1, True)
    assert promoted["promotion"]["reason"] == "a pilot"
    assert "version 2 is the champion already" in _call(*words).stdout
    edit(folder, 'hr.time_split("25d"', 'hr.time_split("250d"')
    told = _json("train", "--project", folder, exit_code=1)
    assert [fault["code"] for fault in told["faults"]] == ["HR-RUN-007", "HR-LEARN-021", "HR-LEARN-022"]


def test_parity_says_what_could_not_be_compared(capsys):
    print_parity(ParityReport(skipped={"served by other declarations of the features": 3}))
    said = capsys.readouterr().out
    assert "Not compared: 3 served by other declarations of the features" in said
    assert "Nothing was compared" in said
    assert "no decision is on record" not in said
    print_parity(ParityReport(rows=[("now.amount", 2, 2, 0)], skipped={"of a model that is gone": 1}))
    said = capsys.readouterr().out
    assert "Not compared: 1 of a model that is gone" in said
    assert "2 compared, 0 differing" in said
