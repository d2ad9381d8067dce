"""ONNX files: the trained object's scores, the same bytes for the same object, and refusals that name a step."""

import os
import subprocess
import sys

import numpy as np
import pytest
from lightgbm import Booster, Dataset, LGBMClassifier
from lightgbm import train as train_lightgbm
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.tree import DecisionTreeClassifier

import headrace as hr
from headrace.errors import HeadraceError
from headrace.learn.cases import frame
from headrace.learn.export import TOLERANCE, Parity, check_parity, dropped, require_parity, to_onnx
from headrace.learn.scorer import Scorer, digest_of, load
from headrace.learn.scoring import scores

NAMES = tuple(f"group.f{i}" for i in range(6))
PLACE = "project.py:3"


def data(n: int = 12_000, nulls: bool = True):
    """Wide magnitudes, and nulls."""
    rng = np.random.default_rng(5)
    x = rng.lognormal(3, 2, (n, len(NAMES))).astype(np.float32)
    y = (x[:, 0] + rng.normal(0, 50, n) > 60).astype(np.int64)
    if nulls:
        x[rng.random(x.shape) < 0.1] = np.nan
    return x, y


def booster(x, y, objective="binary") -> Booster:
    return train_lightgbm({"objective": objective, "verbose": -1, "num_threads": 1}, Dataset(x, y), 15)


MODELS = {
    "boosting": lambda x, y: HistGradientBoostingClassifier(max_iter=15, random_state=0).fit(x, y),
    "forest": lambda x, y: make_pipeline(SimpleImputer(), RandomForestClassifier(5, max_depth=8, random_state=0)).fit(
        x, y
    ),
    "logistic": lambda x, y: make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(x, y),
    "lightgbm": lambda x, y: LGBMClassifier(n_estimators=15, verbose=-1, n_jobs=1).fit(x, y),
    "imputed lightgbm": lambda x, y: make_pipeline(
        SimpleImputer(), LGBMClassifier(n_estimators=15, verbose=-1, n_jobs=1)
    ).fit(x, y),
    "booster": booster,
    "columns by name": lambda x, y: make_pipeline(
        ColumnTransformer([("scaled", StandardScaler(), list(NAMES[1:3])), ("kept", "passthrough", [NAMES[0]])]),
        SimpleImputer(),
        LogisticRegression(),
    ).fit(x, y),
    "some columns by name": lambda x, y: make_pipeline(
        ColumnTransformer([("some", SimpleImputer(), list(NAMES[:3]))]), LogisticRegression()
    ).fit(x, y),
    "cross entropy": lambda x, y: LGBMClassifier(n_estimators=15, objective="cross_entropy", verbose=-1, n_jobs=1).fit(
        x, y
    ),
    "booster of cross entropy": lambda x, y: booster(x, y, "xentropy"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_parity_and_digest(kind):
    x, y = data()
    digests = set()
    for _ in range(2):
        estimator = MODELS[kind](frame(x, NAMES), y)
        content = to_onnx(estimator, NAMES, PLACE)
        digests.add(digest_of(content))
    assert len(digests) == 1, "the same inputs give the same file"
    parity = check_parity(estimator, content, x, [0.5, 0.9], PLACE)
    require_parity(parity, estimator, x, NAMES, PLACE)
    assert parity.rows == 12_000 + parity.planted
    assert parity.planted == 6 * 3 * 8 + 1
    assert parity.max_difference <= 1e-6 < TOLERANCE
    scorer = Scorer(content)
    assert scorer.features == NAMES
    got = scorer.score(x[:100].astype(np.float64))
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, scores(estimator, x[:100], NAMES, PLACE), atol=1e-6)
    assert scorer.score(x[:1]).tolist() == got[:1].tolist(), "one row at a time scores as in a batch"


ELSEWHERE = """
import numpy as np
from lightgbm import LGBMClassifier

from headrace.learn.export import to_onnx
from headrace.learn.scorer import digest_of

x = np.random.default_rng(1).normal(size=(200, 2))
estimator = LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(x, x[:, 0] > 0)
print(digest_of(to_onnx(estimator, ("a", "b"), "")))
"""


def test_another_process_writes_the_same_file():
    digests = set()
    for seed in ("0", "3"):  # of the order of sets
        told = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", ELSEWHERE],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(told.stdout)
    assert len(digests) == 1


def test_no_rows_are_scored_as_none():
    x, y = data(500)
    assert Scorer(to_onnx(MODELS["boosting"](x, y), NAMES, PLACE)).score(x[:0]).shape == (0,)


def test_an_export_that_differs_is_refused_and_the_step_is_named():
    # many equal values in a scaled column: thresholds of trees fall so near them that float32 parts from float64
    x, y = data()
    model = make_pipeline(SimpleImputer(), StandardScaler(), HistGradientBoostingClassifier(max_iter=50))
    model.fit(frame(x, NAMES), y)
    content = to_onnx(model, NAMES, PLACE)
    parity = check_parity(model, content, x, [0.5], PLACE)
    assert not parity.passed
    with pytest.raises(hr.CheckFailed) as caught:
        require_parity(parity, model, x, NAMES, PLACE)
    (fault,) = caught.value.faults
    assert fault.code == "HR-LEARN-010"
    assert fault.place == PLACE
    assert "from step 'standardscaler' (StandardScaler) on" in fault.found
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier, DecisionTreeClassifier])
def test_where_only_rows_with_nulls_differ_an_imputer_is_the_cure(kind):
    x, y = data(2000)
    bare, filled = kind(max_depth=4, random_state=0), make_pipeline(SimpleImputer(), kind(max_depth=4, random_state=0))
    parity = check_parity(bare.fit(x, y), to_onnx(bare, NAMES, PLACE), x, [0.5], PLACE)
    with pytest.raises(hr.CheckFailed, match=r"HR-LEARN-010 .* let a SimpleImputer before it fill the nulls"):
        require_parity(parity, bare, x, NAMES, PLACE)
    assert check_parity(filled.fit(x, y), to_onnx(filled, NAMES, PLACE), x, [0.5], PLACE).passed


