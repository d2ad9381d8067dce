"""Rows of a table by query are held against its contract: one that breaks it keeps the table from being made."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import headrace as hr
from headrace.run import RunFailed, load_project, run

PROJECT = """
import headrace as hr


class Event(hr.Contract):
    id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    c: int
    x: float = hr.field(ge=0, le=10)


class State(hr.Contract):
    c: int
    since: hr.Timestamp = hr.valid_from()
    until: hr.Timestamp | None = hr.valid_to()
    n: int = hr.field(ge=0, le=10)
    r: float = hr.field(ge=0, le=10)
    t: str = hr.field(isin=["a", "b"], pattern="[a-y]")
    price: hr.Decimal(9, 2)


events = hr.Stream("events", Event, source="data/events*")
state = hr.Table("state", State, query='''
    select c, at as since, null::timestamptz as until, 1 as n, x as r, 'a' as t, 1.5 as price from events
''')
now = hr.Features("now", state, by=hr.Entity("c"), features={"n": "n * 2", "r": "r"})
cases = hr.TrainingSet("cases", events, [now])
project = hr.Project("shop", training_sets=[cases])
"""
EVENTS = "id,at,c,x\n" + "".join(f"k{i},2026-03-0{i}T00:00:00Z,{i},{i}.5\n" for i in range(1, 6))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "events.csv").write_text(EVENTS)
    (tmp_path / "project.py").write_text(PROJECT)
    (tmp_path / "headrace.toml").write_text("")
    return tmp_path


def _edit(folder: Path, old: str, new: str) -> None:
    text = (folder / "project.py").read_text()
    assert old in text
    (folder / "project.py").write_text(text.replace(old, new))


def _told(folder: Path) -> hr.Fault:
    with pytest.raises(RunFailed) as failed:
        run(load_project(folder))
    (fault,) = failed.value.faults
    return fault


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ("case c when 3 then 1000000000000000000 else 1 end as n", "HR-DATA-004 n: is above 10"),
        ("case c when 3 then -1 else 1 end as n", "HR-DATA-004 n: is below 0"),
        ("case c when 3 then null else 1 end as n", "HR-DATA-001 n: is empty and may not be"),
        ("case c when 3 then 1.5::double else 1 end as n", "HR-DATA-002 n: is not an int"),
        ("case c when 3 then 1e30::hugeint else 1 end as n", "HR-DATA-012 n: is not a whole number of 64 bits"),
        ("case c when 3 then 'nan'::double else x end as r", "HR-DATA-003 r: is not a finite number"),
        ("case c when 3 then '-inf'::float else 1 end as r", "HR-DATA-003 r: is not a finite number"),
        ("(case c when 3 then 10.5 else x end)::decimal(18, 4) as r", "HR-DATA-004 r: is above 10"),
        ("case c when 3 then 'c' else 'b' end as t", "HR-DATA-005 t: is none of a, b"),
        ("case c when 3 then timestamptz '0500-01-01 00:00:00+00' else at end as since", "HR-DATA-012 since: "),
        ("case c when 3 then timestamp '0500-01-01 00:00:00' else at::timestamp end as since", "HR-DATA-012 since: "),
        ("case c when 3 then 'infinity'::timestamptz else at end as since", "HR-DATA-012 since: "),
        ("case c when 3 then at end as until", "HR-DATA-015 until: is not after since"),
        ("case c when 3 then 0.125 else 0.25 end::double as price", "HR-DATA-011 price: has more than 7 digits"),
    ],
)
def test_one_row_that_breaks_its_contract_keeps_the_table_as_it_was(shop: Path, given: str, rule: str) -> None:
    lake = run(load_project(shop)) and load_project(shop).lake()
    before, rows = lake.version("state"), lake.read("state")
    _edit(shop, "select c,", f"select * replace ({given}) from (select c,")
    _edit(shop, "1.5 as price from events\n", "1.5 as price, x, at from events)\n")
    fault = _told(shop)
    assert fault.code == "HR-DATA-109"
    assert fault.place.startswith("project.py:")
    assert fault.found.startswith(f"1 of 5 rows of state break its contract: {rule}")
    assert "(1 rows)" in fault.found
    assert lake.version("state") == before
    assert lake.read("state").equals(rows)


def test_each_broken_rule_is_counted_most_frequent_first_and_what_needs_the_table_is_skipped(shop: Path) -> None:
    _edit(shop, "1 as n", "c * 4 as n")
    _edit(shop, "'a' as t", "case c when 1 then 'zebra' else 'a' end as t")
    with pytest.raises(RunFailed) as failed:
        run(load_project(shop))
    (fault,) = failed.value.faults
    assert fault.found == (
        "4 of 5 rows of state break its contract: HR-DATA-004 n: is above 10 (3 rows); "
        "HR-DATA-005 t: is none of a, b (1 rows); HR-DATA-006 t: does not match [a-y] (1 rows)"
    )
    assert [(step.id, step.action) for step in failed.value.report.steps][1:] == [
        ("query:state", "failed"),
        ("training_set:cases", "skipped"),
    ]
    assert not load_project(shop).lake().exists("state"), "an empty table would be read as one without rows"
    _edit(shop, "from events\n", "from events where c = 2\n")
    _edit(shop, "c * 4 as n", "c * 5 as n")
    assert run(load_project(shop)).ok


def test_a_key_is_unique_over_all_batches_of_a_query(shop: Path) -> None:
    _edit(shop, "    c: int\n    since", "    c: int = hr.key()\n    since")
    assert run(load_project(shop)).ok
    _edit(shop, "from events\n", "from events cross join range(400000) where c < 5\n")
    fault = _told(shop)
    assert fault.found == (
        "1,599,996 of 1,600,000 rows of state break its contract: "
        "HR-DATA-008 c: is the key of an earlier row (1,599,996 rows)"
    )


def test_what_keeps_the_contract_is_in_its_types(shop: Path) -> None:
    _edit(shop, "1 as n, x as r", "sum(c::hugeint) over () % 7 as n, x::decimal(9, 3) as r")
    _edit(shop, "at as since", "at::timestamp as since")
    run(load_project(shop))
    rows = load_project(shop).lake().read("state")
    assert rows.schema.field("n").type == pa.int64()
    assert rows["r"].to_pylist() == [1.5, 2.5, 3.5, 4.5, 5.5]
    assert rows["since"].to_pylist()[0] == pd.Timestamp("2026-03-01", tz="UTC")


def test_a_spine_without_an_accepted_row_names_its_quarantine(shop: Path) -> None:
    (shop / "data" / "events.csv").write_text("id,at,c,x\nk1,2026-03-01T00:00:00Z,1,11\n")
    fault = _told(shop)
    assert fault.code == "HR-SET-003"
    assert "quarantine_events" in fault.cure
    assert "headrace run" not in fault.cure
