"""SQL over tables of the lake: DuckDB that can read the named tables' files, and nothing else."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headrace.errors import Fault, HeadraceError, nearest

if TYPE_CHECKING:
    import duckdb

_MISSING = re.compile(r'Table with name "?([^"]+?)"? does not exist')
_ONLY = "ask with one SELECT over tables of the lake, which 'show tables' names; files are read by a declared source"


def tables(query: str) -> list[str]:
    """Return the names of the tables that a query reads, as DuckDB's own parser sees them.

    Raises:
        HeadraceError: HR-LAKE-005 unless it is one statement that only reads; HR-LAKE-006 for what cannot be parsed.

    Example:
        >>> tables("with recent as (select * from payments) select count(*) from recent")
        ['payments']
    """
    import duckdb

    with _locked([]) as connection, _told():
        query = readable(query)
        statements = connection.extract_statements(query)
        kinds = [statement.type for statement in statements]
        if kinds != [duckdb.StatementType.SELECT]:
            found = " and ".join(str(kind).rsplit(".", 1)[-1].lower() for kind in kinds) or "no statement"
            raise HeadraceError(Fault("HR-LAKE-005", "", found, "one SELECT: queries only read the lake", _ONLY))
        try:
            return sorted(name.strip('"') for name in connection.get_table_names(query))
        except duckdb.CatalogException:
            return []  # ``show payments`` is bound at once


def run(query: str, sources: Mapping[str, tuple[list[str], pa.Schema]]) -> pa.Table:
    """Return a query's result over tables, each given by its Parquet files and schema."""
    paths = [path for files, _ in sources.values() for path in files]
    with _connected() as connection:
        for name, (files, schema) in sources.items():
            _view(connection, name, files, schema)
        with _locked(paths, connection), _told(sources):
            result: pa.Table = connection.sql(readable(query)).to_arrow_table()
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
def answered(query: str, sources: Mapping[str, tuple[list[str], pa.Schema]]) -> Iterator[Answer]:
    """Give a query's result within a ``with`` block, in memory bounded by what the query itself needs."""
    paths = [path for files, _ in sources.values() for path in files]
    with _connected() as connection, ThreadPoolExecutor(1) as worker:
        for name, (files, schema) in sources.items():
            _view(connection, name, files, schema)
        with _locked(paths, connection), _told(sources):
            relation = connection.sql(readable(query))

        def ask(work: Callable[[], Any]) -> Any:
            """Work beside, since a thread that waits for Arrow hears no Ctrl-C."""
            coming = worker.submit(work)
            try:
                with _told():
                    return coming.result()
            except OSError as error:
                raise HeadraceError(_said(error)) from error
            except BaseException:
                connection.interrupt()
                raise

        reader = ask(lambda: pa.RecordBatchReader.from_stream(relation))
        try:
            yield Answer(reader.schema, iter(lambda: ask(lambda: next(reader, None)), None))
        finally:
            reader.close()


def readable(query: str) -> str:
    """Return a query with bare columns called ``at`` quoted: DuckDB 2.0 reserves the word for ``from t at (…)``.

    Example:
        >>> print(readable("select max(at), now() at time zone 'UTC' from payments"))
        select max("at"), now() at time zone 'UTC' from payments
    """
    import sqlglot

    try:
        tokens = sqlglot.tokenize(query, read="duckdb")
    except sqlglot.errors.SqlglotError:
        return query
    following = [*(token.text.lower() for token in tokens[1:]), ""]
    for token, after in reversed(list(zip(tokens, following, strict=False))):
        if query[token.start : token.end + 1].lower() == "at" and after not in ("time", "("):
            query = f'{query[: token.start]}"{query[token.start : token.end + 1]}"{query[token.end + 1 :]}'
    return query


def _view(connection: duckdb.DuckDBPyConnection, name: str, files: list[str], schema: pa.Schema) -> None:
    if files:
        listed = ", ".join(_quoted(path) for path in files)
        connection.execute(f'create view "{name}" as select * from read_parquet([{listed}])')
    else:
        connection.register(name, schema.empty_table())


@contextmanager
def _connected() -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    connection = duckdb.connect(":memory:", config={"python_enable_replacements": False})
    # DuckDB lets every query read its folder for spilling, so that must be one that holds nothing else.
    with closing(connection), tempfile.TemporaryDirectory(prefix="headrace-") as spill:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set temp_directory = {_quoted(spill)}")
        yield connection


@contextmanager
def _locked(
    paths: list[str], connection: duckdb.DuckDBPyConnection | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Shut every door but the given files, then throw away the key: a query cannot set it otherwise."""
    if connection is None:
        with _connected() as fresh, _locked(paths, fresh) as locked:
            yield locked
        return
    connection.execute(f"set allowed_paths = [{', '.join(_quoted(path) for path in paths)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    yield connection


@contextmanager
def _told(names: Iterable[str] = ()) -> Iterator[None]:
    """Turn what DuckDB says into a fault; a table that it does not find is looked for among some names."""
    import duckdb

    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:
        if "interrupted" in str(error).lower():  # Ctrl-C reaches DuckDB first
            raise KeyboardInterrupt from error
        raise
    except duckdb.PermissionException as error:
        found = "a query that reaches outside the lake"
        raise HeadraceError(Fault("HR-LAKE-005", "", found, "tables of the lake only", _ONLY)) from error
    except duckdb.CatalogException as error:
        missing = _MISSING.search(str(error))
        raise HeadraceError(unknown(missing[1], names) if missing else _said(error)) from error
    except duckdb.Error as error:
        raise HeadraceError(_said(error)) from error


def _said(error: Exception) -> Fault:
    found = str(error).strip().split("\n\n")[0].replace("\n", " ")
    cure = "mend it as DuckDB says; 'show tables' and 'describe TABLE' name what there is"
    return Fault("HR-LAKE-006", "", found, "SQL that DuckDB can run", cure)


def unknown(name: str, names: Iterable[str]) -> Fault:
    """Return the fault of a table that is not among those of the lake."""
    cure = nearest(name, names) or "load one with 'headrace run'"
    return Fault("HR-LAKE-001", "", f"no table {name} in the lake", "the name of a table", cure)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
