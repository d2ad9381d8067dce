"""From the text of a row expression to a typed tree: SQL read by sqlglot, typed and bounded by our own table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlglot
from sqlglot import expressions as sql

from headrace.errors import Fault, HeadraceError, nearest
from headrace.plan.calls import KNOWN, calls, misfit
from headrace.plan.calls import Call as Written
from headrace.plan.constants import interval_us, moment, number
from headrace.plan.expression import Call, Literal, Node, Ref, literal
from headrace.plan.expression import text as canonical
from headrace.plan.functions import TABLE, Refusals, Refused
from headrace.plan.functions.conversions import converted
from headrace.plan.functions.function import to_float
from headrace.plan.instead import ELSEWHERE, of_call, of_cast, of_kind, written
from headrace.plan.scope import RowScope
from headrace.types import BOOL, FLOAT, INT, STR, Domain

Scope = Mapping[str, Domain]
"""What an expression may name: columns and features, with what is known of their values."""

LONGEST = 10_000
DEEPEST = 200
_DUCKDB = sqlglot.Dialect.get_or_raise("duckdb")
_NULL = sql.Null()
_SPLIT = "give a part of it a name: a feature of its own, named here as group.feature"


def parse(text: str, scope: Scope, place: str, what: str) -> Node:
    """Return the typed tree of an SQL scalar expression.

    Args:
        text: the expression, in DuckDB's dialect.
        scope: the names it may use.
        place: ``file:line`` for faults.
        what: what the expression is, for faults, e.g. ``"spending.mean_7d"``.

    Raises:
        HeadraceError: with all faults, when it cannot be read, names what is not there, or has no type.

    Example:
        >>> from headrace.plan.expression import text
        >>> text(parse("amount>5", {"amount": Domain(INT, 0, 9)}, "", "example"))
        'gt(amount:int[0,9], 5:int)'
    """
    try:
        return _typed(text, scope)
    except Refused as refused:
        faults = [_fault(one, f"{what}: {_shown(text)}", place) for one in refused.each]
        raise HeadraceError(dict.fromkeys(faults)) from None


def _fault(refused: Refused, where: str, place: str) -> Fault:
    return Fault("HR-EXPRESSION-002", place, f"{refused.found} in {where}", refused.expected, refused.cure)


def condition(text: str, scope: Scope, place: str, what: str) -> Node:
    """Return the typed tree of an expression that must be true or false."""
    node = parse(text, scope, place, what)
    if node.domain.type.name != "bool":
        found = f"{what}: {_shown(text)} is {node.domain.type!r}"
        cure = converted(node, ("bool",), text)
        raise HeadraceError(Fault("HR-EXPRESSION-003", place, found, "a condition, true or false", cure))
    return node


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "…")


def _typed(text: str, scope: Scope) -> Node:
    """Read and type a text; wrong numbers of arguments come first, as the parser drops them or tells of its classes."""
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        raise Refused("an empty or overlong expression", f"SQL of 1 to {LONGEST} characters", "name a column")
    try:
        tokens = _DUCKDB.tokenize(text)
    except sqlglot.errors.SqlglotError as error:
        raise _unreadable(error) from None
    written = calls(text, tokens)
    if refused := [one for one in map(misfit, written.values()) if one is not None]:
        raise Refusals(refused)
    return _Typing(scope, written).node(_read(text, tokens), 0)


def _read(text: str, tokens: list[Any]) -> Any:
    try:
        parsed = _DUCKDB.parser().parse(tokens, text)
    except RecursionError:
        expected = f"at most {DEEPEST} levels, and features that name others through fewer in between"
        raise Refused("an expression nested too deeply", expected, _SPLIT) from None
    except sqlglot.errors.SqlglotError as error:
        raise _unreadable(error) from None
    if len(parsed) != 1 or parsed[0] is None:
        raise Refused(f"{len(parsed)} statements", "one scalar expression", "remove the semicolon and what follows")
    return parsed[0]


def _unreadable(error: Exception) -> Refused:
    """Tell where reading stopped; the parser marks the place, and its own words name its classes."""
    after = ""
    if isinstance(error, sqlglot.errors.ParseError) and error.errors:
        first = error.errors[0]
        after = f"{first['start_context'] or ''}{first['highlight'] or ''}"[-40:]
    found = f"text that is not SQL (it breaks off at {after!r})" if after else "text that is not SQL"
    cure = "close what is open, and give each operator both of its sides; text stands in 'single quotes'"
    return Refused(found, "one scalar expression", cure)


class _Typing:
    """Walks a parsed expression from the leaves up and types each node by the table of functions."""

    def __init__(self, scope: Scope, calls: Mapping[int, Written]) -> None:
        self.scope, self.calls = scope, calls

    def node(self, tree: Any, depth: int) -> Node:
        if depth > DEEPEST:
            raise Refused("an expression nested too deeply", f"at most {DEEPEST} levels", _SPLIT)
        call = self.written(tree)
        if call is not None and call.name not in KNOWN:
            raise self.unknown(tree, depth)
        special, simple = _SPECIAL.get(type(tree)), _SIMPLE.get(type(tree))
        if special is not None:
            read, parts = special
            made = read(self, tree, depth + 1)
        elif simple is not None:
            name, parts = simple
            given = _parts(tree, parts)
            if not given:  # the parser takes an operator without its side, such as @, for a function of nothing
                raise _unreadable(sqlglot.errors.ParseError(""))
            made = apply(name, self.nodes(given, depth + 1))
        else:
            raise self.unknown(tree, depth)
        _all_read(tree, parts)
        return apply("not", [made]) if tree.args.get("negate") else made

    def nodes(self, trees: Iterable[Any], depth: int) -> list[Node]:
        """Type several parts of an expression; what is refused in any of them is refused together."""
        made: list[Node] = []
        refused: list[Refused] = []
        for tree in trees:
            try:
                made.append(self.node(tree, depth))
            except Refused as one:
                refused.append(one)
        if refused:
            raise Refusals(each for one in refused for each in one.each)
        return made

    def written(self, tree: Any) -> Written | None:
        """The call that a part of the tree was made of, as it is written; None for operators and the like."""
        return self.calls.get(tree.meta.get("start", -1))

    def unknown(self, tree: Any, depth: int) -> Refused:
        call, kind = self.written(tree), of_kind(tree)
        if call is None and (kind or not isinstance(tree, sql.Func)):
            found = f"SQL that is not a scalar expression of the row ({type(tree).__name__})"
            return Refused(found, "columns, constants, functions", kind or ELSEWHERE)
        call = call or Written(tree.sql_name().lower(), tuple(map(written, tree.iter_expressions())))
        cure = of_call(call, standard=not isinstance(tree, sql.Anonymous))
        refused = Refused(f"function {call.name}", "a function of row expressions", cure)
        try:
            self.nodes(tree.expressions if isinstance(tree, sql.Anonymous) else [], depth)
        except Refused as within:
            return Refusals([refused, *within.each])
        return refused

    def deeper(self, tree: sql.Dot, depth: int) -> Node:
        """A path of more parts than a column of SQL has."""
        if any(not isinstance(part, sql.Identifier) for part in tree.parts):
            raise self.unknown(tree, depth)
        return self.column(tree, depth)

    def column(self, tree: sql.Column | sql.Dot, depth: int) -> Node:
        name = ".".join(part.name for part in tree.parts)
        if len(tree.parts) > 2 and name not in self.scope:
            cure = f"write {tree.parts[-2].name}.{tree.parts[-1].name}"
            raise Refused(f"name {tree.sql()}", "column or group.feature", cure)
        if name not in self.scope:
            cure = self.scope.cure(name) if isinstance(self.scope, RowScope) else nearest(name, self.scope)
            raise Refused(f"unknown column {name!r}", "a column of the row or group.feature", cure)
        return Ref(name, self.scope[name])

    def chain(self, tree: Any, depth: int) -> Node:
        """Long chains of ``and`` and ``or`` lean to the left; walk them without going deeper."""
        links, kind = [], type(tree)
        while type(tree) is kind:
            links.append(tree.expression)
            tree = tree.this
        result, *others = self.nodes([tree, *reversed(links)], depth)
        for other in others:
            result = apply("and" if kind is sql.And else "or", [result, other])
        return result

    def additive(self, tree: Any, depth: int) -> Node:
        name = "add" if isinstance(tree, sql.Add) else "sub"
        if isinstance(tree.expression, sql.Interval):
            by = interval_us(tree.expression)
            return apply("shift_time", [self.node(tree.this, depth), literal(by if name == "add" else -by, INT)])
        left, right = self.nodes([tree.this, tree.expression], depth)
        if name == "sub" and left.domain.type.name == right.domain.type.name == "timestamp":
            cure = f"write epoch({written(tree.this)}) - epoch({written(tree.expression)})"
            raise Refused("a difference of times", "seconds as a number", cure)
        return apply(name, [left, right])

    def among(self, tree: sql.In, depth: int) -> Node:
        if tree.args.get("query") is not None or tree.args.get("unnest") is not None or not tree.expressions:
            cure = f"write the values, {written(tree.this)} in (1, 2); what is in a table is read by a feature of it"
            raise Refused("in (…) over a query", "a list of values", cure)
        value, *others = self.nodes([tree.this, *tree.expressions], depth)
        tests = {canonical(test): test for test in (apply("eq", [value, one]) for one in others)}
        first, *rest = [tests[said] for said in sorted(tests)]  # their order means nothing
        for test in rest:
            first = apply("or", [first, test])
        return first

    def between(self, tree: sql.Between, depth: int) -> Node:
        value, low, high = self.nodes([tree.this, tree.args["low"], tree.args["high"]], depth)
        return apply("and", [apply("ge", [value, low]), apply("le", [value, high])])

    def identity(self, tree: sql.Is, depth: int) -> Node:
        value, other = self.node(tree.this, depth), tree.expression
        if isinstance(other, sql.Null):
            return apply("is_null", [value])
        if isinstance(other, sql.Boolean):
            same = apply("eq", [value, literal(bool(other.this), BOOL)])
            return apply("coalesce", [same, literal(False, BOOL)])
        cure = f"write {written(tree.this)} = {written(other)}"
        raise Refused("is with another word", "is null, is not null, is true, is false", cure)

    def case(self, tree: sql.Case, depth: int) -> Node:
        branches = [part for branch in tree.args["ifs"] for part in (branch.this, branch.args["true"])]
        optional = [_NULL if one is None else one for one in (tree.args.get("default"), tree.this)]
        *parts, default, operand = self.nodes([*branches, *optional], depth)
        if tree.this is not None:
            parts[::2] = [apply("eq", [operand, test]) for test in parts[::2]]
        return apply("case", [*parts, default])

    def when(self, tree: sql.If, depth: int) -> Node:
        other = tree.args.get("false")
        return apply("case", self.nodes([tree.this, tree.args["true"], _NULL if other is None else other], depth))

    def nullif(self, tree: sql.Nullif, depth: int) -> Node:
        value, other = self.nodes([tree.this, tree.expression], depth)
        return apply("case", [apply("eq", [value, other]), literal(None, STR), value])

    def extract(self, tree: sql.Extract, depth: int) -> Node:
        part = tree.this.name.lower()
        name = {"dow": "dayofweek", "dayofmonth": "day"}.get(part, part)
        if name not in _PARTS_OF_TIME:
            raise Refused(f"extract of {part}", "one of " + ", ".join(_PARTS_OF_TIME), nearest(part, _PARTS_OF_TIME))
        return apply(name, [self.node(tree.expression, depth)])

    def truncate(self, tree: Any, depth: int) -> Node:
        unit = Literal(tree.unit.name.lower(), Domain(STR))
        return apply("date_trunc", [unit, self.node(tree.this, depth)])

    def cast(self, tree: sql.Cast, depth: int) -> Node:
        value, target = self.node(tree.this, depth), tree.to.this.name.lower()
        moments = ("timestamp", "timestampntz", "timestamptz", "date")
        if isinstance(value, Literal) and isinstance(value.value, str) and target in moments:
            return moment(value.value, target)
        have = value.domain.type.name
        if target == "double":
            if have == "str":
                return apply("to_number", [value])
            if have == "bool":
                return _chosen(value, literal(1.0, FLOAT), literal(0.0, FLOAT))
            if have in ("int", "float", "decimal"):
                return to_float(value)
        if target in ("int", "bigint") and have in ("int", "bool"):
            return value if have == "int" else _chosen(value, literal(1, INT), literal(0, INT))
        if target == "date":
            return apply("to_date", [value])
        cure = of_cast(written(tree.this), have, target)
        raise Refused(f"cast of {have} to {target}", "cast to double, int (from bool) or date", cure)


def apply(name: str, args: Sequence[Node]) -> Node:
    """Return a function applied to nodes; applied to constants it is their value."""
    node: Node = TABLE[name].typed(args)
    if isinstance(node, Call) and all(isinstance(arg, Literal) for arg in node.args):
        values = [arg.value for arg in node.args if isinstance(arg, Literal)]
        function = TABLE[node.function]
        value = None if function.strict and any(one is None for one in values) else function.scalar(*values)
        return literal(value, node.domain.type)
    return node


def _chosen(condition: Node, yes: Node, no: Node) -> Node:
    """One of two numbers; null where the condition is."""
    return apply("case", [condition, yes, apply("not", [condition]), no, literal(None, STR)])


def _parts(tree: Any, names: Sequence[str]) -> list[Any]:
    parts: list[Any] = []
    for name in names:
        part = tree.args.get(name)
        if isinstance(part, list):
            parts += part
        elif part is not None:
            parts.append(part)
    return parts


def _all_read(tree: Any, parts: Sequence[str]) -> None:
    """Refuse what the parser found in a node and nobody looked at: it would change the meaning without a word."""
    rest = [name for name, value in tree.args.items() if value and name not in parts and name not in _MEANT]
    if rest:
        kind = type(tree).__name__.lower()
        without = tree.copy()
        for name in rest:
            without.set(name, None)
        found = f"{kind} with {', '.join(rest)} ({_shown(tree.sql('duckdb'))})"
        raise Refused(found, f"{kind} without it", f"write {written(without)}")


_MEANT = ("negate", "safe", "ignore_nulls")
"""What the parser says of a node that is as we take it, or that every node heeds."""
_PARTS_OF_TIME = ("hour", "minute", "second", "dayofweek", "isodow", "day", "month", "year")

_SIMPLE: dict[type, tuple[str, tuple[str, ...]]] = {
    sql.Mul: ("mul", ("this", "expression")),
    sql.Div: ("div", ("this", "expression")),
    sql.IntDiv: ("intdiv", ("this", "expression")),
    sql.Mod: ("mod", ("this", "expression")),
    sql.Neg: ("neg", ("this",)),
    sql.Not: ("not", ("this",)),
    sql.EQ: ("eq", ("this", "expression")),
    sql.NEQ: ("ne", ("this", "expression")),
    sql.LT: ("lt", ("this", "expression")),
    sql.LTE: ("le", ("this", "expression")),
    sql.GT: ("gt", ("this", "expression")),
    sql.GTE: ("ge", ("this", "expression")),
    sql.Coalesce: ("coalesce", ("this", "expressions")),
    sql.Greatest: ("greatest", ("this", "expressions")),
    sql.Least: ("least", ("this", "expressions")),
    sql.Abs: ("abs", ("this",)),
    sql.Sqrt: ("sqrt", ("this",)),
    sql.Ln: ("ln", ("this",)),
    sql.Exp: ("exp", ("this",)),
    sql.Pow: ("pow", ("this", "expression")),
    sql.Floor: ("floor", ("this",)),
    sql.Ceil: ("ceil", ("this",)),
    sql.Round: ("round", ("this", "decimals")),
    sql.Hour: ("hour", ("this",)),
    sql.Minute: ("minute", ("this",)),
    sql.Second: ("second", ("this",)),
    sql.DayOfWeek: ("dayofweek", ("this",)),
    sql.DayOfWeekIso: ("isodow", ("this",)),
    sql.Day: ("day", ("this",)),
    sql.DayOfMonth: ("day", ("this",)),
    sql.Month: ("month", ("this",)),
    sql.Year: ("year", ("this",)),
    sql.TimeToUnix: ("epoch", ("this",)),
    sql.Date: ("to_date", ("this",)),
    sql.TsOrDsToDate: ("to_date", ("this",)),
    sql.Lower: ("lower", ("this",)),
    sql.Upper: ("upper", ("this",)),
    sql.Trim: ("trim", ("this",)),
    sql.Length: ("length", ("this",)),
    sql.Like: ("like", ("this", "expression")),
    sql.StartsWith: ("starts_with", ("this", "expression")),
    sql.Contains: ("contains", ("this", "expression")),
    sql.Substring: ("substring", ("this", "start", "length")),
    sql.DPipe: ("concat", ("this", "expression")),
}

_SPECIAL: dict[type, tuple[Callable[[_Typing, Any, int], Node], tuple[str, ...]]] = {
    sql.Column: (_Typing.column, ("this", "table", "db", "catalog")),
    sql.Dot: (_Typing.deeper, ("this", "expression")),
    sql.Literal: (lambda typing, tree, depth: number(tree), ("this", "is_string")),
    sql.Boolean: (lambda typing, tree, depth: literal(bool(tree.this), BOOL), ("this",)),
    sql.Null: (lambda typing, tree, depth: literal(None, STR), ()),
    sql.Paren: (lambda typing, tree, depth: typing.node(tree.this, depth), ("this",)),
    sql.And: (_Typing.chain, ("this", "expression")),
    sql.Or: (_Typing.chain, ("this", "expression")),
    sql.Add: (_Typing.additive, ("this", "expression")),
    sql.Sub: (_Typing.additive, ("this", "expression")),
    sql.In: (_Typing.among, ("this", "expressions")),
    sql.Between: (_Typing.between, ("this", "low", "high")),
    sql.Is: (_Typing.identity, ("this", "expression")),
    sql.Case: (_Typing.case, ("this", "ifs", "default")),
    sql.If: (_Typing.when, ("this", "true", "false")),
    sql.Nullif: (_Typing.nullif, ("this", "expression")),
    sql.Extract: (_Typing.extract, ("this", "expression")),
    sql.TimestampTrunc: (_Typing.truncate, ("this", "unit")),
    sql.DateTrunc: (_Typing.truncate, ("this", "unit")),
    sql.Cast: (_Typing.cast, ("this", "to")),
}
