"""Trees of SQL: what stands in an expression or a select, and what does not because it is of a query within."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from sqlglot import exp

_PLAIN: tuple[type[exp.Expr], ...] = (
    exp.Column,
    exp.Identifier,
    exp.Literal,
    exp.Boolean,
    exp.Null,
    exp.Paren,
    exp.Cast,
    exp.DataType,
)
_PLAIN += (exp.DataTypeParam, exp.Var, exp.Interval, exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.Div, exp.IntDiv)
_PLAIN += (exp.TimestampTrunc, exp.DateTrunc, exp.DateBin, exp.Extract, exp.Year, exp.Month, exp.Day, exp.Quarter)
_PLAIN += (exp.Lower, exp.Upper, exp.Trim, exp.Substring, exp.Left, exp.Right, exp.Length, exp.DPipe, exp.Coalesce)
_PLAIN += (exp.Case, exp.If, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.And, exp.Or, exp.Not, exp.Is)
_PLAIN += (exp.In, exp.Between, exp.Abs, exp.Floor, exp.Ceil)
"""What sqlglot writes as it read it, so that an expression of these means the same in another query."""
_CALLED = ("time_bucket", "epoch_us", "epoch_ms", "epoch", "hash")
"""The same of functions that sqlglot does not know."""
_Part = TypeVar("_Part", bound=exp.Expr)
_NESTED = (exp.Query, exp.Subquery, exp.Exists)


def aggregates_in(node: exp.Expr, names: frozenset[str]) -> Iterator[exp.Expr]:
    """Yield the functions in an expression that make one value of many rows, but for windows and queries within."""
    for one in node.walk(prune=lambda part: isinstance(part, (*_NESTED, exp.Window))):
        if isinstance(one, exp.AggFunc) or (isinstance(one, exp.Func) and called(one) in names):
            yield one
        elif isinstance(one, exp.Window):
            for part in (*one.args.get("partition_by", ()), *_arguments(one.this)):
                yield from aggregates_in(part, names)


def called(node: exp.Func) -> str:
    """Return the name by which DuckDB knows a function."""
    return node.name.lower() if isinstance(node, exp.Anonymous) else node.sql("duckdb").split("(")[0].lower()


def _arguments(node: Any) -> Iterator[exp.Expr]:
    return (one for one in node.iter_expressions()) if isinstance(node, exp.Expr) else iter(())


def is_plain(node: exp.Expr) -> bool:
    """Return whether a part of an expression is written as it was read."""
    return isinstance(node, _PLAIN) or (isinstance(node, exp.Anonymous) and called(node) in _CALLED)


def put(node: exp.Expr, columns: Mapping[exp.Column, exp.Expr]) -> exp.Expr:
    """Return an expression with others in the place of its columns."""

    def swapped(one: exp.Expr) -> exp.Expr:
        if not isinstance(one, exp.Column):
            return one
        found = columns[one].copy()
        return found if isinstance(found, exp.Column | exp.Literal) else exp.paren(found)

    return node.copy().transform(swapped)


def made_of(node: exp.Expr, parts: list[exp.Expr]) -> bool:
    """Return whether an expression has no column outside of some others."""
    if node in parts or (isinstance(node, exp.Paren) and made_of(node.this, parts)):
        return True
    if isinstance(node, (exp.Column, exp.AggFunc, exp.Window, *_NESTED)):
        return False
    return all(made_of(one, parts) for one in node.iter_expressions())


def own(node: exp.Select, kind: type[_Part]) -> Iterator[_Part]:
    """Yield the parts of a select that are not of a query within it."""
    for part in ("expressions", "qualify", "order", "having"):
        for held in listed(node.args.get(part)):
            for one in held.walk(prune=lambda some: isinstance(some, _NESTED)):
                if isinstance(one, kind):
                    yield one


def outermost(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the queries within an expression, without those within them."""
    for one in node.walk(prune=lambda some: isinstance(some, _NESTED)):
        if isinstance(one, _NESTED):
            yield one


def listed(part: Any) -> list[exp.Expr]:
    """Return an argument of a node as a list: of several, of one, or of none."""
    return list(part) if isinstance(part, list) else [] if part is None else [part]


def conjuncts(node: exp.Expr | None) -> Iterator[exp.Expr]:
    """Yield the conditions that a condition joins by ``and``."""
    if isinstance(node, exp.And):
        yield from conjuncts(node.this)
        yield from conjuncts(node.expression)
    elif isinstance(node, exp.Paren):
        yield from conjuncts(node.this)
    elif node is not None:
        yield node


def is_of_table(node: exp.Expr) -> bool:
    """Return whether an expression is no name alone, which may be that of another column of the select."""
    return not isinstance(node, exp.Column) or bool(node.table)


def is_of(node: exp.Expr, names: set[str]) -> bool:
    """Return whether an expression has columns, and all of some tables."""
    columns = list(node.find_all(exp.Column))
    return bool(columns) and all(one.table in names for one in columns)
