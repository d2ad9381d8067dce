"""The tables that a query names, found without knowing their columns, for the whole of DuckDB's SELECT."""

from __future__ import annotations

import pyarrow as pa
import pytest

from headrace import sql
from headrace.errors import HeadraceError
from headrace.lake import Lake

_NEITHER = """
select 1
values (1), (2)
from range(3)
from (values (1, 2)) v(a, b) select a
select unnest([1, 2])
with recursive r as (select 1 as a union all select a + 1 from r where a < 3) from r
with recursive r(a, b) using key (a) as (select 1, 2 union select a + 1, b from recurring.r where a < 3) from r
with orders as (select 1 as a) from ORDERS
with a as (select 1 as x), b as (from a) from b join a using (x)
with a as not materialized (select 1 as x) from a
with a as (with b as (select 1) from b) from a
select table_name from information_schema.tables
select table_name from duckdb_tables
select * from sqlite_master
show tables
"""
_ORDERS = """
from orders
table orders
FROM ORDERS SELECT ORDER_ID
select * from "orders"
select "order_id" from "Orders"
select * from main.orders
select o.* from memory.main.orders o
select columns('.*at') from orders
select max(columns(* exclude (channel))) from orders
select order_id, #2 from orders
select order_id from orders order by #1
select * exclude (amount) from orders
select * replace (amount * 2 as amount) from orders
select * rename (amount as paid) from orders
select distinct channel from orders
select distinct on (shop) shop, order_id from orders order by shop, order_id
select count(*) from orders
select count(*) filter (where amount > 1) from orders
select shop, sum(amount) from orders group by shop having sum(amount) > 1
select shop, sum(amount) from orders group by all order by all
select shop, channel, sum(amount) from orders group by rollup (shop, channel)
select shop, channel, sum(amount) from orders group by cube (shop, channel)
select shop, channel, sum(amount) from orders group by grouping sets ((shop), (channel), ())
select case when amount > 1 then 'a' else 'b' end from orders
select amount::varchar || shop from orders where amount between 1 and 2 or shop in ('a') or channel like 'w%'
select try_cast(shop as int), coalesce(amount, 0), nullif(shop, 'a') from orders
select row_number() over (partition by shop order by ordered_at) from orders
select order_id from orders qualify row_number() over (partition by shop order by ordered_at) = 1
select sum(amount) over w from orders window w as (partition by shop order by ordered_at)
select sum(amount) over (order by ordered_at range between interval 1 day preceding and current row) from orders
select avg(amount) over (order by ordered_at rows between 2 preceding and 1 following exclude ties) from orders
select lag(amount, 1, 0.0) over (order by ordered_at), first_value(shop ignore nulls) over () from orders
select unnest(items) as item from orders
select order_id, item from orders, unnest(items) as u(item)
select list_transform(items, lambda x: x + 1), list_filter(items, lambda x: x > 1) from orders
select [x * 2 for x in items if x > 1] from orders
select items[1], items[1:2], list_sum(items), len(items) from orders
select place.city, place['city'], struct_pack(a := amount), {'a': shop} from orders
select unnest(place) from orders
select map([shop], [amount])[shop] from orders
select arg_max(order_id, amount), mode(channel), list(shop order by shop), string_agg(shop, ',') from orders
select quantile_cont(amount, 0.5) from orders
select date_trunc('day', ordered_at), ordered_at + interval 1 day, extract(hour from ordered_at) from orders
select order_id from orders limit 1 offset 1
select order_id from orders limit 50%
select order_id from orders using sample 1 rows
select * from orders tablesample 50%
select a.order_id from orders a, orders b where a.shop = b.shop
select * from orders where amount > (select avg(amount) from orders)
select * from (select shop from orders) t
select t.s from (select shop from orders) t(s)
with o as (from orders) from o
with o as materialized (from orders) from o
with orders as (from orders where amount > 1) from orders
with o(a) as (select shop from orders), p as (from o) select * from p, o
with recursive r as (select min(order_id) as a from orders union all select a + 1 from r where a < 3) from r
with recursive r as (select 1 as a union all select r.a + 1 from r join orders on order_id = a) from r
select (with shops as (select 1 as a) select a from shops) from orders
select * from (pivot orders on channel in ('web', 'shop') using count(*) group by shop)
pivot orders on channel in ('web', 'shop') using sum(amount) group by shop
select * from orders pivot (sum(amount) for channel in ('web', 'shop') group by shop)
unpivot (select shop, channel from orders) on shop, channel into name n value v
select * from (select shop, channel from orders) unpivot (v for n in (shop, channel))
select * from orders union select * from orders
select shop from orders union all by name select channel from orders
select shop from orders except select 'a'
select shop from orders intersect all select 'a'
describe orders
describe select amount from orders
show orders
summarize orders
select column_name from (describe orders)
select * from query_table('orders')
select * from query_table('or' || 'ders')
select * from query('select amount from orders')
select name from pragma_table_info('orders')
from orders select shop where amount > 1 order by shop -- the end
/* first */ select shop from orders;
from orders o, range(2) r select o.shop, r.range
from orders, lateral (select amount * 2 as twice) select twice
select shop.lower().upper() from orders
select exists(from orders), 1 in (select order_id from orders), 1 > all (select order_id from orders)
values ((select max(amount) from orders))
select 'from shops' as text, shop as shops from orders
"""
_BOTH = """
from orders o join shops s using (shop) select o.amount, s.city
from orders semi join shops using (shop)
from orders anti join shops using (shop)
from orders natural join shops
from orders o asof join shops s on o.shop = s.shop and o.ordered_at >= s.since
from orders o asof left join shops s using (shop, since)
select * from orders, shops
select * from orders positional join shops
select * from orders cross join shops
select * from orders o left join shops s on o.shop = s.shop
select shop from orders full join shops using (shop)
select * from orders o right join shops s on o.amount > 1
select * from orders o, lateral (select city from shops s where s.shop = o.shop) l
select o.shop, (select city from shops s where s.shop = o.shop limit 1) from orders o
select shop from orders where exists (from shops where shops.shop = orders.shop)
select shop from orders where shop in (from shops select shop)
select shop from orders where shop = any (select shop from shops)
select shop from orders order by (select count(*) from shops)
select shop from orders limit (select count(*) from shops)
select shop from orders union all by name from shops
select shop from orders union select shop from shops except select 'x'
select shop from orders intersect (with orders as (select shop from shops) from orders)
with orders as (from shops) select (select count(*) from main.orders), city from orders
with a as (from orders), b as (from shops) from a join b using (shop) select city
select (with shops as (select 1 as a) select a from shops) from shops, orders
with o as (with shops as (from orders) from shops) from o, shops
from (pivot orders on channel in ('web') using count(*) group by shop) join shops using (shop)
select sum(amount) filter (where shop in (select shop from shops)) from orders
select shop, max(amount) from orders group by shop having max(amount) < (select count(*) from shops)
from query_table(['orders', 'shops'], true)
from query('from orders join shops using (shop)')
from orders, pragma_table_info('shops')
SELECT O."AMOUNT" FROM "ORDERS" AS O JOIN Shops AS S USING (SHOP)
"""
_QUERIES = [
    *((query, ()) for query in _NEITHER.strip().splitlines()),
    *((query, ("orders",)) for query in _ORDERS.strip().splitlines()),
    *((query, ("orders", "shops")) for query in _BOTH.strip().splitlines()),
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("names") / "lake")
    days = pa.array([0, 86_400_000_000], pa.timestamp("us", "UTC"))
    orders = {
        "order_id": [1, 2],
        "shop": ["a", "b"],
        "channel": ["web", "shop"],
        "amount": [1.5, 2.5],
        "ordered_at": days,
        "since": days,
        "items": [[1, 2], [3]],
        "place": [{"city": "Ulm"}, {"city": "Bonn"}],
    }
    lake.append("orders", pa.table(orders))
    lake.append("shops", pa.table({"shop": ["a", "b"], "city": ["Ulm", "Bonn"], "since": days}))
    return lake


