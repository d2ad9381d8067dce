"""Every example of the standard, imported, executed as a project, checked and exported: the same document again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import headrace as hr
from headrace.contracts.odcs import exported, imported, read_document, yaml_text
from headrace.run import check, load_project
from tests.contracts.odcs.shop import SHOP, Sale, State
from tests.docs.blocks import ROOT

DATA = Path(os.environ.get("HEADRACE_DATA", ROOT.parent / "shared" / "data")) / "odcs"
EXAMPLES = sorted((DATA / "docs" / "examples").rglob("*.yaml"))
pytestmark = pytest.mark.skipif(not EXAMPLES, reason="the examples of the standard (shared/data/odcs) are not here")


@pytest.fixture(scope="module")
def valid():
    import jsonschema

    schema = json.loads((DATA / "schema" / "odcs-json-schema-v3.1.0.json").read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(schema)(schema).validate


def _project(folder: Path, path: Path):
    made = imported(read_document(path), path.name)
    (folder / path.name).write_bytes(path.read_bytes())
    (folder / "headrace.toml").write_text("")
    (folder / "part.py").write_text(made.python, encoding="utf-8")
    (folder / "project.py").write_text(
        "import headrace as hr\nimport part\n"
        "project = hr.Project('part', sources=part.sources, documents=part.documents)\n"
    )
    return load_project(folder)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name.split(".")[0])
def test_an_example_comes_back(path, tmp_path, valid):
    loaded = _project(tmp_path, path)
    assert [fault for fault in check(loaded.project) if fault.severity == "error"] == []
    (document,) = exported(loaded.project, loaded.folder)
    valid(document)
    original = path.read_text(encoding="utf-8")
    assert document == yaml.load(original, _Text)
    again = yaml_text([document])
    assert yaml.load(again, _Text) == yaml.load(original, _Text)
    assert yaml.safe_load(again) == yaml.safe_load(original)
    for name in list(loaded.project.tables)[:3]:
        valid(exported(loaded.project, loaded.folder, name)[0])


def test_what_declarations_say_is_valid(tmp_path, valid):
    (tmp_path / "shop.odcs.yaml").write_text(SHOP, encoding="utf-8")
    tables = [hr.Table(name, State, source="*", owner="crm") for name in ("orders", "no_columns", "states")]
    project = hr.Project("shop", sources=[hr.Stream("sales", Sale), *tables], documents=["shop.odcs.yaml"])
    changed, own = exported(project, tmp_path)
    assert [one["name"] for one in own["schema"]] == ["sales", "states"]
    for document in (changed, own, exported(project, tmp_path, "sales")[0]):
        valid(document)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name.split(".")[0])
def test_an_example_is_formatted_python(path, tmp_path):
    part = tmp_path / "part.py"
    part.write_text(imported(read_document(path), path.name).python, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    for words in (["format", "--check", "--diff"], ["check", "--select", "E,F,I,W,D300,UP"]):
        ran = subprocess.run(
            [*ruff, *words, "--isolated", "--line-length", "120", part], capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


class _Text(yaml.SafeLoader):
    """Dates are text, as JSON and its schemas have them."""


_Text.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))
