"""Calls of functions as they are written: the parser renames functions, and drops arguments that it has no use for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlglot import TokenType

from headrace.plan.functions import Refused


@dataclass(frozen=True)
class Call:
    """One call: the function's name in lower case, and the text of each argument."""

    name: str
    args: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.args)})"


@dataclass(frozen=True)
class Takes:
    """How many arguments a function takes, at the fewest and at the most, and how they may look."""

    fewest: int
    most: int
    example: str


_ANY = 10_000
_FAMILIES = (
    ("abs sqrt ln exp floor ceil ceiling", Takes(1, 1, "x")),
    ("round", Takes(1, 2, "x, 2")),
    ("pow power mod", Takes(2, 2, "x, y")),
    ("greatest least coalesce", Takes(1, _ANY, "x, y")),
    ("nullif ifnull", Takes(2, 2, "x, y")),
    ("if", Takes(3, 3, "x > 0, x, y")),
    ("year month day dayofmonth dayofweek isodow hour minute second epoch date", Takes(1, 1, "at")),
    ("date_trunc datetrunc", Takes(2, 2, "'day', at")),
    ("lower lcase upper ucase trim length len char_length character_length", Takes(1, 1, "text")),
    ("starts_with contains", Takes(2, 2, "text, 'a'")),
    ("substring substr", Takes(2, 3, "text, 1, 2")),
)
TAKES: dict[str, Takes] = {name: takes for names, takes in _FAMILIES for name in names.split()}
"""The functions that an expression can call, as DuckDB calls them."""

KNOWN = sorted({*TAKES, "case", "cast", "extract"})
"""Names that a misspelt one may have meant."""

_OPEN = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
_CLOSE = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)
_WORDS = dict.fromkeys(("substring", "substr"), (TokenType.FROM, TokenType.FOR))
"""What can stand for a comma: ``substring(t from 2 for 3)`` is ``substring(t, 2, 3)``."""


def calls(text: str, tokens: Sequence[Any]) -> dict[int, Call]:
    """Return every name that is followed by a parenthesis, by its place in the text; some are no functions.

    Example:
        >>> import sqlglot
        >>> text = "abs(a) in (1, round(b, 2))"
        >>> [str(one) for one in calls(text, sqlglot.tokenize(text, read="duckdb")).values()]
        ['abs(a)', 'in(1, round(b, 2))', 'round(b, 2)']
    """
    found = {}
    for at, (name, after) in enumerate(pairwise(tokens)):
        if after.token_type == TokenType.L_PAREN:
            called = name.text.lower()
            between = (TokenType.COMMA, *_WORDS.get(called, ()))
            found[name.start] = Call(called, tuple(_arguments(text, tokens[at + 1 :], between)))
    return found


def _arguments(text: str, tokens: Sequence[Any], between: Sequence[TokenType]) -> Iterator[str]:
    """Yield the texts from a parenthesis to the one that closes it."""
    depth, begin = 0, tokens[0].end + 1
    for token in tokens:
        depth += (token.token_type in _OPEN) - (token.token_type in _CLOSE)
        if depth == 0 or (depth == 1 and token.token_type in between):
            if argument := text[begin : token.start].strip():
                yield argument
            begin = token.end + 1
        if depth == 0:
            return


def misfit(call: Call) -> Refused | None:
    """Return why a function cannot take so many arguments; None where it can, or is not one of ours."""
    takes = TAKES.get(call.name)
    count = len(call.args)
    if takes is None or takes.fewest <= count <= takes.most:
        return None
    numbers = {takes.fewest: f"{takes.fewest}", _ANY: f"{takes.fewest} or more"}
    expected = numbers.get(takes.most, f"{takes.fewest} or {takes.most}")
    cure = Call(call.name, call.args[: takes.most] if count > takes.most else (takes.example,))
    return Refused(f"{call.name} with {count} argument{'' if count == 1 else 's'}", expected, f"write {cure}")