def test_flipped_decisions_are_counted():
    x, y = data(2000)
    model = MODELS["boosting"](x, y)
    other = to_onnx(HistGradientBoostingClassifier(max_iter=2, random_state=0).fit(x, y), NAMES, PLACE)
    trained, exported = scores(model, x, NAMES, PLACE), Scorer(other).score(x)
    parity = check_parity(model, other, x, [0.5], PLACE)
    assert parity.flipped >= int(((trained > 0.5) != (exported > 0.5)).sum()) > 0
    assert not parity.passed
    assert not Parity(10_000, 10, 1e-7, 0, 2).passed
    with pytest.raises(hr.CheckFailed, match=r"at step 'model' \(HistGradientBoostingClassifier\)"):
        require_parity(parity, model, x, NAMES, PLACE)


def test_scores_that_are_the_threshold_itself_are_told():
    x, y = data(nulls=False)
    votes = RandomForestClassifier(20, random_state=0).fit(x, y)
    parity = check_parity(votes, to_onnx(votes, NAMES, PLACE), x, [0.5], PLACE, [])
    assert (parity.differing, parity.passed) == (0, False)
    with pytest.raises(hr.CheckFailed, match=r"decisions flipped\) .* decide by a number between two scores"):
        require_parity(parity, votes, x, NAMES, PLACE)
    assert check_parity(votes, to_onnx(votes, NAMES, PLACE), x, [0.501], PLACE, []).passed


class Doubling(TransformerMixin, BaseEstimator):
    def fit(self, x, y=None):
        return self

    def transform(self, x):
        return x * 2


def test_a_step_without_converter_is_named():
    x, y = data(300, nulls=False)
    model = make_pipeline(Doubling(), LogisticRegression(C=1e-9)).fit(x, y)
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-009 project.py:3: found step 'doubling' \(Doubling\), which"):
        to_onnx(model, NAMES, PLACE)


def test_a_plain_rule_cannot_be_exported_yet_and_that_is_said():
    class Rule:
        def predict_proba(self, x):
            return np.full(len(x), 0.5)

    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-009.*Rule, which cannot be exported.*or a ready ONNX file"):
        to_onnx(Rule(), NAMES, PLACE)


