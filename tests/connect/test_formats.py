"""Kinds of files: the same rows whatever they are written as, and JSON as requests have it."""

from __future__ import annotations

import datetime
import decimal
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastavro import writer
from hypothesis import example, given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.connect import ingest, read_batches
from headrace.connect.formats import SUFFIXES, jsondocs, jsonlines, window
from headrace.connect.formats.text import check_text
from headrace.connect.places import local
from headrace.contracts import validate
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.serve.fields import RowReader


class Order(hr.Contract):
    order_id: str = hr.key()
    at: hr.Timestamp = hr.event_time(zone="UTC")  # type: ignore[valid-type]
    day: hr.Date | None  # type: ignore[valid-type]
    pieces: int = hr.field(ge=0)
    amount: hr.Decimal(8, 2) = hr.field(ge=0)  # type: ignore[valid-type]
    ratio: float | None
    gift: bool


ROWS: list[dict[str, Any]] = [
    {
        "order_id": f'ö{n},\t"{n}"',
        "at": datetime.datetime(2026, 1, 1, 12, 0, n, tzinfo=datetime.UTC),
        "day": None if n % 3 else datetime.date(2026, 1, n + 1),
        "pieces": n,
        "amount": decimal.Decimal(n) / 4,
        "ratio": None if n == 4 else n / 8,
        "gift": n % 2 == 0,
    }
    for n in range(9)
]
EXPECTED = pa.Table.from_pylist(ROWS).cast(validate(Order, pa.Table.from_pylist(ROWS)).accepted.schema)


def as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime.date) else "true" if value is True else str(value)


def delimited(separator: str) -> bytes:
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    lines = [separator.join(ROWS[0])]
    lines += [separator.join("" if one is None else quoted(as_text(one)) for one in row.values()) for row in ROWS]
    return "\n".join(lines).encode() + b"\n"


def objects(rows: list[dict[str, Any]]) -> list[str]:
    plain = (int, float, bool, str, type(None))
    return [json.dumps({k: v if isinstance(v, plain) else as_text(v) for k, v in row.items()}) for row in rows]


def avro() -> bytes:
    moment, day = {"type": "long", "logicalType": "timestamp-micros"}, {"type": "int", "logicalType": "date"}
    money = {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}
    kinds: dict[str, Any] = {"order_id": "string", "at": moment, "day": ["null", day], "pieces": "long"}
    kinds |= {"amount": money, "ratio": ["null", "double"], "gift": "boolean"}
    fields = [{"name": name, "type": kind} for name, kind in kinds.items()]
    content = io.BytesIO()
    writer(content, {"type": "record", "name": "order", "fields": fields}, ROWS)
    return content.getvalue()


def workbook() -> bytes:
    book = openpyxl.Workbook()
    book.active.append(list(ROWS[0]))
    for row in ROWS:
        book.active.append([value.replace(tzinfo=None) if key == "at" else value for key, value in row.items()])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def parquet() -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), content)
    return content.getvalue()


def zstd(content: bytes) -> bytes:
    packed: bytes = pa.compress(content, codec="zstd", asbytes=True)
    return packed


FILES: dict[str, Callable[[], bytes]] = {
    "a.csv": lambda: delimited(","),
    "a.csv.gz": lambda: gzip.compress(delimited(","), mtime=0),
    "a.tsv": lambda: delimited("\t"),
    "a.tsv.zst": lambda: zstd(delimited("\t")),
    "a.jsonl": lambda: "\n".join(objects(ROWS)).encode(),
    "a.ndjson.gz": lambda: gzip.compress("\r\n\n".join(objects(ROWS)).encode(), mtime=0),
    "a.jsonl.zst": lambda: zstd(b"\xef\xbb\xbf" + "\n".join(objects(ROWS)).encode() + b"\n\n"),
    "a.json": lambda: f"[{','.join(objects(ROWS))}]".encode(),
    "b.json": lambda: json.dumps([json.loads(one) for one in objects(ROWS)], indent=2).encode(),
    "c.json": lambda: "\n".join(objects(ROWS)).encode(),
    "d.json.gz": lambda: gzip.compress(" \n".join(objects(ROWS)).encode(), mtime=0),
    "a.parquet": parquet,
    "a.avro": avro,
    "a.avro.gz": lambda: gzip.compress(avro(), mtime=0),
    "a.xlsx": workbook,
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("batch_rows", [2, 1000])
def test_the_same_rows_whatever_they_are_written_as(tmp_path: Path, name: str, batch_rows: int) -> None:
    (tmp_path / name).write_bytes(FILES[name]())
    report = ingest(hr.Stream("orders", Order, source=name), tmp_path, Lake(tmp_path / "lake"), batch_rows=batch_rows)
    assert (report.received, report.accepted, report.quarantined, report.faults) == (9, 9, 0, ())
    assert Lake(tmp_path / "lake").read("orders").select(EXPECTED.column_names).equals(EXPECTED)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
def test_a_file_that_was_cut_is_refused_before_a_row_is_taken(tmp_path: Path, name: str, keep: float) -> None:
    whole = FILES[name]()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * keep)])
    lake = Lake(tmp_path / "lake")
    report = ingest(hr.Stream("orders", Order, source=name), tmp_path, lake)
    if name in ("a.csv", "a.tsv", "a.jsonl", "c.json") and not report.faults:  # cut between two rows, or in the last
        assert report.received == report.accepted + report.quarantined > 0
        return
    assert [fault.place for fault in report.faults] == [name]
    assert report.faults[0].code in ("HR-SOURCE-002", "HR-SOURCE-009", "HR-SOURCE-004", "HR-DATA-101")
    assert not lake.exists("orders") or lake.rows("orders") == 0


