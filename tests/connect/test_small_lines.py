"""Few lines of JSON are read as many are: whatever looks at them first, the same rows come of them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.connect import ingest, read_batches
from headrace.connect.formats import jsonlines
from headrace.connect.formats.jsonlines import lines_of
from headrace.connect.places import local
from headrace.lake import Lake


class Reading(hr.Contract):
    reading_id: int = hr.key()
    value: float | None
    text: str | None


_VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True), st.text(max_size=5))
_ODD = st.sampled_from(
    ["null", "[]", "7", "{", '{"reading_id": 1,}', '{"reading_id": 01}', '{"reading_id": 1} x', '{"text": "\\ud800"}']
)
_LINES = st.one_of(
    st.dictionaries(st.sampled_from(["reading_id", "value", "text"]), _VALUES).map(json.dumps),
    st.fixed_dictionaries(
        {"reading_id": st.integers(0, 9), "value": st.floats(-5, 5), "text": st.text(max_size=5)}
    ).map(json.dumps),
    _ODD,
)


def rows_of_lines(lines: list[str], few: int) -> pa.Table:
    before, jsonlines._FEW = jsonlines._FEW, few
    try:
        return jsonlines._table(pa.array([one.encode() for one in lines], pa.binary()), Reading, list(Reading.fields()))
    finally:
        jsonlines._FEW = before


@settings(deadline=None, max_examples=60)
@given(st.lists(_LINES, min_size=1, max_size=5))
def test_few_lines_are_read_as_many_are(lines: list[str]) -> None:
    assert rows_of_lines(lines, 1 << 20).equals(rows_of_lines(lines, -1))


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n"])
@pytest.mark.parametrize("begin", ["", "\ufeff", "\n"])
def test_a_small_file_is_one_batch_however_it_begins_and_ends(tmp_path: Path, begin: str, end: str) -> None:
    lines = [json.dumps({"reading_id": number, "value": 0.5, "text": "a"}) for number in range(3)]
    (tmp_path / "a.jsonl").write_text(begin + "\n".join(lines) + end)
    (batch,) = read_batches(local(tmp_path / "a.jsonl", tmp_path), Reading)
    assert batch["reading_id"].to_pylist() == [0, 1, 2]


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_lines_are_whole_wherever_blocks_end(tmp_path: Path, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps({"reading_id": number}) for number in range(12)]
    (tmp_path / "a.jsonl").write_text("\ufeff" + "\n".join(lines) + end)
    file = local(tmp_path / "a.jsonl", tmp_path)
    for block in range(4, 60):  # a mark of the order of bytes comes in one piece
        monkeypatch.setattr(jsonlines, "_BLOCK", block)
        parts = list(lines_of(file))
        assert [line.decode() for part in parts for line in part.to_pylist()] == lines


@pytest.mark.parametrize("more", [0, 40_000])
@pytest.mark.parametrize("odd", ["NaN", "[-Infinity]"])
def test_what_json_does_not_have_is_refused_however_many_lines_there_are(tmp_path: Path, odd: str, more: int) -> None:
    class Bare(hr.Contract):
        n: int

    (tmp_path / "data").mkdir()
    lines = [
        f'{{"n": 0, "unread": {odd}}}',
        *(f'{{"n": {number}, "unread": "NaN and more"}}' for number in range(more)),
    ]
    (tmp_path / "data" / "a.jsonl").write_text("\n".join(lines))
    report = ingest(hr.Table("bare", Bare, source="data/*.jsonl", load="append"), tmp_path, Lake(tmp_path / "lake"))
    assert (report.received, report.quarantined) == (1 + more, 1)
