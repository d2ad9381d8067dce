"""init --from: files that cannot be read are told as a run tells them, and keep no other file from being looked at."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.buckets import served
from tests.cli.test_init_from import call, fields_of, here, runs  # noqa: F401 - a fixture

GOOD = "visit_id,at,place\n" + "".join(f"{n},2026-01-01T00:00:{n:02}Z,café\n" for n in range(30))


def torn_parquet(folder: Path) -> bytes:
    pq.write_table(pa.table({"visit_id": list(range(100))}), folder / "whole")
    content = (folder / "whole").read_bytes()
    (folder / "whole").unlink()
    return content[:-20]


def half_gzip() -> bytes:
    random.seed(1)
    packed = gzip.compress(("visit_id,n\n" + "".join(f"{n},{random.random()}\n" for n in range(500))).encode())
    return packed[: len(packed) // 2]


def bad_files(folder: Path) -> dict[str, tuple[bytes, str]]:
    return {
        "torn.parquet": (torn_parquet(folder), "HR-SOURCE-002"),
        "half.csv.gz": (half_gzip(), "HR-SOURCE-002"),
        "latin.csv": (GOOD.encode("latin-1"), "HR-SOURCE-004"),
        "wide.csv": (GOOD.encode("utf-16"), "HR-SOURCE-004"),
        "quote.tsv": (b'visit_id\tplace\n1\t"Rome\n', "HR-SOURCE-009"),
        "torn.json": (b'[{"visit_id": 1}, {"visit', "HR-SOURCE-002"),
        "torn.avro": (b"Obj\x01\x02", "HR-SOURCE-002"),
        "torn.xlsx": (b"PK\x03\x04 and no more", "HR-SOURCE-002"),
    }


def test_a_file_that_cannot_be_read_is_told_as_a_run_tells_it(here: Path) -> None:  # noqa: F811
    for name, (content, code) in bad_files(here).items():
        (here / name).write_bytes(content)
        made = call("init", "bank", "--from", name, "--json")
        assert made.exit_code == 2, (name, made.output)
        assert [fault["code"] for fault in json.loads(made.stdout)["faults"]] == [code]
        assert not (here / "bank").exists()


def test_others_in_the_folder_are_looked_at_all_the_same(here: Path) -> None:  # noqa: F811
    (here / "in").mkdir()
    bad = bad_files(here)
    for name, (content, _) in bad.items():
        (here / "in" / name).write_bytes(content)
    for name in ("visits.csv", "latin-2.csv"):
        (here / "in" / name).write_text(GOOD)
    made = call("init", "bank", "--from", "in", "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    left = {name: code for name, (_, code) in bad.items() if name != "latin.csv"}
    assert {fault["place"]: fault["code"] for fault in told["unread"]} == {f"in/{name}": left[name] for name in left}
    assert {fault["severity"] for fault in told["unread"]} == {"warning"}
    assert {one["name"] for one in told["found"]} == {"visits", "latin"}
    assert "since they cannot be read: in/latin.csv (HR-SOURCE-004)." in (here / "bank/project.py").read_text()
    (here / "in/latin.csv").unlink()
    assert runs(here / "bank") == {"visits": 30, "latin": 30}


def test_a_source_that_is_named_is_told_where_it_cannot_be_read(here: Path) -> None:  # noqa: F811
    (here / "in").mkdir()
    (here / "in/visits.csv").write_text(GOOD)
    (here / "in/torn.parquet").write_bytes(torn_parquet(here))
    made = call("init", "bank", "--from", "in", "--table", "torn")
    assert made.exit_code == 2
    assert "HR-SOURCE-002" in made.stderr


def test_damaged_objects_of_a_bucket_are_left_out(here: Path) -> None:  # noqa: F811
    with served(here, "shop") as client:
        for name, content in (
            ("visits.csv", GOOD.encode()),
            ("half.csv.gz", half_gzip()),
            ("torn.parquet", torn_parquet(here)),
        ):
            client.put_object(Bucket="shop", Key=f"in/{name}", Body=content)
        made = call("init", "bank", "--from", "s3://shop/in", "--json")
        assert made.exit_code == 0, made.output
        told: dict[str, Any] = json.loads(made.stdout)
        assert [fault["place"] for fault in told["unread"]] == ["s3://shop/in/half.csv.gz", "s3://shop/in/torn.parquet"]
        assert runs(here / "bank") == {"visits": 30}


@pytest.mark.parametrize("names", [("visits.csv", "visits.jsonl", "visits.tsv"), ("a/visits.csv", "b/visits.csv")])
def test_sources_that_are_called_alike_are_all_there(here: Path, names: tuple[str, ...]) -> None:  # noqa: F811
    for name in names:
        path = here / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [line.split(",") for line in GOOD.splitlines()]
        match path.suffix:
            case ".jsonl":
                rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
                path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            case ".tsv":
                path.write_text(GOOD.replace(",", "\t"))
            case _:
                path.write_text(GOOD)
    made = call("init", "bank", "--from", "in", "--json")
    assert made.exit_code == 0, made.output
    found = [one["name"] for one in json.loads(made.stdout)["found"]]
    assert len(set(found)) == len(names)
    assert set(runs(here / "bank").values()) == {30}
    assert all(fields_of(here / "bank", name) for name in found)


def test_lines_that_are_no_rows_say_nothing_of_columns(here: Path) -> None:  # noqa: F811
    (here / "odd.csv").write_text("odd_id,amount\n" + "".join(f"{n},{n}\n" for n in range(9)) + "10\n11,12,13\n")
    (here / "marks.csv").write_text("odd_id;amount\n" + "".join(f"{n};{n},5\n" for n in range(9)))
    assert call("init", "a", "--from", "odd.csv").exit_code == 0
    assert fields_of(here / "a", "odd") == {"odd_id": ("int", "key"), "amount": ("int", "")}
    assert "# 2 lines have more or fewer fields than the header: quarantined." in (here / "a/project.py").read_text()
    assert call("init", "b", "--from", "marks.csv").exit_code == 0
    assert "# One column, with ';' in its name" in (here / "b/project.py").read_text()


def test_structs_of_parquet_are_contracts_within(here: Path) -> None:  # noqa: F811
    rows = [
        {"visit_id": n, "to": {"city": "Rome", "at": {"lat": 1.5}} if n else None, "lines": [{"sku": "a"}]}
        for n in range(4)
    ]
    pq.write_table(pa.Table.from_pylist(rows), here / "visits.parquet")
    assert call("init", "bank", "--from", "visits.parquet").exit_code == 0
    assert fields_of(here / "bank", "visits") == {
        "visit_id": ("int", "key"),
        "to": ("struct[city: str, at: struct[lat: float]] | None", ""),
        "lines": ("list[struct[sku: str]]", ""),
    }
    assert runs(here / "bank") == {"visits": 4}


def mixed(folder: Path, name: str) -> None:
    """Documents whose every field has several types."""
    (folder / name).write_text(
        "".join(json.dumps({"a": n if n % 2 else "x", "b": [n] if n % 2 else n}) + "\n" for n in range(9))
    )


def test_a_source_without_a_column_that_a_contract_can_have_is_left_out(here: Path) -> None:  # noqa: F811
    (here / "data").mkdir()
    mixed(here / "data", "odd.jsonl")
    (here / "data" / "visits.csv").write_text(GOOD)
    made = call("init", "bank", "--from", "data")
    assert made.exit_code == 0, made.output
    assert "warning HR-SOURCE-036  ../data/" in made.stderr
    assert "odd, which is left out: it has no column that a contract can have (a: values of several" in made.stderr
    assert runs(here / "bank") == {"visits": 30}


@pytest.mark.parametrize("more", [(), ("--table", "odd")])
def test_the_only_one_is_refused_and_nothing_is_written(here: Path, more: tuple[str, ...]) -> None:  # noqa: F811
    (here / "data").mkdir()
    mixed(here / "data", "odd.jsonl")
    if more:
        (here / "data" / "visits.csv").write_text(GOOD)
    made = call("init", "bank", "--from", "data", *more)
    assert made.exit_code == 2
    assert "error HR-SOURCE-036" in made.stderr
    assert not (here / "bank").exists()
