"""``headrace query``: read-only SQL over the tables of the lake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from headrace.cli.document import document, plain
from headrace.cli.options import Session, session_options
from headrace.cli.output import whole

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.lake.query import Answer

_AT_ONCE = 10_000
_INTERRUPTED = 130
_OWN = Path("-")
"""``--attach`` without a file."""
_EXAMPLE = """\b\nExample:  headrace query "select customer_id, count(*) from payments group by all" --limit 5"""


@click.command("query", epilog=_EXAMPLE)
@click.argument("sql", required=False)
@click.option("--limit", type=click.IntRange(min=1), help="Rows at most; 50 for a table on screen, else all.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json", "parquet"]), help="Default: table.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; its ending says how.")
@click.option(
    "--attach",
    is_flag=False,
    flag_value=_OWN,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Instead: write a DuckDB file with a view of each table; by default lake.duckdb in the project's state.",
)
@session_options
def command(
    session: Session, sql: str | None, limit: int | None, form: str | None, output: Path | None, attach: Path | None
) -> None:
    """Run one SELECT (DuckDB's SQL, times in UTC) over streams and tables; it reads the lake and nothing else."""
    if (sql is None) == (attach is None):
        raise click.UsageError("give one SELECT, or --attach [FILE]" if sql is None else "--attach takes no SELECT")
    if sql is None:
        _attach(session, attach)
        return
    form = form or ("json" if session.as_json else _form_of(output))
    if form == "parquet" and output is None:
        raise click.UsageError("parquet is written to a file: add --output FILE")
    if session.as_json and form != "json" and output is None:
        raise click.UsageError(f"--json and --format {form} exclude one another")
    try:
        with session.load().lake().answered(sql) as answer:
            answer = _named_apart(answer)
            _tell(session, answer if limit is None or form == "table" else _first(answer, limit), form, limit, output)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(_INTERRUPTED) from None


def _attach(session: Session, file: Path | None) -> None:
    from headrace.run import attach

    path, count, left_out = attach(session.load(), None if file == _OWN else file)
    told = {"ok": True, "file": str(path), "tables": count, "faults": [fault.as_dict() for fault in left_out]}

    def human() -> None:
        from headrace.cli.terminal import print_faults

        print_faults(left_out)
        click.echo(f"{count} views in {path}")

    session.tell(told, human)


def _tell(session: Session, answer: Answer, form: str, limit: int | None, output: Path | None) -> None:
    if output is not None:
        rows = _write(answer, output, form)
        told = {"ok": True, "rows": rows, "output": output.name}
        session.tell(told, lambda: click.echo(f"{rows:,} rows written to {output}"))
    elif form in _WRITERS:
        _WRITERS[form](answer, session.out)
    else:
        session.tell({}, lambda: _print(answer, limit or 50))


def _named_apart(answer: Answer) -> Answer:
    """Call columns of one name ``a``, ``a_1``, as DuckDB does in a query within another, so that no value is lost."""
    given, names = answer.schema.names, list[str]()
    for name in given:
        taken = {one.lower() for one in names}
        free = (other for n in count(1) if (other := f"{name}_{n}").lower() not in taken | {*map(str.lower, given)})
        names.append(name if name.lower() not in taken else next(free))
    if names == given:
        return answer
    schema = answer.schema.empty_table().rename_columns(names).schema
    return replace(answer, schema=schema, batches=(one.rename_columns(names) for one in answer.batches))


def _first(answer: Answer, limit: int) -> Answer:
    def batches() -> Iterator[pa.RecordBatch]:
        left = limit
        for batch in answer.batches:
            yield batch.slice(0, left)
            left -= batch.num_rows
            if left <= 0:
                return

    return replace(answer, batches=batches())


def _form_of(output: Path | None) -> str:
    ending = "" if output is None else output.suffix.lower().lstrip(".")
    if output is not None and ending not in ("csv", "json", "parquet"):
        raise click.UsageError(f"{output.name}: say how with --format csv, json or parquet")
    return ending or "table"


def _write(answer: Answer, output: Path, form: str) -> int:
    with whole(output) as half:
        return _parquet(answer, half) if form == "parquet" else _text(answer, half, form)


def _text(answer: Answer, path: Path, form: str) -> int:
    with path.open("w", encoding="utf-8", newline="") as out:
        return _WRITERS[form](answer, out)


def _parquet(answer: Answer, path: Path) -> int:
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(path, answer.schema) as out:
        for batch in answer.batches:
            out.write_batch(batch)
            rows += batch.num_rows
    return rows


def _print(answer: Answer, limit: int) -> None:
    import pyarrow.types as kinds

    from headrace.cli.terminal import print_table, say
    from headrace.lake import values

    numbers = [one.name for one in answer.schema if kinds.is_integer(one.type) or kinds.is_floating(one.type)]
    shown: list[list[object]] = []
    rows = 0
    for batch in answer.batches:
        first = values.rows(batch.slice(0, max(0, limit - rows)))
        shown += [[_cell(value) for value in row.values()] for row in first]
        rows += batch.num_rows
    print_table("", answer.schema.names, shown, right=numbers)
    more = f"; the first {limit} are shown (--limit N, or --output FILE)" if rows > limit else ""
    say(f"{rows:,} row{'' if rows == 1 else 's'}{more}", "dim")


def _cell(value: Any) -> object:
    """Data is shown as it is: an identifier has no thousands."""
    if value is None or isinstance(value, float | bool):
        return "null" if value is None else value
    return _text_of(value)


def _rows(answer: Answer) -> Iterator[dict[str, Any]]:
    """Return rows as Python values, some thousands at a time: as such they are many times as large."""
    from headrace.lake import values

    for batch in answer.batches:
        for begin in range(0, batch.num_rows, _AT_ONCE):
            yield from values.rows(batch.slice(begin, _AT_ONCE))


def _json(answer: Answer, out: TextIO) -> int:
    """Write what ``document(rows)`` would, row by row."""
    rows = 0
    for row in _rows(answer):
        text = document(row, plain).replace("\n", "\n  ")
        out.write(f"{',' if rows else '['}\n  {text}")
        rows += 1
    out.write("\n]\n" if rows else "[]\n")
    return rows


def _csv(answer: Answer, out: TextIO) -> int:
    import csv

    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(answer.schema.names)
    rows = 0
    for row in _rows(answer):
        writer.writerow(["" if value is None else _text_of(value) for value in row.values()])
        rows += 1
    return rows


def _text_of(value: Any) -> str:
    """Return a value as a source of CSV may have it: what is nested, and what is true, as JSON writes it."""
    return document(value, plain, None) if isinstance(value, list | dict | tuple | bool) else str(plain(value))


_WRITERS: dict[str, Callable[[Answer, TextIO], int]] = {"json": _json, "csv": _csv}
"""Forms of text, each by what writes an answer in it and returns the number of rows."""
