"""SQL over tables of the lake: their Parquet files, read where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headrace.lake.evolve import may_lack
from headrace.lake.strangers import alike
from headrace.sql import connected, lock, quoted, readable, reading, tables, told

if TYPE_CHECKING:
    import duckdb
    import pyarrow.dataset as ds


Source = tuple["list[str] | ds.Dataset", pa.Schema]
"""Of a table: its Parquet files, or where DuckDB cannot reach these a dataset of them; and its columns."""


def run(query: str, sources: Mapping[str, Source], known: bool = False) -> pa.Table:
    """Return a query's result over tables, each given by its Parquet files and schema.

    Args:
        query: one SELECT.
        sources: by name.
        known: whether it reads these and nothing else, as a query of our own does.
    """
    with connected() as connection:
        for name, (files, schema) in sources.items():
            view(connection, name, files, schema)
        lock(connection, _files(sources) if known else _open(query, sources))
        with told({name: schema.names for name, (_, schema) in sources.items()}):
            relation = connection.sql(readable(query))
        with reading(query):
            result: pa.Table = relation.to_arrow_table()
            return result


@dataclass(frozen=True)
class Answer:
    """The result of a query, whose rows come while they are asked for; nothing holds all of them.

    Args:
        schema: of the rows.
        batches: the rows in order; can be gone through once.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


@contextmanager
def answered(query: str, sources: Mapping[str, Source]) -> Iterator[Answer]:
    """Give a query's result within a ``with`` block, in memory bounded by what the query itself needs."""
    with connected() as connection:
        for name, (files, schema) in sources.items():
            view(connection, name, files, schema)
        lock(connection, _open(query, sources))
        with streamed(connection, query, {name: schema.names for name, (_, schema) in sources.items()}) as answer:
            yield answer


@contextmanager
def streamed(
    connection: duckdb.DuckDBPyConnection, query: str, known: Mapping[str, list[str]] | None = None
) -> Iterator[Answer]:
    """Give the result of a query over what a connection has, batch by batch, within a ``with`` block.

    Args:
        connection: that nobody else uses meanwhile.
        query: one SELECT.
        known: tables with their columns, which a fault names when the query asks for another.
    """
    with ThreadPoolExecutor(1) as worker:
        with told(known):
            relation = connection.sql(readable(query))

        def ask(work: Callable[[], Any]) -> Any:
            """Work beside, since a thread that waits for Arrow hears no Ctrl-C."""
            coming = worker.submit(work)
            try:
                with reading(query):
                    return coming.result()
            except BaseException:
                connection.interrupt()
                raise

        reader = ask(lambda: pa.RecordBatchReader.from_stream(relation))
        try:
            yield Answer(reader.schema, iter(lambda: ask(lambda: next(reader, None)), None))
        finally:
            reader.close()


def _open(query: str, sources: Mapping[str, Source]) -> list[str]:
    """Return the files that a query may read: none where it names no table, and sees all of them by name alone."""
    return _files(sources) if tables(query) else []


def _files(sources: Mapping[str, Source]) -> list[str]:
    return [path for files, _ in sources.values() if isinstance(files, list) for path in files]


def view(connection: duckdb.DuckDBPyConnection, name: str, files: list[str] | ds.Dataset, schema: pa.Schema) -> None:
    """Make a view over Parquet files; where there are none, one without rows."""
    connection.execute(f'create view "{name}" as {over(connection, files, schema)}')


def over(connection: duckdb.DuckDBPyConnection, files: list[str] | ds.Dataset, schema: pa.Schema) -> str:
    """Return a query for all rows of Parquet files; where there are none, for none in the columns of a schema."""
    if not isinstance(files, list):
        name = f"headrace_files_{id(files)}"
        connection.register(name, files)
        return f"select * from {name}"
    lacking = may_lack(schema)
    parts = [_none(connection, schema)] if lacking or not files else []
    parts += [_rows(some, naive, lacking) for naive, some in alike(files, schema)]
    return " union all by name ".join(parts)


def _none(connection: duckdb.DuckDBPyConnection, schema: pa.Schema) -> str:
    """No rows, with all columns: also those that no file has yet."""
    empty = connection.from_arrow(schema.empty_table())
    columns = (f'null::{kind} as "{one}"' for one, kind in zip(empty.columns, empty.types, strict=True))
    return f"select {', '.join(columns)} where false"


def _rows(files: Sequence[str], naive: Sequence[str], lacking: bool) -> str:
    times = ", ".join(f'"{one}" at time zone \'UTC\' as "{one}"' for one in naive)
    chosen = f"* replace ({times})" if naive else "*"
    listed = ", ".join(quoted(path) for path in files)
    return f"select {chosen} from read_parquet([{listed}]{', union_by_name = true' if lacking else ''})"
