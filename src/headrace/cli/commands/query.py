"""``headrace query``: read-only SQL over the tables of the lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.options import Session, session_options
from headrace.errors import Fault, HeadraceError

if TYPE_CHECKING:
    import pyarrow as pa

_EXAMPLE = """\b\nExample:  headrace query "select customer_id, count(*) from payments group by all" --limit 5"""


@click.command("query", epilog=_EXAMPLE)
@click.argument("sql")
@click.option("--limit", type=click.IntRange(min=1), help="Rows at most; 50 for a table on screen, else all.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json", "parquet"]), help="Default: table.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; its ending says how.")
@session_options
def command(session: Session, sql: str, limit: int | None, form: str | None, output: Path | None) -> None:
    """Run one SELECT (DuckDB's SQL, times in UTC) over streams and tables; it reads the lake and nothing else."""
    form = form or ("json" if session.as_json else _form_of(output))
    if form == "parquet" and output is None:
        raise click.UsageError("parquet is written to a file: add --output FILE")
    if session.as_json and form != "json" and output is None:
        raise click.UsageError(f"--json and --format {form} exclude one another")
    table = session.load().lake().sql(sql)
    shown = table if limit is None else table.slice(0, limit)
    if output is not None:
        _write(shown, output, form)
        told = {"ok": True, "rows": shown.num_rows, "output": output.name}
        session.tell(told, lambda: click.echo(f"{shown.num_rows:,} rows written to {output}"))
    elif form == "json":
        session.out.write(_json(shown))
    elif form == "csv":
        session.out.write(_csv(shown))
    else:
        session.tell({}, lambda: _print(table, limit or 50))


def _form_of(output: Path | None) -> str:
    ending = "" if output is None else output.suffix.lower().lstrip(".")
    if output is not None and ending not in ("csv", "json", "parquet"):
        raise click.UsageError(f"{output.name}: say how with --format csv, json or parquet")
    return ending or "table"


def _write(table: pa.Table, output: Path, form: str) -> None:
    import pyarrow.parquet as pq

    try:
        if form == "parquet":
            pq.write_table(table, output)
        else:
            output.write_text(_json(table) if form == "json" else _csv(table), encoding="utf-8")
    except OSError as error:
        found = f"{output.name} could not be written: {error.strerror or error}"
        raise HeadraceError(Fault("HR-CLI-002", "", found, "a file that can be written")) from error


def _print(table: pa.Table, limit: int) -> None:
    import pyarrow.types as kinds

    from headrace.cli.terminal import print_table, say

    numbers = [one.name for one in table.schema if kinds.is_integer(one.type) or kinds.is_floating(one.type)]
    rows = table.slice(0, limit).to_pylist()
    names = table.column_names
    print_table("", names, [[_cell(row[name]) for name in names] for row in rows], right=numbers)
    more = f"; the first {limit} are shown (--limit N, or --output FILE)" if table.num_rows > limit else ""
    say(f"{table.num_rows:,} row{'' if table.num_rows == 1 else 's'}{more}", "dim")


def _cell(value: Any) -> object:
    """Data is shown as it is: an identifier has no thousands."""
    if value is None or isinstance(value, float | bool):
        return "null" if value is None else value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _json(table: pa.Table) -> str:
    import json

    def plain(value: Any) -> Any:
        return value.isoformat() if hasattr(value, "isoformat") else str(value)

    return json.dumps(table.to_pylist(), indent=2, default=plain) + "\n"


def _csv(table: pa.Table) -> str:
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.column_names)
    for batch in table.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            writer.writerow(["" if value is None else _plain(value) for value in row.values()])
    return out.getvalue()


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
