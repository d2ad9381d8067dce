"""LightGBM and XGBoost: their trees, read from their own text formats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.learn.explain.columns import NotExactError
from headrace.learn.explain.grown import Tree, strictly_below

Floats = npt.NDArray[np.float64]

_LIGHTGBM = {
    "binary": "log-odds", "cross_entropy": "log-odds", "multiclass": "log-odds", "poisson": "log", "gamma": "log",
    "tweedie": "log",
} | dict.fromkeys(
    ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg"), "value"
)  # fmt: skip
_XGBOOST = {
    "binary:logistic": "log-odds", "reg:logistic": "log-odds", "multi:softprob": "log-odds",
    "multi:softmax": "log-odds", "count:poisson": "log", "reg:gamma": "log", "reg:tweedie": "log",
} | dict.fromkeys(
    (
        "reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror", "binary:logitraw",
        "rank:ndcg", "rank:map", "rank:pairwise",
    ),
    "value",
)  # fmt: skip
"""In which space the trees of an objective add up."""
_CATEGORICAL, _NULL_LEFT = 1, 2


@dataclass(frozen=True)
class Boosted:
    """Trees that are summed.

    Args:
        trees: all of them.
        start: what is added beside, shape (k,).
        space: in which they add up.
    """

    trees: list[Tree]
    start: Floats
    space: str


# -- LightGBM ----------------------------------------------------------------------------------------------------------


def of_lightgbm(booster: Any) -> Boosted:
    """Return the trees of a booster.

    Raises:
        NotExactError: for an objective, a kind of tree or of null that has no exact contributions here.
    """
    head, *texts = booster.model_to_string().split("\nTree=")
    said = dict(line.partition("=")[::2] for line in head.splitlines())
    objective, *how = said.get("objective", "custom").split()
    settings = dict(one.partition(":")[::2] for one in how if ":" in one)
    if objective not in _LIGHTGBM or "sqrt" in how:
        raise NotExactError(f"the objective {' '.join([objective, *how])} of LightGBM")
    count = int(said.get("num_tree_per_iteration", "1"))
    trees = [_of_text(text.split("\n\n")[0], at % count) for at, text in enumerate(texts)]
    factor = float(settings.get("sigmoid", "1")) if objective == "binary" else 1.0
    if "average_output" in head.splitlines():
        factor /= max(1, len(trees) // count)
    return Boosted([_times(one, factor) for one in trees], np.zeros(count), _LIGHTGBM[objective])


def _of_text(text: str, output: int) -> Tree:
    said = dict(line.partition("=")[::2] for line in text.splitlines())

    def numbers(name: str, kind: Any = np.float64) -> npt.NDArray[Any]:
        return np.array(said.get(name, "").split(), dtype=np.float64).astype(kind)

    if said.get("is_linear", "0").strip() != "0":
        raise NotExactError("trees of LightGBM with linear models in their leaves")
    leaves, value = int(said["num_leaves"]), numbers("leaf_value")
    if leaves == 1:
        none = np.array([-1])
        return Tree(none, none, none * 0, none * 0.0, none > 0, none * -1.0, value, output)
    kind, split = numbers("decision_type", np.int64), numbers("threshold")
    if (kind & _CATEGORICAL).any():
        raise NotExactError("splits of LightGBM by category")
    missing = (kind >> 2) & 3
    if (missing == 1).any():
        raise NotExactError("LightGBM with zero_as_missing")
    inner, ends = len(split), np.full(leaves, -1)
    # a leaf is written as the complement of its number; here leaves come after the inner nodes
    children = [numbers(name, np.int64) for name in ("left_child", "right_child")]
    left, right = (np.concatenate([np.where(one < 0, inner + ~one, one), ends]) for one in children)
    none = np.zeros(leaves)
    # where training saw no null, one counts as zero
    null_left = np.where(missing == 2, (kind & _NULL_LEFT) > 0, split >= 0)
    return Tree(
        left,
        right,
        np.concatenate([numbers("split_feature", np.int64), none]),
        np.concatenate([split, none]),
        np.concatenate([null_left, none]),
        np.concatenate([numbers("internal_count"), numbers("leaf_count")]),
        np.concatenate([np.zeros(inner), value]),
        output,
    )


def _times(tree: Tree, factor: float) -> Tree:
    return Tree(**vars(tree) | {"value": tree.value * factor}) if factor != 1 else tree


# -- XGBoost -----------------------------------------------------------------------------------------------------------


def of_xgboost(estimator: Any) -> Boosted:
    """Return the trees of a booster, or of one of XGBoost's classes.

    Raises:
        NotExactError: for an objective or a kind of tree that has no exact contributions here.
    """
    booster = estimator if type(estimator).__name__ == "Booster" else estimator.get_booster()
    best = None if booster is estimator else getattr(estimator, "best_iteration", None)
    if best is not None:
        booster = booster[: int(best) + 1]
    learner: Mapping[str, Any] = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective, kind = str(learner["objective"]["name"]), str(learner["gradient_booster"]["name"])
    if objective not in _XGBOOST or kind not in ("gbtree", "dart"):
        raise NotExactError(f"the objective {objective} of XGBoost with {kind}")
    grown = learner["gradient_booster"]
    weights = grown.get("weight_drop")
    model = grown["gbtree"]["model"] if kind == "dart" else grown["model"]
    told = learner["learner_model_param"]
    count = max(1, int(told["num_class"]), int(told.get("num_target", "1")))
    trees = [
        _times(_of_json(one, int(output)), 1.0 if weights is None else float(weights[at]))
        for at, (one, output) in enumerate(zip(model["trees"], model["tree_info"], strict=True))
    ]
    start = np.array(str(told["base_score"]).strip("[]").split(","), np.float64)
    space = _XGBOOST[objective]
    if objective in ("binary:logistic", "reg:logistic"):
        start = np.log(start / (1 - start))
    elif space == "log":
        start = np.log(start)
    return Boosted(trees, np.broadcast_to(start, count).copy(), space)


def _of_json(raw: Mapping[str, Any], output: int) -> Tree:
    if any(raw.get("split_type", ())):
        raise NotExactError("splits of XGBoost by category")
    left, right = np.array(raw["left_children"]), np.array(raw["right_children"])
    held = np.array(raw["split_conditions"], np.float32)
    if int(raw["tree_param"].get("size_leaf_vector", "1")) > 1:
        raise NotExactError("trees of XGBoost with several values in a leaf")
    return Tree(
        left,
        right,
        np.array(raw["split_indices"]),
        strictly_below(held),
        np.array(raw["default_left"], np.bool_),
        np.array(raw["sum_hessian"], np.float64),
        held.astype(np.float64),
        output,
    )
