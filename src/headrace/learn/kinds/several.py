"""Several estimators as one: of quantiles one for each level, by the level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.cases import Matrix
from headrace.learn.kinds.kind import Graph, Kind, one_column


class Several:
    """A mapping of levels to estimators of any kind.

    Args:
        kinds: by which each is asked.
    """

    name = "several estimators"

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._kinds = kinds

    def knows(self, estimator: Any) -> bool:
        return isinstance(estimator, Mapping) and bool(estimator)

    def asks(self, estimator: Any, task: Task) -> str:
        there = task.name == "quantiles" and set(estimator) == set(task.levels)
        return "predict" if there and all(self._of(one).asks(one, task) for one in estimator.values()) else ""

    def raw(self, estimator: Any, x: Matrix, names: tuple[str, ...], task: Task) -> npt.NDArray[Any]:
        each = [estimator[level] for level in task.levels]
        return np.stack([one_column(self._of(one).raw(one, x, names, task), len(x)) for one in each], axis=1)

    def graph(self, estimator: Any, names: Sequence[str], task: Task, count: int) -> Graph:
        """Return the graphs of all beside one another, on one input, their scores side by side."""
        from onnx import TensorProto, compose, helper

        each = [self._of(estimator[level]).graph(estimator[level], names, task, 1) for level in task.levels]
        whole, outputs = None, []
        for at, one in enumerate(each):
            model = compose.add_prefix(one.model, f"q{at}_")
            outputs.append(f"q{at}_{one.output}")
            if whole is None:
                whole = model
                continue
            whole.graph.node.extend(model.graph.node)
            whole.graph.initializer.extend(model.graph.initializer)
            known = {(opset.domain, opset.version) for opset in whole.opset_import}
            if {(opset.domain, opset.version) for opset in model.opset_import} != known:
                raise TypeError("estimators of several libraries")
        assert whole is not None
        inputs = [
            helper.make_node("Identity", ["X"], [f"q{at}_{one.model.graph.input[0].name}"])
            for at, one in enumerate(each)
        ]
        nodes = [*inputs, *whole.graph.node, helper.make_node("Concat", outputs, ["scores"], axis=1)]
        del whole.graph.node[:], whole.graph.input[:], whole.graph.output[:]
        whole.graph.node.extend(nodes)
        whole.graph.input.append(helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, len(names)]))
        whole.graph.output.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, count]))
        return Graph(whole, "scores", tuple(range(count)))

    def _of(self, estimator: Any) -> Kind:
        return next(kind for kind in self._kinds if kind.knows(estimator))
