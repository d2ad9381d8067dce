"""State of keys: what a row reads is what it may see, whatever was added when, killed or altered."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headrace as hr
from headrace.errors import HeadraceError
from headrace.lake import Lake
from headrace.online import Asked, State, build, slots_of
from headrace.online.build import refresh
from headrace.online.keys import encode
from headrace.online.packed import Chunk, pack, unpack
from headrace.plan import compile_features


class Payment(hr.Contract):
    payment_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    customer: str
    country: str | None
    amount: hr.Decimal(9, 2) = hr.field(ge=0, le=1000)


payments = hr.Stream("payments", Payment)
by = hr.Entity("customer")
week = hr.Features("week", payments, by=by, features={"n": hr.count("7d"), "places": hr.nunique("country", "7d")})
life = hr.Features("life", payments, by=by, features={"total": hr.sum("amount", "lifetime")})
DAY = 86_400_000_000
START = 20_000 * DAY


def rows(n, seq=1, customer=lambda i: f"c{i % 3}", at=lambda i: START + i * DAY, known=None):
    when = [at(i) for i in range(n)]
    stamp = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "payment_id": [f"p{seq + i}" for i in range(n)],
            "at": pa.array(when, pa.int64()).cast(stamp),
            "customer": [customer(i) for i in range(n)],
            "country": pa.array([None if i % 4 == 3 else "äb"[i % 2] for i in range(n)], pa.string()),
            "amount": pa.array([Decimal(i * 100) for i in range(n)], pa.decimal128(9, 2)),
            "_seq": pa.array(range(seq, seq + n), pa.int64()),
            "_known_at": pa.array(when if known is None else [known(i) for i in range(n)], pa.int64()).cast(stamp),
            "_load": ["l"] * n,
        }
    )


def plan(*groups):
    return compile_features(list(groups))


def read(state, customer, moment, known=2**60, places=()):
    asked = Asked([{"customer": customer}], np.array([moment]), np.array([known]), dict(places))
    reading = state.read(asked)
    for fault in reading.faults.values():
        raise fault
    return reading


def seqs(state, customer, moment, known=2**60, place=None):
    places = {} if place is None else {place[0]: np.array([place[1]])}
    reading = read(state, customer, moment, known, places)
    return sorted(reading.slices["payments", ("customer",)].seq.tolist())


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.append("payments", rows(30))
    return lake


def test_a_row_reads_its_own_keys_events_up_to_its_moment(lake, tmp_path):
    state = build([plan(life)], lake, tmp_path / "state")
    assert seqs(state, "c1", START + 8 * DAY) == [2, 5, 8]
    assert seqs(state, "nobody", START + 8 * DAY) == []
    assert seqs(state, None, START + 8 * DAY) == []
    assert read(state, "c1", START, START).horizon == {"payments": 30}
    state.close()


def test_what_was_learned_later_is_not_seen(tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.append("payments", rows(3, customer=lambda i: "c", known=lambda i: START + 10 * DAY))
    state = build([plan(life)], lake, tmp_path / "state")
    assert seqs(state, "c", START + 5 * DAY, known=START + 5 * DAY) == []
    assert seqs(state, "c", START + 5 * DAY, known=START + 10 * DAY, place=("payments", 2)) == [1, 2]
    state.close()


def test_columns_come_back_as_they_were(lake, tmp_path):
    state = build([plan(week, life)], lake, tmp_path / "state")
    held = read(state, "c0", START + 100 * DAY).slices["payments", ("customer",)].columns
    expected = [None if i % 4 == 3 else "äb"[i % 2] for i in range(0, 30, 3)]
    assert held["country"].to_python() == expected
    assert held["customer"].to_python() == ["c0"] * 10
    assert held["amount"].values.tolist() == [i * 10_000 for i in range(0, 30, 3)]
    state.close()


def test_new_rows_of_the_lake_and_live_events_are_added_once(lake, tmp_path):
    state = build([plan(life)], lake, tmp_path / "state")
    live = rows(2, seq=31, customer=lambda i: "c0", at=lambda i: START + 3 * DAY)
    for _ in range(2):
        state.add("payments", live, np.array([31, 32]), np.array([START, START]))
    assert seqs(state, "c0", START + 4 * DAY) == [1, 4, 31, 32]
    lake.append("payments", live)
    assert refresh(state, lake) == {"payments": 0}
    lake.append("payments", rows(1, seq=33, customer=lambda i: "c0"))
    assert refresh(state, lake) == {"payments": 1}
    assert refresh(state, lake) == {"payments": 0}
    assert seqs(state, "c0", START + 4 * DAY) == [1, 4, 31, 32, 33]
    state.close()


def test_what_no_window_reaches_is_dropped_and_rows_that_need_it_are_refused(tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.append("payments", rows(200, customer=lambda i: "c"))
    state = build([plan(week)], lake, tmp_path / "state")
    now = START + 200 * DAY
    assert len(seqs(state, "c", now)) == 7
    assert state.size()["payments by customer"] == 1
    with pytest.raises(HeadraceError, match="HR-ONLINE-003"):
        read(state, "c", START + 50 * DAY, now)
    assert len(seqs(state, "c", START + 190 * DAY)) == 8
    state.close()
    whole = build([plan(week, life)], lake, tmp_path / "state")
    assert len(seqs(whole, "c", now)) == 200
    assert len(list((tmp_path / "state").iterdir())) == 1
    whole.close()


def test_one_event_from_the_far_future_empties_nothing(tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.append("payments", rows(2000, customer=lambda i: "c", at=lambda i: START + i * DAY // 100 if i else START * 3))
    state = build([plan(week)], lake, tmp_path / "state")
    assert len(seqs(state, "c", START + 20 * DAY)) > 600
    state.close()


def test_only_the_user_may_read_the_files(lake, tmp_path):
    state = build([plan(life)], lake, tmp_path / "state")
    assert {(path.stat().st_mode & 0o777) for path in state.folder.iterdir()} == {0o600}
    state.close()


def test_no_byte_of_a_chunk_can_be_another():
    raw = pack(Chunk(np.arange(12).reshape(4, 3), np.array([[True, False, True]])))
    unpack(raw)
    for at in range(len(raw)):
        altered = bytearray(raw)
        altered[at] ^= 1
        with pytest.raises(HeadraceError, match="HR-ONLINE-001"):
            unpack(bytes(altered))
        with pytest.raises(HeadraceError, match="HR-ONLINE-001"):
            unpack(raw[:at])


@pytest.mark.parametrize("byte", [4, 16, 24, -1], ids=["events", "oldest", "newest", "a value"])
def test_an_altered_key_is_refused_and_those_beside_it_are_read(lake, tmp_path, byte):
    state = build([plan(life)], lake, tmp_path / "state")
    slot = state.slots[0]
    with state.begin() as transaction, transaction.cursor(db=state._held[slot.id]) as cursor:
        assert cursor.first()
        raw = bytearray(cursor.value())
        raw[byte] ^= 0x40
        assert cursor.put(cursor.key(), bytes(raw))
    asked = [{"customer": name} for name in ("c0", "c1", "c2")]
    moment = np.full(3, START + 60 * DAY)
    reading = state.read(Asked(asked, moment, moment))
    assert {row: fault.faults[0].code for row, fault in reading.faults.items()} == {0: "HR-ONLINE-001"}
    assert reading.slices[slot.id].counts[1:] == [10, 10]
    state.close()


def test_a_table_that_is_not_there_yet_has_no_rows(tmp_path):
    lake = Lake(tmp_path / "lake")
    state = build([plan(life)], lake, tmp_path / "state")
    assert seqs(state, "c0", START) == []
    lake.append("payments", rows(30))
    assert refresh(state, lake) == {"payments": 30}
    state.close()


def test_as_time_goes_on_what_is_out_of_reach_is_dropped_from_a_running_state(tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.append("payments", rows(300, at=lambda i: START + i * DAY // 10))
    state = build([plan(week)], lake, tmp_path / "state")
    assert len(seqs(state, "c0", START + 30 * DAY)) == 23
    lake.append("payments", rows(2000, seq=301, at=lambda i: START + 20 * DAY + i * DAY // 10))
    refresh(state, lake)
    with state.begin() as transaction:
        floor = state.floor(transaction, state.slots[0])
    # the middle of what was added, less the window of a week and the margin of thirty days
    assert floor == START + 20 * DAY + 999 * DAY // 10 - 37 * DAY
    with pytest.raises(HeadraceError, match="HR-ONLINE-003"):
        seqs(state, "c0", floor + 6 * DAY)
    assert len(seqs(state, "c0", START + 219 * DAY)) == 24  # every third of those from day 212.0 to 219.0
    chunk = state.size()["payments by customer"]
    lake.append("payments", rows(2000, seq=2301, customer=lambda i: "d", at=lambda i: START + 500 * DAY + i * DAY))
    refresh(state, lake)
    assert chunk == 3
    assert seqs(state, "c0", START + 1500 * DAY) == []
    assert state.size()["payments by customer"] == 1
    state.close()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(max_size=300)), min_size=2, unique=True))
def test_no_key_is_the_beginning_of_another(keys):
    raw = sorted(encode(key) for key in keys)
    assert all(not b.startswith(a) for a, b in itertools.pairwise(raw))
    assert all(len(key) <= 500 for key in raw)


KILLED = """
    import os, sys
    from pathlib import Path
    import numpy as np
    from tests.online.test_state import plan, life, rows, START
    from headrace.online import State, slots_of
    state = State(Path(sys.argv[1]), slots_of([plan(life)]))
    first = state.position("payments") + 1
    print("ready", flush=True)
    for seq in range(first, 10**6):
        state.add("payments", rows(1, seq=seq, customer=lambda i: "c"), np.array([seq]), np.array([START]))
        print(seq, flush=True)
