"""Comparison, three-valued logic, and choice between values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from headrace.kernel.column import Column, concat, in_order, one_dictionary
from headrace.plan.expression import Call, Literal, Node
from headrace.plan.functions.conversions import said
from headrace.plan.functions.function import Function, Refused, bounds, unified, wants
from headrace.types import BOOL, Domain

ORDERED = ("int", "float", "decimal", "timestamp", "date", "str", "bool")


def _comparison(name: str) -> Callable[[Sequence[Node]], Call]:
    def typed(args: Sequence[Node]) -> Call:
        wants(args, name, ORDERED)
        return Call(name, tuple(unified(args, "a comparison")), Domain(BOOL))

    return typed


def _compare_columns(of: Callable[[Any, Any], Any]) -> Callable[..., Column]:
    def columnar(a: Column, b: Column) -> Column:
        if a.dictionary is not None:
            a, b = one_dictionary(a, b)
            if of not in (operator.eq, operator.ne):
                a, b = in_order(a), in_order(b)
        valid = None if a.valid is None and b.valid is None else a.mask & b.mask
        return Column(BOOL, of(a.values, b.values), valid)

    return columnar


def _null_if_any(of: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda a, b: None if a is None or b is None else of(a, b)


def _logical(name: str) -> Callable[[Sequence[Node]], Call]:
    def typed(args: Sequence[Node]) -> Call:
        wants(args, name, ("bool",))
        return Call(name, tuple(_conditions(args)), Domain(BOOL))

    return typed


def _conditions(nodes: Sequence[Node]) -> list[Node]:
    return [Literal(None, Domain(BOOL)) if _null(node) else node for node in nodes]


def _and(a: bool | None, b: bool | None) -> bool | None:
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def _or(a: bool | None, b: bool | None) -> bool | None:
    if a is True or b is True:
        return True
    return None if a is None or b is None else False


def _and_columns(a: Column, b: Column) -> Column:
    if a.valid is None and b.valid is None:
        return Column(BOOL, a.values & b.values)
    known_false = (a.mask & ~a.values) | (b.mask & ~b.values)
    return Column(BOOL, ~known_false, (a.mask & b.mask) | known_false)


def _or_columns(a: Column, b: Column) -> Column:
    if a.valid is None and b.valid is None:
        return Column(BOOL, a.values | b.values)
    known_true = (a.mask & a.values) | (b.mask & b.values)
    return Column(BOOL, known_true, (a.mask & b.mask) | known_true)


def _union(nodes: Sequence[Node]) -> tuple[Any, Any]:
    found: list[tuple[Any, Any]] = [bounds(node) for node in nodes if not _null(node)]
    lows, highs = [low for low, _ in found], [high for _, high in found]
    return (None if None in lows else min(lows, default=None), None if None in highs else max(highs, default=None))


def _null(node: Node) -> bool:
    return getattr(node, "value", 0) is None


def _case(args: Sequence[Node]) -> Call:
    """Arguments: condition, value, condition, value, …, otherwise."""
    conditions, values = list(args[:-1:2]), [*args[1::2], args[-1]]
    wants(conditions, "a condition of case", ("bool",))
    conditions = _conditions(conditions)
    values = unified(values, "case")
    if all(_null(value) for value in values):
        cure = "give one of them a value, such as 0; or leave the case out"
        raise Refused("a case whose values are all null", "at least one value", cure)
    paired = [node for pair in zip(conditions, values[:-1], strict=True) for node in pair]
    return Call("case", (*paired, values[-1]), Domain(values[0].domain.type.bare, *_union(values)))


def _case_plain(*args: Any) -> Any:
    for condition, value in zip(args[:-1:2], args[1::2], strict=True):
        if condition is True:
            return value
    return args[-1]


def _case_columns(*args: Column) -> Column:
    result = args[-1]
    for condition, value in reversed(list(zip(args[:-1:2], args[1::2], strict=True))):
        result = choose(condition.values & condition.mask, value, result)
    return result


def choose(chosen: Any, first: Column, second: Column) -> Column:
    """Return the first column's value where chosen, else the second's."""
    if first.dictionary is None and first.counts is None:
        valid = None if first.valid is None and second.valid is None else np.where(chosen, first.mask, second.mask)
        valid = None if valid is None or valid.all() else valid
        return Column(first.type, np.where(chosen, first.values, second.values), valid)
    joint = concat(first, second)
    n = len(first)
    return joint.take(np.where(chosen, np.arange(n), np.arange(n) + n))


def _coalesce(args: Sequence[Node]) -> Call:
    values = unified(args, "coalesce")
    wants(values, "coalesce", ORDERED)
    return Call("coalesce", tuple(values), Domain(values[0].domain.type.bare, *_union(values)))


def _coalesce_columns(*args: Column) -> Column:
    result = args[-1]
    for column in reversed(args[:-1]):
        result = choose(column.mask, column, result)
    return result


def _extreme(name: str) -> Callable[[Sequence[Node]], Call]:
    """``greatest`` and ``least`` pass over nulls. A bound of one argument holds only where that one is not null."""

    def typed(args: Sequence[Node]) -> Call:
        values = unified(args, name)
        _no_texts(values, name)
        wants(values, name, ("int", "float", "decimal", "timestamp", "date"))
        low, high = _union(values)
        sure = [bounds(v) for v in values if not v.domain.type.nullable and not isinstance(v, Call)]
        if name == "greatest":
            low = max((at_least for at_least, _ in sure if at_least is not None), default=low)
        else:
            high = min((at_most for _, at_most in sure if at_most is not None), default=high)
        return Call(name, tuple(values), Domain(values[0].domain.type.bare, low, high))

    return typed


def _no_texts(values: Sequence[Node], name: str) -> None:
    if values[0].domain.type.name == "str" and len(values) > 1:
        a, b = (said(value) for value in values[:2])
        sign = ">" if name == "greatest" else "<"
        cure = f"write case when {a} {sign} {b} then {a} else {b} end, which is {b} where {a} is null"
        raise Refused(f"{name} of str", "numbers, times or dates", cure)


def _extreme_plain(of: Callable[..., Any]) -> Callable[..., Any]:
    def scalar(*args: Any) -> Any:
        there = [arg for arg in args if arg is not None]
        return of(there) if there else None

    return scalar


def _extreme_columns(better: Callable[[Any, Any], Any]) -> Callable[..., Column]:
    def columnar(*args: Column) -> Column:
        result = args[0]
        for column in args[1:]:
            take_new = column.mask & (~result.mask | better(column.values, result.values))
            result = choose(take_new, column, result)
        return result

    return columnar


def _is_null(args: Sequence[Node]) -> Call:
    return Call("is_null", tuple(args), Domain(BOOL))


_COMPARE = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}

FUNCTIONS = [
    *(
        Function(name, _comparison(name), _null_if_any(of), _compare_columns(of), strict=False)
        for name, of in _COMPARE.items()
    ),
    Function("and", _logical("and"), _and, _and_columns, strict=False),
    Function("or", _logical("or"), _or, _or_columns, strict=False),
    Function("not", _logical("not"), operator.not_, operator.invert),
    Function("is_null", _is_null, lambda a: a is None, lambda a: Column(BOOL, ~a.mask), strict=False),
    Function("case", _case, _case_plain, _case_columns, strict=False),
    Function(
        "coalesce",
        _coalesce,
        lambda *args: next((arg for arg in args if arg is not None), None),
        _coalesce_columns,
        strict=False,
    ),
    Function("greatest", _extreme("greatest"), _extreme_plain(max), _extreme_columns(operator.gt), strict=False),
    Function("least", _extreme("least"), _extreme_plain(min), _extreme_columns(operator.lt), strict=False),
]
