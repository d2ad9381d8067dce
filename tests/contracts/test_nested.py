"""Enums, literals, lists and contracts within contracts: each rule of what is within holds, told by its path."""

from __future__ import annotations

import datetime
import enum
import json
from typing import Any, Literal

import pyarrow as pa
import pytest

import headrace as hr
from headrace.connect.formats.documents import rows_of
from headrace.contracts import check_rules, validate
from headrace.contracts.evolution import BREAKING, CHECKED, COMPATIBLE, moves
from headrace.declare import Contract
from headrace.declare.nested import flat
from headrace.errors import HeadraceError
from headrace.plan.promises import contract_meaning
from headrace.serve.fields import RowReader, document
from headrace.types import arrow_schema


class Status(enum.Enum):
    NEW = "new"
    PAID = "paid"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Geo(hr.Contract):
    lat: float = hr.field(ge=-90, le=90)


class Address(hr.Contract):
    city: str = hr.field(min_length=2)
    zip: str | None = hr.field(pattern="[0-9]+")
    since: hr.Timestamp | None = hr.field(zone="UTC")
    geo: Geo | None


class Line(hr.Contract):
    sku: str
    price: hr.Decimal(8, 2) = hr.field(ge=0)
    counts: list[int] | None


class Order(hr.Contract):
    order_id: int = hr.key()
    status: Status
    level: Level | None
    kind: Literal["web", "shop"]
    moods: list[Status] | None
    marks: list[int] = hr.field(ge=0, le=9, max_length=3)
    words: list[str | None] | None = hr.field(pattern="[a-z]+", min_length=1)
    address: Address | None
    lines: list[Line]
    north = hr.check("address.geo.lat > -80 or level = 1")


GOOD: dict[str, Any] = {
    "order_id": 1,
    "status": "new",
    "level": 2,
    "kind": "web",
    "moods": ["new", "paid"],
    "marks": [0, 9],
    "words": ["a", None],
    "address": {"city": "Rome", "zip": "00100", "since": "2026-01-31T12:00:00Z", "geo": {"lat": 41.9}},
    "lines": [{"sku": "a", "price": "1.25", "counts": [1, 2]}, {"sku": "b", "price": "0", "counts": None}],
}
HELD = GOOD | {
    "address": GOOD["address"] | {"since": datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)},
}
EMPTY = GOOD | {"order_id": 2, "level": None, "moods": None, "marks": [], "words": None, "address": None, "lines": []}


