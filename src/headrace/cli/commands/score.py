"""``headrace score``: a service over a whole table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli.options import Session, session_options

if TYPE_CHECKING:
    from headrace.serve.scoring import ScoredTable


@click.command(
    "score", epilog="\b\nExample:  headrace score payments --where \"at >= '2026-03-01'\" --to scores.parquet"
)
@click.argument("table")
@click.option("--service", default="", metavar="NAME", help="Which service decides; the only one by default.")
@click.option("--to", default="", metavar="NAME|FILE", help="A table, or a .parquet or .csv; default scores_<service>.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N rows.")
@click.option("--where", default="", metavar="SQL", help="Only rows of which this condition is true.")
@click.option("--explain", type=click.IntRange(min=0), default=0, metavar="N", help="N reasons for each row.")
@session_options
def command(session: Session, table: str, service: str, to: str, limit: int | None, where: str, explain: int) -> None:
    """Decide all rows of TABLE, a table of the lake or a file, as a service would have at the moment of each.

    Features, scores and decisions have the bits of single requests. Rows that break the contract go into quarantine
    beside the scores, with their reasons.
    """
    from headrace.cli.progress import Bars
    from headrace.serve.scoring import score_table

    loaded = session.load()
    with Bars() as bars:
        bars.begins(f"score {table}", ())
        scored = score_table(
            loaded, table, service, to=to, where=where, limit=limit, explain=explain, progress=bars.moves
        )
        bars.settle("")
    session.tell({"ok": True} | scored.as_dict(), lambda: print_scored(scored))


def print_scored(scored: ScoredTable) -> None:
    """Print how many rows got each decision, what was refused and why, how fast it was, and where it all is."""
    from headrace.cli.terminal import print_faults, print_table, say

    print_faults(scored.warnings)
    shares = [
        (name, count, f"{count / scored.rows:.2%}" if scored.rows else "") for name, count in scored.decisions.items()
    ]
    print_table(f"{scored.service}: {scored.source}", ("decision", "rows", "share"), shares, right=("rows", "share"))
    if scored.quarantined:
        say(f"{scored.quarantined:,} of {scored.received:,} rows in quarantine:", "yellow")
        for rule, count in scored.refused.items():
            say(f"  {count:,}  {rule}", "yellow")
    if scored.left_out:
        say(f"{scored.left_out:,} rows left out: where is not true", "dim")
    speeds = [f"{what} {scored.rows / taken:,.0f} rows/s" for what, taken in scored.seconds.items() if taken > 0]
    say(f"{scored.model} version {scored.version} ({scored.digest[:12]}…); {', '.join(speeds)}", "dim")
    say(f"{scored.rows:,} rows in {scored.to}", "bold")
