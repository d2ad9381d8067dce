"""``headrace lake``: the tables and their versions, and what keeps them in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from headrace.cli.options import Session, moment_of, session_options
from headrace.errors import Fault

_EXAMPLE = "\b\nExample:  headrace lake list"


@click.group("lake", epilog=_EXAMPLE)
def command() -> None:
    """Tables of the lake, their versions, and what keeps them in order; each subcommand takes --json."""


@command.command("list", epilog=_EXAMPLE)
@session_options
def list_tables(session: Session) -> None:
    """List all tables: rows, version, files, bytes, last commit."""
    from headrace import clock

    lake, left_out = session.load().lake(), list[Fault]()
    rows = [
        {"table": name, **asdict(lake.extent(name)), "at": clock.from_us(lake.history(name)[0]["at"]).isoformat()}
        for name in lake.readable(left_out.append)
    ]
    _tell(session, left_out, {"tables": rows}, lambda: _print("", rows, ("rows", "version", "files", "bytes")))


@command.command("history", epilog="\b\nExample:  headrace lake history payments")
@click.argument("table")
@click.option("--last", type=click.IntRange(min=1), default=20, show_default=True, help="Commits to show.")
@session_options
def history(session: Session, table: str, last: int) -> None:
    """Show the last commits of TABLE, newest first, and which versions can still be read."""
    from headrace import clock

    lake = session.load().lake()
    commits = lake.history(table)[:last]
    lost = lake.unreadable(table)
    told = [
        {
            "version": one["version"],
            "at": clock.from_us(one["at"]).isoformat(),
            "operation": one["operation"],
            "rows": one["rows"],
            "readable": one["version"] not in lost,
            "message": one["message"],
        }
        for one in commits
    ]
    session.tell({"ok": True, "table": table, "versions": told}, lambda: _print(table, told, ("version", "rows")))


@command.command("compact", epilog="\b\nExample:  headrace lake compact payments")
@click.argument("table", required=False)
@session_options
def compact(session: Session, table: str | None) -> None:
    """Write the small files of TABLE (all by default) as few large ones, with the same rows in the same order.

    Nothing is made again for it, and older versions stay: 'headrace lake vacuum' removes what is no longer needed.
    """
    from headrace.cli.progress import Bars
    from headrace.run import compact as compact_tables

    left_out: list[Fault] = []
    with Bars() as bars:
        found = compact_tables(session.load(), table, bars, left_out=left_out)
    rows = [{"table": name, **asdict(one)} for name, one in found.items()]
    numbers = ("files_before", "files_after", "rows")
    _tell(session, left_out, {"tables": rows}, lambda: _print("", rows, numbers))


@command.command("vacuum", epilog="\b\nExample:  headrace lake vacuum --keep 30d --dry-run")
@click.option("--keep", default="30d", show_default=True, help="How long a version stays after another; 1h or more.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@session_options
def vacuum(session: Session, keep: str, dry_run: bool) -> None:
    """Remove files of old versions that nothing on record names, in all tables.

    Versions that a training set, a registered model or a decision names stay readable, however old they are.
    """
    from headrace.cli.progress import Bars
    from headrace.run import vacuum as vacuum_tables

    keep_us = _duration(keep)
    left_out: list[Fault] = []
    with Bars() as bars:
        found = vacuum_tables(session.load(), keep_us, bars, dry_run=dry_run, left_out=left_out)
    rows = [{"table": name, **asdict(one)} for name, one in found.items()]
    what = "would be removed" if dry_run else "removed"

    def human() -> None:
        shown = [{"table": name, "files": one.files, "bytes": one.bytes} for name, one in found.items() if one.files]
        if shown:
            _print(what, shown, ("files", "bytes"))
        else:
            click.echo(f"Nothing {what}.")

    _tell(session, left_out, {"dry_run": dry_run, "tables": rows}, human)


def _duration(text: str) -> int:
    from headrace.run.upkeep import LEAST_US
    from headrace.types import duration_us

    try:
        length = duration_us(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--keep") from None
    if length < LEAST_US:
        raise click.BadParameter(f"{text} is less than 1h: others may be reading", param_hint="--keep")
    return length


@command.command("restore", epilog="\b\nExample:  headrace lake restore payments --version 3")
@click.argument("table")
@click.option("--version", type=click.IntRange(min=0), help="Version whose rows are wanted, as history names it.")
@click.option("--at", help="Or the moment as of which, such as 2026-03-01T12:00; UTC unless it says otherwise.")
@click.option("--reload", is_flag=True, help="Let the next run load the files again whose rows are out.")
@session_options
def restore(session: Session, table: str, version: int | None, at: str | None, reload: bool) -> None:
    """Give a stream or TABLE the rows of an older version, as a new version: nothing is lost.

    Quarantine and the ledger of loads go back with it. Files whose rows are out stay out, unless --reload is given;
    'headrace run' then makes anew what follows from the table.
    """
    from headrace.cli.terminal import say
    from headrace.run import restore as restore_table

    if (version is None) == (at is None):
        raise click.UsageError("say which: --version N, or --at TIME")
    moment = None if at is None else moment_of(at, "--at")
    found = restore_table(session.load(), table, version=version, at=moment, reload=reload)

    def human() -> None:
        say(f"{table}: {found.rows:,} rows of version {found.restored}, before {found.rows_before:,}", "bold")
        for what, names in (
            ("stays out", found.removed),
            ("is back", found.returned),
            ("is loaded by the next run", found.reload),
        ):
            for name in names:
                say(f"  {name} {what}")

    session.tell({"ok": True, **asdict(found)}, human)


@command.command("drop", epilog="\b\nExample:  headrace lake drop old_prices")
@click.argument("table")
@click.option("--yes", is_flag=True, help="Do it without being asked.")
@session_options
def drop(session: Session, table: str, yes: bool) -> None:
    """Remove a TABLE that the project does not declare any more, with its quarantine, ledger and quality.

    It is gone for good, with all its versions. What a training set, a model or a decision names stays.
    """
    from headrace.cli.terminal import say
    from headrace.run import drop as drop_table

    loaded = session.load()
    if not yes:
        session.ask(f"Remove {table} with all its versions?", "say --yes")
    gone = drop_table(loaded, table)
    session.tell({"ok": True, "dropped": gone}, lambda: say(f"Gone: {', '.join(gone)}"))


def _tell(session: Session, left_out: list[Fault], told: dict[str, Any], human: Callable[[], None]) -> None:
    """Give the result, and warnings of tables that other programs made and that are not among it."""
    from headrace.cli.terminal import print_faults

    session.tell({"ok": True, **told, "faults": [one.as_dict() for one in left_out]}, human)
    if not session.as_json:
        print_faults(left_out)


def _print(title: str, rows: list[dict[str, object]], right: tuple[str, ...]) -> None:
    import json

    from headrace.cli.terminal import print_table, say

    if not rows:
        say("no tables yet: 'headrace run' makes them")
        return
    shown = [[json.dumps(one) if isinstance(one, dict) else one for one in row.values()] for row in rows]
    print_table(title, list(rows[0]), shown, right=right)
