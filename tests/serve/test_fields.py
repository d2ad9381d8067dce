"""Requests: what is wrong is told by code, without a value; what is right is read as files are read."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

import headrace as hr
from headrace.contracts import validate
from headrace.errors import HeadraceError
from headrace.learn.cases import _served
from headrace.learn.export import to_onnx
from headrace.learn.scorer import Scorer
from headrace.learn.tasks import values_of
from headrace.serve.fields import RowReader, document
from headrace.serve.values import vector


class Everything(hr.Contract):
    key: str = hr.key(min_length=1, max_length=5, pattern="[a-zé]+")
    at: hr.Timestamp = hr.event_time()
    local: hr.Timestamp | None = hr.field(zone="Europe/Paris")
    number: int = hr.field(ge=-5)
    ratio: float = hr.field(lt=1)
    amount: hr.Decimal(6, 2) = hr.field(ge=0)
    day: hr.Date
    flag: bool
    note: str | None


GOOD = {
    "key": "é",
    "at": "2026-01-31T12:00:00.000001+01:00",
    "local": "2026-01-31T12:00:00",
    "number": 7,
    "ratio": -0.0,
    "amount": "12.5",
    "day": "2026-02-28",
    "flag": True,
    "note": None,
}
READER = RowReader(Everything)
WRONG = [
    ({"key": ""}, "HR-DATA-007"),
    ({"key": "Q"}, "HR-DATA-006"),
    ({"key": 1}, "HR-DATA-002"),
    ({"key": "\ud800"}, "HR-DATA-002"),
    ({"key": None}, "HR-DATA-001"),
    ({"at": "2026-01-31T12:00:00"}, "HR-DATA-009"),
    ({"at": "2026-02-30T12:00:00Z"}, "HR-DATA-010"),
    ({"at": "yesterday"}, "HR-DATA-002"),
    ({"at": 1767225600}, "HR-DATA-002"),
    ({"at": "2026-01-31T12:00:00.0000001Z"}, "HR-DATA-002"),
    ({"local": "2026-03-29T02:30:00"}, "HR-DATA-014"),
    ({"number": True}, "HR-DATA-002"),
    ({"number": 1.0}, "HR-DATA-002"),
    ({"number": "7"}, "HR-DATA-002"),
    ({"number": 2**63}, "HR-DATA-012"),
    ({"number": -6}, "HR-DATA-004"),
    ({"ratio": 1}, "HR-DATA-004"),
    ({"ratio": "0.5"}, "HR-DATA-002"),
    ({"amount": "12.345"}, "HR-DATA-011"),
    ({"amount": 12345.6}, "HR-DATA-011"),
    ({"amount": "1e9"}, "HR-DATA-011"),
    ({"amount": "-0.01"}, "HR-DATA-004"),
    ({"amount": True}, "HR-DATA-002"),
    ({"day": "2026-02-29"}, "HR-DATA-010"),
    ({"day": "2026-02-28T00:00:00Z"}, "HR-DATA-002"),
    ({"flag": 1}, "HR-DATA-002"),
    ({"note": {"a": 1}}, "HR-DATA-002"),
    ({"more": 1}, "HR-REQUEST-005"),
]


@pytest.mark.parametrize(("change", "code"), WRONG, ids=[json.dumps(change) for change, _ in WRONG])
def test_a_wrong_value_is_told_by_its_code(change, code):
    with pytest.raises(HeadraceError) as told:
        READER.read(json.dumps(GOOD | change).encode())
    assert code in {fault.code for fault in told.value.faults}


RAW = [
    (b"", "HR-REQUEST-002"),
    (b"{", "HR-REQUEST-002"),
    (b"\xff", "HR-REQUEST-002"),
    (b"[" * 60_000, "HR-REQUEST-002"),
    (b" " * 70_000, "HR-REQUEST-001"),
    (b"[]", "HR-REQUEST-003"),
    (b"1", "HR-REQUEST-003"),
    (b'{"number": 1, "number": 1}', "HR-REQUEST-004"),
    (b'{"ratio": NaN}', "HR-REQUEST-002"),
    (b'{"ratio": -Infinity}', "HR-REQUEST-002"),
    (json.dumps(GOOD).replace("-0.0", "1e999").encode(), "HR-DATA-003"),
    (json.dumps({k: v for k, v in GOOD.items() if k != "number"}).encode(), "HR-REQUEST-006"),
]


@pytest.mark.parametrize(("body", "code"), RAW, ids=[str(body[:24]) for body, _ in RAW])
def test_a_wrong_body_is_told_by_its_code(body, code):
    with pytest.raises(HeadraceError) as told:
        READER.read(body)
    assert told.value.faults[0].code == code


def test_text_that_is_no_number_is_not_told_to_be_of_another_type():
    for amount, found in (("1,50", "amount is not a decimal number"), (True, "amount of another JSON type")):
        with pytest.raises(HeadraceError) as told:
            READER.read(json.dumps(GOOD | {"amount": amount}).encode(), "request")
        assert [fault.found for fault in told.value.faults] == [found]


def test_all_that_is_wrong_is_told_at_once_and_no_value_is():
    with pytest.raises(HeadraceError) as told:
        READER.read(json.dumps(GOOD | {"number": "secret", "flag": "secret", "key": "SECRET"}).encode())
    assert {fault.found.split()[0] for fault in told.value.faults} == {"number", "flag", "key"}
    assert "secret" not in str(told.value).lower()


def test_a_row_is_read_as_files_are_and_its_record_reads_as_the_same_row():
    row = READER.read(json.dumps(GOOD).encode())
    text = {name: [None if value is None else str(value)] for name, value in GOOD.items()}
    from_file = validate(Everything, pa.table({n: pa.array(v, pa.string()) for n, v in text.items()})).accepted
    assert READER.arrow([row]).equals(from_file)
    assert READER.read(json.dumps(document(row, READER.fields)).encode()) == row


def test_a_model_gets_the_rounding_that_it_learned_from():
    values = [0.1, 1e-46, 16777217, None, 3.4e38, -0.0]
    learned = _served(values_of(pa.chunked_array([pa.array(values, pa.float64())])), "f", "")
    scorer = Scorer(
        to_onnx(LinearRegression().fit(pd.DataFrame({"f": [0.0, 1.0]}), [0, 1]), ["f"], "", hr.regression())
    )
    served = np.concatenate([vector({"f": value}, scorer)[0] for value in values])
    assert served.tobytes() == learned.tobytes()
    assert vector({"f": True}, scorer).tolist() == [[1.0]]
    with pytest.raises(HeadraceError, match="beyond float32"):
        vector({"f": 1e39}, scorer)


class Checked(hr.Contract):
    low: int
    high: int | None
    price: hr.Decimal(6, 2) = hr.field(le=100, severity="warn")
    ordered = hr.check("low <= high", severity="stop")
    usual = hr.check("price < 50.5", severity="warn")


def event(**values: object) -> bytes:
    return json.dumps({"low": 1, "high": 2, "price": "5", **values}).encode()


def test_events_keep_the_checks_that_files_keep():
    reader = RowReader(Checked, checked=True)
    with pytest.raises(HeadraceError, match="HR-QUALITY-010 event: found a row that breaks ordered; expected low <= h"):
        reader.read(event(high=0), "event")
    assert reader.warned(reader.read(event(high=None))) == ()
    assert reader.warned(reader.read(event(price="60"))) == ("usual",)
    assert reader.warned(reader.read(event(price="600"))) == ("price le", "usual")


def test_what_events_and_files_are_told_is_the_same():
    rows = [
        {"low": 1, "high": 2, "price": "5"},
        {"low": 3, "high": 2, "price": "5"},
        {"low": 1, "high": 2, "price": "60"},
    ]
    names = ("low", "high", "price")
    table = pa.table(
        {name: pa.array([None if row[name] is None else str(row[name]) for row in rows]) for name in names}
    )
    result = validate(Checked, table)
    reader, refused = RowReader(Checked, checked=True), []
    for number, row in enumerate(rows, 1):
        try:
            reader.read(json.dumps(row).encode())
        except HeadraceError:
            refused.append(number)
    assert result.quarantined["_row"].to_pylist() == refused == [2]
