"""Quick reading takes nothing that the long way refuses, and reads the same values."""

import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.errors import HeadraceError
from headrace.serve.fields import RowReader
from headrace.serve.quick import QuickReader


class Row(hr.Contract):
    """All plain types, with and without rules."""

    number: int = hr.field(ge=-5, lt=1_000_000)
    id: str = hr.field(pattern="[a-z]{1,3}-[0-9]+", max_length=9)
    share: float = hr.field(gt=0, le=0.5)
    free: float | None
    amount: hr.Decimal(6, 2) = hr.field(ge="0.005", le=999.5)
    tip: hr.Decimal(18, 0) | None
    at: hr.Timestamp
    local: hr.Timestamp | None = hr.field(zone="Europe/Rome")
    day: hr.Date | None = hr.field(ge="2020-01-01")
    sort: str | None = hr.field(isin=["a", "b", "ü"])
    flag: bool | None
    note: str | None = hr.field(pattern=r"\w*", min_length=2)


GOOD = {
    "number": 7,
    "id": "ab-12",
    "share": 0.25,
    "amount": "12.50",
    "at": "2026-01-31T12:00:00.5Z",
}
MORE = {"free": -1e300, "tip": -12, "local": "2026-01-31 12:00", "day": "2026-01-31", "sort": "ü", "flag": False}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([5.0, 0.5, 0.1, 1e16, -0.0, 2**53 + 1, 999.5, 999.51, 0.005, 1e-9, 2**63, -(2**63)]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(
        ["1_0", "NaN", "1e2", " 1", "1.", ".5", "+1", "--1", "1.2.3", "0012.5", "9999.99", "٣", "2026-01-31"]
    ),
    st.sampled_from(["2026-01-31T25:00:00Z", "2026-W05", "2026-10-25T02:30", "0001-01-01T00:00:00Z", "ab-1\n"]),
    st.lists(st.integers(), max_size=2),
)
reader, quick = RowReader(Row), QuickReader(Row)


def slowly(body):
    try:
        return reader.read_slowly(body)
    except HeadraceError:
        return None


def alike(one, other):
    def of(row):
        return {
            name: (type(value), math.copysign(1, value) if value == 0 and isinstance(value, float) else 0, value)
            for name, value in row.items()
        }

    return of(one) == of(other)


@given(st.dictionaries(st.sampled_from([*Row.fields(), "other"]), ODD, max_size=3), st.booleans(), st.booleans())
@settings(max_examples=1500, deadline=None)
@example({"share": 5.0}, False, False)
@example({"number": 5.0}, False, False)
def test_what_is_read_quickly_is_read_so_slowly(odd, more, ascii_only):
    body = json.dumps(GOOD | (MORE if more else {}) | odd, ensure_ascii=ascii_only).encode()
    found = quick.read(body)
    if found is not None:
        expected = slowly(body)
        assert expected is not None
        assert alike(found, expected)
    assert reader.read(body) == slowly(body) if slowly(body) is not None else found is None


@pytest.mark.parametrize("row", [GOOD, GOOD | MORE, GOOD | {"amount": 12.5, "number": -5}])
def test_rows_in_order_are_read_quickly(row):
    assert quick.read(json.dumps(row, ensure_ascii=False).encode()) is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"number": 1, "number": 2}',
        json.dumps(GOOD)[:-1].encode() + b', "number": 8}',
        json.dumps(GOOD)[:-1].encode() + b', "n\\u0075mber": 8}',
        json.dumps(GOOD).encode() + b"{}",
        json.dumps(GOOD).encode("utf-16"),
        json.dumps(GOOD).replace("ab-12", "ab-\xff").encode("latin-1"),
        json.dumps(GOOD | {"share": 0}).replace(": 0", ": NaN").encode(),
        json.dumps(GOOD | {"amount": 1}).replace(": 1,", ": 1.005,").encode(),
        json.dumps(GOOD | {"amount": 1}).replace(": 1,", ": 1.0000000000000000000001,").encode(),
        b"[" * 50_000,
    ],
)
def test_what_is_not_in_order_is_left_to_the_long_way(body):
    assert quick.read(body) is None


def test_an_escape_within_a_text_is_read_the_long_way_and_well():
    body = json.dumps(GOOD | {"sort": "ü"}).encode()
    assert b"\\" in body
    assert quick.read(body) is None
    assert reader.read(body)["sort"] == "ü"


@pytest.mark.parametrize("written", ["9" * 5_000, "1." + "9" * 5_000, "0." + "0" * 5_000 + "1", "1.5" + "0" * 5_000])
@pytest.mark.parametrize("quotes", ["", '"'])
def test_decimals_of_thousands_of_digits_are_neither_rounded_nor_a_fault_of_the_service(written, quotes):
    body = json.dumps(GOOD | {"amount": 1}).replace(": 1,", f": {quotes}{written}{quotes},").encode()
    assert quick.read(body) is None
    if written.endswith("0"):
        assert reader.read(body)["amount"] == 150
        return
    with pytest.raises(HeadraceError) as refused:
        reader.read(body)
    assert refused.value.faults[0].code in ("HR-DATA-011", "HR-REQUEST-002")
