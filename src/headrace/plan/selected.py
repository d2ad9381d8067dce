"""Which columns of its tables each column of a query is made of, and which only choose, group or order its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headrace import sql
from headrace.plan.chained import without_chains
from headrace.plan.lineage import Mix
from headrace.plan.made import COPY, Column, Made, both, choosing, cutting, how_used, is_place, said_of, struct_parts
from headrace.plan.units import agreed, path_of, sql_mixes, sql_unit
from headrace.plan.unpivot import without_unpivot

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope


@dataclass(frozen=True)
class Selected:
    """A query by its columns, in their order, and its rows; ``exact`` unless it could only be read as a whole."""

    columns: tuple[Made, ...]
    rows: Made
    exact: bool = True


class _Unread(Exception):
    """A query has a part whose columns cannot be followed."""


def selected(
    query: str,
    count: int,
    tables: Mapping[str, Sequence[str]],
    unit: Callable[[Column], str] = lambda _: "",
    fields: Callable[[Column], Sequence[str] | None] = lambda _: None,
) -> Selected:
    """Return what the columns and rows of a query are made of.

    What stands in the expression of a column is direct, its conditions too: a flag made of an age tells the age. Keys
    and orders of windows are not, unless the value is a place in that order, as a rank is; nor are filters, joins,
    groups and limits of the query. Where a part cannot be followed (a pivot, columns by pattern, a row as one value),
    every column is made of all columns of all tables: more than it is, never less.

    Args:
        query: one SELECT of DuckDB.
        count: how many columns it gives.
        tables: those that it reads, with their columns, all in lower case.
        unit: of a column of a table; of a field within one by its path, ``address.geo``.
        fields: names of the fields that make up a column, or one within it; none of what is no struct, None of what is
            not known.

    Example:
        >>> found = selected("select sum(amount) as total from payments where ok", 1, {"payments": ["amount", "ok"]})
        >>> found.columns[0].direct, found.rows.indirect
        ({('payments', 'amount'): 'aggregate'}, {('payments', 'ok'): 'filter'})
    """
    import sqlglot

    try:
        found = _followed(query, tables, unit, fields)
    except (_Unread, RecursionError, sqlglot.errors.SqlglotError, LookupError, ValueError, AttributeError, TypeError):
        return _whole(query, count, tables)
    return found if len(found.columns) == count else _whole(query, count, tables)


def _followed(
    query: str,
    tables: Mapping[str, Sequence[str]],
    unit: Callable[[Column], str],
    fields: Callable[[Column], Sequence[str] | None],
) -> Selected:
    import sqlglot
    from sqlglot import exp
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    parsed = without_chains(sqlglot.parse_one(sql.readable(query), read="duckdb"))
    parsed = _series_unnested(without_unpivot(parsed, tables))
    if not isinstance(parsed, exp.Query) or parsed.find(exp.Pivot, exp.Columns, exp.Command):
        raise _Unread
    known: dict[str, object] = {name: dict.fromkeys(columns, "varchar") for name, columns in tables.items()}
    whole = qualify(parsed, schema=known, dialect="duckdb", validate_qualify_columns=False, quote_identifiers=False)
    scope = build_scope(whole)
    if scope is None or not all(isinstance(one.parent, exp.Count | exp.Dot) for one in whole.find_all(exp.Star)):
        raise _Unread  # such as * like 'a%'
    if _unseen(whole, {name.lower() for columns in tables.values() for name in columns}):
        raise _Unread
    reader = _Reader(tables, unit, fields, {id(one.expression): one for one in scope.traverse()})
    return Selected(tuple(reader.columns(scope).values()), reader.rows(scope))


def _unseen(query: exp.Expr, columns: set[str]) -> bool:
    """Whether the name of a column stands as a value where it was not taken for one."""
    from sqlglot import exp

    held = ((one, one.parent) for one in query.find_all(exp.Identifier) if one.name.lower() in columns)
    return any(
        within.this is one
        if isinstance(within, exp.Dot)
        else isinstance(within, exp.Binary | exp.Unary | exp.Func)
        and not isinstance(within, exp.PropertyEQ | exp.Kwarg)
        for one, within in held
    )


def _series_unnested(query: exp.Expr) -> exp.Expr:
    """Return a query in which each table of a series, such as ``range(10) as r(i)``, is one of the items of a list."""
    from sqlglot import exp

    for one in list(query.find_all(exp.Table)):
        if isinstance(one.this, exp.GenerateSeries):
            name = "range" if one.this.args.get("is_end_exclusive") else "generate_series"
            alias = one.args.get("alias") or exp.TableAlias(this=exp.to_identifier(name))
            if not alias.columns:
                alias.set("columns", [exp.to_identifier(name)])
            one.replace(exp.Unnest(expressions=[one.this.copy()], alias=alias.copy()))
    return query


def _whole(query: str, count: int, tables: Mapping[str, Sequence[str]]) -> Selected:
    """Every column from all columns of all tables."""
    read = {(table, one): "query" for table, columns in tables.items() for one in columns}
    rows = {(table, "*"): "rows" for table in tables}
    return Selected(tuple(Made(dict(read)) for _ in range(count)), Made(rows, dict(read)), exact=False)


class _Reader:
    """Follows columns through the scopes of a qualified query: CTEs, subqueries, set operations."""

    def __init__(
        self,
        tables: Mapping[str, Sequence[str]],
        unit: Callable[[Column], str],
        fields: Callable[[Column], Sequence[str] | None],
        scopes: Mapping[int, Scope],
    ) -> None:
        self._tables, self._unit, self._fields, self._scopes = tables, unit, fields, scopes
        self._columns: dict[int, dict[str, Made]] = {}
        self._placed: dict[int, list[Made]] = {}
        self._rows: dict[int, Made] = {}

    def columns(self, scope: Scope) -> dict[str, Made]:
        """Return what each column that a scope gives is made of."""
        from sqlglot import exp

        if id(scope) not in self._columns:
            self._columns[id(scope)] = {}  # what names itself, as a recursive query does, cannot be followed
            whole = scope.expression
            if isinstance(whole, exp.SetOperation):
                each = list(self._united(scope).items())
            elif isinstance(whole, exp.Select):
                each = [column for at, one in enumerate(whole.selects) for column in self._given(one, at, scope)]
            else:
                raise _Unread
            named: dict[str, list[Made]] = {}
            for name, made in each:
                named.setdefault(name.lower(), []).append(made)
            # Of columns of one name nobody knows here which a query around this means.
            known = {name: both(named[name.lower()]) if len(named[name.lower()]) > 1 else made for name, made in each}
            self._columns[id(scope)], self._placed[id(scope)] = known, [made for _, made in each]
        return self._columns[id(scope)]

    def rows(self, scope: Scope) -> Made:
        """Return what decides which rows a scope gives: the rows of its tables, and what filters, joins, groups."""
        from sqlglot import exp

        if id(scope) not in self._rows:
            found = self._rows[id(scope)] = Made()
            whole = scope.expression
            if isinstance(whole, exp.SetOperation):
                for side in scope.set_operation_scopes:
                    found.take(self.rows(side))
                    if not isinstance(whole, exp.Union):
                        for one in self.columns(side).values():
                            found.choose(one, "filter")
                for part in cutting(whole):
                    found.choose(self.made(part, scope), "order")
            elif isinstance(whole, exp.Select):
                for _, source in scope.selected_sources.values():
                    found.take(self._source_rows(source, scope))
                for how, part in choosing(whole):
                    found.choose(self.made(part, scope), how)
        return self._rows[id(scope)]

    def made(self, node: exp.Expr, scope: Scope) -> Made:
        """Return what an expression is made of; of a column of a query within, as it is written there."""
        from sqlglot import exp

        unit = lambda one: self._unit_of(one, scope)  # noqa: E731
        given = self._column(node, scope).said if isinstance(node, exp.Column) else ""
        found = Made(unit=sql_unit(node, unit), said=given or said_of(node))
        self._visit(node, scope, found, how_used(node) if self._part(node, scope) is None else COPY)
        found.mix(Mix(units, said_of(part)) for units, part in sql_mixes(node, unit))
        found.parts = self._parts(node, scope)
        return found

    def _parts(self, node: exp.Expr, scope: Scope) -> Mapping[str, Made] | None:
        """What each field of a struct is made of that is made by names, here or in a query within; None of others."""
        from sqlglot import exp

        if isinstance(node, exp.Column):
            return self._column(node, scope).parts
        if (made := struct_parts(node.unnest())) is not None:
            return {name: self.made(one, scope) for name, one in made.items()}
        whole = self._part(node, scope)
        return None if whole is None else whole.parts

    def _given(self, node: exp.Expr, at: int, scope: Scope) -> Iterable[tuple[str, Made]]:
        """The columns that one item of a select gives, by their names."""
        opened = self._opened(node, scope)
        return opened.items() if opened else [(node.alias_or_name or str(at), self.made(node.unalias(), scope))]

    def _united(self, scope: Scope) -> dict[str, Made]:
        """The columns of a set operation: by their places, or by their names where it says so."""
        left, right = (self.columns(side) for side in scope.set_operation_scopes)
        first, second = (self._placed[id(side)] for side in scope.set_operation_scopes)
        if len(left) != len(first):
            raise _Unread  # two columns of one name, of which nobody knows which a query around this means
        by_name = bool(scope.expression.args.get("by_name"))
        united: dict[str, Made] = {}
        for at, (name, one) in enumerate(left.items()):
            other = right.get(name) if by_name else second[at]
            united[name] = both([one] if other is None else [one, other])
        more = {name: one for name, one in right.items() if name not in left} if by_name else {}
        return united | more

    def _visit(self, node: Any, scope: Scope, found: Made, how: str) -> None:
        from sqlglot import exp

        match node:
            case exp.Column():
                found.take(self._column(node, scope), how)
            case exp.TableColumn():
                raise _Unread
            case exp.Dot() | exp.Bracket() | exp.StructExtract() if (inside := self._part(node, scope)) is not None:
                found.take(inside, how)
                for step in node.find_all(exp.Bracket):
                    for place in step.expressions:
                        self._visit(place, scope, found, how)
            case exp.Query():
                inner = self._scopes[id(node.unnest())]
                for one in self.columns(inner).values():
                    found.take(one, how)
                self._chooses(inner, found, how)
            case exp.Window():
                placed = is_place(node)
                if placed:
                    self._all_rows(scope, found)
                self._visit(node.this, scope, found, how)
                if (frame := node.args.get("spec")) is not None:
                    self._visit(frame, scope, found, how)
                for one in (node, *(scope.expression.args.get("windows") or ())) if node.alias else (node,):
                    self._chosen(one.args.get("partition_by") or (), scope, found, "partition")
                    order = [key for key in [one.args.get("order"), *node.this.find_all(exp.Order)] if key is not None]
                    for key in (some for each in order for some in each.expressions if placed):
                        self._visit(key, scope, found, how)
                    self._chosen(order, scope, found, "order")
            case exp.Order():
                if node.this is not None:
                    self._visit(node.this, scope, found, how)
                self._chosen(node.expressions, scope, found, "order")
            case exp.WithinGroup():  # what is ordered there is what is added up, as in mode() within group (order by x)
                for one in (node.this, *node.expression.expressions):
                    self._visit(one, scope, found, how)
            case exp.Exists():
                self._chooses(self._scopes[id(node.this.unnest())], found, how)
            case exp.Count() if not list(node.find_all(exp.Column)):
                self._all_rows(scope, found)
            case _:
                for one in node.iter_expressions():
                    self._visit(one, scope, found, how)

    def _chooses(self, inner: Scope, found: Made, how: str) -> None:
        """Add what decides about the rows of a query within an expression: the value tells whether there is one."""
        rows = self.rows(inner)
        for column in (*rows.direct, *rows.indirect):
            found.use(column, how)
        found.mix(rows.mixed)

    def _chosen(self, nodes: Iterable[Any], scope: Scope, found: Made, how: str) -> None:
        for one in nodes:
            chosen = Made()
            self._visit(one, scope, chosen, how)
            found.choose(chosen, how)

    def _all_rows(self, scope: Scope, found: Made) -> None:
        for _, source in scope.selected_sources.values():
            for column in self._source_rows(source, scope).direct:
                found.use(column, "rows")

    def _source_rows(self, source: Any, within: Scope) -> Made:
        from sqlglot import exp

        if isinstance(source, exp.Table):
            table = source.name.lower()
            return Made({(table, "*"): "rows"} if table in self._tables else {})
        inner: Scope = self._lateral(source)
        if isinstance(inner.expression, exp.Query):
            return self.rows(inner)
        listed, made = Made(), Made()  # unnest gives as many rows as its lists have items
        self._visit(inner.expression, within, listed, "join")
        made.choose(listed, "join")
        return made

    def _column(self, node: exp.Column, scope: Scope) -> Made:
        """What a column is made of, as the scope that it is named in, or one around that, sees it."""
        from sqlglot import exp

        alias, name = node.table or node.name, node.name
        within: Scope | None = scope
        while within is not None and alias not in within.sources:
            within = within.parent
        if within is None:
            if node.table or name not in self.columns(scope):
                raise _Unread
            return self.columns(scope)[name]  # a column of the query itself, as ORDER BY and DISTINCT ON name it
        source: Any = self._lateral(within.sources[alias])
        if isinstance(source, exp.Table):
            table = source.name.lower()
            if name.lower() not in self._tables.get(table, ()):
                raise _Unread
            return Made({(table, name.lower()): COPY}, unit=self._unit((table, name.lower())))
        if not isinstance(source.expression, exp.Query):  # unnest, values, a lateral function
            made = Made()
            self._visit(source.expression, within, made, "expression")
            return made
        given = self.columns(source)
        if name not in given:
            raise _Unread
        return given[name]

    def _part(self, node: exp.Expr, scope: Scope) -> Made | None:
        """What a field within a column is made of, where that is known of each column that it is a copy of."""
        from sqlglot import exp

        base, path = path_of(node)
        if path and isinstance(base, exp.Struct):
            return self._field(self.made(base, scope), path)
        if not path or not isinstance(base, exp.Column):
            return None
        return self._field(self._column(base, scope), path)

    def _field(self, whole: Made, path: str) -> Made | None:
        if whole.parts is not None:
            name, _, rest = path.partition(".")
            part = whole.part(name)
            return self._field(part, rest) if part is not None and rest else part
        parts = {(table, f"{name}.{path}".lower()): how for (table, name), how in whole.direct.items()}
        if not parts or any(how != COPY or self._fields(one) is None for one, how in parts.items()):
            return None
        return Made(parts, dict(whole.indirect), agreed(map(self._unit, parts)), mixed=whole.mixed)

    def _opened(self, node: exp.Expr, scope: Scope) -> dict[str, Made]:
        """The columns that ``address.*`` or ``unnest(address)`` makes of a struct; none of anything else."""
        from sqlglot import exp

        inner = node.unalias()
        starred = isinstance(inner, exp.Dot) and isinstance(inner.expression, exp.Star)
        if not (starred or (isinstance(inner, exp.Explode | exp.Unnest) and not inner.expressions)):
            return {}
        base, path = path_of(inner.this)
        if not isinstance(base, exp.Column):
            return {}
        if starred and any(inner.expression.args.values()):
            raise _Unread  # such as * exclude (street)
        whole = self._part(inner.this, scope) if path else self._column(base, scope)
        if whole is None:
            return {}
        names = [tuple(whole.parts)] if whole.parts is not None else [self._fields(one) for one in whole.direct]
        if not names or any(one != names[0] for one in names):
            return {}
        found = {name: self._field(whole, name) for name in names[0] or ()}
        return {
            name: replace(one, said=f"{said_of(inner.this)}.{name}") for name, one in found.items() if one is not None
        }

    def _lateral(self, source: Any) -> Any:
        """Return the scope of the query that stands after LATERAL; any other source as it is."""
        from sqlglot import exp

        held = None if isinstance(source, exp.Table) else source.expression
        if isinstance(held, exp.Lateral) and isinstance(held.this, exp.Subquery):
            return self._scopes[id(held.this.unnest())]
        return source

    def _unit_of(self, node: exp.Expr, scope: Scope) -> str:
        from sqlglot import exp

        base, path = path_of(node)
        inside = self._part(node, scope) if path else None
        if inside is not None:
            return inside.unit
        if path and isinstance(base, exp.Column):  # which column the whole of a nested one is a copy of
            copied = [column for column, how in self._column(base, scope).direct.items() if how == COPY]
            return self._unit((copied[0][0], f"{copied[0][1]}.{path}")) if len(copied) == 1 else ""
        if isinstance(node, exp.Column):
            return self._column(node, scope).unit
        if not isinstance(node, exp.Query):
            return ""
        units = [one.unit for one in self.columns(self._scopes[id(node.unnest())]).values()]
        return units[0] if len(units) == 1 else ""
