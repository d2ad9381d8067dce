"""Units through operations: what is added, picked or averaged keeps its unit; whatever else is done leaves none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from headrace.plan.expression import Call, Literal, Node, Ref, walk

if TYPE_CHECKING:
    from sqlglot import exp

KEEPING = (
    "decayed_mean", "decayed_sum", "first", "last", "last_known", "last_n", "max", "mean", "min", "quantile", "std",
    "sum", "top_k",
)  # fmt: skip
"""Windowed aggregates whose result has the unit of their value."""
_OF_ALL = {"add", "sub", "coalesce", "greatest", "least"}
_COMPARING = {"eq", "ne", "lt", "le", "gt", "ge"}
_OF_FIRST = {"abs", "ceil", "floor", "mod", "neg", "rescale", "round", "to_float"}
_SQL_OF_ALL = ("Add", "Sub", "Coalesce", "Greatest", "Least")
_SQL_OF_THIS = (
    "Paren", "Alias", "Cast", "TryCast", "Neg", "Abs", "Round", "Ceil", "Floor", "Nullif", "Sum", "Avg", "Min", "Max",
    "First", "Last", "AnyValue", "Median", "Quantile", "PercentileCont", "PercentileDisc", "Mode", "Stddev",
    "StddevSamp", "StddevPop", "Lag", "Lead", "FirstValue", "LastValue", "NthValue", "ArgMax", "ArgMin", "Window",
    "Filter", "IgnoreNulls", "RespectNulls", "Distinct", "Order",
)  # fmt: skip
"""Names of the classes of SQLGlot whose value has the unit of their first argument."""
_SQL_COMPARING = ("EQ", "NEQ", "GT", "GTE", "LT", "LTE", "Between", "NullSafeEQ", "NullSafeNEQ", "In")


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


def expression_mixes(node: Node, unit: Callable[[str], str]) -> Iterator[tuple[str, ...]]:
    """Yield the units that a row expression brings together: in a sum, a choice between values, a comparison.

    Args:
        node: the typed expression.
        unit: of a column or feature, by its name.

    Example:
        >>> from headrace.plan.parse import parse
        >>> from headrace.types import Domain, FLOAT
        >>> scope = {"net": Domain(FLOAT), "paid": Domain(FLOAT)}
        >>> tree = parse("case when net > paid then 1 else 0 end", scope, "", "")
        >>> list(expression_mixes(tree, {"net": "EUR", "paid": "USD"}.get))
        [('EUR', 'USD')]
    """
    for one in walk(node):
        if isinstance(one, Call):
            values = one.args if one.function in _COMPARING else _values(one)
            yield from differing(expression_unit(value, unit) for value in values)


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

    if isinstance(node, exp.Column | exp.Query | exp.Dot | exp.Bracket | exp.StructExtract):
        return unit(node)
    if isinstance(node, exp.WithinGroup):
        return sql_unit(node.expression.expressions[0].this, unit) if type(node.this).__name__ in _SQL_OF_THIS else ""
    if values := _sql_values(node):
        return agreed(sql_unit(one, unit) for one in values if not isinstance(one, exp.Literal | exp.Null))
    inner = node.this
    return sql_unit(inner, unit) if type(node).__name__ in _SQL_OF_THIS and isinstance(inner, exp.Expr) else ""


def _sql_values(node: exp.Expr) -> list[exp.Expr]:
    """The arguments that all have the unit of an expression; none where it takes that of one, or keeps none."""
    from sqlglot import exp

    if type(node).__name__ in _SQL_OF_ALL:
        return list(node.iter_expressions())
    if isinstance(node, exp.Case):
        return [*(one.args["true"] for one in node.args["ifs"]), *filter(None, [node.args.get("default")])]
    if isinstance(node, exp.If):
        return [one for one in (node.args["true"], node.args.get("false")) if one is not None]
    return []


def sql_mixes(node: exp.Expr, unit: Callable[[exp.Expr], str]) -> Iterator[tuple[tuple[str, ...], exp.Expr]]:
    """Yield the units that an expression of SQL brings together, with the part that does; see ``sql_unit``."""
    from sqlglot import exp

    for one in node.walk(prune=lambda part: isinstance(part, exp.Query)):
        if not isinstance(one, exp.Query):
            compared = type(one).__name__ in _SQL_COMPARING
            values = list(one.iter_expressions()) if compared else _sql_values(one)
            for units in differing(sql_unit(value, unit) for value in values):
                yield units, one


def path_of(node: exp.Expr) -> tuple[exp.Expr, str]:
    """Return the expression that a nested field is taken of, and the path to it there, such as ``address.geo``.

    Example:
        >>> import sqlglot
        >>> base, path = path_of(sqlglot.parse_one("x.many[1].place['geo']", read="duckdb"))
        >>> path
        'place.geo'
    """
    from sqlglot import exp

    steps: list[str] = []
    while isinstance(node, exp.Dot | exp.Bracket | exp.StructExtract | exp.Paren):
        if isinstance(node, exp.Dot | exp.StructExtract):
            steps.insert(0, node.expression.name)
        elif isinstance(node, exp.Bracket) and node.expressions[0].is_string:
            steps.insert(0, node.expressions[0].name)
        node = node.this
    return node, ".".join(steps).lower()


def differing(units: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the units that are not one, sorted, as the only item of a list; an empty one where they agree.

    Example:
        >>> differing(["USD", "", "EUR"]), differing(["EUR", ""])
        ([('EUR', 'USD')], [])
    """
    found = tuple(sorted({one for one in units if one}))
    return [found] if len(found) > 1 else []


def agreed(units: Iterable[str]) -> str:
    """Return the one unit that all have, or none."""
    found = set(units)
    return found.pop() if len(found) == 1 else ""
