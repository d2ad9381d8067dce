"""``headrace models``: tables for people, one JSON document for programs, exit codes, faults."""

import json
import shutil

import pytest
from click.testing import CliRunner

from headrace.cli.app import main
from headrace.run import load_project, registry, run, train
from tests.run.bank import WITH_MODEL, edit, make_bank

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two versions; the second failed a gate."""
    folder = make_bank(tmp_path_factory.mktemp("models") / "bank", WITH_MODEL.replace("0.1)", "0.0)"), (1, 2))
    run(load_project(folder))
    train(load_project(folder))
    edit(folder, 'hr.at_least("roc_auc", 0.0)', 'hr.at_least("roc_auc", 1.1)')
    edit(folder, "C=1.0", "C=0.5")
    train(load_project(folder))
    return folder


@pytest.fixture
def bank(made, tmp_path):
    return shutil.copytree(made, tmp_path / "bank")


def said(bank, *words, exit_code=0):
    result = CliRunner().invoke(main, ["models", *map(str, words), "--project", str(bank)])
    assert result.exit_code == exit_code, result.output
    return result


def told(bank, *words, exit_code=0):
    document = json.loads(said(bank, *words, "--json", exit_code=exit_code).stdout)
    assert document["ok"] is (exit_code == 0)
    return document


def row(text, begin):
    return next(" ".join(line.split()) for line in text.splitlines() if " ".join(line.split()).startswith(begin))


def test_list(bank):
    text = said(bank, "list").stdout
    assert "champion" in row(text, "score 1")
    assert "all passed" in row(text, "score 1")
    assert "roc_auc 0." in row(text, "score 1")
    assert "payments " in row(text, "score 1")
    assert row(text, "score 1").endswith("B")
    assert "1 of 2 passed" in row(text, "score 2")
    document = told(bank, "list", "score")
    assert [(one["number"], one["aliases"], one["passed"]) for one in document["versions"]] == [
        (1, ["champion"], True),
        (2, [], False),
    ]
    assert document["versions"][0]["bytes"] > 0
    assert told(bank, "list", "scor", exit_code=2)["faults"][0]["cure"] == "did you mean 'score'?"


def test_an_empty_registry_and_unknown_versions(tmp_path):
    folder = make_bank(tmp_path / "bank", WITH_MODEL)
    assert "no versions yet" in said(folder, "list").stdout
    assert not (folder / ".headrace").exists()
    fault = told(folder, "show", "score", exit_code=2)["faults"][0]
    assert (fault["code"], fault["cure"]) == ("HR-LEARN-014", "headrace train, which registers the first")
    assert told(folder, "compare", "score", exit_code=2)["faults"][0]["code"] == "HR-LEARN-014"


def test_show(bank):
    text = said(bank, "show", "score").stdout
    assert text.startswith("score version 1 (champion)")
    for words in (
        "training set",
        "code.zip",
        "passed  roc_auc is",
        "Promotions",
        "intact   model/model.onnx",
        "train ",
    ):
        assert words in text
    assert row(text, "prior_rate").startswith("prior_rate 0.5000")
    failed = said(bank, "show", "score", "latest").stdout
    assert "FAILED  roc_auc is" in failed
    assert "version 1, the champion it was held against" in failed
    document = told(bank, "show", "score", 1)
    assert document["origin"]["data"]["payments"] >= 0
    assert set(document["state"].values()) == {"intact"}
    kept = registry(load_project(bank))
    kept.path(kept.version("score", 1)).write_bytes(b"x")
    assert "altered  model/model.onnx" in said(bank, "show", "score", 1, exit_code=1).stdout
    assert told(bank, "show", "score", 1, exit_code=1)["state"]["model/model.onnx"] == "altered"


def test_compare(bank):
    text = said(bank, "compare", "score").stdout
    assert row(text, "metric").startswith("metric 1 (champion) 2 difference")
    first = registry(load_project(bank)).version("score", 1).metrics["log_loss"]
    assert f"{first:.4f}" in row(text, "log_loss")
    assert row(text, "log_loss").endswith(("better", "worse", ", by chance perhaps"))
    assert row(text, "declaration")
    assert row(text, "code code.zip")
    document = told(bank, "compare", "score", 2, 1)
    assert (document["before"], document["after"]) == (2, 1)
    for one in document["metrics"]:
        assert one["difference"] == one["after"] - one["before"]
    assert "They came from the same." in said(bank, "compare", "score", 1, 1).stdout
    assert said(bank, "compare", exit_code=2)


def test_promote_and_restore(bank, tmp_path):
    refused = told(bank, "promote", "score", 2, exit_code=1)
    assert refused["faults"][0]["code"] == "HR-LEARN-015"
    assert told(bank, "promote", "score", "latest", "--reason", "a pilot")["replaced"] == 1
    assert told(bank, "restore", "score", 2, "--reason", "it is")["changed"] is False
    result = said(bank, "restore", "score", 1, "--reason", "the pilot is over")
    assert "version 1 is the champion now, instead of version 2" in result.stdout
    assert "HR-LEARN-022" in result.stderr, "the declaration is another one by now"
    shown = said(bank, "show", "score").stdout
    assert "the pilot is over" in shown
    to = tmp_path / "out"
    assert "train_again.py" in said(bank, "restore", "score", 1, "--to", to).stdout
    assert (to / "model.onnx").read_bytes() == registry(load_project(bank)).path(
        registry(load_project(bank)).version("score", 1)
    ).read_bytes()
    again = told(bank, "restore", "score", 1, "--to", to, exit_code=2)
    assert again["faults"][0]["code"] == "HR-LEARN-034"


def test_clean_and_remove(bank):
    assert "stays: is the champion" in said(bank, "clean", "--older-than", "1d", "--dry-run").stdout
    assert said(bank, "clean", "--older-than", "soon", exit_code=2)
    assert told(bank, "remove", "score", 1, "--yes", exit_code=2)["faults"][0]["code"] == "HR-LEARN-035"
    assert said(bank, "remove", "score", 2, exit_code=2), "nobody is there to be asked"
    assert told(bank, "remove", "score", 2, "--yes")["removed"] == [{"model": "score", "version": 2}]
    assert [one["number"] for one in told(bank, "list")["versions"]] == [1]


def test_register_and_a_server_that_is_gone(bank):
    assert "Nothing waits." in said(bank, "register").stdout
    assert told(bank, "register")["registered"] == []
    (bank / "headrace.toml").write_text('[models]\ntracking = "http://127.0.0.1:9"\n')
    for words in (("list",), ("show", "score"), ("promote", "score", 1), ("clean",)):
        (fault,) = told(bank, *words, exit_code=2)["faults"]
        assert fault["code"] == "HR-LEARN-030"
        assert "http://127.0.0.1:9" in fault["found"]
    for word in ("status", "plan"):
        result = CliRunner().invoke(main, [word, "--project", str(bank)])
        assert result.exit_code == 0, result.stderr
        assert "warning HR-LEARN-030" in result.stderr
    result = CliRunner().invoke(main, ["train", "--project", str(bank)])
    assert result.exit_code == 2
    assert "HR-LEARN-030" in result.stderr
