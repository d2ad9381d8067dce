"""Which queries can be brought up to date from changed rows, by which columns, and what is said of the others."""

from __future__ import annotations

import pytest

from headrace import sql
from headrace.plan.increments import Increments, increments
from headrace.types import INT, LogicalType

STR, TIMESTAMP, DATE, FLOAT = (LogicalType(name) for name in ("str", "timestamp", "date", "float"))
COLUMNS = {
    "payments": {"id": INT, "at": TIMESTAMP, "shop": INT, "amount": INT, "kind": STR},
    "shops": {"shop": INT, "region": STR, "since": TIMESTAMP},
    "pays": {"store": INT, "paid": DATE, "amount": INT, "score": FLOAT},
    "stores": {"store": INT, "since": TIMESTAMP, "rate": LogicalType("decimal", 9, 2), "score": FLOAT},
}
FULL = [
    ("select count(*) as n from payments", "it makes one total of all rows"),
    ("select id from payments limit 3", "limit takes some rows of all"),
    ("select sum(id) over (order by id) as s, id from payments", "a window goes over all rows"),
    ("select *, now() as t from payments", "now gives another value each time"),
    ("select *, current_date as t from payments", "current_date gives another value each time"),
    ("select id, current_localtimestamp() as t from payments", "current_localtimestamp gives another value each time"),
    ("select shop, list(to_json(payments)::varchar) as j from payments group by shop", "it takes a row as one value"),
    ("select shop, max(p) as m from payments p group by shop", "it takes a row as one value"),
    ("select id, greatest(*columns(['shop', 'amount'])) as g from payments", "it takes columns by a pattern"),
    ("select id, struct_pack(*columns(*)) as s from payments", "it takes columns by a pattern"),
    ("select * from payments using sample 10", "it takes a sample"),
    ("select kind, region from payments full join shops using (shop)", "a full join shows rows of both sides"),
    (
        "with recursive r as (select 1 as i union all select i + 1 from r where i < 3) select * from r",
        "it is recursive",
    ),
    (
        "select shop, kind, count(*) as n from payments group by rollup (shop, kind)",
        "it groups in several ways at once",
    ),
    ("select date_trunc('day', at) as at, count(*) as n from payments group by at", "at is a column and another"),
    ("select kind as shop, count(*) as n from payments group by shop", "shop is a column and another"),
    ("select amount / 3.0 as third, count(*) as n from payments group by 1", "no column of it says which rows changed"),
    ("select * from payments positional join shops", "it takes a positional join"),
    ("select p.id, s.region from payments p, (select region from shops where shop = p.shop) s", "a query within it"),
    ("select region, count(*) as n from payments left join shops using (shop) group by 1", "a column is of the side"),
]
INCREMENTAL = [
    ("select at::date as Day, count(*) as n from payments group by all", "by day"),
    ("select year(at) as y, month(at) as m, sum(amount) as s from payments group by 1, 2", "by y, m"),
    ("select geomean(amount) as g, kind from payments group by kind", "by kind"),
    ("select * from payments", "adding rows"),
    (
        "select shop, sum(id) over w as n from payments window w as (partition by shop order by (select 1 from shops))",
        "by shop; in full when shops changes",
    ),
    ("select * from payments where at > (select max(since) from shops)", "adding rows; in full when shops changes"),
    ("select shop, list(id order by at) as ids from payments group by shop order by shop", "by shop"),
    ("select shop from payments union select shop from shops", "by shop"),
    ("select region, sum(amount) as s from payments join shops using (shop) group by 1", "by region; in full when "),
    ("select distinct shop, kind from payments", "by shop, kind"),
    ("select distinct on (shop, year(at)) shop, year(at) as y, id from payments order by id", "by shop, y"),
    ("select distinct on (shop) kind as shop, shop as id from payments order by at", "by shop"),
    (
        "select id, first_value(kind) over w as k, shop from payments window w as (partition by shop order by at)",
        "by shop",
    ),
]


def found(query: str) -> Increments:
    with sql.connected() as connection:
        for name, columns in COLUMNS.items():
            sql.make_empty(connection, name, columns)
        return increments(query, COLUMNS, connection)


@pytest.mark.parametrize(("query", "reason"), FULL)
def test_what_cannot_be_followed_is_made_in_full_and_says_why(query: str, reason: str) -> None:
    told = found(query)
    assert not told.any
    assert told.said().startswith("in full: ")
    assert reason in told.said()


@pytest.mark.parametrize(("query", "how"), INCREMENTAL)
def test_what_can_be_followed_says_by_what(query: str, how: str) -> None:
    assert found(query).said().startswith(f"incremental {how}")


def test_columns_that_look_unlike_though_equal_are_not_followed() -> None:
    # '1' and '01' are both 1, so that a shop's number does not say which of the texts is touched.
    joined = "select p.kind, count(*) as n from payments p join shops s on p.kind = s.shop group by 1"
    assert found(joined).by(["payments"]) == ("kind",)
    assert found(joined).by(["shops"]) == ()


