"""Rows of Python as JSON: no digit and no zone is lost, and what cannot be written is told without its value."""

import dataclasses
import datetime
import enum
import json
import uuid
from collections import namedtuple
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from headrace.client.rows import BYTES_AT_ONCE, as_json, batches, is_table, rows_of
from headrace.errors import HeadraceError

ROME = datetime.timezone(datetime.timedelta(hours=1))


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Inner:
    city: str


@dataclasses.dataclass
class Row:
    amount: Decimal
    home: Inner


class Model:
    def model_dump(self):
        return {"amount": Decimal("1.10")}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"a": Decimal("12.50")}, {"a": "12.50"}),
        ({"a": Decimal("1E+3")}, {"a": "1E+3"}),
        ({"a": datetime.datetime(2026, 1, 31, 12, tzinfo=ROME)}, {"a": "2026-01-31T12:00:00+01:00"}),
        ({"a": datetime.datetime(2026, 1, 31, 12, 0, 0, 7)}, {"a": "2026-01-31T12:00:00.000007"}),  # noqa: DTZ001
        ({"a": datetime.date(2026, 1, 31)}, {"a": "2026-01-31"}),
        ({"a": Colour.RED, "b": uuid.UUID(int=7)}, {"a": "red", "b": "00000000-0000-0000-0000-000000000007"}),
        ({"a": np.int64(7), "b": np.float64(0.5), "c": np.bool_(True)}, {"a": 7, "b": 0.5, "c": True}),
        ({"a": [Inner("Rome")], "b": {"c": None}}, {"a": [{"city": "Rome"}], "b": {"c": None}}),
        (Row(Decimal("0.10"), Inner("Rome")), {"amount": "0.10", "home": {"city": "Rome"}}),
        (namedtuple("Pair", "a b")(1, "x"), {"a": 1, "b": "x"}),
        (Model(), {"amount": "1.10"}),
    ],
)
def test_values_are_written_as_the_service_reads_them(row, expected):
    assert json.loads(as_json(row)) == expected


def _own():
    row = {}
    row["row"] = row
    return row


@pytest.mark.parametrize(
    "row",
    [
        *({"a": one} for one in (float("nan"), float("inf"), b"4111", object(), {1, 2}, np.zeros(3), 1j, Row)),
        *(7, "4111", Row, _own(), None, ["4111"], {(1, 2): 3}),
    ],
)
def test_what_json_cannot_hold_is_told_by_its_type(row):
    with pytest.raises(HeadraceError) as error:
        as_json(row)
    (fault,) = error.value.faults
    assert fault.code == "HR-CLIENT-004"
    assert "4111" not in str(fault)


def test_many_rows_go_in_pieces_that_a_service_takes():
    pieces = list(batches({"a": number} for number in range(2_500)))
    assert [len(some) for some in pieces] == [1000, 1000, 500]
    assert [json.loads(line)["a"] for some in pieces for line in some] == list(range(2_500))
    large = list(batches({"a": "x" * 1_000_000} for _ in range(9)))
    assert [len(some) for some in large] == [4, 4, 1]
    assert all(len(b",".join(some)) + 2 <= BYTES_AT_ONCE for some in large)
    assert list(batches([])) == []


def test_tables_of_arrow_polars_and_pandas_are_rows():
    import pandas as pd
    import polars as pl

    told = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    for table in (pl.DataFrame(told), pd.DataFrame(told), pa.Table.from_pylist(told), pa.RecordBatch.from_pylist(told)):
        assert is_table(table)
        assert list(rows_of(table)) == told
    assert not is_table(told)
    exact = pa.table({"a": [Decimal("1.50")] * 1_500, "at": [datetime.datetime(2026, 1, 31, tzinfo=ROME)] * 1_500})
    assert [json.loads(as_json(row))["a"] for row in rows_of(exact)] == ["1.50"] * 1_500
    assert as_json(next(rows_of(pa.table({"at": pa.array([0], pa.timestamp("us", "UTC"))})))) == (
        b'{"at":"1970-01-01T00:00:00+00:00"}'
    )
