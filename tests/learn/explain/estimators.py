"""Small estimators of every kind whose contributions are exact, and the rows that they learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from lightgbm import Dataset, LGBMClassifier, LGBMRegressor
from lightgbm import train as boost
from sklearn.compose import ColumnTransformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import headrace as hr
from headrace.learn.cases import frame

NAMES = ("now.amount", "now.night", "spending.mean_7d", "spending.count_7d")
CLASSES = ("high", "low", "mid")


def rows(count: int = 600, seed: int = 4, nulls: bool = True) -> np.ndarray:
    """Rows of wide magnitudes and whole numbers, with nulls in two columns."""
    luck = np.random.default_rng(seed)
    x = np.stack([luck.lognormal(3, 1, count), luck.random(count) < 0.3, luck.lognormal(3, 0.5, count),
                  luck.poisson(4, count)], axis=1).astype(np.float32)  # fmt: skip
    if nulls:
        x[luck.random(count) < 0.2, 2] = np.nan
        x[luck.random(count) < 0.1, 3] = np.nan
    return x


def labels(x: np.ndarray, task: str) -> np.ndarray:
    filled, luck = np.nan_to_num(x.astype(float), nan=5.0), np.random.default_rng(1)
    number = filled[:, 0] + 20 * filled[:, 1] * (filled[:, 2] > 18) + filled[:, 3] + luck.normal(0, 8, len(x))
    if task == "multiclass":
        return np.digitize(number, [20, 40])
    if task in ("regression", "quantiles"):
        return number
    return (number > 35).astype(np.int64)


def piped(*steps: Any) -> Any:
    return make_pipeline(SimpleImputer(), *steps)


def light(kind: Any, **more: Any) -> Any:
    return kind(n_estimators=8, num_leaves=7, verbose=-1, n_jobs=1, random_state=0, min_child_samples=5, **more)


def isolation(**more: Any) -> Any:
    return IsolationForest(n_estimators=6, max_samples=64, random_state=0, **more)


def by_column(last: Any) -> Any:
    """Columns by name, each prepared in a way of its own, in another order."""
    chosen = [
        ("scaled", make_pipeline(SimpleImputer(strategy="median"), RobustScaler()), ["spending.mean_7d", "now.amount"]),
        ("kept", "passthrough", [1]),
        ("left", "drop", ["spending.count_7d"]),
    ]
    return make_pipeline(ColumnTransformer(chosen), last)


def booster(objective: str) -> Callable[..., Any]:
    return lambda x, y: boost({"objective": objective, "verbose": -1, "num_threads": 1}, Dataset(x, y), 6)


def fitted(make: Callable[[], Any]) -> Callable[..., Any]:
    return lambda x, y: make().fit(x, y)


TREES: Mapping[str, tuple[str, Callable[..., Any]]] = {
    "tree": ("binary", fitted(lambda: DecisionTreeClassifier(max_depth=5, random_state=0))),
    "tree of classes": ("multiclass", fitted(lambda: piped(DecisionTreeClassifier(max_depth=5, random_state=0)))),
    "tree of numbers": ("regression", fitted(lambda: DecisionTreeRegressor(max_depth=6, random_state=0))),
    "forest": ("binary", fitted(lambda: RandomForestClassifier(6, max_depth=6, random_state=0))),
    "imputed forest of classes": (
        "multiclass", fitted(lambda: piped(RandomForestClassifier(5, max_depth=4, random_state=0))),
    ),
    "forest of numbers": ("regression", fitted(lambda: RandomForestRegressor(5, max_depth=6, random_state=0))),
    "extra trees": ("regression", fitted(lambda: piped(ExtraTreesRegressor(5, max_depth=6, random_state=0)))),
    "boosting": ("binary", fitted(lambda: piped(GradientBoostingClassifier(n_estimators=8, random_state=0)))),
    "boosting, exponential": (
        "binary", fitted(lambda: piped(GradientBoostingClassifier(loss="exponential", n_estimators=8))),
    ),
    "boosting of classes": ("multiclass", fitted(lambda: piped(GradientBoostingClassifier(n_estimators=4)))),
    "boosting of numbers": ("regression", fitted(lambda: piped(GradientBoostingRegressor(n_estimators=8)))),
    "histograms": ("binary", fitted(lambda: HistGradientBoostingClassifier(max_iter=8, random_state=0))),
    "histograms of classes": ("multiclass", fitted(lambda: HistGradientBoostingClassifier(max_iter=4))),
    "histograms, Poisson": (
        "regression", lambda x, y: HistGradientBoostingRegressor(loss="poisson", max_iter=8).fit(x, np.abs(y)),
    ),
    "scaled forest": (
        "binary", fitted(lambda: piped(StandardScaler(), RandomForestClassifier(5, max_depth=5, random_state=0))),
    ),
    "indicators": (
        "binary",
        fitted(lambda: make_pipeline(SimpleImputer(add_indicator=True), RandomForestClassifier(5, max_depth=5))),
    ),
    "columns by name, forest": ("binary", fitted(lambda: by_column(RandomForestClassifier(5, max_depth=5)))),
    "LightGBM": ("binary", fitted(lambda: light(LGBMClassifier))),
    "LightGBM of classes": ("multiclass", fitted(lambda: light(LGBMClassifier))),
    "LightGBM of numbers": ("regression", fitted(lambda: light(LGBMRegressor))),
    "LightGBM, imputed": ("binary", fitted(lambda: piped(light(LGBMClassifier)))),
    "LightGBM, Tweedie": (
        "regression", lambda x, y: light(LGBMRegressor, objective="tweedie").fit(x, np.abs(y)),
    ),
    "LightGBM, a forest": (
        "binary", fitted(lambda: light(LGBMClassifier, boosting_type="rf", subsample=0.7, subsample_freq=1)),
    ),
    "LightGBM, dart": ("binary", fitted(lambda: light(LGBMClassifier, boosting_type="dart"))),
    "LightGBM, sigmoid": ("binary", fitted(lambda: light(LGBMClassifier, sigmoid=2.0))),
    "LightGBM booster, cross entropy": ("binary", booster("cross_entropy")),
    "LightGBM of rows without nulls": (
        "binary", lambda x, y: light(LGBMClassifier).fit(frame(rows(nulls=False), NAMES), y),
    ),
    "isolation forest": ("anomaly", lambda x, y: piped(isolation()).fit(x)),
    "isolation forest of some columns": (
        "anomaly", lambda x, y: piped(isolation(max_features=0.5)).fit(x),
    ),
    "quantiles": (
        "quantiles",
        lambda x, y: {
            one: light(LGBMRegressor, objective="quantile", alpha=one).fit(x, y) for one in (0.1, 0.5, 0.9)
        },
    ),
}  # fmt: skip
"""Of each its task, and what fits it."""

LINES: Mapping[str, tuple[str, Callable[..., Any]]] = {
    "logistic": ("binary", fitted(lambda: piped(StandardScaler(), LogisticRegression()))),
    "logistic of classes": ("multiclass", fitted(lambda: piped(StandardScaler(), LogisticRegression()))),
    "ridge": ("regression", fitted(lambda: piped(MinMaxScaler(), Ridge()))),
    "Poisson": ("regression", lambda x, y: piped(StandardScaler(), PoissonRegressor()).fit(x, np.abs(y))),
    "descent": ("binary", fitted(lambda: piped(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0)))),
    "discriminant": ("binary", fitted(lambda: piped(LinearDiscriminantAnalysis()))),
    "chosen columns": ("binary", fitted(lambda: piped(SelectKBest(k=2), StandardScaler(), LogisticRegression()))),
    "columns by name": ("binary", fitted(lambda: by_column(LogisticRegression()))),
    "indicators": (
        "binary",
        fitted(lambda: make_pipeline(SimpleImputer(add_indicator=True), StandardScaler(), LogisticRegression())),
    ),
    "quantiles by line": (
        "quantiles", lambda x, y: {one: piped(Ridge(alpha=one)).fit(x, y) for one in (0.1, 0.5, 0.9)},
    ),
}  # fmt: skip

TASKS = {
    "binary": hr.binary(),
    "multiclass": hr.multiclass(),
    "regression": hr.regression(),
    "quantiles": hr.quantiles(0.1, 0.5, 0.9),
    "anomaly": hr.anomaly(),
}


def learned(kind: tuple[str, Callable[..., Any]]) -> tuple[Any, np.ndarray, hr.Task, tuple[str, ...]]:
    """Return a fitted estimator, its rows, its task and the names of its classes."""
    task, fit = kind
    x = rows()
    return fit(frame(x, NAMES), labels(x, task)), x, TASKS[task], CLASSES if task == "multiclass" else ()
