"""SQL as Headrace takes it: DuckDB that reads the tables it is given, and nothing else."""

from __future__ import annotations

import functools
import json
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from headrace import limits
from headrace.errors import Fault, HeadraceError, closest, nearest
from headrace.refusals import told_without_values
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
_LEARNED = {"_seq", "_known_at"}
"""Columns that loading adds: the order in which a row was learned, and when."""
_ONLY = "ask with one SELECT over tables of the lake, which 'show tables' names; files are read by a declared source"
_PIVOT = "write 'select * from (pivot … on … in (…) using …)', with the values that become columns after 'in'"


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
        kinds = [statement.type for statement in connection.extract_statements(query)]
        if kinds != [duckdb.StatementType.SELECT]:
            raise HeadraceError(_no_select([str(kind).rsplit(".", 1)[-1].lower() for kind in kinds]))
        bound = _bound(connection, query)
        try:
            return tuple(sorted({name.lower() for name in _named(connection, query)}))
        except RecursionError as error:
            if bound is None:
                raise duckdb.Error("Parser Error: expressions within expressions, too many to follow") from error
            return bound


def _bound(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[str, ...] | None:
    """Return the names as DuckDB gives them where the tables' columns do not matter; refuse what reaches outside."""
    import duckdb

    try:
        return tuple(sorted(name.strip('"').lower() for name in connection.get_table_names(query)))
    except duckdb.PermissionException:
        raise
    except duckdb.Error:
        return None


def _no_select(kinds: list[str]) -> Fault:
    found, cure = " and ".join(kinds) or "no statement", _ONLY
    if "multi" in kinds:  # DuckDB first asks the rows for the columns
        found, cure = "a pivot that does not name its columns", _PIVOT
    return Fault("HR-LAKE-005", "", found, "one SELECT: queries only read the lake", cure)


def _named(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[str]:
    """Yield the names of tables in the parsed tree of a SELECT, but for what the query or DuckDB itself defines."""
    waiting: list[tuple[Any, frozenset[str]]] = [(_tree(connection, query), frozenset())]
    while waiting:
        node, defined = waiting.pop()
        if isinstance(node, list):
            waiting += [(one, defined) for one in node]
        if not isinstance(node, dict):
            continue
        for one in node.get("cte_map", {}).get("map", ()):
            waiting.append((one["value"], defined))
            defined |= {one["key"].lower()}
        match node.get("type"):
            case "BASE_TABLE":
                own = node["schema_name"] in ("", "recurring") and node["table_name"].lower() in defined
                if not own and not _built_in(connection, node):
                    yield node["table_name"]
            case "SHOW_REF" if node["show_type"] == "SHOW":  # not SHOW TABLES; a described query is within
                yield node["table_name"]
            case "TABLE_FUNCTION":
                yield from _named_in_text(connection, node["function"])
            case "INSERT_QUERY_NODE" | "UPDATE_QUERY_NODE" | "DELETE_QUERY_NODE" | "MERGE_QUERY_NODE" as kind:
                raise HeadraceError(_no_select([kind.split("_")[0].lower()]))
        waiting += _parts(node, defined)


def _parts(node: Mapping[str, Any], defined: frozenset[str]) -> Iterator[tuple[Any, frozenset[str]]]:
    """Yield what a node of a parsed tree holds, but for its CTEs, each with the CTEs that it sees."""
    for key, part in node.items():
        if (node.get("type"), key) == ("RECURSIVE_CTE_NODE", "right"):
            yield part, defined | {node["cte_name"].lower()}
        elif key != "cte_map" and (node.get("type"), key) != ("CTE_NODE", "query"):  # DuckDB 1 has it twice
            yield part, defined


def _named_in_text(connection: duckdb.DuckDBPyConnection, function: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tables that a function of tables is given by name, or within a query."""
    kind = function["function_name"].lower()
    if kind not in ("query", "query_table", "pragma_table_info"):
        return
    call = _tree(connection, "select row(1)")
    given = "arguments" if "arguments" in function else "children"  # as DuckDB 2 and 1 call them
    call["statements"][0]["node"]["select_list"][0][given] = function[given]
    (said,) = connection.execute("select json_deserialize_sql(?::json)", [json.dumps(call)]).fetchone() or ()
    ((first, *_),) = connection.execute(said).fetchone() or ()
    if kind == "query":
        yield from _named(connection, readable(first))
    else:
        yield from (one.rsplit(".", 1)[-1].strip('"') for one in ([first] if isinstance(first, str) else first))


def _tree(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """Return a SELECT as DuckDB's own parser sees it."""
    import duckdb

    (text,) = connection.execute("select json_serialize_sql(?::varchar)", [query]).fetchone() or ()
    tree = json.loads(text)
    if tree["error"]:
        raise duckdb.Error(tree["error_message"])
    return tree


def _built_in(connection: duckdb.DuckDBPyConnection, table: Mapping[str, str]) -> bool:
    """Tell whether a table is DuckDB's own, such as ``information_schema.tables``."""
    import duckdb

    path = (table[part] for part in ("catalog_name", "schema_name", "table_name") if table[part])
    try:
        connection.sql(f"from {'.'.join(_name(part) for part in path)}")
    except duckdb.Error:
        return False
    return True


@functools.lru_cache(256)
def functions(query: str) -> tuple[str, ...]:
    """Return the names of the functions that a query calls, in lower case, each as often as it does.

    Names without brackets, such as ``current_date``, are among them, though they may be columns; windows are not; what
    takes a sample is called ``tablesample``.

    Raises:
        HeadraceError: HR-LAKE-006 for what cannot be parsed.

    Example:
        >>> functions("select count(*), lower(name) from shops group by all")
        ('count_star', 'lower', 'name')
    """
    with connected() as connection, told():
        lock(connection)
        found, waiting = list[str](), [_tree(connection, readable(query))]
        while waiting:
            node = waiting.pop(0)
            if isinstance(node, dict):
                found += [str(node["function_name"])] if node.get("class") == "FUNCTION" else []
                found += node["column_names"][-1:] if node.get("class") == "COLUMN_REF" else []
                found += ["tablesample"] if isinstance(node.get("sample"), dict) else []
            waiting += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return tuple(name.lower() for name in found)


@functools.lru_cache(256)
def _natural(query: str) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Return the tables on the left and the right of each natural join of whole tables, in lower case."""
    with connected() as connection, told():
        lock(connection)
        waiting: list[Any] = [_tree(connection, readable(query))]
    defined, found = set[str](), list[tuple[list[str], list[str]]]()
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            defined |= {one["key"].lower() for one in node.get("cte_map", {}).get("map", ())}
            if node.get("type") == "JOIN" and node["ref_type"] == "NATURAL":
                found.append((_whole(node["left"]), _whole(node["right"])))
        waiting += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return tuple((tuple({*left} - defined), tuple({*right} - defined)) for left, right in found)


def _whole(side: Mapping[str, Any]) -> list[str]:
    """Return the tables of which one side of a join has all columns."""
    match side["type"]:
        case "BASE_TABLE":
            return [side["table_name"].lower()]
        case "JOIN":
            return [*_whole(side["left"]), *_whole(side["right"])]
        case "SUBQUERY" if side["subquery"]["node"].get("type") == "SELECT_NODE":
            node = side["subquery"]["node"]
            chosen = [one for one in node["select_list"] if one["type"] != "STAR" or one["exclude_list"]]
            return [] if chosen else _whole(node["from_table"])
        case _:
            return []


def natural_joins(query: str, columns: Mapping[str, Collection[str]]) -> Iterator[Fault]:
    """Yield faults of natural joins that are also by when rows were learned (HR-LAKE-028): hardly one has a partner.

    Args:
        query: one SELECT.
        columns: of the tables that it reads.
    """
    if "natural" not in query.lower():
        return
    known = {name.lower(): {*names} for name, names in columns.items()}
    for sides in _natural(query):
        left, right = ({one: known.get(one, set()) for one in side} for side in sides)
        both = set().union(*left.values()) & set().union(*right.values())
        if own := sorted(both & _LEARNED):
            named = " and ".join(", ".join(sorted(side)) for side in (left, right))
            found = f"a natural join of {named}, by {', '.join(own)} too"
            meant = ", ".join(sorted(one for one in both if not one.startswith("_"))) or "…"
            cure = f"write: … join … using ({meant})"
            yield Fault("HR-LAKE-028", "", found, "a join by what rows are about, not by when they were learned", cure)


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
        # After two seconds it would print among what a command prints.
        connection.execute("set enable_progress_bar = false")
        connection.execute(f"set temp_directory = {quoted(spill)}")
        _limit(connection, limits.current())
        yield connection


def _limit(connection: duckdb.DuckDBPyConnection, to: limits.Limits) -> None:
    if to.query is not None:
        connection.execute(f"set memory_limit = '{to.query // 1000}KB'")
    if to.threads is not None:
        connection.execute(f"set threads = {to.threads}")


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


@contextmanager
def reading(query: str) -> Iterator[None]:
    """Turn what DuckDB says while a query reads rows into a fault: such a message may quote them, so its kind is told.

    ``told`` alone is for where nothing but the text of a query is looked at: its messages quote that, and are kept.
    """
    import duckdb

    with told():
        try:
            yield
        except (duckdb.InterruptException, duckdb.PermissionException):
            raise
        except (duckdb.Error, OSError) as error:
            raise HeadraceError(_fault_of_rows(str(error).strip(), query)) from error


def _fault_of_rows(text: str, query: str) -> Fault:
    if text.startswith("Out of Memory") and limits.current().memory is not None:
        return limits.exceeded("a query")
    cure = "look for such rows, such as by try_cast or try(…); 'headrace query --attach' is for reading them in DuckDB"
    return Fault("HR-LAKE-006", "", told_without_values(text, query), "rows that the query can be made of", cure)


def fault_of(error: Exception, columns: Iterable[str] = ()) -> Fault:
    """Return the fault of what DuckDB says of a query; a column that it does not find is looked for among some."""
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
    if kind.fields:
        return f"struct({', '.join(f'{_name(inner)} {_type(one)}' for inner, one in kind.fields)})"
    return f"decimal({kind.precision}, {kind.scale})" if kind.name == "decimal" else _TYPES[kind.name]


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
