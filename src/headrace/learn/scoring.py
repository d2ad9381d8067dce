"""Asking an estimator for scores, without trusting it: one for each row, or one for each class or quantile."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task, binary
from headrace.errors import Fault, HeadraceError
from headrace.learn.cases import Matrix, frame

METHODS: Mapping[str, tuple[str, ...]] = {
    "binary": ("predict_proba", "decision_function", "predict"),
    "multiclass": ("predict_proba", "predict"),
    "regression": ("predict",),
    "quantiles": ("predict",),
    "ranking": ("predict",),
    "anomaly": ("decision_function", "score_samples", "predict_proba", "predict"),
}
"""What an estimator is asked for by task, the first that it has."""
_LIKELIHOODS = ("binary", "cross_entropy", "multiclass", "multiclassova")
"""Objectives of LightGBM whose predictions are probabilities of classes."""
_NULLS = "; where it takes no nulls (NaN), put an imputer before it"


def can_score(estimator: Any, task: Task) -> bool:
    """Return whether an estimator can be asked for scores; of quantiles also one for each level, by the level."""
    if task.name == "quantiles" and isinstance(estimator, Mapping):
        return set(estimator) == set(task.levels) and all(can_score(one, task) for one in estimator.values())
    return any(callable(getattr(estimator, name, None)) for name in METHODS[task.name])


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
    if isinstance(estimator, Mapping):
        each = [scores(estimator[level], x, names, place, task, 1) for level in task.levels]
        return np.stack(each, axis=1)
    width = classes or len(task.levels) or 1
    method = next(name for name in METHODS[task.name] if callable(getattr(estimator, name, None)))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="X (has|does not have valid) feature names")
            given = frame(x, names)
            raw = np.asarray(getattr(estimator, method)(given))
        values = _shaped(raw, x, width, task, method).astype(np.float64)
    except _ShapeError:
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


class _ShapeError(Exception):
    pass


def _shaped(raw: npt.NDArray[Any], x: Matrix, width: int, task: Task, method: str) -> npt.NDArray[Any]:
    """Scores as a task has them; where an anomaly is what cannot be told again, how far it is from that."""
    rows = len(x)
    if width > 1:
        if raw.shape != (rows, width):
            raise _ShapeError
        return raw
    if task.name == "anomaly":
        if method == "predict" and raw.shape == x.shape and raw.ndim == 2 and x.shape[1] > 1:
            told: npt.NDArray[Any] = np.mean((raw - x.astype(np.float64)) ** 2, axis=1)
            return told
        single = _one_column(raw, rows)
        # In scikit-learn what is strange has the lower of these two.
        return -single if method in ("score_samples", "decision_function") else single
    return _one_column(raw, rows)


def _one_column(raw: npt.NDArray[Any], rows: int) -> npt.NDArray[Any]:
    if raw.shape in ((rows,), (rows, 1)):
        return raw.reshape(rows)
    if raw.shape == (rows, 2):
        return raw[:, 1]
    raise _ShapeError


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


def _check_finite(values: npt.NDArray[np.float64], what: str, place: str) -> None:
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        found = f"{wrong} of {len(values)} scores from {what} that are NaN or infinite"
        cure = "handle nulls (NaN) in the model, e.g. with an imputer in a pipeline"
        raise HeadraceError(Fault("HR-LEARN-007", place, found, "a finite score for each row", cure))
