"""Streams of Arrow: what unfolds to more than it says is refused before it is made, and whatever is broken is told."""

import datetime
import decimal
import json
import random

import pyarrow as pa
import pytest

from headrace.errors import HeadraceError
from headrace.serve.arrow import rows_of, stream_of

NOON = datetime.datetime(2026, 7, 3, 12, tzinfo=datetime.UTC)
LONG = "x" * (1 << 20)


def stream(table, compression=None):
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def code_of(body):
    with pytest.raises(HeadraceError) as caught:
        rows_of(body, 20_000)
    return caught.value.faults[0].code


def table(rows=3):
    return pa.table({
        "id": [f"é{number}" for number in range(rows)],
        "kind": pa.array(["a", "b", None] * (rows // 3)).dictionary_encode(),
        "at": pa.array([NOON] * rows, pa.timestamp("ns", tz="UTC")),
        "day": pa.array([NOON.date()] * rows),
        "amount": pa.array([decimal.Decimal("41.30")] * rows, pa.decimal128(12, 2)),
        "tags": pa.array([["x", None]] * rows),
        "place": pa.array([{"city": "Bern", "zip": 3000}] * rows),
        "none": pa.nulls(rows),
    })  # fmt: skip


def test_rows_are_what_their_columns_hold():
    rows = [json.loads(row) for row in rows_of(stream(table()), 3)]
    assert [row["id"] for row in rows] == ["é0", "é1", "é2"]
    assert [row["kind"] for row in rows] == ["a", "b", None]
    rest = {"at": "2026-07-03T12:00:00Z", "day": "2026-07-03", "amount": "41.30", "tags": ["x", None], "none": None}
    assert {name: rows[0][name] for name in rest} == rest
    assert rows[0]["place"] == {"city": "Bern", "zip": 3000}
    assert rows_of(stream(table(0)), 3) == []


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"a": pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array([LONG]))}, "HR-REQUEST-001"),
        ({"a": pa.ListArray.from_arrays([0, 1 << 30], pa.nulls(1 << 30))}, "HR-REQUEST-001"),
        (
            {"a": pa.StructArray.from_arrays([pa.array([LONG] * 15)], ["b"]), "b": pa.array([LONG] * 15)},
            "HR-REQUEST-001",
        ),
        ({"a": pa.nulls(20_001)}, "HR-REQUEST-001"),
        ({"a": pa.RunEndEncodedArray.from_arrays([20_000], [LONG])}, "HR-REQUEST-002"),
        ({"a": pa.array(["x"]).cast(pa.string_view())}, "HR-REQUEST-002"),
        ({"a": pa.array([b"\xff"])}, "HR-REQUEST-002"),
        ({"a": pa.array([2**31 - 1], pa.date32())}, "HR-REQUEST-002"),
        ({"a": pa.array([1], pa.timestamp("ns", tz="UTC"))}, "HR-REQUEST-002"),
    ],
)
def test_what_unfolds_beyond_measure_or_has_no_json_is_refused(columns, code):
    assert code_of(stream(pa.table(columns))) == code


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_buffers_are_refused_before_they_are_read(compression):
    assert code_of(stream(table(), compression)) == "HR-REQUEST-002"
    zeros = pa.table({"a": pa.array(["0" * (64 << 20)])})
    assert code_of(stream(zeros, compression)) == "HR-REQUEST-002"
    letters = pa.table({"a": pa.array(["abc"] * 100).dictionary_encode()})
    assert code_of(stream(letters, compression)) == "HR-REQUEST-002"


def test_a_name_twice_is_refused():
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert code_of(stream(twice)) == "HR-REQUEST-004"


def test_bytes_that_were_altered_are_rows_or_refused_and_nothing_else():
    chance = random.Random(7)
    bodies = [stream(table(30).select([name])) for name in table().column_names] + [stream(table(30))]
    refused = 0
    for _ in range(3_000):
        body = bytearray(chance.choice(bodies))
        for _ in range(chance.choice([1, 1, 2, 8])):
            body[chance.randrange(len(body))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        try:
            rows_of(bytes(body[: chance.randrange(len(body))] if chance.random() < 0.1 else body), 20_000)
        except HeadraceError:
            refused += 1
    assert refused > 1_000


def test_answers_are_columns():
    decided = {"decision": "allow", "score": 0.25, "record_id": "r-1", "model": {"version": 3}, "reasons": [{"a": 1}]}
    found = pa.ipc.open_stream(stream_of([decided, {"errors": [{"code": "HR-DATA-004"}]}])).read_all().to_pylist()
    assert [row["decision"] for row in found] == ["allow", None]
    assert [row["model_version"] for row in found] == [3, None]
    assert [row["errors"] for row in found] == [None, '[{"code":"HR-DATA-004"}]']
    assert found[0]["reasons"] == '[{"a":1}]'
