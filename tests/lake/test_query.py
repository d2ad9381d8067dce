"""SQL over the lake: what it reads, and every door that must stay shut."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.sql import readable, told


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "la'ke")
    lake.append("payments", pa.table({"id": [1, 2], "at": pa.array([0, 86_400_000_000], pa.timestamp("us", "UTC"))}))
    lake.append("payments", pa.table({"id": [3], "at": pa.array([1], pa.timestamp("us", "UTC"))}))
    lake.append("secrets", pa.table({"s": ["x"]}))
    return lake


def test_results(lake: Lake) -> None:
    daily = "select date_trunc('day', at) as day, count(*) as n from Payments group by all order by day"
    assert [row["n"] for row in lake.sql(daily).to_pylist()] == [2, 1]
    assert lake.sql("select hour(max(at)) as h from payments").to_pylist() == [{"h": 0}]
    joined = (
        "with p as (select id as s from payments) select count(*) as n from p join secrets on p.s::text = secrets.s"
    )
    assert lake.sql(joined).to_pylist() == [{"n": 0}]


def test_versions(lake: Lake) -> None:
    assert lake.sql("select count(*) as n from payments", versions={"payments": 1}).to_pylist() == [{"n": 2}]


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("select * from paymnts", "HR-LAKE-001: found no table paymnts in the lake.*did you mean 'payments'"),
        ("select nope from payments", 'HR-LAKE-006: found Binder Error: Referenced column "nope" not found'),
        ("selec 1", "HR-LAKE-006: found Parser Error"),
        ("", "HR-LAKE-005: found no statement; expected one SELECT"),
        ("select 1; select 2", "HR-LAKE-005: found select and select"),
        ("insert into payments values (1, now())", "HR-LAKE-005: found insert; expected one SELECT"),
        ("delete from payments", "HR-LAKE-005: found delete"),
        ("drop table payments", "HR-LAKE-005: found drop"),
        ("copy payments to 'stolen.csv'", "HR-LAKE-005: found copy"),
        ("attach 'other.db'", "HR-LAKE-005: found attach"),
        ("set enable_external_access = true", "HR-LAKE-005: found set"),
        ("install httpfs", "HR-LAKE-005: found load"),
        ("select * from read_text('/etc/passwd')", "HR-LAKE-005: found a query that reaches outside the lake"),
        ("select * from read_csv('https://example.org/x.csv')", "HR-LAKE-005: found a query that reaches outside"),
        ("select * from glob('/*')", "HR-LAKE-005: found a query that reaches outside the lake"),
        ("select * from 'data.parquet'", "HR-LAKE-001: found no table data.parquet"),
        ("select * from query('select * from secretz')", "HR-LAKE-001: found no table secretz"),
        ("select * from lake", "HR-LAKE-001: found no table lake"),
        ("show paymnts", "HR-LAKE-001: found no table paymnts.*did you mean 'payments'"),
        ("describe paymnts", "HR-LAKE-001: found no table paymnts.*did you mean 'payments'"),
        ("select * from old.payments", "HR-LAKE-001: found no table old.payments.*did you mean 'payments'"),
    ],
)
def test_refused(lake: Lake, sql: str, text: str) -> None:
    with pytest.raises(HeadraceError, match=text):
        lake.sql(sql)


def test_what_there_is(lake: Lake) -> None:
    assert lake.sql("show tables").to_pylist() == [{"name": "payments"}, {"name": "secrets"}]
    for sql in ("describe payments", "show payments"):
        assert [row["column_name"] for row in lake.sql(sql).to_pylist()] == ["id", "at"]
    names = "select table_name as name from information_schema.tables order by 1"
    assert lake.sql(names).to_pylist() == lake.sql("show tables").to_pylist()
    assert lake.sql("select count(*) as n from query_table('payments')").to_pylist() == [{"n": 3}]


def test_files_of_tables_that_the_query_does_not_name_stay_shut(lake: Lake) -> None:
    (path,) = lake.files("secrets")
    escaped = path.replace("'", "''")
    with pytest.raises(HeadraceError, match="HR-LAKE-005: found a query that reaches outside the lake"):
        lake.sql(f"select * from payments, read_parquet('{escaped}')")


@pytest.mark.parametrize(
    ("sql", "quoted"),
    [
        ("select at, x.at from t where AT > 1", 'select "at", x."at" from t where "AT" > 1'),
        ("select 'at', \"at\" -- at", "select 'at', \"at\" -- at"),
        ("select now() at time zone 'UTC'", "select now() at time zone 'UTC'"),
        ("select 'unfinished", "select 'unfinished"),
    ],
)
def test_a_column_called_at_needs_no_quotes(sql: str, quoted: str) -> None:
    assert readable(sql) == quoted


_STREAMED = """
import resource, sys
import subprocess
import sys
from pathlib import Path
from headrace.lake import Lake

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

