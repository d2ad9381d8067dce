"""Rows that leave quarantine, once, whatever is killed; accepted + quarantined stays received."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace.connect import account, ingest, restore
from headrace.connect.repair import replay
from headrace.connect.repair.received import Received, matching, set_by
from headrace.errors import HeadraceError
from headrace.lake import Lake


class Payment(hr.Contract):
    payment_id: int = hr.key()
    at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]
    amount: hr.Decimal(8, 2) = hr.field(ge=0)  # type: ignore[valid-type]
    note: str | None
    tags: list[int] | None


class Flat(hr.Contract):
    payment_id: int = hr.key()
    at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]
    amount: hr.Decimal(8, 2) = hr.field(ge=0)  # type: ignore[valid-type]
    note: str | None


CSV = hr.Stream("payments", Flat, source="data/*.csv")
LINES = hr.Stream("payments", Payment, source="data/*.jsonl")
HEADER = "payment_id,at,amount,note\n"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    (tmp_path / "data").mkdir()
    return Lake(tmp_path / "state" / "lake")


def bring(lake: Lake, stream: hr.Stream, name: str, text: str) -> None:
    folder = lake.root.parent.parent
    (folder / "data" / name).write_text(text)
    ingest(stream, folder, lake)


def carry_out(lake: Lake, stream: hr.Stream, rows: list[Received]) -> replay.Trial:
    before = account(lake, "payments").received
    with lake.lock("payments"):
        done = replay.replay(lake, stream, rows)
    assert account(lake, "payments").received == before
    return done


def held(lake: Lake) -> list[Received]:
    return replay.held_rows(lake, "payments")


def taken(lake: Lake, *columns: str) -> list[Any]:
    return [tuple(row[name] for name in columns) for row in lake.read("payments").to_pylist()]


def a_file(lake: Lake) -> None:
    lines = (
        '1,2026-01-01T00:00:00Z,1.00,a\n2,2026-01-01T00:00:01Z,"1,5.00",b\n3,2026-01-01T00:00:02Z,-3.00,c\n4,broken\n'
    )
    bring(lake, CSV, "a.csv", HEADER + lines)


def test_an_expression_repairs_and_what_it_does_not_repair_stays(lake: Lake) -> None:
    a_file(lake)
    assert [row.row for row in held(lake)] == [2, 3, 4]
    fixed = set_by(held(lake), Flat, {"amount": "replace(amount, ',', '')"})
    trial = replay.try_rows(lake, CSV, fixed)
    assert ([row.row for row in trial.passing], [row.row for row, _ in trial.staying]) == ([2], [3, 4])
    assert len(held(lake)) == 3, "a trial writes nothing"
    carry_out(lake, CSV, fixed)
    assert taken(lake, "payment_id", "_seq") == [(1, 1), (2, 2)]
    assert str(lake.read("payments")["amount"][1]) == "15.00"
    assert [row.row for row in held(lake)] == [3, 4]
    assert held(lake)[0].texts()["amount"] == "-3.00", "as it was received"


def test_rows_chosen_by_a_condition(lake: Lake) -> None:
    a_file(lake)
    assert [row.row for row in matching(held(lake), Flat, "reasons like '%below 0%'")] == [3]
    assert [row.row for row in matching(held(lake), Flat, "_row > 2 and amount is null")] == [4]
    with pytest.raises(HeadraceError, match="HR-LAKE-006"):
        matching(held(lake), Flat, "nothing = 1")
    with pytest.raises(HeadraceError, match="HR-LAKE-005|HR-LAKE-006"):
        matching(held(lake), Flat, "exists (from read_csv('/etc/passwd'))")


def test_a_line_that_could_not_be_read_becomes_what_it_is_given(lake: Lake) -> None:
    a_file(lake)
    line = held(lake)[2]
    assert line.unread
    given = {"payment_id": "4", "at": "2026-01-01T00:00:03Z", "amount": "4", "note": None}
    carry_out(lake, CSV, [line.repaired(given, Flat)])
    assert taken(lake, "payment_id", "note")[-1] == (4, None)


def test_a_mended_contract_lets_rows_through_as_they_are(lake: Lake) -> None:
    class Wide(hr.Contract):
        payment_id: int = hr.key()
        at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]
        amount: hr.Decimal(8, 2)  # type: ignore[valid-type]
        note: str | None

    a_file(lake)
    carry_out(lake, hr.Stream("payments", Wide, source="data/*.csv"), held(lake))
    assert [one[0] for one in taken(lake, "payment_id")] == [1, 3]


def test_a_key_that_is_there_by_now_stays_out(lake: Lake) -> None:
    a_file(lake)
    bring(lake, CSV, "b.csv", HEADER + "2,2026-01-02T00:00:00Z,2.00,other\n")
    trial = carry_out(lake, CSV, set_by(held(lake)[:1], Flat, {"amount": "'1'"}))
    assert trial.staying[0][1] == ("HR-DATA-008 payment_id: 2 is the key of an earlier row",)


def test_two_rows_of_one_key_are_one(lake: Lake) -> None:
    bring(lake, CSV, "a.csv", HEADER + "7,2026-01-01T00:00:00Z,-1,x\n7,2026-01-01T00:00:00Z,-1,y\n")
    trial = carry_out(lake, CSV, set_by(held(lake), Flat, {"amount": "'1'"}))
    assert (len(trial.passing), len(trial.staying)) == (1, 1)


def test_json_keeps_types_and_digits(lake: Lake) -> None:
    good = '{"payment_id": 1, "at": "2026-01-01T00:00:00Z", "amount": 1.10, "note": null, "tags": [1, 2]}\n'
    bad = '{"payment_id": 2, "at": "2026-01-01T00:00:00Z", "amount": -1.10, "note": "12", "tags": [3]}\n'
    worse = '{"payment_id": "3", "at": "2026-01-01T00:00:00Z", "amount": 1.10, "note": 5, "tags": [3]}\n'
    bring(lake, LINES, "a.jsonl", good + bad + worse)
    rows = set_by(held(lake), Payment, {"amount": "replace(amount, '-', '')"})
    trial = carry_out(lake, LINES, rows)
    assert [str(one) for one in lake.read("payments")["amount"].to_pylist()] == ["1.10", "1.10"]
    assert taken(lake, "note", "tags")[1] == ("12", [3])
    assert {reason.split(":")[0] for reason in trial.staying[0][1]} == {"HR-DATA-002 payment_id", "HR-DATA-002 note"}
    mended = [row.repaired({"payment_id": "4", "note": "five", "tags": "[9]"}, Payment) for row in held(lake)]
    carry_out(lake, LINES, mended)
    assert taken(lake, "payment_id", "note", "tags")[-1] == (4, "five", [9])


@pytest.mark.parametrize("at", ["after the rows", "after the quarantine"])
def test_a_replay_that_is_killed_is_completed(lake: Lake, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    a_file(lake)
    rows = set_by(held(lake), Flat, {"amount": "'1'"})

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if at == "after the rows":
            patched.setattr(Lake, "overwrite", killed)
        else:
            patched.setattr(replay.Ledger, "replayed", killed)
        with pytest.raises(KeyboardInterrupt), lake.lock("payments"):
            replay.replay(lake, CSV, rows)
    bring(lake, CSV, "b.csv", HEADER + "9,2026-01-02T00:00:00Z,2.00,other\n")
    assert [one[0] for one in taken(lake, "payment_id")] == [1, 2, 3, 9]
    assert [row.row for row in held(lake)] == [4]
    found = account(lake, "payments")
    assert (found.received, found.accepted, found.quarantined) == (5, 4, 1)
    assert sum(past.accepted for past in replay.Ledger(lake, "payments").by_name.values()) == 4


def test_what_was_replayed_can_be_restored(lake: Lake) -> None:
    a_file(lake)
    before = lake.version("payments")
    carry_out(lake, CSV, set_by(held(lake), Flat, {"amount": "'1'"}))
    after = lake.version("payments")
    restore(lake, "payments", version=before)
    assert ([one[0] for one in taken(lake, "payment_id")], len(held(lake))) == ([1], 3)
    restore(lake, "payments", version=after)
    assert ([one[0] for one in taken(lake, "payment_id")], len(held(lake))) == ([1, 2, 3], 1)
    assert account(lake, "payments").received == 4
    assert replay.Ledger(lake, "payments").by_name["data/a.csv"].accepted == 3
    ingest(CSV, lake.root.parent.parent, lake)
    assert account(lake, "payments").received == 4


def test_a_table_that_is_replaced_is_mended_at_its_source(lake: Lake) -> None:
    table = hr.Table("payments", Flat, source="data/*.csv", load="replace")
    a_file(lake)
    with pytest.raises(HeadraceError, match="HR-QUARANTINE-003"):
        replay.try_rows(lake, table, held(lake))


TYPED: list[tuple[Any, pa.Array]] = [
    (int, pa.array([5.0])),
    (int, pa.array(["007"])),
    (int, pa.array([Decimal("5.00")], pa.decimal128(38, 2))),
    (bool, pa.array([1], pa.int8())),
    (bool, pa.array(["true"])),
    (hr.Decimal(8, 2), pa.array([1.1], pa.float32())),
    (hr.Timestamp, pa.array([10**18], pa.timestamp("ns", tz="UTC"))),
    (list[int], pa.array(["[1, 2]"])),
    (list[int], pa.array([[1.0]])),
    (str, pa.array([2**64 - 1], pa.uint64())),
]


@pytest.mark.parametrize(("kind", "values"), TYPED, ids=[f"{one!r} of {values.type}" for one, values in TYPED])
def test_a_row_that_came_with_types_is_read_again_as_it_was_read(lake: Lake, kind: Any, values: pa.Array) -> None:
    body = {"__annotations__": {"key": int, "low": int, "value": kind}, "key": hr.key(), "low": hr.field(ge=0)}
    made = type("Made", (hr.Contract,), body)
    table = hr.Table("made", made, source="data/*.parquet", load="append")
    for key, low in ((1, 1), (2, -1)):
        rows = pa.table({"key": [key], "low": [low], "value": values})
        pq.write_table(rows, lake.root.parents[1] / f"data/{key}.parquet")
        ingest(table, lake.root.parents[1], lake)
    with lake.lock("made"):
        done = replay.replay(lake, table, set_by(replay.held_rows(lake, "made"), made, {"low": "1"}))
    assert len(done.passing) == 1
    first, second = lake.read("made")["value"].to_pylist()
    assert first == second


def test_a_value_of_another_type_of_json_is_mended_though_its_text_stays(lake: Lake) -> None:
    class Order(hr.Contract):
        order_id: int = hr.key()
        name: str
        paid: bool

    table = hr.Table("orders", Order, source="data/*.jsonl", load="append")
    folder = lake.root.parents[1]
    (folder / "data/a.jsonl").write_text('{"order_id": "5", "name": 7, "paid": "true"}\n')
    ingest(table, folder, lake)
    (row,) = replay.held_rows(lake, "orders")
    assert not replay.try_rows(lake, table, [row]).passing
    (mended,) = set_by([row], Order, {"order_id": "cast(order_id as int)", "name": "name", "paid": "paid"})
    assert replay.try_rows(lake, table, [mended]).accepted.to_pylist() == [{"order_id": 5, "name": "7", "paid": True}]


def test_a_contract_within_is_mended_as_json(lake: Lake) -> None:
    class Address(hr.Contract):
        city: str = hr.field(min_length=2)
        zip: str | None

    class Buyer(hr.Contract):
        buyer_id: int = hr.key()
        address: Address

    table = hr.Table("buyers", Buyer, source="data/a*", load="append")
    folder = lake.root.parents[1]
    (folder / "data/a.jsonl").write_text('{"buyer_id": 1, "address": {"city": "R", "zip": "00100"}}\n')
    (folder / "data/a.csv").write_text('buyer_id,address\n2,"{""city"": ""R"", ""zip"": ""00100""}"\n')
    columns = {"buyer_id": [3], "address": [{"city": "R", "zip": "00100"}]}
    pq.write_table(pa.table(columns), folder / "data/a.parquet")
    ingest(table, folder, lake)
    rows = set_by(replay.held_rows(lake, "buyers"), Buyer, {"address": """replace(address, '"R"', '"Rome"')"""})
    found = replay.try_rows(lake, table, rows).accepted.to_pylist()
    assert sorted(one["buyer_id"] for one in found) == [1, 2, 3]
    assert {tuple(one["address"].values()) for one in found} == {("Rome", "00100")}


def test_a_refused_update_of_a_merged_table_is_mended_unless_newer_loads_came(lake: Lake) -> None:
    table = hr.Table("payments", Flat, source="data/*.csv", load="merge")
    folder = lake.root.parents[1]

    def bring_rows(name: str, *rows: str) -> None:
        (folder / "data" / name).write_text(HEADER + "".join(f"{one}\n" for one in rows))
        ingest(table, folder, lake)

    def mend() -> replay.Trial:
        with lake.lock("payments"):
            return replay.replay(lake, table, set_by(held(lake), Flat, {"amount": "ltrim(amount, '-')"}))

    at = "2026-01-01T00:00:00Z"
    bring_rows("1.csv", f"1,{at},5,a", f"2,{at},5,b")
    bring_rows("2.csv", f"1,{at},-7,c")
    assert len(mend().passing) == 1
    assert [(one[0], str(one[1]), one[2]) for one in sorted(taken(lake, "payment_id", "amount", "note"))] == [
        (1, "7.00", "c"),
        (2, "5.00", "b"),
    ]
    found = account(lake, "payments", merged=True)
    assert (found.received, found.quarantined) == (3, 0)
    bring_rows("3.csv", f"2,{at},-9,d")
    bring_rows("4.csv", f"2,{at},6,e", f"3,{at},1,f")
    done = mend()
    assert (len(done.passing), ["newer row of its key" in why[0] for _, why in done.staying]) == (0, [True])
    assert [str(one[0]) for one in sorted(taken(lake, "amount"))] == ["1.00", "6.00", "7.00"]


class Within(hr.Contract):
    count: int | None
    price: hr.Decimal(8, 2) | None  # type: ignore[valid-type]
    at: hr.Timestamp | None = hr.field(zone="Europe/Berlin")  # type: ignore[valid-type]
    ok: bool | None


class Nested(hr.Contract):
    key: int = hr.key()
    low: int = hr.field(ge=0)
    within: Within
    listed: list[int]


def test_text_within_structs_and_lists_is_held_as_it_was_received(lake: Lake) -> None:
    table = hr.Table("nested", Nested, source="data/*.parquet", load="append")
    texts = {"count": "007", "price": "+1.50", "at": "2026-01-01T00:00:00", "ok": "1"}
    rows = [{"low": low, "within": {**texts, "count": count}, "listed": ["01", "2"]} for low, count in ROWS_WITHIN]
    made = pa.Table.from_pylist([{"key": key, **row} for key, row in enumerate(rows)])
    low = made["low"].cast(pa.string()).dictionary_encode()
    pq.write_table(made.set_column(1, "low", low), lake.root.parents[1] / "data/a.parquet")
    ingest(table, lake.root.parents[1], lake)
    refused = replay.held_rows(lake, "nested")
    assert [one.values for one in refused] == [
        {"key": str(key), "low": str(row["low"]), "within": row["within"], "listed": row["listed"]}
        for key, row in enumerate(rows[1:], 1)
    ]
    mended = [refused[0].repaired({"low": "1"}, Nested), refused[1].repaired({"low": "001"}, Nested)]
    whole = refused[1].texts()["within"] or ""
    mended[1] = mended[1].repaired({"within": whole.replace("many", "007")}, Nested)
    found = replay.try_rows(lake, table, mended)
    (first,) = lake.read("nested").to_pylist()
    for one in found.accepted.to_pylist():
        assert (one["low"], one["within"], one["listed"]) == (1, first["within"], first["listed"])
    assert len(found.passing) == 2


ROWS_WITHIN = [(1, "007"), (-1, "007"), (-2, "many")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("beside", ["", ', "payment_id2": 1}\n{"payment_id": "x"'], ids=["all sound", "one is not"])
def test_a_row_of_json_is_held_as_it_was_written(lake: Lake, name: str, beside: str) -> None:
    line = '{"payment_id": 7, "at": "2026-01-01T01:00:00+01:00", "amount": -1.50, "note": "\\u00f6", "more": 1e2'
    stream = hr.Stream("payments", Payment, source="data/*.json*")
    bring(lake, stream, name, line + beside + "}\n")
    row = lake.read("quarantine_payments")["row"][0].as_py()
    assert row == line + beside.partition("}")[0] + "}"
    first = held(lake)[0]
    assert first.reasons == ["HR-DATA-004 amount: -1.50 is below 0"]
    assert {name: first.texts()[name] for name in ("at", "amount", "note")} == {
        "at": "2026-01-01T01:00:00+01:00",
        "amount": "-1.50",
        "note": "ö",
    }
    done = carry_out(lake, stream, set_by([first], Payment, {"amount": "ltrim(amount, '-')"}))
    assert len(done.passing) == 1
    assert [str(one) for one in taken(lake, "amount", "note")[0]] == ["1.50", "ö"]


def test_a_row_of_json_under_other_names_is_held_by_its_fields(lake: Lake) -> None:
    stream = hr.Stream("payments", Flat, source="data/*.jsonl", columns={"amount": "Sum", "note": "amount"})
    line = '{"payment_id": 7, "at": "2026-01-01T00:00:00Z", "Sum": -1.50, "amount": "n", "more": "\\ud800"}\n'
    bring(lake, stream, "a.jsonl", line)
    (row,) = held(lake)
    assert (row.texts()["amount"], row.texts()["note"], row.texts()["more"]) == ("-1.50", "n", '"\\ud800"')
    assert len(matching([row], Flat, "note = 'n'")) == 1
    assert len(replay.try_rows(lake, stream, set_by([row], Flat, {"amount": "'1.50'"})).passing) == 1
