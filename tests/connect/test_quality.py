"""Loads against the rules of their contract: taken, told, refused whole; and the history of it, each load once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import headrace as hr
from headrace.connect import IngestReport, account, ingest, looks_up, quality_now
from headrace.errors import HeadraceError
from headrace.lake import Lake


class Sale(hr.Contract):
    sale_id: str = hr.key()
    amount: int = hr.field(ge=0, severity="stop")
    paid: int | None
    all_paid = hr.check("paid = amount", severity="warn")


class Counted(hr.Contract):
    sale_id: str = hr.key()
    amount: int
    paid: int | None
    volume = hr.volume(within=0.5, last=3, at_least=2, severity="stop")


class Referring(hr.Contract):
    sale_id: str = hr.key()
    amount: int
    paid: int | None
    known = hr.reference("amount", to="amounts")


class Amount(hr.Contract):
    amount: int = hr.key()


def table(contract: type[hr.Contract]) -> hr.Table:
    return hr.Table("sales", contract, source="data/*.csv")


@pytest.mark.parametrize("odd", ["", '{"sale_id": "s2", "amount": 1, "paid": "two"}\n'])
def test_a_value_of_another_type_stops_a_load_of_json_lines_too(tmp_path: Path, odd: str) -> None:
    (tmp_path / "data").mkdir()
    lines = '{"sale_id": "s1", "amount": 1, "paid": 1}\n{"sale_id": "s3", "amount": "five", "paid": 1}\n'
    (tmp_path / "data" / "a.jsonl").write_text(lines + odd)
    report = ingest(hr.Table("sales", Sale, source="data/*.jsonl"), tmp_path, Lake(tmp_path / "lake"))
    assert (report.received, [one.code for one in report.faults]) == (0, ["HR-QUALITY-020"])


def write(folder: Path, name: str, *rows: tuple[str, int, int]) -> None:
    (folder / "data").mkdir(exist_ok=True)
    lines = [f"{key},{amount},{paid}\n" for key, amount, paid in rows]
    (folder / "data" / name).write_text("sale_id,amount,paid\n" + "".join(lines))


def rows(first: int, count: int, amount: int = 5) -> list[tuple[str, int, int]]:
    return [(f"s{number}", amount, amount) for number in range(first, first + count)]


def load(folder: Path, contract: type[hr.Contract], **more: Any) -> IngestReport:
    report = ingest(table(contract), folder, Lake(folder / "lake"), **more)
    assert report.received == report.accepted + report.quarantined
    return report


def history(folder: Path, columns: str = "rule, checked, failed, ok", where: str = "true") -> list[tuple[Any, ...]]:
    said = f"select {columns} from quality_sales where rule <> 'profile' and {where} order by _load, rule"
    return [tuple(row.values()) for row in Lake(folder / "lake").sql(said).to_pylist()]


@pytest.mark.parametrize("batch_rows", [1_000_000, 3])
def test_a_load_that_is_stopped_leaves_no_row(tmp_path: Path, batch_rows: int) -> None:
    write(tmp_path, "a.csv", *rows(0, 5))
    write(tmp_path, "b.csv", *rows(10, 7), ("s90", -1, 0), ("s10", 5, 5))
    write(tmp_path, "c.csv", *rows(10, 4))
    report = load(tmp_path, Sale, batch_rows=batch_rows)
    assert [(one.code, one.place) for one in report.faults] == [("HR-QUALITY-020", "data/b.csv")]
    assert "HR-DATA-004 amount: is below 0 (1 rows), first in row 8" in report.faults[0].found
    lake = Lake(tmp_path / "lake")
    # what is refused takes no key from the file behind it, and nothing of it is in quarantine either
    assert lake.read("sales")["sale_id"].to_pylist() == [key for key, *_ in rows(0, 5) + rows(10, 4)]
    assert (report.accepted, report.quarantined, lake.rows("quarantine_sales")) == (9, 0, 0)
    told = account(lake, "sales")
    assert (told.files, told.unfinished, told.refused) == (2, 0, 1)
    assert [row[:3] for row in history(tmp_path, where="not ok and rule = 'amount ge'")] == [("amount ge", 9, 1)]


def test_a_refused_load_is_tried_again_and_told_once_in_the_history(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", ("s1", -1, 0))
    for _ in range(2):
        assert [one.code for one in load(tmp_path, Sale).faults] == ["HR-QUALITY-020"]
    assert len(history(tmp_path, where="rule = 'rows'")) == 1
    write(tmp_path, "a.csv", ("s1", 1, 1))
    report = load(tmp_path, Sale)
    assert (report.accepted, report.faults) == (1, ()), "nothing was cut off"
    assert len(history(tmp_path, where="rule = 'rows'")) == 2


def test_a_refused_load_counts_until_its_file_is_taken_away(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", ("s1", 1, 1))
    load(tmp_path, Sale)
    write(tmp_path, "b.csv", ("s2", -1, 0))
    load(tmp_path, Sale)
    lake = Lake(tmp_path / "lake")
    assert quality_now(lake, "sales", 5) == ((1.0, 0.0), ("amount ge",))
    (tmp_path / "data" / "b.csv").unlink()
    assert load(tmp_path, Sale).faults == ()
    assert quality_now(lake, "sales", 5) == ((1.0,), ())
    assert (account(lake, "sales").unfinished, account(lake, "sales").refused) == (0, 0)


def test_what_warns_is_taken_told_and_in_the_history(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", ("s1", 5, 4), ("s2", 5, 5), ("s1", 5, 5))
    report = load(tmp_path, Sale)
    assert (report.accepted, report.quarantined) == (2, 1)
    assert report.warned == {"HR-QUALITY-010 all_paid: does not hold: paid = amount": 1}
    told = report.faults[0]
    assert (told.code, told.severity) == ("HR-QUALITY-021", "warning")
    assert told.found == "1 rows of sales break HR-QUALITY-010 all_paid: does not hold: paid = amount"
    assert told.place == f"tests/connect/test_quality.py:{line_of('all_paid = hr.check')}"
    assert history(tmp_path) == [
        ("all_paid", 3, 1, False),
        ("amount", 3, 0, True),
        ("amount ge", 3, 0, True),
        ("key", 3, 1, False),
        ("paid", 3, 0, True),
        ("rows", 3, 1, False),
        ("sale_id", 3, 0, True),
    ]


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_volume_is_held_against_the_last_loads(tmp_path: Path) -> None:
    for number, count in enumerate((10, 12, 8)):
        write(tmp_path, f"{number}.csv", *rows(100 * number, count))
    assert load(tmp_path, Counted).faults == ()
    write(tmp_path, "3.csv", *rows(300, 16))
    faults = load(tmp_path, Counted).faults
    assert "volume: 16 rows, where the last 3 loads have 10" in faults[0].found
    assert Lake(tmp_path / "lake").rows("sales") == 30
    write(tmp_path, "3.csv", *rows(300, 15))
    assert load(tmp_path, Counted).faults == ()
    values = history(tmp_path, "value, ok", "rule = 'volume'")
    assert sorted(values, key=str) == sorted(
        [(None, True), (1.2, True), (8 / 11, True), (1.6, False), (1.5, True)], key=str
    )


def test_a_load_of_too_few_rows_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "0.csv", *rows(0, 1))
    assert "volume: 1 rows" in load(tmp_path, Counted).faults[0].found


def test_references_are_looked_up_in_the_lake(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.append("amounts", pa.table({"amount": [5, 6]}))
    write(tmp_path, "0.csv", ("s1", 5, 5), ("s2", 7, 7))
    tables = {"amounts": hr.Table("amounts", Amount, source="amounts.csv")}
    report = load(tmp_path, Referring, referred=looks_up(lake, tables))
    assert report.reasons == {"HR-QUALITY-012 amount: is not in amounts": 1}


def test_a_reference_to_a_table_that_is_not_there_is_told(tmp_path: Path) -> None:
    write(tmp_path, "0.csv", ("s1", 5, 5))
    report = load(tmp_path, Referring)
    assert [one.code for one in report.faults] == ["HR-QUALITY-013"]
    assert Lake(tmp_path / "lake").rows("sales") == 0


def test_rows_in_the_lake_must_keep_a_rule_that_is_new(tmp_path: Path) -> None:
    write(tmp_path, "0.csv", ("s1", 5, 4), ("s2", 5, 5))
    load(tmp_path, Counted)

    class Strict(hr.Contract):
        sale_id: str = hr.key()
        amount: int
        paid: int | None
        all_paid = hr.check("paid = amount")

    with pytest.raises(HeadraceError, match="HR-DATA-108.*HR-QUALITY-010 all_paid: does not hold.*1 rows"):
        load(tmp_path, Strict)

    class Warned(hr.Contract):
        sale_id: str = hr.key()
        amount: int
        paid: int | None
        all_paid = hr.check("paid = amount", severity="warn")

    assert load(tmp_path, Warned).faults == ()


CUT_OFF = """
import sys
from pathlib import Path
from headrace.lake import Lake
from tests.connect.test_quality import Sale, table
from headrace.connect import ingest
import headrace.lake.tables as tables

