"""init --from: what is guessed of numbers, lists and names that a demo does not have takes every row."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from tests.cli.test_init_from import call, fields_of, here, runs  # noqa: F401 - a fixture
from tests.connect.servers import SECRET, Mariadb, Postgres
from tests.connect.test_collection import Server as Mongo
from tests.connect.test_collection import pytestmark as needs_mongo


def made(name: str, address: str, *more: str) -> str:
    done = call("init", name, "--from", address, *more)
    assert done.exit_code == 0, done.output
    return (Path(name) / "project.py").read_text()


def test_a_number_longer_than_a_float_keeps_its_digits(here: Path) -> None:  # noqa: F811
    def code(n: int) -> str:
        return f"{n * 4000:05}"  # some have zeros in front, others do not

    lines = [
        f"{1580661436132757506 + n},{10**25 + n},{n}.123456789,{n}12345678901234567.5,{code(n)}" for n in range(1, 31)
    ]
    (here / "tweets.csv").write_text("\n".join(["tweet_id,wide,measured,long,branch", *lines, ""]))
    made("shop", "tweets.csv")
    assert fields_of(here / "shop", "tweets") == {
        "tweet_id": ("int", "key"), "wide": ("str", ""), "measured": ("float", ""), "long": ("str", ""),
        "branch": ("str", ""),
    }  # fmt: skip
    assert runs(here / "shop") == {"tweets": 30}


def test_lists_and_members_of_duckdb(here: Path) -> None:  # noqa: F811
    with duckdb.connect(str(here / "x.duckdb")) as one:
        one.execute(
            "create type kind as enum ('a', 'b, c', 'it''s'); create table things (id int primary key,"
            " prices decimal(8, 2)[], pair struct(a decimal(5, 2), b varchar), parts struct(x int)[], kind kind);"
            "insert into things select n, [1.5, 2.25], {'a': 1.5, 'b': 'x'}, [{'x': 1}],"
            " (['a', 'b, c', 'it''s'])[1 + n % 3] from range(30) as t(n)"
        )
    assert """isin=["a", "b, c", "it's"]""" in made("shop", "duckdb:///x.duckdb")
    assert {name: one for name, (one, _) in fields_of(here / "shop", "things").items()} == {
        "id": "int", "prices": "list[float]", "pair": "str", "parts": "str", "kind": "str",
    }  # fmt: skip
    assert runs(here / "shop") == {"things": 30}


def test_lists_of_decimals_of_postgresql(here: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    postgres.run("drop database if exists lists;;create database lists")
    postgres.run(
        "create table things (id int primary key, prices numeric(8, 2)[], wide numeric(30, 0));;"
        "insert into things select n, '{1.50, 2.25}', 123456789012345678901234567890 + n from generate_series(1, 30) n",
        "lists",
    )
    monkeypatch.setenv("HEADRACE_TEST_SECRET", SECRET)
    made("shop", postgres.url.replace("/postgres", "/lists"))
    assert fields_of(here / "shop", "things") == {
        "id": ("int", "key"),
        "prices": ("list[str]", ""),
        "wide": ("str", ""),
    }
    assert runs(here / "shop") == {"things": 30}


def test_checks_of_a_table_of_sqlite_with_options(here: Path) -> None:  # noqa: F811
    with closing(sqlite3.connect(here / "x.db")) as one:
        one.executescript(
            "create table things (id int primary key, amount int check (amount > 3)) without rowid, strict;"
            "insert into things values (1, 5), (2, 7)"
        )
    assert "amount: int = hr.field(gt=3)" in made("shop", "sqlite:///x.db")


def test_views_of_mariadb_are_no_tables(here: Path, mariadb: Mariadb, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    mariadb.run(
        "create database if not exists seen;;grant select on seen.* to reader@'127.0.0.1';;use seen;;"
        "create table if not exists things (id int primary key);;insert ignore into things values (1), (2);;"
        "create or replace view dear as select * from things"
    )
    monkeypatch.setenv("HEADRACE_TEST_SECRET", SECRET)
    address = mariadb.url.replace("/shop", "/seen")
    made("shop", address)
    assert runs(here / "shop") == {"things": 2}
    made("views", address, "--table", "dear")  # the reader may not see how it is made
    assert runs(here / "views") == {"dear": 2}


def test_places_in_json(here: Path) -> None:  # noqa: F811
    rows = [{"id": n, "place": {"type": "Point", "coordinates": [n + 0.5, 45]}} for n in range(30)]
    (here / "places.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in rows))
    made("shop", "places.jsonl")
    found = fields_of(here / "shop", "places")
    assert found["place"] == ("struct[type: str, coordinates: list[float]]", "")
    assert runs(here / "shop") == {"places": 30}


@needs_mongo
def test_names_that_mongodb_cannot_be_asked_for_are_left_out(here: Path) -> None:  # noqa: F811
    mongo = Mongo(here)
    try:
        mongo.client.shop.things.insert_many([{"_id": n, "a.b": n, "c": n} for n in range(30)])
        assert "# Left out, a.b: MongoDB takes that name for a path" in made("shop", mongo.url)
        assert runs(here / "shop") == {"things": 30}
    finally:
        mongo.stop()
