import random

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import headrace as hr
from headrace.contracts.forms import matches, strange
from headrace.contracts.text import DAY, MOMENT, OFFSET, read_text

MANY = 20_000
FORM = f"^{MOMENT}{OFFSET}$"
TIMES = ["2024-02-29T23:59:59.123456Z", "2024-02-29 00:00:00+01:00", "2024-02-29T00:00Z"]
ODD = [
    "",
    "x",
    "2024-02-29T23:59:59.12345xZ",
    "2024-02-29T23:59:59.123456",
    "\uff12024-02-29",
    "2024-02-29T23:59:59,123456Z",
    "2024/02/29T23:59:59.123456Z",
    "2024-02-29T23:59:59.123456Z\n",
    "/024-02-29T23:59:59.123456Z",
    None,
]


@pytest.mark.parametrize("first", [*TIMES, *ODD])
@pytest.mark.parametrize("form", [FORM, f"^{DAY}$"])
def test_a_form_is_told_as_by_a_regular_expression(first: str | None, form: str) -> None:
    chosen = random.Random(1)
    for share in (0.0, 0.01, 0.7):
        raw = pa.array(
            [first, *(chosen.choice([*TIMES, *ODD]) if chosen.random() < share else TIMES[0] for _ in range(MANY))],
            pa.string(),
        )
        for values in (raw, raw.slice(3)):
            assert matches(values, form).equals(pc.match_substring_regex(values, form))


def test_strange_letters_are_found_where_they_stand() -> None:
    raw = pa.array(["a", "12", None, "", "-3x", "1,2,3", "\uff11", "4"])
    assert strange(raw, b"-0123456789").tolist() == [0, 4, 5, 6]
    assert strange(raw.slice(3), b"-0123456789").tolist() == [1, 2, 3]
    assert strange(raw.slice(1, 3), b"-0123456789").tolist() == []
    assert strange(pa.array([], pa.string()), b"").tolist() == []
    assert strange(pa.nulls(2, pa.string()), b"").tolist() == []


def test_what_stands_beneath_a_null_is_not_looked_at() -> None:
    offsets, text = (pa.py_buffer(one) for one in (bytes([0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 5, 0, 0, 0]), b"xy1z2"))
    raw = pa.StringArray.from_buffers(3, offsets, text, pa.py_buffer(bytes([0b110])))
    assert raw.to_pylist() == [None, "1", "z2"]
    assert strange(raw, b"0123456789").tolist() == [2]
    assert strange(raw.slice(0, 2), b"0123456789").tolist() == []


NUMBERS = (
    "|1|-1|0|-0|007|1.|.5|-.5|+1|+1.5|1e5|1E-5|1.e5|1e|e5|.|-|+|--1|1-1|1+1|0x1F| 1|1 |1_000|1,5|nan|inf|-Infinity"
    "|1e999|-1e999|9223372036854775807|9223372036854775808|-9223372036854775809|1.5e3.2|\uff11"
)


@pytest.mark.parametrize("text", NUMBERS.split("|"))
@pytest.mark.parametrize("beside", ["+", "no number"])
@pytest.mark.parametrize("kind", [int, float])
def test_a_number_is_read_the_same_alone_and_beside_what_makes_one_look_closer(
    text: str, kind: type, beside: str
) -> None:
    class Row(hr.Contract):
        value: kind  # type: ignore[valid-type]

    field = Row.fields()["value"]
    alone, problems = read_text(field, pa.array([text]))
    both, others = read_text(field, pa.array([text, beside]))
    assert alone.equals(both.slice(0, 1))
    found = [(one.code, one.text) for one in problems]
    assert found == [(one.code, one.text) for one in others if 0 in one.rows.tolist()]
