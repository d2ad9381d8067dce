"""A table by query is after each run what its query gives over all rows, however it was brought up to date."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

import headrace as hr
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.run.refresh import Refreshed, refresh
from tests.buckets import served

START = datetime(2026, 1, 1, tzinfo=UTC)
PAYMENTS = pa.schema(
    {
        "id": pa.int64(),
        "at": pa.timestamp("us", tz="UTC"),
        "shop": pa.int64(),
        "kind": pa.string(),
        "amount": pa.decimal128(12, 2),
    }
)
SHOPS = pa.schema({"shop": pa.int64(), "region": pa.string(), "since": pa.timestamp("us", tz="UTC")})
DECLARED = {"declaration made": "1"}
QUERIES = {
    "day": "select at::date as day, count(*) as n, sum(amount) as total from payments group by all",
    "month": "select date_trunc('month', at) as m, kind, max(amount) as most from payments group by 1, 2",
    "hours": "select time_bucket(interval '6 hours', at) as h, count(distinct shop) as shops from payments group by h",
    "shop": "select shop, min(at) as first, median(amount) as usual from payments where kind <> 'x' group by shop",
    "having": "select shop, kind, count(*) as n from payments group by shop, kind having count(*) > 2",
    "rows": "select id, upper(kind) as kind, amount * 2 as twice from payments where amount > 10",
    "joined": "select p.id, p.shop, s.region from payments p join shops s on p.shop = s.shop",
    "left": "select shop, region, count(*) as n from payments left join shops using (shop) group by all",
    "right": "select s.shop, count(p.id) as n from payments p right join shops s on p.shop = s.shop group by all",
    "region": "select region, sum(amount) as total from payments join shops using (shop) group by region",
    "asof": """select p.shop, p.id, s.region from payments p
        asof left join shops s on p.shop = s.shop and p.at >= s.since""",
    "anti": "select shop, count(*) as n from payments anti join shops using (shop) group by all",
    "exists": "select id from payments where exists (select 1 from shops where shops.shop = payments.shop)",
    "newest": "select * from payments qualify row_number() over (partition by shop order by at desc, id desc) = 1",
    "running": """select shop, id, sum(amount) over (partition by shop order by at, id) as total,
        count(*) over w as n from payments window w as (partition by shop)""",
    "cte": """with big as (select *, at::date as day from payments where amount > 10),
        days as (select day, shop, count(*) as n from big group by all)
        select day, sum(n) as n, max(n) as most from days group by day""",
    "again": """with d as (select at::date as day, sum(amount) as total from payments group by 1)
        select a.day, a.total, b.total as same from d a join d b on a.day = b.day""",
    "before": """with d as (select at::date as day, sum(amount) as total from payments group by 1)
        select a.day, a.total, b.total as other from d a left join d b on a.day = b.day + 1""",
    "union": "select shop, 'p' as of from payments union all select shop, region from shops",
    "rollup": """select kind, sum(amount) as total from payments where kind <> 'all' group by kind
        union all select 'all', sum(amount) from payments""",
    "distinct": "select distinct shop, kind from payments",
    "on": "select distinct on (shop) shop, id, kind from payments order by at, id",
    "other": "select distinct on (shop) coalesce(kind, '') as shop, shop as kind, id from payments order by at, id",
    "both": "select shop from payments intersect select shop from shops",
    "except": "select shop from shops except select shop from payments",
    "named": """select shop, id, count(*) over w as n from payments
        window w as (partition by shop order by shop in (select shop from shops), id)""",
    "total": "select count(*) as n from payments",
    "limit": "select id from payments order by id limit 3",
    "above": "select id, shop from payments where amount >= (select avg(amount) from payments)",
    "coalesced": "select coalesce(kind, '-') as kind, shop % 3 as third, count(*) as n from payments group by 1, 2",
    "unnested": "select shop, unnest([1, 2]) as i from payments",
    "full": "select shop, count(id) as n from payments full join shops using (shop) group by all",
    "three": """select p.shop, count(*) as n from payments p join shops s on p.shop = s.shop
        join (select shop, max(at) as last from payments group by shop) l on s.shop = l.shop group by p.shop""",
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.mark.parametrize("seed", range(2))
def test_it_is_the_whole_query_after_every_change(lake: Lake, seed: int) -> None:
    chance = random.Random(seed)
    tables = [hr.Table(f"made_{name}", query=query) for name, query in QUERIES.items()]
    lake.append("payments", payments(chance, 200, 0))
    lake.append("shops", shops(chance, 6))
    ways: Counter[str] = Counter()
    for step in range(4):
        for table in tables:
            done = refresh(table, lake, DECLARED)
            assert held(lake, table.name) == rows(lake.sql(table.query or "")), (step, table.name, done)
            ways[done.how.split(":")[0].split()[-1 if "added" in done.how else 0]] += 1
        for number in range(chance.choice([1, 1, 2])):
            change(lake, chance, step, "late" if step == number == 0 else "")
    assert ways["for"] > 12
    assert ways["added"] > 4


def test_only_what_changed_rows_touch_is_made(lake: Lake) -> None:
    table, plain = hr.Table("made", query=QUERIES["day"]), hr.Table("plain", query=QUERIES["rows"])
    chance = random.Random(7)
    lake.append("payments", payments(chance, 200, 0))
    for one in (table, plain):
        assert refresh(one, lake, DECLARED).how == "in full: for the first time"
        assert refresh(one, lake, DECLARED).how == "as it was"
    late = payments(chance, 1, 0).set_column(1, "at", pa.array([START], PAYMENTS.field("at").type))
    lake.append("payments", late)
    assert refresh(table, lake, DECLARED) == Refreshed("for 1 value of day", 1)
    assert refresh(plain, lake, DECLARED).how in ("1 row added", "0 rows added")
    assert lake.history("made")[0]["operation"] == "replace"
    lake.compact("payments")
    assert refresh(table, lake, DECLARED).how == "as it was"
    more = late.set_column(4, "amount", pa.array([Decimal("7.00")], pa.decimal128(12, 2)))
    lake.merge("payments", more, keys=["id"])  # which writes the one file anew
    assert refresh(table, lake, DECLARED).how == "for 1 value of day"
    named = hr.Table("named", query="select id, kind from payments")
    refresh(named, lake, DECLARED)
    lake.merge("payments", late, keys=["id"])
    assert refresh(named, lake, DECLARED).how == "as it was"


def test_another_query_or_another_table_makes_all_anew(lake: Lake, tmp_path: Path) -> None:
    table, chance = hr.Table("made", query=QUERIES["shop"]), random.Random(7)
    lake.append("payments", payments(chance, 50, 0))
    refresh(table, lake, DECLARED)
    assert refresh(table, lake, {"declaration made": "2"}).how == "in full: its declaration changed"
    shutil.rmtree(lake.root / "payments")
    lake.append("payments", payments(chance, 60, 0))
    lake.append("payments", payments(chance, 1, 0))
    assert refresh(table, lake, {"declaration made": "2"}).how == "in full: it reads other tables"
    lake.append("made", lake.read("made"))  # by somebody else
    lake.append("payments", payments(chance, 1, 0))
    assert refresh(table, lake, {"declaration made": "2"}).how == "in full: somebody else wrote to it"
    assert held(lake, "made") == rows(lake.sql(QUERIES["shop"]))


def test_it_is_held_in_full_or_refused_as_declared(lake: Lake) -> None:
    lake.append("payments", payments(random.Random(7), 50, 0))
    never = hr.Table("never", query=QUERIES["shop"], incremental=False)
    refresh(never, lake, DECLARED)
    lake.append("payments", payments(random.Random(8), 1, 0))
    assert refresh(never, lake, DECLARED).how == "in full: it is declared so"
    always = hr.Table("total", query=QUERIES["total"], incremental=True)
    refresh(always, lake, DECLARED)
    lake.append("payments", payments(random.Random(9), 1, 0))
    with pytest.raises(HeadraceError, match="HR-TABLE-003.*it makes one total of all rows"):
        refresh(always, lake, DECLARED)


class Usual(hr.Contract):
    """What a query gives of each payment."""

    id: int = hr.key()
    twice: float = hr.field(ge=0)


def test_new_rows_keep_the_contract_and_their_keys_are_new(lake: Lake) -> None:
    table = hr.Table("made", Usual, query="select id, amount::double as twice from payments")
    lake.append("payments", payments(random.Random(7), 50, 0))
    refresh(table, lake, DECLARED)
    before = held(lake, "made")
    lake.append("payments", lake.read("payments").slice(3, 1))
    with pytest.raises(HeadraceError, match="HR-DATA-109.*1 of 1 new rows of made have id of another row"):
        refresh(table, lake, DECLARED)
    assert held(lake, "made") == before
    lake.restore("payments", 0)
    bad = payments(random.Random(9), 1, 0).set_column(4, "amount", pa.array([Decimal("-1.00")], pa.decimal128(12, 2)))
    lake.append("payments", bad)
    with pytest.raises(HeadraceError, match="HR-DATA-109"):
        refresh(table, lake, DECLARED)
    assert held(lake, "made") == before


class Largest(hr.Contract):
    """What a query gives of each shop."""

    shop: int = hr.key()
    most: float
    one = hr.unique("most")


def test_what_is_unique_is_so_among_all_rows_however_few_are_made(lake: Lake) -> None:
    table = hr.Table("made", Largest, query="select shop, max(amount)::double as most from payments group by shop")
    paid = payments(random.Random(7), 8, 0).set_column(2, "shop", pa.array(range(8), pa.int64()))
    lake.append("payments", paid.set_column(4, "amount", pa.array(map(Decimal, range(8)), pa.decimal128(12, 2))))
    refresh(table, lake, DECLARED)
    other = payments(random.Random(8), 1, 9).set_column(2, "shop", pa.array([3], pa.int64()))
    lake.append("payments", other.set_column(4, "amount", pa.array([Decimal(7)], pa.decimal128(12, 2))))
    with pytest.raises(HeadraceError, match="HR-DATA-109.*1 of 1 new rows of made have most of another row"):
        refresh(table, lake, DECLARED)


def test_values_that_the_query_passes_over_may_fail_in_what_it_groups_by(lake: Lake) -> None:
    query = "select kind::int as number, count(*) as n from payments where kind <> 'x' group by 1"
    table, chance = hr.Table("made", query=query), random.Random(7)
    for kinds in (["1", "2", "x"], ["2", "x"], ["3"]):
        some = payments(chance, len(kinds), 0).set_column(3, "kind", pa.array(kinds))
        lake.append("payments", some)
        done = refresh(table, lake, DECLARED)
        assert held(lake, "made") == rows(lake.sql(query)), done


class Counted(hr.Contract):
    amount: hr.Decimal(12, 2)  # type: ignore[valid-type]
    n: int


def test_values_that_the_query_passes_over_need_not_fit_its_columns(lake: Lake) -> None:
    table = hr.Table("made", Counted, query="select amount, count(*) as n from prices where id < 7 group by amount")
    kind = {"id": pa.int64(), "amount": pa.decimal128(14, 3)}
    lake.append("prices", pa.table([[1, 2, 3], list(map(Decimal, range(3)))], schema=pa.schema(kind)))
    refresh(table, lake, DECLARED)
    lake.append("prices", pa.table([[9], [Decimal("1.005")]], schema=pa.schema(kind)))
    refresh(table, lake, DECLARED)
    assert lake.rows("made") == 3


def test_how_long_ago_a_time_was_changes_without_a_row(lake: Lake) -> None:
    query = "select shop, count(*) filter (where age(at) < interval 20 days) as n from payments group by shop"
    table, chance = hr.Table("made", query=query), random.Random(7)
    for _ in range(2):
        lake.append("payments", payments(chance, 5, 0))
        assert refresh(table, lake, DECLARED).how.startswith("in full")


def test_a_lake_in_a_bucket_is_no_exception(tmp_path: Path) -> None:
    chance = random.Random(3)
    with served(tmp_path, "bank"):
        lake = Lake("s3://bank/lake")
        lake.append("payments", payments(chance, 60, 0))
        lake.append("shops", shops(chance, 6))
        tables = [hr.Table(f"made_{name}", query=QUERIES[name]) for name in ("day", "rows", "left", "rollup")]
        for how in ("in", "added", "late", "correct"):
            told = [refresh(table, lake, DECLARED).how for table in tables]
            for table in tables:
                assert held(lake, table.name) == rows(lake.sql(table.query or "")), (how, table.name)
            assert told[0].split()[0] == ("in" if how == "in" else "for")
            change(lake, chance, 0, "correct" if how == "late" else "late")


def change(lake: Lake, chance: random.Random, step: int, what: str = "") -> None:
    """Do to the tables what may be done to them: grow, late or not, correct, delete, restore, compact."""
    often = {"grow": 5, "late": 4, "shops": 3, "correct": 3, "delete": 2, "restore": 2, "compact": 2, "again": 1}
    what = what or chance.choices([*often], [*often.values()])[0]
    there = lake.read("payments")
    some = there.take(sorted(chance.sample(range(there.num_rows), 3))) if there.num_rows > 3 else there
    if what == "grow":
        lake.append("payments", payments(chance, 12, step + 1))
    elif what == "late":
        lake.append("payments", payments(chance, 2, 0))
    elif what == "shops":
        lake.append("shops", shops(chance, 1))
    elif what == "correct":
        more = pa.array([Decimal("7.00")] * some.num_rows, pa.decimal128(12, 2))
        lake.merge("payments", some.set_column(4, "amount", more), keys=["id"])
    elif what == "delete":
        lake.merge("payments", some.slice(0, 0), keys=["id"], deletes=some.select(["id"]))
    elif what == "restore":
        name = chance.choice(["payments", "shops"])
        lake.restore(name, chance.randrange(max(1, lake.version(name) - 2), lake.version(name) + 1))
    elif what == "compact":
        lake.compact("payments")
    else:
        lake.overwrite("payments", there)


def payments(chance: random.Random, count: int, after: int) -> pa.Table:
    made = []
    for _ in range(count):
        at = START + timedelta(days=10 * after, minutes=chance.randrange(20 * 24 * 60))
        shop = chance.choice([None, *range(12)])
        kind = chance.choice(["a", "b", "x", "", None])
        amount = Decimal(chance.randrange(5000)) / 100
        made.append((chance.randrange(1 << 40), None if chance.random() < 0.05 else at, shop, kind, amount))
    return pa.Table.from_pylist([dict(zip(PAYMENTS.names, one, strict=True)) for one in made], schema=PAYMENTS)


def shops(chance: random.Random, count: int) -> pa.Table:
    made = [
        {"shop": chance.choice([None, *range(15)]), "region": chance.choice("nsew"), "since": START + timedelta(i)}
        for i in range(count)
    ]
    return pa.Table.from_pylist(made, schema=SHOPS)


def rows(table: pa.Table) -> Counter[str]:
    return Counter(repr(one) for one in table.to_pylist())


def held(lake: Lake, name: str) -> Counter[str]:
    return rows(lake.sql(f"select * from {name}"))


def test_a_table_that_only_a_named_window_reads_is_followed(lake: Lake) -> None:
    query = """select shop, id, count(*) over w as n from payments
        window w as (partition by shop order by id in (select id from last), id)"""
    table, columns = hr.Table("made", query=query), ("shop", "id")
    lake.append("payments", pa.table([[1, 1, 2, 2], [1, 2, 3, 4]], columns))
    lake.append("last", pa.table({"id": [8, 9]}))
    refresh(table, lake, DECLARED)
    lake.append("payments", pa.table([[2], [5]], columns))
    lake.append("last", pa.table({"id": [1]}))
    refresh(table, lake, DECLARED)
    assert held(lake, "made") == rows(lake.sql(query))
