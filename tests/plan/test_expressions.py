"""Random expressions: oracle, columns, single rows and, where the words mean the same, DuckDB; bit by bit."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from headrace.engines.frame import frame
from headrace.errors import HeadraceError
from headrace.kernel.column import held, to_arrow
from headrace.plan import lower
from headrace.plan.domains import domains
from headrace.plan.expression import Node
from headrace.plan.parse import parse
from headrace.plan.reference.expressions import evaluate
from headrace.plan.reference.values import as_float, digits, entering
from headrace.types import INT, STR, Domain
from tests.plan.texts import LEAVES, ROWS, Row, expressions
from tests.plan.worlds import bits, examples, table

SCOPE = domains(Row)


def by_columns(node: Node, rows: list[dict[str, Any]]) -> list[Any]:
    given_rows = frame(table(rows, Row), list(SCOPE), Row, "rows")
    made = lower.columns(node, given_rows.columns, len(rows))
    assert len(to_arrow(made)) == len(rows)
    return [held(made, position) for position in range(len(rows))]


def by_row(node: Node, rows: list[dict[str, Any]]) -> list[Any]:
    given_rows = frame(table(rows, Row), list(SCOPE), Row, "rows")
    function = lower.row_function(node)
    columns = given_rows.columns.items()
    return [function({name: held(column, position) for name, column in columns}) for position in range(len(rows))]


def by_oracle(node: Node, rows: list[dict[str, Any]]) -> list[Any]:
    """Values of the oracle, decimals as digits, as the kernel holds them."""
    fields = Row.fields()
    entered = [{name: entering(value, fields[name].type) for name, value in row.items()} for row in rows]
    values = [evaluate(node, row) for row in entered]
    kind = node.domain.type
    return [digits(value, kind) if value is not None and kind.name == "decimal" else value for value in values]


@pytest.mark.parametrize("kind", list(LEAVES))
def test_oracle_columns_and_rows_agree(kind: str) -> None:
    @given(expressions(kind, 3, wide=True), ROWS)
    @examples(60)
    def check(text: str, rows: list[dict[str, Any]]) -> None:
        try:
            node = parse(text, SCOPE, "", "it")
        except HeadraceError:
            reject()
        expected = by_oracle(node, rows)
        assert [bits(one) for one in by_columns(node, rows)] == [bits(one) for one in expected], text
        assert [bits(one) for one in by_row(node, rows)] == [bits(one) for one in expected], text
        within(node, expected)

    check()


def within(node: Node, values: list[Any]) -> None:
    """What is said of a value before any row is read must be true of every row."""
    low, high = node.domain.low, node.domain.high
    for value in values:
        assert value is None or low is None or value >= low
        assert value is None or high is None or value <= high


@pytest.mark.parametrize("kind", list(LEAVES))
def test_duckdb_agrees(kind: str) -> None:
    connection = duckdb.connect()

    @given(expressions(kind, 3, wide=False), ROWS)
    @examples(40)
    def check(text: str, rows: list[dict[str, Any]]) -> None:
        try:
            node = parse(text, SCOPE, "", "it")
        except HeadraceError:
            reject()
        connection.register("lake", _without_zones(table(rows, Row)))
        query = f"select {_typed(text, node)} from lake"
        try:
            found = [row[0] for row in connection.execute(query).fetchall()]
        except (duckdb.OutOfRangeException, duckdb.ConversionException):
            reject()  # its decimals are narrower in some places
        expected = [_shown(value, node) for value in by_oracle(node, rows)]
        assert [bits(one) for one in found] == [bits(one) for one in expected], text

    check()


def _without_zones(lake: pa.Table) -> pa.Table:
    """The same moments as TIMESTAMP, on which DuckDB computes in UTC whatever the session says."""
    plain_times = [pa.timestamp("us") if pa.types.is_timestamp(field.type) else field.type for field in lake.schema]
    return lake.cast(pa.schema(zip(lake.column_names, plain_times, strict=True)))


def _typed(text: str, node: Node) -> str:
    kind = node.domain.type.name
    return {"int": f"cast({text} as bigint)", "decimal": f"cast({text} as double)"}.get(kind, text)


def _shown(value: Any, node: Node) -> Any:
    kind = node.domain.type
    if value is None:
        return None
    match kind.name:
        case "decimal":
            return as_float(Decimal(value).scaleb(-kind.scale), kind)
        case "timestamp":
            return datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=value)  # noqa: DTZ001 - as DuckDB's
        case "date":
            return datetime.date(1970, 1, 1) + datetime.timedelta(days=value)
    return value


def read_or_refuse(text: str) -> None:
    try:
        parse(text, SCOPE, "project.py:1", "it")
    except HeadraceError as refused:
        codes = {fault.code for fault in refused.faults}
    else:
        codes = {"HR-EXPRESSION-002"}
    assert codes == {"HR-EXPRESSION-002"}


@given(st.text(max_size=60))
@example("@")
@examples(150)
def test_any_text_is_read_or_refused_with_a_fault(text: str) -> None:
    read_or_refuse(text)


@pytest.mark.parametrize(
    "text",
    [
        "trim(t, 'x')",
        "trim(both 'x' from t)",
        "n between symmetric 3 and 1",
        "floor(n, 1)",
        "ceil(n, 1)",
        "round(n, 1, 2)",
        "length(t, 'x')",
        "contains(t, 'a', 'b')",
        "cast(t as double format 'x')",
    ],
)
def test_what_nobody_heeds_is_refused(text: str) -> None:
    scope = {"t": Domain(STR), "n": Domain(INT)}
    with pytest.raises(HeadraceError, match="HR-EXPRESSION-002.* with "):
        parse(text, scope, "", "it")


TOKENS = "a b m x y p s t u d at null 1 2.5 1e400 'x' ( ) , + - * / % // ** = <> < > and or not in is like between"
WORDS = (
    *TOKENS.split(),
    "coalesce(",
    "greatest(",
    "round(",
    "substring(",
    "floor(",
    "cast(",
    "as double",
    "interval",
    "year(",
    "if(",
)


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
@examples(200)
def test_any_words_are_read_or_refused_with_a_fault(text: str) -> None:
    read_or_refuse(text)
