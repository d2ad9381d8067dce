"""Columns of queries: what they are made of directly, and what only decides about rows; never less than there is."""

from __future__ import annotations

import duckdb
import pytest

from headrace import sql
from headrace.plan.selected import Selected, selected

TABLES = {"pay": ["id", "at", "who", "amount"], "cust": ["who", "kind"]}
PAY = {("pay", column) for column in TABLES["pay"]}


def found(query: str) -> Selected:
    with duckdb.connect() as connection:
        connection.execute('create table pay (id int, "at" timestamptz, who int, amount double)')
        connection.execute("create table cust (who int, kind varchar)")
        count = len(connection.sql(sql.readable(query)).columns)
    return selected(query, count, TABLES, lambda column: "EUR" if column == ("pay", "amount") else "")


IN = {"pay.who", "cust.*", "cust.who", "cust.kind"}
"""Of a value that asks whether a customer is among those of a kind: the kind is told by it."""
CASES: dict[str, list[set[str]]] = {
    "select amount, who as w from pay": [{"pay.amount"}, {"pay.who"}],
    "from pay": [{"pay.id"}, {"pay.at"}, {"pay.who"}, {"pay.amount"}],
    "select * exclude (id) replace (amount + who as amount) from pay": [
        {"pay.at"},
        {"pay.who"},
        {"pay.amount", "pay.who"},
    ],
    "select AMOUNT, Pay.Who from PAY": [{"pay.amount"}, {"pay.who"}],
    "with a as (select amount * 2 as x from pay), b as (select x + 1 as y from a) select y from b": [{"pay.amount"}],
    "select x.k from (select kind as k from cust) as x": [{"cust.kind"}],
    "select amount from pay union all select who from cust": [{"pay.amount", "cust.who"}],
    "select amount as a from pay union by name select kind as b from cust": [{"pay.amount"}, {"cust.kind"}],
    "select amount, id, at from pay union all select who, who, now() from cust": [
        {"pay.amount", "cust.who"},
        {"pay.id", "cust.who"},
        {"pay.at"},
    ],
    "select count(*), count(amount), sum(amount) filter (where who > 3) from pay": [
        {"pay.*"},
        {"pay.amount"},
        {"pay.amount", "pay.who"},
    ],
    "select case when who = 3 then 1 else 0 end from pay": [{"pay.who"}],
    "select row_number() over (partition by who order by at), lag(amount) over (order by at) from pay": [
        {"pay.*", "pay.at"},
        {"pay.amount"},
    ],
    "select percent_rank() over w, ntile(4) over w from pay window w as (order by who)": [
        {"pay.*", "pay.who"},
        {"pay.*", "pay.who"},
    ],
    "select count(*) over (order by who), first_value(id) over (order by who) from pay": [
        {"pay.*", "pay.who"},
        {"pay.id"},
    ],
    "select sum(amount) over w from pay window w as (partition by who order by at)": [{"pay.amount"}],
    "select (select max(kind) from cust c where c.who = p.who) from pay p": [
        {"cust.*", "cust.kind", "cust.who", "pay.who"}
    ],
    "select exists(select 1 from cust c where kind = 'a') from pay": [{"cust.*", "cust.kind"}],
    "select who in (select who from cust where kind = 'a') from pay": [IN],
    "select who not in (select who from cust where kind = 'a') from pay": [IN],
    "select who = any(select who from cust where kind = 'a') from pay": [IN],
    "select who > all(select who from cust where kind = 'a') from pay": [IN],
    "select (who, 1) in (select who, 1 from cust where kind = 'a') from pay": [IN],
    "select sum(case when who in (select who from cust where kind = 'a') then 1 end) as n from pay": [IN],
    "select (select true from cust c where c.who = p.who and kind = 'a') from pay p": [IN],
    "select array(select who from cust where kind = 'a') from pay": [{"cust.*", "cust.who", "cust.kind"}],
    "select [x for x in (select list(who) from cust where kind = 'a')] from pay": [{"cust.*", "cust.who", "cust.kind"}],
    "select who in (select who from cust qualify row_number() over (order by kind) = 1) from pay": [IN],
    "select who in (select who from cust group by who having max(kind) = 'a') from pay": [IN],
    "select who in (select who from cust group by who, kind) from pay": [IN],
    "select who in (select who from cust order by kind limit 1) from pay": [IN],
    "select who in (select who from cust order by kind) from pay": [{"cust.*", "cust.who", "pay.who"}],
    "select who in (select a.who from cust a join cust b on a.kind = b.kind) from pay": [IN],
    "select who in (select who from cust where who in (select who from cust where kind = 'a')) from pay": [IN],
    "with k as (select who from cust where kind = 'a'), l as (from k) select who in (from l as m) from pay": [IN],
    "select who in (select who from cust where kind = 'a' intersect select 1) from pay": [IN],
    "select (select count(*) from (select who from cust where kind = 'a')) from pay": [{"cust.*", "cust.kind"}],
    "select u.x, amount from pay, unnest([who, 1]) as u(x)": [{"pay.who"}, {"pay.amount"}],
    "select mode() within group (order by who), percentile_cont(0.5) within group (order by amount) from pay": [
        {"pay.who"},
        {"pay.amount"},
    ],
    "select percentile_disc(0.5) within group (order by who) filter (where id > 1) as m from pay": [
        {"pay.who", "pay.id"}
    ],
    "select d.day, sum(amount) as s from range(10) as d(day) left join pay on id = d.day group by all": [
        set(),
        {"pay.amount"},
    ],
    "select generate_series, r.range from generate_series(1, 3), range(2) as r": [set(), set()],
    "select id, s.x from pay, generate_series(1, who) as s(x)": [{"pay.id"}, {"pay.who"}],
    "select id, s.x from pay, lateral range(who) as s(x)": [{"pay.id"}, {"pay.who"}],
    "select {'a': amount, 'b': who} as both from pay": [{"pay.amount", "pay.who"}],
    "select who.greatest(3) as a, amount.round(2).abs() as b, sum(id).abs() as c from pay group by all": [
        {"pay.who"},
        {"pay.amount"},
        {"pay.id"},
    ],
    "select p.amount.greatest(p.who, id) as a, x.k.upper() as b from pay p, (select kind.lower() as k from cust) x": [
        {"pay.amount", "pay.who", "pay.id"},
        {"cust.kind"},
    ],
    "from (unpivot pay on amount, who into name k value v)": [
        {"pay.id"},
        {"pay.at"},
        set(),
        {"pay.amount", "pay.who"},
    ],
    "select v, u.id from pay unpivot (v for k in (AMOUNT, who)) as u": [{"pay.amount", "pay.who"}, {"pay.id"}],
    "unpivot pay on columns(* exclude (id, at)) into name k value v": [
        {"pay.id"},
        {"pay.at"},
        set(),
        {"pay.amount", "pay.who"},
    ],
    "with u as (unpivot (select id, amount from pay) on amount) select value from u": [{"pay.amount"}],
    "select q.k from pay p, lateral (select max(kind) as k from cust c where c.who = p.who) q": [{"cust.kind"}],
    "select 1 as one, t.b from (values (1, 2)) as t(a, b)": [set(), set()],
}


