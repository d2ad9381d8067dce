"""Tables by query are checked without any data: what they read, in which order, and what they give."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import headrace as hr
from headrace import sql
from headrace.declare.kept import loaded
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.plan import check
from headrace.plan.queries import in_order
from headrace.types import arrow_schema


class Sale(hr.Contract):
    """Every type that a contract knows."""

    sale_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    told: hr.Timestamp = hr.known_time()
    day: hr.Date
    items: list[int]
    amount: hr.Decimal(12, 2)
    ratio: float
    n: int
    paid: bool


class Total(hr.Contract):
    """What a query gives."""

    since: hr.Timestamp = hr.valid_from()
    told: hr.Timestamp = hr.known_time()
    total: float


sales = hr.Stream("sales", Sale, source="data/sales*")


def told(*tables: hr.Table) -> list[tuple[str, str]]:
    return [(fault.code, fault.found) for fault in check(hr.Project("shop", sources=[sales, *tables]))]


def test_empty_tables_have_the_types_that_the_lake_has() -> None:
    with sql.connected() as connection:
        sql.make_empty(connection, "sales", loaded(Sale))
        found = connection.sql("from sales").to_arrow_table().schema
        again = sql.described(connection, "select * from sales; -- all").to_arrow_table().schema
    expected = arrow_schema(loaded(Sale))
    assert found.names == again.names == expected.names
    for name in expected.names:
        wanted = expected.field(name).type
        assert found.field(name).type == again.field(name).type, name
        assert str(found.field(name).type).replace("Etc/", "").replace("l: ", "item: ") == str(wanted), name


@pytest.mark.parametrize(
    "text",
    [
        "select _seq, _known_at, _load from sales",
        "select s.told, AT from Sales s",
        "select reasons, row, _load from quarantine_sales",
        "select sha256, accepted from loads_sales",
        "with s as (select max(amount) as most from sales) select most + 1 as more from s; -- the end",
        "select list_sum(items) as k, day + 1 as next from sales",
        "select since, _known_at from totals",
        "describe sales",
        "show tables",
        "select {'a': n} as s, null as nothing, paid::enum('true', 'false') as e from sales",
    ],
)
def test_what_can_run_has_no_fault(text: str) -> None:
    totals = hr.Table("totals", Total, query="select at as since, told, sum(amount) as total from sales group by all")
    assert told(hr.Table("t", query=text), totals) == []


@pytest.mark.parametrize("kind", ["null", "amount", "n", "paid", "ratio::varchar", "n::hugeint", "1.5", "n::utinyint"])
def test_what_may_become_what_the_contract_says_has_no_fault(kind: str) -> None:
    assert told(hr.Table("t", Total, query=f"select at as since, told, {kind} as total from sales")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("select a.at, b.AT from sales a, sales b", "t: its query gives at more than once"),
        ("select max(told - at) as late from sales", "t: its query gives late as INTERVAL"),
        ("select {'a': [at::time]} as x from sales", "t: its query gives x as STRUCT(a TIME[])"),
        ("select {'size': at::time} as x from sales", "t: its query gives x as STRUCT(size TIME)"),
        *(
            (f"select null::{kind} as x from sales", f"t: its query gives x as {kind}")
            for kind in (
                "TIMESTAMP_S",
                "TIMESTAMP_S[]",
                "TIMESTAMP_NS",
                "TIME_NS[3]",
                "TIME WITH TIME ZONE",
                "UNION(a INTEGER)",
                "MAP(VARCHAR, TIMESTAMP)",
                "MAP(VARCHAR, STRUCT(a TIMESTAMP_MS))",
                "BIT",
                "BIGNUM",
                "VARIANT",
                "UHUGEINT",
            )
        ),
    ],
)
def test_what_no_table_of_the_lake_can_have_is_told(text: str, found: str) -> None:
    assert told(hr.Table("t", query=text)) == [("HR-LAKE-008", found)]


@pytest.mark.parametrize(
    "value",
    [
        "timestamp_ms '2024-01-01'",
        "[timestamp '2024-01-01']::timestamp[1]",
        "map(['a'], [timestamptz '2024-01-01'])",
        "{'interval': 1, 'time': [timestamp '2024-01-01']}",
        "'b0b0b0b0-b0b0-b0b0-b0b0-b0b0b0b0b0b0'::uuid",
        "(-170141183460469231731687303715884105728)::hugeint",
        "18446744073709551615::ubigint",
        "'a'::blob",
        "'{}'::json",
        "'a'::enum('a')",
        "[[1, 2, 3]]::integer[3][]",
    ],
)
def test_what_check_takes_the_lake_holds(value: str, tmp_path: Path) -> None:
    query = f"select {value} as x"
    assert told(hr.Table("t", query=query)) == []
    lake = Lake(tmp_path)
    with lake.answered(query) as answer:
        lake.overwrite("t", pa.RecordBatchReader.from_batches(answer.schema, answer.batches))
    assert lake.sql("from t").to_pylist() == lake.sql(query).to_pylist()


def test_columns_beside_those_of_the_contract_may_be_anything() -> None:
    joined = "select a.at as since, a.told, a.ratio as total, interval 1 day as i, a.*, b.* exclude (told) "
    joined += "from sales a, sales b"
    assert told(hr.Table("t", Total, query=joined.replace("a.*", "a.* exclude (told)"))) == []
    twice = "t: its query gives told more than once"
    assert told(hr.Table("t", Total, query=joined)) == [("HR-LAKE-008", twice)]


def test_a_table_without_contract_takes_part_with_what_its_query_gives() -> None:
    weekly = hr.Table(
        "weekly", query="select date_trunc('week', hour) as week, sum(totl) as total from hourly group by all"
    )
    hourly = hr.Table(
        "hourly", query="select date_trunc('hour', at) as hour, sum(amount) as total from sales group by all"
    )
    ((code, found),) = told(weekly, hourly)
    assert (code, found[:57]) == ("HR-LAKE-006", 'weekly: Binder Error: Referenced column "totl" not found ')


def test_every_fault_of_every_table_is_told_once_and_none_that_only_follows() -> None:
    tables = [
        hr.Table("broken", query="selct 1"),
        hr.Table("after", query="select anything from broken"),
        hr.Table("lost", query="select * from sals, custmers"),
        hr.Table("one", query="from two"),
        hr.Table("two", query="from one"),
        hr.Table("own", query="from own"),
        hr.Table("rest", query="select anything from one"),
        hr.Table("poor", Total, query="select at as since, items as total from sales"),
        hr.Table("reader", query="select ttl from poor"),
    ]
    window = hr.Features("f", sales, by=hr.Entity("sale_id"), features={"c": hr.mean("amuont", "7d")})
    faults = check(hr.Project("shop", features=[window], sources=[sales, *tables]))
    assert sorted((one.code, one.found.split(":")[0]) for one in faults) == [
        ("HR-EXPRESSION-002", "unknown column 'amuont' in f.c"),
        ("HR-LAKE-001", "lost"),
        ("HR-LAKE-001", "lost"),
        ("HR-LAKE-006", "broken"),
        ("HR-LAKE-006", "reader"),
        ("HR-LAKE-008", "poor"),
        ("HR-LAKE-011", "poor"),
        ("HR-RUN-004", "queries that need each other"),
        ("HR-RUN-004", "queries that need each other"),
    ]


def test_columns_that_nobody_can_know_raise_no_fault() -> None:
    class Broken(hr.Contract):
        at: hr.Timestamp = hr.event_time()
        x: complex

    class Twice(hr.Contract):
        at: hr.Timestamp = hr.event_time()
        a: int
        A: int

    streams = [hr.Stream("broken", Broken), hr.Stream("twice", Twice)]
    tables = [hr.Table(f"of_{one.name}", query=f"select whatever from {one.name}") for one in streams]
    faults = check(hr.Project("shop", sources=[*streams, *tables]))
    assert [fault.code for fault in faults] == ["HR-CONTRACT-001", "HR-CONTRACT-011"]


def test_tables_come_after_those_that_they_read() -> None:
    tables = [hr.Table("c", query="from b, A"), hr.Table("b", query="from a"), hr.Table("a", query="from sales")]
    assert [table.name for table in in_order(tables)] == ["a", "b", "c"]
    with pytest.raises(HeadraceError, match=r"HR-RUN-004 tests/plan/test_queries.py:\d+: .*: a → b → a"):
        in_order([hr.Table("a", query="from b"), hr.Table("b", query="from a")])


@pytest.mark.parametrize(("query", "expected"), [("", []), ("hr.Table('t', query='from s')", ["duckdb"])])
def test_duckdb_is_loaded_only_for_tables_by_query(query: str, expected: list[str]) -> None:
    code = f"""
import json, sys
import headrace as hr
from headrace.plan import check
C = hr.contract_of("C", {{"at": hr.Field(type=hr.Timestamp, role="event_time")}})
assert check(hr.Project("p", sources=[hr.Stream("s", C), {query}])) == []
print(json.dumps(sorted({{"duckdb", "pandas"}} & set(sys.modules))))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == expected


def test_a_natural_join_by_when_rows_were_learned_is_told() -> None:
    copy = hr.Table("copy", query="select sale_id, _known_at, n from sales")
    joined = hr.Table("joined", query="select sale_id from sales natural join copy")
    assert told(copy, joined) == [("HR-LAKE-028", "joined: a natural join of sales and copy, by _known_at too")]
    by_hand = hr.Table("joined", query="select sale_id from sales join copy using (sale_id, n)")
    assert told(copy, by_hand) == []
