"""``headrace state``: what services know of each key, and making that anew; and records that were altered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli.options import Session, session_options

if TYPE_CHECKING:
    from headrace.serve.keptstate import KeptState

_ASKED = "The service that runs makes it anew beside, and goes on with it: headrace top, or GET /health/ready."
_ANEW = "The spool has a new file: ids that were decided before count as new, and live events that waited are gone."


@click.group("state", epilog="\b\nExample:  headrace state show")
def command() -> None:
    """What services know of each key, and what they answered: shown and mended; each subcommand takes --json."""


@command.command("show", epilog="\b\nExample:  headrace state show")
@session_options
def show(session: Session) -> None:
    """Show what it holds of each source, and up to which sequence."""
    from headrace.serve.keptstate import kept_state

    found = kept_state(session.load())

    def shown() -> None:
        if found is None:
            click.echo("There is none yet: a service makes it when it starts.")
        else:
            _print(found)

    session.tell({"ok": True, "state": None if found is None else found.as_dict()}, shown)


@command.command("rebuild", epilog="\b\nExample:  headrace state rebuild")
@session_options
def rebuild(session: Session) -> None:
    """Make it anew from the lake, as where files were damaged; a running service does so beside what it answers."""
    from headrace.serve import keptstate

    made = keptstate.rebuild(session.load())

    def shown() -> None:
        if made is None:
            click.echo(_ASKED)
        else:
            _print(made)

    session.tell({"ok": True, "asked": made is None, "state": None if made is None else made.as_dict()}, shown)


@command.command("salvage", epilog="\b\nExample:  headrace state salvage")
@session_options
def salvage(session: Session) -> None:
    """Bring what is whole of records that were altered (HR-ONLINE-004) into the lake, while no service runs.

    Their files are set aside, and nothing is removed; the next service begins a journal of its own.
    """
    from headrace.serve.salvage import salvage as salvaged

    found, anew = salvaged(session.load())

    def shown() -> None:
        if anew:
            click.echo(_ANEW)
        elif not found:
            click.echo("No records were altered.")
        for one in found:
            click.echo(f"{one.moved:,} records of the journal {one.journal} are in the lake; its files: {one.aside}")
            for first, last in one.missing:
                click.echo(f"  none that is whole: {one.journal}-{first} to {one.journal}-{last}")

    session.tell({"ok": True, "salvaged": [one.as_dict() for one in found], "spool_begun_anew": anew}, shown)


def _print(found: KeptState) -> None:
    from headrace.cli.terminal import print_table
    from headrace.cli.watched import size

    rows = [
        (name, f"{count:,}", f"{found.applied[name.split(' by ', 1)[0]]:,}") for name, count in found.chunks.items()
    ]
    print_table("", ("events", "chunks", "applied up to"), rows, right=("chunks", "applied up to"))
    click.echo(f"{size(found.bytes)} on the disk")
