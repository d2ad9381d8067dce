"""Nested contracts from a collection and an API: the same structs in the lake, each row judged by itself."""

from __future__ import annotations

import datetime
import decimal
import json
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace.connect import ingest
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.testing import Answer, Server
from tests.connect.test_collection import HOME
from tests.connect.test_collection import Server as Mongo


class Address(hr.Contract):
    city: str = hr.field(min_length=2)
    since: hr.Timestamp | None


class Line(hr.Contract):
    sku: str
    price: hr.Decimal(8, 2) = hr.field(ge=0)


class Order(hr.Contract):
    order_id: int = hr.key()
    at: hr.Timestamp = hr.event_time()
    address: Address | None
    lines: list[Line]
    person_id: int

    not_rome = hr.check("address.city <> 'Rome' or person_id = 1")


SINCE = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)


def _documents(price: Any, moment: Any) -> list[dict[str, Any]]:
    def one(number: int, **more: Any) -> dict[str, Any]:
        line = {"sku": "a", "price": price, "more": 1}
        said = {"order_id": number, "at": moment, "address": {"city": "Bonn", "since": moment}, "lines": [line]}
        return said | {"person": {"id": 2}} | more

    return [
        one(1),
        one(2, address=None, lines=[]),
        one(3, address={"city": "B"}),
        one(4, lines=[{"sku": "a", "price": -1}]),
        one(5, address={"city": "Rome"}),
        one(6, address="Bonn"),
        one(7, lines=[{"sku": 7}]),
        one(8, lines={"sku": "a", "price": price}),
    ]


def _check(source: Any, folder: Path) -> None:
    lake = Lake(folder / "lake")
    report = ingest(hr.Stream("orders", Order, source=source), folder, lake)
    assert (report.received, report.accepted, report.quarantined) == (8, 2, 6)
    first, second = lake.read("orders", columns=["order_id", "address", "lines", "person_id"]).to_pylist()
    assert first == {
        "order_id": 1,
        "address": {"city": "Bonn", "since": SINCE},
        "lines": [{"sku": "a", "price": decimal.Decimal("1.50")}],
        "person_id": 2,
    }
    assert (second["address"], second["lines"]) == (None, [])
    told = lake.read("quarantine_orders").to_pylist()
    found = {json.loads(one["row"])["order_id"]: " ".join(one["reasons"]) for one in told}
    for number, word in {
        3: "address.city: B is shorter than 2",
        4: "lines.price: is below 0",
        5: "not_rome",
        6: "address",
        7: "lines",
        8: "lines",
    }.items():
        assert word in found[number], found


@pytest.mark.skipif(not (HOME / "mongo-server").exists(), reason="no MongoDB: set HEADRACE_MONGO_HOME")
def test_documents_of_a_collection(tmp_path: Path) -> None:
    import bson

    mongo = Mongo(tmp_path)
    try:
        mongo.client.shop.orders.insert_many(_documents(bson.Decimal128("1.50"), SINCE))
        _check(hr.Collection(mongo.url, "orders"), tmp_path)
    finally:
        mongo.client.close()
        mongo.stop()


def test_rows_of_an_api(tmp_path: Path) -> None:
    with Server([Answer(_documents(1.50, "2026-01-31T12:00:00Z"))]) as server:
        _check(hr.Api(server.url), tmp_path)


def _lines(price: Any, **more: type) -> hr.Stream:
    names: dict[str, Any] = {"__annotations__": {"sku": str, "price": price, **more}}
    line = type("Line", (hr.Contract,), names)
    said = {"order_id": int, "at": hr.Timestamp, "lines": list[line]}  # type: ignore[valid-type]
    order = type("Order", (hr.Contract,), {"__annotations__": said, "order_id": hr.key(), "at": hr.event_time()})
    return hr.Stream("orders", order, source="orders*")


def test_a_table_follows_a_change_within(tmp_path: Path) -> None:
    lines = [{"sku": "a", "price": 1.5, "note": "x"}]
    row = {"order_id": 1, "at": "2026-01-31T12:00:00Z", "lines": lines}
    (tmp_path / "orders.jsonl").write_text(json.dumps(row) + "\n")
    lake = Lake(tmp_path / "lake")
    ingest(_lines(hr.Decimal(8, 2), note=str | None), tmp_path, lake)
    wider = _lines(hr.Decimal(8, 2), note=str | None, unit=str | None)
    ingest(wider, tmp_path, lake)
    found = {"sku": "a", "price": decimal.Decimal("1.50"), "note": "x", "unit": None}
    assert lake.read("orders")["lines"].to_pylist() == [[found]]
    narrower = _lines(hr.Decimal(6, 2), unit=str | None)
    with pytest.raises(HeadraceError, match="HR-EVOLVE-001"):
        ingest(narrower, tmp_path, lake)
    ingest(narrower, tmp_path, lake, accept=True)
    del found["note"]
    assert lake.read("orders")["lines"].to_pylist() == [[found]]
    with pytest.raises(HeadraceError, match=r"HR-EVOLVE-002 .*lines of orders"):
        ingest(_lines(hr.Timestamp, unit=str | None), tmp_path, lake, accept=True)
    assert lake.read("orders")["lines"].to_pylist() == [[found]]
