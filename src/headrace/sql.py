"""SQL as Headrace takes it: DuckDB that reads the tables it is given, and nothing else."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from headrace.errors import Fault, HeadraceError, closest, nearest
from headrace.types import LogicalType

if TYPE_CHECKING:
    import duckdb

_TABLE = re.compile(r'Table with name "?([^"]+?)"? does not exist')
_COLUMN = re.compile(r'(?:Referenced column|does not have a column named) "([^"]+)"')
_TYPES = {
    "int": "bigint",
    "float": "double",
    "bool": "boolean",
    "str": "varchar",
    "timestamp": "timestamp with time zone",
    "date": "date",
}
_ONLY = "ask with one SELECT over tables of the lake, which 'show tables' names; files are read by a declared source"


@functools.lru_cache(256)
def tables(query: str) -> tuple[str, ...]:
    """Return the names of the tables that a query reads, in lower case, as DuckDB's own parser sees them.

    Raises:
        HeadraceError: HR-LAKE-005 unless it is one statement that only reads; HR-LAKE-006 for what cannot be parsed.

    Example:
        >>> tables("with recent as (select * from payments) select count(*) from recent")
        ('payments',)
    """
    import duckdb

    with connected() as connection, told():
        lock(connection)
        query = readable(query)
        statements = connection.extract_statements(query)
        kinds = [statement.type for statement in statements]
        if kinds != [duckdb.StatementType.SELECT]:
            found = " and ".join(str(kind).rsplit(".", 1)[-1].lower() for kind in kinds) or "no statement"
            raise HeadraceError(Fault("HR-LAKE-005", "", found, "one SELECT: queries only read the lake", _ONLY))
        try:
            return tuple(sorted(name.strip('"').lower() for name in connection.get_table_names(query)))
        except duckdb.CatalogException:
            return ()  # ``show payments`` is bound at once


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


@contextmanager
def connected() -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection without tables, whose times are in UTC."""
    import duckdb

    connection = duckdb.connect(":memory:", config={"python_enable_replacements": False})
    # DuckDB lets every query read its folder for spilling, so that must be one that holds nothing else.
    with closing(connection), tempfile.TemporaryDirectory(prefix="headrace-") as spill:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set temp_directory = {quoted(spill)}")
        yield connection


def lock(connection: duckdb.DuckDBPyConnection, paths: Iterable[str] = ()) -> None:
    """Shut every door but the given files, then throw away the key: a query cannot set it otherwise."""
    connection.execute(f"set allowed_paths = [{', '.join(quoted(path) for path in paths)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


@contextmanager
def told(known: Mapping[str, Collection[str]] | None = None, where: str = "the lake") -> Iterator[None]:
    """Turn what DuckDB says into a fault.

    Args:
        known: tables by name with their columns: among these is the nearest name to one that is none.
        where: the tables are.
    """
    import duckdb

    known = known or {}
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
        missing = _TABLE.search(str(error))
        raise HeadraceError(unknown(missing[1], known, where) if missing else fault_of(error)) from error
    except duckdb.Error as error:
        raise HeadraceError(fault_of(error, (name for columns in known.values() for name in columns))) from error


def fault_of(error: Exception, columns: Iterable[str] = ()) -> Fault:
    """Return the fault of what DuckDB says; a column that it does not find is looked for among some."""
    text = str(error).strip()
    found = text.split("\n\n")[0].split("\n\tCandidate functions")[0].replace("\n", " ")
    missing = _COLUMN.search(text)
    close = closest(missing[1], columns) if missing else None
    cure = "mend it as DuckDB says; 'show tables' and 'describe TABLE' name what there is"
    return Fault("HR-LAKE-006", "", found, "SQL that DuckDB can run", f"did you mean '{close}'?" if close else cure)


def unknown(name: str, names: Iterable[str], where: str = "the lake") -> Fault:
    """Return the fault of a table that is not among those that there are."""
    cure = nearest(name, names) or "load one with 'headrace run'"
    return Fault("HR-LAKE-001", "", f"no table {name} in {where}", "the name of a table", cure)


def make_empty(connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, LogicalType]) -> None:
    """Make a table without rows, whose columns are what DuckDB reads from a table of the lake."""
    said = ", ".join(f"{_name(column)} {_type(kind)}" for column, kind in columns.items())
    connection.execute(f"create table {_name(name)} ({said})")


def described(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyRelation:
    """Return a relation without rows, of the columns that a query gives; the query itself is not run."""
    relation = connection.sql(readable(query))
    said = zip(relation.columns, relation.types, strict=True)
    return connection.sql(f"select {', '.join(f'null::{kind} as {_name(column)}' for column, kind in said)} limit 0")


def _type(kind: LogicalType) -> str:
    if kind.item is not None:
        return f"{_type(kind.item)}[]"
    return f"decimal({kind.precision}, {kind.scale})" if kind.name == "decimal" else _TYPES[kind.name]


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
