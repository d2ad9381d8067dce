"""Which tables by query can be brought up to date from changed rows alone, by which columns, and why others cannot."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace import sql
from headrace.declare import Table
from headrace.errors import Fault
from headrace.plan.chained import without_chains
from headrace.plan.tracks import Follower, Kinds, Scan, Track, Unfit, looks, relation
from headrace.plan.trees import aggregates_in

if TYPE_CHECKING:
    import duckdb
    from sqlglot import exp

_COMPARED = ("varchar", "date", "timestamp", "timestamp with time zone", "boolean", "decimal", "whole")
"""Types of which equal values look equal: -0.0 and 0.0, or NaN, do not."""


@dataclass(frozen=True)
class Increments:
    """How changes of the tables that a query reads reach its result.

    Args:
        columns: of the result, in lower case, each with its track.
        types: of these columns, as DuckDB names them.
        scans: every place where the query reads a table.
        linear: sets of tables whose new rows only add rows to the result.
        reasons: why nothing better can be said, each with its cure.
    """

    columns: Mapping[str, Track]
    types: Mapping[str, str]
    scans: tuple[Scan, ...]
    linear: tuple[frozenset[str], ...]
    reasons: tuple[tuple[str, str], ...] = ()

    def adds(self, changed: Iterable[str]) -> frozenset[str] | None:
        """Return the tables of which only the new rows are to be read where some only grew; None for no such way."""
        names = frozenset(changed)
        fitting = [one for one in self.linear if names <= one]
        return min(fitting, key=len) if fitting else None

    def by(self, changed: Iterable[str]) -> tuple[str, ...]:
        """Return the columns of the result by which a change of some tables can be followed; none for no way."""
        names = set(changed)
        if not names <= {one.table for one in self.scans}:  # DuckDB reads it in a place that was not followed
            return ()
        scans = [number for number, one in enumerate(self.scans) if one.table in names]
        found = tuple(name for name, track in self.columns.items() if all(number in track for number in scans))
        split = all(any(_columns(self.columns[name][number]) for name in found) for number in scans)
        return found if scans and split else ()

    def said(self) -> str:
        """Return in words how the table is brought up to date, and when it is made anew."""
        tables = sorted({one.table for one in self.scans})
        ways = {name: "adding rows" if self.adds([name]) else ", ".join(self.by([name])) for name in tables}
        known = {way for way in ways.values() if way}
        if not known:
            reason = "; ".join(reason for reason, _ in self.reasons) or "no column of it says which rows changed"
            return f"in full: {reason}"
        by = [way if way == "adding rows" else f"by {way}" for way in sorted(known)]
        rest = [name for name, way in ways.items() if not way]
        return f"incremental {' or '.join(by)}" + (f"; in full when {' or '.join(rest)} changes" if rest else "")

    @property
    def any(self) -> bool:
        """Whether there is a table whose change need not make all anew."""
        return any(self.adds([one.table]) or self.by([one.table]) for one in self.scans)


NEVER = Increments({}, {}, (), (), (("it is declared so", ""),))
"""Of a table that is declared to be made in full each time."""


def increments(query: str, columns: Mapping[str, Iterable[str]], connection: duckdb.DuckDBPyConnection) -> Increments:
    """Return how changes reach the result of a query.

    Args:
        query: one SELECT that DuckDB can run over its tables.
        columns: of the tables that it reads.
        connection: with a table or view for each of these; nothing is read from it but types.

    Example:
        >>> from headrace import sql
        >>> from headrace.types import INT
        >>> with sql.connected() as connection:
        ...     sql.make_empty(connection, "sales", {"shop": INT, "amount": INT})
        ...     query = "select shop, sum(amount) as total from sales group by all"
        ...     increments(query, {"sales": ["shop", "amount"]}, connection).said()
        'incremental by shop'
    """

    def kind_of(expression: exp.Expr, table: str) -> str:
        (found,) = connection.sql(f'select {expression.sql("duckdb")} from "{table}" limit 0').types
        return _kind(str(found).lower())

    lower = {name.lower(): [one.lower() for one in some] for name, some in columns.items()}
    try:
        followed = _followed(query, lower, kind_of)
    except Unfit as error:
        return Increments({}, {}, (), (), ((error.reason, error.cure),))
    made = connection.sql(sql.readable(query))
    types = {name.lower(): str(kind).lower() for name, kind in zip(made.columns, made.types, strict=True)}
    result = followed.result
    if [*types] != [*result.columns]:  # such as a column that DuckDB names otherwise
        tracks = dict(zip(types, result.columns.values(), strict=False)) if len(types) == len(result.columns) else {}
    else:
        tracks = dict(result.columns)
    scans = tuple(followed.notes.scans)
    fitting = {name: _comparable(types[name], track, scans, kind_of) for name, track in tracks.items()}
    return Increments(fitting, types, scans, result.linear, tuple(followed.notes.reasons))


def declined(table: Table, found: Increments) -> Fault:
    """Return the fault of a table that is to be incremental and cannot be (HR-TABLE-003)."""
    reason, cure = found.reasons[0] if found.reasons else ("no column of it says which rows changed", "")
    away = f"take incremental=True of {table.name} away: it is then made anew"
    expected = "a query whose rows can be told from the rows that changed"
    return Fault(
        "HR-TABLE-003", table.place, f"{table.name}: {reason}", expected, f"{cure}; or {away}" if cure else away
    )


def _columns(node: Any) -> bool:
    from sqlglot import exp

    return node.find(exp.Column) is not None


def _comparable(kind: str, track: Track, scans: tuple[Scan, ...], kind_of: Kinds) -> Track:
    """Return the part of a track whose expressions have the type of the column: others may be equal and look unlike."""
    wanted = looks(_kind(kind))
    return {scan: one for scan, one in track.items() if wanted and looks(kind_of(one, scans[scan].table)) == wanted}


def _kind(name: str) -> str:
    """A type as DuckDB names it; nothing for one of which equal values may look unlike."""
    return name if looks(name).partition("(")[0] in _COMPARED else ""


def _followed(query: str, columns: Mapping[str, list[str]], kind_of: Kinds) -> Follower:
    import sqlglot
    from sqlglot.optimizer.qualify import qualify

    kinds, used = _kinds(), Counter(sql.functions(query))
    if moving := sorted(name for name in used if name in kinds["volatile"]):
        cure = "take the time from a column, or from the row that asks"
        raise Unfit(f"{moving[0]} gives another value each time", cure)
    if used["tablesample"]:
        raise Unfit("it takes a sample", "")
    aggregates = frozenset(kinds["aggregate"])
    try:
        tree = without_chains(sqlglot.parse_one(sql.readable(query), read="duckdb"))
        _same_functions(tree, used, aggregates)
        _one_meaning(tree, columns)
        schema: dict[str, object] = {name: dict.fromkeys(some, "unknown") for name, some in columns.items()}
        tree = qualify(tree, schema=schema, dialect="duckdb", validate_qualify_columns=False, quote_identifiers=True)
        _single_columns(tree)
        return relation(tree, columns, aggregates, kind_of)
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise Unfit("it is written in a way that is not followed", "write it more simply") from error


def _single_columns(tree: Any) -> None:
    """Refuse a query that takes a row as one value, or columns by a pattern: which it reads, is not written there."""
    from sqlglot import exp

    sources = {one.alias_or_name.lower() for one in tree.find_all(exp.Table, exp.Subquery, exp.CTE)}
    for one in tree.find_all(exp.Column, exp.TableColumn):
        if isinstance(one, exp.TableColumn) or (not one.table and one.name.lower() in sources):
            raise Unfit("it takes a row as one value", "name the columns that it needs")
    stars = (one for one in tree.find_all(exp.Star) if not isinstance(one.parent, exp.Count))
    if tree.find(exp.Columns) or any(stars):
        raise Unfit("it takes columns by a pattern", "name the columns that it needs")


def _same_functions(tree: Any, used: Counter[str], aggregates: frozenset[str]) -> None:
    """Refuse a query in which DuckDB sees other aggregates than those that are seen here."""
    from sqlglot import exp

    theirs = sum(count for name, count in used.items() if name in aggregates)
    selects = [*tree.find_all(exp.Select)]
    parts = (part for one in selects for part in _parts_of(one))
    ours = sum(1 for part in parts for _ in aggregates_in(part, aggregates))
    if theirs != ours:
        raise Unfit("it calls a function that is not followed", "write it more simply")


def _parts_of(select: Any) -> Iterable[Any]:
    for name in ("expressions", "where", "having", "qualify", "group", "order", "joins", "distinct", "windows"):
        held = select.args.get(name)
        yield from held if isinstance(held, list) else [] if held is None else [held]


def _one_meaning(tree: Any, columns: Mapping[str, list[str]]) -> None:
    """Refuse a name in ``group by`` or ``partition by`` that is a column and an alias: which, is not ours to say."""
    from sqlglot import exp

    known = {name for some in columns.values() for name in some}
    for select in tree.find_all(exp.Select):
        made = {one.alias.lower(): one.this for one in select.expressions if isinstance(one, exp.Alias)}
        other = {name for name, one in made.items() if not (isinstance(one, exp.Column) and one.name.lower() == name)}
        names = known | {one.alias.lower() for one in tree.find_all(exp.Alias) if one.parent is not select}
        parts = [*_listed(select.args.get("group")), *(one for one in select.find_all(exp.Window))]
        for part in parts:
            for column in part.find_all(exp.Column):
                name = column.name.lower()
                if not column.table and name in other and name in names:
                    raise Unfit(f"{name} is a column and another one that it makes", f"name what it makes not {name}")


def _listed(part: Any) -> list[Any]:
    return [] if part is None else [part]


@functools.cache
def _kinds() -> dict[str, frozenset[str]]:
    """Return the names of functions that make one value of many rows, and of those that give another each time.

    A macro is what it is made of.
    """
    query = "select distinct function_name, function_type, stability, macro_definition from duckdb_functions()"
    with sql.connected() as connection:
        rows = connection.execute(query).fetchall()
    aggregate = {name for name, kind, _, _ in rows if kind == "aggregate"}
    volatile = {name for name, _, stability, _ in rows if stability not in (None, "CONSISTENT")}
    volatile |= {"current_timestamp", "current_time", "localtime", "localtimestamp"}
    volatile |= {"current_localtime", "current_localtimestamp"}  # DuckDB has them as always the same
    volatile |= {"age"}  # of one time it is how long ago that was
    for name, kind, _, text in rows:
        if kind == "macro" and text:
            words = {word.lower() for word in _words(text)}
            aggregate |= {name} if words & aggregate else set()
            volatile |= {name} if words & volatile else set()
    return {"aggregate": frozenset(aggregate), "volatile": frozenset(volatile)}


def _words(text: str) -> list[str]:
    import re

    return re.findall(r"\w+", text)
