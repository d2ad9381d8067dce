"""Collections of MongoDB, from a server that speaks its protocol."""

from __future__ import annotations

import datetime
import decimal
import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import bson
import pymongo
import pytest

import headrace as hr
from headrace.connect import ingest
from headrace.connect.origins import Away
from headrace.connect.origins.collection import CollectionReader
from headrace.errors import HeadraceError
from headrace.lake import Lake
from tests.connect.orders import Order, order, pairs, place_in, texts
from tests.docs.blocks import ROOT

HOME = Path(os.environ.get("HEADRACE_MONGO_HOME") or ROOT.parent / "shared" / "mongo")
pytestmark = pytest.mark.skipif(
    not (HOME / "mongo-server").exists(), reason="no MongoDB: set HEADRACE_MONGO_HOME to the folder of mongo-server"
)
Moment = datetime.datetime


class Server:
    """MongoDB's protocol over a file, on a port of its own; what is in it survives a restart."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.url, self._file = f"mongodb://127.0.0.1:{self.port}/shop", folder / "mongo"
        self.client: Any = pymongo.MongoClient(self.url, serverSelectionTimeoutMS=20_000)
        self.start()

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        command = [str(HOME / "mongo-server"), str(self._file), str(self.port)]
        self._process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
        for _ in range(200):
            try:
                self.client.admin.command("ping")
                return
            except pymongo.errors.PyMongoError:
                time.sleep(0.1)
        raise RuntimeError("MongoDB does not start")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("mongo"))
    yield one
    one.client.close()
    one.stop()


@pytest.fixture
def orders(server: Server, request: pytest.FixtureRequest) -> Any:
    server.client.shop.drop_collection("orders")
    return server.client.shop.orders


def reader(server: Server, contract: type[hr.Contract] = Order, **how: Any) -> CollectionReader:
    return CollectionReader(hr.Collection(server.url, **how), place_in(Path(), contract))


def document(number: int, **more: Any) -> dict[str, Any]:
    """An order as MongoDB has it."""
    own = {"at": Moment(2026, 1, number % 28 + 1), "amount": bson.Decimal128("1.50"), "customer": {"id": number}}
    return {**order(number), **own, **more}


def test_values_of_every_kind_keep_what_they_are(server: Server, orders: Any) -> None:
    class Kinds(hr.Contract):
        _id: str = hr.key()
        at: hr.Timestamp  # type: ignore[valid-type]
        whole: int
        big: int
        ratio: float
        exact: hr.Decimal(18, 9)  # type: ignore[valid-type]
        uid: str
        raw: str
        tags: list[int]
        lines: str
        rest: str
        a_b_c: bool

    one = bson.ObjectId()
    uid = uuid.uuid4()
    orders.insert_one(
        {
            "_id": one,
            "at": Moment(2026, 1, 31, 12, 0, 0, 5000),
            "whole": 5.0,
            "big": bson.Int64(2**62 + 1),
            "ratio": 0.1,
            "exact": bson.Decimal128("123456789.123456789"),
            "uid": bson.Binary.from_uuid(uid),
            "raw": b"\x00\xff",
            "tags": [1, 2],
            "lines": [{"sku": one, "n": 1}],
            "rest": {"free": {"key": None}},
            "a": {"b": {"c": True, "d": 1}},
        }
    )
    (text,) = texts(reader(server, Kinds))
    assert json.loads(text, parse_float=str) == {
        "_id": str(one),
        "at": "2026-01-31T12:00:00.005000Z",
        "whole": 5,
        "big": 2**62 + 1,
        "ratio": "0.1",
        "exact": "123456789.123456789",
        "uid": str(uid),
        "raw": "AP8=",
        "tags": [1, 2],
        "lines": json.dumps([{"sku": str(one), "n": 1}], separators=(",", ":")),
        "rest": '{"free":{"key":null}}',
        "a_b_c": True,
    }


SHAPES = [
    document(0),
    document(1, amount="n/a"),
    document(2, amount=2, customer={"id": "two"}),
    document(3, at="2026-01-04"),
    document(4, at=bson.datetime_ms.DatetimeMS(10**16)),
    document(5, customer_id=5),
    document(6, customer=None),
    document(7, amount=float("nan")),
    document(8, amount=bson.Decimal128("NaN")),
    document(9, lines=[{"a": [{"b": 1}]}], tags=["a"]),
    document(10, tags=[{"a": 1}]),
    document(11, customer=[{"id": 11}]),
    document(12, amount=bson.Regex("a")),
    {"order_id": "13"},
    document(14, lines=[]),
]
GOOD = ["0", "9", "14"]


def test_of_documents_of_many_shapes_each_is_judged_and_none_is_lost(
    server: Server, orders: Any, tmp_path: Path
) -> None:
    orders.insert_many([dict(one) for one in SHAPES])
    lake = Lake(tmp_path / "lake")
    report = ingest(hr.Stream("orders", Order, source=server.url), tmp_path, lake)
    assert report.faults == ()
    assert (report.received, report.accepted) == (len(SHAPES), len(GOOD))
    assert lake.read("orders")["order_id"].to_pylist() == GOOD
    bad = lake.read("quarantine_orders")
    assert bad.num_rows == len(SHAPES) - len(GOOD)
    reasons = {reason for row in bad["reasons"].to_pylist() for reason in row}
    assert any("has the field customer_id twice" in one for one in reasons)
    assert any("customer_id: is of another JSON type" in one for one in reasons)


def test_what_is_new_is_read_in_the_order_of_the_cursor_and_then_of_the_id(server: Server, orders: Any) -> None:
    orders.insert_many([document(n, _id=9 - n, at=Moment(2026, 1, 1 + n // 2)) for n in (3, 1, 0, 2, 4)])
    since = Moment(2026, 1, 2, tzinfo=datetime.UTC)
    assert reader(server).ordered is False
    found = pairs(reader(server, cursor="at"))
    assert [json.loads(row)["order_id"] for row, _ in found] == ["1", "0", "3", "2", "4"]
    assert found[-1][1] == Moment(2026, 1, 3, tzinfo=datetime.UTC)
    again = pairs(reader(server, cursor="at"), since)
    assert [json.loads(row)["order_id"] for row, _ in again] == ["3", "2", "4"]


CURSORS: list[tuple[str, list[Any], list[Any]]] = [
    ("_id", [bson.ObjectId(f"{n:024x}") for n in range(3)], [f"{n:024x}" for n in range(3)]),
    ("meta.serial", [1, 2.0, bson.Int64(2**60)], [1, 2, 2**60]),
    ("meta.at", [Moment(2026, 1, n, 0, 0, 0, 1000) for n in (1, 2, 3)], []),
    ("code", ["a", "b", "ö"], ["a", "b", "ö"]),
    ("price", [bson.Decimal128("0.5"), bson.Decimal128("1.5"), 2], [decimal.Decimal(n) for n in ("0.5", "1.5", "2")]),
]


@pytest.mark.parametrize(("name", "values", "known"), CURSORS, ids=[one[0] for one in CURSORS])
def test_cursors_of_every_kind(server: Server, orders: Any, name: str, values: list[Any], known: list[Any]) -> None:
    outer, _, inner = name.partition(".")
    orders.insert_many([document(n, **{outer: {inner: one} if inner else one}) for n, one in enumerate(values)])
    found = [one for _, one in pairs(reader(server, cursor=name))]
    assert found == (known or [one.replace(tzinfo=datetime.UTC) for one in values])
    assert [one for _, one in pairs(reader(server, cursor=name), found[1])] == found[1:]


def test_a_document_whose_cursor_is_of_another_kind_is_not_passed_over(server: Server, orders: Any) -> None:
    orders.insert_many([document(0), document(1, at="then"), document(2), {"order_id": "3"}])
    last = max(one for _, one in pairs(reader(server, cursor="at")) if one is not None)
    found = {json.loads(row)["order_id"]: one for row, one in pairs(reader(server, cursor="at"), last)}
    assert found == {"1": None, "2": last, "3": None}


def test_only_what_is_asked_for_is_read(server: Server, orders: Any) -> None:
    orders.insert_many([document(n, paid=n % 2 == 0) for n in range(6)])
    assert len(texts(reader(server, where={"paid": True}))) == 3
    assert len(pairs(reader(server, where={"$or": [{"paid": True}, {"order_id": "5"}]}, cursor="order_id"), "3")) == 2
    assert len(texts(reader(server, where={"at": {"$gte": {"$date": "2026-01-05T00:00:00Z"}}}))) == 2
    with pytest.raises(HeadraceError, match="HR-SOURCE-044.*extended JSON"):
        texts(reader(server, where={"_id": {"$oid": "Ann"}}))
    with pytest.raises(HeadraceError, match="HR-SOURCE-044") as found:
        texts(reader(server, where={"$no": "Ann"}))
    assert "Ann" not in str(found.value)


def test_keys_of_all_documents(server: Server, orders: Any) -> None:
    orders.insert_many([*(document(n) for n in range(5)), {"order_id": 7}])
    with closing(reader(server)) as one:
        assert [key for batch in one.keys(2) for key in batch["order_id"].to_pylist()] == ["0", "1", "2", "3", "4"]


def test_names_that_there_are_not(server: Server, orders: Any) -> None:
    orders.insert_one(document(0))
    with pytest.raises(HeadraceError, match="HR-SOURCE-040.*did you mean 'orders'"):
        texts(reader(server, name="oders"))
    assert texts(reader(server, name="oders", may_be_empty=True)) == []
    with pytest.raises(HeadraceError, match="HR-SOURCE-041"):
        CollectionReader(hr.Collection("mongodb://host:port/shop"), place_in(Path()))


def test_a_server_that_goes_away_and_comes_back(server: Server, orders: Any) -> None:
    long = {"last": "x" * 20_000}  # more than one answer of the server
    orders.insert_many([document(n, customer={"id": n, "name": long}) for n in range(2000)])
    patient = hr.Collection(f"{server.url}?serverSelectionTimeoutMS=500", cursor="order_id")
    one = CollectionReader(patient, place_in(Path()))
    batches = one.batches(None, 50)
    first = next(batches)
    server.stop()
    with closing(one), pytest.raises(Away, match="HR-SOURCE-020"):
        list(batches)
    server.start()
    last = first.cursor[-1].as_py()  # type: ignore[index]
    rest = texts(reader(server, cursor="order_id"), last)
    assert len(rest) == 2000 - len(first.rows) + 1


def test_a_password_may_have_any_letter_and_is_in_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_PASSWORD", "p@ss/w%rd:1")
    origin = hr.Collection("mongodb://ann:${MONGO_PASSWORD}@127.0.0.1:1/shop?serverSelectionTimeoutMS=200", "orders")
    with closing(CollectionReader(origin, place_in(Path()))) as one, pytest.raises(Away) as found:
        next(one.batches(None, 10))
    assert "mongodb://127.0.0.1:1/shop/orders" in str(found.value)
    assert "p@ss" not in str(found.value)
    assert "ann" not in str(found.value)
