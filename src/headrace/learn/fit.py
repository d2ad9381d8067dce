"""Calling the user's plain function ``fit(train)``, and asking what it returns for scores, without trusting either."""

from __future__ import annotations

import copy
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.declare.base import relative
from headrace.errors import Fault, HeadraceError
from headrace.learn.cases import Cases, Matrix, frame

if TYPE_CHECKING:
    import pandas as pd

Fit = Callable[["Training"], Any]
_CURE = "mend the function: Python tells all of it, as the cause of this error, where 'project.train()' is called"
_NULLS = "; where it takes no nulls (NaN), put an imputer before it"
_METHODS = ("predict_proba", "decision_function", "predict")
_LIKELIHOODS = ("binary", "cross_entropy", "multiclass", "multiclassova")
"""Objectives of LightGBM whose predictions are probabilities of classes."""


@dataclass(frozen=True)
class Training:
    """What a ``fit`` function is given: a copy of its own, which it may change.

    Args:
        X: float64 frame, one column for each feature (``group.feature``), NaN for null; every value is one that
            float32 holds exactly.
        y: int64 series, 0 or 1.
        time: event times, ``datetime64[us, UTC]`` series.
        seed: for every random choice; the same inputs and seed must give the same estimator.
        names: of the features, in the order of ``X``.
    """

    X: pd.DataFrame
    y: pd.Series[int]
    time: pd.Series[Any]
    seed: int
    names: tuple[str, ...]


def training(cases: Cases, seed: int) -> Training:
    """Return cases as a new object for a ``fit`` function."""
    import pandas as pd

    time = pd.Series(cases.time_us.view("datetime64[us]"), name="time").dt.tz_localize("UTC")
    return Training(cases.frame(), pd.Series(cases.y.copy(), name="label"), time, seed, cases.names)


def place_of(fit: Callable[..., Any], otherwise: str) -> str:
    """Return ``file:line`` where a function is defined, or another place where that cannot be known."""
    code = getattr(fit, "__code__", None)
    return otherwise if code is None else f"{relative(code.co_filename)}:{code.co_firstlineno}"


def name_of(fit: Callable[..., Any]) -> str:
    """Return what a fit function is called in reports."""
    return str(getattr(fit, "__name__", type(fit).__name__))


def fit_estimator(fit: Fit, cases: Cases, seed: int, place: str) -> Any:
    """Return what the user's function makes of the training cases.

    Args:
        fit: the user's function.
        cases: the training part.
        seed: handed on as ``train.seed``.
        place: ``file:line`` of the model, for functions without source.

    Raises:
        HeadraceError: HR-LEARN-004 when the function raises, at the user's own line, with the cause kept;
            HR-LEARN-005 when what it returns cannot score; HR-LEARN-024 when it knows other classes than 0 and 1.
    """
    where = place_of(fit, place)
    try:
        estimator = fit(training(cases, seed))
    except HeadraceError:
        raise
    except Exception as error:
        raise HeadraceError(_raised(fit, error, where, cases)) from error
    estimator = _found_by_search(estimator)
    if not any(callable(getattr(estimator, name, None)) for name in _METHODS):
        found = f"fit returned {type(estimator).__name__}"
        cure = "return the fitted estimator (a forgotten return gives None)"
        if hasattr(estimator, "refit"):
            cure = "write refit=True, so that the search has an estimator that learned from all of train"
        raise HeadraceError(Fault("HR-LEARN-005", where, found, f"an estimator with {' or '.join(_METHODS)}", cure))
    _require_classes(estimator, where)
    return estimator


def _found_by_search(estimator: Any) -> Any:
    """What a search such as GridSearchCV has found, which is what scores in its name; also at the end of a pipeline."""
    if hasattr(estimator, "best_estimator_"):
        return _found_by_search(estimator.best_estimator_)
    steps = getattr(estimator, "steps", None)
    if not steps or not hasattr(steps[-1][1], "best_estimator_"):
        return estimator
    plain = copy.copy(estimator)
    plain.steps = [*steps[:-1], (steps[-1][0], _found_by_search(steps[-1][1]))]
    return plain


def _require_classes(estimator: Any, place: str) -> None:
    """Refuse classes other than 0 and 1, of which nobody knows which is the positive one: the score is the last's.

    Raises:
        HeadraceError: HR-LEARN-024.
    """
    classes = getattr(estimator, "classes_", None)
    if classes is None or (known := np.asarray(classes, dtype=object).tolist()) == [0, 1]:
        return
    found = f"{type(estimator).__name__} fitted on the classes {', '.join(map(repr, known[:5]))}"
    cure = "fit it on train.y as it is: all rows, and labels that are not renamed"
    raise HeadraceError(Fault("HR-LEARN-024", place, found, "the classes 0 and 1, in this order", cure))


