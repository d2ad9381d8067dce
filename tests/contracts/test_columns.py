"""Columns of Parquet's types as a contract's types: exactly, or with a reason, or not at all."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.contracts import read_column, validate
from headrace.contracts.json import Refused, value_of
from headrace.declare import Field, contract_of
from headrace.types import BOOL, FLOAT, INT, STR, LogicalType, list_of


def taken(kind: Any, values: pa.Array[Any], **said: Any) -> tuple[list[Any], list[str]]:
    field = replace(hr.field(**said), type=kind | None)
    done = validate(contract_of("Row", {"x": field}), pa.table({"x": values}), None, "a.parquet")
    assert done.accepted.num_rows + done.quarantined.num_rows == len(values)
    return done.accepted["x"].to_pylist(), [one for row in done.quarantined["reasons"].to_pylist() for one in row]


NANO = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("kind", "values", "accepted", "reasons"),
    [
        (INT, pa.array([1, None], pa.int8()), [1, None], []),
        (
            INT,
            pa.array([2**63], pa.uint64()),
            [],
            ["HR-DATA-012 x: 9223372036854775808 is not a whole number of 64 bits"],
        ),
        (INT, pa.array([1.0, 1.5]), [1], ["HR-DATA-002 x: 1.5 is not an int"]),
        (INT, pa.array([1e17]), [], ["HR-DATA-012 x: 1e+17 is too large to be exact as a float"]),
        (INT, pa.array([float("nan")]), [], ["HR-DATA-003 x: nan is not a finite number"]),
        (INT, pa.array(["7", "x"]), [7], ["HR-DATA-002 x: x is not an int"]),
        (INT, pa.array(["7", "7"]).dictionary_encode(), [7, 7], []),
        (INT, pa.nulls(2), [None, None], []),
        (
            FLOAT,
            pa.array([1, 2**53 + 1]),
            [1.0],
            ["HR-DATA-012 x: 9007199254740993 is too large to be exact as a float"],
        ),
        (FLOAT, pa.array([1.5, float("inf")]), [1.5], ["HR-DATA-003 x: inf is not a finite number"]),
        (FLOAT, pa.array(np.array([0.5], np.float16)), [0.5], []),
        (BOOL, pa.array([0, 1, 2]), [False, True], ["HR-DATA-002 x: 2 is not a bool"]),
        (STR, pa.array(["ä"], pa.large_string()), ["ä"], []),
        (STR, pa.array([b"\xff"], pa.binary()).view(pa.string()), [], ["HR-DATA-002 x: is not valid UTF-8"]),
        (hr.Date, pa.array([datetime.date(2024, 2, 29)], pa.date64()), [datetime.date(2024, 2, 29)], []),
        (
            hr.Decimal(6, 2),
            pa.array([57.16, 0.1 + 0.2]),
            [Decimal("57.16")],
            ["HR-DATA-011 x: 0.30000000000000004 has"],
        ),
        (hr.Decimal(6, 2), pa.array([57.16], pa.float32()), [Decimal("57.16")], []),
        (hr.Decimal(6, 2), pa.array([12345]), [], ["HR-DATA-011 x: 12345 has more than 4 digits before or 2 after"]),
        (
            hr.Decimal(6, 2),
            pa.array([Decimal("1.500"), Decimal("1.505")]),
            [Decimal("1.50")],
            ["HR-DATA-011 x: 1.505 has"],
        ),
        (hr.Timestamp, pa.array([0], pa.timestamp("s", "Europe/Paris")), [NANO.fromtimestamp(0, datetime.UTC)], []),
        (
            hr.Timestamp,
            pa.array([1], pa.timestamp("ns", "UTC")),
            [],
            ["HR-DATA-010 x: 1970-01-01 00:00:00.000000001Z is finer"],
        ),
        (list_of(INT), pa.array([[1], []]), [[1], []], []),
        (list_of(INT), pa.array(["[1]", "[1, null]"]), [[1]], ["HR-DATA-017 x: has an item that is null"]),
        (list_of(INT), pa.array(["1"]), [], ["HR-DATA-002 x: is of another JSON type"]),
        (
            list_of(FLOAT),
            pa.array([[1.0], [float("nan")]]),
            [[1.0]],
            ["HR-DATA-003 x: has an item that is not a finite number"],
        ),
    ],
)
def test_values(kind: Any, values: pa.Array[Any], accepted: list[Any], reasons: list[str]) -> None:
    got, told = taken(kind, values)
    assert got == accepted
    assert len(told) == len(reasons)
    assert all(one.startswith(start) for one, start in zip(told, reasons, strict=True))


@pytest.mark.parametrize(
    ("kind", "values", "text"),
    [
        (
            INT,
            pa.array([True]),
            "HR-DATA-103 a.parquet: found bool in x; expected int | None, or what can be read as it",
        ),
        (STR, pa.array([1]), "HR-DATA-103 a.parquet: found int64 in x"),
        (hr.Date, pa.array([0], pa.timestamp("us")), r"HR-DATA-103 a.parquet: found timestamp\[us\] in x"),
        (list_of(INT), pa.array([1]), "HR-DATA-103 a.parquet: found int64 in x"),
        (
            hr.Timestamp,
            pa.array([0], pa.timestamp("us")),
            r'HR-DATA-104 .*Cure: hr.field\(zone="UTC"\) in the contract',
        ),
    ],
)
def test_types_that_no_row_could_have(kind: Any, values: pa.Array[Any], text: str) -> None:
    with pytest.raises(hr.HeadraceError, match=text):
        taken(kind, values)


def test_naive_parquet_times_are_read_in_the_zone_of_the_contract() -> None:
    naive = pa.array(["2024-07-01 00:00:00", "2024-03-31 02:30:00"]).cast(pa.timestamp("ns"))
    got, told = taken(hr.Timestamp, naive, zone="Europe/Paris")
    assert got == [datetime.datetime(2024, 6, 30, 22, tzinfo=datetime.UTC)]
    assert told[0].startswith("HR-DATA-014 x: 2024-03-31 02:30:00.000000000 is no single moment in Europe/Paris")


def test_a_column_that_is_there_twice() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    with pytest.raises(hr.HeadraceError, match=r"HR-DATA-105 a.parquet: found the column x twice"):
        validate(contract_of("Row", {"x": Field(type=INT)}), table, None, "a.parquet")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=False, width=64) | st.integers(-99999, 99999).map(lambda n: n / 100), max_size=8))
def test_a_float_becomes_the_decimal_that_it_prints_as_or_nothing(numbers: list[float]) -> None:
    got, told = taken(hr.Decimal(8, 3), pa.array(numbers, pa.float64()))
    exact = [Decimal(repr(one)) for one in numbers if np.isfinite(one)]
    fitting = [one for one in exact if abs(one) < 10**5 and one == one.quantize(Decimal("0.001"))]
    assert got == fitting
    assert len(told) == len(numbers) - len(fitting)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.from_regex(r"[+-]?[0-9]{0,4}(\.[0-9]{0,4})?", fullmatch=True), max_size=8))
def test_text_becomes_the_decimal_that_it_says_or_nothing(texts: list[str]) -> None:
    got, told = taken(hr.Decimal(5, 2), pa.array(texts, pa.string()))
    fitting = []
    for text in texts:
        if any(character.isdigit() for character in text):
            value = Decimal(text)
            if value == value.quantize(Decimal("0.01")) and abs(value) < 1000:
                fitting.append(value)
    assert got == fitting
    assert len(told) == len(texts) - len(fitting)


@pytest.mark.parametrize("zone", ["Europe/Rome", "America/New_York", "Asia/Tehran", "Australia/Lord_Howe", "UTC"])
def test_clock_times_are_the_same_moments_as_those_of_requests(zone: str) -> None:
    field = Field(name="at", type=LogicalType("timestamp"), zone=zone, role="valid_to")
    first = datetime.datetime(2024, 1, 1)  # noqa: DTZ001
    texts = [(first + datetime.timedelta(hours=719 * n, minutes=n % 60)).isoformat() for n in range(900)]
    texts += [f"{year}-{day}T02:{minute}:00" for year in (2030, 2036, 2037, 2038, 2060, 2400)
              for day in ("03-14", "03-28", "10-31", "11-07") for minute in ("00", "15", "45")]  # fmt: skip
    values, problems = read_column(field, pa.array([*texts, None], pa.string()))
    refused = {row for problem in problems for row in problem.rows.tolist()}
    for row, text in enumerate(texts):
        try:
            expected = value_of(field, text, True)
        except Refused:
            expected = None
        assert values[row].cast(pa.int64()).as_py() == expected
        assert (row in refused) == (expected is None)
