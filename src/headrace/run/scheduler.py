"""The scheduler: runs a project again and again, one run at a time, until it is asked to end."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from headrace import clock
from headrace.errors import Fault, HeadraceError
from headrace.run.lock import held, is_held
from headrace.run.pipeline import RunFailed, RunReport
from headrace.run.schedule import Schedule
from headrace.run.stopping import Stop, Stopped

_FILE, _LOCK = "scheduler.json", "scheduler.lock"
_LOOK_S = 30.0
"""Seconds after which a scheduler that waits looks at the clock again, which may have been put forward or back."""
_COUNTED = 100_000
"""Times that were passed over, as far as they are counted: a clock may be put forward by years."""


@dataclass(frozen=True)
class Tick:
    """One time that a run was due, and what became of it.

    Args:
        due: moment, microseconds UTC.
        outcome: ``done``, ``failed``, ``busy`` (another run was going on) or ``stopped``.
        report: of the run; None where there was none.
        faults: that kept it from being done.
        skipped: times that were due while this run, or the machine's sleep, went on; they are not made up for.
        next: when the next run is due, microseconds UTC.
    """

    due: int
    outcome: str
    report: RunReport | None = None
    faults: tuple[Fault, ...] = ()
    skipped: int = 0
    next: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the tick as plain values for ``--json``."""
        return {
            "ok": self.outcome == "done",
            "due": _told(self.due),
            "outcome": self.outcome,
            "skipped": self.skipped,
            "next": _told(self.next),
            "report": None if self.report is None else self.report.as_dict(),
            "faults": [fault.as_dict() for fault in self.faults],
        }


@dataclass(frozen=True)
class Beat:
    """What a scheduler that is alive tells of itself; times are microseconds UTC.

    Args:
        pid: its process.
        schedule: in words.
        started: since when.
        next: when the next run is due; at or before the present while one is going on.
        runs, failed, skipped: how many until now.
    """

    pid: int
    schedule: str
    started: int
    next: int
    runs: int = 0
    failed: int = 0
    skipped: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for ``--json``; times are ISO 8601, UTC."""
        return asdict(self) | {"started": _told(self.started), "next": _told(self.next)}


def scheduled(
    state_dir: Path,
    schedule: Schedule,
    run: Callable[[], RunReport],
    stop: Stop,
    *,
    tell: Callable[[Tick], object] = lambda _: None,
    waiting: Callable[[Beat], object] = lambda _: None,
    now_us: clock.Clock = clock.now_us,
) -> Beat:
    """Run a project whenever it is due, until it is asked to end.

    An interval begins with a run; a cron expression waits for its first time. A run that lasts longer than the time to
    the next makes that one pass: what is missed is counted and never made up for. A run that fails does not end it.

    Args:
        state_dir: folder of the project's state.
        schedule: when runs are due.
        run: does one run.
        stop: ends it, at once when it waits, else behind the last commit of the run that is going on.
        tell: told what became of each time that was due.
        waiting: told before each wait.
        now_us: clock, UTC microseconds.

    Returns:
        What it told of itself last.

    Raises:
        HeadraceError: HR-SCHEDULE-006 when another scheduler of the project is alive, HR-RUN-008 when the state cannot
            be written.
    """
    with held(state_dir, _LOCK, "HR-SCHEDULE-006", "scheduler", "alive"):
        start = now_us()
        schedule = replace(schedule, start_us=start)
        due = schedule.next_after(start) if schedule.is_cron else start
        beat = Beat(os.getpid(), str(schedule), start, due)
        with _shown(state_dir) as show:
            while not stop.asked:
                show(beat)
                waiting(beat)
                beat = replace(beat, next=_waited(beat.next, schedule, stop, now_us))
                if stop.asked:
                    break
                show(beat)
                tick = _tick(beat.next, run)
                coming, skipped = _coming(schedule, beat.next, now_us())
                tick = replace(tick, skipped=skipped, next=coming)
                beat = _counted(beat, tick)
                tell(tick)
        return beat


def beat_of(state_dir: Path) -> Beat | None:
    """Return what a project's scheduler tells of itself, or None where none is alive, whatever one has left behind."""
    if not is_held(state_dir, _LOCK):
        return None
    try:
        return Beat(**json.loads((state_dir / _FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # it has only just begun
        return None


def _waited(due: int, schedule: Schedule, stop: Stop, now_us: clock.Clock) -> int:
    """Wait until a run is due; return when that was, which is sooner if the clock is put back meanwhile."""
    last = now_us()
    while (now := now_us()) < due:
        if now < last:
            due = min(due, schedule.next_after(now))
        last = now
        if stop.wait(min((due - now) / 1e6, _LOOK_S)):
            break
    return due


def _coming(schedule: Schedule, due: int, now: int) -> tuple[int, int]:
    """Return when the next run is due, and how many were due since the last that are passed over."""
    coming, skipped = schedule.next_after(due), 0
    while coming <= now and skipped < _COUNTED:
        coming, skipped = schedule.next_after(coming), skipped + 1
    # A clock that was put back meanwhile must not make the next run wait until it has caught up.
    return schedule.next_after(now), skipped


def _tick(due: int, run: Callable[[], RunReport]) -> Tick:
    try:
        return Tick(due, "done", run())
    except RunFailed as error:
        return Tick(due, "failed", error.report, error.faults)
    except Stopped:
        return Tick(due, "stopped")
    except HeadraceError as error:
        busy = all(fault.code == "HR-RUN-001" for fault in error.faults)
        return Tick(due, "busy" if busy else "failed", None, error.faults)


def _counted(beat: Beat, tick: Tick) -> Beat:
    return replace(
        beat,
        next=tick.next,
        runs=beat.runs + (tick.outcome in ("done", "failed")),
        failed=beat.failed + (tick.outcome == "failed"),
        skipped=beat.skipped + tick.skipped + (tick.outcome == "busy"),
    )


@contextmanager
def _shown(state_dir: Path) -> Iterator[Callable[[Beat], None]]:
    """Give a function that writes down how a scheduler is, for ``status``; nothing is left behind at its end."""
    path = state_dir / _FILE
    half = path.with_suffix(".part")

    def show(beat: Beat) -> None:
        try:
            half.write_text(json.dumps(asdict(beat)), encoding="utf-8")
            half.replace(path)
        except OSError:  # a full disk: the run itself says so, and the scheduler goes on
            half.unlink(missing_ok=True)

    try:
        yield show
    finally:
        path.unlink(missing_ok=True)


def _told(us: int) -> str:
    return clock.from_us(us).isoformat(timespec="seconds")
