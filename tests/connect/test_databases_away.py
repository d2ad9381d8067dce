"""Databases that refuse, go away, or are large: what is told, where a reading goes on, how much memory it takes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace.connect.origins import Away, Place, Reader, reader_of
from headrace.errors import HeadraceError
from tests.connect.servers import Mariadb, Postgres, free_port
from tests.connect.test_databases import code, opened, read


def test_who_may_not_read_is_told_apart_from_what_is_not_there(
    postgres: Postgres, mariadb: Mariadb, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.run("drop table if exists mine;;create table mine (id int);;drop role if exists guest")
    postgres.run("create role guest login password 'p@ss/w:rd#1'")
    mariadb.run("create table if not exists mine (id int)")
    with pytest.raises(HeadraceError) as error:
        read(postgres.url.replace("owner", "guest"), table="mine")
    assert code(error) == "HR-SOURCE-032"
    with pytest.raises(HeadraceError) as error:
        opened(mariadb.url, Path(), table="mysql.user")
    assert code(error) == "HR-SOURCE-032"
    for url in (postgres.url.replace("/postgres", "/nowhere"), mariadb.url.replace("/shop", "/nowhere")):
        with pytest.raises(HeadraceError) as error:
            opened(url, Path())
        assert code(error) == "HR-SOURCE-030"
    monkeypatch.setenv("HEADRACE_TEST_SECRET", "not this one")
    for url in (postgres.url, mariadb.url):
        with pytest.raises(HeadraceError) as error:
            opened(url, Path())
        assert code(error) == "HR-SOURCE-030"
        assert not isinstance(error.value, Away)
        assert "not this one" not in str(error.value)
        assert "owner" not in str(error.value)


def test_a_server_that_is_not_there_is_to_be_tried_again() -> None:
    for scheme in ("postgresql", "mysql"):
        with pytest.raises(Away) as error:
            opened(f"{scheme}://ann@127.0.0.1:{free_port()}/shop", Path())
        assert code(error) == "HR-SOURCE-020"


def test_too_many_connections_are_to_be_tried_again(postgres: Postgres, mariadb: Mariadb) -> None:
    postgres.run("drop role if exists visitor;;create role visitor login password 'p@ss/w:rd#1'")
    for server, url in ((postgres, postgres.url.replace("owner", "visitor")), (mariadb, mariadb.url)):
        open_ones: list[Reader] = []
        origin = hr.Database(url, query="select 1 as one")
        try:
            with pytest.raises(Away):
                open_ones.extend(reader_of(origin, Place("t", hr.Contract, Path())) for _ in range(14))
        finally:
            for one in open_ones:
                one.close()
        assert len(open_ones) >= 8, server.name
        assert read(url, query="select 1 as one", fields=["one"])


@pytest.fixture
def large(postgres: Postgres, mariadb: Mariadb) -> dict[str, Any]:
    postgres.run(
        "drop table if exists large;;create table large as select i as id, repeat('x', 200) as t"
        " from generate_series(1, 200000) i;;alter table large add primary key (id)"
    )
    mariadb.run(
        "drop table if exists large;;create table large (id int primary key, t varchar(200)) as"
        " select seq as id, repeat('x', 200) as t from seq_1_to_200000"
    )
    return {"postgres": postgres, "mariadb": mariadb}


@pytest.mark.parametrize("which", ["postgres", "mariadb"])
@pytest.mark.parametrize("how", ["connection", "server"])
def test_a_reading_that_is_cut_off_goes_on_where_it_was(large: dict[str, Any], which: str, how: str) -> None:
    server = large[which]
    seen: list[int] = []
    last: Any = None
    reader = opened(server.url, Path(), table="large", cursor="id")
    with closing(reader), pytest.raises(Away):  # noqa: PT012 - whichever batch it is cut off in
        for batch in reader.batches(None, 5_000):
            if not seen:
                _cut_off(server, how)
            assert batch.cursor is not None
            seen += batch.rows["id"].to_pylist()
            last = batch.cursor[-1].as_py()
    assert 0 < len(seen) < 200_000
    if how == "server":
        with pytest.raises(Away):
            opened(server.url, Path(), table="large")
        server.start()
    with closing(opened(server.url, Path(), table="large", cursor="id")) as reader:
        for batch in reader.batches(last, 50_000):
            seen += [id for id in batch.rows["id"].to_pylist() if id > last]
    assert seen == list(range(1, 200_001))


def _cut_off(server: Any, how: str) -> None:
    if how == "server":
        server.kill()
    elif isinstance(server, Postgres):
        server.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'headrace'")
    else:
        with server.connected() as connection, connection.cursor() as cursor:
            cursor.execute("select id from information_schema.processlist where user = 'reader'")
            for (id,) in cursor.fetchall():
                cursor.execute(f"kill {id}")


def test_files_that_are_no_databases_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database at all, but long enough for a header" * 50)
    for url in ("sqlite:///x.db", "duckdb:///x.db", "sqlite:///none.db", "duckdb:///none.db"):
        with pytest.raises(HeadraceError) as error:
            opened(url, tmp_path)
        assert code(error) == "HR-SOURCE-035"


def test_a_database_that_another_process_writes_is_to_be_tried_again(tmp_path: Path) -> None:
    code = "import duckdb, sys; c = duckdb.connect('x.duckdb'); print(flush=True); sys.stdin.read()"
    writer = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(Away):
            opened("duckdb:///x.duckdb", tmp_path)
    finally:
        writer.communicate()


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(HeadraceError, match="headrace\\[databases\\]") as error:
        opened("mysql://ann@127.0.0.1/shop", Path())
    assert code(error) == "HR-SOURCE-017"


_MEASURE = """
import resource, sys
from pathlib import Path
import headrace as hr
from headrace.connect.origins import Place, reader_of
from headrace.declare import Field, contract_of
from headrace.types import STR
before = 0
fields = {"id": Field(type=STR, role="key"), "t": Field(type=STR)}
origin = hr.Database(sys.argv[1], table="million", cursor="id")
reader = reader_of(origin, Place("million", contract_of("T", fields), Path()))
rows = 0
for batch in reader.batches(None, 20_000):
    rows += batch.rows.num_rows
    if not before:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("which", ["postgres", "mariadb", "sqlite"])
def test_many_rows_take_the_memory_of_a_batch(request: pytest.FixtureRequest, tmp_path: Path, which: str) -> None:
    count, wide = (1_000_000, 200) if which == "postgres" else (300_000, 700)
    text = f"repeat('x', {wide})"
    if which == "sqlite":
        with closing(sqlite3.connect(tmp_path / "x.db")) as made:
            made.execute("create table million (id integer primary key, t text)")
            made.executemany("insert into million values (?, ?)", ((n, "x" * wide) for n in range(count)))
            made.commit()
        url = f"sqlite:///{tmp_path}/x.db"
    else:
        server = request.getfixturevalue(which)
        rows = f"generate_series(1, {count}) as s(seq)" if which == "postgres" else f"seq_1_to_{count}"
        server.run(f"drop table if exists million;;create table million as select seq as id, {text} as t from {rows}")
        server.run("alter table million add primary key (id)")
        url = server.url
    done = subprocess.run([sys.executable, "-c", _MEASURE, url], capture_output=True, text=True, env=os.environ.copy())
    assert done.returncode == 0, done.stderr
    rows_read, grown = map(int, done.stdout.split())
    assert rows_read == count
    assert grown < 100  # MB; the rows are 200
