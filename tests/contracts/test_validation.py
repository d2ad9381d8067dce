"""Every kind of bad row: what the reason says, that all reasons are told, and that no row is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.contracts import MALFORMED, KeyIndex, check_rules, total, validate
from headrace.declare import Field, contract_of


def contract(kind: Any, **said: Any) -> type[hr.Contract]:
    helper = said.pop("helper", hr.field)
    return contract_of("Row", {"x": replace(helper(**said), name="x", type=kind)})


def check(kind: Any, value: object, **said: Any) -> tuple[list[object], list[str]]:
    """Return the accepted values and the reasons for one value of text (or None)."""
    done = validate(contract(kind, **said), pa.table({"x": pa.array([value], pa.string())}))
    assert done.accepted.num_rows + done.quarantined.num_rows == 1
    reasons = [reason for reasons in done.quarantined["reasons"].to_pylist() for reason in reasons]
    return done.accepted["x"].to_pylist(), reasons


INT, FLOAT, BOOL, STR = hr.types.INT, hr.types.FLOAT, hr.types.BOOL, hr.types.STR
AMOUNT = hr.Decimal(6, 2)

BAD: Sequence[tuple[Any, str | None, Mapping[str, Any], str]] = [
    (INT, None, {}, "HR-DATA-001 x: is empty and may not be"),
    (INT, "12.0", {}, "HR-DATA-002 x: 12.0 is not an int"),
    (INT, "0x1F", {}, "HR-DATA-002 x: 0x1F is not an int"),
    (INT, " 1", {}, "HR-DATA-002 x:  1 is not an int"),
    (INT, "9223372036854775808", {}, "HR-DATA-012 x: 9223372036854775808 does not fit in 64 bits"),
    (FLOAT, "abc", {}, "HR-DATA-002 x: abc is not a float"),
    (FLOAT, "1,5", {}, "HR-DATA-002 x: 1,5 is not a float"),
    (FLOAT, "NaN", {}, "HR-DATA-003 x: NaN is not a finite number"),
    (FLOAT, "-inf", {}, "HR-DATA-003 x: -inf is not a finite number"),
    (FLOAT, "1e999", {}, "HR-DATA-003 x: 1e999 is not a finite number"),
    (BOOL, "maybe", {}, "HR-DATA-002 x: maybe is not a bool"),
    (AMOUNT, "1.505", {}, "HR-DATA-011 x: 1.505 has more than 4 digits before or 2 after the point, and nothing is"),
    (AMOUNT, "12345", {}, "HR-DATA-011 x: 12345 has more than 4 digits before or 2 after the point, and nothing is"),
    (AMOUNT, "1e2", {}, "HR-DATA-002 x: 1e2 is not a decimal number"),
    (AMOUNT, ".", {}, "HR-DATA-002 x: . is not a decimal number"),
    (AMOUNT, "nan", {}, "HR-DATA-003 x: nan is not a finite number"),
    (AMOUNT, "-0.01", {"ge": 0}, "HR-DATA-004 x: -0.01 is below 0"),
    (AMOUNT, "0.50", {"gt": 0.5}, "HR-DATA-004 x: 0.50 is not above 0.5"),
    (INT, "11", {"le": 10}, "HR-DATA-004 x: 11 is above 10"),
    (FLOAT, "1.5", {"lt": 1.5}, "HR-DATA-004 x: 1.5 is not below 1.5"),
    (STR, "GBP", {"isin": ["EUR", "USD"]}, "HR-DATA-005 x: GBP is none of EUR, USD"),
    (STR, "p1x", {"pattern": "p[0-9]+|q"}, "HR-DATA-006 x: p1x does not match p[0-9]+|q"),
    (STR, "", {"min_length": 1}, 'HR-DATA-007 x: "" is shorter than 1'),
    (STR, "née!", {"max_length": 3}, "HR-DATA-007 x: née! is longer than 3"),
    (
        hr.Timestamp,
        "2024-01-01T00:00:00",
        {"helper": hr.event_time},
        'HR-DATA-009 x: 2024-01-01T00:00:00 has no time zone (cure: an offset such as Z, or hr.event_time(zone="UTC")',
    ),
    (hr.Timestamp, "2024-02-30T00:00:00Z", {}, "HR-DATA-010 x: 2024-02-30T00:00:00Z is not a date or time that exists"),
    (hr.Timestamp, "2024-02-30 00:00", {"zone": "UTC"}, "HR-DATA-010 x: 2024-02-30 00:00 is not a date or time that"),
    (hr.Timestamp, "1704067200", {}, "HR-DATA-002 x: 1704067200 is not a timestamp (ISO 8601, at most microseconds)"),
    (
        hr.Timestamp,
        "2024-01-01T00:00:00.1234567Z",
        {},
        "HR-DATA-002 x: 2024-01-01T00:00:00.1234567Z is not a timestamp",
    ),
    (
        hr.Timestamp,
        "2024-03-31T02:30:00",
        {"zone": "Europe/Paris"},
        "HR-DATA-014 x: 2024-03-31T02:30:00 is no single moment in Europe/Paris: clocks change there then",
    ),
    (hr.Timestamp, "2024-10-27T02:30:00", {"zone": "Europe/Paris"}, "HR-DATA-014 x: 2024-10-27T02:30:00 is no single"),
    (
        hr.Timestamp,
        "2023-12-31T23:59:59Z",
        {"ge": "2024-01-01T00:00:00+00:00"},
        "HR-DATA-004 x: 2023-12-31T23:59:59Z is",
    ),
    (hr.Date, "2024-02-30", {}, "HR-DATA-010 x: 2024-02-30 is not a date or time that exists"),
    (hr.Date, "2024-1-1", {}, "HR-DATA-002 x: 2024-1-1 is not a date"),
    (hr.Date, "9999-12-31", {}, "HR-DATA-012 x: 9999-12-31 is before the year 1000 or after 2999"),
    (hr.Timestamp, "9999-12-31T23:59:59Z", {}, "HR-DATA-012 x: 9999-12-31T23:59:59Z is before the year 1000 or after"),
    (hr.Timestamp, "0001-01-01 00:00", {"zone": "UTC"}, "HR-DATA-012 x: 0001-01-01 00:00 is before the year 1000 or"),
    (hr.Timestamp, "0000-01-01T00:00:00Z", {}, "HR-DATA-012 x: 0000-01-01T00:00:00Z is before the year 1000 or"),
    (hr.Timestamp, "9999", {}, "HR-DATA-002 x: 9999 is not a timestamp"),
]


@pytest.mark.parametrize(("kind", "value", "said", "reason"), BAD)
def test_reason(kind: Any, value: str | None, said: Mapping[str, Any], reason: str) -> None:
    accepted, reasons = check(kind, value, **said)
    assert accepted == []
    assert len(reasons) == 1
    assert reasons[0].startswith(reason)


@pytest.mark.parametrize(
    ("kind", "value", "said", "as_text"),
    [
        (INT, "-9223372036854775808", {}, "-9223372036854775808"),
        (FLOAT, ".5", {}, "0.5"),
        (FLOAT, "+1E3", {}, "1000.0"),
        (BOOL, "TRUE", {}, "True"),
        (BOOL, "0", {}, "False"),
        (STR, "", {}, ""),
        (STR | None, None, {}, "None"),
        (AMOUNT, "0001.5000", {}, "1.50"),
        (AMOUNT, "-.5", {}, "-0.50"),
        (AMOUNT, "000000009999.99", {"le": 9999.99}, "9999.99"),
        (hr.Timestamp, "2024-02-29 23:59:59.000001+02", {}, "2024-02-29 21:59:59.000001+00:00"),
        (hr.Timestamp, "2024-02-29T23:59Z", {}, "2024-02-29 23:59:00+00:00"),
        (hr.Timestamp, "2024-07-01T00:00:00", {"zone": "Europe/Paris"}, "2024-06-30 22:00:00+00:00"),
        (hr.Timestamp, "2024-07-01T00:00:00Z", {"zone": "Europe/Paris"}, "2024-07-01 00:00:00+00:00"),
        (hr.Date, "2024-02-29", {"ge": "2024-01-01"}, "2024-02-29"),
    ],
)
def test_accepted(kind: Any, value: str | None, said: Mapping[str, Any], as_text: str) -> None:
    accepted, reasons = check(kind, value, **said)
    assert reasons == []
    assert [str(one) for one in accepted] == [as_text]


class Payment(hr.Contract):
    payment_id: str = hr.key(pattern="p[0-9]+")
    amount: hr.Decimal(6, 2) = hr.field(ge=0)  # type: ignore[valid-type]
    score: float | None = hr.field(le=1)


def payments(*rows: tuple[str | None, ...]) -> pa.Table:
    return pa.table({name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(Payment.fields())})


def test_all_reasons_of_a_row_in_the_order_of_its_fields_and_the_row_as_received() -> None:
    done = validate(Payment, payments(("p1", "1", None), ("q1", "-3", "nan")), None, "a.csv", 11)
    assert done.accepted["payment_id"].to_pylist() == ["p1"]
    (row,) = done.quarantined.to_pylist()
    assert row["reasons"] == [
        "HR-DATA-006 payment_id: q1 does not match p[0-9]+",
        "HR-DATA-004 amount: -3 is below 0",
        "HR-DATA-003 score: nan is not a finite number",
    ]
    assert (row["_source"], row["_row"]) == ("a.csv", 12)
    assert json.loads(row["row"]) == {"payment_id": "q1", "amount": "-3", "score": "nan"}


def test_counts_name_rules_and_no_values() -> None:
    done = validate(Payment, payments(("p1", "-1", None), ("p2", "-2", None), ("p1", "3", None), ("p1", "3", None)))
    assert total([done.counts]) == {
        "HR-DATA-004 amount: is below 0": 2,
        "HR-DATA-008 payment_id: is the key of an earlier row": 1,
    }


def test_missing_and_renamed_columns_refuse_the_file_with_the_nearest_name() -> None:
    table = payments(("p1", "1", None)).rename_columns(["payment_id", "amuont", "score"])
    with pytest.raises(hr.HeadraceError) as caught:
        validate(Payment, table, None, "a.csv")
    assert str(caught.value) == (
        "HR-DATA-101 a.csv: found no column amount; expected every field of Payment. "
        "Cure: rename the column amuont to amount."
    )
    with pytest.raises(hr.HeadraceError, match=r"HR-DATA-101 a.csv: found no column score"):
        validate(Payment, table.drop_columns(["score"]), None, "a.csv")
    with pytest.raises(hr.HeadraceError, match="separate the fields by commas"):
        validate(Payment, pa.table({"payment_id;amount;score": ["p1;1;"]}), None, "a.csv")


def test_extra_column_is_ignored_and_told() -> None:
    done = validate(Payment, payments(("p1", "1", None)).append_column("note", pa.array(["x"])), None, "a.csv")
    assert done.accepted.column_names == ["payment_id", "amount", "score"]
    assert [(one.code, one.severity, one.found) for one in done.faults] == [
        ("HR-DATA-102", "warning", "the column note")
    ]


def test_extra_columns_are_told_in_one_warning() -> None:
    more = payments(("p1", "1", None)).append_column("note", pa.array(["x"])).append_column("who", pa.array(["y"]))
    (told,) = validate(Payment, more, None, "a.csv").faults
    assert str(told) == (
        "HR-DATA-102 a.csv: found the columns note, who; expected the fields of Payment. "
        "Cure: nothing, they are ignored; or declare them in the contract."
    )


def test_malformed_line_has_one_reason_and_its_text() -> None:
    wrong = {"code": "HR-DATA-013", "field": "line", "text": "has 2 fields where the header has 3"}
    line = pa.array([{"text": "p9,1", "problems": [wrong]}])
    done = validate(Payment, payments((None, None, None)).append_column(MALFORMED, line), None, "a.csv")
    assert done.quarantined["reasons"].to_pylist() == [["HR-DATA-013 line: has 2 fields where the header has 3"]]
    assert json.loads(done.quarantined["row"][0].as_py()) == {"#line": "p9,1"}


def test_a_bad_row_takes_no_key_from_a_later_good_one() -> None:
    done = validate(Payment, payments(("p1", "-1", None), ("p1", "1", None), ("p1", "2", None), ("p1", "-2", None)))
    assert done.accepted["amount"].to_pylist() == [1]
    assert [(row["_row"], len(row["reasons"])) for row in done.quarantined.to_pylist()] == [(1, 1), (3, 1), (4, 2)]


def test_period_that_ends_before_it_begins() -> None:
    class Price(hr.Contract):
        since: hr.Timestamp = hr.valid_from(zone="UTC")  # type: ignore[valid-type]
        until: hr.Timestamp | None = hr.valid_to(zone="UTC")  # type: ignore[valid-type]

    day = "2024-01-0{} 00:00"
    rows = pa.table({"since": [day.format(2)] * 3, "until": [day.format(2), day.format(3), None]})
    done = validate(Price, rows)
    assert done.accepted.num_rows == 2
    assert done.quarantined["reasons"].to_pylist() == [["HR-DATA-015 until: 2024-01-02 00:00 is not after since"]]


def test_rules_that_cannot_be_applied_are_told_with_their_place() -> None:
    class Odd(hr.Contract):
        a: str = hr.field(pattern="(?=x)")

    class Odder(Odd):
        b: int = hr.field(isin=["many"])

    class Lost(hr.Contract):
        at: hr.Timestamp = hr.event_time(zone="europe/rom")  # type: ignore[valid-type]

    class Offset(hr.Contract):
        at: hr.Timestamp = hr.event_time(zone="+01:00")  # type: ignore[valid-type]

    assert [one.code for one in check_rules(Offset)] == ["HR-DATA-107"], "Python and Arrow must both know it"
    (zone,) = check_rules(Lost)
    assert (zone.code, zone.cure) == ("HR-DATA-107", "write zone='Europe/Rome', or another of the IANA's names")
    line = int(Odd.place.rpartition(":")[2])
    (pattern,), (member,) = check_rules(Odd), check_rules(Odder)
    assert (pattern.code, pattern.place.rpartition(":")[2]) == ("HR-DATA-106", str(line + 1))
    assert (member.code, member.place.rpartition(":")[2]) == ("HR-CONTRACT-009", str(line + 4))
    assert check_rules(Payment) == []


def test_empty_batch() -> None:
    done = validate(Payment, payments().slice(0, 0))
    assert (done.accepted.num_rows, done.quarantined.num_rows, done.counts) == (0, 0, {})
    assert done.accepted.schema.field("amount").type == pa.decimal128(6, 2)


_VALUES = st.one_of(st.none(), st.sampled_from(["p1", "p2", "p3", "q", "1", "-1", "2.5", "nan", "1e3", "0.001", ""]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_VALUES, _VALUES, _VALUES), max_size=12), st.integers(1, 5))
def test_the_outcome_does_not_depend_on_how_rows_are_cut_into_batches(
    rows: list[tuple[str | None, ...]], cut: int
) -> None:
    whole = validate(Payment, payments(*rows))
    index, accepted, quarantined = KeyIndex(Payment.key_fields()), [], []
    for start in range(0, len(rows), cut):
        done = validate(Payment, payments(*rows[start : start + cut]), index, "", start + 1)
        accepted += done.accepted.to_pylist()
        quarantined += done.quarantined.to_pylist()
    assert accepted == whole.accepted.to_pylist()
    assert quarantined == whole.quarantined.to_pylist()
    assert len(accepted) + len(quarantined) == len(rows)


def test_positions_may_be_given() -> None:
    done = validate(Payment, payments(("p1", "-1", None)), rows=np.array([41]))
    assert done.quarantined["_row"].to_pylist() == [41]


def test_field_defaults_are_kept() -> None:
    assert Field().zone == ""


def test_numbers_for_truth_may_be_null() -> None:
    class Flagged(hr.Contract):
        ok: bool | None

    for kind in (pa.int8(), pa.int64()):
        done = validate(Flagged, pa.table({"ok": pa.array([0, 1, None, 2], kind)}))
        assert done.accepted["ok"].to_pylist() == [False, True, None]
        assert done.quarantined["reasons"].to_pylist() == [["HR-DATA-002 ok: 2 is not a bool"]]


def test_times_within_that_no_calendar_has_are_told() -> None:
    class Inner(hr.Contract):
        at: hr.Timestamp | None

    class Outer(hr.Contract):
        key: int = hr.key()
        inner: Inner
        many: list[Inner]

    far = pa.array([{"at": 10**12}, {"at": 0}], pa.struct([("at", pa.timestamp("s", tz="UTC"))]))
    many = pa.array([[{"at": 0}], [{"at": -(10**12)}]], pa.list_(far.type))
    done = validate(Outer, pa.table({"key": [1, 2], "inner": far, "many": many}))
    assert (done.accepted.num_rows, done.quarantined.num_rows) == (0, 2)