@pytest.mark.parametrize("made", ["{}::varchar", "'k' || {}", "length({}::varchar)", "coalesce({}::varchar, 'x')"])
@pytest.mark.parametrize(("left", "right"), [("p.paid", "s.since"), ("p.amount", "s.rate"), ("p.score", "s.score")])
def test_what_is_made_of_one_column_is_not_made_of_another_that_is_equal_and_looks_unlike(
    made: str, left: str, right: str
) -> None:
    """A day and its midnight, 3 and 3.0, 0.0 and -0.0."""
    joined = f"from pays p join stores s on {left} = {right} group by all"
    direct = found(f"select {made.format(left)} as k, count(*) as n {joined}")
    assert (direct.by(["pays"]), direct.by(["stores"])) == (("k",), ())
    within = f"select {made.format('x')} as k, n from (select {left} as x, count(*) as n {joined})"
    assert found(within).by(["stores"]) == ()
    same = found(
        f"select {made.format('p.store')} as k, count(*) as n from pays p join stores s using (store) group by 1"
    )
    assert same.by(["stores"]) == same.by(["pays"]) == ("k",)


def test_functions_that_are_called_on_their_first_argument_are_followed() -> None:
    assert found("select shop.abs() as s, kind.upper() as k, count(*) as n from payments group by all").any
    told = found("select id, amount.sum() as total from payments group by id").said()
    assert told == "incremental by id"


def test_a_change_is_followed_through_columns_that_are_equal() -> None:
    joined = "select p.shop, count(*) as n from payments p join shops s on s.shop = p.shop group by 1"
    assert found(joined).by(["shops"]) == found(joined).by(["payments", "shops"]) == ("shop",)
    beside = "select s.region, count(*) as n from payments p join shops s on s.shop = p.shop group by 1"
    assert found(beside).by(["shops"]) == ("region",)
    assert found(beside).by(["payments", "shops"]) == ()


EXPRESSIONS = """
date_trunc('day', t) | date_trunc('week', d) | t::date | cast(t as date) | d::timestamp | year(t) | month(d)
day(t) | quarter(t) | extract(hour from t) | extract('dow' from d) | time_bucket(interval '6 hours', t)
epoch_us(t) | epoch_ms(t) | i % 7 | i // 3 | -i | i + 2 * (i - 1) | abs(i - 50) | i::varchar
i::decimal(12, 2) * 2 | floor(i::decimal(9, 1)) | i::double::int | lower(s) | upper(s) | trim(s)
substring(s, 2, 3) | left(s, 2) | right(s, 2) | length(s) | s || '-' || i | coalesce(s, '-')
case when i > 50 then 'big' else 'small' end | case i % 3 when 0 then 'a' when 1 then 'b' end
if(i > 3, 1, 0) | i in (1, 2, 3) | i between 3 and 9 | s is null | s is not null and i > 5 | not (i = 3)
i <> 4 or i < 9 | t + interval 1 day | d - 3 | hash(i) | try_cast(s as int) | i / 4 | ceil(i / 4)
(i > 3)::int | s = 'Ab' | t - interval '1 month' | datetrunc('month', t)
"""


@pytest.mark.parametrize("text", [one.strip() for line in EXPRESSIONS.splitlines() for one in line.split(" | ") if one])
def test_what_is_followed_means_the_same_as_sqlglot_writes_it(text: str) -> None:
    import sqlglot

    again = sqlglot.parse_one(text, read="duckdb").sql("duckdb")
    with sql.connected() as connection:
        connection.execute(
            "create table given as select n as i, '2026-01-30 22:10'::timestamptz + to_hours(n * 7) as t,"
            " '2024-02-25'::date + n::int as d, case when n % 9 > 0 then ' aB' || n end as s from range(100) as r(n)"
        )
        differ = f"select count(*) from given where ({text}) is distinct from ({again})"
        assert connection.execute(differ).fetchone() == (0,), again
        kinds = connection.sql(f"select ({text}) as one, ({again}) as other from given").types
        assert kinds[0] == kinds[1]


@pytest.mark.parametrize(
    ("joined", "changed"),
    [
        ("s.region as k from payments p join shops s on p.kind collate nocase = s.region", "payments"),
        ("p.shop as k from payments p join pays r on p.shop = r.score join stores s on r.score = s.store", "stores"),
        (
            "m::varchar as k from payments p join (select avg(score) as m from pays group by store) on p.shop = m",
            "payments",
        ),
        ("hash(x) as k from (select shop as x from payments union all select shop::int from shops)", "shops"),
    ],
)
def test_equality_that_is_not_of_values_that_look_alike_is_not_followed(joined: str, changed: str) -> None:
    """A collation, long numbers by way of a float, a hash of numbers of two widths."""
    assert found(f"select {joined.replace(' from', ', count(*) as n from', 1)} group by 1").by([changed]) == ()
