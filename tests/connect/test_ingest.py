"""Loading: each row once, in order, counted, whatever came before and wherever it stops."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace.connect import Account, IngestReport, account, ingest
from headrace.lake import Lake


class Payment(hr.Contract):
    payment_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()  # type: ignore[valid-type]
    amount: hr.Decimal(8, 2) = hr.field(ge=0)  # type: ignore[valid-type]


STREAM = hr.Stream("payments", Payment, source="data/*.csv")
HEADER = "payment_id,at,amount\n"


def line(number: int, amount: str = "1.00") -> str:
    return f"p{number},2024-01-01T00:00:{number % 60:02}Z,{amount}\n"


def write(folder: Path, name: str, *lines: str) -> None:
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / name).write_text(HEADER + "".join(lines))


def load(folder: Path, **more: Any) -> IngestReport:
    report = ingest(STREAM, folder, Lake(folder / "lake"), **more)
    assert report.received == report.accepted + report.quarantined
    return report


def check_lake(folder: Path, accepted: list[str], quarantined: list[tuple[str, int]]) -> None:
    lake = Lake(folder / "lake")
    rows = lake.read("payments")
    assert rows["payment_id"].to_pylist() == accepted
    assert rows["_seq"].to_pylist() == list(range(1, len(accepted) + 1))
    held = lake.read("quarantine_payments").to_pylist() if lake.exists("quarantine_payments") else []
    assert sorted((row["_source"], row["_row"]) for row in held) == quarantined


def test_new_files_only_and_sequence_goes_on(tmp_path: Path) -> None:
    write(tmp_path, "b.csv", line(3), line(4, "-1"))
    write(tmp_path, "a.csv", line(1), line(2))
    first = load(tmp_path)
    assert (first.received, first.accepted, first.quarantined, first.files_new, first.files_skipped) == (4, 3, 1, 2, 0)
    assert first.reasons == {"HR-DATA-004 amount: is below 0": 1}
    write(tmp_path, "0-late.csv", line(5))
    second = load(tmp_path)
    assert (second.received, second.files_new, second.files_skipped) == (1, 1, 2)
    check_lake(tmp_path, ["p1", "p2", "p3", "p5"], [("data/b.csv", 2)])
    third = load(tmp_path)
    assert third == IngestReport(files_skipped=3)
    assert json.loads(json.dumps(first.as_dict()))["reasons"] == first.reasons


def test_columns_of_a_stream(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", line(1))
    load(tmp_path)
    (row,) = Lake(tmp_path / "lake").read("payments").to_pylist()
    at = datetime.datetime(2024, 1, 1, 0, 0, 1, tzinfo=datetime.UTC)
    assert list(row) == ["payment_id", "at", "amount", "_seq", "_known_at", "_load"]
    assert (row["at"], row["_known_at"], row["_seq"]) == (at, at, 1)
    (load_row,) = Lake(tmp_path / "lake").sql("select * from loads_payments where state = 'finished'").to_pylist()
    assert (load_row["_load"], load_row["received"], load_row["accepted"]) == (row["_load"], 1, 1)


def test_known_time_comes_from_its_field(tmp_path: Path) -> None:
    class Late(hr.Contract):
        at: hr.Timestamp = hr.event_time(zone="UTC")  # type: ignore[valid-type]
        told: hr.Timestamp = hr.known_time(zone="UTC")  # type: ignore[valid-type]

    (tmp_path / "late.csv").write_text("at,told\n2024-01-01 00:00,2024-01-02 00:00\n")
    ingest(hr.Stream("late", Late, source="late.csv"), tmp_path, Lake(tmp_path))
    assert Lake(tmp_path).read("late")["_known_at"][0].as_py().day == 2


def test_keys_are_unique_within_a_file_across_files_and_across_runs(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", line(1, "1"), line(1, "2"), line(2))
    write(tmp_path, "b.csv", line(2), line(3))
    load(tmp_path)
    write(tmp_path, "c.csv", line(3), line(4))
    report = load(tmp_path)
    assert report.reasons == {"HR-DATA-008 payment_id: is the key of an earlier row": 1}
    check_lake(tmp_path, ["p1", "p2", "p3", "p4"], [("data/a.csv", 2), ("data/b.csv", 1), ("data/c.csv", 1)])
    assert Lake(tmp_path / "lake").read("payments")["amount"][0].as_py() == 1


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            [line(1), line(2)],
            (
                "found a file that grew after it was loaded: its first 50 bytes are what was loaded; expected files "
                "that stay as they are. Cure: put the rows behind them into a new file, and cut this one back."
            ),
        ),
        (
            [line(7)],
            (
                "found a file that was edited after it was loaded; what was loaded stays as it was; expected files "
                "that stay as they are. Cure: restore it, and bring other rows in a new file."
            ),
        ),
    ],
)
def test_a_file_that_changed_is_not_loaded_again(tmp_path: Path, lines: list[str], told: str) -> None:
    write(tmp_path, "a.csv", line(1))
    load(tmp_path)
    write(tmp_path, "a.csv", *lines)
    write(tmp_path, "b.csv", line(3))
    report = load(tmp_path)
    (fault,) = report.faults
    assert str(fault) == f"HR-SOURCE-003 data/a.csv: {told}"
    assert fault.severity == "error"
    check_lake(tmp_path, ["p1", "p3"], [])
    write(tmp_path, "a.csv", line(1))
    assert load(tmp_path) == IngestReport(files_skipped=2)


def test_the_same_content_under_another_name_is_told_and_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", line(1))
    write(tmp_path, "b.csv", line(1))
    report = load(tmp_path)
    assert (report.files_new, report.files_skipped, report.received) == (1, 1, 1)
    assert str(report.faults[0]).startswith("HR-SOURCE-006 data/b.csv: found the same content as data/a.csv")
    assert report.faults[0].severity == "warning"


def test_a_file_that_was_renamed_is_told_as_one(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", line(1))
    load(tmp_path)
    (tmp_path / "data" / "a.csv").rename(tmp_path / "data" / "b.csv")
    (fault,) = load(tmp_path).faults
    assert (fault.code, fault.place, fault.cure) == ("HR-SOURCE-006", "data/b.csv", "nothing: it is passed over")
    assert "data/a.csv, which is gone: the file was renamed" in fault.found


def test_files_without_rows_and_files_of_bad_rows_only(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    assert load(tmp_path).files_new == 1
    check_lake(tmp_path, [], [])
    write(tmp_path, "b.csv", line(1, "x"), line(2, ""))
    report = load(tmp_path)
    assert (report.received, report.accepted, report.quarantined, report.files_new) == (2, 0, 2, 1)
    assert load(tmp_path).files_skipped == 2
    check_lake(tmp_path, [], [("data/b.csv", 1), ("data/b.csv", 2)])


def test_what_cannot_be_loaded_at_all(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with pytest.raises(hr.HeadraceError, match="HR-SOURCE-010 .*: found payments without contract or source"):
        ingest(hr.Stream("payments", Payment), tmp_path, lake)
    with pytest.raises(hr.HeadraceError, match=r"HR-SOURCE-001 data/\*\.csv: found no file"):
        ingest(STREAM, tmp_path, lake)


def test_progress_counts_rows(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", *(line(n) for n in range(10)))
    told: list[tuple[int, str]] = []
    load(tmp_path, progress=lambda done, what: told.append((done, what)), batch_rows=4)
    assert [done for done, what in told if what == "loading data/a.csv"] == [4, 8, 10]
    assert told[-1] == (10, "loaded payments")


class Stopped(BaseException):
    """What a kill looks like to the code that it ends."""


def stop_at(monkeypatch: pytest.MonkeyPatch, commit: int, method: str = "append") -> Callable[[], None]:
    """Make the lake die just before its n-th append, which is also just after the one before."""
    genuine, count = getattr(Lake, method), 0

    def append(self: Lake, *arguments: Any, **named: Any) -> int:
        nonlocal count
        count += 1
        if count == commit:
            raise Stopped
        done: int = genuine(self, *arguments, **named)
        return done

    monkeypatch.setattr(Lake, method, append)
    return monkeypatch.undo


def test_killed_at_every_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the runs another file arrives that holds a key of the interrupted one, and is loaded before it."""
    for commit in range(1, 30):
        folder = tmp_path / str(commit)
        folder.mkdir()
        write(folder, "b.csv", line(1), line(2, "-1"), line(3), line(1), line(4), line(5))
        write(folder, "c.csv", line(6), line(5), line(7, "x"))
        undo = stop_at(monkeypatch, commit)
        try:
            load(folder, batch_rows=3)
        except Stopped:
            undo()
        else:
            assert commit > 8
            undo()
            break
        write(folder, "a.csv", line(4))
        load(folder, batch_rows=2)
        lake = Lake(folder / "lake")
        assert account(lake, "payments") == Account(5, 5, 3, 0)
        rows, held = lake.read("payments"), lake.read("quarantine_payments")
        assert sorted(rows["payment_id"].to_pylist()) == ["p1", "p3", "p4", "p5", "p6"]
        assert rows["_seq"].to_pylist() == [1, 2, 3, 4, 5]
        places = sorted((row["_source"], row["_row"]) for row in held.to_pylist())
        assert len(places) == len(set(places)) == 5
        finished = lake.sql("select * from loads_payments where state = 'finished'")
        assert sum(finished["received"].to_pylist()) == 10
        assert sum(finished["accepted"].to_pylist()) == 5
        assert load(folder) == IngestReport(files_skipped=3)


