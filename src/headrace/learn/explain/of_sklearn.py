"""scikit-learn: single trees, forests, boosting and isolation forests as trees; linear models as coefficients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.learn.explain.columns import NotExactError
from headrace.learn.explain.grown import Tree

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Summed:
    """Trees that are summed.

    Args:
        trees: all of them.
        start: what is added beside, shape (k,).
        space: in which they add up.
        offset: what is added to the score that is made of the sum.
    """

    trees: list[Tree]
    start: Floats
    space: str
    offset: float = 0.0


@dataclass(frozen=True)
class Weighed:
    """A linear model: weights of columns, shape (columns, k), and what is added, shape (k,)."""

    weights: Floats
    start: Floats
    space: str


def of_sklearn(estimator: Any, task: str) -> Summed | Weighed:
    """Return the trees or the coefficients of an estimator.

    Args:
        estimator: fitted; the last step of a pipeline.
        task: name of the task that it is asked for.

    Raises:
        NotExactError: for one that is neither.
    """
    kind = type(estimator)
    own = kind.__module__.startswith("sklearn.")
    if own and kind.__name__ in _TREES:
        return _TREES[kind.__name__](estimator)
    if kind.__module__.startswith(("sklearn.linear_model.", "sklearn.discriminant_analysis")) and hasattr(
        estimator, "coef_"
    ):
        return _linear(estimator, task)
    raise NotExactError(f"{_name_of(estimator)} is no sum of trees and no linear model")


def _name_of(estimator: Any) -> str:
    return "a function" if type(estimator).__name__ == "function" else type(estimator).__name__


def _tree(tree: Any, value: npt.NDArray[Any], output: int = 0, columns: npt.NDArray[Any] | None = None) -> Tree:
    """A tree of scikit-learn with other values in its leaves."""
    asked = np.maximum(tree.feature, 0)
    missing = getattr(tree, "missing_go_to_left", None)
    null_left = np.zeros(len(asked)) if missing is None else missing
    column = asked if columns is None else np.asarray(columns)[asked]
    return Tree(
        tree.children_left,
        tree.children_right,
        column,
        tree.threshold,
        null_left,
        tree.weighted_n_node_samples,
        value,
        output,
    )


def _forest(estimator: Any) -> Summed:
    """A tree, or the mean of some: probabilities of classes, or numbers."""
    members = getattr(estimator, "estimators_", [estimator])
    if getattr(estimator, "n_outputs_", 1) != 1:
        raise NotExactError("trees of several outputs")
    classes = getattr(estimator, "classes_", None)
    trees = []
    for one in members:
        value = one.tree_.value[:, 0, :]
        if classes is not None:
            value = value / value.sum(axis=1, keepdims=True)
            value = value[:, 1:] if len(classes) == 2 else value
        trees.append(_tree(one.tree_, value / len(members)))
    width = trees[0].value.shape[1]
    return Summed(trees, np.zeros(width), "value" if classes is None else "probability")


def _boosting(estimator: Any) -> Summed:
    start = np.atleast_1d(
        np.asarray(estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), np.float32))[0])
    )
    if type(estimator.init_).__name__ not in ("DummyClassifier", "DummyRegressor", "str"):
        raise NotExactError("boosting that begins with another model")
    classes = hasattr(estimator, "classes_")
    # of the exponential loss the probability is the logistic function of twice the sum (Friedman and others, 2000)
    twice = 2.0 if getattr(estimator, "loss", "") == "exponential" else 1.0
    trees = [
        _tree(one.tree_, one.tree_.value[:, 0, 0] * estimator.learning_rate * twice, output)
        for stage in estimator.estimators_
        for output, one in enumerate(stage)
    ]
    return Summed(trees, start.astype(np.float64) * twice, "log-odds" if classes else "value")


def _of_histograms(estimator: Any) -> Summed:
    trees = [_of_nodes(one.nodes, output) for stage in estimator._predictors for output, one in enumerate(stage)]
    start = np.ravel(estimator._baseline_prediction).astype(np.float64)
    space = (
        "log-odds" if hasattr(estimator, "classes_") else "log" if estimator.loss in ("poisson", "gamma") else "value"
    )
    return Summed(trees, start, space)


def _of_nodes(nodes: Any, output: int) -> Tree:
    if nodes["is_categorical"].any():
        raise NotExactError("splits by category")
    leaf = nodes["is_leaf"].astype(np.bool_)
    left, right = (np.where(leaf, -1, nodes[one].astype(np.int64)) for one in ("left", "right"))
    return Tree(
        left,
        right,
        nodes["feature_idx"],
        nodes["num_threshold"],
        nodes["missing_go_to_left"].astype(np.bool_),
        nodes["count"],
        nodes["value"],
        output,
    )


def _isolation(estimator: Any) -> Summed:
    """The mean depth at which trees set a row apart: the score halves with each step (Liu and others, 2008)."""
    from sklearn.ensemble._iforest import _average_path_length

    usual = float(_average_path_length([estimator.max_samples_])[0])
    if usual <= 0:
        raise NotExactError("an isolation forest of trees that see one row")
    trees = []
    for one, columns in zip(estimator.estimators_, estimator.estimators_features_, strict=True):
        depth = _depths(one.tree_) + _average_path_length(one.tree_.n_node_samples)
        trees.append(_tree(one.tree_, -depth / (usual * len(estimator.estimators_)), 0, columns))
    return Summed(trees, np.zeros(1), "depth", float(estimator.offset_))


def _depths(tree: Any) -> Floats:
    depth = np.zeros(tree.node_count)
    for at in range(tree.node_count):  # parents come before their children
        for child in (tree.children_left[at], tree.children_right[at]):
            if child >= 0:
                depth[child] = depth[at] + 1
    return depth


_TREES: Mapping[str, Callable[[Any], Summed]] = {
    "HistGradientBoostingClassifier": _of_histograms,
    "HistGradientBoostingRegressor": _of_histograms,
    "GradientBoostingClassifier": _boosting,
    "GradientBoostingRegressor": _boosting,
    "IsolationForest": _isolation,
} | dict.fromkeys(
    (
        f"{kind}{what}"
        for kind in ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees")
        for what in ("Classifier", "Regressor")
    ),
    _forest,
)


def _linear(estimator: Any, task: str) -> Weighed:
    weights = np.atleast_2d(np.asarray(estimator.coef_, np.float64)).T
    start = np.broadcast_to(np.atleast_1d(np.asarray(estimator.intercept_, np.float64)), weights.shape[1]).copy()
    if task in ("binary", "multiclass"):
        return Weighed(weights, start, "log-odds")
    logs = type(estimator).__name__ in ("PoissonRegressor", "GammaRegressor") or (
        type(estimator).__name__ == "TweedieRegressor" and _link(estimator) == "log"
    )
    return Weighed(weights, start, "log" if logs else "value")


def _link(estimator: Any) -> str:
    return ("identity" if estimator.power <= 0 else "log") if estimator.link == "auto" else str(estimator.link)
