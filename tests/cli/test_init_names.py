"""init --from: columns that no field can be called like, many files, and APIs of which only a page was seen."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.buckets import served
from tests.cli.test_init_from import call, fields_of, here, runs  # noqa: F401 - a fixture
from tests.connect.servers import SECRET, Mariadb, Postgres

ODD = ["", "# of items", "Customer ID", "customer id", "Created At", "_seq", "Größe (cm)", "class", "ID", "id", "a; b"]
MADE = {"": "column", "# of items": "of_items", "Customer ID": "customer_id", "customer id": "customer_id_2",
        "Created At": "created_at", "_seq": "seq", "Größe (cm)": "größe_cm", "id": "id_2", "a; b": "a_b"}  # fmt: skip


def odd_rows(count: int = 30) -> list[list[Any]]:
    return [[n, 3, n % 7, 1, f"2026-01-01T00:{n:02}:00Z", n, n / 2, "a", n, f"x{n}", 1.5] for n in range(count)]


def check_odd(folder: Path, name: str, columns: list[str]) -> None:
    """Each column has a field, those that could keep their name under it, and all rows are loaded."""
    kept = [MADE.get(one, one) for one in columns]
    assert list(fields_of(folder, name)) == kept
    python = (folder / "project.py").read_text()
    assert "Left out" not in python
    assert '"customer_id_2": "customer id"' in python
    assert runs(folder) == {name: 30}
    found = json.loads(call("query", "--project", str(folder), "--json", f"select * from {name} order by id_2").stdout)
    rows = found["rows"] if isinstance(found, dict) else found
    assert "customer_id" in str(rows[0])


def test_a_file_with_odd_headers_is_loaded_whole(here: Path) -> None:  # noqa: F811
    with (here / "visits.csv").open("w", newline="") as raw:
        csv.writer(raw).writerows([ODD, *odd_rows()])
    made = call("init", "bank", "--from", "visits.csv", "--json")
    assert made.exit_code == 0, made.output
    (found,) = json.loads(made.stdout)["found"]
    assert found["columns"] == {field: column for column, field in MADE.items()}
    assert fields_of(here / "bank", "visits")["created_at"] == ("timestamp", "event_time")
    check_odd(here / "bank", "visits", ODD)


def test_so_are_objects_a_workbook_and_a_database(here: Path) -> None:  # noqa: F811
    some = ODD[1:]
    rows = [dict(zip(some, row[1:], strict=True)) for row in odd_rows()]
    (here / "lines.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), here / "typed.parquet")
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in [some, *(list(row.values()) for row in rows)]:
        book.active.append(row)
    book.save(here / "sheet.xlsx")
    for file in ("lines.jsonl", "typed.parquet", "sheet.xlsx"):
        name = file.partition(".")[0]
        assert call("init", f"of_{name}", "--from", file).exit_code == 0
        check_odd(here / f"of_{name}", name, some)
    columns = [one for one in some if one not in ("customer id", "id")]
    with closing(sqlite3.connect(here / "shop.db")) as made:
        made.execute(f"create table visits ({', '.join(chr(34) + one + chr(34) for one in columns)})")
        made.executemany(
            f"insert into visits values ({', '.join('?' * len(columns))})",
            [[row[one] for one in columns] for row in rows],
        )
        made.commit()
    assert call("init", "of_shop", "--from", "sqlite:///shop.db").exit_code == 0
    assert list(fields_of(here / "of_shop", "visits")) == [MADE.get(one, one) for one in columns]
    assert 'cursor="ID"' in (here / "of_shop" / "project.py").read_text()
    assert runs(here / "of_shop") == {"visits": 30}


def test_a_column_that_is_there_twice_is_left_out(here: Path) -> None:  # noqa: F811
    (here / "a.csv").write_text("id,b,b\n1,2,3\n2,3,4\n")
    assert call("init", "bank", "--from", "a.csv").exit_code == 0
    assert "# Left out, b: a file has it twice." in (here / "bank" / "project.py").read_text()
    assert runs(here / "bank") == {"a": 2}


def test_of_many_files_some_of_each_are_looked_at(here: Path) -> None:  # noqa: F811
    (here / "data").mkdir()
    for day in range(140):
        rows = "".join(f"{day}-{n},{n}{'.5' if day == 139 else ''}\n" for n in range(200))
        (here / "data" / f"sales-{day:03}.csv").write_text("sale_id,amount\n" + rows)
    assert call("init", "bank", "--from", "data").exit_code == 0
    python = (here / "bank" / "project.py").read_text()
    assert "# Guessed from all 28,000 rows of 140 files." in python
    assert fields_of(here / "bank", "sales") == {"sale_id": ("str", "key"), "amount": ("decimal(7,1)", "")}


def test_of_very_many_files_those_of_the_beginning_the_middle_and_the_end(here: Path) -> None:  # noqa: F811
    (here / "data").mkdir()
    odd = {0: "first", 250: "middle", 499: "last"}
    for day in range(500):
        (here / "data" / f"sales-{day:03}.csv").write_text(f"id,word\n{day},{odd.get(day, '1')}\n")
    assert call("init", "bank", "--from", "data").exit_code == 0
    python = (here / "bank" / "project.py").read_text()
    assert "# Guessed from 150 rows of 150 of 500 files." in python
    assert '["1", "first", "last", "middle"]' in python


def test_rows_of_large_files_leave_room_for_the_others(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    from headrace.connect.survey import sampled

    monkeypatch.setattr(sampled, "SAMPLE_ROWS", 100)
    for name, rows in (("1", 1000), ("2", 10), ("3", 1000)):
        (here / f"s-{name}.csv").write_text("id,n\n" + "".join(f"{name}{n},{n}\n" for n in range(rows)))
        (here / f"t-{name}.jsonl").write_text("".join(f'{{"id": {name}{n:04}}}\n' for n in range(rows)))
    for pattern, name in (("s-*.csv", "s"), ("t-*.jsonl", "t")):
        assert call("init", name, "--from", pattern).exit_code == 0
        assert "# Guessed from 100 rows of 3 files." in (here / name / "project.py").read_text()


def test_columns_of_several_files_are_united_by_name(here: Path) -> None:  # noqa: F811
    (here / "a-1.csv").write_text("id,n\n1,5\n2,6\n")
    (here / "a-2.csv").write_text("n,id,more\n7,3,x\n")
    assert call("init", "bank", "--from", "a-*.csv").exit_code == 0
    assert fields_of(here / "bank", "a") == {"id": ("int", "key"), "n": ("int", ""), "more": ("str | None", "")}
    assert "# more: not in 1 of 2 files, and so null there." in (here / "bank" / "project.py").read_text()
    assert "    more: str | None = None\n" in (here / "bank" / "project.py").read_text()
    pq.write_table(pa.table({"id": [1], "x": pa.array([1], pa.int32()), "odd": ["a"]}), here / "b-1.parquet")
    pq.write_table(pa.table({"id": [2], "x": [1.5], "odd": [[1]]}), here / "b-2.parquet")
    assert call("init", "typed", "--from", "b-*.parquet").exit_code == 0
    assert fields_of(here / "typed", "b") == {"id": ("int", "key"), "x": ("float", "")}
    assert "# Left out, odd: values of several types, or objects" in (here / "typed" / "project.py").read_text()


def test_a_file_among_others_that_cannot_be_read_is_told(here: Path) -> None:  # noqa: F811
    for day in range(3):
        pq.write_table(pa.table({"id": [day, day + 10]}), here / f"b-{day}.parquet")
    (here / "b-1.parquet").write_bytes((here / "b-1.parquet").read_bytes()[:100])
    assert call("init", "bank", "--from", "b-*.parquet").exit_code == 0
    python = (here / "bank" / "project.py").read_text()
    assert "# Guessed from 4 rows of 2 of 3 files." in python
    assert "# Not looked at, since they cannot be read: b-1.parquet (HR-SOURCE-002)." in python


def test_tables_of_postgresql_with_odd_names(
    here: Path,  # noqa: F811
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    postgres.run("drop database if exists odd")
    postgres.run("create database odd")
    postgres.run(
        'create table "odd.na""me" (id serial primary key, "Customer ID" int not null, "customer id" int not null,'
        ' "_seq" int not null, tags text[], grid int[][] not null, at timestamptz not null);;'
        'insert into "odd.na""me" ("Customer ID", "customer id", "_seq", tags, grid, at)'
        " select i, -i, 1, array['a', null], array[[1, 2], [3, 4]], now() from generate_series(1, 30) i;;"
        'create view "Open Ones" as select id, "Customer ID" from "odd.na""me" where id <= 10',
        "odd",
    )
    address = f"postgresql://owner:{{}}@{postgres.place.replace('/postgres', '/odd')}".format("${ODD_PASSWORD}")
    monkeypatch.setenv("ODD_PASSWORD", SECRET)
    made = call("init", "bank", "--from", address)
    assert made.exit_code == 0, made.output
    fields = fields_of(here / "bank", "odd_na_me")
    assert list(fields) == ["id", "customer_id", "customer_id_2", "seq", "tags", "grid", "at"]
    assert fields["tags"][0] == "list[str | None]"
    assert fields["grid"][0] == "str"
    assert runs(here / "bank") == {"odd_na_me": 30}
    assert call("init", "views", "--from", address, "--table", "Open Ones").exit_code == 0
    assert fields_of(here / "views", "open_ones") == {"id": ("int", "key"), "customer_id": ("int", "")}
    assert runs(here / "views") == {"open_ones": 10}


def test_tables_of_sqlite_with_odd_names(here: Path) -> None:  # noqa: F811
    with closing(sqlite3.connect(here / "odd.db")) as made:
        made.executescript(
            'create table "odd.na""me" (id integer primary key, "Amount (net)" int not null'
            ' check ("Amount (net)" between 0 and 99), "2nd" int not null);'
            'insert into "odd.na""me" values (1, 5, 1), (2, 6, 2);'
            'create view seen as select id from "odd.na""me"'
        )
    assert call("init", "bank", "--from", "sqlite:///odd.db").exit_code == 0
    assert list(fields_of(here / "bank", "odd_na_me")) == ["id", "amount_net", "2nd"]
    python = (here / "bank" / "project.py").read_text()
    assert "amount_net: int = hr.field(ge=0, le=99)" in python
    assert runs(here / "bank") == {"odd_na_me": 2}
    assert call("init", "views", "--from", "sqlite:///odd.db", "--table", "seen").exit_code == 0
    assert runs(here / "views") == {"seen": 2}


def test_what_mariadb_sets_itself_is_no_event_time_and_a_large_number_is_text(
    here: Path,  # noqa: F811
    mariadb: Mariadb,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mariadb.run(
        "drop database if exists odd;;create database odd;;grant select on odd.* to reader@'127.0.0.1';;use odd;;"
        "create table counts (id int primary key, large bigint unsigned not null, `Small One` bigint unsigned not null,"
        " stamp timestamp not null default current_timestamp on update current_timestamp);;"
        "insert into counts (id, large, `Small One`) select seq, 18446744073709551615 - seq, seq from seq_1_to_30"
    )
    monkeypatch.setenv("ODD_WORD", SECRET)
    made = call("init", "odd", "--from", f"mysql://reader:${{ODD_WORD}}@127.0.0.1:{mariadb.port}/odd")
    assert made.exit_code == 0, made.output
    assert fields_of(here / "odd", "counts") == {
        "id": ("int", "key"), "large": ("str", ""), "small_one": ("int", ""), "stamp": ("timestamp", ""),
    }  # fmt: skip
    python = (here / "odd" / "project.py").read_text()
    assert 'hr.Table("counts"' in python.replace("\n    ", "")
    assert 'cursor="stamp"' in python
    assert runs(here / "odd") == {"counts": 30}


def test_no_source_is_called_like_what_the_lake_keeps_of_another(here: Path) -> None:  # noqa: F811
    (here / "in").mkdir()
    for name in ("x", "loads_x", "quarantine_x", "quality_x", "run_log"):
        (here / "in" / f"{name}.csv").write_text(f"id,name\n1,{name}\n2,b\n")
    with closing(sqlite3.connect(here / "in" / "x.db")) as made:
        made.executescript("create table x (id int); create table loads_x (id int); insert into x values (1)")
    assert call("init", "files", "--from", "in").exit_code == 0
    assert len(runs(here / "files")) == 5
    assert call("init", "tables", "--from", "sqlite:///in/x.db").exit_code == 0
    assert set(runs(here / "tables")) == {"x", "loads_x_table"}


@pytest.mark.parametrize("bucket", [False, True])
def test_a_folder_with_letters_of_globs_in_its_name_is_a_folder(here: Path, bucket: bool) -> None:  # noqa: F811
    files = {"in[1]/a.csv": "n\n1\n", "in[1]/b[2]-1.csv": "m\n1\n", "in[1]/b[2]-2.csv": "m\n2\n", "in1/b2-3.csv": "k\n"}
    with served(here, "shop") if bucket else nullcontext() as client:
        for name, text in files.items():
            if client is not None:
                client.put_object(Bucket="shop", Key=name, Body=text.encode())
            else:
                (here / name).parent.mkdir(exist_ok=True)
                (here / name).write_text(text)
        made = call("init", "bank", "--from", f"{'s3://shop/' if bucket else ''}in[1]")
        assert made.exit_code == 0, made.output
        assert runs(here / "bank") == {"a": 1, "b2": 2}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_names_within_that_no_field_can_have_are_left_out_alone(here: Path, kind: str) -> None:  # noqa: F811
    to = {"c.d": "x", "full name": "Ann", "city": "Rome", "at": {"e.f": 1, "g": 2}}
    rows = [{"id": n, "to": to} for n in range(5)]
    (here / "in").mkdir()
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), here / "in" / "t.parquet")
    else:
        (here / "in" / "t.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    assert call("init", "p", "--from", "in").exit_code == 0
    assert runs(here / "p") == {"t": 5}
    (held,) = json.loads(call("query", "--project", str(here / "p"), "--json", 'select "to" from t limit 1').stdout)
    assert held["to"] == {"city": "Rome", "at": {"g": 2}}
