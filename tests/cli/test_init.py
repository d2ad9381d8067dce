"""init: a project one can work with at once, and names that are refused."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from headrace.cli.app import main
from headrace.run import check, load_project


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _call(*args):
    return CliRunner().invoke(main, ["init", *args])


def test_the_fraud_template_is_a_sound_project(here):
    result = _call("bank", "--template", "fraud")
    assert result.exit_code == 0, result.output
    loaded = load_project(here / "bank")
    assert loaded.project.name == "bank"
    assert check(loaded.project) == ()
    assert (here / "bank" / ".gitignore").read_text().startswith(".headrace/")
    assert "{{" not in "".join(path.read_text() for path in (here / "bank").rglob("*") if path.is_file())
    assert len((here / "bank" / "project.py").read_text().splitlines()) <= 130


def test_json(here):
    told = json.loads(_call("bank", "--json").stdout)
    assert told["ok"]
    assert set(told["files"]) == {".gitignore", "README.md", "headrace.toml", "project.py", "tests/test_project.py"}


@pytest.mark.parametrize("name", ["My Bank", "../up", "9lives", "a/b", "", ".", "bänk", "a" * 64])
def test_names_that_are_refused(here, name):
    result = _call(name)
    assert result.exit_code == 2
    assert "HR-INIT-001" in result.stderr
    assert list(here.iterdir()) == []


def test_a_better_name_is_offered(here):
    assert "name it 'my_bank'" in _call("My Bank").stderr


def test_what_is_there_is_not_touched(here):
    (here / "bank").mkdir()
    (here / "bank" / "mine.txt").write_text("mine")
    (here / "file").write_text("mine")
    for name in ("bank", "file"):
        result = _call(name)
        assert result.exit_code == 2
        assert "HR-INIT-002" in result.stderr
    assert (here / "bank" / "mine.txt").read_text() == "mine"
    (here / "empty").mkdir()
    assert _call("empty").exit_code == 0


def test_an_unknown_template(here):
    result = _call("bank", "--template", "frod")
    assert result.exit_code == 2
    assert "fraud" in result.stderr


def test_the_tests_of_a_made_project_pass(here):
    _call("bank")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(here / "bank" / "tests")]
    ran = subprocess.run(words, capture_output=True, text=True, cwd=here / "bank")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout
