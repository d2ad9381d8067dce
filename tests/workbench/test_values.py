"""Features on data frames: values by hand, and what frames are told that do not fit."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import headrace as hr
from headrace import Features, Stream, Table
from headrace.errors import HeadraceError

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2026-03-01T10:00Z")
EVENTS = pd.DataFrame(
    {
        "payment_id": ["a", "b", "c", "d"],
        "at": [START, START + DAY / 2, START + 4 * DAY, START + 4 * DAY],
        "card": [7, 7, 7, 8],
        "shop": ["x", "y", "y", None],
        "amount": [10.0, 30.0, 500.0, 1.0],
    },
    index=["p", "q", "r", "s"],
)


def _spending(stream):
    return Features(
        "spending",
        stream,
        hr.Entity("card"),
        {"count": hr.count(["1d", "7d"]), "mean_7d": hr.mean("amount", "7d"), "shops": hr.nunique("shop", "7d")},
    )


@pytest.fixture(scope="module")
def spending():
    return _spending(Stream.from_frame("payments", EVENTS, event_time="at"))


def _line(place):
    """The line of this file that a fault names."""
    name, _, number = place.rpartition(":")
    assert name == "tests/workbench/test_values.py"
    return Path(__file__).read_text().splitlines()[int(number) - 1].strip()


def _records(frame):
    return [tuple(None if pd.isna(value) else value for value in row) for row in frame.itertuples(index=False)]


# (count_1d, count_7d, mean_7d, places) by hand: [t - w, t) of the card's own events
BY_HAND = [(0, 0, None, None), (1, 1, 10.0, 1), (0, 2, 20.0, 2), (0, 0, None, None)]


def test_three_lines_on_a_data_frame(spending):
    values = spending.values(EVENTS)
    assert list(values.columns) == [f"spending.{name}" for name in ("count_1d", "count_7d", "mean_7d", "shops")]
    assert _records(values) == BY_HAND
    assert list(values.index) == ["p", "q", "r", "s"]


@pytest.mark.parametrize("kind", [pl.from_pandas, lambda df: pa.Table.from_pandas(df, preserve_index=False)])
def test_polars_and_arrow_give_the_same(kind):
    stream = Stream.from_frame("payments", kind(EVENTS), event_time="at")
    assert _records(_spending(stream).values(kind(EVENTS))) == BY_HAND


def test_a_spine_of_other_rows_and_in_another_zone(spending):
    at = pd.to_datetime(["2026-03-02T12:00+02:00", "2026-03-05T12:01+02:00"])
    spine = pd.DataFrame({"at": at, "card": [7, 8]})
    assert _records(spending.values(spine)) == [(2, 2, 20.0, 2), (1, 1, 1.0, None)]


def test_a_project_declares_the_stream_and_the_frame_brings_the_events():
    class Payment(hr.Contract):
        payment_id: str = hr.key()
        at: hr.Timestamp = hr.event_time()
        card: int
        shop: str | None
        amount: hr.Decimal(12, 2) = hr.field(ge=0)

    group = _spending(Stream("payments", Payment))
    assert _records(group.values(EVENTS, events=EVENTS)) == BY_HAND
    assert _records(group.values(EVENTS, events={"payments": EVENTS})) == BY_HAND
    with pytest.raises(HeadraceError, match=r"1 rows of events of payments .* HR-DATA-004 amount") as raised:
        group.values(EVENTS, events=EVENTS.assign(amount=[-77.25, 1, 2, 3]))
    assert "77.25" not in str(raised.value)


def test_features_of_the_row_use_other_groups(spending):
    now = Features("now", spending.source, features={"ratio": "amount / spending.mean_7d", "night": "hour(at) < 6"})
    assert _records(now.values(EVENTS, using=[spending])) == [
        (None, False),
        (3.0, False),
        (25.0, False),
        (None, False),
    ]
    assert now.values(EVENTS, using=spending).equals(now.values(EVENTS, using=[spending]))
    with pytest.raises(HeadraceError, match=r"unknown column 'spending\.mean_7d' .* using=\[spending\]\)") as raised:
        now.values(EVENTS)
    (fault,) = raised.value.faults
    assert "now.ratio" not in fault.cure
    with pytest.raises(HeadraceError, match="HR-DECLARE-001 .*: found using = str"):
        now.values(EVENTS, using="spending")


def test_state_is_read_as_of_the_row():
    class Card(hr.Contract):
        card: int
        since: hr.Timestamp = hr.valid_from()
        kind: str

    state = pd.DataFrame({"card": [7, 7], "since": [START, START + DAY], "kind": ["blue", "gold"]})
    who = Features("who", Table("cards", Card, source="cards*"), hr.Entity("card"), {"kind": "kind"})
    spine = EVENTS[["at", "card"]]
    assert _records(who.values(spine, events=state)) == [("blue",), ("blue",), ("gold",), (None,)]
    with pytest.raises(HeadraceError, match="HR-WORKBENCH-009"):
        who.values(spine.assign(other=spine["at"]), events=state)


@pytest.mark.parametrize(
    ("spine", "code", "cure"),
    [
        (EVENTS.assign(at=EVENTS["at"].dt.tz_localize(None)), "HR-WORKBENCH-002", "tz_localize('UTC')"),
        (EVENTS.rename(columns={"card": "cards"}), "HR-WORKBENCH-007", "did you mean 'cards'?"),
        ([1], "HR-WORKBENCH-001", "pass a DataFrame"),
        (EVENTS.assign(at=[1, 2, 3, 4]), "HR-WORKBENCH-012", "pd.to_datetime(df['at'], unit='s', utc=True)"),
        (pl.from_pandas(EVENTS).with_columns(at=pl.lit(1.5)), "HR-WORKBENCH-012", "unit='s', utc=True"),
        (EVENTS.assign(at=START.date()), "HR-WORKBENCH-012", "= pd.to_datetime(df['at'], utc=True)"),
        (EVENTS.assign(card=b"7"), "HR-WORKBENCH-012", "df['card'].astype(…)"),
        (EVENTS.assign(card=np.uint64(2**63)), "HR-WORKBENCH-003", "df['card'].astype(str)"),
        (pd.concat([EVENTS, EVENTS[["card"]]], axis=1), "HR-WORKBENCH-011", "rename or leave out one of them"),
        (pl.from_pandas(EVENTS).lazy(), "HR-WORKBENCH-001", "collect it first"),
    ],
)
def test_spines_that_do_not_fit(spending, spine, code, cure):
    with pytest.raises(HeadraceError) as raised:
        spending.values(spine)
    assert [fault.code for fault in raised.value.faults] == [code]
    assert cure in raised.value.faults[0].cure
    assert _line(raised.value.faults[0].place) == "spending.values(spine)"


def test_events_of_an_unknown_source(spending):
    with pytest.raises(HeadraceError, match=r"test_values\.py:\d+: .* did you mean 'payments'"):
        spending.values(EVENTS, events={"paymets": EVENTS})


def test_a_contract_is_read_off_a_frame():
    frame = EVENTS.assign(
        n=pd.array([1, None, 3, 4], dtype="Int64"),
        flag=[True, False, True, True],
        shop=EVENTS["shop"].astype("category"),
    )
    fields = Stream.from_frame("payments", frame, event_time="at").contract.fields()
    assert {name: repr(field.type) for name, field in fields.items()} == {
        "payment_id": "str",
        "at": "timestamp",
        "card": "int",
        "shop": "str | None",
        "amount": "float",
        "n": "int | None",
        "flag": "bool",
    }
    assert (fields["amount"].ge, fields["amount"].le) == (1.0, 500.0)
    assert (fields["n"].ge, fields["n"].le) == (1, 4)
    assert fields["at"].role == "event_time"


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_infinite_values_bound_nothing(kind, bad):
    amounts = [1.0, bad, bad, 2.0]
    frame = EVENTS.assign(amount=amounts, rate=[bad, 1.0, 1.0, None])
    with pytest.raises(HeadraceError) as raised:
        Stream.from_frame("payments", frame if kind is pd.DataFrame else pl.from_pandas(frame), event_time="at")
    assert [(fault.code, fault.found) for fault in raised.value.faults] == [
        ("HR-WORKBENCH-010", "events of payments: 2 values of 'amount' infinite or NaN"),
        ("HR-WORKBENCH-010", "events of payments: 1 value of 'rate' infinite or NaN"),
    ]
    assert "np.isfinite(df['amount'])" in raised.value.faults[0].cure
    mended = frame.assign(**{name: frame[name].where(np.isfinite(frame[name])) for name in ("amount", "rate")})
    assert Stream.from_frame("payments", mended, event_time="at").contract.fields()["amount"].le == 2.0


@pytest.mark.parametrize(
    ("frame", "column", "code"),
    [
        (EVENTS, "att", "HR-WORKBENCH-004"),
        (EVENTS, "amount", "HR-WORKBENCH-005"),
        (EVENTS.assign(at=[None, *EVENTS["at"][1:]]), "at", "HR-WORKBENCH-005"),
        (EVENTS.assign(at=EVENTS["at"].dt.tz_localize(None)), "at", "HR-WORKBENCH-002"),
        (EVENTS.assign(at=[1, 2, 3, 4]), "at", "HR-WORKBENCH-005"),
        (EVENTS.assign(shop=["a", 1, 2.5, object()]), "at", "HR-WORKBENCH-003"),
        (EVENTS.assign(amount=1 + 2j), "at", "HR-WORKBENCH-003"),
        (EVENTS.assign(amount=2**70), "at", "HR-WORKBENCH-003"),
        (EVENTS.assign(amount=np.uint64(2**63)), "at", "HR-WORKBENCH-003"),
        (EVENTS.assign(amount=[Decimal("Infinity")] * 4), "at", "HR-WORKBENCH-003"),
        (EVENTS.assign(amount=pd.arrays.SparseArray([1.0] * 4)), "at", "HR-WORKBENCH-003"),
        (pl.from_pandas(EVENTS).with_columns(amount=pl.lit(2**63, pl.UInt64)), "at", "HR-WORKBENCH-003"),
        (pl.from_pandas(EVENTS).with_columns(amount=pl.lit(1, pl.Int128)), "at", "HR-WORKBENCH-003"),
        (pd.concat([EVENTS, EVENTS], axis=1), "at", "HR-WORKBENCH-011"),
        (EVENTS.rename(columns={"card": 3}).assign(**{"3": 1}), "at", "HR-WORKBENCH-011"),
        (EVENTS.assign(shop=[[1]] * 4), "at", "HR-WORKBENCH-012"),
        (EVENTS.assign(shop=[{"a": 1}] * 4), "at", "HR-WORKBENCH-012"),
        (EVENTS.assign(shop=pd.period_range("2026", "2029", freq="Y").to_numpy()), "at", "HR-WORKBENCH-012"),
        (EVENTS.assign(shop=pd.cut(EVENTS["amount"], 2)), "at", "HR-WORKBENCH-012"),
        (EVENTS.assign(shop=DAY), "at", "HR-WORKBENCH-012"),
        (EVENTS.assign(shop=Decimal(10) ** 30), "at", "HR-WORKBENCH-012"),
        (EVENTS.assign(shop=None), "at", "HR-WORKBENCH-012"),
        (pl.from_pandas(EVENTS).with_columns(shop=pl.struct("card")), "at", "HR-WORKBENCH-012"),
    ],
)
def test_frames_from_which_no_stream_can_be_made(frame, column, code):
    with pytest.raises(HeadraceError) as raised:
        Stream.from_frame("payments", frame, event_time=column)
    assert {fault.code for fault in raised.value.faults} == {code}
    assert _line(raised.value.faults[0].place) == 'Stream.from_frame("payments", frame, event_time=column)'


@pytest.mark.parametrize("kind", [lambda df: df, pl.from_pandas])
def test_bounds_of_the_history_are_no_promise_about_rows_that_are_asked_about(kind):
    stream = Stream.from_frame("payments", EVENTS, event_time="at")
    spending = Features("spending", stream, hr.Entity("card"), {"sum_7d": hr.sum("amount", "7d")})
    now = Features("now", stream, features={"ratio": "amount / spending.sum_7d", "next": "card * 2"})
    rows = pd.DataFrame({"at": START + 5 * DAY, "card": [8, 9, -(2**40)], "amount": [1e9, -1.0, 0.5]})
    assert _records(now.values(kind(rows), using=spending)) == [(1e9, 16), (None, 18), (None, -(2**41))]
    assert _records(spending.values(kind(rows.assign(card=[8.0, 7.0, 2.0**40])))) == [(1.0,), (540.0,), (None,)]
    # Other events may be of other cards, but sums are exact within the bounds of the history only.
    assert _records(spending.values(rows.tail(1), events=EVENTS.assign(card=-(2**40)))) == [(541.0,)]
    own = Features("own", stream, hr.Entity("card"), {"sum_7d": hr.sum("amount", "7d", include_current=True)})
    for asked in (lambda: own.values(kind(rows)), lambda: spending.values(rows, events=kind(rows))):
        with pytest.raises(HeadraceError, match=r"HR-WORKBENCH-006 .* amount: is above 500\.0 .* or widen the bounds"):
            asked()


def test_an_index_that_has_a_name_is_a_column(spending):
    for names in (["card"], ["at", "card"]):
        indexed = EVENTS.set_index(names)
        stream = Stream.from_frame("payments", indexed, event_time="at")
        found = _spending(stream).values(indexed)
        assert _records(found) == BY_HAND
        assert found.index.equals(indexed.index)
    assert _records(spending.values(EVENTS.set_index("card", drop=False))) == BY_HAND


def test_a_row_sees_what_was_known_when_it_became_known_itself():
    class Told(hr.Contract):
        at: hr.Timestamp = hr.event_time()
        told: hr.Timestamp = hr.known_time()
        card: int

    told = hr.Stream("told", Told)
    counts = hr.Features("counts", told, hr.Entity("card"), {"n": hr.count("9d")})
    at = [START, START + DAY, START + 2 * DAY, START + 3 * DAY]
    # the second is told after the third happened, and before that is told itself
    known = [START, START + 4 * DAY, START + 5 * DAY, START + 3 * DAY]
    rows = pd.DataFrame({"at": at, "told": known, "card": 7})
    assert counts.values(rows, events=rows)["counts.n"].tolist() == [0, 1, 2, 1]
    assert counts.values(rows.drop(columns="told"), events=rows)["counts.n"].tolist() == [0, 1, 1, 1]