def typed(rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as Parquet or Arrow have them."""
    return pa.Table.from_pylist(rows)


def _cell(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def texts(rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as a CSV file or a database without such types has them: JSON in the cell."""
    said = [{name: _cell(value) for name, value in one.items()} for one in rows]
    return pa.table({name: pa.array([one[name] for one in said], pa.string()) for name in Order.fields()})


def parsed(rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as files of JSON have them."""
    return rows_of([json.dumps(one) for one in rows], Order, list(Order.fields()))


WAYS = pytest.mark.parametrize("way", [typed, texts, parsed])


def changed(path: str, value: Any) -> dict[str, Any]:
    """A good row with another value at a path."""
    row = json.loads(json.dumps(GOOD))
    within, *steps = row, *path.split(".")
    for step in steps[:-1]:
        within = within[int(step) if step.isdigit() else step]
    within[int(steps[-1]) if steps[-1].isdigit() else steps[-1]] = value
    return row


def test_the_types_are_those_of_their_values():
    kinds = {name: repr(one.type) for name, one in Order.fields().items()}
    assert Order.faults == ()
    assert check_rules(Order) == []
    assert (kinds["status"], kinds["level"], kinds["kind"]) == ("str", "int | None", "str")
    assert kinds["moods"] == "list[str] | None"
    assert kinds["lines"] == "list[struct[sku: str, price: decimal(8,2), counts: list[int] | None]]"
    sets = [Order.fields()[name].isin for name in ("status", "level", "kind")]
    assert sets == [("new", "paid"), (1, 2), ("web", "shop")]
    assert repr(Order.columns()["address.geo.lat"].type) == "float | None"


@WAYS
def test_a_good_row_is_taken_as_it_is(way):
    done = validate(Order, way([GOOD, EMPTY]))
    assert done.quarantined.num_rows == 0
    assert done.accepted.schema == arrow_schema({name: one.type for name, one in Order.fields().items()})
    first, second = done.accepted.to_pylist()
    assert first["address"] == HELD["address"]
    assert [float(one["price"]) for one in first["lines"]] == [1.25, 0.0]
    assert {name: first[name] for name in ("status", "level", "moods", "marks", "words")} == {
        name: GOOD[name] for name in ("status", "level", "moods", "marks", "words")
    }
    assert {name: second[name] for name in ("level", "moods", "marks", "words", "address", "lines")} == {
        name: EMPTY[name] for name in ("level", "moods", "marks", "words", "address", "lines")
    }


@WAYS
@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("status", "odd", "HR-DATA-005 status:"),
        ("level", 3, "HR-DATA-005 level:"),
        ("kind", "tv", "HR-DATA-005 kind:"),
        ("moods.1", "odd", "HR-DATA-005 moods: has an item that is none of new, paid"),
        ("marks.0", -1, "HR-DATA-004 marks: has an item that is below 0"),
        ("marks", [1, 2, 3, 4], "HR-DATA-007 marks: has more than 3 items"),
        ("marks.0", None, "HR-DATA-017 marks: has an item that is null"),
        ("words.0", "A", "HR-DATA-006 words: has an item that does not match [a-z]+"),
        ("words", [], "HR-DATA-007 words: has fewer than 1 items"),
        ("address.city", "R", "HR-DATA-007 address.city: R is shorter than 2"),
        ("address.city", None, "HR-DATA-001 address.city: is empty and may not be"),
        ("address.zip", "x", "HR-DATA-006 address.zip: x does not match"),
        ("address.since", "2026-02-30T00:00:00Z", "HR-DATA-010 address.since:"),
        ("address.geo.lat", 91.5, "HR-DATA-004 address.geo.lat: 91.5 is above"),
        ("lines.1.sku", None, "HR-DATA-001 lines.sku: is empty and may not be"),
        ("lines.1.price", "-1", "HR-DATA-004 lines.price: is below 0"),
        ("lines.0.price", "1.255", "HR-DATA-011 lines.price:"),
        ("lines.0.counts.0", None, "HR-DATA-017 lines.counts: has an item that is null"),
        ("address.geo.lat", -85.0, "HR-QUALITY-010 north:"),
    ],
)
def test_each_rule_within_holds_and_is_told_by_its_path(way, path, value, reason):
    done = validate(Order, way([GOOD | {"order_id": 9}, changed(path, value)]))
    assert done.accepted["order_id"].to_pylist() == [9]
    ((told,),) = done.quarantined["reasons"].to_pylist()
    assert told.startswith(reason)


def test_all_that_is_wrong_within_one_value_is_told_at_once():
    row = changed("address", {"city": None, "zip": "x", "geo": {"lat": 100.0}})
    (told,) = validate(Order, typed([GOOD | {"order_id": 9}, row])).quarantined["reasons"].to_pylist()
    assert [one.split(" ")[1] for one in told] == ["address.city:", "address.zip:", "address.geo.lat:"]


def test_cells_that_are_no_json_and_files_that_lack_a_field_within_are_told():
    row = texts([GOOD]).set_column(7, "address", pa.array(["{'city': 1}"]))
    (told,) = validate(Order, row).quarantined["reasons"].to_pylist()
    assert told == ["HR-DATA-016 address: is no JSON of an object"]
    without = typed([GOOD | {"address": {"zip": "1"}}])
    with pytest.raises(HeadraceError, match="HR-DATA-103"):
        validate(Order, without)


def test_a_request_is_read_as_files_are_and_written_back():
    reader = RowReader(Order, checked=True)
    row = reader.read(json.dumps(GOOD).encode())
    assert reader.arrow([row]).to_pylist() == validate(Order, parsed([GOOD])).accepted.to_pylist()
    assert reader.read(json.dumps(document(row, Order.fields())).encode()) == row
    assert flat(row, Order)["address.geo.lat"] == 41.9
    assert flat(reader.read(json.dumps(EMPTY).encode()), Order)["address.geo.lat"] is None


@pytest.mark.parametrize(
    ("path", "value", "code", "found"),
    [
        ("address.city", "R", "HR-DATA-007", "address.city is shorter than 2"),
        ("address.city", 5, "HR-DATA-002", "address.city of another JSON type"),
        ("address.town", "Rome", "HR-REQUEST-005", "the unknown field 'address.town'"),
        ("lines.0.skv", "a", "HR-REQUEST-005", "the unknown field 'lines.skv'"),
        ("lines.0.price", -1, "HR-DATA-004", "lines.price is below 0"),
        ("marks.0", None, "HR-DATA-017", "marks has an item that is null"),
        ("address.geo.lat", -85.0, "HR-QUALITY-010", "north"),
    ],
)
def test_what_is_wrong_within_a_request_is_told_by_its_path(path, value, code, found):
    with pytest.raises(HeadraceError) as caught:
        RowReader(Order, checked=True).read(json.dumps(changed(path, value)).encode())
    (fault,) = caught.value.faults
    assert fault.code == code
    assert found in fault.found


class Old(hr.Contract):
    address: Geo | None


def _moves(inner: type[Contract]) -> list[tuple[str, str]]:
    now = type(inner)("Now", (Contract,), {"__annotations__": {"address": inner | None}})
    held, wanted = (arrow_schema({name: one.type for name, one in each.fields().items()}) for each in (Old, now))
    return [(one.kind, one.said) for one in moves(contract_meaning(Old), contract_meaning(now), held, wanted)]


def test_changes_within_are_told_field_by_field():
    class Tighter(hr.Contract):
        lat: float = hr.field(ge=-90, le=80)

    class Wider(hr.Contract):
        lat: float | None = hr.field(ge=-90, le=90)
        lon: float | None

    class Needy(hr.Contract):
        lat: float = hr.field(ge=-90, le=90)
        lon: float

    assert _moves(Tighter) == [(CHECKED, "lat: le: 90 -> 80")]
    assert {kind for kind, _ in _moves(Wider)} == {COMPATIBLE}
    assert BREAKING in {kind for kind, _ in _moves(Needy)}