@pytest.fixture
def cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two of six rows of a file are in the lake, and one is in quarantine."""
    write(tmp_path, "0.csv", line(70))
    load(tmp_path)
    write(tmp_path, "a.csv", line(0), line(1, "-1"), *(line(n) for n in range(2, 6)))
    undo = stop_at(monkeypatch, 4)
    with pytest.raises(Stopped):
        load(tmp_path, batch_rows=3)
    undo()
    assert account(Lake(tmp_path / "lake"), "payments") == Account(3, 1, files=1, unfinished=1)
    return tmp_path


def balanced(folder: Path) -> None:
    """What is in the lake is what the files that were finished brought."""
    lake = Lake(folder / "lake")
    finished = lake.sql("select sum(accepted) as a, sum(quarantined) as q from loads_payments where state = 'finished'")
    found = account(lake, "payments")
    assert finished.to_pylist() == [{"a": found.accepted, "q": found.quarantined}]
    assert found.unfinished == 0
    assert load(folder).faults == ()


def test_what_an_interrupted_load_put_aside_is_told_in_the_words_of_its_rule(cut_off: Path) -> None:
    reasons = load(cut_off).reasons
    (told,) = [one for one in reasons if one.startswith("HR-DATA-004 amount")]
    assert told == "HR-DATA-004 amount: is below 0"


def test_a_file_that_changed_while_its_load_was_cut_off_is_loaded_as_it_is_now(cut_off: Path) -> None:
    write(cut_off, "a.csv", line(9), line(0))
    report = load(cut_off)
    assert (report.received, report.accepted) == (2, 2)
    assert [str(fault) for fault in report.faults] == [
        (
            "HR-SOURCE-012 data/a.csv: found a file that changed while its load was cut off; its 3 rows in the lake "
            "are withdrawn; expected files that stay as they are. Cure: none needed: it is loaded as it is now."
        )
    ]
    assert report.faults[0].severity == "warning"
    assert Lake(cut_off / "lake").read("payments")["payment_id"].to_pylist() == ["p70", "p9", "p0"]
    assert Lake(cut_off / "lake").read("payments")["_seq"].to_pylist() == [1, 4, 5], "no sequence is given twice"
    balanced(cut_off)


def test_a_file_that_is_gone_and_comes_back_as_it_was(cut_off: Path) -> None:
    content = (cut_off / "data" / "a.csv").read_text()
    (cut_off / "data" / "a.csv").unlink()
    (fault,) = load(cut_off).faults
    assert "a file that is gone while its load was cut off; its 3 rows in the lake are withdrawn" in fault.found
    balanced(cut_off)
    (cut_off / "data" / "a.csv").write_text(content)
    report = load(cut_off)
    assert (report.received, report.accepted, report.quarantined) == (6, 5, 1)
    balanced(cut_off)


def test_a_file_that_is_renamed_while_its_load_was_cut_off_is_loaded(cut_off: Path) -> None:
    (cut_off / "data" / "a.csv").rename(cut_off / "data" / "z.csv")
    report = load(cut_off)
    assert (report.received, report.accepted, report.quarantined) == (6, 5, 1)
    assert [fault.code for fault in report.faults] == ["HR-SOURCE-012"]
    balanced(cut_off)
    assert load(cut_off).received == 0


def test_a_copy_that_comes_while_a_load_is_cut_off_doubles_nothing(cut_off: Path) -> None:
    (cut_off / "data" / "1.csv").write_text((cut_off / "data" / "a.csv").read_text())
    report = load(cut_off)
    assert [(fault.code, fault.place) for fault in report.faults] == [("HR-SOURCE-006", "data/1.csv")]
    lake = Lake(cut_off / "lake")
    assert (lake.rows("payments"), lake.rows("quarantine_payments")) == (6, 1)


@pytest.mark.parametrize("commit", [1, 2, 3])
def test_withdrawing_can_be_killed(cut_off: Path, monkeypatch: pytest.MonkeyPatch, commit: int) -> None:
    write(cut_off, "a.csv", line(9), line(0))
    undo = stop_at(monkeypatch, commit, "_write")
    with pytest.raises(Stopped):
        load(cut_off)
    undo()
    assert load(cut_off).received == 2
    balanced(cut_off)


_KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import deltalake, duckdb, numpy, pyarrow as pa, pyarrow.csv, pyarrow.parquet, pyarrow.compute, sqlglot
import headrace as hr
from headrace.connect import ingest
from headrace.lake import Lake

class Payment(hr.Contract):
    payment_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    amount: hr.Decimal(8, 2) = hr.field(ge=0)

folder, random = Path(sys.argv[1]), random.Random(11)
stream = hr.Stream("payments", Payment, source="data/*.csv")

def write(name, numbers):
    rows = (f"p{n},2024-01-01T00:00:00Z,{-1 if n % 10 == 3 else n}\\n" for n in numbers)
    (folder / "data" / name).write_text("payment_id,at,amount\\n" + "".join(rows))

(folder / "data").mkdir()
for attempt in range(24):
    write(f"{random.randrange(10**6):06}-{attempt}.csv", range(attempt * 80, attempt * 80 + 100))
    child = os.fork()
    if child == 0:
        ingest(stream, folder, Lake(folder / "lake"), batch_rows=60)
        os._exit(0)
    if attempt < 23:
        time.sleep(random.uniform(0.01, 0.2))
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), end=" ")
"""


def test_kill_9_at_random_points_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """24 files of 100 rows; each shares 20 keys with the next, and of the keys one in ten has a bad amount."""
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    codes = done.stdout.split()
    assert codes.count("-9") >= 20, codes
    assert codes[-1] == "0", done.stderr
    lake = Lake(tmp_path / "lake")
    rows, held = lake.read("payments"), lake.read("quarantine_payments")
    keys = [f"p{n}" for n in range(23 * 80 + 100) if n % 10 != 3]
    assert sorted(rows["payment_id"].to_pylist()) == sorted(keys)
    assert rows["_seq"].to_pylist() == list(range(1, len(keys) + 1))
    assert rows.num_rows + held.num_rows == 24 * 100
    places = list(zip(held["_source"].to_pylist(), held["_row"].to_pylist(), strict=True))
    assert len(set(places)) == held.num_rows
    finished = lake.sql("select * from loads_payments where state = 'finished'")
    assert finished.num_rows == 24
    counted = [sum(finished[name].to_pylist()) for name in ("received", "accepted", "quarantined")]
    assert counted == [2400, rows.num_rows, held.num_rows]
