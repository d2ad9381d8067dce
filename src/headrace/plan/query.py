"""The canonical text of a table's query: whatever its spacing, its comments and the case of its key words."""

from __future__ import annotations

from typing import Any

import sqlglot
from sqlglot import TokenType as Kind

_DUCKDB = sqlglot.Dialect.get_or_raise("duckdb")
_LITERALS = (Kind.STRING, Kind.HEREDOC_STRING, Kind.BYTE_STRING, Kind.IDENTIFIER, Kind.NUMBER)
_RESERVED = (Kind.ALL, Kind.ANY, Kind.ASC, Kind.DESC, Kind.END, Kind.FALSE, Kind.NULL, Kind.TRUE)
"""What sqlglot takes for a name, and DuckDB only after ``as``."""
_NAMES = _DUCKDB.parser_class.ID_VAR_TOKENS - set(_RESERVED)
_ENDS = (Kind.COMMA, Kind.FROM, Kind.R_PAREN, None)
"""What follows the name of a column that a query gives."""


def canonical(query: str) -> str:
    r"""Return a query with its tokens as they are written, its key words in capitals.

    From tokens and not from a tree, as the parser drops arguments that it has no use for. A query that has none is as
    it is written, and so is the case of names: it becomes that of the table's columns.

    Example:
        >>> canonical("select a,  'x  y' as B -- two\nfrom t;")
        "SELECT a, 'x  y' AS B FROM t"
    """
    try:
        tokens = _DUCKDB.tokenize(query)
    except sqlglot.errors.SqlglotError:
        return query
    while tokens and tokens[-1].token_type == Kind.SEMICOLON:
        tokens.pop()
    around = [None, *tokens, None]
    return "".join(
        _between(last, token) + _word(query[token.start : token.end + 1], last, token, after)
        for last, token, after in zip(around, tokens, around[2:], strict=False)
    )


def _word(text: str, last: Any, token: Any, after: Any) -> str:
    """A token in capitals, unless it is a literal or may name a column."""
    kind, follows = token.token_type, None if after is None else after.token_type
    called = follows == Kind.L_PAREN
    if kind in _LITERALS or (last is not None and last.token_type in (Kind.ALIAS, Kind.DOT)):
        return text
    if kind == Kind.VAR:
        return text.upper() if called else text
    if kind in _NAMES and follows in _ENDS:
        return text
    return " ".join(text.split()).upper() if text[:1].isalpha() else text


def _between(last: Any, token: Any) -> str:
    if last is None or last.token_type == Kind.L_PAREN or token.token_type in (Kind.COMMA, Kind.R_PAREN):
        return ""
    kinds = {last.token_type, token.token_type}
    if (Kind.DOT in kinds and Kind.NUMBER not in kinds) or kinds == {Kind.VAR, Kind.L_PAREN}:
        return ""
    prefixed = token.token_type == Kind.STRING and last.token_type == Kind.VAR  # x'ff' is not x 'ff'
    return "" if prefixed and last.end + 1 == token.start else " "
