"""``headrace contract``: what is printed, what is written, and what is refused."""

import json

import pytest
import yaml
from click.testing import CliRunner

from headrace.cli.app import main

DOCUMENT = """apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.2.0
status: active
schema:
- name: Orders
  properties:
  - {name: id, logicalType: integer, primaryKey: true}
  - {name: note, logicalType: string, quality: [{type: text}]}
"""
PROJECT = """import headrace as hr
import part
project = hr.Project("shop", sources=part.sources, documents=part.documents)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "headrace.toml").touch()
    (tmp_path / "shop" / "project.py").write_text(PROJECT)
    (tmp_path / "orders.odcs.yaml").write_text(DOCUMENT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _call(*args, exit_code=0):
    result = CliRunner().invoke(main, ["contract", *args])
    assert result.exit_code == exit_code, result.output
    return result


def test_import_then_export(folder):
    told = _call("import", "orders.odcs.yaml", "--output", "shop/part.py")
    assert "0 streams and 1 table" in told.stdout
    assert "HR-ODCS-009" in told.stderr
    assert (folder / "shop" / "orders.odcs.yaml").read_text() == DOCUMENT
    assert yaml.safe_load(_call("export", "--project", "shop").stdout) == yaml.safe_load(DOCUMENT)
    written = _call("export", "orders", "--project", "shop", "--output", "again.yaml", "--json")
    assert json.loads(written.stdout) == {"ok": True, "documents": 1, "output": "again.yaml"}
    assert yaml.safe_load((folder / "again.yaml").read_text()) == yaml.safe_load(DOCUMENT)
    assert json.loads(_call("export", "--project", "shop", "--json").stdout)["documents"] == [yaml.safe_load(DOCUMENT)]
    assert {one.name for one in folder.iterdir()} == {"shop", "orders.odcs.yaml", "again.yaml"}


def test_a_document_in_the_project_stays_where_it_is(folder):
    (folder / "shop" / "contracts").mkdir()
    (folder / "shop" / "contracts" / "o.yaml").write_text(DOCUMENT)
    told = json.loads(_call("import", "shop/contracts/o.yaml", "--output", "shop/part.py", "--json").stdout)
    assert told["tables"] == ["orders"]
    assert told["faults"][0]["place"] == "shop/contracts/o.yaml:10"
    assert 'documents = ["contracts/o.yaml"]' in (folder / "shop" / "part.py").read_text()
    assert not (folder / "shop" / "o.yaml").exists()
    assert yaml.safe_load(_call("export", "--project", "shop").stdout) == yaml.safe_load(DOCUMENT)


def test_python_is_printed_where_no_file_is_named(folder):
    printed = _call("import", "orders.odcs.yaml").stdout
    assert "class Orders(hr.Contract):" in printed
    assert json.loads(_call("import", "orders.odcs.yaml", "--json").stdout)["python"] == printed
    assert {one.name for one in (folder / "shop").iterdir()} == {"headrace.toml", "project.py"}


def test_nothing_is_written_over(folder):
    (folder / "shop" / "part.py").write_text("edited = True")
    assert "HR-ODCS-011" in _call("import", "orders.odcs.yaml", "--output", "shop/part.py", exit_code=2).stderr
    assert not (folder / "shop" / "orders.odcs.yaml").exists()
    (folder / "shop" / "orders.odcs.yaml").write_text("edited: true")
    assert "HR-ODCS-011" in _call("import", "orders.odcs.yaml", "--output", "shop/new.py", exit_code=2).stderr
    assert not (folder / "shop" / "new.py").exists()


def test_what_goes_wrong_is_told(folder):
    assert "HR-ODCS-001" in _call("import", "gone.yaml", exit_code=2).stderr
    assert "HR-CLI-002" in _call("import", "orders.odcs.yaml", "--output", "gone/part.py", exit_code=2).stderr
    _call("import", "orders.odcs.yaml", "--output", "shop/part.py")
    assert "did you mean 'orders'?" in _call("export", "oders", "--project", "shop", exit_code=2).stderr
    assert "HR-CLI-002" in _call("export", "--project", "shop", "--output", "gone/a.yaml", exit_code=2).stderr
    refused = _call("export", "oders", "--project", "shop", "--json", exit_code=2)
    assert json.loads(refused.stdout)["faults"][0]["code"] == "HR-ODCS-010"


@pytest.mark.parametrize("name", ["export", "import"])
def test_help_has_an_example(name):
    assert f"Example:  headrace contract {name} " in _call(name, "--help").stdout
