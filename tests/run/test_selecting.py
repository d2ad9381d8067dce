"""A part of a project: what is named, what that needs, what follows from it, and what is made anew."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headrace.errors import HeadraceError
from headrace.run import Asked, RunFailed, load_project, run
from headrace.run.quarantine import repaired, replayed, rows_of
from headrace.run.selecting import chosen
from headrace.run.steps import Step
from tests.run.bank import add_month, edit, make_bank

HOUR_US = 3_600_000_000


def _step(id: str, *needs: str) -> Step:
    return Step(id, needs, dict, lambda _: True, lambda _: {})


STEPS = [
    _step("ingest:a"),
    _step("ingest:b"),
    _step("query:c", "ingest:a"),
    _step("query:d", "query:c", "ingest:b"),
    _step("query:e", "ingest:b"),
    _step("training_set:f", "query:d"),
]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), "abcdef"),
        (("c",), "c"),
        (("e", "a"), "ae"),
        (("+d",), "abcd"),
        (("c+",), "cdf"),
        (("+c+",), "acdf"),
        (("b+", "a"), "abdef"),
        (("+f",), "abcdf"),
    ],
)
def test_names_choose_steps_in_their_order(names: tuple[str, ...], expected: str) -> None:
    assert "".join(step.id[-1] for step in chosen(STEPS, names)) == expected


def test_all_unknown_names_are_told() -> None:
    with pytest.raises(HeadraceError) as raised:
        chosen(STEPS, ("+x", "a", "zz"))
    assert [fault.code for fault in raised.value.faults] == ["HR-SCHEDULE-001"] * 2


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_bank(tmp_path_factory.mktemp("made") / "bank")
    edit(folder, 'owner="payments-data")', 'owner="payments-data", refresh="1h")')
    run(load_project(folder))
    return folder


@pytest.fixture
def bank(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "bank")


def _run(folder: Path, *names: str, full: bool = False) -> dict[str, tuple[str, tuple[str, ...]]]:
    report = run(load_project(folder), asked=Asked(names, full))
    return {step.id: (step.action, step.why) for step in report.steps}


def _aged(folder: Path, us: int) -> None:
    """Let the last look at each step have been so much earlier."""
    with closing(sqlite3.connect(folder / ".headrace" / "run.db")) as journal, journal:
        journal.execute("update steps set at = at - ?", (us,))


def test_only_what_is_named_is_done_and_the_rest_later(bank: Path) -> None:
    add_month(bank, 2)
    assert set(_run(bank, "payments")) == {"ingest:payments"}
    assert load_project(bank).lake().rows("payments") == 38
    assert _run(bank, "weekly") == {"query:weekly": ("kept", ("nothing changed",))}
    assert set(_run(bank, "daily+").values()) == {("done", ("new rows in payments",)), ("done", ("new rows in daily",))}
    assert _run(bank)["ingest:chargebacks"] == ("done", ("new file data/chargebacks-2.csv",))


def test_a_fresh_source_is_left_alone_until_it_is_old_or_named(bank: Path) -> None:
    add_month(bank, 2)
    ran = _run(bank)
    assert ran["ingest:payments"] == ("kept", ("read 0m ago, and again after 1h",))
    assert ran["ingest:chargebacks"][0] == "done"
    assert _run(bank, "payments")["ingest:payments"] == ("done", ("new file data/payments-2.csv",))
    add_month(bank, 3)
    _aged(bank, HOUR_US - 60_000_000)
    assert _run(bank)["ingest:payments"] == ("kept", ("read 59m ago, and again after 1h",))
    _aged(bank, 60_000_000)
    assert _run(bank)["ingest:payments"] == ("done", ("new file data/payments-3.csv",))


def test_a_fresh_source_is_read_once_after_a_replay(bank: Path) -> None:
    loaded = load_project(bank)
    rows = repaired(loaded, "payments", rows_of(loaded, "payments"), {"amount": "replace(amount, '-', '')"})
    replayed(loaded, "payments", rows)
    assert _run(bank)["ingest:payments"] == ("done", ("rows of payments were replayed",))
    assert _run(bank)["ingest:payments"] == ("kept", ("read 0m ago, and again after 1h",))


def test_a_look_that_finds_nothing_new_counts(bank: Path) -> None:
    _aged(bank, HOUR_US)
    assert _run(bank)["ingest:payments"] == ("kept", ("nothing changed",))
    assert _run(bank)["ingest:payments"] == ("kept", ("read 0m ago, and again after 1h",))


def test_a_fresh_source_is_read_when_it_is_declared_anew_or_its_table_is_gone(bank: Path) -> None:
    edit(bank, 'source="data/payments*"', 'source="data/payments-*.csv"')
    assert _run(bank)["ingest:payments"] == ("done", ("declaration of payments changed",))
    shutil.rmtree(bank / ".headrace" / "lake")
    assert _run(bank)["ingest:payments"] == ("done", ("its output is gone",))


def test_a_clock_that_was_put_back_keeps_nothing_from_being_read(bank: Path) -> None:
    _aged(bank, -50 * HOUR_US)
    assert _run(bank)["ingest:payments"] == ("kept", ("nothing changed",))


def test_full_makes_tables_by_query_again(bank: Path) -> None:
    lake = load_project(bank).lake()
    versions = {name: lake.version(name) for name in ("payments", "daily", "weekly")}
    assert _run(bank, "daily", full=True) == {"query:daily": ("done", ("asked to",))}
    assert lake.version("daily") == versions["daily"] + 1
    ran = _run(bank, full=True)
    assert {id for id, (action, _) in ran.items() if action == "done"} == {"query:daily", "query:weekly"}
    assert lake.version("payments") == versions["payments"]
    assert {action for action, _ in _run(bank).values()} == {"kept"}


def test_full_loads_all_files_of_a_source_again(bank: Path) -> None:
    lake = load_project(bank).lake()
    before = lake.read("payments", columns=["payment_id", "amount"])
    assert _run(bank, "payments", full=True) == {"ingest:payments": ("done", ("asked to",))}
    assert lake.read("payments", columns=["payment_id", "amount"]).equals(before)
    assert lake.rows("quarantine_payments") == 1
    assert _run(bank)["query:daily"][0] == "done"
    assert {action for action, _ in _run(bank).values()} == {"kept"}


def test_full_takes_out_no_row_that_no_file_would_bring_back(bank: Path) -> None:
    (bank / "data" / "payments-1.csv").rename(bank / "data" / "old.csv")
    add_month(bank, 2)
    with pytest.raises(RunFailed, match="HR-SCHEDULE-002") as raised:
        _run(bank, "payments", full=True)
    assert "data/payments-1.csv" in str(raised.value)
    assert load_project(bank).lake().rows("payments") == 19
