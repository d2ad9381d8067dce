"""init --from: a first project from a look at data, that runs as it stands and holds no secret."""

from __future__ import annotations

import datetime
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import openpyxl
import pytest
from click.testing import CliRunner, Result

from headrace.cli.app import main
from headrace.declare import Stream
from headrace.declare.project import sources_of
from headrace.run import load_project
from headrace.testing.server import Answer, Server
from tests.connect.servers import SECRET, Mariadb, Postgres
from tests.connect.test_collection import Server as Mongo
from tests.connect.test_collection import pytestmark as needs_mongo


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


def fields_of(folder: Path, name: str) -> dict[str, Any]:
    (found,) = [one for one in sources_of(load_project(folder).project) if one.name == name]
    assert found.contract is not None
    return {key: (repr(one.type), one.role) for key, one in found.contract.fields().items()}


def runs(folder: Path) -> dict[str, int]:
    """Check and run a project; return the rows that each source has, of which none may be quarantined."""
    checked = call("check", "--project", str(folder))
    assert checked.exit_code == 0, checked.output
    assert "no faults" in checked.output
    done = call("run", "--project", str(folder))
    assert done.exit_code == 0, done.output
    told = json.loads(call("status", "--project", str(folder), "--json").stdout)
    rows = {one["name"]: one for one in told["tables"]}
    assert not any(one["quarantined"] for one in rows.values())
    return {name: one["rows"] for name, one in rows.items()}


@pytest.fixture
def shop(here: Path) -> str:
    with closing(sqlite3.connect(here / "shop.db")) as made:
        made.executescript(
            "create table customers (id integer primary key, email varchar(50) not null, vip boolean not null,"
            " born date, balance decimal(8,2) check (balance >= 0));"
            "create table orders (order_id integer primary key, customer_id int not null references customers(id),"
            " created_at datetime not null, total decimal(10,2) not null, state text check (state in ('new', 'done')),"
            ' "a b" int);'
        )
        made.executemany(
            "insert into customers values (?, ?, ?, ?, ?)",
            [(n, f"a{n}@x", n % 2, "1990-01-01", n * 0.5) for n in range(100)],
        )
        made.executemany(
            "insert into orders values (?, ?, ?, ?, ?, 1)",
            [(n, n % 100, f"2026-01-01 00:{n % 60:02}:00", n * 1.25, "new") for n in range(400)],
        )
        made.commit()
    return "sqlite:///shop.db"


def test_a_database_becomes_a_project_that_runs(here: Path, shop: str) -> None:
    made = call("init", "bank", "--from", shop)
    assert made.exit_code == 0, made.output
    assert fields_of(here / "bank", "customers") == {
        "id": ("int", "key"), "email": ("str", ""), "vip": ("bool", ""), "born": ("date", ""),
        "balance": ("decimal(8,2)", ""),
    }  # fmt: skip
    assert fields_of(here / "bank", "orders") == {
        "order_id": ("int", "key"), "customer_id": ("int", ""), "created_at": ("timestamp", "event_time"),
        "total": ("decimal(10,2)", ""), "state": ("str", ""), "a_b": ("int", ""),
    }  # fmt: skip
    assert runs(here / "bank") == {"customers": 100, "orders": 400}
    python = (here / "bank" / "project.py").read_text()
    assert "# refers to customers.id" in python
    assert 'isin=["new", "done"]' in python
    assert 'columns={"a_b": "a b"}' in python
    assert "# times without a zone: UTC is a guess" in python
    assert 'privacy="personal"' in python
    orders = next(one for one in sources_of(load_project(here / "bank").project) if one.name == "orders")
    assert isinstance(orders, Stream)
    assert orders.origin is not None
    assert orders.origin.cursor == "order_id"


def test_only_the_tables_that_are_named(here: Path, shop: str) -> None:
    told = json.loads(call("init", "bank", "--from", shop, "--table", "orders", "--json").stdout)
    assert [one["name"] for one in told["found"]] == ["orders"]
    assert told["found"][0]["kind"] == "stream"
    missing = call("init", "other", "--from", shop, "--table", "order")
    assert missing.exit_code == 2
    assert "HR-SOURCE-036" in missing.stderr
    assert "orders" in missing.stderr
    assert not (here / "other").exists()


