"""Checks of a database as bounds of fields, where they are simple enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

_SIDES = {"GTE": ("ge", "le"), "GT": ("gt", "lt"), "LTE": ("le", "ge"), "LT": ("lt", "gt")}
"""Of a comparison: the bound of a column on its left, and of one on its right."""


def bounds_of(checks: Iterable[str], dialect: str) -> dict[str, dict[str, Any]]:
    """Return the bounds and sets that checks are, by column; what is not simple is left to the database.

    Example:
        >>> bounds_of(["(amount >= 0 and amount < 10)", "(kind = ANY (ARRAY['a'::text, 'b'::text]))"], "postgres")
        {'amount': {'ge': 0, 'lt': 10}, 'kind': {'isin': ('a', 'b')}}
    """
    found: dict[str, dict[str, Any]] = {}
    for check in checks:
        for column, name, value in _read(check, dialect):
            found.setdefault(column, {}).setdefault(name, value)
    return found


def _read(check: str, dialect: str) -> Iterator[tuple[str, str, Any]]:
    import sqlglot

    try:
        yield from _of(sqlglot.parse_one(check, read=dialect))
    except sqlglot.errors.SqlglotError:
        return


def _of(node: Any) -> Iterator[tuple[str, str, Any]]:
    from sqlglot import exp

    node = _inner(node)
    if isinstance(node, exp.And):
        yield from _of(node.left)
        yield from _of(node.right)
    elif type(node).__name__ in _SIDES:
        left, right = _SIDES[type(node).__name__]
        for one, other, name in ((node.left, node.right, left), (node.right, node.left, right)):
            if (column := _column(one)) and (value := _value(other)) is not None and not isinstance(value, str):
                yield column, name, value
    elif isinstance(node, exp.Between):
        column, low, high = _column(node.this), _value(node.args["low"]), _value(node.args["high"])
        if column and not isinstance(low, str | None) and not isinstance(high, str | None):
            yield column, "ge", low
            yield column, "le", high
    elif isinstance(node, exp.In | exp.EQ):
        yield from _set(node)


def _set(node: Any) -> Iterator[tuple[str, str, Any]]:
    from sqlglot import exp

    if isinstance(node, exp.In):
        members = node.expressions
    elif isinstance(node.right, exp.Any):  # = any (array[…]), as PostgreSQL keeps "in"
        members = _inner(node.right.this).expressions
    else:
        return
    values = tuple(_value(one) for one in members)
    if (column := _column(node.this)) and values and all(isinstance(one, str | int) for one in values):
        yield column, "isin", values


def _inner(node: Any) -> Any:
    from sqlglot import exp

    while isinstance(node, exp.Paren | exp.Cast):
        node = node.this
    return node


def _column(node: Any) -> str:
    from sqlglot import exp

    inner = _inner(node)
    return str(inner.name) if isinstance(inner, exp.Column) else ""


def _value(node: Any) -> Any:
    from sqlglot import exp

    inner = _inner(node)
    if isinstance(inner, exp.Neg):
        value = _value(inner.this)
        return None if isinstance(value, str | None) else -value
    if not isinstance(inner, exp.Literal):
        return None
    if inner.is_string:
        # PostgreSQL writes a number that it has cast as text: '0'::numeric.
        return _number(inner.name) if isinstance(node, exp.Cast) and _is_number(node) else str(inner.name)
    return _number(inner.name)


def _is_number(node: Any) -> bool:
    from sqlglot import exp

    return node.to.this in exp.DataType.NUMERIC_TYPES


def _number(text: str) -> int | float | None:
    try:
        exact = Decimal(text)
    except ArithmeticError:
        return None
    return int(exact) if exact == exact.to_integral_value() else float(exact)
