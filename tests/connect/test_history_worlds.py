"""State with its history over many loads: random worlds, held against a ledger kept by hand."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

import headrace as hr
from headrace.clock import now_us, to_us
from headrace.connect import ingest
from headrace.lake import Lake

Row = tuple[int, str, int, int | None]


class Shown(hr.Contract):
    customer_id: int = hr.key()
    segment: str
    since: hr.Timestamp = hr.valid_from()  # type: ignore[valid-type]
    until: hr.Timestamp | None = hr.valid_to()  # type: ignore[valid-type]


class Told(hr.Contract):
    customer_id: int = hr.key()
    segment: str
    since: hr.Timestamp = hr.valid_from(zone="UTC")  # type: ignore[valid-type]
    until: hr.Timestamp | None = hr.valid_to()  # type: ignore[valid-type]


def loaded(table: hr.Table, folder: Path) -> list[dict[str, object]]:
    lake = Lake(folder / "state" / "lake")
    report = ingest(table, folder, lake)
    assert report.received == report.accepted + report.quarantined
    return list(lake.read(table.name).to_pylist())


@pytest.mark.parametrize("seed", range(4))
def test_each_state_that_was_shown_is_kept_once_over_many_loads(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    bank = sqlite3.connect(tmp_path / "bank.db", isolation_level=None)
    bank.execute("create table customers (customer_id integer primary key, segment text)")
    table = hr.Table("states", Shown, source=hr.Database("sqlite:///bank.db", table="customers"), history=True)
    shown: dict[int, str] = {}
    spans: Counter[tuple[int, str]] = Counter()
    for _ in range(6):
        for key in chance.sample(range(40), 12):
            bank.execute("insert or replace into customers values (?, ?)", (key, chance.choice("abc")))
        bank.executemany("delete from customers where customer_id = ?", [(one,) for one in chance.sample(range(40), 4)])
        now: dict[int, str] = dict(bank.execute("select * from customers"))
        spans.update(pair for pair in now.items() if shown.get(pair[0]) != pair[1])
        shown = now
        rows = loaded(table, tmp_path)
        assert {row["customer_id"]: row["segment"] for row in rows if row["until"] is None} == shown
        assert Counter((row["customer_id"], row["segment"]) for row in rows) == spans
        assert len({row["_seq"] for row in rows}) == len(rows), "a number is given once"
    bank.close()


@pytest.mark.parametrize("later", [-3_600_000_000, 3_600_000_000])
def test_a_state_holds_until_the_next_begins_also_where_that_was_told_before(tmp_path: Path, later: int) -> None:
    bank = sqlite3.connect(tmp_path / "bank.db", isolation_level=None)
    bank.execute("create table customers (customer_id integer primary key, segment text, since integer)")
    source = hr.Database(
        "sqlite:///bank.db", query="select customer_id, segment, datetime(since, 'unixepoch') as since from customers"
    )
    table = hr.Table("states", Told, source=source, history="source")
    first, second = (now_us() - 7_200_000_000) // 1_000_000, (now_us() + later) // 1_000_000
    bank.execute("insert into customers values (1, 'a', ?)", (first,))
    loaded(table, tmp_path)
    before = now_us()
    bank.execute("update customers set segment = 'b', since = ?", (second,))
    old, new = sorted(loaded(table, tmp_path), key=lambda row: str(row["segment"]))
    assert to_us(new["since"]) == second * 1_000_000  # type: ignore[arg-type]
    if later > 0:
        assert old["until"] == new["since"], "no moment without a state"
        bank.execute("update customers set segment = 'c', since = ?", (second - 60,))
        rows = loaded(table, tmp_path)
        assert [row["segment"] for row in rows if row["until"] is None] == ["c"]
        assert {row["segment"] for row in rows} == {"a", "c"}, "b was never so"
    else:
        assert before <= to_us(old["until"]) <= now_us(), "nobody knew before it was read"  # type: ignore[arg-type]
    bank.close()
