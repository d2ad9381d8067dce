"""``headrace plan``: what would change, and what that invalidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli.options import Session, session_options

if TYPE_CHECKING:
    from headrace.run import Changes

_SIGNS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}


@click.command("plan", epilog="\b\nExample:  headrace plan --json")
@click.option("--check", is_flag=True, help="Exit with 1 where a change is refused, for a pipeline that reviews it.")
@session_options
def command(session: Session, check: bool) -> None:
    """Show what the next run would find changed against the last one, and what that invalidates downstream.

    Of a changed contract it says what is compatible, what rows are checked for, and what breaks features, models and
    services, with the people who own them.
    """
    from headrace.cli.terminal import print_faults
    from headrace.run import plan_changes

    changes = plan_changes(session.load())
    session.tell(changes.as_dict(), lambda: print_changes(changes))
    print_faults((*changes.refused, *changes.warnings))
    if check and changes.refused:
        raise click.exceptions.Exit(1)


def print_changes(changes: Changes) -> None:
    """Print what would change, a line for each part."""
    from headrace.cli.terminal import say

    if changes.first:
        say("No completed run yet: everything is new.", "dim")
    elif not changes.any and not changes.training:
        say("Nothing would change.")
    for one in changes.changes:
        sign, colour = _SIGNS[one.action]
        say(f"{sign} {one.node}" + (f"  ({one.place})" if one.place and not changes.first else ""), colour)
        for part in one.parts:
            say(f"    {part}")
        if one.tags:
            say(f"    touches {one.tagged}", "magenta")
    for name, why in {**changes.files, **changes.outdated}.items():
        say(f"> {name}: {', '.join(why)}", "cyan")
    if changes.invalidated:
        say("\nThat invalidates:", "bold")
    for down in changes.invalidated:
        owners = f"  [{', '.join(down.owners)}]" if down.owners else ""
        say(f"  {down.node}  because of {', '.join(down.because)}{owners}")
    if changes.asked and not changes.first:
        listed = ", ".join(f"{name} ({address})" for name, address in changes.asked.items())
        say(f"What is new in {listed} is asked by the run alone.", "dim")
    for name, how in changes.queries.items():
        say(f"= {name}: {how}", "cyan")
    for name, why in changes.training.items():
        say(f"* train {name}: {', '.join(why)}", "magenta")
