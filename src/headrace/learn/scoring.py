"""Asking an estimator for scores, without trusting it: one for each row, or one for each class or quantile."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task, binary
from headrace.errors import Fault, HeadraceError
from headrace.learn.cases import Matrix
from headrace.learn.kinds import UnlikeError, gives_probabilities, is_booster, kind_of, one_column
from headrace.learn.kinds.kind import of_module
from headrace.learn.kinds.statsmodels import link_of
from headrace.learn.kinds.xgboost import gives_likelihoods

_NULLS = "; where it takes no nulls (NaN), put an imputer before it"


def can_score(estimator: Any, task: Task) -> bool:
    """Return whether an estimator can be asked for the scores of a task."""
    kind = kind_of(estimator)
    return kind is not None and bool(kind.asks(estimator, task))


def scores(
    estimator: Any, x: Matrix, names: tuple[str, ...], place: str, task: Task | None = None, classes: int = 0
) -> npt.NDArray[np.float64]:
    """Return an estimator's scores of rows.

    Args:
        estimator: what ``fit`` returned.
        x: float32 features, shape (n, features); the estimator gets a copy.
        names: of the features.
        place: ``file:line`` of ``fit``.
        task: of the model; yes or no by default, whose score is that of yes.
        classes: how many there are, of several.

    Returns:
        float64, finite: shape (n,), higher for what is more likely, larger, more relevant or stranger; or shape (n, k),
        one for each class or quantile.

    Raises:
        HeadraceError: HR-LEARN-004 when it raises, HR-LEARN-006 for another shape, HR-LEARN-007 for NaN or infinity.
    """
    task = binary() if task is None else task
    width, kind = classes or len(task.levels) or 1, kind_of(estimator)
    assert kind is not None
    method = kind.asks(estimator, task)
    raw: npt.NDArray[Any] = np.empty(0)
    try:
        raw = kind.raw(estimator, x, names, task)
        if width > 1 and raw.shape != (len(x), width):
            raise UnlikeError
        values = (raw if width > 1 else one_column(raw, len(x))).astype(np.float64)
    except UnlikeError:
        found = f"{method} of {type(estimator).__name__} returned shape {raw.shape} for {len(x)} rows"
        pair = f"({len(x)},) or ({len(x)}, 2)" if task.name == "binary" else f"({len(x)}, {width})"
        expected = pair if width > 1 or task.name == "binary" else f"({len(x)},)"
        told = "return one score for each row" if width == 1 else f"return {width} scores for each row"
        raise HeadraceError(Fault("HR-LEARN-006", place, found, expected, told)) from None
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
    if not hasattr(estimator, "predict"):  # a rule, or a ready file, whose numbers are looked at
        return
    last = getattr(estimator, "steps", [("", estimator)])[-1][1]
    name, calibrated = type(last).__name__, callable(getattr(estimator, "predict_proba", None))
    booster = getattr(last, "booster_", None) if calibrated else last
    if is_booster(booster):
        if gives_probabilities(booster):
            return
        cure = 'train it with objective="binary"'
    elif of_module(last, "statsmodels"):
        if link_of(last) == "logit":
            return
        cure = "fit Logit, or a GLM of the binomial family"
    elif of_module(last, "xgboost") and not calibrated:
        if gives_likelihoods(last):
            return
        cure = 'train it with objective="binary:logistic"'
    elif calibrated:
        return
    elif hasattr(last, "decision_function") and hasattr(last, "classes_"):
        cure = f"wrap it: CalibratedClassifierCV({name}(…)) learns which score is which probability"
    else:
        cure = "take a classifier that has predict_proba, e.g. HistGradientBoostingClassifier"
    found = f"{name}, which gives no probabilities: its scores can be below 0 or above 1"
    expected = "probabilities, as rules such as score > 0.9 ask for"
    raise HeadraceError(Fault("HR-LEARN-023", place, found, expected, cure))


def require_chances(values: npt.NDArray[np.float64], what: str, place: str) -> None:
    """Refuse scores that are no probabilities, of whatever gave them.

    Raises:
        HeadraceError: HR-LEARN-023.
    """
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        found = f"{what}, whose scores go from {low:.3g} to {high:.3g}: they are no probabilities"
        expected = "probabilities, as rules such as score > 0.9 ask for"
        cure = "end in a logistic function, 1 / (1 + exp(-score)), or write task=hr.anomaly() for what has no scale"
        raise HeadraceError(Fault("HR-LEARN-023", place, found, expected, cure))


def _check_finite(values: npt.NDArray[np.float64], what: str, place: str) -> None:
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        found = f"{wrong} of {len(values)} scores from {what} that are NaN or infinite"
        cure = "handle nulls (NaN) in the model, e.g. with an imputer in a pipeline"
        raise HeadraceError(Fault("HR-LEARN-007", place, found, "a finite score for each row", cure))