@pytest.mark.parametrize("query", CASES)
def test_columns_are_made_of(query: str) -> None:
    given = found(query)
    assert given.exact
    assert [{".".join(one) for one in made.direct} for made in given.columns] == CASES[query]


ROWS = {
    "select amount from pay where who > 3": {"pay.who": "filter"},
    "select p.amount from pay p join cust c on p.who = c.who": {"pay.who": "join", "cust.who": "join"},
    "select amount from pay semi join cust using (who)": {"pay.who": "join", "cust.who": "join"},
    "select who, sum(amount) as s from pay group by all": {"pay.who": "group"},
    "select who, sum(amount) as s from pay group by 1 having s > 3": {"pay.who": "group", "pay.amount": "filter"},
    "select amount from pay qualify row_number() over (partition by who order by at) = 1": {
        "pay.*": "filter",
        "pay.who": "filter",
        "pay.at": "filter",
    },
    "select amount from pay order by at limit 3": {"pay.at": "order"},
    "select amount from pay order by at": {},
    "select amount from pay order by at limit (select max(who) from cust)": {
        "pay.at": "order",
        "cust.who": "order",
        "cust.*": "order",
    },
    "select amount from pay offset (select max(who) from cust)": {"cust.who": "order", "cust.*": "order"},
    "select amount, id from pay union all select who, who from cust order by 2 limit 3": {
        "pay.id": "order",
        "cust.who": "order",
    },
    "select amount from pay, range(who) as r(x)": {"pay.who": "join"},
    "select distinct on (who) amount from pay order by at": {"pay.who": "group", "pay.at": "order"},
    "select amount from pay except select amount from pay where at > now()": {
        "pay.amount": "filter",
        "pay.at": "filter",
    },
    "select amount from pay p where not exists (select 1 from cust c where c.who = p.who)": {
        "cust.*": "filter",
        "cust.who": "filter",
        "pay.who": "filter",
    },
    "select amount from pay where who in (select who from cust where kind = 'a')": {
        "pay.who": "filter",
        "cust.who": "filter",
        "cust.*": "filter",
        "cust.kind": "filter",
    },
    "select amount, unnest([who, 1]) as x from pay": {"pay.who": "join"},
    "select u.x from pay, unnest([who, 1]) as u(x)": {"pay.who": "join"},
    "select amount, (select max(x) from unnest([who, 1]) as u(x)) as x from pay": {},
    "select q.k from pay p, lateral (select kind as k, who as other from cust c where c.who = p.who) q": {
        "cust.who": "filter",
        "pay.who": "filter",
    },
    "with few as (select * from pay where at > now()) select amount from few": {"pay.at": "filter"},
}


