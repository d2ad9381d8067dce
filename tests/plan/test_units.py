"""Units on their way: kept, lost, wrong, and brought together as if they were one."""

from __future__ import annotations

import pytest

import headrace as hr
from headrace.plan import check, lineage


class Place(hr.Contract):
    city: str
    height: int = hr.field(unit="m")


class Sale(hr.Contract):
    at: hr.Timestamp = hr.event_time()
    customer: int = hr.key()
    euros: hr.Decimal(10, 2) = hr.field(ge=0, le=1000, unit="EUR")
    dollars: hr.Decimal(10, 2) = hr.field(ge=0, le=1000, unit="USD")
    place: Place
    places: list[Place]
    left: int = hr.field(ge=0, le=1)


class Silent(hr.Contract):
    it: hr.Decimal(18, 2) | None


class Dollars(hr.Contract):
    it: hr.Decimal(18, 2) | None = hr.field(unit="USD")


class Euros(hr.Contract):
    it: hr.Decimal(18, 2) | None = hr.field(unit="EUR")


sales = hr.Stream("sales", Sale)


def told(query: str, contract: type[hr.Contract]) -> list[tuple[str, str, str]]:
    project = hr.Project("p", sources=[sales, hr.Table("t", contract, query=query)])
    return [(fault.code, fault.severity, fault.found) for fault in check(project)]


@pytest.mark.parametrize("value", ["euros", "sum(euros)", "avg(euros)", "max(euros)", "coalesce(euros, 0)"])
def test_a_unit_that_a_contract_leaves_out_or_says_otherwise_is_told(value: str) -> None:
    query = f"select {value} as it from sales"
    lost = "t.it without a unit, while its query gives EUR from sales.euros"
    assert told(query, Silent) == [("HR-LINEAGE-005", "warning", lost)]
    wrong = "t.it in USD, while its query gives EUR from sales.euros"
    assert told(query, Dollars) == [("HR-LINEAGE-004", "warning", wrong)]
    assert told(query, Euros) == []
    nodes = lineage(hr.Project("p", sources=[sales, hr.Table("t", Silent, query=query)])).nodes
    assert nodes["column:t.it"].unit == "EUR"


@pytest.mark.parametrize("value", ["euros * 0.9", "count(euros)", "euros / 100", "euros / dollars"])
def test_what_has_no_unit_of_its_own_may_be_called_as_one_likes(value: str) -> None:
    assert told(f"select {value} as it from sales", Dollars) == told(f"select {value} as it from sales", Silent) == []


MIXED = {
    "select euros + dollars as it from sales": "euros + dollars",
    "select sum(euros - dollars) / 2 as it from sales": "euros - dollars",
    "select euros as it from sales union all select dollars from sales": "euros and dollars",
    "select coalesce(euros, dollars) as it from sales": "coalesce(euros, dollars)",
    "select greatest(euros, dollars, 1) as it from sales": "greatest(euros, dollars, 1)",
    "select case when euros > dollars then 1 else 0 end as it from sales": "euros > dollars",
    "with a as (select euros + dollars as b from sales) select b as it from a": "euros + dollars",
}


@pytest.mark.parametrize("query", MIXED)
def test_units_that_come_together_are_told(query: str) -> None:
    found = f"t.it brings together EUR and USD as if they were one: {MIXED[query]}"
    assert told(query, Euros) == [("HR-LINEAGE-006", "warning", found)]


def test_units_that_come_together_in_a_filter_are_told_once() -> None:
    query = "select euros as it from sales where euros < dollars"
    found = "rows of t bring together EUR and USD as if they were one: euros < dollars"
    assert told(query, Euros) == [("HR-LINEAGE-006", "warning", found)]


def test_literals_and_numbers_without_unit_mix_with_any() -> None:
    query = "select case when euros > 5 then euros + customer else euros + 1 end as it from sales"
    assert told(query, Euros) == []


def features(expression: str | hr.Window, **more: object) -> list[str]:
    group = hr.Features("now", sales, features={"it": expression}, **more)  # type: ignore[arg-type]
    return [fault.found for fault in check(hr.Project("p", features=[group]))]


def test_units_that_come_together_in_features_are_told() -> None:
    customer = hr.Entity("customer")
    told = "now.it brings together EUR and USD as if they were one: "
    assert features("euros + dollars") == [told + "euros + dollars"]
    assert features("greatest(euros, dollars) > 1") == [told + "greatest(euros, dollars) > 1"]
    assert features(hr.sum("euros - dollars", "7d"), by=customer)[0].startswith(told + "sum(euros - dollars)")
    assert features(hr.count("7d", where="euros > dollars"), by=customer)[0].startswith(told)
    assert features("euros / dollars + 1") == []


def test_units_of_nested_fields_travel() -> None:
    flat = hr.Table("flat", query="select place.height as h, places[1].height as first, place as whole from sales")
    deep = hr.Table("deep", query="select whole.height as h, place['height'] as i from flat, sales")
    group = hr.Features("f", sales, by=hr.Entity("customer"), features={"high": hr.max("place.height", "7d")})
    nodes = lineage(hr.Project("p", sources=[sales, flat, deep], features=[group])).nodes
    kept = ("column:flat.h", "column:flat.first", "column:deep.h", "column:deep.i", "feature:f.high")
    assert [nodes[name].unit for name in kept] == ["m"] * 5


def test_a_unit_that_only_a_nested_field_has_is_told_where_it_is_lost() -> None:
    class Wide(hr.Contract):
        at: hr.Timestamp = hr.event_time()
        place: Place

    wide = hr.Stream("wide", Wide)
    lost = hr.Table("t", Silent, query="select place.height::decimal(18, 2) as it from wide")
    (fault,) = check(hr.Project("p", sources=[wide, lost]))
    assert fault.code == "HR-LINEAGE-005"
