"""scikit-learn, and whatever has its methods: estimators, pipelines, searches, LightGBM's classes in them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.cases import Matrix, frame
from headrace.learn.kinds import teaching
from headrace.learn.kinds.kind import Graph, UnlikeError, one_column, told_again

METHODS: Mapping[str, tuple[str, ...]] = {
    "binary": ("predict_proba", "decision_function", "predict"),
    "multiclass": ("predict_proba", "predict"),
    "regression": ("predict",),
    "quantiles": ("predict",),
    "ranking": ("predict",),
    "anomaly": ("decision_function", "score_samples", "predict_proba", "predict"),
}
"""What an estimator is asked for by task, the first that it has."""
_OPSET = {"": 18, "ai.onnx.ml": 3}
_COUNTED_PARTS = 18


class Sklearn:
    """Whatever has the methods of scikit-learn; its own classes can be exported."""

    name = "scikit-learn"

    def knows(self, estimator: Any) -> bool:
        return any(callable(getattr(estimator, name, None)) for names in METHODS.values() for name in names)

    def asks(self, estimator: Any, task: Task) -> str:
        return next((one for one in METHODS[task.name] if callable(getattr(estimator, one, None))), "")

    def raw(self, estimator: Any, x: Matrix, names: tuple[str, ...], task: Task) -> npt.NDArray[Any]:
        method = self.asks(estimator, task)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="X (has|does not have valid) feature names")
            found = np.asarray(getattr(estimator, method)(frame(x, names)))
        if task.name != "anomaly":
            return found
        if method == "predict" and found.shape == x.shape and x.shape[1] > 1:
            return told_again(found, x)
        single = one_column(found, len(x))
        # What is strange has the lower of these two.
        return -single if method in ("decision_function", "score_samples") else single

    def graph(self, estimator: Any, names: Sequence[str], task: Task, count: int) -> Graph:
        from sklearn.base import BaseEstimator

        if not isinstance(estimator, BaseEstimator):
            kind = f"{type(estimator).__module__.split('.')[0]} {type(estimator).__name__}"
            raise TypeError(f"no converter for {kind}")
        method = self.asks(estimator, task)
        if task.name == "anomaly" and method == "score_samples":
            raise TypeError(f"{type(estimator).__name__} without decision_function")
        model = _converted(estimator, names)
        output = model.graph.output[-1]
        if task.name == "anomaly" and method == "predict":
            return far(model, output.name, len(names))
        sizes = [size.dim_value for size in output.type.tensor_type.shape.dim]
        width = sizes[1] if len(sizes) > 1 else 1
        if width not in ((0, 1, 2) if count == 1 else (0, count)):
            raise UnlikeError(f"{width} scores for each row")
        columns = (-1,) if count == 1 else tuple(range(count))
        return Graph(model, output.name, columns, -1 if task.name == "anomaly" else 1)


def _converted(estimator: Any, names: Sequence[str]) -> Any:
    import onnx
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    logging.getLogger("skl2onnx").setLevel(logging.ERROR)
    teaching.teach()
    estimator = _without_passing(estimator)
    inputs = [("X", FloatTensorType([None, len(names)]))]
    named = _chooses_by_name(estimator)
    if named:
        inputs = [(name, FloatTensorType([None, 1])) for name in names]
    # the name is fixed: nothing random gets into the file
    options = _options(estimator)
    model = convert_sklearn(estimator, name="model", initial_types=inputs, options=options, target_opset=dict(_OPSET))
    return _join_inputs(model, onnx) if named else model


def _without_passing(estimator: Any) -> Any:
    """A pipeline, and those within it, without the steps that do nothing, of which the converter knows nothing."""
    from sklearn.pipeline import Pipeline

    if not isinstance(estimator, Pipeline):
        return estimator
    kept = [(name, _without_passing(step)) for name, step in estimator.steps if not _passes(step)]
    return Pipeline(kept)


def _passes(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")


def part(estimator: Any, names: Sequence[str]) -> bytes:
    """Return the first steps of a pipeline as a file, to see at which one it parts from the pipeline."""
    content: bytes = _converted(estimator, names).SerializeToString()
    return content


def _options(estimator: Any) -> dict[int, dict[str, bool]]:
    """Ask the converter for scores as one array; one that does not know this option fails on it."""
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common._registration import get_converter

    last = estimator
    while hasattr(last, "steps"):
        last = last.steps[-1][1]
    alias = sklearn_operator_name_map.get(type(last))
    known = (alias and get_converter(alias).get_allowed_options()) or {}
    return {id(last): {"zipmap": False} if "zipmap" in known else {}}


def _chooses_by_name(estimator: Any) -> bool:
    """Whether a step picks its columns by name, so that the converter must see each column as an input."""
    from sklearn.compose import ColumnTransformer

    steps = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    return any(isinstance(step, ColumnTransformer) for step in steps)


def _join_inputs(model: Any, onnx: Any) -> Any:
    """Put one matrix in the place of an input for each column: a service hands over a row, not a frame."""
    graph, names = model.graph, [one.name for one in model.graph.input]
    matrix = onnx.helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, [None, len(names)])
    # the converter writes the lowest version that its own nodes need; of equal parts only later ones ask for the number
    version = next(one.version for one in model.opset_import if not one.domain)
    parts = {"num_outputs": len(names)} if version >= _COUNTED_PARTS else {}
    graph.node.insert(0, onnx.helper.make_node("Split", ["X"], names, name="columns", axis=1, **parts))
    del graph.input[:]
    graph.input.append(matrix)
    return model


def far(model: Any, output: str, width: int) -> Graph:
    """Return a graph that tells rows again as one of how far they are from it."""
    from onnx import TensorProto, helper

    given = model.graph.input[0].name
    steps = [
        helper.make_node("Sub", [output, given], ["apart"], name="apart"),
        helper.make_node("IsNaN", [given], ["null"], name="null"),
        helper.make_node("Where", ["null", "nothing", "apart"], ["known"], name="known"),
        helper.make_node("Mul", ["known", "known"], ["squared"], name="squared"),
        helper.make_node("MatMul", ["squared", "shares"], ["far"], name="far"),
    ]
    model.graph.node.extend(steps)
    model.graph.initializer.append(helper.make_tensor("shares", TensorProto.FLOAT, [width, 1], [1 / width] * width))
    model.graph.initializer.append(helper.make_tensor("nothing", TensorProto.FLOAT, [1, 1], [0.0]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("far", TensorProto.FLOAT, [None, 1]))
    return Graph(model, "far")
