"""CatBoost: its classes and models, of numbers; it writes ONNX itself."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.cases import Matrix, frame
from headrace.learn.kinds.kind import Graph, of_module


class Oblivious:
    """``CatBoostClassifier``, ``CatBoostRegressor`` and their kin by themselves."""

    name = "CatBoost"

    def knows(self, estimator: Any) -> bool:
        return of_module(estimator, "catboost")

    def asks(self, estimator: Any, task: Task) -> str:
        classes = task.name in ("binary", "multiclass") and hasattr(estimator, "predict_proba")
        return "predict_proba" if classes else "predict"

    def raw(self, estimator: Any, x: Matrix, names: tuple[str, ...], task: Task) -> npt.NDArray[Any]:
        return np.asarray(getattr(estimator, self.asks(estimator, task))(frame(x, names)))

    def graph(self, estimator: Any, names: Sequence[str], task: Task, count: int) -> Graph:
        import onnx

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            estimator.save_model(str(path), format="onnx")
            model = onnx.load(str(path))
        _without_names(model)
        del model.metadata_props[:]  # among them the moment of training
        return Graph(model, model.graph.output[-1].name, (-1,) if count == 1 else tuple(range(count)))


def _without_names(model: Any) -> None:
    """Let probabilities leave as one array, where CatBoost writes them by the names of classes."""
    from onnx import TensorProto, helper

    named = next((one for one in model.graph.node if one.op_type == "ZipMap"), None)
    if named is None:
        return
    model.graph.node.remove(named)
    del model.graph.output[:]
    shares = helper.make_tensor_value_info(named.input[0], TensorProto.FLOAT, [None, None])
    model.graph.output.append(shares)
