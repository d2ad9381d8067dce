"""The user's function and what it returns: every way to go wrong has a clear fault at the user's own line."""

import inspect

import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

import headrace as hr
from headrace.learn.baselines import logistic_regression
from headrace.learn.cases import Cases
from headrace.learn.export import check_parity, to_onnx
from headrace.learn.fit import fit_estimator, training
from headrace.learn.scoring import require_probabilities, scores

NAMES = ("now.amount", "now.night")


def cases(n: int = 50) -> Cases:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, 2)).astype(np.float32)
    x[::7, 1] = np.nan
    return Cases(NAMES, x, (np.nan_to_num(x[:, 0]) > 0).astype(np.int64), np.arange(n, dtype=np.int64) * 10**9, {})


class Scores:
    """An estimator that answers with whatever it was made of."""

    def __init__(self, answer):
        self.answer = answer

    def predict_proba(self, x):
        return self.answer(len(x))


def test_training_is_as_documented():
    seen = []

    def fit(train):
        seen.append(train)
        return logistic_regression(train)

    fit_estimator(fit, cases(), 11, "project.py:1")
    (train,) = seen
    assert list(train.X.columns) == list(NAMES) == list(train.names)
    assert {str(kind) for kind in train.X.dtypes} == {"float64"}
    assert train.X.isna().sum().tolist() == [0, 8]
    assert str(train.time.dtype) == "datetime64[us, UTC]"
    assert train.time.iloc[1].isoformat() == "1970-01-01T00:16:40+00:00"
    assert train.y.dtype == np.int64
    assert train.seed == 11
    assert len(train.X) == len(train.y) == len(train.time)


def test_the_baselines_medians_are_those_of_scikit_learn():
    """Also of an even count, of equal values, of one value, and of none."""
    rng = np.random.default_rng(8)
    x = rng.lognormal(2, 3, (400, 5)).astype(np.float32)
    x[rng.random(x.shape) < 0.3] = np.nan
    x[:, 2], x[:, 3], x[:399, 4] = 7, np.nan, np.nan
    one = Cases(tuple("abcde"), x, np.arange(400) % 2, np.arange(400), {})
    steps = dict(logistic_regression(training(one, 0)).steps[0][1].steps)
    expected = SimpleImputer(strategy="median", keep_empty_features=True).fit(one.frame())
    assert steps["simpleimputer"].statistics_.tobytes() == expected.statistics_.tobytes()
    assert steps["simpleimputer"].transform(one.frame()).tobytes() == expected.transform(one.frame()).tobytes()


def test_a_mutating_function_and_estimator_harm_nobody():
    one = cases()
    before = one.x.copy(), one.y.copy(), one.time_us.copy()

    class Mutating:
        def predict_proba(self, x):
            x.iloc[:, :] = 0.0
            return np.full((len(x), 2), 0.5)

    def fit(train):
        train.X.iloc[:, :] = -1.0
        train.y.iloc[:] = 1
        train.X.insert(0, "more", 1.0)
        return Mutating()

    scores(fit_estimator(fit, one, 0, ""), one.x, one.names, "")
    for array, copy in zip((one.x, one.y, one.time_us), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert training(one, 0).X.columns.tolist() == list(NAMES)


def test_an_exception_in_fit_is_told_at_the_users_line_with_its_cause():
    def deeper():
        raise ValueError("no luck\nsecond line")

    def fit(train):
        return deeper()

    with pytest.raises(hr.HeadraceError) as caught:
        fit_estimator(fit, cases(), 0, "project.py:1")
    (fault,) = caught.value.faults
    line = inspect.getsourcelines(deeper)[1] + 1
    assert fault.code == "HR-LEARN-004"
    assert fault.place == f"tests/learn/test_fit.py:{line}"
    assert fault.found == "ValueError in fit", "not what it says, which may be of a row"
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_exception_in_a_library_is_told_at_the_line_that_called_it():
    def fit(train):
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression().fit(train.X, train.y)

    with pytest.raises(hr.HeadraceError, match="ValueError in fit;.*takes no nulls") as caught:
        fit_estimator(fit, cases(), 0, "project.py:1")
    assert caught.value.faults[0].place == f"tests/learn/test_fit.py:{inspect.getsourcelines(fit)[1] + 3}"


def test_a_keyboard_interrupt_is_not_caught():
    def fit(train):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_estimator(fit, cases(), 0, "")


@pytest.mark.parametrize("piped", [False, True])
def test_of_a_search_the_estimator_that_it_found_is_the_model(piped):
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2)

    def fit(train):
        return (make_pipeline(SimpleImputer(), search) if piped else search).fit(train.X.fillna(0), train.y)

    one = cases()
    found = fit_estimator(fit, one, 0, "p:1")
    last = found[-1] if piped else found
    assert type(last) is LogisticRegression
    x = np.nan_to_num(one.x)
    assert scores(found, x, NAMES, "") == pytest.approx(fit(training(one, 0)).predict_proba(x)[:, 1])
    assert check_parity(found, to_onnx(found, NAMES, "p:1"), x, (0.5,), "p:1", ()).passed


