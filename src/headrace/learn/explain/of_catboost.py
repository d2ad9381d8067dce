"""CatBoost: its symmetric trees, read from the JSON that it writes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headrace.learn.explain.columns import NotExactError
from headrace.learn.explain.grown import Tree
from headrace.learn.explain.of_boosting import Boosted

_SPACES = {
    "Logloss": "log-odds",
    "CrossEntropy": "log-odds",
    "MultiClass": "log-odds",
    "Poisson": "log",
} | dict.fromkeys(
    ("RMSE", "MAE", "Quantile", "Huber", "MAPE", "LogLinQuantile", "MultiQuantile", "YetiRank", "PairLogit"), "value"
)
"""In which space the trees of a loss add up."""


def of_catboost(estimator: Any) -> Boosted:
    """Return the trees of an estimator.

    Raises:
        NotExactError: for a loss, a kind of tree or of split that has no exact contributions here.
    """
    loss = str(estimator.get_all_params().get("loss_function", "")).partition(":")[0]
    if loss not in _SPACES:
        raise NotExactError(f"the loss {loss} of CatBoost")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        estimator.save_model(str(path), format="json")
        raw: Mapping[str, Any] = json.loads(path.read_text())
    if "oblivious_trees" not in raw:
        raise NotExactError("trees of CatBoost that are not symmetric")
    features = {one["feature_index"]: one for one in raw["features_info"]["float_features"]}
    scale, bias = raw["scale_and_bias"]
    start = np.atleast_1d(np.asarray(bias, np.float64))
    count = max(
        len(start), int(len(raw["oblivious_trees"][0]["leaf_values"]) / len(_weights(raw["oblivious_trees"][0])))
    )
    trees = [_tree(one, features, float(scale), count) for one in raw["oblivious_trees"]]
    return Boosted(trees, np.broadcast_to(start, count).copy(), _SPACES[loss])


def _weights(raw: Mapping[str, Any]) -> list[float]:
    return list(raw["leaf_weights"])


def _tree(raw: Mapping[str, Any], features: Mapping[int, Any], scale: float, count: int) -> Tree:
    """A tree that asks the same of all nodes of a depth, as one of nodes; the first question decides the last bit."""
    splits = raw["splits"][::-1]
    if any(one["split_type"] != "FloatFeature" for one in splits):
        raise NotExactError("splits of CatBoost by category")
    inner, leaves = 2 ** len(splits) - 1, 2 ** len(splits)
    at = np.arange(inner + leaves)
    depth = np.floor(np.log2(at + 1)).astype(np.int64)
    asked = [features[one["float_feature_index"]] for one in splits]
    ends = [0]  # what leaves ask for
    column = np.array([one["flat_feature_index"] for one in asked] + ends)[depth]
    border = np.array([one["border"] for one in splits] + ends, np.float64)[depth]
    null_left = np.array([one["nan_value_treatment"] != "AsTrue" for one in asked] + ends, np.bool_)[depth]
    leaf = at >= inner
    cover = np.zeros(inner + leaves)
    cover[leaf] = _weights(raw)
    for node in range(inner - 1, -1, -1):
        cover[node] = cover[2 * node + 1] + cover[2 * node + 2]
    value = np.zeros((inner + leaves, count))
    value[leaf] = np.reshape(raw["leaf_values"], (leaves, count)) * scale
    left, right = (np.where(leaf, -1, 2 * at + side) for side in (1, 2))
    return Tree(left, right, column, border, null_left, cover, value)
