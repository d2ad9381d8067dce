"""Databases: what a type becomes, where a reading goes on, what is refused, and how much memory it takes."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import headrace as hr
from headrace.connect import ingest
from headrace.connect.origins import Away, Place, Reader, reader_of
from headrace.contracts import KeyIndex, validate
from headrace.declare import Field, contract_of
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.types import INT, STR, Date, Timestamp
from tests.connect.servers import Mariadb, Postgres

UTC = datetime.UTC


def opened(url: str, folder: Path, fields: list[str] | None = None, **more: Any) -> Reader:
    """A reader of all columns, or of some."""
    origin = hr.Database(url, **more)
    assert not origin.faults
    if fields is None:
        with closing(reader_of(origin, Place("t", hr.Contract, folder))) as first:
            schema = first.columns()
            assert schema is not None
            fields = schema.names
    contract = contract_of("T", {name: Field(type=STR, role="key" if name == "id" else "") for name in fields})
    return reader_of(origin, Place("t", contract, folder))


def read(url: str, folder: Path = Path(), batch_rows: int = 1000, **more: Any) -> list[dict[str, Any]]:
    with closing(opened(url, folder, **more)) as reader:
        return [row for batch in reader.batches(None, batch_rows) for row in batch.rows.to_pylist()]


def accepted(rows: pa.Table, **fields: Any) -> tuple[pa.Table, pa.Table]:
    """What a contract makes of rows: accepted and quarantined."""
    contract = type("T", (hr.Contract,), {"__annotations__": fields})
    found = validate(contract, rows, KeyIndex((), lambda: ()), "t", rows=None)
    return found.accepted, found.quarantined


def code(error: pytest.ExceptionInfo[HeadraceError]) -> str:
    return error.value.faults[0].code


# -- types ------------------------------------------------------------------------------------------------------------

# of each declared type, what is written and what is read
POSTGRES = {
    "smallint": ("-32768", -32768),
    "bigint": ("9223372036854775807", 9223372036854775807),
    "real": ("57.16", pytest.approx(57.16, rel=1e-7)),
    "double precision": ("0.1", 0.1),
    "numeric(12,2)": ("12345.60", "12345.60"),
    "numeric": ("123456789012345678901234567890.123456", "123456789012345678901234567890.123456"),
    "boolean": ("true", True),
    "text": ("é😀, \"'\\", "é😀, \"'\\"),
    "varchar(10)": ("", ""),
    "char(4)": ("ab", "ab  "),
    "timestamptz": (
        "2026-01-02 03:04:05.678901+02",
        datetime.datetime(2026, 1, 2, 1, 4, 5, 678901, tzinfo=UTC),
    ),
    "timestamp": ("2026-01-02 03:04:05.678901", datetime.datetime.fromisoformat("2026-01-02 03:04:05.678901")),
    "date": ("2026-01-02", datetime.date(2026, 1, 2)),
    "time": ("01:02:03.5", "01:02:03.5"),
    "interval": ("1 day 2 hours", "P1DT2H"),
    "json": ('{"a": [1, null]}', '{"a": [1, null]}'),
    "jsonb": ('{"a":1}', '{"a": 1}'),
    "uuid": ("00000000-0000-0000-0000-0000000000ff", "00000000-0000-0000-0000-0000000000ff"),
    "mood": ("sad", "sad"),
    "bytea": ("\\xdead00", "dead00"),
    "int[]": ("{1,2,NULL}", "[1,2,null]"),
    "text[]": ('{"a,b",NULL}', '["a,b",null]'),
    "int[][]": ("{{1,2},{3,4}}", "[[1,2],[3,4]]"),
    "numeric[]": ("{1.50,2}", '["1.50","2"]'),
    "bytea[]": ('{"\\\\x00ff"}', '["00ff"]'),
    "inet": ("10.0.0.1", "10.0.0.1/32"),
    "money": ("1.50", "1.50"),
    "oid": ("4294967295", 4294967295),
    "positive": ("3", 3),
    "int4range": ("[1,5)", "[1,5)"),
}


@pytest.fixture(scope="module")
def types(postgres: Postgres) -> Postgres:
    postgres.run("create type mood as enum ('sad', 'ok');;create domain positive as int check (value > 0)")
    columns = ", ".join(f'"{kind}" {kind}' for kind in POSTGRES)
    postgres.run(f"create table kinds (id int primary key, {columns})")
    values = ", ".join("'" + text.replace("'", "''") + "'" for text, _ in POSTGRES.values())
    postgres.run(f"insert into kinds values (1, {values});;insert into kinds (id) values (2)")
    return postgres


@pytest.mark.parametrize("kind", POSTGRES)
def test_each_type_of_postgresql_is_read_without_losing_a_digit(types: Postgres, kind: str) -> None:
    rows = read(types.url, table="kinds", fields=["id", kind], cursor="id")
    assert rows == [{"id": 1, kind: POSTGRES[kind][1]}, {"id": 2, kind: None}]


def test_what_no_contract_takes_is_quarantined_and_not_made_null(types: Postgres) -> None:
    types.run(
        "create table odd (id int, n numeric, ts timestamptz, d date, f float8);;"
        "insert into odd values (1, 'NaN', '2026-01-01', '2026-01-01', 1), (2, 1, 'infinity', '2026-01-01', 1),"
        "(3, 1, '-infinity', '2026-01-01', 1), (4, 1, '0044-03-15 BC', '2026-01-01', 1),"
        "(5, 1, '2026-01-01', 'infinity', 1), (6, 1, '2026-01-01', '9999-12-31', 1),"
        "(7, 1, '2026-01-01', '2026-01-01', 'NaN'), (8, 1.5, '2026-01-01', '2026-01-01', 1)"
    )
    with closing(opened(types.url, Path(), table="odd", cursor="id")) as reader:
        (batch,) = reader.batches(None, 100)
    good, bad = accepted(
        batch.rows, id=int, n=hr.Decimal(8, 2) | None, ts=hr.Timestamp | None, d=hr.Date | None, f=float | None
    )
    assert good["id"].to_pylist() == [8]
    assert good["n"].to_pylist() == [Decimal("1.50")]
    assert bad.num_rows == 7


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_a_row_whose_cursor_is_infinite_is_judged_once(types: Postgres, tmp_path: Path, kind: str) -> None:
    day = Field(type=Date) if kind == "date" else Field(type=Timestamp, zone="UTC")
    contract = contract_of("Plan", {"id": Field(type=INT, role="key"), "day": day})
    types.run(f"create table plan_{kind} (id int, day {kind})")
    types.run(f"insert into plan_{kind} values (1, '2026-01-01'), (2, 'infinity'), (3, '-infinity'), (4, '2026-01-02')")
    source = hr.Table("plans", contract, source=hr.Database(types.url, table=f"plan_{kind}", cursor="day"))
    first = ingest(source, tmp_path, Lake(tmp_path / "lake"))
    assert (first.accepted, first.quarantined, [one.code for one in first.faults]) == (2, 2, ["HR-SOURCE-024"])
    assert ingest(source, tmp_path, Lake(tmp_path / "lake")).received == 0
    types.run(f"update plan_{kind} set day = '2026-01-03' where id = 2")
    types.run(f"insert into plan_{kind} values (5, 'infinity')")
    later = ingest(source, tmp_path, Lake(tmp_path / "lake"))
    assert (later.accepted, later.quarantined) == (1, 1)
    assert ingest(source, tmp_path, Lake(tmp_path / "lake")).received == 0


MARIADB = {
    "tinyint(1)": ("1", 1),
    "bigint unsigned": ("18446744073709551615", 18446744073709551615),
    "decimal(30,10)": ("12345678901234567890.0123456789", "12345678901234567890.0123456789"),
    "float": ("57.16", pytest.approx(57.16, rel=1e-7)),
    "double": ("0.1", 0.1),
    "date": ("'2026-01-02'", "2026-01-02"),
    "datetime(6)": ("'2026-01-02 03:04:05.678901'", "2026-01-02 03:04:05.678901"),
    "timestamp(3) null": ("'2026-01-02 03:04:05.678'", "2026-01-02 03:04:05.678Z"),
    "time": ("'-12:00:01'", "-12:00:01"),
    "year": ("2026", 2026),
    "varchar(20)": ("'é😀 %s'", "é😀 %s"),
    "text": ("''", ""),
    "blob": ("x'dead00'", "dead00"),
    "varbinary(5)": ("x'00ff'", "00ff"),
    "bit(3)": ("b'101'", 5),
    "json": ("'{\"a\":1}'", '{"a":1}'),
    "enum('a','b')": ("'a'", "a"),
    "set('x','y')": ("'x,y'", "x,y"),
    "uuid": ("'00000000-0000-0000-0000-0000000000ff'", "00000000-0000-0000-0000-0000000000ff"),
}


@pytest.fixture(scope="module")
def maria(mariadb: Mariadb) -> Mariadb:
    columns = ", ".join(f"`{kind}` {kind}" for kind in MARIADB)
    mariadb.run(f"set time_zone = '+00:00';;create table kinds (id int primary key, {columns})")
    values = ", ".join(text for text, _ in MARIADB.values())
    mariadb.run(f"set time_zone = '+00:00';;set names utf8mb4;;insert into kinds values (1, {values})")
    mariadb.run("insert into kinds (id) values (2)")
    return mariadb


@pytest.mark.parametrize("kind", MARIADB)
def test_each_type_of_mysql_is_read_without_losing_a_digit(maria: Mariadb, kind: str) -> None:
    rows = read(maria.url, table="kinds", fields=["id", kind], cursor="id")
    assert rows == [{"id": 1, kind: MARIADB[kind][1]}, {"id": 2, kind: None}]


def test_a_day_that_mysql_has_and_no_calendar_is_quarantined(maria: Mariadb) -> None:
    maria.run(
        "create table zero (id int, d date, t datetime);;insert into zero values (1, '0000-00-00', 0), (2, 20260102, 0)"
    )
    with closing(opened(maria.url, Path(), table="zero")) as reader:
        (batch,) = reader.batches(None, 100)
    good, bad = accepted(batch.rows.select(["id", "d"]), id=int, d=hr.Date)
    assert (good["id"].to_pylist(), bad.num_rows) == ([2], 1)
    assert "0000-00-00" in str(bad.to_pylist())


def test_values_of_sqlite_have_types_of_their_own(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as made:
        made.executescript(
            "create table t (id integer primary key, n int, price decimal(8,2), mixed, b blob, at datetime, odd text);"
            "insert into t values (1, 5, 10.25, 1, x'dead', '2026-01-02 03:04:05', 'ok');"
            "insert into t values (2, 9007199254740993, 11, 'n/a', null, null, cast(x'ff' as text));"
            "insert into t values (3, null, null, 0.1, null, null, null);"
        )
    with closing(opened("sqlite:///x.db", tmp_path, cursor="id")) as reader:
        batches = list(reader.batches(None, 2))
    assert [batch.rows.schema for batch in batches] == [batches[0].rows.schema] * 2
    whole = pa.concat_tables([batch.rows for batch in batches])
    assert whole["n"].to_pylist() == [5, 9007199254740993, None]
    assert whole["price"].to_pylist() == [10.25, 11.0, None]
    assert whole["mixed"].to_pylist() == ["1", "n/a", "0.1"]
    assert whole["b"].to_pylist() == ["dead", None, None]
    good, bad = accepted(whole.select(["id", "odd"]), id=int, odd=str | None)
    assert (good["id"].to_pylist(), bad.num_rows) == ([1, 3], 1)


def test_types_of_duckdb(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "x.duckdb")) as made:
        made.execute(
            "create table t as select 1 as id, 1.5::decimal(20,3) as n, {'a': 1, 'b': [1]} as nested, [1, 2] as l,"
            "'x'::blob as b, 170141183460469231731687303715884105727::hugeint as huge, interval 1 day as i,"
            "'2026-01-02 03:04:05+01'::timestamptz as at, 'a'::enum('a', 'b') as e"
        )
    (row,) = read("duckdb:///x.duckdb", tmp_path)
    assert row == {
        "id": 1, "n": Decimal("1.500"), "nested": '{"a":1,"b":[1]}', "l": [1, 2], "b": "78",
        "huge": "170141183460469231731687303715884105727", "i": "1 day",
        "at": datetime.datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC), "e": "a",
    }  # fmt: skip


# -- cursors ----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["postgres", "mariadb", "sqlite", "duckdb"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path, Any]]:
    """The same table in each database: its address, the project's folder, and what runs statements."""
    at = "timestamp(6)" if request.param != "sqlite" else "text"
    made = [
        f"create table orders (id bigint primary key, moment {at} not null, amount decimal(20,4), empty_one int)",
        *(f"insert into orders values ({n}, '2026-01-0{1 + n // 2} 00:00:00.000000', {n}.5, null)" for n in range(8)),
    ]
    if request.param in ("postgres", "mariadb"):
        server: Any = request.getfixturevalue(request.param)
        server.run(";;".join(["drop table if exists orders", *made]))
        yield server.url, tmp_path, server.run
    elif request.param == "sqlite":

        def run_sqlite(sql: str) -> None:
            with closing(sqlite3.connect(tmp_path / "x.db")) as one:
                one.executescript(sql.replace(";;", ";"))

        run_sqlite(";".join(made))
        yield "sqlite:///x.db", tmp_path, run_sqlite
    else:

        def run_duck(sql: str) -> None:
            with duckdb.connect(str(tmp_path / "x.duckdb")) as one:
                one.execute(sql.replace(";;", ";"))

        run_duck(";".join(made))
        yield "duckdb:///x.duckdb", tmp_path, run_duck


