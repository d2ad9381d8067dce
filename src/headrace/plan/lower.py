"""Lowering: a typed tree as a function of columns, for batches, and as a function of one row, for requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from headrace.kernel.column import Column, dtype_of, nulls
from headrace.kernel.texts import texts
from headrace.plan.expression import Call, Literal, Node, Ref, references
from headrace.plan.functions import TABLE, Function
from headrace.types import LogicalType

Columns = Mapping[str, Column]
Row = Mapping[str, Any]


def columns(node: Node, given: Columns, length: int) -> Column:
    """Return the value of an expression for every row of a batch.

    Args:
        node: typed tree.
        given: the columns and features that it names.
        length: number of rows.
    """
    match node:
        case Ref():
            return given[node.name]
        case Literal():
            return constant(node, length)
    function = TABLE[node.function]
    if function.strict:
        return _strict(function, node, given, length)
    if function.constants:
        args = [
            arg.value if isinstance(arg, Literal) and i else columns(arg, given, length)
            for i, arg in enumerate(node.args)
        ]
    else:
        args = [columns(arg, given, length) for arg in node.args]
    result: Column = function.columnar(*args)
    return result


def _strict(function: Function, node: Call, given: Columns, length: int) -> Column:
    """Null where any argument is null or a float is not finite; constants go in as plain values."""
    kind = node.domain.type
    valid = None
    values: list[Any] = []
    for arg in node.args:
        if isinstance(arg, Literal):
            if arg.value is None:
                return nulls(kind, length)
            values.append(arg.value)
            continue
        column = columns(arg, given, length)
        values.append(column.values)
        if column.valid is not None:
            valid = column.valid if valid is None else valid & column.valid
    with np.errstate(all="ignore"):
        made = function.columnar(*values)
    if isinstance(made, tuple):  # values, and where there are any
        made, there = made
        valid = np.broadcast_to(there if valid is None else valid & there, (length,))
    if kind.name == "float":
        finite = np.isfinite(made)
        if not finite.all():
            valid = finite if valid is None else valid & finite
    return Column(kind, np.ascontiguousarray(made), valid)


def constant(node: Literal, length: int) -> Column:
    """Return a constant as a column."""
    kind = node.domain.type
    if node.value is None:
        return nulls(kind, length)
    if kind.name == "str":
        return Column(kind, np.zeros(length, dtype=np.int64), None, texts([node.value]))
    return Column(kind, np.full(length, node.value, dtype=dtype_of(kind)))


def row_function(node: Node) -> Callable[[Row], Any]:
    """Return an expression as a function of one row of plain values (None for null).

    Values are as the kernel holds them: decimals in units of their last digit, times in microseconds, dates in days.
    """
    of, names = plain_function(node), references(node)
    if len(names) == 1:
        (only,) = names
        return lambda row: of(row[only])
    return lambda row: of(*[row[name] for name in names])


def plain_function(node: Node) -> Callable[..., Any]:
    """Return an expression as a function of the plain values of its ``references``, in their order.

    It is written out as Python, a line for each call: what an interpreter of trees does between two calls takes longer
    than most of the calls.
    """
    names = references(node)
    given: dict[str, Any] = {}
    lines: list[str] = []

    def put(value: Any) -> str:
        given[name := f"k{len(given)}"] = value
        return name

    def written(one: Node) -> str:
        match one:
            case Ref():
                return f"v{names.index(one.name)}"
            case Literal():
                return put(one.value)
        function, args = TABLE[one.function], [written(arg) for arg in one.args]
        called = f"{put(function.scalar)}({', '.join(args)})"
        if function.strict and args:
            called = f"None if {' or '.join(f'{arg} is None' for arg in args)} else {called}"
        lines.append(f"    t{len(lines)} = {called}")
        return f"t{len(lines) - 1}"

    result = written(node)
    text = "\n".join([f"def of({', '.join(f'v{at}' for at in range(len(names)))}):", *lines, f"    return {result}"])
    exec(compile(text, "<expression>", "exec"), given)  # noqa: S102 - names of our own, and nothing that anyone wrote
    made: Callable[..., Any] = given["of"]
    return made


def plain_value(value: Any, kind: LogicalType) -> Any:
    """Return a value as the kernel holds it in the shape that leaves Headrace: decimals as float64."""
    if value is None or kind.name != "decimal":
        return value
    return float(value) / 10.0**kind.scale
