"""``headrace lineage``: both ways, each form, and what it says of bad calls."""

import json
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from headrace import clock
from headrace.cli.app import main
from headrace.run import Journal, load_project, run
from tests.run.bank import make_bank


@pytest.fixture
def bank(tmp_path):
    return make_bank(tmp_path / "bank")


def _call(bank, *args):
    return CliRunner().invoke(main, ["lineage", *[str(one) for one in args], "--project", str(bank)])


def _json(bank, *args, exit_code=0):
    result = _call(bank, *args, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def test_a_column_both_ways(bank):
    told = _json(bank, "daily.total")
    assert {"payments.amount", "data/payments*"} <= set(told["upstream"])
    assert "weekly.total" in told["downstream"]
    (edge,) = [one for one in told["edges"] if one["target"] == "column:daily.total" and one["kind"] == "direct"]
    assert (edge["how"], edge["expression"]) == ("aggregate", "sum(amount)")
    text = _call(bank, "daily.total").stdout
    assert text.startswith("daily.total made of\ndaily.total = sum(amount)")
    assert "daily.total goes into" in text
    assert "\x1b" not in text


def test_one_way(bank):
    assert "goes into" not in _call(bank, "daily.total", "--up").stdout
    assert "made of" not in _call(bank, "daily.total", "--down").stdout
    assert "downstream" not in _json(bank, "daily.total", "--up")
    assert "payments.at" not in _json(bank, "daily.total", "--up", "--direct")["upstream"]


def test_all_names(bank):
    text = _call(bank).stdout
    assert "payments.amount" in text
    assert "sum(amount)" in text


def test_a_picture(bank, tmp_path):
    told = _json(bank, "payments", "--picture", tmp_path / "it.svg")
    assert told["picture"] == "it.svg"
    assert ElementTree.parse(tmp_path / "it.svg").getroot().tag.endswith("svg")


def test_a_picture_is_svg_and_no_other(bank, tmp_path):
    told = _json(bank, "payments", "--picture", tmp_path / "it.png", exit_code=2)
    (fault,) = told["faults"]
    assert fault["code"] == "HR-CLI-001"
    assert "--picture it.svg" in fault["cure"]
    assert not list(tmp_path.glob("it.*"))


def test_events_are_one_a_line(bank, tmp_path):
    told = _json(bank, "--openlineage", tmp_path / "it.jsonl")
    events = [json.loads(line) for line in (tmp_path / "it.jsonl").read_text().splitlines()]
    assert len(events) == told["events"]
    assert {one["eventType"] for one in events} == {"OTHER"}
    assert "query.daily" in {one["job"]["name"] for one in events}


def test_events_on_standard_output(bank, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = _call(bank, "--openlineage", "-")
    assert result.exit_code == 0
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert "query.daily" in {one["job"]["name"] for one in events}
    assert _call(bank, "--openlineage", "-", "--json").exit_code == 2
    assert not list(tmp_path.glob("-*"))


def test_events_after_a_run_are_of_its_end(bank, tmp_path):
    run(load_project(bank))
    _json(bank, "--openlineage", tmp_path / "it.jsonl")
    event = json.loads((tmp_path / "it.jsonl").read_text().splitlines()[0])
    with Journal(bank / ".headrace" / "run.db") as journal:
        assert event["eventTime"] == clock.from_us(journal.runs(1)[0].finished).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert event["eventType"] == "COMPLETE"


def test_an_unknown_name(bank):
    (fault,) = _json(bank, "payments.amuont", exit_code=2)["faults"]
    assert (fault["code"], fault["cure"]) == ("HR-LINEAGE-001", "did you mean 'payments.amount'?")
    assert _call(bank, "zzzzzz").exit_code == 2


def test_a_file_that_cannot_be_written(bank, tmp_path):
    told = _json(bank, "payments", "--picture", tmp_path / "none" / "it.svg", exit_code=2)
    assert told["faults"][0]["code"] == "HR-CLI-002"
    assert "--output" not in told["faults"][0]["cure"]
