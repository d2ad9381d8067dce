"""Sampled contributions: as near to the Shapley values of the definition as they claim to be, and always adding up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import PowerTransformer, QuantileTransformer

import headrace as hr
from headrace.errors import HeadraceError
from headrace.learn.cases import frame
from headrace.learn.explain import load, made_from
from headrace.learn.explain.permutation import ROWS
from headrace.learn.export import to_onnx
from headrace.learn.scorer import Scorer
from tests.learn.explain.estimators import CLASSES, NAMES, TASKS, labels, piped, rows
from tests.learn.explain.games import shapley


def rule(frame):
    return np.where((frame["now.amount"] > 30) & (frame["now.night"] == 1), 0.9, 0.1)


def of_every_kind():
    x = rows()

    def fit(estimator, task="binary"):
        return estimator.fit(frame(x, NAMES), labels(x, task))

    mixed = VotingClassifier(
        [("a", RandomForestClassifier(3, max_depth=3, random_state=0)), ("b", LogisticRegression())], voting="soft"
    )
    return {
        "rule": (rule, "binary", "RULE"),
        "vote": (fit(piped(mixed)), "binary", "VotingClassifier is no sum of trees"),
        "net": (fit(piped(MLPClassifier((4,), max_iter=50, random_state=0))), "binary", "MLPClassifier"),
        "net of classes": (
            fit(piped(MLPClassifier((4,), max_iter=50, random_state=0)), "multiclass"), "multiclass", "MLPClassifier",
        ),
        "net of numbers": (
            fit(piped(MLPRegressor(hidden_layer_sizes=(4,), max_iter=50, random_state=0)), "regression"),
            "regression", "MLPRegressor",
        ),
        "bent columns": (fit(piped(PowerTransformer(), LogisticRegression())), "binary", "the step PowerTransformer"),
        "Bayes": (fit(piped(GaussianNB())), "binary", "GaussianNB"),
        "bent more": (
            fit(piped(QuantileTransformer(n_quantiles=20), LogisticRegression())), "binary", "QuantileTransformer",
        ),
    }  # fmt: skip


KINDS = of_every_kind()


@pytest.mark.parametrize("name", KINDS)
def test_samples_are_as_near_to_the_definition_as_they_say(name):
    estimator, task, why = KINDS[name]
    x, classes = rows(), CLASSES if task == "multiclass" else ()
    content = made_from(estimator, NAMES, TASKS[task], x, classes=classes)
    try:
        scorer = Scorer(to_onnx(estimator, NAMES, "", TASKS[task], classes))
    except HeadraceError:
        pytest.skip("skl2onnx does not convert it")
    explainer = load(content, scorer)
    assert explainer.kind == "permutation"
    assert explainer.space == ("value" if task == "regression" else "probability")
    some = x[:3]
    found = explainer.explain(some)
    assert why == "RULE" or why in found.note
    assert found.evaluations == 2 * ROWS * (len(NAMES) + 1)
    assert f"{found.evaluations:,} evaluations" in found.how
    np.testing.assert_allclose(found.total, scorer.score(some), rtol=1e-9, atol=1e-9)

    background = explainer._content.part.background

    def worth_of(row):
        def worth(known):
            mixed = background.copy()
            mixed[:, sorted(known)] = row[sorted(known)]
            return scorer.score(mixed).reshape(len(mixed), -1).mean(axis=0)

        return worth

    true = np.array([shapley(worth_of(row), len(NAMES)) for row in some]).reshape(found.values.shape)
    off, error = np.abs(found.values - true), found.error
    assert (off <= 4 * error + 1e-7 * np.abs(true) + 1e-9).mean() > 0.95
    assert off.max() <= 8 * error.max() + 1e-9


def test_a_model_that_is_a_sum_in_its_score_is_given_exactly_that():
    def sum_of_two(frame):
        return frame["now.amount"] * 2 + frame["spending.count_7d"].fillna(0)

    x, task = rows(), hr.regression()
    scorer = Scorer(to_onnx(sum_of_two, NAMES, "", task))
    explainer = load(made_from(sum_of_two, NAMES, task, x), scorer)
    found, background = explainer.explain(x[:5]), explainer._content.part.background.astype(float)
    np.testing.assert_allclose(found.values[:, 0], 2 * (x[:5, 0] - background[:, 0].mean()), rtol=1e-5)
    assert (found.values[:, 1:3] == 0).all(), "what the model does not ask for is given nothing"
    filled = np.nan_to_num(background[:, 3])
    np.testing.assert_allclose(found.values[:, 3], np.nan_to_num(x[:5, 3]) - filled.mean(), atol=1e-5)


def test_the_same_row_gets_the_same_answer_whatever_else_is_asked():
    estimator, task, _ = KINDS["net"]
    x = rows()
    scorer = Scorer(to_onnx(estimator, NAMES, "", TASKS[task]))
    explainer = load(made_from(estimator, NAMES, TASKS[task], x), scorer)
    together = explainer.explain(x[:4])
    np.testing.assert_allclose(explainer.explain(x[2:3]).values[0], together.values[2], atol=1e-9)
    assert explainer.explain(x[:0]).values.shape == (0, len(NAMES))


def test_without_the_model_nothing_can_be_sampled():
    estimator, task, _ = KINDS["net"]
    content = made_from(estimator, NAMES, TASKS[task], rows())
    with pytest.raises(HeadraceError, match="HR-LEARN-047"):
        load(content).explain(rows()[:1])


def test_what_should_add_up_and_does_not_is_sampled_and_says_why(monkeypatch):
    from headrace.learn.explain import made
    from tests.learn.explain.estimators import TREES, learned

    estimator, x, task, _ = learned(TREES["LightGBM"])
    right = made._exact

    def wrong(*given):
        space, offset, part = right(*given)
        return space, offset, replace(part, value=part.value * 1.01)

    monkeypatch.setattr(made, "_exact", wrong)
    found = load(made_from(estimator, NAMES, task, x))
    assert (found.kind, found.space) == ("permutation", "probability")
    assert "did not add up" in found._content.note
