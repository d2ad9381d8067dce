"""``headrace run``: everything up to date, with as little work as possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.options import Session, session_options
from headrace.cli.scheduling import (
    again_options,
    limit_options,
    limits_given,
    period_given,
    period_options,
    retry_given,
    run_scheduled,
    schedule_given,
)

if TYPE_CHECKING:
    from headrace.run import Asked, LoadedProject, RunReport, StepReport

_SHOWN = 5


@click.command("run", epilog="\b\nExample:  headrace run && headrace train")
@click.argument("names", nargs=-1)
@click.option("--full", is_flag=True, help="Make what is named (all tables by query by default) anew as a whole.")
@again_options
@click.option("--every", help="Run again and again, such as every '15m'; ends with Ctrl-C or SIGTERM.")
@click.option("--cron", help="Run at the times of a cron expression, such as '0 */2 * * *'.")
@click.option("--scheduled", is_flag=True, help="Run as [run] of headrace.toml, or the project, says.")
@click.option("--zone", help="Time zone of the cron expression.  [default: UTC]")
@period_options
@limit_options
@session_options
def command(session: Session, names: tuple[str, ...], full: bool, **given: Any) -> None:
    """Bring everything up to date: load new files, refresh tables by query, build training sets.

    Only what changed (code, declarations or data) is redone, and each line says why. A run that was killed is taken
    up again by the next one, and nothing is doubled. With NAMES only these streams, tables and sets: +NAME is all that
    it needs, too, and NAME+ all that follows from it.
    """
    from headrace.limits import bounded
    from headrace.run import Asked

    loaded = session.load()
    schedule = schedule_given(loaded, given)
    period = period_given(given)
    if period is not None and (full or schedule is not None):
        raise click.UsageError("a backfill (--from) is one run of its own, without --full and without a schedule")
    asked = Asked(names, full, retry_given(loaded, given, scheduled=schedule is not None), period)
    with bounded(limits_given(loaded, given)):
        if schedule is None:
            _once(session, loaded, asked)
        else:
            run_scheduled(session, loaded.state_dir, schedule, asked)


def _once(session: Session, loaded: LoadedProject, asked: Asked) -> None:
    from headrace.cli.progress import Bars
    from headrace.cli.terminal import print_faults
    from headrace.run import RunFailed, run

    try:
        with Bars() as bars:
            report = run(loaded, bars, asked)
    except RunFailed as error:
        failed = error.report
        if not session.as_json:
            session.tell({}, lambda: print_report(failed))
        raise
    session.tell(report.as_dict(), lambda: print_report(report))
    print_faults(report.faults)


def print_report(report: RunReport) -> None:
    """Print what a run did as a table."""
    from headrace.cli.terminal import print_table, say, shown

    def figures(found: Mapping[str, Any]) -> str:
        words = ("received", "accepted", "quarantined", "rows", "features")
        told = [f"{shown(found[word])} {word}{_new(found, word)}" for word in words if word in found]
        how = found.get("this_run", {}).get("how")
        return ", ".join(told + ([how] if how else []))

    rows = [
        (step.id, step.action, "; ".join(step.why), figures(step.figures), f"{step.seconds:.1f} s")
        for step in report.steps
    ]
    print_table("", ("step", "action", "why", "figures", "took"), rows, right=("took",))
    for step in report.steps:
        _say_what_is_aside(step)
    if report.after:
        say("The run before this one was cut off; this one went on where it stopped.", "yellow")
    word = "Everything was up to date" if report.ok and not report.changed else "Up to date" if report.ok else "Failed"
    say(f"{word} in {report.seconds:.1f} s.", "bold")


def _say_what_is_aside(step: StepReport) -> None:
    """Say why a load put rows into quarantine, and where they can be read."""
    from headrace.cli.terminal import say, shown

    reasons = step.figures.get("this_run", {}).get("reasons", {})
    if reasons and step.action in ("done", "failed"):
        told = [f"{shown(count)} {reason}" for reason, count in list(reasons.items())[:_SHOWN]]
        told += [f"{len(reasons) - _SHOWN} more reasons"] if len(reasons) > _SHOWN else []
        name = step.id.split(":")[1]
        say(f"Quarantined of {name}: {'; '.join(told)}", "yellow")
        say(f"Read them:  headrace query 'select reasons, row from quarantine_{name}'\n", "dim")


def _new(figures: Mapping[str, Any], word: str) -> str:
    """Say what of a figure this run brought, where that is not all of it."""
    new = figures.get("this_run", {}).get(word)
    return "" if new is None or new == figures[word] else f" ({new:,} new)"
