"""LightGBM: boosters, and its classes by themselves, whose booster says all that they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.cases import Matrix, frame
from headrace.learn.kinds.kind import Graph, of_module
from headrace.learn.kinds.teaching import plain_booster

_LIKELIHOODS = ("binary", "cross_entropy", "multiclass", "multiclassova")
"""Objectives whose predictions are probabilities of classes."""


def is_booster(estimator: Any) -> bool:
    """Return whether it is what ``lightgbm.train`` gives."""
    return of_module(estimator, "lightgbm") and type(estimator).__name__ == "Booster"


def gives_probabilities(booster: Any) -> bool:
    """Return whether a booster's objective is the likelihood of classes; a function of the user's own says nothing."""
    return str(booster.dump_model(num_iteration=1).get("objective")).partition(" ")[0] in _LIKELIHOODS


class Booster:
    """What ``lightgbm.train`` gives, and ``LGBMRanker``, which no other converter knows."""

    name = "LightGBM"

    def knows(self, estimator: Any) -> bool:
        return is_booster(estimator) or (of_module(estimator, "lightgbm") and type(estimator).__name__ == "LGBMRanker")

    def asks(self, estimator: Any, task: Task) -> str:
        return "predict"

    def raw(self, estimator: Any, x: Matrix, names: tuple[str, ...], task: Task) -> npt.NDArray[Any]:
        return np.asarray(estimator.predict(frame(x, names)))

    def graph(self, estimator: Any, names: Sequence[str], task: Task, count: int) -> Graph:
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType

        booster = estimator if is_booster(estimator) else estimator.booster_
        if task.name == "ranking":
            booster = _as_regression(booster)
        inputs = [("X", FloatTensorType([None, len(names)]))]
        plain = plain_booster(booster)
        model = convert_lightgbm(plain, name="model", initial_types=inputs, zipmap=False, target_opset=15)
        return Graph(model, model.graph.output[-1].name, (-1,) if count == 1 else tuple(range(count)))


def _as_regression(booster: Any) -> Any:
    """A ranking's score is the sum of its trees, as that of a regression is, which the converter knows."""
    from lightgbm import Booster as Trees

    text = booster.model_to_string()
    objective = next((line for line in text.splitlines() if line.startswith("objective=")), "")
    same = Trees(model_str=text.replace(f"\n{objective}\n", "\nobjective=regression\n", 1) if objective else text)
    same.params["objective"] = "regression"
    return same
