"""Exact contributions: Shapley values as they are defined, those of the libraries themselves, and the model's score."""

from __future__ import annotations

import numpy as np
import pytest
from lightgbm import LGBMClassifier

import headrace as hr
from headrace.errors import CheckFailed, HeadraceError
from headrace.learn.cases import frame
from headrace.learn.explain import load, made_from
from headrace.learn.explain.contributions import SCORE_OF
from headrace.learn.export import to_onnx
from headrace.learn.scorer import Scorer
from headrace.learn.scoring import scores
from tests.learn.explain.estimators import CLASSES, LINES, NAMES, TREES, learned, light, rows
from tests.learn.explain.games import of_trees, shapley


@pytest.mark.parametrize("name", TREES)
def test_trees_are_given_what_the_definition_gives(name):
    estimator, x, task, classes = learned(TREES[name])
    explainer = load(made_from(estimator, NAMES, task, x, classes=classes))
    assert (explainer.kind, explainer._content.note) == ("tree", "")
    trees = explainer._content.part
    some = np.concatenate([x[:3], x[np.isnan(x).any(axis=1)][:2]])
    base, values = trees.explain(some)
    for row, given in zip(some, values, strict=True):
        worth = of_trees(trees, row)
        np.testing.assert_allclose(base, worth(frozenset()), atol=1e-9)
        np.testing.assert_allclose(given, shapley(worth, len(NAMES)), atol=1e-9)


@pytest.mark.parametrize("name", [*TREES, *LINES])
def test_what_is_given_adds_up_to_the_score_of_the_model_also_with_nulls_and_extremes(name):
    estimator, x, task, classes = learned((TREES | LINES)[name])
    explainer = load(made_from(estimator, NAMES, task, x, classes=classes))
    assert explainer.kind == ("tree" if name in TREES and name != "indicators" else explainer.kind)
    fresh = rows(200, seed=9)
    far = 1e30 if name in TREES else 300.0
    for at in range(len(NAMES)):
        fresh[at, at], fresh[10 + at, at] = far, -far
    fresh[20, 2:] = np.nan
    found = explainer.explain(fresh)
    told = scores(estimator, fresh, NAMES, "", task, len(classes))
    np.testing.assert_allclose(found.scores, told, rtol=1e-5, atol=1e-6)
    assert found.base.shape == told.shape
    assert found.values.shape == (len(fresh), len(NAMES), *told.shape[1:])
    whole = found.total if found.total.ndim == 2 else found.total[:, None]
    made = SCORE_OF[found.space](whole) + explainer._content.offset
    np.testing.assert_allclose(made if told.ndim == 2 else made[:, 0], told, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LINES)
def test_lines_are_given_what_the_definition_gives(name):
    estimator, x, task, classes = learned(LINES[name])
    explainer = load(made_from(estimator, NAMES, task, x, classes=classes))
    assert (explainer.kind, explainer._content.note) == ("linear", "")
    line, background = explainer._content.part, x
    base, values = line.explain(x[:4])

    def worth_of(row):
        def worth(known):
            mixed = background.copy()
            mixed[:, sorted(known)] = row[sorted(known)]
            return line.start + line.terms(mixed).sum(axis=1).mean(axis=0)

        return worth

    for row, given in zip(x[:4], values, strict=True):
        worth = worth_of(row)
        np.testing.assert_allclose(base, worth(frozenset()), atol=1e-9)
        np.testing.assert_allclose(given, shapley(worth, len(NAMES)), atol=1e-9)


@pytest.mark.parametrize("name", [name for name in TREES if name.startswith("LightGBM")])
def test_what_lightgbm_itself_says_is_said(name):
    if "imputed" in name:
        pytest.skip("LightGBM knows nothing of the imputer before it")
    estimator, x, task, classes = learned(TREES[name])
    found = load(made_from(estimator, NAMES, task, x, classes=classes)).explain(x[:80])
    told = np.asarray(estimator.predict(frame(x[:80], NAMES), pred_contrib=True))
    told = told.reshape(80, -1, len(NAMES) + 1)
    values = found.values[:, :, None] if found.values.ndim == 2 else found.values
    base = found.base[:, None] if found.base.ndim == 1 else found.base
    # what it adds up is before the slope of the logistic function, and of a forest before the mean is taken
    factor = 2.0 if "sigmoid" in name else 1 / 8 if "forest" in name else 1.0
    np.testing.assert_allclose(values, np.moveaxis(told[:, :, :-1], 1, 2) * factor, atol=1e-9)
    np.testing.assert_allclose(base, told[:, :, -1] * factor, atol=1e-9)


