"""Functions of text: each is applied to the distinct texts of a column, so that a column costs what its words cost."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from headrace.kernel.column import Column, dtype_of, nulls
from headrace.kernel.texts import coded, looked_up, texts
from headrace.plan.expression import Call, Literal, Node
from headrace.plan.functions.conversions import said
from headrace.plan.functions.function import Function, Refused, call, wants
from headrace.types import BOOL, FLOAT, INT, STR, Domain, LogicalType


def _typed(name: str, kind: LogicalType, low: Any = None, constant: str = "str") -> Callable[[Sequence[Node]], Call]:
    """Type a function of one text and constants."""

    def typed(args: Sequence[Node]) -> Call:
        wants(args[:1], name, ("str",))
        if any(not isinstance(arg, Literal) for arg in args[1:]):
            cure = "write the constant itself, such as 'a%' or 1; texts of two columns are compared with ="
            raise Refused(f"{name} with a pattern or position that is not a constant", "a constant", cure)
        wants(args[1:], f"{name} with a constant", (constant,))
        return call(name, args, kind, low)

    return typed


def _each(kind: LogicalType, of: Callable[..., Any]) -> Callable[..., Column]:
    """Apply a function to the dictionary of a column of text."""

    def columnar(column: Column, *constants: Any) -> Column:
        if None in constants:
            return nulls(kind, len(column))
        assert column.dictionary is not None
        made = [of(text, *constants) for text in column.dictionary.to_pylist()]
        there = np.array([one is not None for one in made] or [False], dtype=np.bool_)
        codes = np.where(column.mask, column.values, 0)
        valid = column.mask & there[codes]
        if kind.name == "str":
            lookup, joint = coded(texts(made))
            return Column(kind, looked_up(lookup, codes), None if valid.all() else valid, joint)
        lookup = np.array([0 if one is None else one for one in made] or [0], dtype=dtype_of(kind))
        return Column(kind, lookup[codes], None if valid.all() else valid)

    return columnar


@lru_cache(maxsize=256)
def _like_pattern(pattern: str) -> re.Pattern[str]:
    parts = (".*" if char == "%" else "." if char == "_" else re.escape(char) for char in pattern)
    return re.compile("".join(parts), re.DOTALL)


def _like(text: str, pattern: str) -> bool:
    return _like_pattern(pattern).fullmatch(text) is not None


def _substring(text: str, start: int, length: int | None = None) -> str:
    begin = max(start - 1, 0)
    if length is None:
        return text[begin:]
    return text[begin : max(start - 1 + length, 0)]


def _number(text: str) -> float | None:
    """A decimal number as float64, null for anything else; ASCII digits, sign, point and exponent only."""
    if not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", text, re.ASCII):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _substring_typed(args: Sequence[Node]) -> Call:
    if any(isinstance(arg, Literal) and isinstance(arg.value, int) and arg.value < 0 for arg in args[1:]):
        cure = f"write substring({said(args[0])}, 1, 2); what ends in 'a' is like '%a'"
        raise Refused("substring with a negative position or length", "a position from 1, a length from 0", cure)
    return _typed("substring", STR, constant="int")(args)


def _concat(args: Sequence[Node]) -> Call:
    wants(args, "concat", ("str",))
    return Call("concat", tuple(args), Domain(STR))


def _concat_columns(a: Column, b: Column) -> Column:
    """Join pair by pair of distinct texts."""
    left, right = ((one.dictionary.to_pylist() if one.dictionary is not None else []) or [""] for one in (a, b))
    pairs = np.where(a.mask, a.values, 0) * len(right) + np.where(b.mask, b.values, 0)
    distinct, codes = np.unique(pairs, return_inverse=True)
    made = [left[pair // len(right)] + right[pair % len(right)] for pair in distinct.tolist()]
    lookup, joint = coded(texts(made))
    valid = None if a.valid is None and b.valid is None else a.mask & b.mask
    return Column(STR, looked_up(lookup, codes), valid, joint)


def _strict(of: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: None if any(arg is None for arg in args) else of(*args)


def _text(name: str, kind: LogicalType, of: Callable[..., Any], low: Any = None) -> Function:
    return Function(name, _typed(name, kind, low), _strict(of), _each(kind, of), strict=False, constants=True)


FUNCTIONS = [
    _text("lower", STR, str.lower),
    _text("upper", STR, str.upper),
    _text("trim", STR, lambda text: text.strip(" ")),
    _text("length", INT, len, low=0),
    _text("like", BOOL, _like),
    _text("starts_with", BOOL, str.startswith),
    _text("contains", BOOL, lambda text, part: part in text),
    _text("to_number", FLOAT, _number),
    Function("substring", _substring_typed, _strict(_substring), _each(STR, _substring), strict=False, constants=True),
    Function("concat", _concat, _strict(lambda a, b: a + b), _concat_columns, strict=False),
]
