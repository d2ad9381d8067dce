"""``headrace quarantine``: rows that were refused: listed, shown, repaired, and replayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.options import Session, session_options
from headrace.errors import Fault, HeadraceError

if TYPE_CHECKING:
    from headrace.connect.repair.received import Received
    from headrace.run import LoadedProject
    from headrace.run.quarantine import Refused, Repair


@click.group("quarantine", epilog="\b\nExample:  headrace quarantine list")
def command() -> None:
    """Rows that were refused, with all reasons: repaired, replayed, none lost; each subcommand takes --json."""


def _chosen(function: Callable[..., None]) -> Callable[..., None]:
    """Add TABLE, --where and --reason."""
    function = click.option("--reason", help="Only rows with this code, or this text in a reason.")(function)
    function = click.option("--where", help="Only rows for which this SQL holds, over their values as texts.")(function)
    return click.argument("table")(function)


def _carried_out(function: Callable[..., None]) -> Callable[..., None]:
    """Add --yes and --dry-run."""
    function = click.option("--dry-run", is_flag=True, help="Only say what would be done.")(function)
    return click.option("--yes", is_flag=True, help="Do it without asking.")(function)


@command.command("list", epilog="\b\nExample:  headrace quarantine list")
@session_options
def list_rules(session: Session) -> None:
    """List how many rows are in quarantine, table by table and rule by rule."""
    from headrace.run.quarantine import refused

    found = refused(session.load())
    session.tell({"ok": True, "refused": [asdict(one) for one in found]}, lambda: print_refused(found))


def print_refused(found: Sequence[Refused]) -> None:
    """Print how many rows break which rule."""
    from headrace.cli.terminal import print_table

    if not found:
        click.echo("Nothing is in quarantine.")
        return
    rows = [(one.table, one.rule, one.rows, one.first, one.owner) for one in found]
    print_table("", ("table", "breaks", "rows", "first", "owner"), rows, ("rows",))
    click.echo(f"See them:  headrace quarantine show {found[0].table}")


@command.command("show", epilog="\b\nExample:  headrace quarantine show payments --reason amount --out bad.csv")
@_chosen
@click.option("--last", type=click.IntRange(min=1), default=20, show_default=True, help="Rows to print.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write all of them to this .csv or .jsonl."
)
@session_options
def show(session: Session, table: str, where: str | None, reason: str | None, last: int, out: Path | None) -> None:
    """Show rows of TABLE in quarantine with all their reasons.

    A file that --out wrote can be edited and given to 'fix': its column _id says which row is meant.
    """
    from headrace.cli.terminal import print_table
    from headrace.run.quarantine import rows_of

    if out is not None and out.exists():  # it may have been edited
        raise click.BadParameter(f"{out} is there already; take another name, or remove it", param_hint="--out")
    rows = rows_of(session.load(), table, where, reason)
    documents = [
        {"_id": row.id, "_source": row.source, "_row": row.row, "reasons": list(row.reasons), **row.texts()}
        for row in rows
    ]
    if out is not None:
        _write(out, documents)

    def human() -> None:
        if out is not None:
            click.echo(f"{len(rows):,} rows in {out}; edit them, then: headrace quarantine fix {table} --file {out}")
            return
        for row in rows[-last:]:
            where_it_is = f"{row.source}:{row.row}"
            print_table(where_it_is, ("field", "value"), list(row.texts().items()))
            click.echo("".join(f"  {one}\n" for one in row.reasons))
        more = f", the last {last:,} shown" if len(rows) > last else ""
        click.echo(f"{len(rows):,} rows of {table} in quarantine{more}.")

    session.tell({"ok": True, "table": table, "rows": len(rows), "shown": documents[-last:]}, human)


@command.command(
    "fix", epilog="\b\nExample:  headrace quarantine fix payments --set \"amount = replace(amount, ',', '')\""
)
@_chosen
@click.option("--set", "sets", multiple=True, metavar="FIELD = SQL", help="New value of a field; values are texts.")
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Edited rows, by their _id.")
@_carried_out
@session_options
def fix(
    session: Session,
    table: str,
    where: str | None,
    reason: str | None,
    sets: tuple[str, ...],
    file: Path | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Repair rows of TABLE, by expressions or by an edited file, and replay those that keep the contract then.

    What would become of them is shown first. Rows that still break a rule stay in quarantine as they were.
    """
    from headrace.run.quarantine import repaired, rows_of

    if bool(sets) == (file is not None):
        raise click.UsageError("give --set FIELD = SQL, or --file FILE")
    loaded = session.load()
    rows = rows_of(loaded, table, where, reason)
    given = dict(map(_assignment, sets)) if file is None else _read(file, rows)
    _carry_out(session, loaded, table, repaired(loaded, table, rows, given), yes=yes, dry_run=dry_run)


