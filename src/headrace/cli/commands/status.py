"""``headrace status``: what there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from headrace.cli.options import Session, session_options

if TYPE_CHECKING:
    from headrace.run import Status


@click.command("status", epilog="\b\nExample:  headrace status --json")
@click.option("--runs", default=5, show_default=True, type=click.IntRange(min=0), help="Past runs to show.")
@session_options
def command(session: Session, runs: int) -> None:
    """Show tables with rows and quarantine, training sets, models with their champions, and past runs."""
    from headrace.cli.terminal import print_faults
    from headrace.run import status

    found = status(session.load(), runs)
    session.tell(found.as_dict(), lambda: _print(found))
    print_faults(found.warnings)


def _print(found: Status) -> None:
    from headrace.cli.terminal import print_table

    tables = [
        (one.name, one.kind, one.rows, one.version, one.last_event, one.quarantined, one.files, one.owner)
        for one in found.tables
    ]
    heads = ("name", "kind", "rows", "version", "last event", "quarantined", "files", "owner")
    print_table(f"Project {found.project}", heads, tables, right=("rows", "version", "quarantined", "files"))
    if found.sets:
        sets = [(one.name, one.rows, _told(one.excluded), one.features, one.built or "not yet") for one in found.sets]
        heads_of_sets = ("name", "rows", "excluded", "features", "built")
        print_table("Training sets", heads_of_sets, sets, right=("rows", "features"))
    if found.models:
        models = [(one.name, one.versions, one.champion, one.challenger, _told(one.metrics)) for one in found.models]
        heads_of_models = ("name", "versions", "champion", "challenger", "metrics of the champion")
        print_table("Models", heads_of_models, models, right=("versions", "champion", "challenger"))
    if found.runs:
        runs = [
            (one["number"], one["kind"], one["outcome"], one["started"]) for one in (r.as_dict() for r in found.runs)
        ]
        print_table("Last runs", ("number", "kind", "outcome", "started"), runs, right=("number",))


def _told(figures: Mapping[str, float]) -> str:
    from headrace.cli.terminal import shown

    return ", ".join(f"{name} {shown(value)}" for name, value in figures.items())
