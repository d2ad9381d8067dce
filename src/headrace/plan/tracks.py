"""Which rows of the tables that a query reads can touch which rows of its result, by the values of its columns.

A track of a column of the result says, for a table that is scanned, an expression over the columns of that table: the
rows of the result that have a value in the column depend on no other rows of the table than those for which the
expression has the same value. So a changed row touches only the rows of the result that have its value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from headrace.plan.trees import (
    aggregates_in,
    conjuncts,
    is_of,
    is_of_table,
    is_plain,
    listed,
    made_of,
    outermost,
    own,
    put,
)

Track = dict[int, exp.Expr]
"""Number of a scan to an expression over the columns of its table."""


class Unfit(Exception):
    """A query about whose rows nothing can be said; ``cure`` says how it could."""

    def __init__(self, reason: str, cure: str = "") -> None:
        super().__init__(reason)
        self.reason, self.cure = reason, cure


@dataclass(frozen=True)
class Scan:
    """One place where a query reads a table, and the columns that it needs there, all in lower case."""

    table: str
    columns: frozenset[str]


@dataclass(frozen=True)
class Relation:
    """The result of a query or of a part of it.

    Args:
        columns: each with its track, which is empty for one that says nothing.
        scans: numbers of all scans that it depends on.
        tables: that it depends on.
        linear: sets of tables, each so that what comes of more rows in these alone is added to the result.
    """

    columns: Mapping[str, Track]
    scans: frozenset[int]
    tables: frozenset[str]
    linear: tuple[frozenset[str], ...] = ()


@dataclass
class Notes:
    """What is found on the way: all scans of a query, and why columns of it say nothing."""

    scans: list[Scan] = field(default_factory=list)
    reasons: list[tuple[str, str]] = field(default_factory=list)

    def because(self, reason: str, cure: str) -> None:
        if (reason, cure) not in self.reasons:
            self.reasons.append((reason, cure))


Known = Mapping[str, Callable[[], Relation]]
"""Names that stand for queries."""


_WHOLE = ("tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger", "ubigint")
Kinds = Callable[[exp.Expr, str], str]
"""Gives the type of an expression over the columns of a table; empty where equal values of it may look unlike."""


def looks(kind: str) -> str:
    """Return one name for all types of whole numbers, of which equal ones look alike; a hash of them does not."""
    return "whole" if kind in _WHOLE else kind


def relation(
    query: exp.Expr, columns: Mapping[str, Iterable[str]], aggregates: frozenset[str], kinds: Kinds
) -> Follower:
    """Return what can be said of a query whose columns are qualified, as a ``Follower`` that has followed it.

    Args:
        query: with all stars and aliases replaced, as sqlglot's ``qualify`` does.
        columns: of each table, in lower case.
        aggregates: names of functions that make one value of many rows.
        kinds: of expressions.

    Raises:
        Unfit: where the query has a part that is not understood.
    """
    follower = Follower(columns, aggregates, kinds)
    follower.result = follower.query(query, {})
    return follower


class Follower:
    """Follows rows from the tables of a query to its result."""

    def __init__(self, columns: Mapping[str, Iterable[str]], aggregates: frozenset[str], kinds: Kinds) -> None:
        self.notes = Notes()
        self.result = Relation({}, frozenset(), frozenset())
        self._columns = columns
        self._aggregates = aggregates
        self._kinds = kinds

    def query(self, node: exp.Expr, known: Known) -> Relation:
        """Return what can be said of a query, within which some names stand for others."""
        if isinstance(node, exp.Subquery) and not isinstance(node.this, exp.Table):
            return self._cut(node, self.query(node.this, self._with(node, known)))
        if isinstance(node, exp.SetOperation):
            return self._cut(node, self._set(node, self._with(node, known)))
        if isinstance(node, exp.Select):
            return self._cut(node, self._select(node, self._with(node, known)))
        raise Unfit(f"it has a part that is not followed: {node.key}", "write it as a select")

    def _with(self, node: exp.Expr, known: Known) -> Known:
        """Return the names that are known within a query: each CTE sees those before it."""
        held = node.args.get("with_") or node.args.get("with")
        if held is None:
            return known
        if held.args.get("recursive"):
            raise Unfit("it is recursive", "")
        for one in held.expressions:
            names = [column.name for column in (one.args["alias"].columns if one.args.get("alias") else [])]
            known = {**known, one.alias: _named(self.query, one.this, known, names)}
        return known

    def _cut(self, node: exp.Expr, found: Relation) -> Relation:
        if any(node.args.get(part) is not None for part in ("limit", "offset")):
            self.notes.because("limit takes some rows of all", "let those who read the table limit it")
            return replace(found, columns={name: {} for name in found.columns}, linear=())
        return found

    def _set(self, node: exp.SetOperation, known: Known) -> Relation:
        if node.args.get("by_name"):
            raise Unfit("it takes a union by name", "name the columns of both in one order")
        left, right = (self.query(side, known) for side in (node.left, node.right))
        if len(left.columns) != len(right.columns):
            raise Unfit("the parts of a union differ in their columns")
        pairs = zip(left.columns.items(), right.columns.values(), strict=True)
        # Each row of one part depends on its own scans alone: what both say of a value holds for that value.
        columns = {name: {**one, **other} if one and other else {} for (name, one), other in pairs}
        linear: list[frozenset[str]] = []
        if isinstance(node, exp.Union) and not node.args.get("distinct"):
            both = [(one | other, one, other) for one in left.linear for other in right.linear]
            linear = [all_ for all_, a, b in both if all_ & left.tables == a and all_ & right.tables == b]
        return Relation(columns, left.scans | right.scans, left.tables | right.tables, tuple(linear))

    def _select(self, node: exp.Select, known: Known) -> Relation:
        scope = _Scope(self, node, known)
        node = scope.plain(node)
        windows = list(own(node, exp.Window))
        groups = self._groups(node)
        parts = [self._partition(one, node) for one in windows]
        distinct = node.args.get("distinct")
        if distinct is not None and distinct.args.get("on") is not None:
            # A name alone is first that of a column which the select makes.
            given = {one.alias_or_name: one.unalias() for one in node.expressions}
            parts.append(
                [one if is_of_table(one) else given.get(one.name, one) for one in distinct.args["on"].expressions]
            )
        columns = {}
        for one in node.expressions:
            made = one.unalias() if isinstance(one, exp.Alias) else one
            if isinstance(made, exp.Star | exp.Columns) or (made.find(exp.Star) and isinstance(made, exp.Column)):
                raise Unfit("its columns are not named", "name them")
            within = [*parts, *([] if groups is None else [groups])]
            fits = not self._aggregated(made) and all(made_of(made, some) for some in within)
            columns[one.alias_or_name] = scope.track(made) if fits else {}
        if len(columns) != len(node.expressions):
            raise Unfit("two of its columns have one name", "name one of them otherwise")
        linear = scope.linear if groups is None and not parts and distinct is None else ()
        return Relation(columns, scope.scans, scope.tables, tuple(linear))

    def _groups(self, node: exp.Select) -> list[exp.Expr] | None:
        """Return what a select groups by; None where each of its rows is made of one."""
        group = node.args.get("group")
        if group is None:
            if node.args.get("having") is None and not any(self._aggregated(one) for one in node.expressions):
                return None
            self.notes.because("it makes one total of all rows", "group by something, such as the day")
            return []
        if any(isinstance(one, exp.Rollup | exp.Cube | exp.GroupingSets) for one in group.find_all(exp.Expr)):
            raise Unfit("it groups in several ways at once", "write them as a union all")
        if not group.args.get("all"):
            return list(group.expressions)
        made = [one.unalias() if isinstance(one, exp.Alias) else one for one in node.expressions]
        return [one for one in made if not self._aggregated(one)]

    def _partition(self, window: exp.Window, node: exp.Select) -> list[exp.Expr]:
        named = window.args.get("alias")
        if named is not None and not window.args.get("partition_by"):
            held = [one for one in node.args.get("windows") or () if one.name.lower() == named.name.lower()]
            return self._partition(held[0], node) if held else []
        found = list(window.args.get("partition_by") or ())
        if not found:
            cure = "partition by something; or make what it reads, such as the totals of a day, a table of its own"
            self.notes.because("a window goes over all rows", cure)
        return found

    def _aggregated(self, node: exp.Expr) -> bool:
        return any(True for _ in aggregates_in(node, self._aggregates))

    def scan(self, table: exp.Table, needed: frozenset[str]) -> Relation:
        """Return a table of the lake as it is read in one place."""
        if table.args.get("sample") is not None:
            raise Unfit("it takes a sample", "")
        name = table.name.lower()
        if not isinstance(table.this, exp.Identifier) or name not in self._columns:
            raise Unfit("it reads what is no table", "read a table of the project")
        number = len(self.notes.scans)
        self.notes.scans.append(Scan(name, needed))
        columns: dict[str, Track] = {one: {number: exp.column(one, quoted=True)} for one in self._columns[name]}
        return Relation(columns, frozenset([number]), frozenset([name]), (frozenset([name]),))

    def composed(self, node: exp.Expr, columns: Mapping[exp.Column, Track]) -> Track:
        """Return the track of an expression from those of all its columns: of the scans that each of them says.

        Equal values of two types look unlike, a day and its midnight: what is made of the one is not made of the other.
        """
        if not columns or not (node in columns or all(map(self._agrees, columns.values()))):
            return {}
        scans = set.intersection(*(set(track) for track in columns.values()))
        return {scan: put(node, {column: track[scan] for column, track in columns.items()}) for scan in scans}

    def _agrees(self, track: Track) -> bool:
        said = {scan: one for scan, one in track.items() if not isinstance(one, exp.Null)}
        kinds = self.kinds_of(said) if len(said) > 1 else {"any"}
        return len(kinds) == 1 and "" not in kinds

    def kinds_of(self, track: Track) -> set[str]:
        """Return the types that the expressions of a track have."""
        return {self._kinds(one, self.notes.scans[scan].table) for scan, one in track.items()}

    def beside(self, node: exp.Expr, known: Known) -> tuple[frozenset[int], frozenset[str]]:
        """Return scans and tables of the queries within an expression, which say nothing of single rows."""
        scans, tables = frozenset[int](), frozenset[str]()
        for one in outermost(node):
            inner = one.this if isinstance(one, exp.Exists) else one
            found = self.query(inner.unnest() if isinstance(inner, exp.Subquery) else inner, known)
            scans, tables = scans | found.scans, tables | found.tables
        return scans, tables


class _Scope:
    """What a select reads: its tables as they are joined, with what is equal in them."""

    def __init__(self, follower: Follower, node: exp.Select, known: Known) -> None:
        self._follower, self._node, self._known = follower, node, known
        self._raw: dict[tuple[str, str], Track] = {}
        self._seen: set[str] = set()
        self._equal: list[tuple[exp.Expr, exp.Expr]] = []
        self.scans, self.tables = frozenset[int](), frozenset[str]()
        self.linear: list[frozenset[str]] = []
        start = node.args.get("from_") or node.args.get("from")
        if start is not None:
            self.linear = list(self._source(start.this).linear)
        for one in node.args.get("joins") or ():
            self._join(one)
        if node.args.get("laterals"):
            raise Unfit("it joins each row with a query of its own", "join a table")
        if not any(one.side or one.method for one in node.args.get("joins") or ()):
            self._equate(node.args.get("where"), both=True)
        self._look_beside()

    def plain(self, node: exp.Select) -> exp.Select:
        """Return a select in which the first of two columns stands for both where the second is equal or null."""

        def one_of(one: exp.Expr) -> exp.Expr:
            if not isinstance(one, exp.Coalesce) or len(one.expressions) != 1:
                return one
            pair = (one.this, one.expressions[0])
            stays = [some for some in pair if is_of(some, self._seen)]
            return stays[0].copy() if len(stays) == 1 and (stays[0], *_but(pair, stays[0])) in self._equal else one

        if not any(one.side for one in node.args.get("joins") or ()):
            return node
        made = node.copy()
        made.set("expressions", [one.transform(one_of) for one in made.expressions])
        made.set("group", made.args["group"].transform(one_of) if made.args.get("group") is not None else None)
        for window in made.find_all(exp.Window):
            window.set("partition_by", [one.transform(one_of) for one in window.args.get("partition_by") or ()])
        return made

    def track(self, node: exp.Expr) -> Track:
        """Return the track of an expression over the columns of the scope."""
        if any(not is_plain(one) for one in node.walk()):
            return {}
        columns = list(node.find_all(exp.Column))
        if any(one.table not in self._seen for one in columns):
            cure = "give also the column by which they are joined"
            self._follower.notes.because("a column is of the side of a join that may be missing", cure)
            return {}
        if not columns:
            return dict.fromkeys(self.scans, node)
        found = self._followed(node)
        return {**self._follower.composed(node, {one: self._followed(one) for one in columns}), **found}

    def _followed(self, node: exp.Expr) -> Track:
        """Return the track of an expression with those of all that it is equal to."""
        waiting, done, found = [node], list[exp.Expr](), Track()
        while waiting:
            one = waiting.pop()
            if one in done:
                continue
            done.append(one)
            columns = {column: self._raw.get((column.table, column.name), {}) for column in one.find_all(exp.Column)}
            found = {**self._follower.composed(one, columns), **found}
            waiting += [right for left, right in self._equal if left == one]
        return found

    def _source(self, node: exp.Expr) -> Relation:
        name = node.alias_or_name
        if isinstance(node, exp.Table) and not node.args.get("joins") and not node.args.get("pivots"):
            own = self._known.get(node.name) if not node.db else None
            found = self._follower.scan(node, self._needed(name)) if own is None else own()
        elif isinstance(node, exp.Subquery) and not node.args.get("pivots"):
            _alone(node)
            found = self._follower.query(node, self._known)
        else:
            raise Unfit("it reads what is no table", "read a table of the project")
        names = [one.name for one in (node.args["alias"].columns if node.args.get("alias") else [])]
        columns = _renamed(found, names).columns
        self._raw |= {(name, column): track for column, track in columns.items()}
        self._seen.add(name)
        self.scans, self.tables = self.scans | found.scans, self.tables | found.tables
        return found

    def _needed(self, name: str) -> frozenset[str]:
        return frozenset(one.name for one in self._node.find_all(exp.Column) if one.table == name)

    def _join(self, node: exp.Join) -> None:
        if node.method not in ("", "ASOF") or node.kind not in ("", "INNER", "CROSS", "OUTER", "SEMI", "ANTI"):
            raise Unfit(f"it takes a {node.method or node.kind} join".lower(), "join by columns")
        left, before, seen = list(self.linear), self.tables, set(self._seen)
        right = self._source(node.this)
        new = self._seen - seen
        side = "LEFT" if node.method == "ASOF" or node.kind in ("SEMI", "ANTI") else node.side
        if node.method == "ASOF" and node.side in ("RIGHT", "FULL"):
            raise Unfit("it takes an asof right join", "ask from the other side")
        by_left = [one for one in left if not one & right.tables]
        by_right = [one for one in right.linear if not one & before]
        if side == "FULL":
            self._seen, self.linear = set(), []
            self._follower.notes.because("a full join shows rows of both sides", "join from one side, by left join")
        elif side == "LEFT":
            self._equate(node.args.get("on"), sides=(seen, new))
            self._seen, self.linear = seen, by_left
        elif side == "RIGHT":
            self._equate(node.args.get("on"), sides=(new, seen))
            self._seen, self.linear = new, by_right
        else:
            self._equate(node.args.get("on"), both=True)
            self.linear = [*by_left, *by_right]

    def _equate(
        self, node: exp.Expr | None, *, both: bool = False, sides: tuple[set[str], set[str]] | None = None
    ) -> None:
        """Keep what a condition makes equal: on the rows of a side that stays, what it is equal to on the other."""
        condition = node.this if isinstance(node, exp.Where) else node
        for one in conjuncts(condition):
            if isinstance(one, exp.EQ):
                if not self._look_alike(one.this, one.expression):
                    continue
                for left, right in ((one.this, one.expression), (one.expression, one.this)):
                    if both or (sides is not None and is_of(left, sides[0]) and is_of(right, sides[1])):
                        self._equal.append((left, right))

    def _look_alike(self, *sides: exp.Expr) -> bool:
        """Whether equal values look alike, and so equal the same others: as a float 2**53 is 2**53 + 1."""
        kinds = set[str]()
        for side in sides:
            if not all(map(is_plain, side.walk())):  # such as a collation
                return False
            columns = {one: self._raw.get((one.table, one.name), {}) for one in side.find_all(exp.Column)}
            track = self._follower.composed(side, columns)
            if columns and not track:  # such as an average, whose type is not known here
                return False
            kinds |= {looks(one) for one in self._follower.kinds_of(track)}
        return len(kinds) == 1 and "" not in kinds

    def _look_beside(self) -> None:
        """Take in the tables of queries within expressions: a change of theirs can touch any row."""
        parts = ("expressions", "where", "having", "qualify", "group", "order", "windows", "distinct")
        held = [one for part in parts for one in listed(self._node.args.get(part))]
        held += [one.args["on"] for one in self._node.args.get("joins") or () if one.args.get("on") is not None]
        for one in held:
            scans, tables = self._follower.beside(one, self._known)
            self.scans, self.tables = self.scans | scans, self.tables | tables
            self.linear = [some for some in self.linear if not some & tables]


def _named(
    follow: Callable[[exp.Expr, Known], Relation], node: exp.Expr, known: Known, names: list[str]
) -> Callable[[], Relation]:
    return lambda: _renamed(follow(node, known), names)


def _but(pair: tuple[exp.Expr, exp.Expr], one: exp.Expr) -> tuple[exp.Expr, ...]:
    return tuple(other for other in pair if other is not one)


def _renamed(found: Relation, names: list[str]) -> Relation:
    if not names:
        return found
    kept = [*names, *list(found.columns)[len(names) :]]
    return replace(found, columns=dict(zip(kept, found.columns.values(), strict=True)))


def _alone(node: exp.Subquery) -> None:
    """Refuse a query in ``from`` that looks at those beside it."""
    within = {one.alias_or_name for one in node.find_all(exp.Table, exp.Subquery, exp.CTE)}
    if any(one.table not in within for one in node.find_all(exp.Column) if one.table):
        raise Unfit("a query within it looks at the rows beside it", "join a table")