"""


def test_what_was_added_survives_kills_and_position_and_events_agree(tmp_path):
    acknowledged = 0
    for _ in range(3):
        words = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "s")]
        running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        for line in running.stdout:
            acknowledged = acknowledged if line.startswith("ready") else int(line)
            if not line.startswith("ready") and acknowledged % 40 == 7:
                os.kill(running.pid, signal.SIGKILL)
                break
        running.communicate()
        state = State(tmp_path / "s", slots_of([plan(life)]))
        position = state.position("payments")
        assert position >= acknowledged
        assert seqs(state, "c", START + DAY) == list(range(1, position + 1))
        state.close()


def test_a_restored_table_is_read_anew_and_its_numbers_go_on(lake, tmp_path):
    state = build([plan(life)], lake, tmp_path / "state")
    first = lake.version("payments")
    lake.append("payments", rows(3, seq=31, at=lambda i: START + (30 + i) * DAY))
    refresh(state, lake)
    lake.restore("payments", first)
    assert lake.sequence("payments") == 33, "what was decided with 31 to 33 must not be taken for other rows"
    assert refresh(state, lake) == {"payments": 30}
    assert seqs(state, "c0", 2**60) == list(range(1, 31, 3))
    lake.append("payments", rows(1, seq=34, at=lambda _: START + 40 * DAY))
    assert refresh(state, lake) == {"payments": 1}
    assert 34 in seqs(state, "c0", 2**60)


def test_only_rows_behind_the_last_are_read(lake, tmp_path):
    state = build([plan(life)], lake, tmp_path / "state")
    lake.append("payments", rows(1, seq=31, at=lambda _: START + 40 * DAY))
    Path(lake.files("payments")[0]).write_bytes(b"nothing that could be read")
    assert refresh(state, lake) == {"payments": 1}


def test_a_compaction_is_no_news(lake, tmp_path):
    state = build([plan(life)], lake, tmp_path / "state")
    lake.append("payments", rows(1, seq=31, at=lambda _: START + 40 * DAY))
    assert refresh(state, lake) == {"payments": 1}
    lake.append("payments", rows(1, seq=32, at=lambda _: START + 41 * DAY))
    lake.append("payments", rows(1, seq=33, at=lambda _: START + 42 * DAY))
    assert lake.compact("payments").files_before == 3
    assert refresh(state, lake) == {"payments": 2}
    assert refresh(state, lake) == {"payments": 0}
