"""UNPIVOT as what it means, one SELECT for each of its columns, so that its values can be followed like others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sqlglot import exp


class _Unpivot(NamedTuple):
    """What is unpivoted, which columns of it, and how those of names and of values are called."""

    source: exp.Expr
    columns: list[str]
    name: str
    value: str
    nulls: bool


def without_unpivot(query: exp.Expr, tables: Mapping[str, Sequence[str]]) -> exp.Expr:
    """Return a query in which each UNPIVOT of plain columns is a union of all of them; others stay as they are.

    Args:
        query: as SQLGlot has it; it is changed.
        tables: that it reads, with their columns, for ``columns(* exclude (…))``.

    Example:
        >>> import sqlglot
        >>> query = sqlglot.parse_one("unpivot t on a, b into name k value v", read="duckdb")
        >>> print(without_unpivot(query, {}).sql("duckdb").partition(" UNION ALL ")[0])
        SELECT * EXCLUDE ("a", "b"), 'a' AS "k", "a" AS "v" FROM t WHERE NOT "a" IS NULL
    """
    from sqlglot import exp

    while True:
        each = ((one, _read(one, tables)) for one in query.find_all(exp.Pivot))
        one, found = next(((one, found) for one, found in each if found is not None), (None, None))
        if one is None or found is None:
            return query
        united = _united(found)
        if one is query:
            query = united
        elif one.this is not None:
            one.replace(united)
        elif one.parent is not None:
            one.parent.replace(exp.Subquery(this=united, alias=exp.TableAlias(this=_alias(one))))


def _alias(pivot: exp.Pivot) -> exp.Identifier:
    from sqlglot import exp

    assert pivot.parent is not None
    return exp.to_identifier(pivot.alias or pivot.parent.alias_or_name or "unpivoted")


def _read(one: exp.Pivot, tables: Mapping[str, Sequence[str]]) -> _Unpivot | None:
    """Return what an UNPIVOT says; None of a PIVOT, and of one that takes several values at once or expressions."""
    if not one.args.get("unpivot"):
        return None
    nulls = bool(one.args.get("include_nulls"))
    if one.this is not None:  # a statement: UNPIVOT t ON …
        into = one.args.get("into")
        named = ("name", ["value"]) if into is None else (into.this.name, [value.name for value in into.expressions])
        source, given = one.this, one.expressions
    else:
        fields = one.args["fields"]
        if len(fields) != 1 or one.parent is None or len(one.parent.args["pivots"]) != 1:
            return None
        named = (fields[0].this.name, [value.name for value in one.expressions])
        source, given = one.parent.copy(), fields[0].expressions
        source.set("pivots", None)
    columns = [name for part in given for name in _columns(part, source, tables)]
    if len(named[1]) != 1 or not all(columns) or not columns:
        return None
    return _Unpivot(source, columns, named[0], named[1][0], nulls)


def _columns(part: exp.Expr, source: exp.Expr, tables: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names of the columns that a part of ON or IN says; an empty one where it is more than a column."""
    from sqlglot import exp

    inner = part.this if isinstance(part, exp.Alias | exp.PivotAlias) else part
    if isinstance(inner, exp.Column) and isinstance(inner.this, exp.Identifier):
        return [inner.name]
    star = inner.this if isinstance(inner, exp.Columns) else None
    known = tables.get(source.name.lower()) if isinstance(source, exp.Table) else None
    if not isinstance(star, exp.Star) or known is None or star.args.get("replace") or star.args.get("rename"):
        return [""]
    left_out = {one.name.lower() for one in star.args.get("except_") or ()}
    return [name for name in known if name not in left_out]


def _united(found: _Unpivot) -> exp.Query:
    import sqlglot
    from sqlglot import exp

    quoted = {name: exp.to_identifier(name, quoted=True).sql("duckdb") for name in (*found.columns, found.name)}
    value = exp.to_identifier(found.value, quoted=True).sql("duckdb")
    others = ", ".join(quoted[name] for name in found.columns)
    parts = []
    for name in found.columns:
        label = exp.Literal.string(name).sql("duckdb")
        chosen = "" if found.nulls else f" where {quoted[name]} is not null"
        said = f"{label} as {quoted[found.name]}, {quoted[name]} as {value}"
        parts.append(f"select * exclude ({others}), {said} from unpivoted{chosen}")
    united = sqlglot.parse_one(" union all ".join(parts), read="duckdb")
    for table in list(united.find_all(exp.Table)):
        table.replace(found.source.copy())
    assert isinstance(united, exp.Query)
    return united
