"""``headrace run`` again and again: its options, what of them the project says, and how a scheduler tells of itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from headrace.cli.options import Session, moment_of

if TYPE_CHECKING:
    from headrace.limits import Limits
    from headrace.run import Asked, Beat, LoadedProject, Period, Retry, Schedule, Tick

Command = TypeVar("Command", bound=Callable[..., Any])
_RETRIES_SCHEDULED = 3
"""Further attempts of a scheduled run, where nothing is said: nobody watches it. Who runs it by hand sees it fail."""

_PIECES = 10_000


def again_options(function: Command) -> Command:
    """Add the options of trying again."""
    retries = click.IntRange(min=0)
    text = "Further attempts after what may pass: network, locks, a full disk.  [default: 0; 3 when scheduled]"
    wait = click.option("--retry-wait", help="Before the first of them; twice as long each time.  [default: 5s]")
    return click.option("--retries", type=retries, help=text)(wait(function))


def limit_options(function: Command) -> Command:
    """Add the options that bound what a run uses."""
    threads = click.option("--threads", type=click.IntRange(min=1), help="Threads that compute at once.")
    return click.option("--memory", help="Memory of the run, about, such as 2GB.")(threads(function))


def period_options(function: Command) -> Command:
    """Add the options of a backfill."""
    begin = click.option("--from", "begin", help="Backfill: make tables by query anew from this event time on.")
    end = click.option("--to", "end", help="Up to before this one.  [default: the newest row]")
    return begin(end(click.option("--step", help="Piece of it that is one commit.  [default: 1d]")(function)))


def period_given(given: Mapping[str, Any]) -> Period | None:
    """Return the span of a backfill, or None."""
    from headrace import clock
    from headrace.run import Period
    from headrace.types import duration_us

    if given["begin"] is None:
        if given["end"] or given["step"]:
            raise click.UsageError("--to and --step go with --from")
        return None
    begin = moment_of(given["begin"], "--from")
    end = clock.now_us() if given["end"] is None else moment_of(given["end"], "--to")
    step = given["step"] or "1d"
    if not _is_length(step):
        raise click.BadParameter(f"{step!r} is no time such as 1d or 6h", param_hint="--step")
    if begin >= end:
        raise click.BadParameter("the end is not after the beginning", param_hint="--to")
    if (end - begin) / duration_us(step) > _PIECES:
        raise click.BadParameter(f"that makes more than {_PIECES:,} pieces, each a commit", param_hint="--step")
    return Period(begin, end, duration_us(step), open=given["end"] is None)


def schedule_given(loaded: LoadedProject, given: Mapping[str, Any]) -> Schedule | None:
    """Return when runs are due, or None for one run now.

    Raises:
        HeadraceError: HR-SCHEDULE-003 to 005 for what is no schedule.
    """
    from headrace.run import schedule_of

    ways = [one for one in ("every", "cron", "scheduled") if given[one]]
    if len(ways) > 1:
        raise click.UsageError(f"--{ways[0]} and --{ways[1]} exclude one another")
    said, project = loaded.settings.run, loaded.project
    zone = given["zone"] or (said.zone if said.schedule else None) or project.zone
    if not ways:
        if given["zone"]:
            raise click.UsageError("--zone goes with --cron, or with --scheduled")
        return None
    if ways == ["scheduled"]:
        text = said.schedule or project.schedule
        if text is None:
            raise click.UsageError("no schedule: write hr.Project(…, schedule='0 */2 * * *'), or --every 15m")
        return schedule_of(text, zone, place="headrace.toml" if said.schedule else project.place)
    text = given[ways[0]]
    if ways == ["every"] and not _is_length(text):
        raise click.BadParameter(f"{text!r} is no time such as 15m or 2h", param_hint="--every")
    return schedule_of(text, given["zone"] or said.zone or "UTC", place=f"--{ways[0]}")


def retry_given(loaded: LoadedProject, given: Mapping[str, Any], *, scheduled: bool) -> Retry:
    """Return how often to try again."""
    from headrace.run import Retry
    from headrace.types import duration_us

    said = loaded.settings.run
    times = _first(given["retries"], said.retries, _RETRIES_SCHEDULED if scheduled else 0)
    wait = given["retry_wait"] or said.retry_wait or "5s"
    if not _is_length(wait):
        raise click.BadParameter(f"{wait!r} is no time such as 5s or 1m", param_hint="--retry-wait")
    return Retry(times, duration_us(wait) / 1e6)


def limits_given(loaded: LoadedProject, given: Mapping[str, Any]) -> Limits:
    """Return what a run may use."""
    from headrace.limits import Limits, parse_size

    said = loaded.settings.run
    memory = given["memory"] or said.memory
    try:
        size = None if memory is None else parse_size(memory)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--memory") from None
    return Limits(size, _first(given["threads"], said.threads, None))


def run_scheduled(session: Session, state_dir: Path, schedule: Schedule, asked: Asked) -> None:
    """Run a project whenever it is due, until a signal asks for the end; each run is told by a line.

    The project is read anew each time, as cron would: what is edited meanwhile holds from the next run on.
    """
    from headrace.cli.progress import Bars
    from headrace.cli.terminal import say
    from headrace.run import RunReport, Stop, on_signals, run, scheduled

    stop = Stop()

    def once() -> RunReport:
        with Bars() as bars:
            return run(session.load(), bars, asked, stop)

    def waiting(beat: Beat) -> None:
        from headrace import clock

        if beat.next > clock.now_us():
            print(f"next run at {_moment(beat.next)}", file=sys.stderr, flush=True)

    print(f"runs {schedule}; Ctrl-C or SIGTERM ends it", file=sys.stderr, flush=True)
    with on_signals(stop):
        beat = scheduled(state_dir, schedule, once, stop, tell=lambda tick: _tell(session, tick), waiting=waiting)
    ended = f"Ended after {beat.runs} run{'' if beat.runs == 1 else 's'}: {beat.failed} failed, {beat.skipped} skipped."
    if session.as_json:
        session.out.write(json.dumps({"ended": True, **beat.as_dict()}) + "\n")
    else:
        session.tell({}, lambda: say(ended, "bold"))


def _tell(session: Session, tick: Tick) -> None:
    """Tell what became of a run: a line of text, or one of JSON; faults go to stderr, as those of any run."""
    from headrace.cli.terminal import print_faults, say

    print_faults(tick.faults if tick.report is None else tick.report.faults)
    if session.as_json:
        session.out.write(json.dumps(tick.as_dict(), default=str) + "\n")
    else:
        session.tell({}, lambda: say(_line(tick), "" if tick.outcome == "done" else "yellow"))
    session.out.flush()


def _line(tick: Tick) -> str:
    words = [f"{_moment(tick.due)}  {tick.outcome}"]
    if tick.report is not None:
        actions = [step.action for step in tick.report.steps]
        counts = ", ".join(f"{actions.count(one)} {one}" for one in dict.fromkeys(actions))
        words.append(f"run {tick.report.number}: {counts} in {tick.report.seconds:.1f} s")
    if tick.skipped:
        words.append(f"{tick.skipped} due meanwhile and skipped")
    return "; ".join(words)


def _moment(us: int) -> str:
    from headrace import clock

    return clock.from_us(us).strftime("%Y-%m-%d %H:%M:%S UTC")


def _is_length(text: str) -> bool:
    from headrace.types import duration_us

    try:
        return duration_us(text) > 0
    except ValueError:
        return False


def _first(*values: Any) -> Any:
    return next((one for one in values if one is not None), None)
