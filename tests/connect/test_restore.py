"""Restoring: rows, quarantine and ledger go back together, files stay out until asked for, numbers stay unused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace.connect import account, restore
from headrace.connect.loads import Ledger
from headrace.connect.repair import restore as restoring
from headrace.errors import HeadraceError
from headrace.lake import Lake
from tests.connect.test_ingest import line, load, write


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder of which two files were loaded: the first has two good rows, the second two and a bad one."""
    write(tmp_path, "a.csv", line(1), line(2))
    load(tmp_path)
    write(tmp_path, "b.csv", line(3), line(4, "-1"), line(5))
    load(tmp_path)
    return tmp_path


def lake_of(folder: Path) -> Lake:
    return Lake(folder / "lake")


def ids(folder: Path) -> list[str]:
    rows: list[str] = lake_of(folder).read("payments")["payment_id"].to_pylist()
    return rows


def back(folder: Path, **more: Any) -> Any:
    lake = lake_of(folder)
    return restore(lake, "payments", **({"version": lake.history("payments")[1]["version"]} | more))


def test_rows_quarantine_and_counts_go_back_together(two: Path) -> None:
    found = back(two)
    assert (found.rows_before, found.rows, found.removed, found.returned) == (4, 2, ("data/b.csv",), ())
    assert ids(two) == ["p1", "p2"]
    assert lake_of(two).rows("quarantine_payments") == 0
    told = account(lake_of(two), "payments")
    assert (told.accepted, told.quarantined, told.files, told.unfinished) == (2, 0, 1, 0)


def test_a_file_that_was_taken_out_is_not_loaded_again_under_any_name(two: Path) -> None:
    back(two)
    write(two, "copy.csv", line(3), line(4, "-1"), line(5))
    report = load(two)
    assert (report.files_new, report.files_skipped) == (0, 3)
    assert ids(two) == ["p1", "p2"]


def test_other_content_under_its_name_is_a_new_file_with_new_numbers(two: Path) -> None:
    back(two)
    write(two, "b.csv", line(3), line(6))
    assert load(two).accepted == 2
    assert ids(two) == ["p1", "p2", "p3", "p6"]
    assert lake_of(two).read("payments")["_seq"].to_pylist() == [1, 2, 5, 6], "numbers 3 and 4 were decided with"
    told = account(lake_of(two), "payments")
    assert (told.accepted, told.quarantined, told.files) == (4, 0, 2)


def test_a_restore_is_a_version_and_can_be_undone(two: Path) -> None:
    before = lake_of(two).version("payments")
    back(two)
    found = back(two, version=before)
    assert found.returned == ("data/b.csv",)
    assert ids(two) == ["p1", "p2", "p3", "p5"]
    assert lake_of(two).rows("quarantine_payments") == 1
    assert account(lake_of(two), "payments").received == 5
    assert account(lake_of(two), "payments").files == 2
    assert load(two).files_skipped == 2


def test_a_restored_version_can_be_restored(two: Path) -> None:
    before = lake_of(two).version("payments")
    restored = back(two).version
    back(two, version=before)
    assert back(two, version=restored).removed == ("data/b.csv",)
    assert lake_of(two).rows("quarantine_payments") == 0
    assert account(lake_of(two), "payments").received == 2


def test_reload_loads_the_files_again(two: Path) -> None:
    assert back(two, reload=True).reload == ("data/b.csv",)
    assert account(lake_of(two), "payments").files == 1
    assert load(two).received == 3
    assert ids(two) == ["p1", "p2", "p3", "p5"]
    assert account(lake_of(two), "payments").received == 5


def test_reload_can_be_asked_for_later(two: Path) -> None:
    back(two)
    newest = lake_of(two).version("payments")
    assert back(two, version=newest, reload=True).reload == ("data/b.csv",)
    assert lake_of(two).version("payments") == newest
    assert load(two).received == 3


def test_what_was_loaded_twice_comes_back_once(two: Path) -> None:
    lake = lake_of(two)
    first = lake.version("payments")
    back(two, reload=True)
    load(two)
    found = back(two, version=first)
    assert (found.removed, found.returned) == (("data/b.csv",), ("data/b.csv",))
    assert lake.read("payments")["_seq"].to_pylist() == [1, 2, 3, 4]
    assert account(lake, "payments").files == 2
    assert load(two).files_skipped == 2


def test_the_newest_version_is_no_work(two: Path) -> None:
    newest = lake_of(two).version("payments")
    found = back(two, version=newest)
    assert (found.rows, found.removed, lake_of(two).version("payments")) == (4, (), newest)


def test_a_version_in_the_middle_of_a_load_is_refused_and_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", line(1), line(2))
    load(tmp_path)
    whole = lake_of(tmp_path).version("payments")
    write(tmp_path, "b.csv", *(line(n) for n in range(3, 9)))
    load(tmp_path, batch_rows=2)
    lake = lake_of(tmp_path)
    assert lake.version("payments") == whole + 3
    with pytest.raises(HeadraceError) as refused:
        restore(lake, "payments", version=whole + 2)
    (fault,) = refused.value.faults
    assert (fault.code, fault.place) == ("HR-LAKE-012", "data/b.csv")
    assert f"the last before it is {whole}" in fault.cure
    half = next(one["at"] for one in lake.history("payments") if one["version"] == whole + 2)
    assert restore(lake, "payments", at=half).restored == whole
    assert ids(tmp_path) == ["p1", "p2"]


@pytest.mark.parametrize("missing", ["_complete", "restored"])
def test_a_restore_that_was_cut_off_is_completed_by_the_next_load(two: Path, missing: str, monkeypatch: Any) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(restoring if missing == "_complete" else Ledger, missing, killed)
        with pytest.raises(KeyboardInterrupt):
            back(two)
    assert load(two).files_skipped == 2
    assert ids(two) == ["p1", "p2"]
    told = account(lake_of(two), "payments")
    assert (told.accepted, told.quarantined, told.files) == (2, 0, 1)


def test_a_load_that_was_cut_off_before_is_taken_back_and_begins_anew(tmp_path: Path, monkeypatch: Any) -> None:
    write(tmp_path, "a.csv", line(1))
    load(tmp_path)
    whole = lake_of(tmp_path).version("payments")
    write(tmp_path, "b.csv", line(2), line(3), line(4))
    append, done = Lake.append, []

    def killed(self: Lake, name: str, *given: Any, **more: Any) -> int:
        if name == "payments" and done:
            raise KeyboardInterrupt
        done.extend([name] if name == "payments" else [])
        return append(self, name, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            load(tmp_path, batch_rows=2)
    assert len(ids(tmp_path)) == 3
    restore(lake_of(tmp_path), "payments", version=whole)
    assert load(tmp_path).received == 3
    assert ids(tmp_path) == ["p1", "p2", "p3", "p4"]


def test_a_table_without_loads_is_restored_by_itself(tmp_path: Path) -> None:
    import pyarrow as pa

    lake = Lake(tmp_path)
    first = lake.append("notes", pa.table({"n": [1]}))
    lake.append("notes", pa.table({"n": [2]}))
    assert restore(lake, "notes", version=first).rows == 1
    assert lake.read("notes")["n"].to_pylist() == [1]