def test_a_folder_of_files_becomes_a_source_for_each_sort(here: Path) -> None:
    (here / "data" / "logs").mkdir(parents=True)
    for month in (1, 2):
        lines = ["payment_id,at,amount,zip,flag,opened,share,currency"]
        lines += [
            f"p{month}{n:04},2026-0{month}-{1 + n % 28:02} 10:00:00,{n * 1.5:.2f},{n % 10:05},"
            f"{'true' if n % 3 else 'false'},2026-01-0{1 + n % 9},{n / 3e6:e},{'EUR' if n % 2 else 'USD'}"
            for n in range(300)
        ]
        (here / "data" / f"payments-2026-0{month}.csv").write_text("\n".join(lines))
    objects = [
        {
            "id": n,
            "created_at": f"2026-01-01T00:{n % 60:02}:00Z",
            "price": n * 0.25,
            "in": {"a": 1},
            "odd": n or "x",
            "tags": ["a"],
        }
        for n in range(100)
    ]
    (here / "data" / "payments_refunds.jsonl").write_text("\n".join(map(json.dumps, objects)))
    duckdb.sql("select i as id, (i * 1.5)::decimal(30,2) as price from range(50) t(i)").write_parquet(
        str(here / "data" / "logs" / "part-0001.parquet")
    )
    made = call("init", "bank", "--from", "data")
    assert made.exit_code == 0, made.output
    assert fields_of(here / "bank", "payments") == {
        "payment_id": ("str", "key"), "at": ("timestamp", "event_time"), "amount": ("decimal(8,2)", ""),
        "zip": ("str", ""), "flag": ("bool", ""), "opened": ("date", ""), "share": ("float", ""),
        "currency": ("str", ""),
    }  # fmt: skip
    assert fields_of(here / "bank", "payments_refunds") == {
        "id": ("int", "key"), "created_at": ("timestamp", "event_time"), "price": ("decimal(8,2)", ""),
        "tags": ("list[str]", ""), "in": ("struct[a: int]", ""),
    }  # fmt: skip
    assert fields_of(here / "bank", "logs") == {"id": ("int", "key"), "price": ("decimal(18,2)", "")}
    python = (here / "bank" / "project.py").read_text()
    assert 'isin=["EUR", "USD"]' in python
    assert "# all 2 values of 600 rows: is that all there can be?" in python
    assert "# Left out, odd: values of several types, or objects" in python
    assert runs(here / "bank") == {"payments": 600, "payments_refunds": 100, "logs": 50}


def test_one_file_becomes_one_source(here: Path) -> None:
    (here / "sales.csv").write_text("id,n\n" + "\n".join(f"{n},{n}" for n in range(30)))
    assert call("init", "bank", "--from", "sales.csv").exit_code == 0
    assert 'source="../sales.csv"' in (here / "bank" / "project.py").read_text()
    assert runs(here / "bank") == {"sales": 30}


def test_the_only_file_of_a_folder_is_the_first_of_others(here: Path) -> None:
    (here / "data" / "in").mkdir(parents=True)
    (here / "data" / "in" / "sales.csv").write_text("id,n\n" + "\n".join(f"{n},{n}" for n in range(30)))
    assert call("init", "bank", "--from", "data/in").exit_code == 0
    assert 'hr.Table("sales"' in (here / "bank" / "project.py").read_text()
    assert 'source="../data/in/*.csv"' in (here / "bank" / "project.py").read_text()
    (here / "data" / "in" / "more.csv").write_text("id,n\n30,1\n")
    assert runs(here / "bank") == {"sales": 31}


def test_cells_of_a_sheet_are_as_narrow_as_their_values(here: Path) -> None:
    book = openpyxl.Workbook()
    day = datetime.datetime(2026, 1, 1)  # noqa: DTZ001 - cells have no zone
    rows = [(n, n / 4, day + datetime.timedelta(hours=n), day.date(), n > 2, f"00{n}") for n in range(1, 5)]
    for row in [("id", "price", "at", "day", "paid", "code"), *rows]:
        book.active.append(row)  # type: ignore[union-attr]
    book.save(here / "orders.xlsx")
    assert call("init", "bank", "--from", "orders.xlsx").exit_code == 0
    assert fields_of(here / "bank", "orders") == {
        "id": ("int", "key"), "price": ("float", ""), "at": ("timestamp", "event_time"), "day": ("date", ""),
        "paid": ("bool", ""), "code": ("str", ""),
    }  # fmt: skip
    assert runs(here / "bank") == {"orders": 4}


