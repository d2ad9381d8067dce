"""Arguments of functions: what is too much or too little is refused, though the parser may drop it without a word."""

from __future__ import annotations

import re

import duckdb
import pytest
import sqlglot

from headrace.errors import HeadraceError
from headrace.plan.calls import _ANY, TAKES, calls
from headrace.plan.parse import parse
from tests.plan.test_expressions import SCOPE
from tests.plan.worlds import bits

WORDS = {"x": "2", "y": "3", "text": "'abc'", "at": "timestamp '2026-01-05 12:34:56'"}


def _called(name: str, count: int) -> str:
    """A call of constants only, as in the example but with so many arguments."""
    text = f"{name}({TAKES[name].example})"
    (written,) = calls(text, sqlglot.tokenize(text, read="duckdb")).values()
    args = [re.sub(r"\b(x|y|text|at)\b", lambda found: WORDS[found[0]], one) for one in written.args]
    return f"{name}({', '.join([*args, *['1'] * count][:count])})"


CASES = [
    _called(name, count)
    for name, takes in TAKES.items()
    for count in (takes.fewest - 1, takes.fewest, min(takes.most, 4), min(takes.most, 4) + 1)
]


@pytest.mark.parametrize("text", dict.fromkeys(CASES))
def test_a_call_is_refused_or_means_what_duckdb_says(text: str) -> None:
    try:
        node = parse(text, SCOPE, "project.py:1", "it")
    except HeadraceError as error:
        refused = error.faults
    else:
        refused = ()
    if refused:
        assert {(fault.code, bool(fault.cure)) for fault in refused} == {("HR-EXPRESSION-002", True)}
        return
    said = duckdb.connect().execute(f"select {text}").fetchall()[0][0]
    kind, value = node.domain.type.name, getattr(node, "value", node)
    if kind == "timestamp":
        said = said.timestamp() * 1e6
    elif kind == "date":
        said = (said - said.fromisoformat("1970-01-01")).days
    assert bits(float(value) if kind != "str" else value) == bits(float(said) if kind != "str" else said)


@pytest.mark.parametrize("name", TAKES)
def test_every_function_takes_its_example_and_no_more(name: str) -> None:
    takes = TAKES[name]
    parse(_called(name, takes.fewest), SCOPE, "", "it")
    if takes.most < _ANY:
        with pytest.raises(HeadraceError, match=rf"found {name} with {takes.most + 1} arguments in it"):
            parse(_called(name, takes.most + 1), SCOPE, "", "it")


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("date_trunc('day', w, 'x')", "write date_trunc('day', w)"),
        ("hour( date_trunc( 'day', w, u ) )", "write date_trunc('day', w)"),
        ("mod(a, b, 3) + 1", "write mod(a, b)"),
        ("datetrunc('day')", "write datetrunc('day', at)"),
        ("substring(s)", "write substring(text, 1, 2)"),
        ('"mod"(a, (b + 1), 3)', "write mod(a, (b + 1))"),
        ("coalesce()", "write coalesce(x, y)"),
        ("if(p, 1)", "write if(x > 0, x, y)"),
    ],
)
def test_a_wrong_number_of_arguments_is_told_with_the_words_of_the_expression(text: str, cure: str) -> None:
    with pytest.raises(HeadraceError) as refused:
        parse(text, SCOPE, "project.py:7", "now.it")
    (fault,) = refused.value.faults
    assert (fault.place, fault.cure) == ("project.py:7", cure)
    assert re.match(r"\w+ with \d arguments? in now.it", fault.found)


def test_commas_of_lists_and_of_other_calls_are_not_arguments() -> None:
    parse("abs(greatest(a, b, 1)) + round(x, 2) + if(a in (1, 2, 3), 1, 0)", SCOPE, "", "it")
    parse("substring(s from 2 for 3) || lower(coalesce(t, 'a, b, (c'))", SCOPE, "", "it")


@pytest.mark.parametrize(
    "text", ["date_to_date_str(d)", "like(s, t)", "nvl(a, b)", "iif(p, 1, 0)", "startswith(s, 'a')"]
)
def test_names_that_only_the_parser_knows_are_refused(text: str) -> None:
    with pytest.raises(HeadraceError, match=rf"found function {text.split('(')[0]} in it"):
        parse(text, SCOPE, "", "it")


def test_faults_of_calls_and_of_their_arguments_are_told_together() -> None:
    with pytest.raises(HeadraceError) as refused:
        parse("hour(w, 1) + mod(nothing)", SCOPE, "", "it")  # what cannot be read has no names yet
    assert [fault.cure for fault in refused.value.faults] == ["write hour(w)", "write mod(x, y)"]
    with pytest.raises(HeadraceError) as refused:
        parse("soundex(nothing) = s or reverse(s) = missing", SCOPE, "", "it")
    told = [fault.found.split(" in it")[0] for fault in refused.value.faults]
    assert told == ["function soundex", "function reverse", "unknown column 'missing'"]
