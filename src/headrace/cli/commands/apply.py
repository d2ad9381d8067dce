"""``headrace apply``: what ``plan`` shows, carried out after a look at it."""

from __future__ import annotations

import click

from headrace.cli.options import Session, session_options


@click.command("apply", epilog="\b\nExample:  headrace apply --yes --accept stream:payments")
@click.argument("nodes", nargs=-1)
@click.option("--yes", is_flag=True, help="Do not ask; needed where nobody is there to be asked.")
@click.option(
    "--accept", multiple=True, metavar="NODE", help="Change the table of NODE also where that is not compatible."
)
@session_options
def command(session: Session, nodes: tuple[str, ...], yes: bool, accept: tuple[str, ...]) -> None:
    """Show the plan, ask, and carry it out: tables follow their contracts, then all that is invalidated is made anew.

    NODES, such as payments or training_set:cases, confine it to these and all that they are made from. What is not
    compatible is refused, unless it is accepted by name: then fields that are gone leave the table, values are
    converted, and rows are held against the new contract first. Older versions stay readable. Who applied what is kept
    on record.
    """
    from headrace.cli.commands.plan import print_changes
    from headrace.cli.commands.run import print_report
    from headrace.cli.progress import Bars
    from headrace.cli.terminal import print_faults, say
    from headrace.run import RunFailed, apply, proposed

    loaded = session.load()
    changes = proposed(loaded, nodes, accept)
    if not session.as_json:
        session.tell({}, lambda: print_changes(changes))
        print_faults(changes.warnings)
    if not yes and (changes.any or changes.first):
        session.ask("Carry it out?", "look at 'headrace plan', then say --yes")
    try:
        with Bars() as bars:
            applied = apply(loaded, nodes, accept, bars, changes)
    except RunFailed as error:
        failed = error.report
        if not session.as_json:
            session.tell({}, lambda: print_report(failed))
        raise

    def human() -> None:
        print_report(applied.report)
        say(f"Applied by {applied.by}, on record as run {applied.report.number}.")

    session.tell(applied.as_dict(), human)
    print_faults(applied.report.faults)
