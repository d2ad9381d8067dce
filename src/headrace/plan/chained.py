"""Functions that are called on their first argument, ``name.upper()``, as what they mean: ``upper(name)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp


def without_chains(query: exp.Expr) -> exp.Expr:
    """Return a query in which each function has all of its arguments in brackets, where columns are seen as such.

    Args:
        query: as SQLGlot has it, before its columns are qualified; it is changed.

    Example:
        >>> import sqlglot
        >>> query = sqlglot.parse_one("select p.name.upper().left(3) from p", read="duckdb")
        >>> print(without_chains(query).sql("duckdb"))
        SELECT LEFT(UPPER(p.name), 3) FROM p
    """
    import sqlglot
    from sqlglot import exp

    for one in reversed(list(query.find_all(exp.Dot))):  # from within
        if isinstance(one.expression, exp.Func):
            name, _, rest = one.expression.sql("duckdb").partition("(")
            given = one.this.sql("duckdb") + ("" if rest == ")" else ", ")
            one.replace(sqlglot.parse_one(f"{name}({given}{rest}", read="duckdb"))
    return query