append, left = Lake.append, [int(sys.argv[2])]
def dying(self, *args, **more):
    if left[0] == 0:
        import os
        os._exit(9)
    left[0] -= 1
    return append(self, *args, **more)
Lake.append = dying
ingest(table(Sale), Path(sys.argv[1]), Lake(Path(sys.argv[1]) / "lake"), batch_rows=4)
"""


@pytest.mark.parametrize("commits", [3, 4, 5, 6, 7, 8])
def test_a_load_that_is_killed_is_in_the_history_once(tmp_path: Path, commits: int) -> None:
    write(tmp_path, "a.csv", *rows(0, 9), ("s1", 5, 5), ("s20", 5, 4))
    done = subprocess.run([sys.executable, "-c", CUT_OFF, str(tmp_path), str(commits)], check=False)
    assert done.returncode in (0, 9)
    load(tmp_path, Sale, batch_rows=4)
    lake = Lake(tmp_path / "lake")
    assert sorted(lake.read("sales")["sale_id"].to_pylist()) == sorted([f"s{n}" for n in range(9)] + ["s20"])
    assert [row for row in history(tmp_path) if row[0] in ("rows", "all_paid")] == [
        ("all_paid", 11, 1, False),
        ("rows", 11, 1, False),
    ]


class Inner(hr.Contract):
    k: int | None = hr.field(ge=0, severity="warn")


class Outer(hr.Contract):
    id: int = hr.key()
    at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]
    n: Inner | None
    lines: list[Inner]


def test_what_only_warns_within_another_contract_is_taken_and_told(tmp_path: Path) -> None:
    rows = ['{"k":-1}', '{"k":1}', "null"]
    lines = [f'{{"id":{i},"at":"2026-01-01T00:00:00Z","n":{n},"lines":[{{"k":-{i}}}]}}\n' for i, n in enumerate(rows)]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    lake = Lake(tmp_path / "lake")
    report = ingest(hr.Stream("outer", Outer, source="*.jsonl"), tmp_path, lake)
    assert (report.accepted, report.quarantined) == (3, 0)
    assert [fault.code for fault in report.faults] == ["HR-QUALITY-021", "HR-QUALITY-021"]
    said = "select rule, severity, failed from quality_outer where not ok order by rule"
    assert [tuple(one.values()) for one in lake.sql(said).to_pylist()] == [
        ("lines.k ge", "warn", 2),
        ("n.k ge", "warn", 1),
    ]
