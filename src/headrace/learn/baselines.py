"""What every model is compared with: an answer that knows no feature, and a plain linear model or the declared one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.cases import Cases
from headrace.learn.fit import Fit, Training


def constant(train: Cases, task: Task, rows: int) -> tuple[str, npt.NDArray[np.float64]]:
    """Return the name and the scores of the best answer that is the same for every row.

    The share of each class, the mean of a number, its quantiles; for what is only ranked, nothing.
    """
    if task.name == "multiclass":
        shares = np.bincount(train.y, minlength=len(train.classes)) / len(train.y)
        return "prior_rate", np.tile(shares, (rows, 1))
    if task.name == "quantiles":
        return "constant", np.tile(np.quantile(train.y, task.levels), (rows, 1))
    if task.name == "regression":
        return "constant", np.full(rows, train.y.mean(), dtype=np.float64)
    if task.name == "binary":
        return "prior_rate", np.full(rows, train.y.mean(), dtype=np.float64)
    return "constant", np.zeros(rows)


_MOST_CATEGORIES = 50
"""Texts of a feature that the linear baseline tells apart; all others are one."""


def linear(task: Task) -> Fit | None:
    """Return the plain model of a task; None where there is none."""
    if task.name in ("binary", "multiclass"):
        return logistic_regression
    return ridge_regression if task.name in ("regression", "ranking") else None


def logistic_regression(train: Training) -> Any:
    """Fit the baseline that stands beside every classifier: median imputation, scaling, logistic regression.

    On one thread: the same bits whatever the number of cores, and no threads that wait for one another.
    """
    from sklearn.linear_model import LogisticRegression

    return _piped(LogisticRegression(max_iter=300, random_state=train.seed), train)


def ridge_regression(train: Training) -> Any:
    """Fit the baseline that stands beside models of numbers: median imputation, scaling, ridge regression."""
    from sklearn.linear_model import Ridge

    return _piped(Ridge(random_state=train.seed), train)


def _piped(model: Any, train: Training) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from threadpoolctl import threadpool_limits

    prepared: Any = make_pipeline(SimpleImputer(strategy=_median, keep_empty_features=True), StandardScaler())
    if texts := list(train.categories):
        encoder = OneHotEncoder(max_categories=_MOST_CATEGORIES, handle_unknown="infrequent_if_exist")
        numbers = [one for one in train.names if one not in texts]
        prepared = make_column_transformer((encoder, texts), (prepared, numbers))
    with threadpool_limits(limits=1):
        return make_pipeline(prepared, model).fit(train.X, train.y)


def _median(values: npt.NDArray[np.float64]) -> float:
    """The median to the same bit as the imputer's own, which sorts all columns as a masked array: six times as long."""
    return float(np.median(values)) if len(values) else 0.0