def test_a_search_without_an_estimator_is_told():
    def fit(train):
        return GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, refit=False).fit(train.X.fillna(0), train.y)

    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-005 .*fit returned GridSearchCV.*write refit=True"):
        fit_estimator(fit, cases(), 0, "")


@pytest.mark.parametrize(
    ("renamed", "told"),
    [
        (lambda y: np.where(y == 1, "fraud", "good"), "'fraud', 'good'"),
        (lambda y: np.where(y == 1, -1, 1), "-1, 1"),
        (lambda y: np.arange(len(y)) % 3, "0, 1, 2"),
    ],
)
@pytest.mark.parametrize("make", [LogisticRegression, lambda: make_pipeline(LogisticRegression())])
def test_other_classes_than_zero_and_one_are_refused(renamed, told, make):
    with pytest.raises(hr.HeadraceError, match=rf"HR-LEARN-024 .* fitted on the classes {told}; .* fit it on train.y"):
        fit_estimator(lambda train: make().fit(train.X.fillna(0), renamed(train.y)), cases(), 0, "")


@pytest.mark.parametrize("kind", [bool, float, int])
def test_zero_and_one_may_be_of_any_type(kind):
    fit_estimator(lambda train: LogisticRegression().fit(train.X.fillna(0), train.y.astype(kind)), cases(), 0, "")


def test_an_exception_in_scoring_is_told_without_its_words():
    x = np.zeros((4, 2), dtype=np.float32)
    told = r"HR-LEARN-004 p:1: found NotFittedError in predict_proba of LogisticRegression; expected"
    with pytest.raises(hr.HeadraceError, match=told) as caught:
        scores(LogisticRegression(), x, NAMES, "p:1")
    assert "imputer" not in str(caught.value), "there are no nulls"


def test_a_forgotten_return_is_told():
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-005 .*fit returned NoneType.*forgotten return"):
        fit_estimator(lambda train: None, cases(), 0, "")


@pytest.mark.parametrize("shape", [(3,), (50, 3), (50, 2, 1), (49, 2), ()])
def test_a_wrong_shape_is_told(shape):
    with pytest.raises(
        hr.HeadraceError, match=r"HR-LEARN-006 p:1: .*predict_proba of Scores returned shape .*\(50, 2\)"
    ):
        scores(Scores(lambda n: np.zeros(shape)), cases().x, NAMES, "p:1")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinite_scores_are_told_with_their_number(bad):
    def answer(n):
        values = np.full((n, 2), 0.5)
        values[:3, 1] = bad
        return values

    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-007 p:1: found 3 of 50 scores from predict_proba of Scores"):
        scores(Scores(answer), cases().x, NAMES, "p:1")


def test_accepted_shapes():
    x = cases().x
    for answer in (
        lambda n: np.full(n, 0.25),
        lambda n: np.full((n, 1), 0.25),
        lambda n: np.tile([0.75, 0.25], (n, 1)),
    ):
        got = scores(Scores(answer), x, NAMES, "")
        assert got.dtype == np.float64
        assert got.tolist() == [0.25] * 50


def test_text_as_scores_and_an_estimator_that_raises_are_told():
    def nulls(n):
        raise ValueError("Input contains NaN")

    for answer in (lambda n: np.array(["a"] * n), nulls):
        with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-004 p:1: found ValueError in predict_proba of Scores"):
            scores(Scores(answer), cases().x, NAMES, "p:1")


def test_what_gives_no_probabilities_is_told_with_what_would():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(200, 2)), rng.integers(0, 2, 200)

    def boosted(objective):
        return lightgbm.train({"objective": objective, "verbose": -1, "num_threads": 1}, lightgbm.Dataset(x, y), 2)

    def classifying(objective):
        return lightgbm.LGBMClassifier(n_estimators=2, objective=objective, verbose=-1, n_jobs=1).fit(x, y)

    def own(truth, score):
        likely = 1 / (1 + np.exp(-score))
        return likely - truth, likely * (1 - likely)

    for one in (LogisticRegression(), HistGradientBoostingClassifier(max_iter=2), make_pipeline(LogisticRegression())):
        require_probabilities(one.fit(x, y), "p:1")
    for objective in ("binary", "cross_entropy"):
        require_probabilities(boosted(objective), "p:1")
        require_probabilities(classifying(objective), "p:1")
    for one, name, cure in (
        (LinearSVC().fit(x, y), "LinearSVC", r"CalibratedClassifierCV\(LinearSVC"),
        (make_pipeline(LinearSVC()).fit(x, y), "LinearSVC", r"CalibratedClassifierCV\(LinearSVC"),
        (LinearRegression().fit(x, y), "LinearRegression", "take a classifier"),
        (IsolationForest(n_estimators=5).fit(x), "IsolationForest", "take a classifier"),
        (boosted("regression"), "Booster", 'objective="binary"'),
        (classifying("regression"), "LGBMClassifier", 'objective="binary"'),
        (make_pipeline(classifying(own)), "LGBMClassifier", 'objective="binary"'),
    ):
        with pytest.raises(hr.HeadraceError, match=f"HR-LEARN-023 p:1: found {name}, which.*{cure}"):
            require_probabilities(one, "p:1")
