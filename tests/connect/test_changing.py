"""Files that change where nobody looks: while they are loaded, under another name, or until nothing is left of them."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

import headrace as hr
from headrace.connect import IngestReport, ingest
from headrace.connect.loading import work
from headrace.connect.places import local
from headrace.lake import Lake


class Row(hr.Contract):
    number: int
    text: str | None


class Keyed(Row):
    number: int = hr.key()


class Timed(hr.Contract):
    at: str
    number: int


class Event(hr.Contract):
    at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]
    number: int


def load(source: hr.Stream | hr.Table, folder: Path, change: object = None) -> IngestReport:
    """Load; ``change`` is called once, when the first rows are on their way."""
    left = [change] if callable(change) else []

    def told(_: int, what: str) -> None:
        if left and what.startswith("loading"):
            left.pop()()

    return ingest(source, folder, Lake(folder / "lake"), told)


def write(path: Path, first: int, last: int, text: str = "x") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("number,text\n" + "".join(f"{n},{text}\n" for n in range(first, last)))


def held(folder: Path) -> list[tuple[int, str]]:
    rows = Lake(folder / "lake").read("rows")
    return sorted(zip(rows["number"].to_pylist(), rows["text"].to_pylist(), strict=True))


def codes(report: IngestReport) -> list[tuple[str, str, str]]:
    return [(one.code, one.place, one.severity) for one in report.faults]


@pytest.mark.parametrize("mode", ["append", "merge", "replace"])
def test_a_file_that_changes_before_it_is_read_is_loaded_as_it_is_by_the_next_run(tmp_path: Path, mode: str) -> None:
    table = hr.Table("rows", Keyed if mode == "merge" else Row, source="in", load=mode)
    first, second = tmp_path / "in" / "a.csv", tmp_path / "in" / "b.csv"
    write(first, 0, 150_000)  # large enough to be taken alone, before the other
    write(second, 200_000, 200_002)
    report = load(table, tmp_path, lambda: write(second, 300_000, 300_003))
    assert codes(report) == [("HR-SOURCE-018", "in/b.csv", "error")]
    again = load(table, tmp_path)
    assert codes(again) == []
    assert held(tmp_path) == [(n, "x") for n in (*range(150_000), *range(300_000, 300_003))]
    assert codes(load(table, tmp_path)) == []


@pytest.mark.parametrize("grows", [True, False])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grows: bool) -> None:
    monkeypatch.setattr(work, "READ_ROWS", 1000)
    table, path = hr.Table("rows", Row, source="in"), tmp_path / "in" / "a.csv"
    write(path, 0, 4000)

    def change() -> None:
        write(path, 0, 5000 if grows else 4000, "x" if grows else "y")

    assert codes(load(table, tmp_path, change)) == [("HR-SOURCE-018", "in/a.csv", "error")]
    assert codes(load(table, tmp_path)) == [("HR-SOURCE-012", "in/a.csv", "warning")]
    assert held(tmp_path) == [(n, "x" if grows else "y") for n in range(5000 if grows else 4000)]


def test_a_file_that_is_only_touched_while_it_is_read_is_taken(tmp_path: Path) -> None:
    table = hr.Table("rows", Row, source="in", load="replace", columns={"number": "no"})
    path = tmp_path / "in" / "a.csv"
    write(path, 0, 150_000)
    path.write_text(path.read_text().replace("number", "no"))
    report = load(table, tmp_path, lambda: os.utime(path, (1, 1)))
    assert (report.accepted, codes(report)) == (150_000, [])


@pytest.mark.parametrize("another", [True, False])
@pytest.mark.parametrize("source", [hr.Stream("rows", Event, source="in"), hr.Table("rows", Timed, source="in")])
def test_rows_of_a_renamed_file_that_grew_are_not_taken_twice(
    tmp_path: Path, source: hr.Stream | hr.Table, another: bool
) -> None:
    before = tmp_path / "in" / "now.csv"
    before.parent.mkdir()
    lines = ["at,number", *(f"2026-01-01T00:00:0{n}Z,{n}" for n in range(4))]
    before.write_text("\n".join([*lines[:3], ""]))
    assert load(source, tmp_path).accepted == 2
    rotated = before.rename(before.with_name("2026-01-01.csv"))
    rotated.write_text("\n".join([*lines, ""]))
    (before if another else before.with_name("other.csv")).write_text("\n".join([lines[0], lines[4], ""]))
    report = load(source, tmp_path)
    told = [("HR-SOURCE-003", f"in/{name}.csv", "error") for name in ("2026-01-01", "now")[: 1 + another]]
    assert codes(report) == told
    assert "what was loaded as in/now.csv, and more: its first" in report.faults[0].found
    assert report.accepted == (0 if another else 1), "under its own name it is the file of before, and was edited"


@pytest.mark.parametrize("more", ["", "2026-01-02T00:00:00Z,7\n"])
def test_a_file_that_is_packed_when_it_is_rotated_is_not_taken_twice(tmp_path: Path, more: str) -> None:
    source, path = hr.Stream("rows", Event, source="in"), tmp_path / "in" / "a.csv"
    path.parent.mkdir()
    path.write_text("at,number\n2026-01-01T00:00:00Z,1\n")
    assert load(source, tmp_path).accepted == 1
    path.with_suffix(".csv.gz").write_bytes(gzip.compress((path.read_text() + more).encode()))
    path.unlink()
    report = load(source, tmp_path)
    told = ("HR-SOURCE-003", "in/a.csv.gz", "error") if more else ("HR-SOURCE-006", "in/a.csv.gz", "warning")
    assert (codes(report), report.accepted) == ([told], 0)


def test_a_file_and_its_packed_copy_that_come_together_are_taken_once(tmp_path: Path) -> None:
    source, path = hr.Stream("rows", Event, source="in"), tmp_path / "in" / "a.csv"
    path.parent.mkdir()
    path.write_text("at,number\n2026-01-01T00:00:00Z,1\n")
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    report = load(source, tmp_path)
    assert (codes(report), report.accepted) == ([("HR-SOURCE-006", "in/a.csv.gz", "warning")], 1)


def test_a_file_that_only_looks_like_the_beginning_of_another_is_taken(tmp_path: Path) -> None:
    source = hr.Stream("rows", Event, source="in")
    (tmp_path / "in").mkdir()
    for name, number in (("a", 1), ("b", 12)):
        (tmp_path / "in" / f"{name}.csv").write_text(f"at,number\n2026-01-01T00:00:00Z,{number}")
        assert (codes(report := load(source, tmp_path)), report.accepted) == ([], 1)


def test_a_file_begins_where_a_line_or_a_part_ends(tmp_path: Path) -> None:
    lines = [f"{n},{'x' * (n % 40)}\n".encode() for n in range(4000)]
    for name, parts in (
        ("a.csv", lines),
        ("a.csv.gz", [gzip.compress(b"".join(lines[n : n + 40])) for n in range(90)]),
    ):
        (tmp_path / name).write_bytes(b"".join(parts))
        ends = np.cumsum([len(one) for one in parts])
        found = local(tmp_path / name, tmp_path).beginnings(np.arange(1, ends[-1] + 1))
        assert set(found.values()) >= set(ends[:-1].tolist())
        assert len(found) < ends[-1] / 2
        whole = (tmp_path / name).read_bytes()
        assert all(digest == hashlib.sha256(whole[:size]).hexdigest() for digest, size in found.items())
        assert len(whole) not in found.values()


def test_a_file_that_is_merged_again_under_another_name_is_told(tmp_path: Path) -> None:
    table = hr.Table("rows", Keyed, source="in", load="merge")
    write(tmp_path / "in" / "a.csv", 0, 2, "old")
    write(tmp_path / "in" / "b.csv", 0, 2, "new")
    assert codes(load(table, tmp_path)) == []
    (tmp_path / "in" / "a.csv").rename(tmp_path / "in" / "c.csv")
    assert codes(load(table, tmp_path)) == [("HR-SOURCE-006", "in/c.csv", "warning")]
    assert held(tmp_path) == [(0, "old"), (1, "old")]
    assert codes(load(table, tmp_path)) == []


def test_a_file_of_nothing_beside_others_makes_no_table_anew(tmp_path: Path) -> None:
    table = hr.Table("rows", Row, source="in", load="replace")
    write(tmp_path / "in" / "a.csv", 0, 2)
    (tmp_path / "in" / "b.csv").touch()
    load(table, tmp_path)
    version = Lake(tmp_path / "lake").version("rows")
    report = load(table, tmp_path)
    assert (report.received, codes(report)) == (0, [])
    assert Lake(tmp_path / "lake").version("rows") == version


@pytest.mark.parametrize("contract", [Row, Keyed])
def test_a_table_that_becomes_empty_is_told(tmp_path: Path, contract: type[hr.Contract]) -> None:
    table = hr.Table("rows", contract, source="in", load="replace")
    write(tmp_path / "in" / "a.csv", 0, 2)
    load(table, tmp_path)
    write(tmp_path / "in" / "a.csv", 0, 0)
    assert codes(load(table, tmp_path)) == [("HR-SOURCE-022", "in", "warning")]
    assert held(tmp_path) == []
    assert codes(load(table, tmp_path)) == []
