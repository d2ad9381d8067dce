"""``headrace report``: the project on one page."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.options import Session, session_options
from headrace.errors import Fault, HeadraceError


@click.command("report", epilog="\b\nExample:  headrace report --model fraud_score --output report.html")
@click.option("--model", "models", multiple=True, metavar="NAME", help="A model: the page is on it alone. Repeatable.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; by default reports/report.html in the project's state, or NAME.html for a model.",
)
@session_options
def command(session: Session, models: tuple[str, ...], output: Path | None) -> None:
    """Write one HTML file: what models decide, how good, where they fail; data, features, decisions, parity."""
    from headrace.audit.report import write

    loaded = session.load()
    try:
        report = write(loaded, output, tuple(dict.fromkeys(models)))
    except OSError as error:
        name = output.name if output is not None else "the report"
        found = f"{name} could not be written: {error.strerror or error}"
        cure = "name another file with --output, or make room"
        raise HeadraceError(Fault("HR-CLI-002", "", found, "a file that can be written", cure)) from error
    session.tell({"ok": True, **report.as_dict()}, lambda: click.echo(f"Report: {report.path}"))
