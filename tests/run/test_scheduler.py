"""The scheduler under a clock that a test moves by hand: due times, runs that take too long, clocks that jump."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headrace.errors import Fault, HeadraceError
from headrace.run import RunFailed, RunReport, Stop, Stopped, Tick, beat_of, schedule_of, scheduled

MINUTE = 60_000_000
START = 1_800_000_000_000_000 - 1_800_000_000_000_000 % (60 * MINUTE)


class Hand(Stop):
    """A clock that waiting moves; it ends the scheduler after so many minutes."""

    def __init__(self, minutes: int) -> None:
        super().__init__()
        self.now, self.left = START, minutes * MINUTE
        self.jumps: dict[int, int] = {}

    def wait(self, seconds: float) -> bool:
        self.now += max(1, round(seconds * 1e6))
        self.left -= max(1, round(seconds * 1e6))
        for at in [one for one in self.jumps if self.now >= one]:
            self.now += self.jumps.pop(at)
        if self.left <= 0:
            self.ask()
        return self.asked


def _ticks(folder: Path, text: str, hand: Hand, takes: float = 0.0, outcomes: dict[int, Exception] | None = None):
    ticks: list[Tick] = []
    begun: list[int] = []

    def run() -> RunReport:
        begun.append(round((hand.now - START) / MINUTE))
        hand.now += round(takes * MINUTE)
        if outcomes and len(begun) in outcomes:
            raise outcomes[len(begun)]
        return RunReport(len(begun), 0.0, (), ())

    beat = scheduled(folder, schedule_of(text), run, hand, tell=ticks.append, now_us=lambda: hand.now)
    return begun, ticks, beat


def test_an_interval_runs_at_once_and_then_each_time(tmp_path: Path) -> None:
    begun, _, beat = _ticks(tmp_path, "15m", Hand(50))
    assert begun == [0, 15, 30, 45]
    assert (beat.runs, beat.failed, beat.skipped) == (4, 0, 0)


def test_cron_waits_for_its_first_time(tmp_path: Path) -> None:
    assert _ticks(tmp_path, "10,40 * * * *", Hand(90))[0] == [10, 40, 70]


def test_what_a_long_run_misses_is_counted_and_not_made_up_for(tmp_path: Path) -> None:
    begun, ticks, beat = _ticks(tmp_path, "15m", Hand(25), takes=35)
    assert begun == [0, 45, 90]
    assert [tick.skipped for tick in ticks] == [2, 2, 2]
    assert beat.skipped == 6


def test_a_run_that_fails_or_finds_another_one_does_not_end_it(tmp_path: Path) -> None:
    busy = HeadraceError(Fault("HR-RUN-001", "", "another run", "one", "wait"))
    wrong = HeadraceError(Fault("HR-NAME-001", "", "a name", "another", "rename it"))
    failed = RunFailed(RunReport(4, 0.0, (), (Fault("HR-LAKE-002", "", "no space", "space", "free some"),)))
    begun, ticks, beat = _ticks(tmp_path, "15m", Hand(70), outcomes={2: busy, 3: wrong, 4: failed})
    assert begun == [0, 15, 30, 45, 60]
    assert [tick.outcome for tick in ticks] == ["done", "busy", "failed", "failed", "done"]
    assert (beat.runs, beat.failed, beat.skipped) == (4, 2, 1)


def test_a_run_that_is_asked_to_end_is_the_last(tmp_path: Path) -> None:
    hand = Hand(500)

    def run() -> RunReport:
        hand.ask()
        raise Stopped

    ticks: list[Tick] = []
    scheduled(tmp_path, schedule_of("15m"), run, hand, tell=ticks.append, now_us=lambda: hand.now)
    assert [tick.outcome for tick in ticks] == ["stopped"]


def test_a_clock_that_is_put_back_makes_nobody_wait_for_it(tmp_path: Path) -> None:
    hand, day = Hand(100), 24 * 60
    hand.jumps = {START + 20 * MINUTE: -day * MINUTE}
    assert _ticks(tmp_path, "15m", hand)[0] == [0, 15, *(30 - day, 45 - day, 60 - day, 75 - day, 90 - day)]


def test_a_clock_that_is_put_forward_runs_once_for_all_that_it_passes_over(tmp_path: Path) -> None:
    hand, day = Hand(60), 24 * 60
    hand.jumps = {START + 20 * MINUTE: day * MINUTE}
    begun, ticks, _ = _ticks(tmp_path, "15m", hand)
    assert begun == [0, 15, day + 20, day + 30, day + 45]
    assert ticks[2].skipped == day // 15 - 1  # of those at 30, 45, …, 24 h and 15 min, the first was made


def test_a_scheduler_shows_itself_while_it_is_alive(tmp_path: Path) -> None:
    hand, seen = Hand(30), []

    def run() -> RunReport:
        seen.append(beat_of(tmp_path))
        with pytest.raises(HeadraceError, match="HR-SCHEDULE-006"):
            scheduled(tmp_path, schedule_of("1h"), run, hand)
        return RunReport(1, 0.0, (), ())

    scheduled(tmp_path, schedule_of("15m"), run, hand, now_us=lambda: hand.now)
    assert [(one.schedule, one.next, one.runs) for one in seen] == [
        ("every 15m", START, 0),
        ("every 15m", START + 15 * MINUTE, 1),
    ]
    assert beat_of(tmp_path) is None


def test_what_a_killed_scheduler_has_left_behind_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "scheduler.lock").write_text("1")
    told = {"pid": 1, "schedule": "every 15m", "started": START, "next": START}
    (tmp_path / "scheduler.json").write_text(json.dumps(told))
    assert beat_of(tmp_path) is None
