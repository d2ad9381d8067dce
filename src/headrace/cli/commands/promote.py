"""``headrace promote``: who serves, decided by a person."""

from __future__ import annotations

import click

from headrace.cli.options import Session, model_names, session_options


@click.command("promote", epilog='\b\nExample:  headrace promote fraud_score 3 --reason "version 4 blocks too much"')
@click.argument("model", shell_complete=model_names)
@click.argument("version", type=click.IntRange(min=1))
@click.option("--reason", help="Why; kept with the version. Must be given for a version that failed a gate.")
@session_options
def command(session: Session, model: str, version: int, reason: str | None) -> None:
    """Make VERSION of MODEL the champion, and keep on record who did it, when and why.

    A running service takes it up when it is started again.
    """
    from headrace.cli.terminal import print_faults, say
    from headrace.run import promote

    promoted = promote(session.load(), model, version, reason)
    session.tell(promoted.as_dict(), lambda: say(repr(promoted), "bold"))
    print_faults(promoted.warnings)
