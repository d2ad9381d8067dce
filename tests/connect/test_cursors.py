"""Cursors that become others between two runs, and texts that a database sorts in its own way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

import headrace as hr
from headrace.connect import drop, inbox, ingest
from headrace.connect.loading.ingest import IngestReport
from headrace.connect.origins import Batch, away, reader_of
from headrace.connect.repair.replay import held_rows, replay, try_rows
from headrace.errors import HeadraceError
from headrace.lake import Lake


class Visit(hr.Contract):
    visit_id: int = hr.key()
    at: hr.Timestamp = hr.event_time(zone="UTC")  # type: ignore[valid-type]


class Bare(hr.Contract):
    """Without a key, so that only what was read tells one row from another."""

    visit_id: int
    at: hr.Timestamp = hr.field(zone="UTC")  # type: ignore[valid-type]


@pytest.fixture
def visits(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as made:
        made.execute("create table visits (visit_id integer, at text, changed integer)")
        made.executemany("insert into visits values (?, ?, ?)", [row(n, n % 5) for n in range(1, 21)])
        yield made


def row(number: int, changed: int) -> tuple[int, str, int]:
    return number, f"2026-01-01 00:{number:02}:00", changed


def load(source: Any, folder: Path) -> IngestReport:
    found = ingest(source, folder, Lake(folder / "lake"))
    assert found.received == found.accepted + found.quarantined
    return found


def held(folder: Path) -> list[int]:
    found: list[int] = Lake(folder / "lake").read("visits", columns=["visit_id"])["visit_id"].to_pylist()
    return sorted(found)


def stream(cursor: str | None) -> hr.Stream:
    return hr.Stream("visits", Visit, source=hr.Database("sqlite:///x.db", cursor=cursor))


@pytest.mark.parametrize(
    ("before", "now"), [("visit_id", "changed"), ("visit_id", "at"), ("at", "visit_id"), (None, "at"), ("at", None)]
)
def test_another_cursor_begins_anew_and_takes_what_is_new_once(
    tmp_path: Path, visits: sqlite3.Connection, before: str | None, now: str | None
) -> None:
    assert load(stream(before), tmp_path).accepted == 20
    visits.execute("insert into visits values (?, ?, ?)", row(30, 0))  # of a value that the other cursor has passed
    later = load(stream(now), tmp_path)
    assert (later.received, later.accepted) == (1, 1)
    visits.execute("insert into visits values (?, ?, ?)", row(31, 9))
    assert [load(stream(now), tmp_path).received for _ in range(2)] == [1, 0]
    assert held(tmp_path) == [*range(1, 21), 30, 31]


@pytest.mark.parametrize("mode", ["merge", "append"])
def test_a_table_with_another_cursor_has_what_its_source_has(
    tmp_path: Path, visits: sqlite3.Connection, mode: str
) -> None:
    def table(cursor: str) -> hr.Table:
        return hr.Table("visits", Visit, source=hr.Database("sqlite:///x.db", cursor=cursor), load=mode)

    assert load(table("visit_id"), tmp_path).accepted == 20
    visits.execute("insert into visits values (?, ?, ?)", row(30, 0))
    load(table("changed"), tmp_path)
    assert held(tmp_path) == [*range(1, 21), 30]


def test_without_a_key_another_cursor_would_take_rows_twice(tmp_path: Path, visits: sqlite3.Connection) -> None:
    def table(cursor: str) -> hr.Table:
        return hr.Table("visits", Bare, source=hr.Database("sqlite:///x.db", cursor=cursor), load="append")

    load(table("visit_id"), tmp_path)
    with pytest.raises(HeadraceError, match="HR-SOURCE-054.*cursor='changed', by which visits was not read"):
        load(table("changed"), tmp_path)
    visits.execute("insert into visits values (?, ?, ?)", row(30, 0))
    load(table("visit_id"), tmp_path)
    assert held(tmp_path) == [*range(1, 21), 30]


class _Cut:
    """A reader that goes away behind its first batch, and stays away."""

    ordered = True

    def __init__(self, inner: Any, left: list[int]) -> None:
        self._inner, self._left = inner, left

    def columns(self) -> Any:
        return self._inner.columns()

    def batches(self, since: Any, batch_rows: int) -> Iterator[Batch]:
        if not self._left.pop(0):
            raise away("x", "gone", "start it")
        yield next(iter(self._inner.batches(since, 5)))
        raise away("x", "gone", "start it")

    def keys(self, batch_rows: int) -> Iterator[Any]:
        yield from ()

    def close(self) -> None:
        self._inner.close()


def test_a_reading_that_was_cut_off_does_not_go_on_by_another_cursor(
    tmp_path: Path, visits: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [1, *[0] * 20]
    with monkeypatch.context() as patched:
        patched.setattr(inbox, "reader_of", lambda origin, place: _Cut(reader_of(origin, place), left))
        patched.setattr(inbox.Inbox.__init__, "__defaults__", (lambda _: None,))
        with pytest.raises(HeadraceError, match="HR-SOURCE-020"):
            load(stream("visit_id"), tmp_path)
    found = load(stream("at"), tmp_path)
    assert (found.received, found.accepted) == (20, 20)


class Word(hr.Contract):
    word_id: int = hr.key()
    at: hr.Timestamp = hr.event_time(zone="UTC")  # type: ignore[valid-type]


WORDS = ["A", "a", "B", "b"]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "mariadb", "postgres"])
def test_texts_are_compared_by_their_code_points(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    rows = [f"insert into words values ({n}, '{text}', '2026-01-01 00:00:00')" for n, text in enumerate(WORDS)]
    later = "insert into words values (10, '\u00e9', '2026-01-01 00:00:00')"

    def sqlite_(*said: str) -> None:
        with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as one:
            one.executescript(";".join(said))

    def duck(*said: str) -> None:
        with duckdb.connect(str(tmp_path / "x.duckdb")) as one:
            one.execute(";".join(said))

    text, at = "varchar(9)", "timestamp"
    if kind in ("sqlite", "duckdb"):
        run, url = (sqlite_, "sqlite:///x.db") if kind == "sqlite" else (duck, "duckdb:///x.duckdb")
        text, at = f"{text} collate nocase", "timestamp" if kind == "duckdb" else "text"
    else:
        server = request.getfixturevalue(kind)
        run, url = lambda *said: server.run(";;".join(said)), server.url
        text += ' collate "und-x-icu"' if kind == "postgres" else " character set utf8mb4"
    run("drop table if exists words", f"create table words (word_id int, word {text}, moment {at})", *rows)
    columns = {"at": "moment"}
    source = hr.Stream("words", Word, source=hr.Database(url, cursor="word"), columns=columns)
    assert load(source, tmp_path).accepted == len(WORDS)
    assert load(source, tmp_path).received == 0
    run(later)
    assert [load(source, tmp_path).accepted for _ in range(2)] == [1, 0]


def test_a_time_that_gets_a_zone_makes_no_row_another(tmp_path: Path) -> None:
    def said(*statements: str) -> None:
        with duckdb.connect(str(tmp_path / "x.duckdb")) as one:
            one.execute("set timezone = 'UTC'")
            for statement in statements:
                one.execute(statement)

    table = hr.Table("visits", Bare, source=hr.Database("duckdb:///x.duckdb", cursor="at"), load="append")
    said('create table visits (visit_id int, "at" timestamp)')
    said("insert into visits select n, timestamp '2026-01-01' + interval (n) minute from range(20) as t(n)")
    assert load(table, tmp_path).accepted == 20
    said('alter table visits alter "at" type timestamptz')
    assert load(table, tmp_path).received == 0
    said("insert into visits values (20, '2026-01-02')")
    assert [load(table, tmp_path).accepted for _ in range(2)] == [1, 0]
    assert held(tmp_path) == list(range(21))


class Noted(hr.Contract):
    visit_id: int
    at: hr.Timestamp = hr.field(zone="UTC")  # type: ignore[valid-type]
    note: str | None = None


def test_a_column_that_may_lack_goes_and_comes_without_doubling_rows(
    tmp_path: Path, visits: sqlite3.Connection
) -> None:
    source = hr.Table("visits", Noted, source=hr.Database("sqlite:///x.db", cursor="changed"), load="append")
    visits.execute("alter table visits add column note text")
    assert load(source, tmp_path).accepted == 20
    for change in ("drop column note", "add column note text"):
        visits.execute(f"alter table visits {change}")
        assert load(source, tmp_path).received == 0
    visits.execute("insert into visits values (30, '2026-01-02 00:00:00', 9, 'x')")
    assert [load(source, tmp_path).accepted for _ in range(2)] == [1, 0]
    assert held(tmp_path) == [*range(1, 21), 30]


@pytest.mark.parametrize(("contract", "mode"), [(Bare, "append"), (Visit, "append"), (Visit, "merge"), (Visit, None)])
def test_an_overlap_that_becomes_longer_takes_no_row_twice(
    tmp_path: Path, visits: sqlite3.Connection, contract: type[hr.Contract], mode: str | None
) -> None:
    def source(overlap: int | None) -> hr.Stream | hr.Table:
        origin = hr.Database("sqlite:///x.db", cursor="changed", overlap=overlap)
        if mode is None:
            return hr.Stream("visits", contract, source=origin)
        return hr.Table("visits", contract, source=origin, load=mode)

    load(source(None), tmp_path)
    visits.execute("insert into visits values (?, ?, ?)", row(30, 2))  # late
    visits.execute("insert into visits values (?, ?, ?)", row(31, 7))
    late = [30] if contract is Visit else []
    assert load(source(3), tmp_path).quarantined == 0
    assert held(tmp_path) == [*range(1, 21), *late, 31]
    visits.execute("insert into visits values (?, ?, ?)", row(32, 4))  # within what is remembered by now
    load(source(3), tmp_path)
    assert held(tmp_path) == [*range(1, 21), *late, 31, 32]
    for overlap in (None, 3, 5, 1, 7):
        assert load(source(overlap), tmp_path).quarantined == 0
        assert held(tmp_path) == [*range(1, 21), *late, 31, 32]


def test_a_table_to_which_rows_are_added_is_read_whole_by_its_key(tmp_path: Path, visits: sqlite3.Connection) -> None:
    table = hr.Table("visits", Visit, source=hr.Database("sqlite:///x.db"), load="append")
    assert load(table, tmp_path).accepted == 20
    visits.execute("insert into visits values (?, ?, ?)", row(30, 0))
    assert [load(table, tmp_path).received for _ in range(2)] == [1, 0]
    visits.execute("delete from visits")
    report = load(table, tmp_path)
    assert [one.code for one in report.faults] == ["HR-SOURCE-022"]
    assert held(tmp_path) == [*range(1, 21), 30]


class Early(hr.Contract):
    visit_id: int = hr.key(le=15)
    at: hr.Timestamp = hr.field(zone="UTC")  # type: ignore[valid-type]


@pytest.mark.parametrize("killed", [True, False])
@pytest.mark.parametrize("accepted", [15, 0])
def test_a_drop_forgets_which_rows_were_refused(
    tmp_path: Path, visits: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, killed: bool, accepted: int
) -> None:
    table = hr.Table("visits", Early, source=hr.Database("sqlite:///x.db"), load="append")
    visits.execute("delete from visits where visit_id <= ?", (15 - accepted,))
    first = load(table, tmp_path)
    assert (first.accepted, first.quarantined) == (accepted, 5)
    lake, genuine = Lake(tmp_path / "lake"), Lake.drop
    with monkeypatch.context() as patched:
        gone: list[str] = []

        def until_killed(self: Lake, name: str) -> None:
            if killed and gone:
                raise KeyboardInterrupt
            gone.append(name)
            genuine(self, name)

        patched.setattr(Lake, "drop", until_killed)
        try:
            drop(lake, "visits", tmp_path / "inbox")
        except KeyboardInterrupt:
            assert killed
    again = load(table, tmp_path)
    assert (again.accepted, again.quarantined) == (accepted, 5)
    assert load(table, tmp_path).received == 0
    assert Lake(tmp_path / "lake").rows("quarantine_visits") == 5


def test_what_a_drop_that_was_cut_off_left_is_not_repaired(
    tmp_path: Path, visits: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = hr.Table("visits", Early, source=hr.Database("sqlite:///x.db"), load="append")
    load(table, tmp_path)
    lake, genuine, gone = Lake(tmp_path / "lake"), Lake.drop, list[str]()
    rows = held_rows(lake, "visits")

    def until_killed(self: Lake, name: str) -> None:
        if gone:
            raise KeyboardInterrupt
        gone.append(name)
        genuine(self, name)

    with monkeypatch.context() as patched:
        patched.setattr(Lake, "drop", until_killed)
        with pytest.raises(KeyboardInterrupt):
            drop(lake, "visits", tmp_path / "inbox")
    for repair in (replay, try_rows):
        with pytest.raises(hr.HeadraceError, match="HR-QUARANTINE-007.*visits, of which a drop was cut off"):
            repair(lake, table, rows)
    assert not lake.exists("visits")
    again = load(table, tmp_path)
    assert (again.accepted, again.quarantined) == (15, 5)


def test_a_drop_that_is_killed_before_the_table_went_did_not_happen(
    tmp_path: Path, visits: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = hr.Table("visits", Visit, source=hr.Database("sqlite:///x.db"), load="append")
    load(table, tmp_path)
    lake = Lake(tmp_path / "lake")
    with monkeypatch.context() as patched:
        patched.setattr(Lake, "drop", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            drop(lake, "visits", tmp_path / "inbox")
    visits.execute("delete from visits where visit_id <= 10")
    visits.execute("insert into visits values (?, ?, ?)", row(30, 0))
    assert load(table, tmp_path).accepted == 1
    assert held(tmp_path) == [*range(1, 21), 30], "rows that the source has no more are not taken away with it"
    visits.execute("insert into visits values (?, ?, ?)", row(31, 0))
    assert load(table, tmp_path).accepted == 1
    drop(lake, "visits", tmp_path / "inbox")
    assert not lake.exists("visits")
    assert load(table, tmp_path).accepted == 12


def test_numbers_as_cursors_may_become_whole_ones(tmp_path: Path, postgres: Any) -> None:
    postgres.run(
        "drop table if exists amounts;;create table amounts (visit_id int, at timestamp, n numeric);;"
        "insert into amounts values (1, '2026-01-01', 1), (2, '2026-01-01', 2.000)"
    )
    source = hr.Stream("visits", Visit, source=hr.Database(postgres.url, table="amounts", cursor="n"))
    assert load(source, tmp_path).accepted == 2
    postgres.run("alter table amounts alter n type bigint;;insert into amounts values (3, '2026-01-01', 3)")
    assert [load(source, tmp_path).received for _ in range(2)] == [1, 0]
    assert held(tmp_path) == [1, 2, 3]
