"""Which rows matter most: a planted slice is named, and nothing where the loss is even."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.learn import Registry, train
from headrace.learn.cases import Cases
from headrace.learn.worst import losses, worst
from tests.learn.worlds import fit_boosting, fit_logistic, model, world


def cases(**columns: Any) -> Cases:
    x = np.stack(list(columns.values()), axis=1).astype(np.float32)
    return Cases(tuple(columns), x, np.zeros(len(x)), np.zeros(len(x), np.int64))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (lambda a, b: a > 0.9, "a above 0."),
        (lambda a, b: b == 3, "b = 3"),
        (lambda a, b: np.isnan(a), "a null"),
    ],
)
def test_a_planted_slice_is_named(rows: Any, says: str) -> None:
    luck = np.random.default_rng(2)
    a, b = luck.random(5000), luck.integers(0, 5, 5000).astype(float)
    a[luck.random(5000) < 0.05] = np.nan
    loss = luck.random(5000) * 0.1 + 2.0 * rows(a, b)
    found = worst(cases(a=a, b=b), loss)
    assert found is not None
    assert found.says.startswith(says)
    assert found.loss > 0.6 > found.rows
    assert f"% of the loss lies in the {found.rows:.1%} of rows with {says}" in found.sentence


def test_nothing_is_said_where_all_rows_lose_alike() -> None:
    luck = np.random.default_rng(2)
    some = cases(a=luck.random(5000), b=luck.random(5000))
    assert worst(some, np.ones(5000)) is None
    assert worst(some, -np.ones(5000)) is None, "better than the other everywhere"
    texts = Cases(("t",), luck.integers(0, 3, (900, 1)).astype(np.float32), np.zeros(900), np.zeros(900, np.int64),
                  categories={"t": ("de", "fr", "it")})  # fmt: skip
    found = worst(texts, (texts.x[:, 0] == 1) * 1.0)
    assert found is not None
    assert (found.says, found.loss) == ("t = 'fr'", 1.0)


def test_losses_are_those_of_their_task() -> None:
    y, score = np.array([0, 1, 1]), np.array([0.2, 0.9, 0.5])
    assert losses(hr.binary(), y, score) == pytest.approx(-np.log([0.8, 0.9, 0.5]))
    assert losses(hr.binary(), y, np.array([-3.0, 5.0, 0.0])) == pytest.approx([0.0, 0.0, 0.5]), "by places"
    several = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]])
    assert losses(hr.multiclass(), np.array([0, 1, 1]), several) == pytest.approx(-np.log([0.7, 0.6, 0.2]))
    assert losses(hr.quantiles(0.1, 0.9), np.array([1.0]), np.array([[0.0, 4.0]])) == pytest.approx([2.0])
    assert losses(hr.regression(), np.array([1.0]), np.array([4.0])) == pytest.approx([3.0])


def test_a_gate_that_fails_says_where(tmp_path: Path) -> None:
    gates = (hr.at_least("roc_auc", 0.999), hr.at_least("roc_auc", 0.1))
    report = train(model(fit_boosting, gates=gates), world(), Registry(tmp_path))
    _, failed, passed = report.gates
    assert "of the loss lies in the" in failed.sentence
    assert "now.amount above" in failed.sentence or "now.night = 1" in failed.sentence
    assert "of the loss" not in passed.sentence

    def fit_constant(train: Any) -> Any:
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(max_depth=1, min_samples_leaf=1000).fit(train.X.fillna(0), train.y)

    weak = train(
        model(fit_constant, gates=(hr.better_than_baseline(),), baseline=fit_logistic),
        world(),
        Registry(tmp_path / "2"),
    )
    assert not weak.gates[1].passed
    assert "of the loss lies in the" in weak.gates[1].sentence
