"""The picture of the semantics says what the text says: same events, same edges, same members."""

from __future__ import annotations

import importlib.util
import re
import sys
from types import ModuleType

import pytest

from tests.docs.blocks import ROOT

_DOCS = ROOT / "docs"
_CODE = re.compile(r"[a-g](?: [a-g])*")


@pytest.fixture(scope="module")
def picture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("windows_picture", _DOCS / "pictures" / "windows.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _rows(columns: int) -> list[list[str]]:
    lines = (_DOCS / "semantics.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in cells if len(row) == columns]


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def test_file_is_what_the_script_draws(picture: ModuleType) -> None:
    assert (_DOCS / "pictures" / "windows.svg").read_text(encoding="utf-8") == picture.draw()


def test_events_are_those_of_the_text(picture: ModuleType) -> None:
    told = {row[0]: tuple(row[1:4]) for row in _rows(5) if row[0] in "abcdefg"}
    drawn = {event.name: (_clock(event.at), _clock(event.known), event.amount) for event in picture.EVENTS}
    assert drawn == told


def test_windows_are_those_of_the_text(picture: ModuleType) -> None:
    told = [(row[1][:14], row[2].replace(" ", "")) for row in _rows(6) if _CODE.fullmatch(row[2])]
    drawn = [(f"[{_clock(bar.old)}, {_clock(bar.new)})", bar.inside) for bar in picture.BARS]
    assert drawn == told
