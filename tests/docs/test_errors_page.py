"""The page of errors names every code that the package can raise, each once, and no other."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

from headrace.contracts import problems
from tests.docs.blocks import ROOT

_SOURCES = sorted((ROOT / "src").rglob("*.py"))
_CODE = re.compile(r"HR-[A-Z]+-\d{3}")
_ROW = re.compile(rf"^\| `({_CODE.pattern})` \| (\S.*?) \| (\S.*) \|$", re.MULTILINE)
_MADE = "contracts/problems.py"
"""The one place that makes codes of numbers: those of rows in quarantine."""


def _in_source() -> set[str]:
    """Codes that stand as values; what a docstring mentions is an example."""
    found = {one for one in vars(problems).values() if isinstance(one, str) and _CODE.fullmatch(one)}
    for path in _SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value):
                found.add(node.value)
    return found


def _on_page() -> Counter[str]:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    return Counter(code for code, _, _ in _ROW.findall(text))


def test_every_code_is_on_the_page_and_every_code_of_the_page_exists() -> None:
    page, source = set(_on_page()), _in_source()
    assert not source - page, f"add to docs/errors.md, with a meaning and a cure: {sorted(source - page)}"
    assert not page - source, f"no longer raised, take out of docs/errors.md: {sorted(page - source)}"


def test_every_code_is_explained_once() -> None:
    assert [code for code, times in _on_page().items() if times > 1] == []


_CURES = {"Fault": 4, "Refused": 2}
"""Where the cure stands among the arguments of what tells a mistake."""


def _without_cure(path: Path) -> list[int]:
    """Lines that tell a mistake with fewer arguments than a cure needs, or with an empty one."""
    lines = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CURES):
            continue
        whole = len(node.args) < 2 or any(isinstance(one, ast.Starred) for one in node.args)  # made elsewhere
        cure = next(iter(node.args[_CURES[node.func.id] :]), None)
        if not whole and (cure is None or (isinstance(cure, ast.Constant) and not cure.value)):
            lines.append(node.lineno)
    return lines


def test_every_fault_has_a_cure() -> None:
    without = [f"{path.name}:{line}" for path in _SOURCES for line in _without_cure(path)]
    assert not without


def test_codes_are_written_out_so_that_a_reader_can_search_for_them() -> None:
    made = [
        path.as_posix()
        for path in _SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr)
        and isinstance(node.values[0], ast.Constant)
        and str(node.values[0].value).startswith("HR-")
    ]
    assert all(path.endswith(_MADE) for path in made), made
