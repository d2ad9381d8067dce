"""Backfills: a part of a table by query is made anew, in pieces that together are the same as one pass."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from headrace import clock
from headrace.clock import DAY_US
from headrace.run import (
    Asked,
    LoadedProject,
    Period,
    RunReport,
    Silent,
    Stop,
    Stopped,
    load_project,
    plan_changes,
    restore,
    run,
)
from headrace.run.journal import Journal
from tests.run.bank import add_month, edit, make_bank

DAILY = """
class Day(hr.Contract):
    day: hr.Timestamp = hr.key()
    terminal_id: int = hr.key()
    total: hr.Decimal(18, 2)


class When(hr.Contract):
    day: hr.Timestamp = hr.event_time()
    terminal_id: int
    total: hr.Decimal(18, 2)


by_day = hr.Table("by_day", When, query='''
    select date_trunc('day', at) as day, terminal_id, sum(amount)::decimal(18, 2) as total from payments
    group by all order by day -- in order;
''')
later = hr.Table("later", query="select count(*) as n from by_day")
project = hr.Project("bank", sources=[payments, by_day, later, daily, weekly, chargebacks])
"""
JANUARY = Period(clock.to_us(datetime(2026, 1, 1, tzinfo=UTC)), clock.to_us(datetime(2026, 2, 1, tzinfo=UTC)), DAY_US)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_bank(tmp_path_factory.mktemp("made") / "bank", DAILY)
    run(load_project(folder))
    return folder


@pytest.fixture
def bank(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "bank")


def _backfill(folder: Path, period: Period, *names: str, **more) -> RunReport:
    return run(load_project(folder), asked=Asked(names, period=period), **more)


def _rows(loaded: LoadedProject, where: str = "true") -> list[dict]:
    return loaded.lake().sql(f"select * from by_day where {where} order by all").to_pylist()


def _asked_for(loaded: LoadedProject, where: str = "true") -> list[dict]:
    """What the whole query gives, as DuckDB answers it in one pass."""
    query = loaded.project.tables["by_day"].query.split("--")[0]
    return loaded.lake().sql(f"select * from ({query}) where {where} order by all").to_pylist()


def _spoil(loaded: LoadedProject) -> None:
    """Let each total be wrong, as a query that read half of its rows would have left it."""
    lake = loaded.lake()
    rows = lake.read("by_day")
    wrong = pa.array([Decimal(0)] * rows.num_rows, rows["total"].type)
    message = lake.history("by_day")[0]["message"]
    lake.overwrite("by_day", rows.set_column(2, "total", wrong), message=message)


@pytest.mark.parametrize("step", [DAY_US, 7 * DAY_US, DAY_US // 3, 400 * DAY_US])
def test_pieces_are_the_same_as_one_pass(bank: Path, step: int) -> None:
    loaded = load_project(bank)
    right = _rows(loaded)
    _spoil(loaded)
    report = _backfill(bank, Period(JANUARY.begin, JANUARY.end, step), "by_day")
    assert _rows(loaded) == right == _asked_for(loaded)
    (step_report,) = report.steps
    assert step_report.why == ("backfill of 2026-01-01 to 2026-02-01",)
    assert step_report.figures["rows"] == len(right)


def test_what_lies_outside_the_period_stays(bank: Path) -> None:
    loaded = load_project(bank)
    _spoil(loaded)
    _backfill(bank, Period(JANUARY.begin + 10 * DAY_US, JANUARY.begin + 20 * DAY_US), "by_day")
    inside = "day >= '2026-01-11' and day < '2026-01-21'"
    assert _rows(loaded, inside) == _asked_for(loaded, inside)
    assert {row["total"] for row in _rows(loaded, f"not ({inside})")} == {0}


def test_pieces_that_are_right_make_no_version_and_nothing_that_follows(bank: Path) -> None:
    version = load_project(bank).lake().version("by_day")
    report = _backfill(bank, JANUARY)
    assert load_project(bank).lake().version("by_day") == version
    steps = {step.id: step for step in report.steps}
    assert steps["query:by_day"].figures["pieces_changed"] == 0
    assert steps["query:later"].why == ("made as a whole: no contract says which column is its event time",)
    assert steps["ingest:payments"].action == "kept"


def test_a_part_does_not_pass_for_the_whole(bank: Path) -> None:
    add_month(bank, 2)
    _backfill(bank, JANUARY, "payments", "by_day")
    assert _rows(load_project(bank)) != _asked_for(load_project(bank))
    report = run(load_project(bank))
    assert {step.id: step.why for step in report.steps}["query:by_day"] == ("new rows in payments",)
    assert _rows(load_project(bank)) == _asked_for(load_project(bank))


def test_who_is_stopped_goes_on_behind_the_last_piece(bank: Path) -> None:
    loaded, stop = load_project(bank), Stop()
    right = _rows(loaded)
    _spoil(loaded)
    told: list[tuple[int, int]] = []

    class Watched(Silent):
        def moves(self, what: str, done: int, total: int) -> None:
            told.append((done, total))
            if done == 12:
                stop.ask()

    with pytest.raises(Stopped):
        _backfill(bank, JANUARY, "by_day", progress=Watched(), stop=stop)
    assert told[-1] == (12, 31)
    with Journal(loaded.state_dir / "run.db") as journal:
        assert journal.step("backfill:by_day").figures["next"] == JANUARY.begin + 12 * DAY_US
        assert journal.runs(1)[0].outcome == "interrupted"
    stop = Stop()
    told.clear()
    _backfill(bank, JANUARY, "by_day", progress=Watched(), stop=stop)
    assert [done for done, _ in told] == list(range(13, 32))
    assert _rows(loaded) == right


def test_who_is_stopped_begins_anew_when_what_it_reads_has_changed(bank: Path) -> None:
    stop = Stop()

    class Watched(Silent):
        def moves(self, what: str, done: int, total: int) -> None:
            stop.ask()

    with pytest.raises(Stopped):
        _backfill(bank, JANUARY, "by_day", progress=Watched(), stop=stop)
    add_month(bank, 2)
    run(load_project(bank), asked=Asked(("payments",)))
    _spoil(load_project(bank))
    _backfill(bank, Period(JANUARY.begin, JANUARY.end + 60 * DAY_US), "by_day")
    assert _rows(load_project(bank)) == _asked_for(load_project(bank))


_WHEN = "    day: hr.Timestamp = hr.event_time()\n    terminal_id: int"
WHOLE = {
    "no contract says which column is its event time": ('"by_day", When', '"by_day", Day'),
    "its declaration changed": ("sum(amount)", "max(amount)"),
    "its key is unique without day": (_WHEN, _WHEN + " = hr.key()"),
}


@pytest.mark.parametrize("why", WHOLE)
def test_a_table_that_has_no_parts_is_made_as_a_whole_and_says_why(bank: Path, why: str) -> None:
    edit(bank, *WHOLE[why])
    if "key" in why:
        edit(bank, "group by all order by day", "group by all order by terminal_id, day limit 1")
    (step,) = _backfill(bank, JANUARY, "by_day").steps
    assert step.why[0].startswith("made as a whole: ")
    assert why in step.why[0]
    assert not run(load_project(bank), asked=Asked(("by_day",))).changed


def test_of_a_source_from_files_no_part_is_read_again_and_that_is_told(bank: Path) -> None:
    report = _backfill(bank, JANUARY, "payments")
    assert [(fault.code, fault.severity) for fault in report.faults] == [("HR-SCHEDULE-009", "warning")]
    assert load_project(bank).lake().rows("payments") == 19


def test_without_an_end_it_ends_with_the_newest_row(bank: Path) -> None:
    loaded = load_project(bank)
    rows = _rows(loaded)
    _spoil(loaded)
    begin = JANUARY.begin + 10 * DAY_US
    last = clock.to_us(rows[-1]["day"])
    report = _backfill(bank, Period(begin, JANUARY.begin + 3650 * DAY_US, open=True), "by_day")
    (step,) = [one for one in report.steps if one.id == "query:by_day"]
    assert step.figures["pieces"] == (last - begin) // DAY_US + 1 < 30
    assert step.why == ("backfill of 2026-01-11 to the newest row",)
    since = "day >= '2026-01-11'"
    assert _rows(loaded, since) == _asked_for(loaded, since)
    assert _rows(loaded, f"not {since}") != _asked_for(loaded, f"not {since}")
    report = _backfill(bank, Period(last + 5 * DAY_US, last + 9 * DAY_US, open=True), "by_day")
    assert [one.figures["pieces"] for one in report.steps if one.id == "query:by_day"] == [0]


def test_without_an_end_rows_that_the_query_no_longer_gives_are_taken_out(bank: Path) -> None:
    loaded = load_project(bank)
    lake, rows = loaded.lake(), _rows(loaded)
    stray = {**rows[-1], "day": rows[-1]["day"] + timedelta(days=3)}
    message = {key: one for key, one in lake.history("by_day")[0]["message"].items() if key in ("inputs", "tables")}
    lake.append("by_day", pa.Table.from_pylist([stray], lake.schema("by_day")), message=message)
    _backfill(bank, Period(JANUARY.begin, JANUARY.begin + DAY_US, open=True), "by_day")
    assert _rows(loaded) == rows


@pytest.mark.parametrize("query", ["select at as day, terminal_id, amount as total from payments", ""])
@pytest.mark.parametrize("again", [False, True])
def test_what_a_part_took_in_is_not_taken_in_again(bank: Path, query: str, again: bool) -> None:
    if query:  # whose new rows are added, and no others looked at
        text = (bank / "project.py").read_text()
        begin, end = text.index("    select date_trunc('day', at) as day, terminal_id"), ";"
        (bank / "project.py").write_text(f"{text[:begin]}{query} -- each\n{text[text.index(end, begin) :]}")
        run(load_project(bank))
    before = load_project(bank).lake().version("payments")
    add_month(bank, 2)
    february = Period(JANUARY.end, JANUARY.end + 28 * DAY_US)
    _backfill(bank, february, "payments", "by_day")
    assert len(_rows(load_project(bank), "day >= '2026-02-01'")) > 3
    if again:
        load_project(bank).lake().compact("by_day")
        _backfill(bank, Period(JANUARY.end - 10 * DAY_US, JANUARY.end), "by_day")
    else:
        restore(load_project(bank), "payments", version=before)
    assert plan_changes(load_project(bank)).queries["by_day"].startswith("in full: a backfill made a part of it")
    run(load_project(bank))
    assert _rows(load_project(bank)) == _asked_for(load_project(bank))
    assert not run(load_project(bank)).changed