@pytest.mark.parametrize("query", ROWS)
def test_rows_are_chosen_by(query: str) -> None:
    given = found(query)
    assert given.exact
    assert {".".join(one): how for one, how in given.rows.indirect.items()} == ROWS[query]
    assert ("pay", "*") in given.rows.direct


@pytest.mark.parametrize(
    "query",
    [
        "select columns('a.*') from pay",
        "select * like 'a%' from pay",
        "select * from (select id, amount as id from pay) as p",
        "select * from (select id, amount as id from pay union all select who, who from cust) as p",
        "select * glob 'a*' from (select amount from pay) as p",
        "select struct_pack(amount, *columns('who')) from pay",
        "select k, v from pay unpivot ((v, w) for k in ((amount, who)))",
        "from (pivot pay on who in (1, 2) using sum(amount))",
        "select p from pay p",
        "select t.d from pay as t(a, b, c, d)",
        "with recursive r as (select who, 1 as n from pay union all select who, n + 1 from r where n < 3) from r",
    ],
)
def test_what_cannot_be_followed_is_made_of_everything(query: str) -> None:
    given = found(query)
    assert not given.exact
    for made in given.columns:
        assert set(made.direct) >= PAY
    assert set(given.rows.indirect) | set(given.rows.direct) >= PAY


def test_keys_and_order_of_a_window_are_indirect() -> None:
    (made,) = found("select sum(amount) over (partition by who order by at) from pay").columns
    assert made.indirect == {("pay", "who"): "partition", ("pay", "at"): "order"}
    assert made.direct == {("pay", "amount"): "window"}


def test_how_a_column_is_made() -> None:
    query = "with a as (select amount, sum(amount) as s, amount + 1 as more from pay group by all) from a"
    assert [list(made.direct.values()) for made in found(query).columns] == [["copy"], ["aggregate"], ["expression"]]
    assert found("select sum(amount) as s from pay").columns[0].said == "sum(amount)"


@pytest.mark.parametrize(
    "query",
    [
        "select part from (select id, who % 7 as part from pay) group by all",
        "with a as (select who % 7 as part from pay), b as (from a) select b.part as p from b order by b.part",
    ],
)
def test_what_is_copied_from_a_query_within_is_said_as_it_is_written_there(query: str) -> None:
    (made,) = found(query).columns
    assert (made.said, made.direct) == ("who % 7", {("pay", "who"): "expression"})


@pytest.mark.parametrize(
    ("expression", "unit"),
    [
        ("amount", "EUR"), ("sum(amount)", "EUR"), ("avg(amount)", "EUR"), ("min(amount)", "EUR"),
        ("-amount", "EUR"), ("amount + amount", "EUR"), ("coalesce(amount, 0)", "EUR"), ("round(amount, 1)", "EUR"),
        ("cast(amount as int)", "EUR"), ("case when who > 1 then amount else 0 end", "EUR"),
        ("greatest(amount, 1)", "EUR"), ("(select max(amount) from pay)", "EUR"), ("arg_max(amount, at)", "EUR"),
        ("percentile_disc(0.5) within group (order by amount)", "EUR"),
        ("count(amount)", ""), ("amount / amount", ""), ("amount * 2", ""), ("amount + who", ""), ("who", ""),
        ("variance(amount)", ""), ("case when amount > 1 then who else 0 end", ""), ("amount > 1", ""),
    ],
)  # fmt: skip
def test_units_that_operations_keep(expression: str, unit: str) -> None:
    suffix = " group by all" if any(name in expression for name in ("sum(", "avg(", "min(", "count(")) else ""
    assert found(f"select {expression} as it from pay{suffix}").columns[0].unit == unit


def test_units_of_what_is_unpivoted() -> None:
    both = "(select id, amount as a, amount * 1 as c, amount as b from pay)"
    query = f"select v from {both} unpivot (v for k in (a, b))"
    assert found(query).columns[0].unit == "EUR"
    assert found(f"select v from {both} unpivot (v for k in (a, c))").columns[0].unit == ""


def test_a_column_that_is_not_seen_as_one_makes_the_whole_query_unfollowed() -> None:
    made = found("select main.abs(amount) as a from pay")
    assert not made.exact
    assert set(made.columns[0].direct) >= PAY
