"""``headrace explain``: what one score is made of."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.options import Session, model_names, session_options
from headrace.errors import Fault, HeadraceError

if TYPE_CHECKING:
    from headrace.run import Explained

_OUT = "-"


@click.command("explain", epilog="\b\nExample:  headrace explain fraud_score --row p1024 --top 5")
@click.argument("model", shell_complete=model_names)
@click.option("--row", metavar="KEY", help="Key of a row of the set that the version learned from.")
@click.option("--request", metavar="FILE", help="A row as a service takes it: a file with a JSON object, - for stdin.")
@click.option("--version", type=click.IntRange(min=1), help="Number of the version; by default the champion.")
@click.option("--top", type=click.IntRange(min=1), help="Show so many features, those that move the score most.")
@session_options
def command(
    session: Session, model: str, row: str | None, request: str | None, version: int | None, top: int | None
) -> None:
    """Show what the score of one row is made of: by how much each feature moves it, exactly where MODEL allows that.

    What is shown adds up to the score that the model gives; where it did not, the command would refuse it.
    """
    from headrace.run import explain

    if (row is None) == (request is None):
        raise click.UsageError("name one row: --row KEY of the training set, or --request FILE")
    body = None if request is None else _read(request)
    found = explain(session.load(), model, row=row, request=body, version=version)
    session.tell(found.as_dict(), lambda: print_explained(found, top))


def _read(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == _OUT else Path(path).read_bytes()
    except OSError as error:
        found = f"{Path(path).name}, which cannot be read ({error.strerror})"
        fault = Fault("HR-CLI-001", "--request", found, "a file with a JSON object", "name another file")
        raise HeadraceError(fault) from error


def print_explained(found: Explained, top: int | None) -> None:
    """Print what a score is made of: what moves it most first, the rest together, and the sum."""
    from headrace.cli.terminal import print_table, say

    made = found.contributions
    say(f"{found.model}, version {found.version}: {found.what}", "bold")
    for at, (name, base, total, score) in enumerate(found.sums()):
        rows, to = found.rows(at), found.places(at)
        shown = rows[:top]
        of_odds = f" (a probability; its log-odds are {total:+.4f})" if made.space == "log-odds" else ""
        say(f"\n{name} {score:.6g}{of_odds}")
        sampled = made.error is not None
        lines = [("base", "", f"{base:+.{to}f}", *([""] if sampled else []))]
        for feature, value, moved, error in shown:
            lines.append(
                (feature, _value(value), f"{moved:+.{to}f}", *([f"{error:.{to}f}"] if error is not None else []))
            )
        if len(shown) < len(rows):
            rest = sum(one[2] for one in rows[len(shown) :])
            lines.append((f"{len(rows) - len(shown)} more", "", f"{rest:+.{to}f}", *([""] if sampled else [])))
        lines.append(("sum", "", f"{total:+.{to}f}", *([""] if sampled else [])))
        columns = ("feature", "value", "moves it by", *(["± error"] if sampled else []))
        print_table("", columns, lines, right=columns[1:])
    say(f"In {made.means}.", "dim")
    say(f"By {made.how}." + (f" Not exact: {made.note}." if made.note else ""), "dim")


def _value(value: object) -> str:
    return "null" if value is None else f"{value:,.6g}" if isinstance(value, float) else str(value)
