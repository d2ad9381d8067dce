"""Whether a model gives a row the same bits alone as among others: what may be scored together, and what row by row.

Kernels choose their way by the number of rows: a product of matrices is summed in another order for one row than for
two, a logarithm is computed by other instructions in the last lanes of a vector, the larger of 0 and -0 is either.
What is left is what cannot differ: trees, whose leaves are added in their order for each row by itself, and operators
that move or compare numbers, or compute one in the only way that IEEE 754 allows.
``docs/decisions/0038-open-inference.md`` has what was measured, also of operators that are not in the list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from headrace.learn.native import METADATA, ONNX, ending_of

_TREES = ("ai.onnx.ml.TreeEnsembleClassifier", "ai.onnx.ml.TreeEnsembleRegressor")
_MOVED = ("Cast", "Constant", "Identity", "Where", "ai.onnx.ml.Imputer")
_COMPARED = (
    "And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "Not", "Or", "Relu", "Sign",
    "Xor",
)  # fmt: skip
_ROUNDED_ONCE = ("Abs", "Add", "Ceil", "Div", "Floor", "Mul", "Neg", "Round", "Sqrt", "Sub", "ai.onnx.ml.Scaler")
_ALIKE = frozenset((*_TREES, *_MOVED, *_COMPARED, *_ROUNDED_ONCE))
_BY_COLUMN = frozenset(("Concat", "Gather", "Split"))
"""Alike along the second axis; along the first they would mix rows."""

# numbers of fields in onnx.proto
_GRAPH, _PROPERTIES, _FUNCTIONS = 7, 14, 25
_NODE = 1
_INPUT, _OUTPUT, _OPERATOR, _ATTRIBUTE, _DOMAIN = 1, 2, 4, 5, 7
_KEY, _VALUE = 1, 2
_NAME, _WHOLE = 1, 3


def alike(content: bytes) -> bool:
    """Return whether a model file gives each row the same bits, however many rows are beside it and in whatever place.

    That holds on one thread, as ``Scorer`` runs it. Of a graph only what leads to its scores counts. The libraries of
    files in their own format go from tree to tree for each row.

    Args:
        content: of a model file that ``headrace.learn`` exported.

    Returns:
        False where it may differ in the last bit, and where nothing is known.

    Example:
        >>> from onnx import TensorProto, helper
        >>> def graph(operator):
        ...     ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in "xy"]
        ...     made = helper.make_graph([helper.make_node(operator, ["x"], ["y"])], "g", ends[:1], ends[1:])
        ...     model = helper.make_model(made)
        ...     helper.set_model_props(model, {"headrace": '{"output": "y"}'})
        ...     return model.SerializeToString()
        >>> alike(graph("Sqrt")), alike(graph("Log"))
        (True, False)
    """
    if ending_of(content) != ONNX:
        return True
    model = _message(content)
    if _FUNCTIONS in model:  # which may give an operator another meaning
        return False
    nodes = [_message(one) for graph in model[_GRAPH] for one in _message(graph).get(_NODE, ())]
    makers = {bytes(name): node for node in nodes for name in node.get(_OUTPUT, ())}
    wanted, seen = [_output(model)], set[bytes]()
    while wanted:
        name = wanted.pop()
        if name in seen or name not in makers:  # the input, and constants
            continue
        seen.add(name)
        if not _row_by_row(makers[name]):
            return False
        wanted += [bytes(one) for one in makers[name].get(_INPUT, ())]
    return True


_Message = dict[int, list[Any]]


def _row_by_row(node: _Message) -> bool:
    domain, operator = _text(node, _DOMAIN), _text(node, _OPERATOR)
    if domain in ("", "ai.onnx") and operator in _BY_COLUMN:
        axes = [_message(one) for one in node.get(_ATTRIBUTE, ())]
        return [one.get(_WHOLE) for one in axes if _text(one, _NAME) == "axis"] == [[1]]
    return (operator if domain in ("", "ai.onnx") else f"{domain}.{operator}") in _ALIKE


def _output(model: _Message) -> bytes:
    known = {_text(one, _KEY): _text(one, _VALUE) for one in map(_message, model.get(_PROPERTIES, ()))}
    return str(json.loads(known[METADATA])["output"]).encode()


def _text(message: _Message, field: int) -> str:
    return bytes(message.get(field, [b""])[-1]).decode()


def _message(content: bytes | memoryview) -> _Message:
    """The fields of a message in the wire format of Protocol Buffers, by number; ``onnx`` itself is not for serving."""
    found: _Message = {}
    for number, value in _fields(memoryview(content)):
        found.setdefault(number, []).append(value)
    return found


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(content):
        tag, at = _number(content, at)
        kind = tag & 7
        if kind == 0:
            value, at = _number(content, at)
            yield tag >> 3, value
            continue
        size, at = _number(content, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
        yield tag >> 3, content[at : at + size]
        at += size


def _number(content: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at
