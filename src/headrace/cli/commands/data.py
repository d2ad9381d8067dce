"""``headrace data``: what the data of a project is like."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.options import Session, session_options
from headrace.cli.output import whole

_EXAMPLE = "\b\nExample:  headrace data report payments --output payments.html --open"


@click.group("data", epilog=f"{_EXAMPLE}\n\nIt takes --json and --project.")
def command() -> None:
    """Show what the data is like: profiles, changes, broken promises."""


@command.command("report", epilog=_EXAMPLE)
@click.argument("tables", nargs=-1)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; by default reports/data.html in the project's state.",
)
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
@session_options
def report(session: Session, tables: tuple[str, ...], output: Path | None, opens: bool) -> None:
    """Write one HTML file about TABLES, or all: profile and pictures of each column, changes, broken promises."""
    from dataclasses import replace

    from headrace.audit.data import data_report
    from headrace.cli.progress import Bars

    loaded = session.load()
    path = output or loaded.state_dir / "reports" / "data.html"
    with Bars() as bars, whole(path) as half:
        bars.begins("data report", ())
        made = replace(data_report(loaded, tables, half, bars.moves), path=path)
        bars.settle("")
    session.tell({"ok": True, **made.as_dict()}, lambda: click.echo(f"Report: {path}"))
    if opens:
        click.launch(path.resolve().as_uri())