lake, rows = Lake(Path(sys.argv[1])), 0
with lake.answered("select 1") as answer:
    list(answer.batches)
before = peak()
with lake.answered("select range as n, repeat('x', 100) || range as text from range(4000000)") as answer:
    for batch in answer.batches:
        rows += batch.num_rows
print(rows, peak() - before)
"""


def test_an_answer_is_not_held_in_memory(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _STREAMED, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    rows, megabytes = map(int, done.stdout.split())
    assert rows == 4_000_000
    assert megabytes < 200, "all of it is more than 450"


def test_an_answer_that_fails_while_it_comes_and_one_that_is_left(lake: Lake) -> None:
    late = "select case when range = 900000 then cast('x' || range as int) else range end from range(1000000)"
    with lake.answered(late) as answer, pytest.raises(HeadraceError, match="HR-LAKE-006: found Conversion Error"):
        list(answer.batches)
    with lake.answered("select range from range(90000000000)") as answer:
        assert next(answer.batches)["range"][0].as_py() == 0


@pytest.mark.parametrize(
    "error", [RuntimeError("Query interrupted"), duckdb.InterruptException("INTERRUPT: Interrupted!")]
)
def test_ctrl_c_that_duckdb_sees_first_is_ctrl_c(error):
    with pytest.raises(KeyboardInterrupt), told():
        raise error


def _learned(*columns: str) -> pa.Table:
    return pa.table({"_seq": [1, 2], "_known_at": [5, 6], "_load": ["a", "b"], **{one: [1, 2] for one in columns}})


def _shops(folder: Path) -> Lake:
    lake = Lake(folder)
    lake.append("sales", _learned("shop", "amount"))
    lake.append("shops", _learned("shop", "region"))
    return lake


@pytest.mark.parametrize(
    "query",
    [
        "select * from sales natural join shops",
        "select count(*) from sales s natural left join (select * from shops) t where amount > 0",
        "with x as (select 1) select * from x, (sales natural full join shops)",
        "select (select count(*) from shops natural join SALES)",
    ],
)
def test_a_natural_join_by_when_rows_were_learned_is_refused(tmp_path: Path, query: str) -> None:
    lake = _shops(tmp_path)
    with pytest.raises(HeadraceError) as caught:
        lake.sql(query)
    (fault,) = caught.value.faults
    assert fault.code == "HR-LAKE-028"
    assert fault.found.endswith(", by _known_at, _seq too")
    assert fault.cure == "write: … join … using (shop)"


@pytest.mark.parametrize(
    "query",
    [
        "select * from sales join shops using (shop)",
        "select * from (select shop, amount from sales) natural join (select shop, region from shops)",
        "select * from (select * exclude (_seq, _known_at, _load) from sales) natural join shops",
        "with sales as (select 1 as shop) select * from sales natural join shops",
        "select 'natural join' as text, * from sales",
        "select * from loads natural join shops",
    ],
)
def test_other_joins_are_as_ever(tmp_path: Path, query: str) -> None:
    lake = _shops(tmp_path)
    lake.append("loads", pa.table({"_load": ["a"], "state": ["done"]}))
    assert lake.sql(query).num_rows > 0
