"""Which years are taken: alike in text, in typed files and in requests, and 9999 only where a validity ends."""

import datetime
import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import headrace as hr
from headrace.contracts import validate
from headrace.serve.fields import RowReader


class Price(hr.Contract):
    since: hr.Timestamp = hr.valid_from()
    until: hr.Timestamp = hr.valid_to()
    day: hr.Date


GOOD = {"since": "1000-01-01T00:00:00Z", "until": "9999-12-31T23:59:59.999999Z", "day": "2999-12-31"}
FAR = {
    "since": ("0999-12-31T23:59:59Z", "3000-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "2999-12-31T23:59:59-01:00"),
    "until": ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00"),
    "day": ("0001-01-01", "3000-01-01", "9999-12-31"),
}
CASES = [(name, value) for name, values in FAR.items() for value in values]


def typed(rows: pa.Table) -> pa.Table:
    """The same rows as a Parquet file has them."""
    moment, day = pa.timestamp("us", tz="UTC"), pa.date32()
    kinds = {"since": moment, "until": moment, "day": day}
    return pa.table({name: pc.cast(rows[name], kind) for name, kind in kinds.items()})


@pytest.mark.parametrize("form", [lambda rows: rows, typed], ids=["text", "typed"])
@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_far_year_goes_to_quarantine(name: str, value: str, form: object) -> None:
    rows = pa.Table.from_pylist([GOOD, GOOD | {name: value}])
    done = validate(Price, form(rows))  # type: ignore[operator]
    assert done.accepted.num_rows == 1
    (reasons,) = done.quarantined["reasons"].to_pylist()
    assert [reason.split(":")[0] for reason in reasons] == [f"HR-DATA-012 {name}"]
    assert ("after 9999" if name == "until" else "after 2999") in reasons[0]


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_far_year_is_refused_in_a_request(name: str, value: str) -> None:
    with pytest.raises(hr.HeadraceError) as told:
        RowReader(Price).read(json.dumps(GOOD | {name: value}).encode())
    assert [fault.code for fault in told.value.faults] == ["HR-DATA-012"]


def test_the_last_moments_are_taken_by_all() -> None:
    rows = pa.Table.from_pylist([GOOD])
    accepted = validate(Price, rows).accepted
    assert accepted.equals(validate(Price, typed(rows)).accepted)
    assert accepted["until"][0].as_py() == datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, datetime.UTC)
    reader = RowReader(Price)
    assert reader.arrow([reader.read(json.dumps(GOOD).encode())]).equals(accepted.select(["since", "until", "day"]))
