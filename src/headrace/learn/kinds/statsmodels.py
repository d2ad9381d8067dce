"""statsmodels: results of linear and generalised linear models, by their coefficients and the inverse of their link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.cases import Matrix, frame
from headrace.learn.kinds.kind import Graph, UnlikeError, of_module

CONSTANT = ("const", "Intercept")
_INVERSE = {"identity": "", "logit": "Sigmoid", "log": "Exp", "inverse_power": "Reciprocal"}
"""Links, and the operation of ONNX that undoes each."""
_LINEAR = ("OLS", "WLS", "GLS", "GLSAR", "RLM", "QuantReg")
"""Models without a link."""


class Statsmodels:
    """The results of ``OLS``, ``WLS``, ``GLM``, ``Logit`` and the like, fitted on columns of ``train.X``.

    A constant is one of the columns, as ``statsmodels.api.add_constant`` names it.
    """

    name = "statsmodels"

    def knows(self, estimator: Any) -> bool:
        return of_module(estimator, "statsmodels") and hasattr(estimator, "params")

    def asks(self, estimator: Any, task: Task) -> str:
        return "predict" if task.name in ("binary", "regression", "ranking") else ""

    def raw(self, estimator: Any, x: Matrix, names: tuple[str, ...], task: Task) -> npt.NDArray[Any]:
        rows, wanted = frame(x, names), columns_of(estimator)
        for one in wanted:
            if one in CONSTANT:
                rows[one] = 1.0
            elif one not in names:
                raise KeyError(one)
        return np.asarray(estimator.predict(rows[wanted]))

    def graph(self, estimator: Any, names: Sequence[str], task: Task, count: int) -> Graph:
        from onnx import TensorProto, helper, numpy_helper

        weights, constant = np.zeros((len(names), 1)), 0.0
        for one, value in zip(columns_of(estimator), np.asarray(estimator.params, float), strict=True):
            if one in CONSTANT:
                constant += float(value)
            elif one not in names:
                raise UnlikeError(f"the column {one!r}, which is no feature")
            else:
                weights[list(names).index(one), 0] = value
        undo = _INVERSE.get(link := link_of(estimator))
        if undo is None:
            raise UnlikeError(f"the link {link!r}, which is none of {', '.join(_INVERSE)}")
        used = np.flatnonzero(weights[:, 0])
        held = {"used": used, "weights": weights[used], "constant": np.array([constant])}
        nodes = [
            helper.make_node("Gather", ["X", "used"], ["read"], axis=1),
            helper.make_node("Cast", ["read"], ["wide"], to=TensorProto.DOUBLE),
            helper.make_node("MatMul", ["wide", "weights"], ["weighed"]),
            helper.make_node("Add", ["weighed", "constant"], ["linear"]),
            *([helper.make_node(undo, ["linear"], ["expected"])] if undo else []),
            helper.make_node("Cast", ["expected" if undo else "linear"], ["score"], to=TensorProto.FLOAT),
        ]
        given = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, len(names)])
        score = helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])
        constants = [numpy_helper.from_array(value, name) for name, value in held.items()]
        graph = helper.make_graph(nodes, "linear", [given], [score], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        return Graph(model, "score")


def columns_of(estimator: Any) -> list[str]:
    return [str(one) for one in estimator.model.exog_names]


def link_of(estimator: Any) -> str:
    """The name of the link: of a generalised linear model its family's, of a logit its own, else none."""
    family = getattr(estimator.model, "family", None)
    if family is not None:
        kind = type(family.link).__name__.lower()
        return {"inversepower": "inverse_power"}.get(kind, kind)
    kind = type(estimator.model).__name__
    return {"Logit": "logit", "Poisson": "log"}.get(kind, "identity" if kind in _LINEAR else kind)
