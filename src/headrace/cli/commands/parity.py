"""``headrace parity``: was what was served what history says?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli.options import Session, session_options
from headrace.errors import CheckFailed, Fault

if TYPE_CHECKING:
    from headrace.serve.parity import ParityReport


@click.command("parity", epilog="\b\nExample:  headrace parity --json")
@session_options
def command(session: Session) -> None:
    """Recompute every feature that was served from history and compare bit by bit; exit code 1 if one differs."""
    from headrace.audit import checked
    from headrace.serve.parity import parity

    loaded = session.load()
    report = parity(loaded)
    checked.keep(loaded.state_dir, report.as_dict())
    failed = {"exit_code": 1} if report.differing else {}
    session.tell({"ok": not failed} | report.as_dict() | failed, lambda: print_parity(report))
    if failed:
        if session.as_json:
            raise click.exceptions.Exit(1)
        raise CheckFailed(differs(report))


def differs(report: ParityReport) -> Fault:
    """Return the fault of served values that differ from history."""
    found = f"{report.differing} served values that history does not confirm"
    cure = "see the features above; 'headrace parity --json' names each difference"
    return Fault("HR-PARITY-001", "", found, "0", cure)


def print_parity(report: ParityReport) -> None:
    """Print how many values of each feature were compared, are equal, and differ; and what could not be compared."""
    from headrace.cli.terminal import print_table, say

    for reason, count in report.skipped.items():
        say(f"Not compared: {count:,} {reason}", "yellow")
    if not report.compared:
        say("Nothing was compared" + (": no decision is on record" if not report.skipped else ""), "bold yellow")
        return
    columns = ("feature", "compared", "equal", "differing")
    print_table("", columns, report.rows, right=columns[1:])
    told = f"{report.compared:,} compared, {report.differing:,} differing"
    say(told, "bold green" if not report.differing else "bold red")