def test_a_model_that_takes_no_nulls_is_exported_and_refuses_them():
    x, y = data(500, nulls=False)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    content = to_onnx(model, NAMES, PLACE)
    parity = check_parity(model, content, x, [0.5], PLACE, nullable=())
    assert parity.passed
    assert parity.planted == 6 * 2 * 8
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-007.*does not take nulls"):
        Scorer(content).score(np.full((1, 6), np.nan))


def test_a_wrong_width_is_told():
    x, y = data(300)
    scorer = Scorer(to_onnx(MODELS["boosting"](x, y), NAMES, PLACE))
    for wrong in (x[:, :5], x[0]):
        with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-017.*expected \(rows, 6\)"):
            scorer.score(wrong)


def test_files_are_verified_before_they_are_loaded(tmp_path):
    x, y = data(300)
    content = to_onnx(MODELS["boosting"](x, y), NAMES, PLACE)
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert load(path, digest_of(content)).features == NAMES
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-011.*altered since it was registered"):
        load(path, digest_of(content))
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-011.*no readable model file none.onnx"):
        load(tmp_path / "none.onnx", digest_of(content))


def _null_in_train(columns: int = 1):
    """Features of which the first are null in each row of train, and not in the rows to judge on."""
    x, y = data(800)
    x[300:, 2 : 2 + columns] = np.nan
    return x, x[300:], y[300:]


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("steps", [(), (StandardScaler(),)], ids=["alone", "then scaled"])
@pytest.mark.parametrize("imputer", [SimpleImputer(), KNNImputer()], ids=["simple", "neighbours"])
def test_a_feature_that_is_null_in_all_of_train_is_named_and_not_a_later_step(steps, imputer):
    x, learned, y = _null_in_train()
    model = make_pipeline(imputer, *steps, LogisticRegression()).fit(frame(learned, NAMES), y)
    with pytest.raises(HeadraceError, match=r"HR-LEARN-00\d"):
        check_parity(model, to_onnx(model, NAMES, PLACE), x, (), PLACE)
    fault = dropped(model, learned, NAMES, PLACE)
    name = type(imputer).__name__
    assert fault.found == f"group.f2, null in every row of train, which {name} drops and ONNX does not"
    assert f"write {name}(keep_empty_features=True)" in fault.cure


def test_a_feature_without_values_is_no_cause_where_the_imputer_keeps_it():
    x, learned, y = _null_in_train(2)
    model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression())
    model.fit(frame(learned, NAMES), y)
    assert check_parity(model, to_onnx(model, NAMES, PLACE), x, (), PLACE).passed
    assert dropped(model, learned, NAMES, PLACE) is None
    dropping = make_pipeline(SimpleImputer(), LogisticRegression()).fit(data(300)[0], data(300)[1])
    assert dropped(dropping, x, NAMES, PLACE) is None, "no feature is without values"


@pytest.mark.parametrize("wrapped", [LinearSVC(), SVC(), NuSVC(), SGDClassifier(random_state=1)], ids=repr)
def test_calibrated_margins_are_exported(wrapped):
    x, y = data(400, nulls=False)
    scaled = np.log(x).astype(np.float32)
    model = make_pipeline(SimpleImputer(), CalibratedClassifierCV(wrapped)).fit(scaled, y)
    assert check_parity(model, to_onnx(model, NAMES, PLACE), scaled, (0.5,), PLACE).passed


@pytest.mark.parametrize("flat", [True, False])
def test_a_soft_vote_is_exported(flat):
    x, y = data(300, nulls=False)
    two = [("one", LogisticRegression()), ("two", RandomForestClassifier(3, max_depth=2, random_state=0))]
    vote = VotingClassifier(two, voting="soft", flatten_transform=flat)
    model = make_pipeline(SimpleImputer(), StandardScaler(), vote).fit(x, y)
    assert check_parity(model, to_onnx(model, NAMES, PLACE), x, (0.5,), PLACE).passed
    assert vote.flatten_transform is flat


