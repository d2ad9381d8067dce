"""Given rows of a test of a query: filled value by value, read as loading reads them, held to their contract."""

from __future__ import annotations

import datetime

import pytest

import headrace as hr
from headrace.errors import HeadraceError
from headrace.testing import check_query, query_rows


class Part(hr.Contract):
    city: str
    size: int = hr.field(ge=1)


class Sale(hr.Contract):
    """What is sold."""

    sale_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    amount: hr.Decimal(9, 2) = hr.field(ge=0)
    code: str = hr.field(pattern="[A-Z]{2}")
    tags: list[str]
    part: Part
    fee: hr.Decimal(9, 2) = hr.field(ge=0)
    covered = hr.check("fee <= amount")


class Account(hr.Contract):
    account: int = hr.key()
    plan: str
    since: hr.Timestamp = hr.valid_from()
    until: hr.Timestamp | None = hr.valid_to()


class Total(hr.Contract):
    code: str = hr.key()
    total: hr.Decimal(12, 2) = hr.field(le=1000)


sales = hr.Stream("sales", Sale)
accounts = hr.Table("accounts", Account, source=[{"account": 1, "plan": "x"}], history=True)
by_code = hr.Table("by_code", Total, query="select code, sum(amount) as total from sales group by code")
sizes = hr.Table("sizes", query="select sale_id, amount, tags, part.size as size, part.city as city from sales")
added = hr.Table("added", query="select sale_id, _seq, _known_at from sales")
plans = hr.Table("plans", query="select account, count(*) as states from accounts group by account")
most = hr.Table("most", query="select max(total) as most from by_code")
lost = hr.Table("lost", query="select count(*) as n from quarantine_sales")
of_lost = hr.Table("of_lost", query="select n + 1 as n from lost")
PROJECT = hr.Project("shop", sources=[sales, accounts, by_code, sizes, added, plans, most, lost, of_lost])


def refused(name: str, given: dict[str, object]) -> list[tuple[str, str]]:
    with pytest.raises(HeadraceError) as failed:
        query_rows(PROJECT, name, given)  # type: ignore[arg-type]
    return [(fault.code, fault.found) for fault in failed.value.faults]


def test_another_table_that_cannot_be_made_is_no_matter() -> None:
    check_query(PROJECT, "by_code", {"sales": [{"code": "AB", "amount": 1}]}, [{"code": "AB", "total": 1}])


def test_a_table_that_it_needs_and_that_cannot_be_made_is_told_at_its_place() -> None:
    with pytest.raises(HeadraceError) as failed:
        query_rows(PROJECT, "of_lost", {})
    (fault,) = failed.value.faults
    assert (fault.code, fault.place) == ("HR-LAKE-001", lost.place)
    assert fault.found == "lost: no table quarantine_sales in the project"


def test_what_one_row_leaves_out_is_filled_for_that_row() -> None:
    given = [{"sale_id": "1", "amount": 5, "tags": ["a"]}, {"part": {"city": "Rome", "size": 3}}]
    made = query_rows(PROJECT, "sizes", {"sales": given}).to_pylist()
    assert [str(one["amount"]) for one in made] == ["5.00", "0.00"]
    assert [one["tags"] for one in made] == [["a"], []]
    assert [(one["size"], one["city"]) for one in made] == [(1, ""), (3, "Rome")]
    assert made[1]["sale_id"] not in ("1", None)


def test_rows_that_the_table_can_never_hold_are_refused_with_row_column_and_rule() -> None:
    given = [
        {"amount": "2", "fee": 1},
        {"amount": -1},
        {"sale_id": "7"},
        {"sale_id": "7"},
        {"amount": 1, "fee": 2},
        {"amount": None},
        {"part": {"city": "Rome", "size": 0}},
        {"code": "abc"},
    ]
    told = refused("by_code", {"sales": given})
    assert {code for code, _ in told} == {"HR-TEST-005"}
    assert sorted(found for _, found in told) == [
        "sales: amount of row 2 is -1, which is below 0 (HR-DATA-004)",
        "sales: amount of row 6 is null, which is empty and may not be (HR-DATA-001)",
        "sales: code of row 8 is 'abc', which does not match [A-Z]{2} (HR-DATA-006)",
        "sales: covered of row 5 does not hold: fee <= amount (HR-QUALITY-010)",
        "sales: part.size of row 7 is below 1 (HR-DATA-004)",
        "sales: sale_id of row 4 is '7', which is the key of an earlier row (HR-DATA-008)",
    ]


def test_rows_of_a_table_by_query_keep_its_contract_too() -> None:
    given = [{"code": "AB", "total": 1}, {"code": "AB", "total": 1001}]
    assert [found for _, found in refused("most", {"by_code": given})] == [
        "by_code: total of row 2 is 1001, which is above 1000 (HR-DATA-004)",
        "by_code: code of row 2 is 'AB', which is the key of an earlier row (HR-DATA-008)",
    ]
    check_query(PROJECT, "most", {"by_code": given[:1]}, [{"most": 1}])


def test_a_table_with_history_holds_a_row_for_each_state() -> None:
    given = [{"account": 1, "since": "2026-01-01"}, {"account": 1, "since": "2026-02-01"}]
    check_query(PROJECT, "plans", {"accounts": given}, [{"account": 1, "states": 2}])
    ended = [{"account": 1, "since": "2026-02-01", "until": "2026-01-01"}]
    assert refused("plans", {"accounts": ended})[0][1].startswith("accounts: until of row 1")


CSV = """
    sale_id, tags, part
    s, ["a"], "{""city"": ""Rome"", ""size"": 2}"
    t, "[""a"", ""b""]", "{""size"": 3}"
"""


def test_lists_and_nested_values_of_csv_are_json() -> None:
    given = CSV
    told = refused("sizes", {"sales": given})
    assert told == [("HR-TEST-005", "sales: part.city of row 2 is empty and may not be (HR-DATA-001)")]
    given = given.replace('{""size"": 3}', '{""city"": """", ""size"": 3}')
    expect = 'sale_id, tags, size\ns, ["a"], 2\nt, "[""a"", ""b""]", 3\n'
    check_query(PROJECT, "sizes", {"sales": given}, expect)
    ((code, found),) = refused("sizes", {"sales": "tags\n[a]\n"})
    assert (code, found) == ("HR-TEST-004", "sales: tags of row 1 is '[a]'")


def test_columns_that_loading_adds_can_be_expected() -> None:
    given = [{"sale_id": "s", "at": "2026-01-01T10:00Z"}, {"sale_id": "t"}]
    at = datetime.datetime(2026, 1, 1, 10, tzinfo=datetime.UTC)
    expect = [{"sale_id": "s", "_seq": 1, "_known_at": at}, {"sale_id": "t", "_seq": 2, "_known_at": "1970-01-01"}]
    check_query(PROJECT, "added", {"sales": given}, expect)
    check_query(PROJECT, "added", {"sales": [{"_seq": 9}]}, [{"_seq": 9}])
