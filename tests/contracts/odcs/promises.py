"""Contracts that promise all that a contract can."""

import enum
from typing import Literal

import headrace as hr


class State(enum.StrEnum):
    NEW = "new"
    PAID = "paid"


class Address(hr.Contract):
    city: str = hr.field(min_length=2, privacy="personal", severity="warn")
    postcode: str | None = hr.field(pattern="[0-9]+")


class Line(hr.Contract):
    sku: str
    price: hr.Decimal(8, 2) = hr.field(ge=0)
    kinds: list[int] = hr.field(isin=[1, 2])


class Shop(hr.Contract):
    shop_id: int = hr.key()
    code: str


class Till(hr.Contract):
    shop: int = hr.key()
    till: str = hr.key()

    enough = hr.volume(at_least=10, severity="stop")
    some = hr.volume(at_least=1, at_most=9)
    exactly = hr.volume(at_least=4, at_most=4)


class Sale(hr.Contract):
    """One sale."""

    sale_id: str = hr.key(severity="stop")
    at: hr.Timestamp = hr.event_time(zone="Europe/Rome")
    seen: hr.Timestamp = hr.known_time()
    shop: int
    till: str | None
    shop_code: str | None
    order_no: str = hr.field(name="order-no")
    state: State = hr.field(severity="warn")
    channel: Literal["web", "shop"]
    tags: list[str] = hr.field(max_length=3, pattern="[a-z]+", severity="stop")
    scores: list[int | None]
    address: Address | None
    lines: list[Line]
    net: hr.Decimal(8, 2) = hr.field(ge=0, severity="stop", unit="EUR")
    gross: hr.Decimal(18, 2) = hr.field(ge="0.1", le="9999999999999999.99")
    who: int = hr.field(privacy="pseudonym", subject=True, isin=[1, 2], severity="warn")

    with_tax = hr.check("gross >= net")
    usual_tax = hr.check("net <= net * 1.3", severity="warn")
    in_city = hr.check("address.city <> 'Ro''me)' or channel = 'web'", severity="stop")
    dashed = hr.check("\"order-no\" <> '' -- of the till\n")
    one_receipt = hr.unique("shop", "order-no")
    one_who = hr.unique("who", severity="warn")
    of_shop = hr.reference("shop", to="shops")
    of_shop_id = hr.reference("shop", to="shops.shop_id", severity="warn")
    of_code = hr.reference("shop_code", to="shops.code", severity="stop")
    of_till = hr.reference("shop", "till", to="tills")
    in_länge = hr.fresh("120m")
    recent = hr.fresh("3w", severity="stop")
    steady = hr.volume(within=0.5, last=9)
    some = hr.volume(at_least=3, severity="stop")
    amounts = hr.distribution("net", within=0.15, severity="stop")


class Day(hr.Contract):
    day: hr.Timestamp = hr.event_time()
    sales: int

    there = hr.volume(at_least=1)


def bakery():
    """A project of all of them."""
    query = "select date_trunc('day', at) as day, count(*) as sales from sales group by all"
    return hr.Project(
        "bakery",
        sources=[
            hr.Table("shops", Shop, source="data/shops*", refresh="1h"),
            hr.Table("tills", Till, source="elsewhere/tills.csv", load="replace", owner="till"),
            hr.Stream("sales", Sale, source="data/sales*", owner="till", lateness="2h"),
            hr.Table("days", Day, query=query),
        ],
    )
