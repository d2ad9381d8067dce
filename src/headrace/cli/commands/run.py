"""``headrace run``: everything up to date, with as little work as possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.options import Session, session_options

if TYPE_CHECKING:
    from headrace.run import RunReport, StepReport

_SHOWN = 5


@click.command("run", epilog="\b\nExample:  headrace run && headrace train")
@session_options
def command(session: Session) -> None:
    """Bring everything up to date: load new files, refresh tables by query, build training sets.

    Only what changed (code, declarations or data) is redone, and each line says why. A run that was killed is taken
    up again by the next one, and nothing is doubled.
    """
    from headrace.cli.progress import Bars
    from headrace.cli.terminal import print_faults
    from headrace.run import RunFailed, run

    loaded = session.load()
    try:
        with Bars() as bars:
            report = run(loaded, bars)
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
