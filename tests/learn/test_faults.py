"""Every fault of this room, and of a declared model, tells the edit or the command that cures it."""

import ast
from pathlib import Path

import numpy as np
import pytest

import headrace as hr
from headrace.learn import Registry
from headrace.learn.metrics import Context, evaluate

ROOT = Path(__file__).resolve().parents[2] / "src" / "headrace"
FILES = [*sorted((ROOT / "learn").glob("*.py")), ROOT / "declare" / "model.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_fault_is_without_a_cure(path):
    calls = [one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call)]
    faults = [one for one in calls if isinstance(one.func, ast.Name) and one.func.id == "Fault"]
    assert [f"line {one.lineno}" for one in faults if len(one.args) < 5] == []


def test_where_there_is_no_name_that_is_near_something_else_is_told(tmp_path):
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-014.*Cure: headrace train"):
        Registry(tmp_path).version("fraud_score", 1)
    y, score = np.array([0, 1]), np.array([0.1, 0.9])
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-012 .*Cure: write by= with the key"):
        evaluate(hr.card_precision(5, by="card_id"), y, score, Context(np.zeros(2, np.int64)))