@pytest.mark.parametrize(
    ("address", "said"),
    [("none.csv", "HR-SOURCE-001"), ("sqlite:///none.db", "HR-SOURCE-035"), ("e.csv", "HR-SOURCE-036")],
)
def test_what_cannot_be_looked_at_leaves_nothing_behind(here: Path, address: str, said: str) -> None:
    (here / "e.csv").write_text("")
    result = call("init", "bank", "--from", address)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (here / "bank").exists()


def test_an_api_is_known_by_its_answer_and_its_key_is_not_written(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": n, "at": f"2026-01-0{1 + n}T00:00:00Z", "who": {"name": "A"}, "x": n * 1.25} for n in range(5)]
    monkeypatch.delenv("SHOP_API_KEY", raising=False)
    with Server([Answer({"data": rows, "next": None})]) as server:
        made = call("init", "shop", "--from", f"{server.url}/v1/orders?api_key=s3cret")
        assert made.exit_code == 0, made.output
        assert "Set SHOP_API_KEY" in made.output
        written = (here / "shop" / "project.py").read_text()
        assert "s3cret" not in written + made.output
        assert 'hr.Api(ORIGIN, rows="data")' in written
        assert fields_of(here / "shop", "orders") == {
            "id": ("int", "key"), "at": ("timestamp", "event_time"), "who": ("struct[name: str]", ""),
            "x": ("decimal(8,2)", ""),
        }  # fmt: skip
        monkeypatch.setenv("SHOP_API_KEY", "s3cret")
        assert runs(here / "shop") == {"orders": 5}


@needs_mongo
def test_collections_become_sources(here: Path) -> None:
    mongo = Mongo(here)
    try:
        moments = [datetime.datetime(2026, 1, 1, n % 24, tzinfo=datetime.UTC) for n in range(30)]
        orders = [
            {"_id": n, "at": at, "who": {"id": n}, "tags": ["a"], "lines": [{"sku": 1}]} for n, at in enumerate(moments)
        ]
        mongo.client.shop.orders.insert_many(orders)
        mongo.client.shop.people.insert_one({"_id": "a", "name": "A"})
        made = call("init", "shop", "--from", mongo.url, "--table", "orders")
        assert made.exit_code == 0, made.output
        assert fields_of(here / "shop", "orders") == {
            "_id": ("int", "key"), "at": ("timestamp", "event_time"), "who": ("struct[id: int]", ""),
            "tags": ("list[str]", ""), "lines": ("list[struct[sku: int]]", ""),
        }  # fmt: skip
        assert runs(here / "shop") == {"orders": 30}
    finally:
        mongo.stop()


def test_a_password_whose_end_cannot_be_told_is_not_shown(here: Path) -> None:
    result = call("init", "bank", "--from", "postgresql://ann:half/other@127.0.0.1/risk")
    assert result.exit_code == 2
    assert "HR-SOURCE-036" in result.stderr
    assert "half" not in result.output
    assert "other" not in result.output


def test_options_that_do_not_go_together(here: Path) -> None:
    assert call("init", "bank", "--from", "x.csv", "--data").exit_code == 2
    assert call("init", "bank", "--table", "x").exit_code == 2


def test_postgresql_with_its_catalogue_and_without_its_password(
    here: Path,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    postgres.run("drop database if exists bank")
    postgres.run("create database bank")
    postgres.run(
        "create schema sales;;create type mood as enum ('sad', 'ok');;"
        "create table customers (customer_id serial primary key, segment text not null, mood mood not null,"
        " updated_at timestamptz not null default now());;"
        "comment on table customers is 'Who buys.';;"
        "comment on column customers.segment is 'How we call them.';;"
        "create table sales.orders (order_id bigserial primary key, customer_id int not null references customers,"
        " ordered_at timestamptz not null, shipped_at timestamptz, amount numeric(12,2) not null"
        " check (amount >= 0 and amount < 100000), rate numeric, tags text[] not null, note text);;"
        "insert into customers (segment, mood) select 'a', 'ok' from generate_series(1, 50);;"
        "insert into sales.orders (customer_id, ordered_at, shipped_at, amount, rate, tags) select 1 + i % 50,"
        " '2026-01-01'::timestamptz + i * interval '1 hour', now(), i * 1.25, i * 0.5, array['a']"
        " from generate_series(1, 300) i",
        "bank",
    )
    place = postgres.place.replace("/postgres", "/bank")
    monkeypatch.delenv("BANK_PASSWORD", raising=False)
    made = call("init", "bank", "--from", f"postgresql://owner:{quote(SECRET, safe='')}@{place}")
    assert made.exit_code == 0, made.output
    assert "Set BANK_PASSWORD" in made.output
    written = "".join(path.read_text() for path in (here / "bank").rglob("*") if path.is_file())
    for told in (SECRET, quote(SECRET, safe="")):
        assert told not in written + made.output
    assert "postgresql://owner:${BANK_PASSWORD}@" in written
    assert fields_of(here / "bank", "orders") == {
        "order_id": ("int", "key"), "customer_id": ("int", ""), "ordered_at": ("timestamp", "event_time"),
        "shipped_at": ("timestamp", ""), "amount": ("decimal(12,2)", ""), "rate": ("decimal(7,1)", ""),
        "tags": ("list[str]", ""), "note": ("str | None", ""),
    }  # fmt: skip
    for said in ('"""Who buys."""', 'description="How we call them."', 'isin=["sad", "ok"]', "ge=0, lt=100000",
                 "# refers to customers.customer_id", 'hr.Database(ORIGIN, table="sales.orders", cursor="order_id")',
                 'cursor="updated_at"', "# event time guessed; other times: shipped_at"):  # fmt: skip
        assert said in written
    monkeypatch.setenv("BANK_PASSWORD", SECRET)
    assert runs(here / "bank") == {"customers": 50, "orders": 300}


def test_mariadb_with_its_catalogue(
    here: Path,
    mariadb: Mariadb,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mariadb.run(
        "drop database if exists crm;;create database crm;;grant select on crm.* to reader@'127.0.0.1';;use crm;;"
        "create table people (id int primary key auto_increment, name varchar(30) not null comment 'as spoken',"
        " vip tinyint(1) not null, kind enum('a','b') not null, balance decimal(8,2) not null check (balance < 1000),"
        " since datetime not null, gone date, left_on date) comment 'Who buys.';;"
        "create table visits (id bigint primary key, person int not null, at timestamp not null,"
        " foreign key (person) references people(id));;"
        "set sql_mode = '';;insert into people (name, vip, kind, balance, since, gone, left_on) select"
        " concat('n', seq), seq % 2, 'a', seq, '2026-01-01 01:00:00', '0000-00-00', "
        " if(seq < 50, '2026-01-01', null) from seq_1_to_50;;"
        "insert into visits select seq, 1 + seq % 50, now() from seq_1_to_80"
    )
    monkeypatch.setenv("CRM_WORD", SECRET)
    made = call("init", "crm", "--from", f"mysql://reader:${{CRM_WORD}}@127.0.0.1:{mariadb.port}/crm")
    assert made.exit_code == 0, made.output
    assert fields_of(here / "crm", "people") == {
        "id": ("int", "key"), "name": ("str", ""), "vip": ("bool", ""), "kind": ("str", ""),
        "balance": ("decimal(8,2)", ""), "since": ("timestamp", ""), "left_on": ("date | None", ""),
    }  # fmt: skip
    written = (here / "crm" / "project.py").read_text()
    for said in ('"""Who buys."""', 'description="as spoken"', 'isin=["a", "b"]', "lt=1000", "# refers to people.id"):
        assert said in written
    assert "# Left out, gone: date, and none of 50 values is of the calendar." in written
    assert runs(here / "crm") == {"people": 50, "visits": 80}
    mariadb.run("set sql_mode = '';;update crm.people set left_on = '0000-00-00' where id = 1")
    again = f"mysql://reader:${{CRM_WORD}}@127.0.0.1:{mariadb.port}/crm"
    assert call("init", "again", "--from", again, "--table", "people").exit_code == 0
    note = "# 1 of 49 values are not of the calendar: quarantined"
    assert note in (here / "again" / "project.py").read_text()
