"""A ready ONNX model, of whatever library: bytes, the path of a file, or what ``onnx.load`` gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.cases import Matrix
from headrace.learn.kinds.kind import Graph, UnlikeError, of_module
from headrace.learn.scorer import open_session


class Ready:
    """A model that another program has trained; its numbers are taken as they are, its file is checked."""

    name = "ONNX"

    def knows(self, estimator: Any) -> bool:
        if isinstance(estimator, str | Path):
            return Path(estimator).suffix == ".onnx"
        return isinstance(estimator, bytes) or (of_module(estimator, "onnx") and hasattr(estimator, "graph"))

    def asks(self, estimator: Any, task: Task) -> str:
        return "run"

    def raw(self, estimator: Any, x: Matrix, names: tuple[str, ...], task: Task) -> npt.NDArray[Any]:
        model = _loaded(estimator)
        session = open_session(model.SerializeToString())
        output = _scores_of(model)
        return np.asarray(session.run([output], {session.get_inputs()[0].name: np.ascontiguousarray(x)})[0])

    def graph(self, estimator: Any, names: Sequence[str], task: Task, count: int) -> Graph:
        import onnx

        model = _loaded(estimator)
        onnx.checker.check_model(model)
        given = [one for one in model.graph.input if one.name not in {each.name for each in model.graph.initializer}]
        if len(given) != 1 or given[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
            raise UnlikeError(f"{len(given)} inputs: it takes one, of float32, shape (rows, {len(names)})")
        sizes = [size.dim_value for size in given[0].type.tensor_type.shape.dim]
        if len(sizes) != 2 or sizes[1] not in (0, len(names)):
            raise UnlikeError(f"an input of {sizes[1:]} columns, where there are {len(names)} features")
        return Graph(model, _scores_of(model), (-1,) if count == 1 else tuple(range(count)))


def _loaded(estimator: Any) -> Any:
    import onnx

    if isinstance(estimator, bytes):
        return onnx.load_model_from_string(estimator)
    if isinstance(estimator, str | Path):
        return onnx.load(str(estimator))
    same = onnx.ModelProto()
    same.CopyFrom(estimator)
    return same


def _scores_of(model: Any) -> str:
    """The last output of numbers: classifiers name the class before."""
    from onnx import TensorProto

    numbers = (TensorProto.FLOAT, TensorProto.DOUBLE)
    found = [one.name for one in model.graph.output if one.type.tensor_type.elem_type in numbers]
    if not found:
        raise UnlikeError("no output of numbers; write it without zipmap")
    return str(found[-1])