def test_a_path_longer_than_any_quadrature_of_few_points_is_exact():
    luck = np.random.default_rng(0)
    x = luck.normal(size=(3000, 12)).astype(np.float32)
    y = (x > 0).sum(axis=1) + 3 * x[:, 0] * x[:, 1]
    names = tuple(f"g.f{at}" for at in range(12))
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(max_leaf_nodes=120, random_state=0).fit(frame(x, names), y)
    trees = load(made_from(tree, names, hr.regression(), x))._content.part
    assert max(piece.paths.share.shape[0] for piece in trees._pieces) >= 9
    _, values = trees.explain(x[:2])
    for row, given in zip(x[:2], values, strict=True):
        np.testing.assert_allclose(given, shapley(of_trees(trees, row), 12), atol=1e-9)


def test_many_rows_and_one_at_a_time_say_the_same():
    estimator, x, task, _ = learned(TREES["LightGBM"])
    explainer = load(made_from(estimator, NAMES, task, x))
    together = explainer.explain(x)
    for at in (0, 17, 599):
        np.testing.assert_allclose(explainer.explain(x[at : at + 1]).values[0], together.values[at], atol=1e-12)


def test_trees_that_are_too_large_to_be_held_say_the_same(monkeypatch):
    estimator, x, task, _ = learned(TREES["forest"])
    content = made_from(estimator, NAMES, task, x)
    held = load(content).explain(x[:20]).values
    monkeypatch.setattr("headrace.learn.explain.trees._HELD", 0)
    monkeypatch.setattr("headrace.learn.explain.trees._AT_ONCE", 40)
    np.testing.assert_allclose(load(content).explain(x[:20]).values, held, atol=1e-12)


def test_the_same_model_has_the_same_file():
    made = [made_from(one, NAMES, task, x) for one, x, task, _ in (learned(TREES["LightGBM"]) for _ in range(2))]
    assert made[0] == made[1]


def test_the_file_is_read_without_the_library_that_trained_the_model(tmp_path):
    import subprocess
    import sys

    estimator, x, task, _ = learned(TREES["LightGBM"])
    (tmp_path / "explain.json").write_bytes(made_from(estimator, NAMES, task, x))
    code = (
        "import sys, pathlib, numpy as np\n"
        "from headrace.learn.explain import load\n"
        "found = load(pathlib.Path('explain.json').read_bytes()).explain(np.ones((1, 4)))\n"
        "heavy = {'lightgbm', 'sklearn', 'pandas', 'onnxruntime', 'onnx', 'mlflow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "print(found.values.shape)"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "(1, 4)"


# -- what is wrong -----------------------------------------------------------------------------------------------------


def test_contributions_that_do_not_add_up_to_the_model_are_refused():
    estimator, x, task, _ = learned(TREES["LightGBM"])
    other = light(LGBMClassifier, learning_rate=0.3).fit(frame(x, NAMES), x[:, 0] > 30)
    scorer = Scorer(to_onnx(other, NAMES, ""))
    explainer = load(made_from(estimator, NAMES, task, x), scorer)
    with pytest.raises(CheckFailed, match=r"HR-LEARN-046.*contributions that add up to .* where the model answers"):
        explainer.explain(x[:5])
    same = load(made_from(other, NAMES, task, x), scorer)
    assert same.explain(x).scores.tolist() == scorer.score(x).tolist()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"format": 99}', "cut"], ids=str)
def test_a_file_that_is_none_is_told(content):
    if content == "cut":
        estimator, x, task, _ = learned(LINES["ridge"])
        content = made_from(estimator, NAMES, task, x).replace(b'"shape": [4, 1]', b'"shape": [5, 1]')
    with pytest.raises(HeadraceError, match="HR-LEARN-045.*train again"):
        load(content)


def test_another_width_and_another_model_are_told():
    estimator, x, task, _ = learned(LINES["logistic"])
    content = made_from(estimator, NAMES, task, x)
    with pytest.raises(HeadraceError, match=r"HR-LEARN-017.*\(3, 2\)"):
        load(content).explain(np.ones((3, 2)))
    renamed = Scorer(to_onnx(estimator, ("a", "b", "c", "d"), ""))
    with pytest.raises(HeadraceError, match="HR-LEARN-045"):
        load(content, renamed)


def test_classes_have_names():
    estimator, x, task, classes = learned(LINES["logistic of classes"])
    found = load(made_from(estimator, NAMES, task, x, classes=classes)).explain(x[:2])
    assert found.outputs == tuple(f"score_{one}" for one in CLASSES)
    np.testing.assert_allclose(found.scores.sum(axis=1), 1)
