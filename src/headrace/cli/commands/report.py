"""``headrace report``: the project on one page."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.options import Session, session_options


@click.command("report", epilog="Example:  headrace report --output report.html")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Default: reports/ in the state folder.",
)
@session_options
def command(session: Session, output: Path | None) -> None:
    """Write one HTML file: data and its quality, features, model against baselines, gates, parity."""
    from headrace.audit.report import write

    loaded = session.load()
    path = output or loaded.state_dir / "reports" / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(loaded, path)
    session.tell({"ok": True, "report": str(path)}, lambda: click.echo(f"Report: {path}"))
