"""Lists, nested contracts and enums in every kind of file that can hold them: the same rows in the lake."""

from __future__ import annotations

import csv
import datetime
import json
from pathlib import Path
from typing import Any, Literal

import openpyxl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from fastavro import writer

import headrace as hr
from headrace.connect import ingest
from headrace.connect.repair import replay
from headrace.connect.repair.received import received
from headrace.engines import batch
from headrace.engines.frame import frame
from headrace.lake import Lake
from headrace.plan import compile_features
from headrace.plan.reference import features as oracle
from headrace.testing import request_path


class Place(hr.Contract):
    city: str
    lat: float | None = hr.field(ge=-90, le=90)


class Visit(hr.Contract):
    visit_id: int = hr.key()
    at: hr.Timestamp = hr.event_time(zone="UTC")
    person: int
    state: Literal["open", "closed"]
    place: Place | None
    tags: list[str] | None
    marks: list[float]
    stops: list[Place]


def _row(n: int) -> dict[str, Any]:
    return {
        "visit_id": n,
        "at": datetime.datetime(2026, 1, 1 + n, tzinfo=datetime.UTC),
        "person": n % 2,
        "state": ("open", "closed")[n % 2],
        "place": None if n == 3 else {"city": ("Rome", "Bonn")[n // 2 % 2], "lat": None if n == 4 else n / 2},
        "tags": None if n == 2 else ["a", "b"][: n % 3],
        "marks": [0.5] * (n % 2),
        "stops": [{"city": "Rome", "lat": 1.5}] * (n % 3),
    }


ROWS = [_row(n) for n in range(8)]


class Part(hr.Contract):
    n: int | None
    day: hr.Date | None
    price: hr.Decimal(8, 2) | None  # type: ignore[valid-type]


class Order(hr.Contract):
    order_id: int = hr.key()
    main: Part | None
    parts: list[Part]


def test_what_is_refused_within_is_in_quarantine_as_it_was_received(tmp_path: Path) -> None:
    bad = {"n": 1.5, "day": "nope", "price": 1.005}
    rows = [{"order_id": 1, "main": bad, "parts": [bad, {"n": 2.0, "day": "2026-01-02", "price": 1.0}]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    lake, orders = Lake(tmp_path / "lake"), hr.Table("orders", Order, source="*.parquet")
    assert ingest(orders, tmp_path, lake).quarantined == 1
    (held,) = received(lake.read("quarantine_orders"))
    told = {"n": "1.5", "day": "nope", "price": "1.005"}
    assert held.values["main"] == told
    assert held.values["parts"] == [told, {"n": "2", "day": "2026-01-02", "price": "1.00"}]
    trial = replay.try_rows(lake, orders, [held])
    assert (len(trial.passing), len(trial.staying)) == (0, 1)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"at": row["at"].isoformat()}


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(one) if isinstance(one, dict | list) else one for name, one in _plain(row).items()}


def _csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, list(ROWS[0]))
        out.writeheader()
        out.writerows(map(_cells, ROWS))


def _excel(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(ROWS[0]))
    for row in ROWS:
        sheet.append(list(_cells(row).values()))
    book.save(path)


_PLACE = {
    "type": "record",
    "name": "place",
    "fields": [{"name": "city", "type": "string"}, {"name": "lat", "type": ["null", "double"]}],
}
_AVRO = {
    "type": "record",
    "name": "visit",
    "fields": [
        {"name": "visit_id", "type": "long"},
        {"name": "at", "type": "string"},
        {"name": "person", "type": "long"},
        {"name": "state", "type": "string"},
        {"name": "place", "type": ["null", _PLACE]},
        {"name": "tags", "type": ["null", {"type": "array", "items": "string"}]},
        {"name": "marks", "type": {"type": "array", "items": "double"}},
        {"name": "stops", "type": {"type": "array", "items": "place"}},
    ],
}


def _avro(path: Path) -> None:
    with path.open("wb") as file:
        writer(file, _AVRO, map(_plain, ROWS))


WRITERS = {
    "a.parquet": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path),
    "a.arrow": lambda path: feather.write_feather(pa.Table.from_pylist(ROWS), path, compression="uncompressed"),
    "a.jsonl": lambda path: path.write_text("\n".join(json.dumps(_plain(one)) for one in ROWS)),
    "a.json": lambda path: path.write_text(json.dumps(list(map(_plain, ROWS)))),
    "a.csv": _csv,
    "a.xlsx": _excel,
    "a.avro": _avro,
}