def _raised(fit: Fit, error: Exception, place: str, cases: Cases) -> Fault:
    """The fault of an exception in the user's code: the innermost line that lies in the file of ``fit``.

    Not what it says: that may be of a row.
    """
    code = getattr(fit, "__code__", None)
    lines = [
        f"{relative(frame.filename)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if code is not None and frame.filename == code.co_filename
    ]
    found = f"{type(error).__name__} in fit"
    cure = _CURE
    if np.isnan(cases.x).any():
        cure += _NULLS
    empty = [name for i, name in enumerate(cases.names) if np.isnan(cases.x[:, i]).all()]
    if empty:
        cure += (
            f"; it may be that {', '.join(empty)} has no value in any row of train: choose a longer train or drop it"
        )
    return Fault("HR-LEARN-004", lines[-1] if lines else place, found, "a fitted estimator", cure)


def scores(estimator: Any, x: Matrix, names: tuple[str, ...], place: str) -> npt.NDArray[np.float64]:
    """Return an estimator's score of the positive class for each row.

    ``predict_proba`` is asked where there is one, else ``decision_function``, else ``predict``.

    Args:
        estimator: what ``fit`` returned.
        x: float32 features, shape (n, features); the estimator gets a copy.
        names: of the features.
        place: ``file:line`` of ``fit``.

    Returns:
        float64, shape (n,), finite.

    Raises:
        HeadraceError: HR-LEARN-004 when it raises, HR-LEARN-006 for another shape, HR-LEARN-007 for NaN or infinity.
    """
    method = next(name for name in _METHODS if callable(getattr(estimator, name, None)))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="X (has|does not have valid) feature names")
            raw = np.asarray(getattr(estimator, method)(frame(x, names)))
        values = _one_column(raw, len(x)).astype(np.float64)
    except _ShapeError:
        found = f"{method} of {type(estimator).__name__} returned shape {raw.shape} for {len(x)} rows"
        expected = f"({len(x)},) or ({len(x)}, 2)"
        raise HeadraceError(Fault("HR-LEARN-006", place, found, expected, "return one score for each row")) from None
    except Exception as error:
        found = f"{type(error).__name__} in {method} of {type(estimator).__name__}"
        cure = "return a fitted estimator that scores all columns of train.X, in their order"
        if np.isnan(x).any():
            cure += _NULLS
        raise HeadraceError(Fault("HR-LEARN-004", place, found, "a score for each row", cure)) from error
    _check_finite(values, f"{method} of {type(estimator).__name__}", place)
    return values


def require_probabilities(estimator: Any, place: str) -> None:
    """Refuse an estimator whose scores are no probabilities, which rules, gates and reports take them for.

    A margin of a support vector machine has no scale: of ``score > 0.95`` nobody could say what it means.

    Raises:
        HeadraceError: HR-LEARN-023.
    """
    last = getattr(estimator, "steps", [("", estimator)])[-1][1]
    name, calibrated = type(last).__name__, callable(getattr(estimator, "predict_proba", None))
    booster = getattr(last, "booster_", None) if calibrated else last
    if is_booster(booster):
        if _objective(booster) in _LIKELIHOODS:
            return
        cure = 'train it with objective="binary"'
    elif calibrated:
        return
    elif hasattr(last, "decision_function") and hasattr(last, "classes_"):
        cure = f"wrap it: CalibratedClassifierCV({name}(…)) learns which score is which probability"
    else:
        cure = "take a classifier that has predict_proba, e.g. HistGradientBoostingClassifier"
    found = f"{name}, which gives no probabilities: its scores can be below 0 or above 1"
    expected = "probabilities, as rules such as score > 0.9 ask for"
    raise HeadraceError(Fault("HR-LEARN-023", place, found, expected, cure))


def is_booster(estimator: Any) -> bool:
    """Return whether it is what ``lightgbm.train`` gives."""
    kind = type(estimator)
    return kind.__name__ == "Booster" and kind.__module__.startswith("lightgbm.")


def _objective(booster: Any) -> str:
    """Return the first word of a booster's objective; a function of the user's own has none."""
    return str(booster.dump_model(num_iteration=1).get("objective")).partition(" ")[0]


class _ShapeError(Exception):
    pass


def _one_column(raw: npt.NDArray[Any], rows: int) -> npt.NDArray[Any]:
    if raw.shape in ((rows,), (rows, 1)):
        return raw.reshape(rows)
    if raw.shape == (rows, 2):
        return raw[:, 1]
    raise _ShapeError


def _check_finite(values: npt.NDArray[np.float64], what: str, place: str) -> None:
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        found = f"{wrong} of {len(values)} scores from {what} that are NaN or infinite"
        cure = "handle nulls (NaN) in the model, e.g. with an imputer in a pipeline"
        raise HeadraceError(Fault("HR-LEARN-007", place, found, "a finite score for each row", cure))


def _median(values: npt.NDArray[np.float64]) -> float:
    """The median to the same bit as the imputer's own, which sorts all columns as a masked array: six times as long."""
    return float(np.median(values)) if len(values) else 0.0


def logistic_regression(train: Training) -> Any:
    """Fit the baseline that stands beside every model: median imputation, scaling, logistic regression.

    On one thread: the same bits whatever the number of cores, and no threads that wait for one another.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    imputer = SimpleImputer(strategy=_median, keep_empty_features=True)
    model = LogisticRegression(max_iter=300, random_state=train.seed)
    with threadpool_limits(limits=1):
        return make_pipeline(imputer, StandardScaler(), model).fit(train.X, train.y)
