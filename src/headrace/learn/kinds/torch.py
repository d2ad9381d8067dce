"""PyTorch: a module of rows, float32, that gives a score, one for each class or quantile, or tells rows again."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.cases import Matrix
from headrace.learn.kinds.kind import Graph, of_module, told_again
from headrace.learn.kinds.sklearn import far


class Module:
    """A ``torch.nn.Module`` in the mode of evaluation; what it answers is the score itself, of classes their shares."""

    name = "PyTorch"

    def knows(self, estimator: Any) -> bool:
        return of_module(estimator, "torch")

    def asks(self, estimator: Any, task: Task) -> str:
        return "forward"

    def raw(self, estimator: Any, x: Matrix, names: tuple[str, ...], task: Task) -> npt.NDArray[Any]:
        import torch

        estimator.eval()
        with torch.no_grad():
            found = estimator(torch.from_numpy(np.array(x, np.float32))).numpy()
        return told_again(found, x) if task.name == "anomaly" and found.shape == x.shape else found

    def graph(self, estimator: Any, names: Sequence[str], task: Task, count: int) -> Graph:
        import onnx
        import torch

        estimator.eval()
        held, some = io.BytesIO(), torch.zeros(2, len(names))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                estimator, (some,), held, input_names=["X"], output_names=["score"], opset_version=17,
                dynamic_axes={"X": {0: "rows"}, "score": {0: "rows"}}, dynamo=False,
            )  # fmt: skip
            shape = tuple(estimator(some).shape)
        model = onnx.load_model_from_string(held.getvalue())
        if task.name == "anomaly" and shape == (2, len(names)):
            return far(model, "score", len(names))
        return Graph(model, "score", (-1,) if count == 1 else tuple(range(count)))
