"""``headrace status``: what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

import click

from headrace.audit.page import ago
from headrace.cli.options import Session, session_options

if TYPE_CHECKING:
    from headrace.run.status import Status, TableStatus


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
    from headrace.cli.terminal import print_table, say

    counts = ("received", "accepted", "quarantined")
    numbers = (*counts, "rows")
    first, last = ("name", "kind", *numbers), ("version", "last_event", "owner")
    tables = [(*attrgetter(*first)(one), _files(one), *attrgetter(*last)(one)) for one in found.tables]
    heads = (*first, "files", "version", "last event", "owner")
    print_table(f"Project {found.project}", heads, tables, right=(*numbers, "files", "version"))
    loaded = [one for one in found.tables if one.received is not None]
    received, accepted, aside = (sum(getattr(one, name) or 0 for one in loaded) for name in counts)
    say(f"In all {received:,} received = {accepted:,} accepted + {aside:,} quarantined\n", "dim")
    if any(one.changed for one in found.tables):
        print_table("Tables lately", ("name", *_LATELY), [_lately(one) for one in found.tables if one.changed])
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
    if found.scheduler is not None:
        beat = found.scheduler.as_dict()
        say(f"Next run {beat['next']}: {beat['schedule']}, process {beat['pid']}", "bold")


_LATELY = ("newest row", "last change", "accepted of the last loads", "rules broken by the last one")
_BARS = "▁▂▃▄▅▆▇█"


def _lately(table: TableStatus) -> tuple[str | None, ...]:
    age = "" if table.age_s is None else f"{ago(table.age_s)} ago"
    shares = table.quality
    drawn = f"{bars(shares)} {shares[-1]:.1%}" if shares else ""
    return table.name, age, table.changed, drawn, ", ".join(table.broken)


def bars(shares: Sequence[float]) -> str:
    """Return shares as a row of bars: full for all, lowest for none; below full wherever anything is missing.

    Example:
        >>> bars([1.0, 0.999, 0.5, 0.0])
        '█▇▄▁'
    """
    return "".join(_BARS[7] if share >= 1 else _BARS[max(0, min(6, int(share * 7)))] for share in shares)


def _files(table: TableStatus) -> str:
    others = {"cut off": table.unfinished, "refused": table.refused}
    return " + ".join([f"{table.files:,}", *(f"{count:,} {word}" for word, count in others.items() if count)])


def _told(figures: Mapping[str, float]) -> str:
    from headrace.cli.terminal import shown

    return ", ".join(f"{name} {shown(value)}" for name, value in figures.items())
