"""Rows whose cursor is not there, or of another kind than the others: neither lost nor doubled."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import pandas as pd
import pytest

import headrace as hr
from headrace.connect import boundary, ingest
from headrace.connect.loading.ingest import IngestReport
from headrace.declare import Stream
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.testing import Answer
from headrace.testing import Server as Api
from tests.connect.test_collection import HOME, Server

needs_mongo = pytest.mark.skipif(not (HOME / "mongo-server").exists(), reason="no MongoDB")
MINUTE = datetime.timedelta(minutes=1)
FIRST = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Reading(hr.Contract):
    _id: int = hr.key()
    at: hr.Timestamp | None  # type: ignore[valid-type]
    x: int


def good(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"_id": n, "at": FIRST + n * MINUTE, "x": n} for n in range(first, first + count)]


ASTRAY = [{"_id": 100, "at": 7, "x": 1}, {"_id": 101, "at": None, "x": 1}, {"_id": 102, "at": "then", "x": 1}]
LATE = [{"_id": 103, "x": 1}]


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as JSON has them."""
    return [
        {name: one.isoformat() if isinstance(one, datetime.datetime) else one for name, one in row.items()}
        for row in rows
    ]


def load(stream: Stream, folder: Path) -> IngestReport:
    report = ingest(stream, folder, Lake(folder / "lake"))
    assert report.received == report.accepted + report.quarantined
    return report


def ids(folder: Path, name: str) -> list[int]:
    lake = Lake(folder / "lake")
    return sorted(lake.read(name)["_id"].to_pylist()) if lake.exists(name) else []


def check_all(make: Any, folder: Path) -> None:
    """Load rows of which some are astray, at the beginning, the end and in the middle, and see each taken once."""
    rows = [ASTRAY[0], *good(5), ASTRAY[1], *good(5, 5), ASTRAY[2]]
    first = load(make(rows), folder)
    assert (first.received, first.accepted, first.quarantined) == (13, 11, 2)
    assert [(one.code, "3 rows" in one.found) for one in first.faults] == [("HR-SOURCE-024", True)]
    assert ids(folder, "readings") == [*range(10), 101]
    again = load(make(rows), folder)
    assert (again.received, again.faults) == (0, ())
    later = load(make([*rows, *LATE, *good(2, 10)]), folder)
    assert (later.accepted, later.quarantined) == (3, 0)
    assert load(make([*rows, *LATE, *good(2, 10)]), folder).received == 0
    changed = load(make([ASTRAY[0], *good(12), *LATE, ASTRAY[2] | {"at": "soon"}]), folder)
    assert (changed.accepted, changed.quarantined) == (0, 1)
    assert load(make([ASTRAY[0], *good(12), *LATE, ASTRAY[2] | {"at": "soon"}]), folder).received == 0


def test_of_a_function(tmp_path: Path) -> None:
    check_all(lambda rows: hr.Stream("readings", Reading, source=hr.Rows(lambda since: rows, cursor="at")), tmp_path)


def test_of_an_api(tmp_path: Path) -> None:
    def made(rows: list[dict[str, Any]]) -> Stream:
        servers.append(Api([Answer({"data": plain(rows)})]))
        url = servers[-1].__enter__().url
        return hr.Stream("readings", Reading, source=hr.Api(f"{url}/readings", rows="data", cursor="at"))

    servers: list[Api] = []
    try:
        check_all(made, tmp_path)
    finally:
        for one in servers:
            one.__exit__(None, None, None)


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path)
    yield one
    one.client.close()
    one.stop()


@needs_mongo
def test_of_a_collection(mongo: Server, tmp_path: Path) -> None:
    def made(rows: list[dict[str, Any]]) -> Stream:
        mongo.client.shop.drop_collection("readings")
        mongo.client.shop.readings.insert_many(rows)
        return hr.Stream("readings", Reading, source=hr.Collection(mongo.url, cursor="at"))

    check_all(made, tmp_path)