def test_every_ending_is_read() -> None:
    named = {end for name in FILES for end in SUFFIXES if name.endswith(end)}
    assert {".csv", ".tsv", ".jsonl", ".ndjson.gz", ".json", ".avro", ".xlsx", ".parquet", ".jsonl.zst"} <= named


NASTY = [
    "null",
    "[]",
    "{}",
    '{"a":1} null',
    '{"a":1} {"a":2}',
    '{"a":1},',
    "{'a':1}",
    '{"a":01}',
    '{"a":1}//x',
    '{"a":NaN}',
    '{"a":-Infinity}',
    '{"a":1e400}',
    '{"a":1,"a":2}',
    '{"a":"\\ud800"}',
    '{"b":' + "[" * 100_000 + "]" * 100_000 + "}",
    '{"a":' + "9" * 5000 + "}",
    '{"a":1',
    '"',
    "\x00",
]
GOOD = objects(ROWS[:2])


@pytest.mark.parametrize("line", NASTY, ids=[line[:12] for line in NASTY])
def test_a_line_that_is_no_row_goes_to_quarantine_as_it_is_and_takes_none_along(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join([GOOD[0], line, GOOD[1]]))
    lake = Lake(tmp_path / "lake")
    report = ingest(hr.Stream("orders", Order, source="a.jsonl"), tmp_path, lake)
    if line == "\x00":
        assert [fault.code for fault in report.faults] == ["HR-SOURCE-004"]
        return
    assert (report.received, report.accepted, report.quarantined) == (3, 2, 1)
    (held,) = lake.read("quarantine_orders").to_pylist()
    assert held["_row"] == 2
    assert held["reasons"]
    told = json.loads(held["row"]) if not held["reasons"][0].startswith("HR-DATA-001") else {"#line": line}
    assert told == {"#line": line}


def test_a_long_line_is_a_row_like_another(tmp_path: Path) -> None:
    long = json.dumps(json.loads(GOOD[0]) | {"order_id": "x" * 10_000_000})
    (tmp_path / "a.jsonl").write_text("\n".join([long, GOOD[1]]))
    report = ingest(hr.Stream("orders", Order, source="a.jsonl"), tmp_path, Lake(tmp_path / "lake"))
    assert (report.received, report.accepted) == (2, 2)


def test_a_line_without_an_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonlines, "LONGEST", 1 << 20)
    monkeypatch.setattr(jsonlines, "_BLOCK", 1 << 19)
    (tmp_path / "a.jsonl").write_text(" " * 20 + '{"order_id": "' + "x" * (3 << 20))
    report = ingest(hr.Stream("orders", Order, source="a.jsonl"), tmp_path, Lake(tmp_path / "lake"))
    assert [fault.code for fault in report.faults] == ["HR-SOURCE-016"]


@pytest.mark.parametrize("text", ['{"a":1}]', "[{},", "[{} {}]", "[1", "nonsense", "[{}]x", '{"a":1} x'])
def test_a_document_that_is_torn_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    report = ingest(hr.Stream("orders", Order, source="a.json"), tmp_path, Lake(tmp_path / "lake"))
    assert [fault.code for fault in report.faults] == ["HR-SOURCE-002"]


def test_a_document_is_read_a_little_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "_BLOCK", 7)
    (tmp_path / "a.json").write_bytes(FILES["b.json"]())
    file = local(tmp_path / "a.json", tmp_path)
    (batch,) = read_batches(file, Order, 1000)
    assert validate(Order, batch).accepted.equals(EXPECTED)


