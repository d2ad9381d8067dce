"""``headrace shadow``: what a second model would have decided, beside the one that answered."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from headrace.cli.commands.replay import begin_and_end, limit_of, print_replayed, too_many
from headrace.cli.options import Session, session_options

if TYPE_CHECKING:
    from headrace.serve.shadow import Shadowed


@click.command("shadow", epilog="\b\nExample:  headrace shadow fraud_desk --since 7d")
@click.argument("service", required=False)
@click.option("--since", default="7d", show_default=True, metavar="TIME", help="A time, or how long ago, such as 7d.")
@click.option("--until", metavar="TIME", help="A time, or how long ago; by default now.")
@click.option("--version", "number", type=click.IntRange(min=1), help="Of it; by default the last one in this time.")
@click.option("--fail-above", "most", metavar="SHARE", help="Exit code 1 where more decisions flip, such as 2%.")
@click.option("--follow", type=click.FloatRange(min=0), hidden=True, help="Score, as long as stdin is open.")
@session_options
def command(
    session: Session,
    service: str | None,
    since: str,
    until: str | None,
    number: int | None,
    most: str | None,
    follow: float | None,
) -> None:
    """Show what the shadow of SERVICE would have decided: how many decisions differ, where, and how good both were.

    A shadow is a second model that is scored after each answer: set by 'headrace models shadow', or declared by
    hr.Service(shadow=…). What it has not scored yet is scored first.
    """
    from headrace.cli.progress import Bars
    from headrace.serve.replay import service_named
    from headrace.serve.shadow import following, shadowed

    if follow is not None:
        following.give_way()
        following.follow(session.load(), sys.stdin, follow)
        return
    limit, (begin, end) = limit_of(most), begin_and_end(since, until)
    loaded = session.load()
    one = service_named(loaded, service)
    with Bars() as bars:
        bars.begins("shadow", ())
        found = shadowed(loaded, one, begin, end, number, bars.moves)
        bars.settle("")
    failed = limit is not None and found.seen.rate > limit
    session.tell({"ok": not failed, **found.as_dict()} | ({"exit_code": 1} if failed else {}), lambda: _print(found))
    if failed:
        too_many(session, "HR-SHADOW-004", found.seen, limit or 0.0)


def _print(found: Shadowed) -> None:
    from headrace.cli.terminal import say

    seen, now = found.seen, found.shadow
    print_replayed(seen, f"{seen.model} version {seen.version} in the shadow of {seen.service}")
    for one in found.others:
        told = f"{one['model']} version {one['version']} was the shadow of {one['records']:,} records in this time"
        say(f"{told}: --version {one['version']}", "dim")
    say("There is no shadow now." if now is None else f"Now it is {now['model']} version {now['version']}.", "dim")
    if found.failing:
        say(f"Records wait for it: {found.failing}", "bold red")
