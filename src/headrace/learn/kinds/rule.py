"""A plain Python rule: a function of the features' frame, followed once with columns that write down what is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.cases import Matrix, frame
from headrace.learn.kinds.kind import Graph, UnlikeError

_UFUNCS = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "true_divide": "Div", "negative": "Neg",
    "absolute": "Abs", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "power": "Pow", "maximum": "Max", "minimum": "Min",
    "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater",
    "greater_equal": "GreaterOrEqual", "equal": "Equal", "not_equal": "Unequal", "logical_and": "And",
    "bitwise_and": "And", "logical_or": "Or", "bitwise_or": "Or", "logical_not": "Not", "invert": "Not",
    "isnan": "IsNaN", "floor": "Floor", "ceil": "Ceil", "tanh": "Tanh", "sign": "Sign",
}  # fmt: skip
"""Functions of NumPy, and what they are called in ONNX."""
_TRUTHS = ("Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "Unequal", "And", "Or", "Not", "IsNaN")
_OF_TRUTHS = ("And", "Or", "Not")
_LIKE_TRUTHS = {"Add": "Or", "Mul": "And"}
"""What NumPy takes for the sum and the product of truths."""
_OPSET = {"": 18}
_LARGEST = float(np.finfo(np.float64).max)


class Rule:
    """A function of a data frame that gives a score for each row."""

    name = "a Python rule"

    def knows(self, estimator: Any) -> bool:
        return callable(estimator)

    def asks(self, estimator: Any, task: Task) -> str:
        return "rule"

    def raw(self, estimator: Any, x: Matrix, names: tuple[str, ...], task: Task) -> npt.NDArray[Any]:
        return np.asarray(estimator(frame(x, names)), dtype=np.float64)

    def graph(self, estimator: Any, names: Sequence[str], task: Task, count: int) -> Graph:
        from onnx import TensorProto, helper

        made = _Made(names)
        try:
            found = estimator(_Frame(made, names))
        except UnlikeError:
            raise
        except Exception as error:
            raise UnlikeError(f"a rule that cannot be followed ({type(error).__name__}: {error})") from error
        if not isinstance(found, _Column):
            raise UnlikeError(f"{type(found).__name__}, which is no column made of those of the frame")
        last = found.number()
        made.node("Cast", [last.name], "score", to=TensorProto.FLOAT)
        given = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, len(names)])
        score = helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])
        graph = helper.make_graph(made.nodes, "rule", [given], [score], made.constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSET.items()]
        return Graph(helper.make_model(graph, opset_imports=opsets, ir_version=9), "score")


class _Made:
    """The nodes of a graph, in double precision as pandas computes."""

    def __init__(self, names: Sequence[str]) -> None:
        from onnx import TensorProto

        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._of: dict[str, str] = {}
        self.names = tuple(names)
        self.node("Cast", ["X"], "wide", to=TensorProto.DOUBLE)

    def node(self, kind: str, given: Sequence[str], name: str = "", **said: Any) -> str:
        from onnx import helper

        name = name or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(given), [name], name=name, **said))
        return name

    def constant(self, values: Any, kind: int, shape: Sequence[int]) -> str:
        from onnx import helper

        name = f"c{len(self.constants)}"
        self.constants.append(helper.make_tensor(name, kind, shape, np.ravel(values).tolist()))
        return name

    def column(self, name: str) -> _Column:
        from onnx import TensorProto

        if name not in self._of:
            place = self.constant([self.names.index(name)], TensorProto.INT64, [1])
            self._of[name] = self.node("Gather", ["wide", place], axis=1)
        return _Column(self, self._of[name])

    def of(self, value: Any) -> _Column:
        """A column, or a number as one."""
        from onnx import TensorProto

        if isinstance(value, _Column):
            return value
        if isinstance(value, bool | np.bool_):
            return _Column(self, self.constant([bool(value)], TensorProto.BOOL, [1, 1]), truth=True)
        if isinstance(value, int | float | np.number):
            return _Column(self, self.constant([float(value)], TensorProto.DOUBLE, [1, 1]))
        raise UnlikeError(f"{type(value).__name__} within a rule: it takes columns, numbers and truths")

    def ask(self, kind: str, *given: Any) -> _Column:
        each = [self.of(one) for one in given]
        if kind == "Unequal":
            return self.ask("Not", self.ask("Equal", *given))
        if kind in _LIKE_TRUTHS and all(one.is_truth for one in each):
            kind = _LIKE_TRUTHS[kind]
        each = [one.boolean() if kind in _OF_TRUTHS else one.number() for one in each]
        return _Column(self, self.node(kind, [one.name for one in each]), truth=kind in _TRUTHS)

    def where(self, mask: Any, yes: Any, no: Any) -> _Column:
        each = [self.of(mask).boolean(), self.of(yes).number(), self.of(no).number()]
        return _Column(self, self.node("Where", [one.name for one in each]))


def _asks(kind: str, *, turned: bool = False) -> Callable[..., _Column]:
    def ask(self: _Column, *others: Any) -> _Column:
        return self.made.ask(kind, *others, self) if turned else self.made.ask(kind, self, *others)

    return ask


class _Column:
    """A column in the making: what is done with it is written down."""

    def __init__(self, made: _Made, name: str, *, truth: bool = False) -> None:
        self.made, self.name, self._truth = made, name, truth

    @property
    def is_truth(self) -> bool:
        return self._truth

    def number(self) -> _Column:
        from onnx import TensorProto

        return _Column(self.made, self.made.node("Cast", [self.name], to=TensorProto.DOUBLE)) if self._truth else self

    def boolean(self) -> _Column:
        from onnx import TensorProto

        if self._truth:
            return self
        return _Column(self.made, self.made.node("Cast", [self.name], to=TensorProto.BOOL), truth=True)

    __add__ = __radd__ = _asks("Add")
    __mul__ = __rmul__ = _asks("Mul")
    __sub__, __rsub__ = _asks("Sub"), _asks("Sub", turned=True)
    __truediv__, __rtruediv__ = _asks("Div"), _asks("Div", turned=True)
    __pow__, __neg__, __abs__ = _asks("Pow"), _asks("Neg"), _asks("Abs")
    __rpow__ = _asks("Pow", turned=True)
    __lt__, __le__, __gt__, __ge__ = _asks("Less"), _asks("LessOrEqual"), _asks("Greater"), _asks("GreaterOrEqual")
    __eq__, __ne__ = _asks("Equal"), _asks("Unequal")  # type: ignore[assignment]  # a column, as of pandas
    __and__ = __rand__ = _asks("And")
    __or__ = __ror__ = _asks("Or")
    __invert__ = _asks("Not")
    isna = isnull = _asks("IsNaN")
    __hash__ = None  # type: ignore[assignment]  # what compares to a column has none

    def abs(self) -> _Column:
        return self.made.ask("Abs", self)

    def notna(self) -> _Column:
        return ~self.isna()

    notnull = notna

    def fillna(self, value: Any) -> _Column:
        return self.made.where(self.isna(), value, self)

    def finite(self, copy: bool = True, nan: float = 0.0) -> _Column:
        """As ``numpy.nan_to_num``: the infinite become the largest numbers."""
        return self.fillna(nan).clip(-_LARGEST, _LARGEST)

    def where(self, mask: Any, other: Any = np.nan) -> _Column:
        return self.made.where(mask, self, other)

    def mask(self, mask: Any, other: Any = np.nan) -> _Column:
        return self.made.where(mask, other, self)

    def clip(self, lower: Any = None, upper: Any = None) -> _Column:
        """As pandas: two numbers in either order; an upper column is held against the values as they were."""
        lower, upper = (None if isinstance(one, float) and np.isnan(one) else one for one in (lower, upper))
        numbers = [one for one in (lower, upper) if not isinstance(one, _Column) and one is not None]
        if len(numbers) == 2:
            lower, upper = min(numbers), max(numbers)
        found = self if lower is None else self.made.where(self < lower, lower, self)
        if upper is None:
            return found
        return self.made.where((self if isinstance(upper, _Column) else found) > upper, upper, found)

    def between(self, left: Any, right: Any) -> _Column:
        return self.made.ask("And", self >= left, self <= right)

    def astype(self, kind: Any) -> _Column:
        if kind in (float, "float", "float64", np.float64):
            return self.number()
        if kind in (bool, "bool"):
            return self.boolean()
        if kind in (int, "int", "int64", np.int64) and self._truth:
            return self.number()
        raise UnlikeError(f"astype({kind!r}) within a rule")

    def __pos__(self) -> _Column:
        return self

    def round(self, decimals: int = 0) -> _Column:
        if decimals:
            raise UnlikeError("round() to decimals within a rule")
        return self.made.ask("Round", self)

    def __array_ufunc__(self, function: Any, method: str, *given: Any, **more: Any) -> Any:
        if function in (np.log1p, np.expm1) and method == "__call__" and not more:
            (one,) = given
            return self.made.ask("Log", one + 1) if function is np.log1p else self.made.ask("Exp", one) - 1
        kind = _UFUNCS.get(function.__name__)
        if method != "__call__" or more or kind is None:
            raise UnlikeError(f"numpy.{function.__name__} within a rule")
        return self.made.ask(kind, *given)

    def __array_function__(self, function: Any, _types: Any, given: Any, more: Any) -> Any:
        if function is np.where and len(given) == 3:
            return self.made.where(*given)
        if function is np.select:
            return self._selected(*given, **more)
        if function is np.nan_to_num:
            return _column(given[0]).finite(*given[1:], **more)
        if function is np.round:
            return _column(given[0]).round(*given[1:], **more)
        if function is np.clip:
            said = dict(zip(("a_min", "a_max"), given[1:], strict=False)) | more
            if not set(said) <= {"a_min", "a_max", "min", "max"}:
                raise UnlikeError("numpy.clip within a rule, of other than two bounds")
            low, high = (said.get(f"a_{end}", said.get(end)) for end in ("min", "max"))
            return _column(given[0]).clip(low, high)
        raise UnlikeError(f"numpy.{function.__name__} within a rule")

    def _selected(self, condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> _Column:
        found = self.made.of(default)
        for mask, choice in reversed(list(zip(condlist, choicelist, strict=True))):
            found = self.made.where(mask, choice, found)
        return found

    def __bool__(self) -> bool:
        raise UnlikeError("a condition on a whole column: write numpy.where(…), & and | for if, and and or")

    def __getattr__(self, name: str) -> Any:
        raise UnlikeError(f".{name} of a column within a rule")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise UnlikeError("a column as an array within a rule")


def _column(value: Any) -> _Column:
    assert isinstance(value, _Column)
    return value


class _Frame:
    """The frame that a rule is followed with."""

    def __init__(self, made: _Made, names: Sequence[str]) -> None:
        self._made, self.columns = made, tuple(names)

    def __getitem__(self, name: str) -> _Column:
        if name not in self.columns:
            raise UnlikeError(f"the column {name!r} within a rule, which is no feature")
        return self._made.column(name)

    def __getattr__(self, name: str) -> Any:
        raise UnlikeError(f".{name} of the frame within a rule: it takes columns by their names")