@pytest.mark.parametrize("cursor", ["id", "moment", "amount"])
def test_a_reading_goes_on_from_each_of_its_positions(shop: tuple[str, Path, Any], cursor: str) -> None:
    url, folder, _ = shop
    if url.startswith("sqlite") and cursor == "amount":
        with (
            closing(opened(url, folder, table="orders", cursor=cursor)) as reader,
            pytest.raises(HeadraceError, match="floats") as error,
        ):
            list(reader.batches(None, 3))
        assert code(error) == "HR-SOURCE-033"
        return
    with closing(opened(url, folder, table="orders", cursor=cursor)) as reader:
        assert reader.ordered
        first = [(batch.rows["id"].to_pylist(), batch.cursor) for batch in reader.batches(None, 3)]
    ids = [id for part, _ in first for id in part]
    assert ids == list(range(8))
    assert max(len(part) for part, _ in first) <= 3
    kinds = {str(values.type) for _, values in first if values is not None}
    assert len(kinds) == 1
    for part, values in first:
        assert values is not None
        since = values[-1].as_py()
        with closing(opened(url, folder, table="orders", cursor=cursor)) as reader:
            rest = [id for batch in reader.batches(since, 100) for id in batch.rows["id"].to_pylist()]
        assert rest == [id for id in range(8) if (id // 2 >= part[-1] // 2 if cursor == "moment" else id >= part[-1])]


def test_a_cursor_that_the_contract_does_not_have_is_read_beside_it(shop: tuple[str, Path, Any]) -> None:
    url, folder, _ = shop
    with closing(opened(url, folder, fields=["id"], table="orders", cursor="moment")) as reader:
        (batch,) = reader.batches(None, 100)
    assert batch.rows.column_names == ["id"]
    assert batch.cursor is not None
    assert len(batch.cursor) == 8


def test_a_query_is_read_as_a_table_is(shop: tuple[str, Path, Any]) -> None:
    url, folder, _ = shop
    query = "select id, amount * 2 as twice from orders where '50%' like '5%' and id > 5 order by id desc; -- the last"
    assert [int(row["id"]) for row in read(url, folder, query=query.replace("; --", " --"), cursor="id")] == [6, 7]


def test_keys_are_read_without_the_rest(shop: tuple[str, Path, Any]) -> None:
    url, folder, _ = shop
    with closing(opened(url, folder, table="orders")) as reader:
        parts = list(reader.keys(3))
    assert sorted(key for part in parts for key in part["id"].to_pylist()) == list(range(8))
    assert {tuple(part.column_names) for part in parts} == {("id",)}


def test_a_cursor_must_be_a_column_that_has_a_value_in_each_row(shop: tuple[str, Path, Any]) -> None:
    url, folder, _ = shop
    for cursor, said in (("empty_one", "is null"), ("idd", "no column idd")):
        with (
            closing(opened(url, folder, table="orders", cursor=cursor)) as reader,
            pytest.raises(HeadraceError, match=said) as error,
        ):
            list(reader.batches(None, 10))
        assert code(error) == "HR-SOURCE-033"


def test_one_reading_sees_one_moment(shop: tuple[str, Path, Any]) -> None:
    url, folder, run = shop
    if url.startswith("duckdb"):
        pytest.skip("a file of DuckDB has no writer beside readers")
    with closing(opened(url, folder, table="orders", cursor="id")) as reader:
        batches = reader.batches(None, 2)
        next(batches)
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(folder / "x.db", timeout=0)) as one:
                one.execute("insert into orders values (99, '2027-01-01', 1, null)")
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    one.commit()
        else:
            run("insert into orders values (99, '2027-01-01', 1, null)")
        rest = [id for batch in batches for id in batch.rows["id"].to_pylist()]
    assert rest == list(range(2, 8))


def test_a_table_that_was_altered_shows_other_columns(shop: tuple[str, Path, Any]) -> None:
    url, folder, run = shop
    run("alter table orders drop column empty_one;;alter table orders add column note varchar(10)")
    with closing(opened(url, folder, table="orders")) as reader:
        schema = reader.columns()
    assert schema is not None
    assert schema.names == ["id", "moment", "amount", "note"]
    assert pa.types.is_string(schema.field("note").type)


def test_what_is_not_there_is_told_without_words_of_the_database(shop: tuple[str, Path, Any]) -> None:
    url, folder, run = shop
    run("drop table orders")
    for more in ({"table": "orders"}, {"query": "select nothing from"}, {"table": "odd.'\"; drop"}):
        with pytest.raises(HeadraceError) as error:
            opened(url, folder, **more)
        assert code(error) == "HR-SOURCE-031"
        assert not isinstance(error.value, Away)
        assert "select" not in str(error.value)
