"""Rows that Python makes: whatever a function returns or yields, and what becomes of its mistakes."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import headrace as hr
from headrace.connect import ingest
from headrace.connect.origins import Away, Batch
from headrace.connect.origins.rows import RowsReader
from headrace.errors import HeadraceError
from headrace.lake import Lake
from tests.connect.orders import place_in

HERE = Path(__file__).parent


class Order(hr.Contract):
    order_id: int = hr.key()
    at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]
    amount: hr.Decimal(8, 2) | None  # type: ignore[valid-type]


def moment(day: int) -> datetime.datetime:
    return datetime.datetime(2026, 1, day, tzinfo=datetime.UTC)


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"order_id": number, "at": moment(number % 28 + 1), "amount": decimal.Decimal("1.50")} | more


def batches(make: Callable[..., Any], since: Any = None, batch_rows: int = 1000, **how: Any) -> list[Batch]:
    origin = hr.Rows(make, **how)
    assert not origin.faults
    with closing(RowsReader(origin, place_in(HERE, Order))) as reader:
        return list(reader.batches(since, batch_rows))


def ids(found: list[Batch]) -> list[int]:
    return [
        number
        for one in found
        for number in (
            one.rows["order_id"].to_pylist()
            if isinstance(one.rows, pa.Table)
            else [json.loads(text)["order_id"] for text in one.rows.to_pylist()]
        )
    ]


FRAME = pd.DataFrame([row(n) for n in range(3)])
TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)
MADE: dict[str, Any] = {
    "list": [row(n) for n in range(3)],
    "generator": (row(n) for n in range(3)),
    "lists": [[row(0), row(1)], [], [row(2)]],
    "pandas": FRAME,
    "pandas, index": FRAME.set_index("order_id"),
    "Polars": pl.from_pandas(FRAME),
    "Arrow": TABLE,
    "batches": TABLE.to_batches(max_chunksize=2),
    "reader": TABLE.to_reader(max_chunksize=1),
    "all": [row(0), FRAME.iloc[1:2], pl.from_pandas(FRAME.iloc[2:])],
}


@pytest.mark.parametrize("kind", MADE)
def test_whatever_a_function_makes_are_rows(kind: str, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    stream = hr.Stream("orders", Order, source=hr.Rows(lambda: MADE[kind]))
    report = ingest(stream, tmp_path, lake)
    assert (report.received, report.accepted, report.faults) == (3, 3, ())
    found = lake.read("orders").select(["order_id", "at", "amount"])
    assert found.to_pylist() == [row(n) for n in range(3)]


@pytest.mark.parametrize("source", [FRAME, pl.from_pandas(FRAME), TABLE, [row(n) for n in range(3)], lambda: FRAME])
def test_a_frame_and_a_list_may_be_a_source_by_themselves(source: Any, tmp_path: Path) -> None:
    stream = hr.Stream("orders", Order, source=source)
    assert not stream.faults
    assert hr.Project("shop", sources=[stream]).check() == ()
    assert ingest(stream, tmp_path, Lake(tmp_path / "lake")).accepted == 3


def test_a_generator_that_can_be_used_only_once_is_no_source() -> None:
    (fault,) = hr.Stream("orders", Order, source=(one for one in [])).faults
    assert fault.code == "HR-DECLARE-001"


class Colour(enum.Enum):
    RED = "red"


def test_values_of_python_keep_what_they_are() -> None:
    class Kinds(hr.Contract):
        a: int
        b: int
        c: str
        d: str
        e: list[int]
        f: float | None
        g: float | None
        h: str
        i: str
        outer_inner: bool

    given = {
        "a": np.int64(7),
        "b": 7.0,
        "c": uuid.UUID(int=5),
        "d": Colour.RED,
        "e": np.array([1, 2]),
        "f": pd.NA,
        "g": np.float32(0.5),
        "h": datetime.date(2026, 1, 31),
        "i": [{"x": pd.NaT}],
        "outer": {"inner": np.True_, "other": object()},
    }
    reader = RowsReader(hr.Rows(lambda: [given]), place_in(HERE, Kinds))
    (batch,) = reader.batches(None, 10)
    assert json.loads(batch.rows[0].as_py()) == {
        "a": 7,
        "b": 7,
        "c": str(uuid.UUID(int=5)),
        "d": "red",
        "e": [1, 2],
        "f": None,
        "g": 0.5,
        "h": "2026-01-31",
        "i": '[{"x":null}]',
        "outer_inner": True,
    }


def test_bad_rows_are_quarantined_one_by_one(tmp_path: Path) -> None:
    bad = [row(1, amount=float("nan")), row(2, amount="much"), row(3, at="then"), row(4, order_id=None), {}]
    report = ingest(hr.Stream("orders", Order, source=[row(0), *bad]), tmp_path, Lake(tmp_path / "lake"))
    assert (report.received, report.accepted, report.quarantined) == (6, 1, 5)


def test_nested_columns_of_a_frame_become_columns() -> None:
    class Nested(hr.Contract):
        order_id: int = hr.key()
        customer_name_last: str

    frame = pl.DataFrame({"order_id": [1], "customer": [{"name": {"last": "Li", "first": "A"}, "x": 1}]})
    (batch,) = RowsReader(hr.Rows(lambda: frame), place_in(HERE, Nested)).batches(None, 10)
    assert batch.rows.to_pylist() == [{"order_id": 1, "customer_name_last": "Li"}]


def test_with_a_cursor_the_function_is_told_where_to_go_on_and_older_rows_are_passed_over() -> None:
    asked = []

    def make(since: int | None) -> list[dict[str, Any]]:
        asked.append(since)
        return [row(n) for n in range(5)]

    assert ids(batches(make, cursor="order_id")) == [0, 1, 2, 3, 4]
    assert ids(batches(make, 3, cursor="order_id")) == [3, 4]
    assert ids(batches(lambda _: FRAME, 1, cursor="order_id")) == [1, 2]
    (batch,) = batches(lambda _: pl.from_pandas(FRAME), moment(2), cursor="at")
    assert batch.cursor is not None
    assert batch.cursor.to_pylist() == [moment(2), moment(3)]
    assert asked == [None, 3]


def test_a_generator_without_end_is_taken_as_it_comes() -> None:
    closed = []

    def make() -> Iterator[dict[str, Any]]:
        try:
            for number in count():
                yield row(number)
        finally:
            closed.append(True)

    with closing(RowsReader(hr.Rows(make), place_in(HERE, Order))) as reader:
        assert ids(list(islice(reader.batches(None, 10), 3))) == list(range(30))
    assert closed == [True]


def test_a_mistake_in_the_function_is_told_at_its_own_line_and_without_a_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def make() -> Iterator[dict[str, Any]]:
        print("said by the function")
        yield row(0)
        yield row(int("12 Main Street"))

    found = RowsReader(hr.Rows(make), place_in(HERE, Order)).batches(None, 1)
    assert ids([next(found)]) == [0]
    with pytest.raises(HeadraceError) as error:
        next(found)
    (fault,) = error.value.faults
    line = make.__code__.co_firstlineno + 3
    assert (fault.code, fault.place.rpartition(":")[2]) == ("HR-SOURCE-050", str(line))
    assert "test_rows.py" in fault.place
    assert fault.found == "ValueError in make"
    assert capsys.readouterr().out == ""


def test_a_function_whose_own_source_is_away_is_asked_again(tmp_path: Path) -> None:
    def make() -> list[dict[str, Any]]:
        raise ConnectionResetError("https://user:secret@shop.example")

    with pytest.raises(Away) as found:
        batches(make)
    assert "secret" not in str(found.value)


@pytest.mark.parametrize(
    ("made", "code", "said"),
    [
        (None, "HR-SOURCE-051", "a forgotten return"),
        ("text", "HR-SOURCE-051", "made str"),
        ([(1, 2)], "HR-SOURCE-051", "made int"),
        (pl.LazyFrame({"a": [1]}), "HR-SOURCE-051", ".collect()"),
        ([row(1, amount=object())], "HR-SOURCE-052", "a value of type object"),
        (pd.DataFrame({"order_id": [1, "x", {}]}), "HR-SOURCE-052", "of several types"),
        (pd.DataFrame({"id": [1]}), "HR-DATA-101", "no column order_id"),
    ],
)
def test_what_are_no_rows_is_told_with_its_cure(made: Any, code: str, said: str) -> None:
    with pytest.raises(HeadraceError, match=code) as found:
        batches(lambda: made)
    assert said in str(found.value)
    assert "test_rows.py:" in str(found.value)


def test_rows_that_go_back_behind_their_cursor_are_refused() -> None:
    with pytest.raises(HeadraceError, match="HR-SOURCE-053"):
        batches(lambda _: [row(2), row(1)], cursor="order_id")
    with pytest.raises(HeadraceError, match="HR-SOURCE-053"):
        batches(lambda _: [FRAME, FRAME], cursor="order_id")
    with pytest.raises(HeadraceError, match="HR-SOURCE-053.*without the cursor"):
        batches(lambda _: FRAME, cursor="serial")