@command.command("replay", epilog="\b\nExample:  headrace quarantine replay payments --reason HR-DATA-004")
@_chosen
@_carried_out
@session_options
def replay(session: Session, table: str, where: str | None, reason: str | None, yes: bool, dry_run: bool) -> None:
    """Replay rows of TABLE as they are, such as after its contract was mended."""
    from headrace.run.quarantine import rows_of

    loaded = session.load()
    _carry_out(session, loaded, table, rows_of(loaded, table, where, reason), yes=yes, dry_run=dry_run)


def _carry_out(
    session: Session, loaded: LoadedProject, table: str, rows: Sequence[Received], *, yes: bool, dry_run: bool
) -> None:
    import sys

    from headrace.run.quarantine import replayed, tried

    found = tried(loaded, table, rows)
    asked = not yes and not dry_run and found.accepted > 0
    if asked and (session.as_json or not sys.stdin.isatty()):
        print_repair(found)
        cure = "add --yes to do it, or --dry-run to leave it"
        raise HeadraceError(Fault("HR-QUARANTINE-005", "", "nobody to ask", "a decision", cure))
    if asked:
        print_repair(found)
        yes = click.confirm("Do it?", err=True)
    if yes and found.accepted:
        found = replayed(loaded, table, rows)
    session.tell({"ok": True, **found.as_dict()}, lambda: print_repair(found))


def print_repair(found: Repair) -> None:
    """Print what becomes of rows."""
    verb = "accepted" if found.done else "would be accepted"
    when = f", of {found.first} to {found.last}" if found.first else ""
    click.echo(f"{found.table}: {found.accepted:,} of {found.rows:,} rows {verb}{when}.")
    for reason, rows in found.staying.items():
        click.echo(f"  {rows:,} stay: {reason}")
    if found.accepted and found.downstream:
        click.echo(f"The next run makes again what is made from them: {', '.join(found.downstream)}")


def _assignment(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise click.BadParameter(f"{text!r} is no FIELD = SQL", param_hint="--set")
    return name.strip(), value.strip()


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import csv
    import json

    from headrace.cli.output import whole

    names = list(dict.fromkeys(name for row in rows for name in row))
    with whole(path) as half, half.open("w", encoding="utf-8", newline="") as sink:
        if _is_lines(path):
            sink.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
        else:
            table = csv.DictWriter(sink, names)
            table.writeheader()
            table.writerows({**row, "reasons": "; ".join(row["reasons"])} for row in rows)


def _read(path: Path, held: Sequence[Received]) -> list[dict[str, str | None]]:
    import csv

    was = {row.id: row.texts() for row in held}
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            if _is_lines(path):
                rows = [_of_line(line) for line in source if line.strip()]
            else:
                rows = [_of_cells(row, was.get(row.get("_id") or "", {})) for row in csv.DictReader(source)]
    except (ValueError, csv.Error) as error:
        found, cure = f"{path.name}, which cannot be read", "write it as 'headrace quarantine show --out' does"
        raise HeadraceError(Fault("HR-QUARANTINE-006", path.name, found, "a .csv or .jsonl with _id", cure)) from error
    return [
        {str(name): value for name, value in row.items() if name not in ("reasons", "_source", "_row")} for row in rows
    ]


def _of_line(line: str) -> dict[str, str | None]:
    """Return the values of a row of JSON as texts, numbers with the digits that they have.

    Example:
        >>> _of_line('{"amount": 1.50, "lines": [], "ok": true, "note": null}')
        {'amount': '1.50', 'lines': '[]', 'ok': 'true', 'note': None}
    """
    from headrace.connect.repair.received import as_texts
    from headrace.contracts.written import as_written

    given = as_written(line)
    if not isinstance(given, dict):
        raise ValueError("a line that is no row")
    return as_texts(given)


def _of_cells(cells: Mapping[str, str | None], was: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the values of a row of CSV, where null and an empty text are one: what was an empty text stays one."""
    return {name: text or ("" if was.get(name) == "" else None) for name, text in cells.items()}


def _is_lines(path: Path) -> bool:
    if path.suffix not in (".csv", ".jsonl"):
        raise click.BadParameter(f"{path.name} is neither .csv nor .jsonl", param_hint="--out or --file")
    return path.suffix == ".jsonl"
