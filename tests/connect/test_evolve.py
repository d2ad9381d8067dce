"""Tables that follow their contracts: what is taken, what is refused, and that nothing is lost on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

import headrace as hr
from headrace.connect import ingest
from headrace.connect.evolve import evolution, settle
from headrace.declare.contract import contract_of
from headrace.declare.fields import Field
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.types import FLOAT, INT, STR, Decimal, LogicalType, Timestamp

FIELDS = {
    "id": Field(type=INT, role="key"),
    "at": Field(type=Timestamp, role="event_time"),
    "n": Field(type=INT, ge=0, le=1000),
    "price": Field(type=Decimal(6, 2)),
    "word": Field(type=STR),
    "then": Field(type=Timestamp),
}
HEADER = "id,at,n,price,word,then"
ROWS = [f"{i},2026-01-{i:02}T00:00:00Z,{i * 7},{i}.50,{i},2025-12-{i:02}T00:00:00Z" for i in range(1, 10)]


def readings(**other: Field | None) -> hr.Stream:
    """The stream with some fields that are others, new, or (None) gone."""
    fields = {name: one for name, one in (FIELDS | other).items() if one is not None}
    return hr.Stream("readings", contract_of("Reading", fields), source="*.csv", owner="sensors")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    (tmp_path / "a.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    lake = Lake(tmp_path / "lake")
    assert ingest(readings(), tmp_path, lake).accepted == len(ROWS)
    return lake


def values(lake: Lake, column: str) -> list[Any]:
    return list(lake.read("readings")[column].to_pylist())


def test_a_new_field_is_null_in_older_rows_and_comes_with_new_ones(tmp_path: Path, lake: Lake) -> None:
    stream = readings(flag=Field(type=STR | None))
    (tmp_path / "b.csv").write_text(f"{HEADER},flag\n10,2026-02-01T00:00:00Z,1,1.00,w,2026-01-01T00:00:00Z,yes\n")
    assert ingest(stream, tmp_path, lake).accepted == 1
    assert values(lake, "flag") == [None] * 9 + ["yes"]
    assert values(lake, "_seq") == list(range(1, 11))
    assert evolution(stream, lake).settled
    assert ingest(stream, tmp_path, lake).files_skipped == 2


def test_a_required_field_cannot_be_new(tmp_path: Path, lake: Lake) -> None:
    with pytest.raises(HeadraceError) as told:
        ingest(readings(flag=Field(type=STR)), tmp_path, lake)
    (fault,) = told.value.faults
    assert fault.code == "HR-EVOLVE-001"
    assert "declare it | None; 9 rows in the lake" in fault.found
    assert "flag" not in lake.schema("readings").names


def test_wider_types_keep_every_value_and_the_order(tmp_path: Path, lake: Lake) -> None:
    before, prices = lake.version("readings"), values(lake, "price")
    stream = readings(price=Field(type=Decimal(12, 4)), n=Field(type=FLOAT, ge=0, le=1000))
    assert ingest(stream, tmp_path, lake).files_skipped == 1
    assert values(lake, "price") == prices
    assert values(lake, "n") == [7.0 * i for i in range(1, 10)]
    assert values(lake, "_seq") == list(range(1, 10))
    assert lake.read("readings", version=before).schema.field("n").type == pa.int64()
    path = str(tmp_path / "lake" / "readings")
    assert pl.scan_delta(path).sort("_seq").collect()["price"].to_list() == prices
    lake.attach(tmp_path / "views.duckdb")
    with duckdb.connect(str(tmp_path / "views.duckdb"), read_only=True) as connection:
        assert connection.sql("select typeof(price) from readings limit 1").fetchall() == [("DECIMAL(12,4)",)]


def test_numbers_that_a_float_cannot_hold_are_counted_and_nothing_is_changed(tmp_path: Path) -> None:
    wide = readings(n=Field(type=INT))
    large = [f"{i},2026-01-01T00:00:00Z,{2**53 + 1},1.00,w,2026-01-01T00:00:00Z" for i in (1, 2)]
    (tmp_path / "a.csv").write_text("\n".join([HEADER, *large, ROWS[3]]) + "\n")
    lake = Lake(tmp_path / "lake")
    ingest(wide, tmp_path, lake)
    version = lake.version("readings")
    with pytest.raises(HeadraceError, match=r"HR-DATA-108 .* too large to be exact as a float \(2 rows\)"):
        ingest(readings(n=Field(type=FLOAT)), tmp_path, lake)
    assert lake.version("readings") == version
    assert lake.schema("readings").field("n").type == pa.int64()


@pytest.mark.parametrize("kind", [FLOAT, Decimal(8, 2)])
def test_bounds_that_only_warn_say_nothing_of_what_is_there(tmp_path: Path, kind: LogicalType) -> None:
    wide = readings(n=Field(type=INT, ge=0, le=100, severity="warn"))
    (tmp_path / "a.csv").write_text(f"{HEADER}\n1,2026-01-01T00:00:00Z,{2**53 + 1},1.00,w,2026-01-01T00:00:00Z\n")
    lake = Lake(tmp_path / "lake")
    ingest(wide, tmp_path, lake)
    with pytest.raises(HeadraceError, match="HR-DATA-108"):
        ingest(readings(n=Field(type=kind, ge=0, le=100, severity="warn")), tmp_path, lake)
    assert values(lake, "n") == [2**53 + 1]


def test_looser_bounds_read_nothing(tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lake, "batches", None)
    found = evolution(readings(n=Field(type=INT, ge=0, le=2000)), lake)
    assert (found.checks, found.breaking) == (False, ())
    settle(readings(n=Field(type=INT, ge=0, le=2000)), lake)


BREAKING = {
    "word of readings is removed": {"word": None},
    "n of readings type: int -> str": {"n": Field(type=STR)},
    "word of readings is the key now": {"word": Field(type=STR, role="key")},
    "at of readings is no longer the event time": {
        "at": Field(type=Timestamp),
        "then": Field(type=Timestamp, role="event_time"),
    },
}


@pytest.mark.parametrize("said", BREAKING)
def test_what_rows_cannot_follow_is_refused_and_stays_so(tmp_path: Path, lake: Lake, said: str) -> None:
    rows = lake.read("readings")
    for _ in range(2):
        with pytest.raises(HeadraceError) as told:
            ingest(readings(**BREAKING[said]), tmp_path, lake)
        assert {fault.code for fault in told.value.faults} == {"HR-EVOLVE-001"}
        assert any(fault.found.startswith(said) for fault in told.value.faults)
        assert "talk to sensors" in told.value.faults[0].expected
        assert "headrace apply --accept stream:readings" in told.value.faults[0].cure
    assert lake.read("readings").equals(rows)
    assert ingest(readings(), tmp_path, lake).files_skipped == 1


def test_without_rows_a_table_can_follow_all(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}\n")
    lake = Lake(tmp_path / "lake")
    ingest(readings(), tmp_path, lake)
    other = readings(word=None, n=Field(type=STR), extra=Field(type=INT))
    (tmp_path / "b.csv").write_text("id,at,n,price,then,extra\n1,2026-01-01T00:00:00Z,x,1.00,2026-01-01T00:00:00Z,5\n")
    (tmp_path / "a.csv").unlink()
    assert ingest(other, tmp_path, lake).accepted == 1
    assert lake.schema("readings").names[:5] == ["id", "at", "n", "price", "then"]


def test_accepted_columns_go_and_older_versions_have_them(lake: Lake) -> None:
    before = lake.version("readings")
    settle(readings(word=None), lake, accept=True)
    assert "word" not in lake.schema("readings").names
    assert values(lake, "_seq") == list(range(1, 10))
    assert lake.read("readings", version=before)["word"].to_pylist() == [str(i) for i in range(1, 10)]


def test_accepted_types_are_read_as_files_are(lake: Lake) -> None:
    settle(readings(word=Field(type=INT)), lake, accept=True)
    assert values(lake, "word") == list(range(1, 10))


def test_values_that_are_none_of_the_type_keep_the_table_as_it_is(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "b.csv").write_text(f"{HEADER}\n10,2026-02-01T00:00:00Z,1,1.00,ten,2026-01-01T00:00:00Z\n")
    ingest(readings(), tmp_path, lake)
    with pytest.raises(HeadraceError, match=r"HR-DATA-108 .*HR-DATA-002 word: is not an int \(1 rows\)"):
        settle(readings(word=Field(type=INT)), lake, accept=True)
    assert lake.schema("readings").field("word").type == pa.string()


def test_a_type_to_which_there_is_no_way(lake: Lake) -> None:
    with pytest.raises(HeadraceError) as told:
        settle(readings(at=Field(type=Decimal(12, 2))), lake, accept=True)
    assert [fault.code for fault in told.value.faults] == ["HR-EVOLVE-002"]


def test_another_event_time_says_anew_since_when_rows_are_known(lake: Lake) -> None:
    assert values(lake, "_known_at") == values(lake, "at")
    settle(readings(**BREAKING["at of readings is no longer the event time"]), lake, accept=True)
    assert values(lake, "_known_at") == values(lake, "then")


def test_a_key_that_rows_share_is_not_accepted(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "b.csv").write_text(f"{HEADER}\n10,2026-02-01T00:00:00Z,1,1.00,9,2026-01-01T00:00:00Z\n")
    ingest(readings(), tmp_path, lake)
    other = readings(id=Field(type=INT), word=Field(type=STR, role="key"))
    with pytest.raises(HeadraceError, match=r"HR-DATA-108 .* word: is the key of an earlier row \(1 rows"):
        settle(other, lake, accept=True)


def test_what_was_cut_off_before_the_ledger_is_taken_up(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headrace.connect.loads import Ledger

    stream = readings(price=Field(type=Decimal(12, 2)), flag=Field(type=STR | None))
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "checked", _killed)
        with pytest.raises(KeyboardInterrupt):
            settle(stream, lake)
    version = lake.version("readings")
    settle(stream, lake)
    assert lake.version("readings") == version, "rows are written anew once"
    assert evolution(stream, lake).settled
    assert values(lake, "id") == list(range(1, 10))


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_reader_beside_sees_the_one_or_the_other(lake: Lake) -> None:
    done, seen = threading.Event(), set[tuple[str, int]]()

    def read() -> None:
        while not done.is_set():
            table = lake.read("readings")
            seen.add((str(table.schema.field("price").type), table.num_rows))
            seen.add(("sql", lake.sql("select count(price) as n from readings").to_pylist()[0]["n"]))

    def widths() -> Iterator[hr.Stream]:
        return (readings(price=Field(type=Decimal(digits, 2))) for digits in range(7, 19))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for stream in widths():
            settle(stream, lake)
    finally:
        done.set()
        thread.join()
    assert {rows for _, rows in seen} == {9}
    assert len(seen) > 2


def test_a_restore_behind_it_is_made_good(tmp_path: Path, lake: Lake) -> None:
    from headrace.connect import restore

    before = lake.version("readings")
    stream = readings(flag=Field(type=STR | None), price=Field(type=Decimal(12, 2)))
    ingest(stream, tmp_path, lake)
    restore(lake, "readings", version=before)
    assert "flag" not in lake.schema("readings").names
    ingest(stream, tmp_path, lake)
    assert values(lake, "flag") == [None] * 9
    assert lake.schema("readings").field("price").type == pa.decimal128(12, 2)


def test_rows_that_break_what_changed_name_its_readers(tmp_path: Path, lake: Lake) -> None:
    from headrace.plan.consumers import Consumer

    def reads(column: str) -> tuple[Consumer, ...]:
        return (Consumer("features:heat", f"heat.{column}", ("sensors", "ops")),)

    said = r"HR-DATA-108 .*n: is above 20 \(7 rows\); what changed is read by heat.n \(owned by sensors, ops\)"
    with pytest.raises(HeadraceError, match=said):
        ingest(readings(n=Field(type=INT, ge=0, le=20)), tmp_path, lake, reads=reads)


def test_a_column_that_vanished_names_its_readers(tmp_path: Path, lake: Lake) -> None:
    from headrace.plan.consumers import Consumer

    def reads(column: str) -> tuple[Consumer, ...]:
        return (Consumer("features:heat", f"heat.{column}", ("sensors", "ops")),)

    (tmp_path / "b.csv").write_text("id,at,n,word,then\n10,2026-02-01T00:00:00Z,1,w,2026-01-01T00:00:00Z\n")
    (fault,) = ingest(readings(), tmp_path, lake, reads=reads).faults
    assert fault.code == "HR-DATA-101"
    assert fault.found == "no column price; it is read by heat.price (owned by sensors, ops)"
    assert fault.place == "b.csv"
