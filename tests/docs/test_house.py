"""The house rules that no linter knows: purposes, sizes, machine paths, and what an import may cost."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

SOURCES = sorted((ROOT / "src").rglob("*.py"))
HEAVY = ("numpy", "pyarrow", "duckdb", "sqlglot", "pandas", "mlflow", "numba", "deltalake", "sklearn", "rich")
IMPORT_LIMIT_S = 0.3
LONGEST = 500
_LEFT_OUT = {"_build", "__pycache__", "build", "dist", "coverage.xml"}
# Written in two parts, so that this file is not a finding of its own.
_MACHINE_PATH = re.compile(
    r"(?<![\w.}~-])/(?:" + "|".join(("wo" + "rk", "ro" + "ot", "op" + "t", "ho" + "me")) + r")/\w"
)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _committed() -> list[Path]:
    """Files that git has or would add; outside of a repository, all files but those of tools."""
    words = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, capture_output=True, text=True)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not _made(path.relative_to(ROOT).parts)]


def _made(parts: tuple[str, ...]) -> bool:
    return bool(_LEFT_OUT & set(parts)) or (parts[0].startswith(".") and parts[0] not in (".ci", ".gitignore"))


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_module_begins_with_its_purpose_and_is_one_thing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "begins without its purpose"
    assert len(text.splitlines()) <= LONGEST, "past 500 lines it is two things"


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_room_has_a_name_of_its_own(path: Path) -> None:
    assert not {"utils", "util", "common", "helpers", "misc"} & {part.removesuffix(".py") for part in path.parts}


def test_every_folder_of_the_package_is_a_room() -> None:
    without = {path.parent for path in SOURCES if not (path.parent / "__init__.py").exists()}
    assert not without, "folders without an __init__ that says their purpose"


def test_no_committed_file_names_a_place_on_a_machine() -> None:
    found = []
    for path in _committed():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{_name(path)}:{number}" for number, line in enumerate(lines, 1) if _MACHINE_PATH.search(line)]
    assert not found


def _import_headrace() -> tuple[float, list[str]]:
    code = (
        "import json, sys, time; start = time.process_time(); import headrace; took = time.process_time() - start;"
        f"print(json.dumps([took, sorted(set({HEAVY!r}) & set(sys.modules))]))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    took, loaded = json.loads(ran.stdout)
    return took, loaded


def test_import_loads_nothing_heavy() -> None:
    assert _import_headrace()[1] == []


def test_import_is_quick() -> None:
    # Seconds of the processor, the best of five: other tests run beside this one.
    assert min(_import_headrace()[0] for _ in range(5)) < IMPORT_LIMIT_S