def test_a_renamed_field_of_objects_is_told_as_a_renamed_column_is(tmp_path: Path) -> None:
    lines = [line.replace('"pieces"', '"piece"') for line in objects(ROWS)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    report = ingest(hr.Stream("orders", Order, source="a.jsonl"), tmp_path, Lake(tmp_path / "lake"))
    assert [str(fault).split(";")[0] for fault in report.faults] == ["HR-DATA-101 a.jsonl: found no column pieces"]
    assert "rename the column piece to pieces" in report.faults[0].cure


def test_a_field_that_may_be_null_may_be_left_out_and_one_that_may_not_is_told(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in objects(ROWS[:3])]
    del rows[0]["ratio"], rows[1]["pieces"], rows[0]["day"], rows[1]["day"], rows[2]["day"]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    lake = Lake(tmp_path / "lake")
    ingest(hr.Stream("orders", Order, source="a.jsonl"), tmp_path, lake)
    assert lake.read("orders")["ratio"].to_pylist() == [None, 0.25]
    assert lake.read("quarantine_orders")["reasons"].to_pylist() == [["HR-DATA-001 pieces: is empty and may not be"]]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "1", "1.50", "-0.5", "1e2", "x", "2026-01-31", "2026-02-30", "2026-01-31T12:00:00Z", "true"]),
    st.sampled_from(["2026-01-31 12:00", "0999-01-01T00:00:00Z", "9999-01-01", "1e999", "ünï", "2026-01-31T12:00:00"]),
    st.sampled_from([2**53, 2**53 + 1, -(2**63), 2**63 - 1, 0.1, 12.345, 1e18, 99999999.99]),
    st.lists(st.integers(0, 3), max_size=2),
)
FIELDS = list(ROWS[0])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=7), min_size=1, max_size=3))
@example([{"pieces": 1, "ratio": 2**53 + 1}])
@example([{"amount": 1.5347466073003388e-232}])
@example([{"amount": 3e37}, {"amount": 10**21}])
@example([{"amount": 680564733841876926926749214863536422912}])
def test_a_line_is_taken_as_a_request_is(rows: list[dict[str, Any]]) -> None:
    whole = json.loads(GOOD[0])
    texts = [json.dumps(whole | row) for row in rows]
    table = jsonlines._table(pa.array([text.encode() for text in texts], pa.binary()), Order, FIELDS)
    alone = [validate(Order, table.slice(n, 1)) for n in range(len(rows))]
    reader = RowReader(Order)
    for text, found in zip(texts, alone, strict=True):
        try:
            row = reader.read(text.encode())
        except hr.HeadraceError as refused:
            codes = sorted({fault.code for fault in refused.faults})
            assert found.accepted.num_rows == 0
            (reasons,) = found.quarantined["reasons"].to_pylist()
            assert sorted({reason.split()[0] for reason in reasons}) == codes
        else:
            assert found.accepted.equals(reader.arrow([row]).select(found.accepted.column_names))


@pytest.mark.parametrize(("tail", "whole"), [(b"\xc3\xbc,1\n", True), (b"\xc3", False), (b"\xc3,1\n", False)])
def test_a_letter_may_be_cut_by_the_end_of_a_block_and_by_nothing_else(
    tmp_path: Path, tail: bytes, whole: bool
) -> None:
    block = 1 << 20
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a" * (block - 1) + tail + b"b" * (2 * block if whole else 0))
    if whole:
        check_text(local(path, tmp_path))
        return
    with pytest.raises(HeadraceError, match="HR-SOURCE-004"):
        check_text(local(path, tmp_path))


@pytest.mark.parametrize("indent", [None, 2])
def test_a_document_says_the_same_however_it_is_laid_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indent: int | None
) -> None:
    rows = [{**json.loads(line), "order_id": f"{number}\r\n\t"} for number, line in enumerate(objects(ROWS))]
    (tmp_path / "a.json").write_bytes(json.dumps(rows, indent=indent).replace("\n", "\r\n").encode())
    file = local(tmp_path / "a.json", tmp_path)
    (fast,) = read_batches(file, Order, 1000)
    monkeypatch.setattr(jsondocs, "by_arrow", lambda *_: None)
    (slow,) = read_batches(file, Order, 1000)
    accepted = validate(Order, fast).accepted
    assert accepted.equals(validate(Order, slow).accepted)
    assert accepted["order_id"].to_pylist() == [f"{number}\r\n\t" for number in range(len(rows))]