def _loaded(folder: Path, name: str = "a.parquet") -> Lake:
    WRITERS[name](folder / name)
    lake = Lake(folder / "lake")
    report = ingest(hr.Stream("visits", Visit, source=name), folder, lake)
    assert (report.accepted, report.quarantined) == (len(ROWS), 0)
    return lake


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_rows_come_from_every_kind_of_file(tmp_path, name):
    lake = _loaded(tmp_path, name)
    assert lake.read("visits", columns=list(ROWS[0])).to_pylist() == ROWS


def test_what_is_within_is_read_by_its_path(tmp_path):
    lake = _loaded(tmp_path)
    cities = [None if one["place"] is None else one["place"]["city"] for one in ROWS]
    assert lake.read("visits", columns=["place.city", "visit_id"]).column("place.city").to_pylist() == cities
    (part,) = lake.batches("visits", columns=["visit_id", "place.lat"])
    assert part.schema.names == ["visit_id", "place.lat"]
    found = lake.sql("select count(*) as n from visits where place.city = 'Rome'").to_pylist()
    assert found == [{"n": cities.count("Rome")}]
    with pytest.raises(hr.HeadraceError, match="HR-LAKE-011"):
        lake.read("visits", columns=["place.town"])
    merged = pa.Table.from_pylist(lake.read("visits").slice(5, 1).to_pylist(), schema=lake.schema("visits"))
    assert lake.merge("visits", merged, keys=["visit_id"]).unchanged == 1


def test_rows_of_python_and_documents_are_taken_as_they_are(tmp_path):
    """A document is flattened for names such as ``place_city`` only; what a contract nests comes whole."""
    lake = Lake(tmp_path / "lake")
    report = ingest(hr.Stream("visits", Visit, source=hr.Rows(lambda: iter(ROWS))), tmp_path, lake)
    assert (report.accepted, report.quarantined) == (len(ROWS), 0)
    assert lake.read("visits", columns=list(ROWS[0])).to_pylist() == ROWS


visits = hr.Stream("visits", Visit, source="a.parquet")
paths = hr.Features(
    "paths",
    visits,
    by=hr.Entity("person"),
    features={
        "rome": hr.count("30d", where="place.city = 'Rome'"),
        "lat": hr.mean("place.lat", "30d"),
        "last": hr.last("place.city", "30d"),
    },
)
now = hr.Features("now", visits, features={"north": "coalesce(place.lat, 0) > 1", "far": "place.lat + paths.lat"})


def test_features_of_what_is_within_are_the_same_on_every_path(tmp_path):
    lake, plan = _loaded(tmp_path), compile_features((paths, now), visits)
    rows, names = lake.read("visits"), [one.name for one in plan.outputs]

    def read(name, columns):
        return lake.read(name, columns=[*columns, "_seq", "_known_at"])

    expected = [
        {name: one[name] for name in names} for one in oracle(plan, rows.to_pylist(), {"visits": rows.to_pylist()})
    ]
    assert {one["paths.last"] for one in expected} == {None, "Rome", "Bonn"}
    assert any(one["now.far"] is not None for one in expected)
    assert batch.features(plan, rows, read).select(names).to_pylist() == expected
    events = {"visits": frame(rows, plan.sources["visits"], Visit, "visits")}
    asked = request_path(plan, frame(rows, plan.row_columns, Visit, "rows"), "at", events)
    assert asked.select(names).to_pylist() == expected


def test_records_of_avro_whose_fields_are_of_several_types_are_read_one_by_one(tmp_path: Path) -> None:
    class Counted(hr.Contract):
        key: int = hr.key()
        held: Held

    inner = {"type": "record", "name": "inner", "fields": [{"name": "n", "type": ["int", "string"]}]}
    fields = [{"name": "key", "type": "int"}, {"name": "held", "type": inner}]
    rows = [{"key": key, "held": {"n": n}} for key, n in enumerate([1, "ö"])]
    with (tmp_path / "a.avro").open("wb") as raw:
        writer(raw, {"type": "record", "name": "row", "fields": fields}, rows)
    lake = Lake(tmp_path / "lake")
    ingest(hr.Table("counted", Counted, source="a.avro", load="append"), tmp_path, lake)
    assert lake.read("counted")["held"].to_pylist() == [{"n": 1}]
    (refused,) = replay.held_rows(lake, "counted")
    assert refused.texts()["held"] == '{"n": "ö"}'


class Held(hr.Contract):
    n: int
