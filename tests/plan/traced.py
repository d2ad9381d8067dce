"""A project for lineage: three tables by query in a chain, features of the last, a model and a service."""

from __future__ import annotations

import headrace as hr


class Sale(hr.Contract):
    """One sale."""

    sale_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    customer: int = hr.field(privacy="pseudonym")
    email: str = hr.field(privacy="personal")
    shop: int
    amount: hr.Decimal(10, 2) = hr.field(ge=0, le=1000, unit="EUR")
    cost: hr.Decimal(10, 2) = hr.field(ge=0, le=1000, unit="EUR")
    kind: str
    returned: int = hr.field(ge=0, le=1)


class Shop(hr.Contract):
    """A shop."""

    shop: int = hr.key()
    name: str
    region: str


class Habit(hr.Contract):
    """What a customer does, since a day."""

    customer: int = hr.field(privacy="pseudonym")
    since: hr.Timestamp = hr.valid_from()
    total: hr.Decimal(18, 2) | None
    sort: str


BIG = """
with large as (select * from sales where amount > 10),
     numbered as (select *, row_number() over (partition by customer order by at desc) as nth from large)
select n.customer, n.at, n.amount, n.cost, n.nth, s.region, lower(n.email) as mail
from numbered n join shops s using (shop)
"""
DAILY = """
select customer, date_trunc('day', at) as day, sum(amount) as total, count(*) as n,
       sum(amount) - sum(cost) as gain, sum(amount) / sum(cost) as margin, max(region) as region
from big where nth < 100 group by all
union all
select customer, at, amount, 1, amount - cost, 1.0, 'none' from sales where kind = 'gift'
"""
HABITS = """
select customer, day as since, sum(total) over (partition by customer order by day) as total,
       case when region = 'north' then 'a' else 'b' end as sort
from daily
"""
sales = hr.Stream("sales", Sale, source="data/sales*", owner="shop-data")
shops = hr.Table("shops", Shop, source="postgresql://ana:${SHOP}@db:5432/shop", owner="places")
big = hr.Table("big", query=BIG, owner="analysts")
daily = hr.Table("daily", query=DAILY)
habits = hr.Table("habits", Habit, query=HABITS)

customer = hr.Entity("customer")
recent = hr.Features("recent", sales, by=customer, features={
    "mean_7d": hr.mean("amount", "7d"),
    "gifts_7d": hr.count("7d", where="kind = 'gift'"),
    "spent": hr.sum("amount - cost", ["1d", "7d"]),
    "_shops": hr.nunique("shop", "7d"),
})  # fmt: skip
usual = hr.Features("usual", habits, by=customer, features={"total": "total", "a": "sort = 'a'"})
now = hr.Features("now", sales, features={
    "amount": "amount",
    "share": "amount / recent.mean_7d",
    "high": "greatest(amount, recent.mean_7d)",
    "many": "recent._shops > 3",
})  # fmt: skip
cases = hr.TrainingSet(
    "cases", sales, [now, recent, usual], where="amount > 0",
    label=hr.label(sales, "returned", on="sale_id", matures="7d"),
)  # fmt: skip
score = hr.Model("returns", cases, fit=print, split=hr.time_split(train="30d", test="7d"))
desk = hr.Service("desk", score, decide={"block": "score > 0.9 or kind = 'odd'", "review": "usual.total > 100"})
project = hr.Project("shop", services=[desk], sources=[sales, shops, big, daily, habits])
