"""XGBoost: boosters and its classes."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.cases import Matrix, frame
from headrace.learn.kinds.kind import Graph, of_module

_LIKELIHOODS = ("binary:logistic", "reg:logistic", "multi:softprob")
"""Objectives whose predictions are probabilities of classes."""


def gives_likelihoods(booster: Any) -> bool:
    """Return whether a booster's objective is the likelihood of classes."""
    said = json.loads(booster.save_config())["learner"]
    return str(said["objective"]["name"]) in _LIKELIHOODS


class Boosted:
    """What ``xgboost.train`` gives, and ``XGBClassifier`` and its kin by themselves."""

    name = "XGBoost"

    def knows(self, estimator: Any) -> bool:
        return of_module(estimator, "xgboost")

    def asks(self, estimator: Any, task: Task) -> str:
        classes = task.name in ("binary", "multiclass") and hasattr(estimator, "predict_proba")
        return "predict_proba" if classes else "predict"

    def raw(self, estimator: Any, x: Matrix, names: tuple[str, ...], task: Task) -> npt.NDArray[Any]:
        rows: Any = frame(x, names)
        if type(estimator).__name__ == "Booster":
            from xgboost import DMatrix

            rows = DMatrix(rows)
        return np.asarray(getattr(estimator, self.asks(estimator, task))(rows))

    def graph(self, estimator: Any, names: Sequence[str], task: Task, count: int) -> Graph:
        from onnxmltools import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType

        inputs = [("X", FloatTensorType([None, len(names)]))]
        model = convert_xgboost(_unnamed(estimator), name="model", initial_types=inputs, target_opset=15)
        return Graph(model, model.graph.output[-1].name, (-1,) if count == 1 else tuple(range(count)))


def _unnamed(estimator: Any) -> Any:
    """The converter takes columns by their place only."""
    if type(estimator).__name__ == "Booster":
        plain = estimator.copy()
        plain.feature_names = None
        return plain
    plain = copy.deepcopy(estimator)
    plain.get_booster().feature_names = None
    return plain
