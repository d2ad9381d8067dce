"""What a column, or the rows, of a query come from: how it is added up, and how a part of a query is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headrace.plan.lineage import Mix
from headrace.plan.units import agreed, differing

if TYPE_CHECKING:
    from sqlglot import exp

Column = tuple[str, str]
"""A table and a column of it, in lower case; the column ``*`` stands for its rows."""
COPY = "copy"
"""How a column is used that is taken as it is."""


@dataclass
class Made:
    """What a column, or the rows, of a query come from: columns of tables, each with how it is used.

    Args:
        direct: the value is computed from these.
        indirect: these decide which rows count, how they are grouped, or in which order they are.
        unit: of the value, where the operations keep it.
        said: the expression, as SQL.
        mixed: units that come together in it, or on the way to it within the query.
        parts: of a struct that the query makes by names, what each field is made of; None where that is not told.
    """

    direct: dict[Column, str] = field(default_factory=dict)
    indirect: dict[Column, str] = field(default_factory=dict)
    unit: str = ""
    said: str = ""
    mixed: tuple[Mix, ...] = ()
    parts: Mapping[str, Made] | None = None

    def part(self, name: str) -> Made | None:
        """Return what a field of a struct is made of, whatever its capitals; None where that is not told."""
        return next((one for called, one in (self.parts or {}).items() if called.lower() == name.lower()), None)

    def take(self, other: Made, how: str = COPY) -> None:
        """Add what another is made of; where it is more than copied, by how it is used here."""
        for column, was in other.direct.items():
            self.use(column, was if how == COPY else how)
        for column, was in other.indirect.items():
            self.indirect.setdefault(column, was)
        self.mix(other.mixed)

    def use(self, column: Column, how: str) -> None:
        """Add a column that the value is computed from; where it is not only copied, that counts."""
        if self.direct.get(column, COPY) == COPY:
            self.direct[column] = how

    def choose(self, other: Made, how: str) -> None:
        """Add what another is made of as what decides about rows."""
        for column in (*other.direct, *other.indirect):
            self.indirect.setdefault(column, how)
        self.mix(other.mixed)

    def mix(self, more: Iterable[Mix]) -> None:
        """Add what units come together in a part of it."""
        self.mixed = tuple(dict.fromkeys((*self.mixed, *more)))


def both(each: list[Made]) -> Made:
    """Return what a column of a set operation is made of."""
    found = Made(unit=agreed(one.unit for one in each), said=each[0].said if each else "")
    for one in each:
        found.take(one)
    said = " and ".join(one.said for one in each)
    found.mix(Mix(units, said) for units in differing(one.unit for one in each))
    first, *others = each
    # Of structs whose fields differ, by name or place, nobody knows which becomes which.
    if first.parts is not None and all(list(one.parts or ()) == list(first.parts) for one in others):
        found.parts = {name: both([one.parts[name] for one in each if one.parts]) for name in first.parts}
    return found


def struct_parts(node: exp.Expr) -> dict[str, exp.Expr] | None:
    """Return the values of a struct that is made by names, such as ``{'a': x}``; None of anything else."""
    from sqlglot import exp

    if not isinstance(node, exp.Struct) or not all(isinstance(one, exp.PropertyEQ) for one in node.expressions):
        return None
    found = {one.this.name: one.expression for one in node.expressions}
    plain = all(found) and not any("." in name for name in found)
    return found if plain and len({name.lower() for name in found}) == len(node.expressions) else None


_PLACES = ("CumeDist", "DenseRank", "Ntile", "PercentRank", "Rank", "RowNumber")
"""Names of the classes of SQLGlot whose value is a place in the order of a window."""


def is_place(node: exp.Window) -> bool:
    """Return whether a window function tells of its order alone, as each function of no column does."""
    from sqlglot import exp

    inner = node.this
    while isinstance(inner, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        inner = inner.this
    return type(inner).__name__ in _PLACES or inner.find(exp.Column) is None


def how_used(node: exp.Expr) -> str:
    """Return how the columns of an expression are used in it."""
    from sqlglot import exp

    inner = node.unnest() if isinstance(node, exp.Paren) else node
    if isinstance(inner, exp.Column):
        return COPY
    if inner.find(exp.Window):
        return "window"
    return "aggregate" if inner.find(exp.AggFunc) else "expression"


def said_of(node: exp.Expr) -> str:
    """Return an expression as SQL, without the names of tables that it was qualified by."""
    from sqlglot import exp

    bare = node.copy()
    for one in list(bare.find_all(exp.Column)):
        one.set("table", None)
        one.this.set("quoted", False)
    return bare.sql("duckdb", normalize_functions="lower")


def _unnests(node: exp.Expr) -> bool:
    """Whether an expression gives one row for each item of a list."""
    from sqlglot import exp

    walked = node.walk(prune=lambda one: isinstance(one, exp.Query))
    return any(isinstance(one, exp.Unnest | exp.Explode) for one in walked)


def cutting(whole: exp.Query) -> list[exp.Expr]:
    """Return what cuts the rows of a query, such as its limit, and the order in which it does; none where all stay."""
    cuts = [one for one in (whole.args.get("limit"), whole.args.get("offset")) if one is not None]
    order = whole.args.get("order")
    return [order, *cuts] if cuts and order is not None else cuts


def choosing(whole: exp.Select) -> Iterator[tuple[str, exp.Expr]]:
    """Yield the parts of a SELECT that choose, group and cut its rows."""
    from sqlglot import exp

    parts = {"filter": [whole.args.get(name) for name in ("where", "having", "qualify")]}
    parts["join"] = [one.args.get("on") for one in whole.args.get("joins") or ()]
    parts["join"] += [one.unalias() for one in whole.selects if _unnests(one)]
    group = whole.args.get("group")
    keys = [] if group is None else list(group.iter_expressions())
    if group is not None and group.args.get("all"):
        keys += [one.unalias() for one in whole.selects if not one.find(exp.AggFunc)]
    parts["group"] = keys
    distinct = whole.args.get("distinct")
    if distinct is not None:
        on = distinct.args.get("on")
        parts["group"] = [
            *keys,
            *(on.iter_expressions() if on is not None else (one.unalias() for one in whole.selects)),
        ]
    parts["order"] = list(cutting(whole))
    if distinct is not None and distinct.args.get("on"):
        parts["order"].append(whole.args.get("order"))
    for how, nodes in parts.items():
        for node in nodes:
            if isinstance(node, exp.Expr):
                yield how, node