@needs_mongo
def test_kinds_that_mongodb_does_not_compare_are_read_when_they_come_later(mongo: Server, tmp_path: Path) -> None:
    class Numbered(hr.Contract):
        _id: int = hr.key()
        x: float | None

    readings = mongo.client.shop.readings
    readings.insert_many([{"_id": n, "x": n} for n in range(5)])
    stream = hr.Stream("readings", Numbered, source=hr.Collection(mongo.url, cursor="x"))
    assert load(stream, tmp_path).accepted == 5
    odd = ["5", True, math.nan, -math.inf, [1, 2], None, {"a": 1}, bson.ObjectId(), FIRST, math.inf]
    readings.insert_many([{"_id": 100 + n, "x": one} for n, one in enumerate(odd)])
    readings.insert_one({"_id": 200})
    found = load(stream, tmp_path)
    assert (found.received, found.accepted) == (len(odd) + 1, 2), "null and none are the only ones that are allowed"
    assert load(stream, tmp_path).received == 0


@needs_mongo
def test_a_collection_whose_times_are_texts_is_read_by_them(mongo: Server, tmp_path: Path) -> None:
    readings = mongo.client.shop.readings
    readings.insert_many([*plain(good(5)), {"_id": 100, "at": FIRST, "x": 1}])
    stream = hr.Stream("readings", Reading, source=hr.Collection(mongo.url, cursor="at"))
    assert load(stream, tmp_path).accepted == 6
    readings.insert_many(plain(good(2, 5)))
    found = load(stream, tmp_path)
    assert (found.accepted, found.quarantined, found.faults) == (2, 0, ())


@needs_mongo
def test_ids_of_two_kinds_are_all_read(mongo: Server, tmp_path: Path) -> None:
    class Named(hr.Contract):
        _id: str = hr.key()

    readings = mongo.client.shop.readings
    readings.insert_many([{"_id": "zz"}, *({"_id": bson.ObjectId(f"{n:024x}")} for n in range(3))])
    stream = hr.Stream("readings", Named, source=hr.Collection(mongo.url, cursor="_id"))
    assert load(stream, tmp_path).accepted == 4
    readings.insert_many([{"_id": "aa"}, {"_id": bson.ObjectId(f"{9:024x}")}])
    assert load(stream, tmp_path).accepted == 2
    assert load(stream, tmp_path).received == 0


def test_of_frames(tmp_path: Path) -> None:
    frame = pd.DataFrame({"_id": [1, 2, 3], "at": pd.to_datetime([None, FIRST, FIRST + MINUTE], utc=True), "x": 1})
    stream = hr.Stream("readings", Reading, source=hr.Rows(lambda since: frame, cursor="at"))
    assert load(stream, tmp_path).accepted == 3
    assert load(stream, tmp_path).received == 0


def test_more_than_can_be_remembered_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "MOST", 3)
    rows = [{"_id": n, "at": None, "x": n} for n in range(4)]
    with pytest.raises(HeadraceError, match="HR-SOURCE-025.*more than 3 rows whose cursor is not there"):
        load(hr.Stream("readings", Reading, source=hr.Rows(lambda since: rows, cursor="at")), tmp_path)


def test_a_cursor_that_becomes_another_begins_anew(tmp_path: Path) -> None:
    class Before(hr.Contract):
        _id: int = hr.key()
        at: hr.Timestamp | None  # type: ignore[valid-type]

    rows = [{"_id": 50 + n, "at": FIRST + n * MINUTE} for n in range(3)]
    load(hr.Stream("readings", Before, source=hr.Rows(lambda since: rows, cursor="at")), tmp_path)
    source = hr.Rows(lambda since: [{"_id": n, "at": None} for n in (49, 60)], cursor="_id")
    assert load(hr.Stream("readings", Before, source=source), tmp_path).accepted == 2
    assert load(hr.Stream("readings", Before, source=source), tmp_path).received == 0
