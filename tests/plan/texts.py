"""Random row expressions as SQL text, by type; those without ``wide`` mean the same to DuckDB."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

import headrace as hr

Strategy = st.SearchStrategy[str]


class Row(hr.Contract):
    """Columns that expressions name."""

    w: hr.Timestamp = hr.event_time()
    a: int = hr.field(ge=-1000, le=1000)
    b: int | None = hr.field(ge=-5, le=5)
    m: hr.Decimal(8, 2) | None
    x: float = hr.field(ge=-1e6, le=1e6)
    y: float | None = hr.field(ge=-2.0, le=2.0)
    p: bool
    q: bool | None
    s: str
    t: str | None
    u: hr.Timestamp | None
    d: hr.Date | None


WORDS = ["", "a", "ab", "Ba", "a_b", "50%", " a ", "ABBA"]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "w": st.integers(-(10**15), 4 * 10**15),
    "a": st.integers(-1000, 1000),
    "b": st.one_of(st.none(), st.integers(-5, 5)),
    "m": st.one_of(st.none(), st.decimals(-999_999, 999_999, places=2)),
    "x": st.one_of(st.sampled_from([0.0, -0.0, 0.5, -2.5, 1e6]), st.floats(-1e6, 1e6, allow_subnormal=False)),
    "y": st.one_of(st.none(), st.floats(-2.0, 2.0, allow_subnormal=False)),
    "p": st.booleans(),
    "q": st.one_of(st.none(), st.booleans()),
    "s": st.sampled_from(WORDS),
    "t": st.one_of(st.none(), st.sampled_from(WORDS)),
    "u": st.one_of(st.none(), st.integers(-(10**15), 4 * 10**15)),
    "d": st.one_of(st.none(), st.integers(-10_000, 40_000)),
}
ROWS = st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=6)

NUMBER = ("int", "decimal", "float")
LEAVES = {
    "int": ["a", "b", "0", "1", "-3", "7"],
    "decimal": ["m", "0.5", "-1.25", "10.00"],
    "float": ["x", "y", "1e0", "-2.5e-1"],
    "bool": ["p", "q", "true", "false"],
    "str": ["s", "t", "'a'", "''", "'Ba'"],
    "timestamp": ["w", "u", "timestamp '2026-01-05 12:34:56.789'"],
    "date": ["d", "date '2024-02-29'", "cast(w as date)"],
}
ANY = {
    "coalesce({0}, {0})",
    "case when {bool} then {0} else {0} end",
    "case when {bool} then {0} when {bool} then {0} end",
    "if({bool}, {0}, {0})",
    "nullif({0}, {0})",
}
INNER: dict[str, list[str]] = {
    "int": [
        "({int} + {int})", "({int} - {int})", "({int} * {int})", "({int} // nullif({int}, 0))",
        "({int} % nullif({int}, 0))",
        "(-{int})", "abs({int})", "greatest({int}, {int}, {int})", "least({int}, {int})", "hour({timestamp})",
        "minute({timestamp})", "second({timestamp})", "dayofweek({timestamp})", "isodow({date})", "day({date})",
        "month({timestamp})", "year({date})", "extract(hour from {timestamp})", "length({str})", "cast({bool} as int)",
    ],
    "decimal": [
        "({decimal} + {decimal})", "({decimal} - {int})", "({decimal} * {int})", "(-{decimal})", "abs({decimal})",
        "greatest({decimal}, {int})", "least({decimal}, {decimal})", "coalesce({int}, {decimal})",
    ],
    "float": [
        "({float} + {float})", "({float} - {int})", "({float} * {float})", "({float} * {decimal})",
        "sqrt(abs({float}))",
        "({int} / nullif({int}, 0))", "({float} / nullif({float}, 0))", "(-{float})", "abs({float})", "floor({float})",
        "ceil({float})", "cast({int} as double)", "cast({decimal} as double)", "epoch({timestamp})",
    ],
    "bool": [
        *(f"({{{kind}}} {sign} {{{kind}}})"
            for kind in (*NUMBER, "str", "timestamp", "date") for sign in ("=", "<", ">=")),
        "({int} <> {decimal})", "({float} > {int})", "({int} <= {float})", "({bool} and {bool})", "({bool} or {bool})",
        "(not {bool})", "({int} in (1, {int}, null))", "({str} not in ('a', {str}))",
        "({int} between {int} and {decimal})",
        "({0} is null)", "({str} is not null)", "({bool} is true)", "({bool} is not false)", "({str} like 'a%')",
        "({str} like '_b%')", "({str} like '%\\%')", "({str} not like '_b%')", "({str} !~~ 'a%')",
        "({int} not between 1 and {int})", "({int} not in (1, 2))", "starts_with({str}, 'a')", "contains({str}, 'b')",
    ],
    "str": [
        "lower({str})", "upper({str})", "trim({str})", "substring({str}, 1, 2)",
        "substring({str}, 2)", "({str} || {str})",
    ],
    "timestamp": [
        *(f"date_trunc('{unit}', {{timestamp}})"
            for unit in ("second", "minute", "hour", "day", "week", "month", "year")),
        "({timestamp} - interval '90 minutes')", "({timestamp} + interval '3 days')",
        "greatest({timestamp}, {timestamp})",
    ],
    "date": ["cast({timestamp} as date)", "cast({date} as date)", "least({date}, {date})"],
}  # fmt: skip
WIDE: dict[str, list[str]] = {
    "int": ["({int} // {int})", "({int} % {int})"],
    "float": [
        "ln({float})", "exp({float})", "pow({float}, {float})", "pow({float}, {int})", "sqrt({float})",
        "({float} / {float})",
        "({int} / {int})", "round({float})", "round({float}, 3)", "cast({str} as double)", "({float} * 1e300)",
        "floor(1e200 * {float})",
    ],
    "bool": ["(null and {bool})", "({bool} or null)", "(null = {int})", "({str} like null)"],
    "str": ["substring({str}, 0, 2)", "upper({str} || 'ß')"],
}  # fmt: skip


@st.composite
def expressions(draw: Any, kind: str, depth: int, wide: bool) -> str:
    """Return the text of an expression of a type.

    Args:
        draw: given by Hypothesis.
        kind: name of the logical type.
        depth: how deep it may nest.
        wide: whether it may use what DuckDB refuses or rounds differently.
    """
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return str(draw(st.sampled_from(LEAVES[kind])))
    inner = [*INNER[kind], *sorted(ANY), *(WIDE.get(kind, []) * 2 if wide else [])]
    text = draw(st.sampled_from(inner))
    while "{" in text:
        name = text[text.index("{") + 1 : text.index("}")]
        part = draw(expressions(kind if name == "0" else name, depth - 1, wide))
        text = text.replace("{" + name + "}", part, 1)
    return str(text)
