"""``headrace lake``: each subcommand for people and as JSON, with its example, and what it says of bad calls."""

import json
import os

import deltalake
import pyarrow as pa
import pytest
from click.testing import CliRunner

from headrace.cli.app import main
from headrace.cli.commands.lake import command
from headrace.run import load_project, run
from tests.run.bank import add_month, make_bank


@pytest.fixture
def bank(tmp_path):
    folder = make_bank(tmp_path / "bank")
    run(load_project(folder))
    return folder


def _call(bank, *args):
    return CliRunner().invoke(main, ["lake", *[str(one) for one in args], "--project", str(bank)])


def _json(bank, *args, exit_code=0):
    result = _call(bank, *args, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", command.commands)
def test_each_subcommand_has_an_example(name, tmp_path):
    told = CliRunner().invoke(main, ["lake", name, "--help"])
    assert told.exit_code == 0
    assert f"Example:  headrace lake {name}" in told.stdout
    assert "--json" in told.stdout


def test_list(bank):
    rows = {one["table"]: one for one in _json(bank, "list")["tables"]}
    assert set(rows) >= {"payments", "quarantine_payments", "loads_payments", "daily"}
    assert (rows["payments"]["rows"], rows["payments"]["files"]) == (19, 1)
    assert rows["payments"]["bytes"] > 0
    assert "quarantine_payments" in _call(bank, "list").stdout


def test_a_lake_without_tables(tmp_path):
    assert "no tables yet" in _call(make_bank(tmp_path / "new"), "list").stdout


def test_history(bank):
    versions = _json(bank, "history", "payments")["versions"]
    assert [one["operation"] for one in versions] == ["append", "append", "create table"]
    assert versions[0]["rows"] == 19
    assert all(one["readable"] for one in versions)
    assert len(_json(bank, "history", "payments", "--last", 1)["versions"]) == 1
    assert "append" in _call(bank, "history", "payments").stdout
    assert _json(bank, "history", "paymnts", exit_code=2)["faults"][0]["code"] == "HR-LAKE-001"


def test_restore(bank):
    before = load_project(bank).lake().version("payments")
    add_month(bank, 2)
    run(load_project(bank))
    assert "data/payments-2.csv stays out" in _call(bank, "restore", "payments", "--version", before).stdout
    told = _json(bank, "restore", "payments", "--at", "2999-01-01")
    assert (told["ok"], told["rows"], told["removed"]) == (True, 19, [])
    assert "is loaded by the next run" in _call(bank, "restore", "payments", "--version", 0, "--reload").stdout


def test_restore_asks_for_a_version_or_a_time(bank):
    assert "say which: --version N, or --at TIME" in _call(bank, "restore", "payments").stderr
    assert _call(bank, "restore", "payments", "--at", "noon").exit_code == 2
    assert "is no time such as" in _call(bank, "restore", "payments", "--at", "noon").stderr
    assert _json(bank, "restore", "payments", "--version", 77, exit_code=2)["faults"][0]["code"] == "HR-LAKE-007"
    assert _json(bank, "restore", "daily", "--version", 0, exit_code=2)["faults"][0]["code"] == "HR-LAKE-014"


def test_query_attach(bank, tmp_path):
    def query(*args):
        return CliRunner().invoke(main, ["query", "--project", str(bank), *[str(one) for one in args]])

    told = query("--attach")
    assert "views in" in told.stdout
    assert (bank / ".headrace" / "lake.duckdb").exists()
    written = json.loads(query("--json", "--attach", tmp_path / "x.duckdb").stdout)
    assert (written["ok"], written["file"]) == (True, str(tmp_path / "x.duckdb"))
    assert query("select 1", "--attach", tmp_path / "x.duckdb").exit_code == 2
    assert "give one SELECT, or --attach" in query().stderr


def test_compact(bank):
    add_month(bank, 2)
    run(load_project(bank))
    before = load_project(bank).lake().read("payments")
    rows = {one["table"]: one for one in _json(bank, "compact")["tables"]}
    assert (rows["payments"]["files_before"], rows["payments"]["files_after"], rows["payments"]["rows"]) == (2, 1, 38)
    assert load_project(bank).lake().read("payments").equals(before)
    assert not run(load_project(bank)).changed, "nothing is made again for it"
    assert _json(bank, "compact", "payments")["tables"][0]["files_before"] == 0
    assert "payments" in _call(bank, "compact", "payments").stdout
    assert _json(bank, "compact", "paymnts", exit_code=2)["faults"][0]["code"] == "HR-LAKE-001"


def test_vacuum(bank):
    assert "Nothing would be removed." in _call(bank, "vacuum", "--dry-run").stdout
    assert {one["files"] for one in _json(bank, "vacuum", "--keep", "1h")["tables"]} == {0}
    assert "is less than 1h" in _call(bank, "vacuum", "--keep", "5m").stderr
    assert _call(bank, "vacuum", "--keep", "long").exit_code == 2
    lake = load_project(bank).lake()
    path = lake.root / "payments" / "part-left.parquet"
    path.write_bytes(b"half")
    os.utime(path, (1_000_000, 1_000_000))
    assert "payments" in _call(bank, "vacuum").stdout
    assert not path.exists()


def test_a_table_of_others_is_told_and_keeps_nothing_from_being_done(bank):
    lake = load_project(bank).lake()
    path = bank / ".headrace" / "lake"
    cut = pa.table({"n": [1], "d": ["x"]})
    deltalake.write_deltalake(str(path / "cut"), cut, partition_by=["d"])
    deltalake.write_deltalake(str(path / "odd"), cut)
    log = path / "odd" / "_delta_log" / f"{0:020}.json"
    newer = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["newest"], "writerFeatures": ["newest"]}
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    told = [one | {"protocol": newer} if "protocol" in one else one for one in lines]
    log.write_text("".join(f"{json.dumps(one)}\n" for one in told))
    (path / "empty" / "_delta_log").mkdir(parents=True)
    for args in (["list"], ["compact"], ["vacuum", "--keep", "1h"]):
        found = _json(bank, *args)
        assert "payments" in {one["table"] for one in found["tables"]}
        told = [("HR-LAKE-026", "warning"), ("HR-LAKE-001", "warning"), ("HR-LAKE-026", "warning")]
        assert [(one["code"], one["severity"]) for one in found["faults"]] == told  # cut, empty, odd
        assert found["faults"][2]["found"].count("\\n") == 0
        assert "HR-LAKE-026" in _call(bank, *args).stderr
    assert _json(bank, "compact", "odd", exit_code=2)["faults"][0]["found"].startswith("odd, of which is told: ")
    assert "odd" not in lake.readable()
    assert "odd" in lake.tables()


def test_drop(bank):
    load_project(bank).lake().append("old", pa.table({"n": [1]}))
    asked = _call(bank, "drop", "old")
    assert (asked.exit_code, "say --yes" in asked.stderr) == (2, True)
    assert _json(bank, "drop", "old", "--yes") == {"ok": True, "dropped": ["old"]}
    assert _json(bank, "drop", "payments", "--yes", exit_code=2)["faults"][0]["code"] == "HR-LAKE-029"
    assert _json(bank, "drop", "old", "--yes", exit_code=2)["faults"][0]["code"] == "HR-LAKE-001"
