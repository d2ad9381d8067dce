"""``headrace explore``: what a column or a feature is like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.options import Session, session_options
from headrace.cli.output import whole

if TYPE_CHECKING:
    from headrace.explore import Explored

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("explore", epilog="\b\nExample:  headrace explore spending.mean_7d --by country --html mean.html")
@click.argument("target")
@click.option("--by", default="", metavar="COLUMN", help="Tell it once more by the values of this column.")
@click.option("--set", "of", default="", metavar="NAME", help="Training set that brings features and label.")
@click.option("--html", type=_FILE, help="Write it into this file, with pictures.")
@click.option("--open", "opens", is_flag=True, help="Open that file in the browser.")
@session_options
def command(session: Session, target: str, by: str, of: str, html: Path | None, opens: bool) -> None:
    """Show what TARGET is like: spread, over time, missing, against the label, other columns, suspects of leaks.

    TARGET is a column (payments.amount), a feature (spending.mean_7d), or a whole stream, table, group of features or
    training set. Features are those of the training set, as of the time of each row.
    """
    from headrace.cli.progress import Bars
    from headrace.explore import explore

    if opens and html is None:
        raise click.UsageError("--open opens what --html FILE writes")
    loaded = session.load()
    with Bars() as bars:
        bars.begins(f"explore {target}", ())
        found = explore(loaded, target, by=by, of=of, told=bars.moves)
        bars.settle("")
    written = {}
    if html is not None:
        with whole(html) as half:
            half.write_text(found.html(), encoding="utf-8")
        written["html"] = html.name
    session.tell({"ok": True, **found.as_dict(), **written}, lambda: _print(session, found, html))
    if opens and html is not None:
        click.launch(html.resolve().as_uri())


def _print(session: Session, found: Explored, html: Path | None) -> None:
    from headrace.cli.terminal import say
    from headrace.explore.text import told

    if html is not None:
        say(f"Page: {html}")
        return
    for line, style in told(found, blocks=_has_blocks(session)):
        say(line, style)


def _has_blocks(session: Session) -> bool:
    """Whether the output shows block characters: what is piped is read by programs and kept in files."""
    return session.out.isatty() and (session.out.encoding or "").lower().replace("-", "").startswith("utf")
