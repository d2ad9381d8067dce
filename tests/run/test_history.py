"""State with its history: a row of a training set sees what was known when it happened."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headrace.clock import from_us, now_us
from headrace.run import load_project, run

PROJECT = """
import headrace as hr

class Payment(hr.Contract):
    payment_id: int = hr.key()
    at: hr.Timestamp = hr.event_time()
    customer_id: int

class Customer(hr.Contract):
    customer_id: int = hr.key()
    segment: str
    since: hr.Timestamp = hr.valid_from(zone="UTC")
    until: hr.Timestamp | None = hr.valid_to()

payments = hr.Stream("payments", Payment, source="data/*.csv")
customers = hr.Table("customers", Customer, source=hr.Database("sqlite:///crm.db"), history="source")
who = hr.Features("who", customers, by=hr.Entity("customer_id"), features={"segment": "segment"})
cases = hr.TrainingSet("cases", spine=payments, features=[who])
project = hr.Project("bank", training_sets=[cases])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "headrace.toml").write_text("")
    (tmp_path / "project.py").write_text(PROJECT)
    (tmp_path / "data").mkdir()
    with sqlite3.connect(tmp_path / "crm.db") as crm:
        crm.execute("create table customers (customer_id integer, segment text, since text)")
        crm.execute("insert into customers values (1, 'a', '2026-01-01 00:00:00'), (2, 'a', '2026-01-01 00:00:00')")
    return tmp_path


def segments(folder: Path) -> list[str | None]:
    loaded = load_project(folder)
    run(loaded)
    table = loaded.project.all_training_sets["cases"].build(folder).to_arrow()  # type: ignore[attr-defined]
    return list(table.sort_by("payment_id")["who.segment"].to_pylist())


def test_what_changed_is_seen_from_when_it_was_read(folder: Path) -> None:
    later = (from_us(now_us()) + timedelta(days=1)).isoformat()
    january = [datetime(2025, 12, 31, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC)]
    times = [*(one.isoformat() for one in january), later]
    lines = [f"{place},{at},1" for place, at in enumerate(times)] + [f"9,{later},2"]
    (folder / "data/a.csv").write_text("payment_id,at,customer_id\n" + "\n".join(lines) + "\n")
    assert segments(folder) == [None, "a", "a", "a", "a"]
    with sqlite3.connect(folder / "crm.db") as crm:
        crm.execute("update customers set segment = 'b', since = '2026-01-03 00:00:00' where customer_id = 1")
        crm.execute("delete from customers where customer_id = 2")
    # On 4 January the source said b, and nobody had read it yet: a service would have answered a.
    assert segments(folder) == [None, "a", "a", "b", None]
    planned = """
        select p.payment_id, case when c.until is null or p.at < c.until then c.segment end as segment
        from payments p asof left join customers c on p.customer_id = c.customer_id and p.at >= c.since
        order by payment_id
    """
    loaded = load_project(folder)
    right = [row["segment"] for row in loaded.lake().sql(planned).to_pylist()]
    assert right == [None, "a", "b", "b", None], "by today's knowledge b holds since 3 January; one row of each payment"
    now = loaded.lake().sql("select customer_id, segment from customers where until is null").to_pylist()
    assert now == [{"customer_id": 1, "segment": "b"}]
