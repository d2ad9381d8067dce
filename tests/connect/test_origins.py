"""What comes from databases and the like: what is new, once; merged, replaced, kept with its history."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import headrace as hr
from headrace.connect import account, inbox, ingest
from headrace.connect.loading import given
from headrace.connect.loading.ingest import IngestReport
from headrace.connect.loads import Ledger
from headrace.connect.origins import Batch, Place, away, reader_of
from headrace.errors import HeadraceError
from headrace.lake import Lake


class Payment(hr.Contract):
    payment_id: int = hr.key()
    at: hr.Timestamp = hr.event_time(zone="UTC")  # type: ignore[valid-type]
    amount: hr.Decimal(8, 2) = hr.field(ge=0)  # type: ignore[valid-type]


class Customer(hr.Contract):
    customer_id: int = hr.key()
    segment: str
    score: float | None


class State(hr.Contract):
    customer_id: int = hr.key()
    segment: str
    since: hr.Timestamp = hr.valid_from()  # type: ignore[valid-type]
    until: hr.Timestamp | None = hr.valid_to()  # type: ignore[valid-type]


class Rate(hr.Contract):
    currency: str
    rate: float = hr.field(gt=0)


URL = "sqlite:///bank.db"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "bank.db", isolation_level=None)
    connection.executescript(
        "create table payments (payment_id integer, at text, amount text, changed integer);"
        "create table customers (customer_id integer primary key, segment text, score real, changed integer);"
        "create table rates (currency text, rate real);"
    )
    yield connection
    connection.close()


def pay(bank: sqlite3.Connection, *numbers: int, amount: str = "1.00", changed: int | None = None) -> None:
    rows = [(one, f"2026-01-01 00:00:{one % 60:02}", amount, one if changed is None else changed) for one in numbers]
    bank.executemany("insert into payments values (?, ?, ?, ?)", rows)


def load(source: hr.Stream | hr.Table, folder: Path, **more: Any) -> IngestReport:
    report = ingest(source, folder, Lake(folder / "state" / "lake"), **more)
    assert report.received == report.accepted + report.quarantined
    return report


def rows(folder: Path, name: str, *columns: str) -> list[Any]:
    found = Lake(folder / "state" / "lake").read(name).to_pylist()
    picked = [tuple(row[column] for column in columns) for row in found]
    return [one[0] for one in picked] if len(columns) == 1 else picked


class Amount(hr.Contract):
    payment_id: int = hr.key()
    at: hr.Timestamp = hr.event_time(zone="UTC")  # type: ignore[valid-type]


def test_columns_that_the_contract_does_not_know_are_told_once(bank: sqlite3.Connection, tmp_path: Path) -> None:
    source = hr.Stream("payments", Amount, source=hr.Database(URL, table="payments", cursor="payment_id"))
    pay(bank, *range(1, 10))
    (told,) = load(source, tmp_path, batch_rows=2).faults  # five parts
    assert (told.code, told.place, told.found) == ("HR-DATA-102", "sqlite:///bank.db", "the columns amount, changed")
    pay(bank, 10)
    assert load(source, tmp_path).faults == load(source, tmp_path).faults == ()
    bank.execute("alter table payments add column note text")
    pay_with_note = "insert into payments values (11, '2026-01-01', '1.00', 1, 'x')"
    bank.execute(pay_with_note)
    assert [one.found for one in load(source, tmp_path).faults] == ["the columns amount, changed, note"]
    assert load(source, tmp_path).faults == ()


def stream(**more: Any) -> hr.Stream:
    return hr.Stream("payments", Payment, source=hr.Database(URL, **more))


def test_what_is_behind_the_cursor_is_read_once(tmp_path: Path, bank: sqlite3.Connection) -> None:
    pay(bank, 1, 2, 3)
    assert load(stream(cursor="payment_id"), tmp_path).accepted == 3
    assert load(stream(cursor="payment_id"), tmp_path).files_new == 0
    pay(bank, 4, 5)
    assert load(stream(cursor="payment_id"), tmp_path).accepted == 2
    assert rows(tmp_path, "payments", "payment_id", "_seq") == [(n, n) for n in range(1, 6)]


def test_rows_at_one_value_of_the_cursor_that_come_later_are_read(tmp_path: Path, bank: sqlite3.Connection) -> None:
    pay(bank, 1, 2, changed=7)
    load(stream(cursor="changed"), tmp_path)
    pay(bank, 3, changed=7)
    assert load(stream(cursor="changed"), tmp_path).accepted == 1
    assert load(stream(cursor="changed"), tmp_path).received == 0
    assert rows(tmp_path, "payments", "payment_id") == [1, 2, 3]


def test_rows_without_a_key_that_are_alike_are_as_many_as_there_are(tmp_path: Path, bank: sqlite3.Connection) -> None:
    class Bare(hr.Contract):
        at: hr.Timestamp = hr.event_time(zone="UTC")  # type: ignore[valid-type]
        amount: float

    source = hr.Stream("payments", Bare, source=hr.Database(URL, cursor="changed"))
    pay(bank, 1, 1, changed=1)
    assert load(source, tmp_path).accepted == 2
    pay(bank, 1, 1, 1, changed=1)
    assert load(source, tmp_path).accepted == 3
    assert load(source, tmp_path).received == 0


def test_late_rows_are_found_within_the_overlap(tmp_path: Path, bank: sqlite3.Connection) -> None:
    pay(bank, 10, 20)
    load(stream(cursor="payment_id"), tmp_path)
    pay(bank, 15, 9)
    assert load(stream(cursor="payment_id"), tmp_path).received == 0
    assert load(stream(cursor="payment_id", overlap=5), tmp_path).accepted == 1
    assert load(stream(cursor="payment_id", overlap=5), tmp_path).received == 0
    assert sorted(rows(tmp_path, "payments", "payment_id")) == [10, 15, 20]


def test_an_overlap_that_the_cursor_cannot_take_is_told(tmp_path: Path, bank: sqlite3.Connection) -> None:
    pay(bank, 1)
    with pytest.raises(HeadraceError, match="HR-SOURCE-026"):
        load(stream(cursor="payment_id", overlap="5m"), tmp_path)


def test_bad_rows_are_quarantined_once_and_counted(tmp_path: Path, bank: sqlite3.Connection) -> None:
    pay(bank, 1, 2)
    pay(bank, 3, amount="-1.00")
    for one in (stream(cursor="payment_id"), stream()):
        lake = tmp_path / one.name
        first = ingest(one, tmp_path, Lake(lake / "lake"))
        assert (first.received, first.accepted, first.quarantined) == (3, 2, 1)
        assert ingest(one, tmp_path, Lake(lake / "lake")).received == 0
        assert Lake(lake / "lake").rows("quarantine_payments") == 1
        (tmp_path / "payments").rename(tmp_path / f"done-{one.origin.cursor if one.origin else ''}")


def test_without_a_cursor_what_is_there_by_its_key_is_passed_over(tmp_path: Path, bank: sqlite3.Connection) -> None:
    pay(bank, 1, 2)
    pay(bank, 3, amount="-1.00")
    assert load(stream(), tmp_path).received == 3
    pay(bank, 4, 4)
    again = load(stream(), tmp_path)
    assert (again.accepted, again.quarantined) == (1, 1), "the second row of one key"
    assert load(stream(), tmp_path).received == 0
    assert rows(tmp_path, "payments", "payment_id") == [1, 2, 4]


def test_a_table_becomes_what_its_source_is(tmp_path: Path, bank: sqlite3.Connection) -> None:
    table = hr.Table("customers", Customer, source=URL)
    bank.execute("insert into customers values (1, 'a', 0.5, 1), (2, 'b', null, 1), (3, 'c', 1, 1)")
    load(table, tmp_path)
    lake = Lake(tmp_path / "state" / "lake")
    before = lake.version("customers")
    assert load(table, tmp_path).received == 0
    assert lake.version("customers") == before, "nothing was written"
    bank.executescript(
        "update customers set segment = 'z' where customer_id = 2; delete from customers where score = 1"
    )
    bank.execute("insert into customers values (4, 'd', 2, 1)")
    assert load(table, tmp_path).received == 3
    assert sorted(rows(tmp_path, "customers", "customer_id", "segment")) == [(1, "a"), (2, "z"), (4, "d")]
    assert rows(tmp_path, "customers", "_seq")[0] == 1, "what stays is not written anew"
    assert account(lake, "customers", merged=True).received == 3


def test_a_table_of_changes_is_merged(tmp_path: Path, bank: sqlite3.Connection) -> None:
    table = hr.Table("customers", Customer, source=hr.Database(URL, cursor="changed"))
    bank.execute("insert into customers values (1, 'a', 0.5, 1), (2, 'b', null, 1)")
    load(table, tmp_path)
    bank.execute("update customers set segment = 'z', changed = 2 where customer_id = 1")
    bank.execute("insert into customers values (3, 'c', 1, 2)")
    bank.execute("delete from customers where customer_id = 2")
    assert load(table, tmp_path).received == 2
    assert sorted(rows(tmp_path, "customers", "customer_id", "segment")) == [(1, "z"), (2, "b"), (3, "c")]


def test_deletes_are_found_by_the_keys(tmp_path: Path, bank: sqlite3.Connection) -> None:
    table = hr.Table("customers", Customer, source=hr.Database(URL, cursor="changed", deletes=True))
    bank.execute("insert into customers values (1, 'a', 0.5, 1), (2, 'b', null, 1)")
    load(table, tmp_path)
    bank.execute("delete from customers where customer_id = 1")
    assert load(table, tmp_path).received == 0
    assert rows(tmp_path, "customers", "customer_id") == [2]


def test_a_bad_row_of_a_table_leaves_its_last_good_one(tmp_path: Path, bank: sqlite3.Connection) -> None:
    class Scored(hr.Contract):
        customer_id: int = hr.key()
        score: float = hr.field(le=1)

    table = hr.Table("customers", Scored, source=URL)
    bank.execute("insert into customers values (1, 'a', 0.5, 1), (2, 'b', 0.7, 1)")
    load(table, tmp_path)
    bank.execute("update customers set score = 3 where customer_id = 1")
    assert load(table, tmp_path).quarantined == 1
    assert sorted(rows(tmp_path, "customers", "customer_id", "score")) == [(1, 0.5), (2, 0.7)]
    bank.execute("update customers set score = 0.6 where customer_id = 1")
    load(table, tmp_path)
    assert sorted(rows(tmp_path, "customers", "customer_id", "score")) == [(1, 0.6), (2, 0.7)]
    assert Lake(tmp_path / "state" / "lake").rows("quarantine_customers") == 0, "what counts is what the source has now"


def test_a_table_without_a_key_is_replaced_in_one_version(tmp_path: Path, bank: sqlite3.Connection) -> None:
    table = hr.Table("rates", Rate, source=URL)
    bank.executemany("insert into rates values (?, ?)", [(f"C{n}", n + 1.0) for n in range(25)])
    load(table, tmp_path, batch_rows=10)
    bank.execute("delete from rates where rate > 3")
    bank.execute("insert into rates values ('bad', -1)")
    lake = Lake(tmp_path / "state" / "lake")
    before = lake.version("rates")
    assert load(table, tmp_path, batch_rows=2).quarantined == 1
    assert (lake.version("rates"), rows(tmp_path, "rates", "currency")) == (before + 1, ["C0", "C1", "C2"])


def test_a_table_is_not_emptied_unless_it_may_be(tmp_path: Path, bank: sqlite3.Connection) -> None:
    bank.execute("insert into customers values (1, 'a', 0.5, 1)")
    load(hr.Table("customers", Customer, source=URL), tmp_path)
    bank.execute("delete from customers")
    for _ in range(2):
        with pytest.raises(HeadraceError, match="HR-SOURCE-023"):
            load(hr.Table("customers", Customer, source=URL), tmp_path)
    assert rows(tmp_path, "customers", "customer_id") == [1]
    load(hr.Table("customers", Customer, source=hr.Database(URL, may_be_empty=True)), tmp_path)
    assert rows(tmp_path, "customers", "customer_id") == []


def test_a_table_with_deletes_is_not_emptied_unless_it_may_be(tmp_path: Path, bank: sqlite3.Connection) -> None:
    def table(**more: Any) -> hr.Table:
        return hr.Table("customers", Customer, source=hr.Database(URL, cursor="changed", deletes=True, **more))

    bank.executemany("insert into customers values (?, 'a', 0.5, ?)", [(1, 1), (2, 2)])
    load(table(), tmp_path)
    bank.execute("delete from customers")
    for _ in range(2):
        with pytest.raises(HeadraceError, match="HR-SOURCE-023"):
            load(table(), tmp_path)
    assert rows(tmp_path, "customers", "customer_id") == [1, 2]
    load(table(may_be_empty=True), tmp_path)
    assert rows(tmp_path, "customers", "customer_id") == []
    assert load(table(), tmp_path).received == 0, "where it had none, none may come"


def test_a_source_that_was_truncated_is_told(tmp_path: Path, bank: sqlite3.Connection) -> None:
    pay(bank, 1, 2, 3)
    load(stream(cursor="payment_id"), tmp_path)
    bank.execute("delete from payments")
    assert [fault.code for fault in load(stream(cursor="payment_id"), tmp_path).faults][-1] == "HR-SOURCE-022"
    assert rows(tmp_path, "payments", "payment_id") == [1, 2, 3]


def test_a_table_that_lost_a_column_is_refused_before_anything_comes(tmp_path: Path, bank: sqlite3.Connection) -> None:
    pay(bank, 1)
    load(stream(cursor="payment_id"), tmp_path)
    bank.execute("alter table payments rename column amount to total")
    pay(bank, 2)
    with pytest.raises(HeadraceError, match="HR-DATA-101.*amount"):
        load(stream(cursor="payment_id"), tmp_path)
    bank.execute("alter table payments rename column total to amount")
    assert load(stream(cursor="payment_id"), tmp_path).accepted == 1


def test_what_changes_or_goes_is_kept_with_its_history(tmp_path: Path, bank: sqlite3.Connection) -> None:
    table = hr.Table("states", State, source=hr.Database(URL, table="customers"), history=True)
    bank.execute("insert into customers values (1, 'a', 0.5, 1), (2, 'b', null, 1)")
    load(table, tmp_path)
    load(table, tmp_path)
    assert rows(tmp_path, "states", "customer_id", "segment", "until") == [(1, "a", None), (2, "b", None)]
    bank.execute("update customers set segment = 'z' where customer_id = 1")
    bank.execute("delete from customers where customer_id = 2")
    load(table, tmp_path)
    found = rows(tmp_path, "states", "customer_id", "segment", "since", "until", "_seq", "_known_at")
    first, second, third = sorted(found, key=lambda one: one[4])
    assert [one[:2] for one in (first, second, third)] == [(1, "a"), (2, "b"), (1, "z")]
    assert first[3] == third[2] == third[5], "the old one holds until the new one is known"
    assert first[5] == first[2]
    assert second[3] == first[3]
    assert third[3] is None
    bank.execute("insert into customers values (2, 'b', null, 1)")
    load(table, tmp_path)
    assert len(rows(tmp_path, "states", "until")) == 4, "what comes again is another row"


def test_history_with_a_time_of_the_source(tmp_path: Path, bank: sqlite3.Connection) -> None:
    class Told(hr.Contract):
        customer_id: int = hr.key()
        segment: str
        changed: int
        since: hr.Timestamp = hr.valid_from(zone="UTC")  # type: ignore[valid-type]
        until: hr.Timestamp | None = hr.valid_to()  # type: ignore[valid-type]

    query = "select customer_id, segment, changed, '2026-01-0' || changed || ' 00:00:00' as since from customers"
    table = hr.Table("states", Told, source=hr.Database(URL, query=query, cursor="changed"), history="source")
    bank.execute("insert into customers values (1, 'a', 0.5, 1)")
    load(table, tmp_path)
    bank.execute("update customers set segment = 'z', changed = 2")
    load(table, tmp_path)
    old, new = sorted(rows(tmp_path, "states", "since", "until", "_known_at"))
    assert (str(old[0])[:10], str(new[0])[:10]) == ("2026-01-01", "2026-01-02")
    assert old[1] == new[2] > new[0], "known when it was read, and until then the old one held"


class _Flaky:
    """A reader that goes away after some batches, and comes back."""

    def __init__(self, inner: Any, left: list[int]) -> None:
        self._inner, self._left, self.ordered = inner, left, inner.ordered

    def columns(self) -> pa.Schema | None:
        return self._inner.columns()  # type: ignore[no-any-return]

    def batches(self, since: Any, batch_rows: int) -> Iterator[Batch]:
        count = self._left.pop(0) if self._left else -1
        for number, batch in enumerate(self._inner.batches(since, batch_rows)):
            if number == count:
                raise away(URL, "a server that went away", "start it")
            yield batch

    def keys(self, batch_rows: int) -> Iterator[pa.Table]:
        yield from self._inner.keys(batch_rows)

    def close(self) -> None:
        self._inner.close()


@pytest.mark.parametrize("cursor", ["payment_id", None])
def test_a_source_that_goes_away_in_the_middle_is_read_on(
    tmp_path: Path, bank: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, cursor: str | None
) -> None:
    pay(bank, *range(50))
    left, waited, opened = [2, 0, 1], list[float](), list[int]()

    def open_it(origin: Any, place: Place) -> _Flaky:
        opened.append(1)
        return _Flaky(reader_of(origin, place), left)

    monkeypatch.setattr(inbox, "reader_of", open_it)
    monkeypatch.setattr(inbox.time, "sleep", waited.append)
    monkeypatch.setattr(inbox.Inbox.__init__, "__defaults__", (waited.append,))
    assert load(stream(cursor=cursor), tmp_path, batch_rows=10).accepted == 50
    assert rows(tmp_path, "payments", "payment_id") == list(range(50))
    assert (len(opened), len(waited)) == (4, 3)


def test_a_source_that_stays_away_is_told_and_read_on_by_the_next_run(
    tmp_path: Path, bank: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(bank, *range(50))
    left = [2, *[0] * 20]
    with monkeypatch.context() as patched:
        patched.setattr(inbox, "reader_of", lambda origin, place: _Flaky(reader_of(origin, place), left))
        patched.setattr(inbox.Inbox.__init__, "__defaults__", (lambda _: None,))
        with pytest.raises(HeadraceError, match="HR-SOURCE-020"):
            load(stream(cursor="payment_id"), tmp_path, batch_rows=10)
    kept = inbox.Inbox(tmp_path / "state" / "inbox", stream().origin, Place("payments", Payment, tmp_path))  # type: ignore[arg-type]
    held = kept.held()
    assert held is not None
    assert [piece.rows for piece in held.pieces] == [10, 10]
    assert load(stream(cursor="payment_id"), tmp_path, batch_rows=10).accepted == 50
    assert rows(tmp_path, "payments", "payment_id") == list(range(50))


def test_a_restore_that_reloads_reads_the_source_again(tmp_path: Path, bank: sqlite3.Connection) -> None:
    from headrace.connect import restore

    pay(bank, 1, 2)
    load(stream(cursor="payment_id"), tmp_path)
    lake = Lake(tmp_path / "state" / "lake")
    version = lake.version("payments")
    pay(bank, 3)
    load(stream(cursor="payment_id"), tmp_path)
    restore(lake, "payments", version=version)
    assert load(stream(cursor="payment_id"), tmp_path).received == 0, "what was taken out stays out"
    restore(lake, "payments", version=version, reload=True)
    assert load(stream(cursor="payment_id"), tmp_path).accepted == 1
    assert rows(tmp_path, "payments", "payment_id") == [1, 2, 3]


@pytest.mark.parametrize("where", ["reading", "loading"])
def test_what_was_cut_off_goes_on(
    tmp_path: Path, bank: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    pay(bank, *range(40))
    pay(bank, 99, amount="-1")
    calls = []

    def stop(*_: Any, **__: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    def progress(done: int, what: str) -> None:
        if what.startswith(where):
            stop()

    with pytest.raises(KeyboardInterrupt):
        load(stream(cursor="payment_id"), tmp_path, batch_rows=10, progress=progress)
    load(stream(cursor="payment_id"), tmp_path, batch_rows=10)
    assert rows(tmp_path, "payments", "payment_id") == list(range(40))
    assert Lake(tmp_path / "state" / "lake").rows("quarantine_payments") == 1
    assert not (tmp_path / "state" / "inbox" / "payments").exists()
    assert not Ledger(Lake(tmp_path / "state" / "lake"), "payments").unfinished


def test_what_a_killed_run_had_read_is_loaded_and_the_source_read_again(
    tmp_path: Path, bank: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(bank, 1, 2)
    with monkeypatch.context() as patched:
        patched.setattr(given.Given, "require", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            load(stream(cursor="payment_id"), tmp_path)
    pay(bank, 3)
    report = load(stream(cursor="payment_id"), tmp_path)
    assert (report.received, report.accepted, report.files_new) == (3, 3, 2)
    assert rows(tmp_path, "payments", "payment_id") == [1, 2, 3]


def test_files_are_merged_and_replaced(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    merged = hr.Table("merged", Customer, source="c/*.csv", load="merge")
    replaced = hr.Table("replaced", Customer, source="c/*.csv", load="replace")
    (tmp_path / "c/1.csv").write_text("customer_id,segment,score\n1,a,1\n2,b,2\n1,c,3\n")
    for table in (merged, replaced):
        load(table, tmp_path)
    assert sorted(rows(tmp_path, "merged", "customer_id", "segment")) == [(1, "c"), (2, "b")], "the last one stays"
    assert sorted(rows(tmp_path, "replaced", "customer_id", "segment")) == [(1, "a"), (2, "b")], "each key comes once"
    (tmp_path / "c/2.csv").write_text("customer_id,segment,score\n3,d,1\n")
    for table in (merged, replaced):
        load(table, tmp_path)
    (tmp_path / "c/1.csv").write_text("customer_id,segment,score\n2,x,2\n")
    for table in (merged, replaced):
        load(table, tmp_path)
        assert load(table, tmp_path).received == 0
    assert sorted(rows(tmp_path, "merged", "customer_id", "segment")) == [(1, "c"), (2, "x"), (3, "d")]
    assert sorted(rows(tmp_path, "replaced", "customer_id", "segment")) == [(2, "x"), (3, "d")]
    (tmp_path / "c/2.csv").unlink()
    load(replaced, tmp_path)
    assert rows(tmp_path, "replaced", "customer_id") == [2]
    (tmp_path / "c/1.csv").write_text("customer_id,segment,score\n2,x\n")
    faults = load(replaced, tmp_path).faults
    assert [fault.code for fault in faults] == ["HR-SOURCE-029"], "whose row that is cannot be known"
    assert rows(tmp_path, "replaced", "customer_id", "segment") == [(2, "x")]


def test_a_delivery_is_read_with_the_columns_of_now(
    tmp_path: Path, bank: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Narrow(hr.Contract):
        payment_id: int = hr.key()
        at: hr.Timestamp = hr.event_time(zone="UTC")  # type: ignore[valid-type]

    pay(bank, 1, 2)
    narrow = hr.Stream("payments", Narrow, source=hr.Database(URL, cursor="payment_id"))
    with monkeypatch.context() as patched:
        patched.setattr(given.Given, "require", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            load(narrow, tmp_path)
    for table in ("payments", "quarantine_payments", "loads_payments"):
        assert not (tmp_path / "state" / "lake" / table).exists() or table == "loads_payments"
    assert load(stream(cursor="payment_id"), tmp_path).accepted == 2
