"""Columns that are called otherwise in a source than the field: read by one name, and known by the other."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from fastavro import writer

import headrace as hr
from headrace.connect import ingest
from headrace.connect.repair import replay
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.testing.server import Answer, Server
from tests.connect.servers import Mariadb, Postgres
from tests.connect.test_collection import Server as Mongo
from tests.connect.test_collection import pytestmark as needs_mongo


class Visit(hr.Contract):
    visit_id: str = hr.key()
    at: hr.Timestamp = hr.event_time(zone="UTC")  # type: ignore[valid-type]
    customer_id: int = hr.field(ge=0)
    note: str | None


COLUMNS = {"visit_id": 'Visit "No."', "at": "When (local)", "customer_id": "Customer ID"}
PLAIN = {"visit_id": "VisitNo", "at": "WhenLocal", "customer_id": "Customer"}
"""Names for what has rules of its own for them: Avro, and what the type of a cursor is read from."""
Source = Callable[[Path, dict[str, str]], Any]


def rows(columns: dict[str, str], **other: Any) -> list[dict[str, Any]]:
    """Three rows, of which one is below its bound, with a column that is called like a field and is another one."""
    given = [("a", 1), ("b", -1), ("c", 2)]
    return [
        {columns["visit_id"]: name, columns["at"]: f"2026-01-01T00:0{at}:00", columns["customer_id"]: number,
         "note": None if at else "ö", "customer_id": 99} | other
        for at, (name, number) in enumerate(given)
    ]  # fmt: skip


def table(columns: dict[str, str]) -> pa.Table:
    return pa.Table.from_pylist(rows(columns))


def text_file(name: str, separator: str) -> Source:
    def write(folder: Path, columns: dict[str, str]) -> str:
        table(columns).to_pandas().to_csv(folder / name, sep=separator, index=False)
        return name

    return write


def bytes_file(name: str, write: Callable[[Path, dict[str, str]], object]) -> Source:
    def written(folder: Path, columns: dict[str, str]) -> str:
        write(folder / name, columns)
        return name

    return written


def as_lines(path: Path, columns: dict[str, str]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(columns)))


def as_avro(path: Path, columns: dict[str, str]) -> None:
    kinds = dict.fromkeys(rows(columns)[0], "string") | {columns["customer_id"]: "long", "customer_id": "long"}
    kinds: dict[str, Any] = kinds | {"note": ["null", "string"]}  # type: ignore[no-redef]
    schema = {"type": "record", "name": "visit", "fields": [{"name": name, "type": kinds[name]} for name in kinds]}
    with path.open("wb") as raw:
        writer(raw, schema, rows(columns))


def as_sheet(path: Path, columns: dict[str, str]) -> None:
    book = openpyxl.Workbook()
    book.active.append(list(rows(columns)[0]))
    for row in rows(columns):
        moment = pd.Timestamp(row[columns["at"]]).to_pydatetime()
        book.active.append([moment if name == columns["at"] else value for name, value in row.items()])
    book.save(path)


def in_sqlite(folder: Path, columns: dict[str, str]) -> str:
    with closing(sqlite3.connect(folder / "visits.db")) as made:
        table(columns).to_pandas().to_sql("visits", made, index=False)
    return "sqlite:///visits.db"


def in_duckdb(folder: Path, columns: dict[str, str]) -> str:
    with duckdb.connect(str(folder / "visits.duckdb")) as made:
        made.register("given", table(columns))
        made.execute("create table visits as select * from given")
    return "duckdb:///visits.duckdb"


def by_cursor(source: Source) -> Source:
    return lambda folder, columns: hr.Database(source(folder, columns), table="visits", cursor=columns["at"])


KINDS: dict[str, tuple[Source, dict[str, str]]] = {
    "csv": (text_file("a.csv", ","), COLUMNS),
    "tsv": (text_file("a.tsv", "\t"), COLUMNS),
    "jsonl": (bytes_file("a.jsonl", as_lines), COLUMNS),
    "json": (bytes_file("a.json", lambda path, columns: path.write_text(json.dumps(rows(columns)))), COLUMNS),
    "parquet": (bytes_file("a.parquet", lambda path, columns: pq.write_table(table(columns), path)), COLUMNS),
    "arrow": (bytes_file("a.arrow", lambda path, columns: feather.write_feather(table(columns), str(path))), COLUMNS),
    "avro": (bytes_file("a.avro", as_avro), PLAIN),
    "xlsx": (bytes_file("a.xlsx", as_sheet), COLUMNS),
    "sqlite": (in_sqlite, COLUMNS),
    "sqlite by cursor": (by_cursor(in_sqlite), COLUMNS),
    "duckdb": (in_duckdb, COLUMNS),
    "duckdb by cursor": (by_cursor(in_duckdb), COLUMNS),
    "list": (lambda _, columns: rows(columns), COLUMNS),
    "pandas": (lambda _, columns: table(columns).to_pandas(), COLUMNS),
    "polars": (lambda _, columns: pl.from_arrow(table(columns)), COLUMNS),
    "function": (lambda _, columns: hr.Rows(lambda since: rows(columns), cursor=columns["at"]), COLUMNS),
}


def loaded(source: Any, folder: Path, columns: dict[str, str]) -> tuple[hr.Stream, Lake]:
    """Load rows twice; the second time nothing is new."""
    stream = hr.Stream("visits", Visit, source=source, columns=columns)
    assert not stream.faults
    lake = Lake(folder / "state" / "lake")
    report = ingest(stream, folder, lake)
    assert (report.received, report.accepted, report.quarantined) == (3, 2, 1)
    assert list(report.reasons) == ["HR-DATA-004 customer_id: is below 0"]
    assert ingest(stream, folder, lake).received == 0
    return stream, lake


def check(source: Any, folder: Path, columns: dict[str, str]) -> None:
    """Rows have the names of the fields, also in quarantine, and leave it by them."""
    stream, lake = loaded(source, folder, columns)
    found = lake.read("visits", columns=["visit_id", "at", "customer_id", "note"]).to_pylist()
    assert [(one["visit_id"], one["customer_id"], one["note"]) for one in found] == [("a", 1, "ö"), ("c", 2, None)]
    assert [one["at"].minute for one in found] == [0, 2]
    (held,) = replay.held_rows(lake, "visits")
    assert set(held.values) == {"visit_id", "at", "customer_id", "note"}
    mended = held.repaired({"customer_id": "5"}, Visit)
    with lake.lock("visits"):
        assert len(replay.replay(lake, stream, [mended]).passing) == 1
    assert sorted(lake.read("visits", columns=["customer_id"])["customer_id"].to_pylist()) == [1, 2, 5]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_source_is_read_by_its_own_names(tmp_path: Path, kind: str) -> None:
    write, columns = KINDS[kind]
    check(write(tmp_path, columns), tmp_path, columns)


def test_postgresql_is_read_by_its_own_names(tmp_path: Path, postgres: Postgres) -> None:
    columns = COLUMNS
    postgres.run("drop table if exists visits")
    postgres.run(f"create table visits ({_declared(columns, chr(34))})")
    _fill(postgres.run, columns, '"')
    check(hr.Database(postgres.url, table="visits", cursor=columns["at"]), tmp_path, columns)


def test_mariadb_is_read_by_its_own_names(tmp_path: Path, mariadb: Mariadb) -> None:
    mariadb.run("drop table if exists visits")
    mariadb.run(f"create table visits ({_declared(COLUMNS, '`')})")
    _fill(mariadb.run, COLUMNS, "`")
    check(hr.Database(mariadb.url, table="visits", cursor=COLUMNS["at"]), tmp_path, COLUMNS)


def _quoted(name: str, mark: str) -> str:
    return mark + name.replace(mark, mark * 2) + mark


def _declared(columns: dict[str, str], mark: str) -> str:
    kinds = {"visit_id": "varchar(9)", "at": "timestamp", "customer_id": "bigint"}
    return ", ".join(f"{_quoted(columns[name], mark)} {kind}" for name, kind in kinds.items()) + (
        ", note varchar(9), customer_id int"
    )


def _fill(run: Callable[..., Any], columns: dict[str, str], mark: str) -> None:
    for row in rows(columns):
        said = ", ".join("null" if one is None else f"'{one}'" for one in row.values())
        run(f"insert into visits values ({said})")


@needs_mongo
def test_mongodb_is_read_by_its_own_names(tmp_path: Path) -> None:
    columns = {"visit_id": "Visit No", "at": "When (local)", "customer_id": "Customer ID"}
    server = Mongo(tmp_path)
    try:
        server.client["shop"]["visits"].insert_many(rows(columns))
        check(hr.Collection(server.url, "visits"), tmp_path, columns)
    finally:
        server.stop()


def test_an_api_is_read_by_its_own_names(tmp_path: Path) -> None:
    with Server([Answer({"data": rows(COLUMNS)}), Answer({"data": rows(COLUMNS)})]) as server:
        source = hr.Api(f"{server.url}/visits", rows="data")
        check(source, tmp_path, COLUMNS)


def test_a_row_that_json_holds_wrongly_is_told_and_mended_by_its_fields(tmp_path: Path) -> None:
    lines = ['{"Visit": "a", "At": "2026-01-01T00:00:00Z", "Customer ID": "seven", "amount": 1.50, "customer_id": 3}']
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, "no json"]))
    columns = {"visit_id": "Visit", "at": "At", "customer_id": "Customer ID"}
    stream = hr.Stream("visits", Visit, source="a.jsonl", columns=columns)
    lake = Lake(tmp_path / "lake")
    assert ingest(stream, tmp_path, lake).quarantined == 2
    first, second = replay.held_rows(lake, "visits")
    assert first.reasons == ["HR-DATA-002 customer_id: is of another JSON type"]
    assert first.texts() == {
        "visit_id": "a", "at": "2026-01-01T00:00:00Z", "customer_id": "seven", "amount": "1.50"
    }  # fmt: skip
    assert second.texts() == {"#line": "no json"}
    with lake.lock("visits"):
        trial = replay.replay(lake, stream, [first.repaired({"customer_id": "7"}, Visit)])
    assert trial.accepted["customer_id"].to_pylist() == [7]


def test_fields_may_change_places(tmp_path: Path) -> None:
    class Pair(hr.Contract):
        low: int = hr.key()
        high: int

    (tmp_path / "a.csv").write_text("low,high\n1,2\n")
    pairs = hr.Table("pairs", Pair, source="a.csv", columns={"low": "high", "high": "low"})
    assert not pairs.faults
    lake = Lake(tmp_path / "lake")
    ingest(pairs, tmp_path, lake)
    assert lake.read("pairs", columns=["low", "high"]).to_pylist() == [{"low": 2, "high": 1}]


def test_what_is_not_there_is_told_by_both_names(tmp_path: Path) -> None:
    def told(header: str, columns: dict[str, str]) -> list[str]:
        (tmp_path / "a.csv").write_text(f"{header}\na,2026-01-01T00:00:00,1,x,1\n")
        stream = hr.Stream("visits", Visit, source="a.csv", columns=columns)
        return [str(one) for one in ingest(stream, tmp_path, Lake(tmp_path / header / "lake")).faults]

    columns = {"customer_id": "Customer ID"}
    (missing,) = told("visit_id,at,CustomerID,note,x", columns)
    assert "HR-DATA-101 a.csv: found no column 'Customer ID' for customer_id" in missing
    assert "write columns={'customer_id': 'CustomerID'}" in missing
    (missing,) = told("visit_id,at,Customer No,note,x", columns)
    assert "write columns={'customer_id': 'Customer No'}" in missing
    (plain,) = told("visit_id,at,Customer ID,note,x", {})
    assert "found no column customer_id" in plain
    assert "write columns={'customer_id': 'Customer ID'}" in plain
    (twice,) = told("visit_id,at,Customer ID,note,Customer ID", columns)
    assert "HR-DATA-105 a.csv: found the column 'Customer ID' for customer_id twice" in twice
    (beside,) = told("visit_id,at,Customer ID,note,customer_id", columns)
    assert "it is ignored: customer_id is read from 'Customer ID'" in beside
    (odd,) = told("visit_id,at,Customer ID,note,Odd Name", columns)
    assert "declare it in the contract, and say columns={'odd_name': 'Odd Name'}" in odd


def test_a_frame_that_lacks_a_column_is_told_by_both_names(tmp_path: Path) -> None:
    stream = hr.Stream("visits", Visit, source=pd.DataFrame({"visit_id": ["a"]}), columns={"note": "Note!"})
    with pytest.raises(HeadraceError, match="no column 'Note!' for note"):
        ingest(stream, tmp_path, Lake(tmp_path / "lake"))


class Account(hr.Contract):
    account_id: int = hr.key()
    plan: str


def test_keys_that_are_gone_go_and_rows_are_merged_by_the_key(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "bank.db")) as bank:
        bank.executescript(
            'create table accounts ("Account No" integer primary key, plan text, "Last Change" int);'
            "insert into accounts values (1, 'basic', 1), (2, 'gold', 2)"
        )
        source = hr.Database("sqlite:///bank.db", cursor="Last Change", deletes=True)
        accounts = hr.Table("accounts", Account, source=source, columns={"account_id": "Account No"})
        lake = Lake(tmp_path / "state" / "lake")
        ingest(accounts, tmp_path, lake)
        bank.executescript(
            'delete from accounts where "Account No" = 1; update accounts set plan = \'silver\', "Last Change" = 3'
        )
        ingest(accounts, tmp_path, lake)
    found = lake.read("accounts", columns=["account_id", "plan"]).to_pylist()
    assert found == [{"account_id": 2, "plan": "silver"}]


def test_a_changed_name_is_a_changed_declaration() -> None:
    from headrace.plan.snapshot import fingerprints

    def of(columns: dict[str, str]) -> str:
        stream = hr.Stream("visits", Visit, source="a.csv", columns=columns)
        return fingerprints(hr.Project("p", sources=[stream]))["stream:visits"]

    assert of({}) == of({"note": "note"})
    assert len({of({}), of({"note": "Note"}), of({"note": "Remark"})}) == 3


def test_lineage_says_what_the_source_calls_a_column() -> None:
    from headrace.plan.tracing import lineage

    stream = hr.Stream("visits", Visit, source="a.csv", columns={"customer_id": "Customer ID"})
    graph = lineage(hr.Project("p", sources=[stream]))
    said = {one.target: one.expression for one in graph.edges if one.how == "load"}
    assert said["column:visits.customer_id"] == "Customer ID"
    assert said["column:visits.note"] == ""


@pytest.mark.parametrize("source", ["a.csv", "sqlite:///a.db"])
def test_a_table_that_is_replaced_is_read_again_when_a_name_changes(tmp_path: Path, source: str) -> None:
    class Pair(hr.Contract):
        low: int = hr.key()
        high: int

    (tmp_path / "a.csv").write_text("A,B\n1,2\n")
    with closing(sqlite3.connect(tmp_path / "a.db")) as made:
        made.executescript("create table pairs (A int, B int); insert into pairs values (1, 2)")
    lake = Lake(tmp_path / "state" / "lake")
    for columns, low in (({"low": "A", "high": "B"}, 1), ({"low": "B", "high": "A"}, 2)):
        pairs = hr.Table("pairs", Pair, source=source, load="replace", columns=columns)
        assert ingest(pairs, tmp_path, lake).files_new == 1
        assert ingest(pairs, tmp_path, lake).files_new == 0
        assert lake.read("pairs", columns=["low"]).to_pylist() == [{"low": low}]