@pytest.mark.parametrize(("query", "names"), _QUERIES)
def test_the_names_are_found_and_the_query_runs(lake: Lake, query: str, names: tuple[str, ...]) -> None:
    assert sql.tables(query) == names
    lake.sql(query)


def test_a_query_of_deep_expressions(lake: Lake) -> None:
    deep = " || ".join(["shop"] * 900)
    assert lake.sql(f"select {deep} as x from orders").num_rows == 2
    with pytest.raises(HeadraceError, match="HR-LAKE-006: found Parser Error: expressions within expressions"):
        sql.tables(f"select {deep} from orders join shops using (shop)")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("pivot orders on channel using count(*)", r"a pivot that does not name its columns.*\(pivot … on … in \(…\)"),
        ("from orders join shops using (shop), read_text('/etc/hosts')", "a query that reaches outside the lake"),
        ("with x as (insert into orders values (1) returning *) from x", "HR-LAKE-00[56]: found"),
    ],
)
def test_refused(lake: Lake, query: str, text: str) -> None:
    with pytest.raises(HeadraceError, match=text):
        lake.sql(query)


def test_a_query_that_names_no_table_opens_no_file_of_any(lake: Lake) -> None:
    (path,) = (text.replace("'", "''") for text in lake.files("shops"))
    with pytest.raises(HeadraceError, match="HR-LAKE-005: found a query that reaches outside the lake"):
        lake.sql(f"from read_parquet('{path}')")
