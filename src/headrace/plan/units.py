"""Units through operations: what is added, picked or averaged keeps its unit; whatever else is done leaves none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from headrace.plan.expression import Call, Literal, Node, Ref

if TYPE_CHECKING:
    from sqlglot import exp

KEEPING = (
    "decayed_mean", "decayed_sum", "first", "last", "last_known", "last_n", "max", "mean", "min", "quantile", "std",
    "sum", "top_k",
)  # fmt: skip
"""Windowed aggregates whose result has the unit of their value."""
_OF_ALL = {"add", "sub", "coalesce", "greatest", "least"}
_OF_FIRST = {"abs", "ceil", "floor", "mod", "neg", "rescale", "round", "to_float"}
_SQL_OF_ALL = ("Add", "Sub", "Coalesce", "Greatest", "Least")
_SQL_OF_THIS = (
    "Paren", "Alias", "Cast", "TryCast", "Neg", "Abs", "Round", "Ceil", "Floor", "Nullif", "Sum", "Avg", "Min", "Max",
    "First", "Last", "AnyValue", "Median", "Quantile", "PercentileCont", "PercentileDisc", "Mode", "Stddev",
    "StddevSamp", "StddevPop", "Lag", "Lead", "FirstValue", "LastValue", "NthValue", "ArgMax", "ArgMin", "Window",
    "Filter", "IgnoreNulls", "RespectNulls", "Distinct", "Order", "WithinGroup",
)  # fmt: skip
"""Names of the classes of SQLGlot whose value has the unit of their first argument."""


def expression_unit(node: Node, unit: Callable[[str], str]) -> str:
    """Return the unit of a row expression, empty where it has none or it cannot be told.

    Args:
        node: the typed expression.
        unit: of a column or feature, by its name.

    Example:
        >>> from headrace.plan.parse import parse
        >>> from headrace.types import Domain, FLOAT
        >>> scope = {"net": Domain(FLOAT), "tax": Domain(FLOAT)}
        >>> [expression_unit(parse(text, scope, "", ""), lambda _: "EUR") for text in ("net + tax", "net / tax")]
        ['EUR', '']
    """
    match node:
        case Ref():
            return unit(node.name)
        case Literal():
            return ""
    values = _values(node)
    return agreed(expression_unit(one, unit) for one in values if not isinstance(one, Literal))


def _values(node: Call) -> tuple[Node, ...]:
    """The arguments whose unit a call has; none where it keeps none."""
    if node.function in _OF_ALL:
        return node.args
    if node.function in _OF_FIRST:
        return node.args[:1]
    if node.function == "case":  # condition, value, condition, value, …, else
        return (*node.args[1::2], *node.args[-1:]) if len(node.args) % 2 else node.args[1::2]
    return ()


def sql_unit(node: exp.Expr, unit: Callable[[exp.Expr], str]) -> str:
    """Return the unit of an expression of SQL, empty where it has none or it cannot be told.

    Args:
        node: qualified, as SQLGlot has it.
        unit: of a column, or of a query that stands for a value.
    """
    from sqlglot import exp

    if isinstance(node, exp.Column | exp.Query):
        return unit(node)
    kind = type(node).__name__
    if kind in _SQL_OF_ALL:
        return agreed(sql_unit(one, unit) for one in node.iter_expressions() if not isinstance(one, exp.Literal))
    if isinstance(node, exp.Case):
        values = [*(one.args["true"] for one in node.args["ifs"]), *filter(None, [node.args.get("default")])]
        return agreed(sql_unit(one, unit) for one in values if not isinstance(one, exp.Literal | exp.Null))
    inner = node.this
    return sql_unit(inner, unit) if kind in _SQL_OF_THIS and isinstance(inner, exp.Expr) else ""


def agreed(units: Iterable[str]) -> str:
    """Return the one unit that all have, or none."""
    found = set(units)
    return found.pop() if len(found) == 1 else ""