@pytest.mark.parametrize("weights", [[1, 2, 5], (1, 2, 5), np.array([1, 2, 5])], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("third", ["drop", GaussianNB()], ids=["dropped", "all"])
def test_a_vote_with_weights_is_exported(weights, third):
    x, y = data(300, nulls=False)
    three = [("one", LogisticRegression()), ("third", third), ("two", RandomForestClassifier(3, max_depth=2))]
    model = make_pipeline(StandardScaler(), VotingClassifier(three, voting="soft", weights=weights)).fit(x, y)
    assert check_parity(model, to_onnx(model, NAMES, PLACE), x, (0.5,), PLACE, ()).passed


def test_what_onnx_runtime_does_not_load_is_a_fault_of_the_export():
    x, y = data(300)
    model = LGBMClassifier(n_estimators=2, objective="regression", verbose=-1, n_jobs=1).fit(x, y)
    with pytest.raises(HeadraceError, match=r"HR-LEARN-009 project.py:3: .*cannot be run \(InvalidGraph: "):
        check_parity(model, to_onnx(model, NAMES, PLACE), x, (), PLACE)


def test_a_file_that_cannot_be_written_is_a_fault_of_the_export(monkeypatch):
    x, y = data(300)
    monkeypatch.setattr("headrace.learn.kinds.sklearn._converted", lambda *_: None)
    with pytest.raises(HeadraceError, match=r"HR-LEARN-009.*HistGradientBoostingClassifier, which.*AttributeError"):
        to_onnx(MODELS["boosting"](x, y), NAMES, PLACE)


def test_where_the_converter_names_no_step_all_are_told(monkeypatch):
    def silent(*arguments, **named):
        raise RuntimeError("no luck")

    x, y = data(300, nulls=False)
    vote = VotingClassifier([("one", LogisticRegression()), ("two", GaussianNB())], voting="soft").fit(x, y)
    monkeypatch.setattr("skl2onnx.convert_sklearn", silent)
    told = r"HR-LEARN-009.*VotingClassifier of one \(LogisticRegression\), two \(GaussianNB\), which.*no luck.*use one"
    with pytest.raises(HeadraceError, match=told):
        to_onnx(vote, NAMES, PLACE)


@pytest.mark.parametrize("ensemble", [VotingClassifier, StackingClassifier])
def test_a_step_within_a_vote_or_a_stack_is_named(ensemble):
    x, y = data(300, nulls=False)
    inner = make_pipeline(Doubling(), LogisticRegression(C=1e-9))
    how = {"voting": "soft"} if ensemble is VotingClassifier else {"cv": 2}
    model = make_pipeline(StandardScaler(), ensemble([("plain", LogisticRegression()), ("odd", inner)], **how)).fit(
        x, y
    )
    with pytest.raises(HeadraceError, match=rf"found step '{ensemble.__name__.lower()}__odd__doubling' \(Doubling\)"):
        to_onnx(model, NAMES, PLACE)


@pytest.mark.parametrize("solver", ["svd", "lsqr"])
@pytest.mark.parametrize("within", [False, True], ids=["alone", "in a stack"])
def test_a_linear_discriminant_analysis_gives_its_own_probabilities(solver, within):
    x, y = data(2000)
    last = LinearDiscriminantAnalysis(solver=solver)
    if within:
        last = StackingClassifier([("lda", last)], cv=2)
    model = make_pipeline(SimpleImputer(), StandardScaler(), last).fit(frame(x, NAMES), y)
    content = to_onnx(model, NAMES, PLACE)
    assert check_parity(model, content, x, (0.5, 0.9), PLACE).passed
    assert Scorer(content).score(x) == pytest.approx(model.predict_proba(frame(x, NAMES))[:, 1], abs=1e-5)


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
def test_a_failing_export_is_told_by_us_alone(capfd):
    x, y = data(200)
    x[:, 2] = np.nan
    model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(x, y)
    with pytest.raises(HeadraceError, match="cannot be run .*coefficients size"):
        check_parity(model, to_onnx(model, NAMES, PLACE), x, (), PLACE)
    assert capfd.readouterr().err == ""
