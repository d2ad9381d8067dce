"""Rows that leave quarantine, once, whatever is killed; accepted + quarantined stays received."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
