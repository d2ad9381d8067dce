"""``headrace report``: the project on one page."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.options import Session, session_options
from headrace.errors import Fault, HeadraceError


@click.command("report", epilog="\b\nExample:  headrace report --output report.html")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; by default reports/report.html in the project's state.",
)
@session_options
def command(session: Session, output: Path | None) -> None:
    """Write one HTML file: data, features, models against baselines, gates, decisions, parity, fingerprints."""
    from headrace.audit.report import write

    loaded = session.load()
    try:
        path = write(loaded, output)
    except OSError as error:
        name = output.name if output is not None else "the report"
        found = f"{name} could not be written: {error.strerror or error}"
        cure = "name another file with --output, or make room"
        raise HeadraceError(Fault("HR-CLI-002", "", found, "a file that can be written", cure)) from error
    session.tell({"ok": True, "report": str(path)}, lambda: click.echo(f"Report: {path}"))
