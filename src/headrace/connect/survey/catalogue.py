"""What databases know of their tables: keys, what may be null, what refers to what, checks, comments."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

from headrace.connect.origins.databases.database import table_named, table_parts
from headrace.connect.origins.databases.duck import DuckLink
from headrace.connect.origins.databases.link import Link
from headrace.connect.origins.databases.mysql import MysqlLink
from headrace.connect.origins.databases.postgres import PostgresLink
from headrace.connect.origins.databases.sqlite import SqliteLink
from headrace.connect.survey.found import Catalogue, Known

_OPTIONS = re.compile(r"\)\s*(without\s+rowid|strict)(\s*,\s*(without\s+rowid|strict))?\s*$", re.I)
"""Of a table of SQLite, which no parser of SQL knows."""


def tables_of(link: Link) -> tuple[list[str], list[str]]:
    """Return the names of the tables of a database and those of its views, with the schema of those that need one."""
    found = sorted(_TABLES[type(link)](link))
    return [name for name, is_view in found if not is_view], [name for name, is_view in found if is_view]


def catalogue_of(link: Link, table: str) -> Catalogue:
    """Return what a database knows of a table."""
    return _CATALOGUES[type(link)](link, table)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _parts(table: str, schema: str) -> tuple[str, str]:
    *before, name = table_parts(table)
    return before[0] if before else schema, name


def _named(schema: str, name: str, *, here: bool) -> str:
    """A table's name, with its schema unless it is found without."""
    return table_named(name) if here else table_named(schema, name)


def _postgres_tables(link: PostgresLink) -> list[tuple[str, bool]]:
    found = link.query(
        "select n.nspname::text as schema, c.relname::text as name, n.nspname = current_schema() as here,"
        " c.relkind in ('v', 'm') as is_view"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p', 'f', 'v', 'm') and not c.relispartition and n.nspname not like 'pg\\_%'"
        " and n.nspname <> 'information_schema' and has_table_privilege(c.oid, 'select')"
    ).to_pylist()
    return [(_named(one["schema"], one["name"], here=one["here"]), one["is_view"]) for one in found]


def _postgres(link: PostgresLink, table: str) -> Catalogue:
    before, name = _parts(table, "")
    at = f"{_text('.'.join(link.quoted(one) for one in (before, name) if one))}::regclass"
    columns = link.query(
        "select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as declared,"
        " not a.attnotnull as nullable, col_description(a.attrelid, a.attnum) as comment,"
        " (select json_agg(e.enumlabel order by e.enumsortorder)::text"
        f" from pg_enum e where e.enumtypid = a.atttypid) as labels from pg_attribute a where a.attrelid = {at}"
        " and a.attnum > 0 and not a.attisdropped order by a.attnum"
    ).to_pylist()
    names = "(select json_agg(a.attname order by k.n)::text from unnest({}) with ordinality k(number, n)"
    names += " join pg_attribute a on a.attrelid = {} and a.attnum = k.number)"
    rules = link.query(
        "select c.contype::text as kind, pg_get_constraintdef(c.oid) as sql, "
        f"{names.format('c.conkey', 'c.conrelid')} as names, {names.format('c.confkey', 'c.confrelid')} as others,"
        " o.relname::text as other, on_.nspname::text as other_schema, on_.nspname = current_schema() as other_here"
        " from pg_constraint c left join pg_class o on o.oid = c.confrelid"
        f" left join pg_namespace on_ on on_.oid = o.relnamespace where c.conrelid = {at} order by c.conname"
    ).to_pylist()
    comment = link.query(f"select obj_description({at}, 'pg_class') as comment")["comment"].to_pylist()[0]
    listed = [(one["kind"], json.loads(one["names"] or "[]"), one) for one in rules]
    refers = {
        have[0]: f"{_named(one['other_schema'], one['other'], here=one['other_here'])}.{json.loads(one['others'])[0]}"
        for kind, have, one in listed
        if kind == "f" and len(have) == 1
    }
    known = {
        one["name"]: Known(
            one["declared"],
            one["nullable"],
            any(kind == "u" and have == [one["name"]] for kind, have, _ in listed),
            one["comment"] or "",
            tuple(json.loads(one["labels"] or "[]")),
            refers.get(one["name"], ""),
        )
        for one in columns
    }
    key = next((tuple(have) for kind, have, _ in listed if kind == "p"), ())
    checks = tuple(
        one["sql"].removeprefix("CHECK ").removesuffix(" NOT VALID") for kind, _, one in listed if kind == "c"
    )
    return Catalogue(known, key, checks, comment or "", "postgres")


def _mysql_tables(link: MysqlLink) -> list[tuple[str, bool]]:
    rows = link.query(
        "select table_name, table_type = 'VIEW' from information_schema.tables where table_schema = database()"
        " and table_type in ('BASE TABLE', 'VIEW')"
    )
    return [(table_named(str(row[0])), row[1] == "1") for row in rows]  # as text, as all that comes from there


def _mysql(link: MysqlLink, table: str) -> Catalogue:
    before, name = _parts(table, "")
    at = f"table_schema = {_literal(before) if before else 'database()'} and table_name = {_literal(name)}"
    rules = link.query(
        "select constraint_name, column_name, referenced_table_name, referenced_column_name"
        f" from information_schema.key_column_usage where {at} order by constraint_name, ordinal_position"
    )
    unique = _alone((row[0], row[1]) for row in rules if row[0] != "PRIMARY" and row[2] is None)
    refers = {row[1]: f"{table_named(row[2])}.{row[3]}" for row in rules if row[2] is not None}
    columns = link.query(
        "select column_name, column_type, is_nullable, column_comment, extra from information_schema.columns"
        f" where {at} order by ordinal_position"
    )
    known = {
        row[0]: Known(
            row[1], row[2] == "YES", row[0] in unique, row[3] or "", _labels(row[1]), refers.get(row[0], ""),
            "on update" in row[4].lower(),
        )
        for row in columns
    }  # fmt: skip
    key = tuple(row[1] for row in rules if row[0] == "PRIMARY")
    about = link.query(f"select table_comment, table_type from information_schema.tables where {at}")
    if about and about[0][1] == "VIEW":  # how it is made is shown to few, and has no checks
        return Catalogue(known, key, dialect="mysql")
    made = link.query(f"show create table {'.'.join(link.quoted(one) for one in (before, name) if one)}")
    return Catalogue(known, key, _checks(str(made[0][1]), "mysql"), str(about[0][0]) if about else "", "mysql")


def _literal(value: str) -> str:
    return _text(value.replace("\\", "\\\\"))


def _labels(declared: str) -> tuple[str, ...]:
    """The members of an enumeration, in which a comma or a quote may stand."""
    if not declared.lower().startswith("enum("):
        return ()
    return tuple(one.replace("''", "'") for one in re.findall("'((?:[^']|'')*)'", declared))


def _alone(named: Iterable[tuple[str, str]]) -> set[str]:
    """Columns that are the only one of their constraint."""
    members: dict[str, list[str]] = {}
    for constraint, column in named:
        members.setdefault(constraint, []).append(column)
    return {columns[0] for columns in members.values() if len(columns) == 1}


def _sqlite_tables(link: SqliteLink) -> list[tuple[str, bool]]:
    rows = link.query(
        "select name, type from sqlite_master where type in ('table', 'view')"
        " and name not like 'sqlite\\_%' escape '\\'"
    )
    return [(table_named(str(name)), kind == "view") for name, kind in rows]


def _sqlite(link: SqliteLink, table: str) -> Catalogue:
    name = _text(_parts(table, "")[1])
    columns = link.query(f'select name, type, "notnull", pk from pragma_table_info({name})')
    refers = {row[0]: f"{table_named(row[1])}.{row[2] or 'rowid'}" for row in
              link.query(f'select "from", "table", "to" from pragma_foreign_key_list({name})')}  # fmt: skip
    indexes = link.query(
        f'select l.name, i.name from pragma_index_list({name}) l, pragma_index_info(l.name) i where l."unique" = 1'
        " and l.partial = 0"
    )
    unique = _alone((row[0], row[1]) for row in indexes if row[1] is not None)
    key = tuple(row[0] for row in sorted(columns, key=lambda row: row[3]) if row[3])
    known = {
        row[0]: Known(row[1], not (row[2] or key == (row[0],)), row[0] in unique, "", (), refers.get(row[0], ""))
        for row in columns
    }
    made = link.query("select sql from sqlite_master where name = ?", (_parts(table, "")[1],))
    checks = _checks(_OPTIONS.sub(")", str(made[0][0])), "sqlite") if made else ()
    return Catalogue(known, key, checks, "", "sqlite")


def _duckdb_tables(link: DuckLink) -> list[tuple[str, bool]]:
    rows = link.query(
        "select schema_name, table_name, false from duckdb_tables()"
        " where database_name = current_database() and not internal"
        " union all select schema_name, view_name, true from duckdb_views()"
        " where database_name = current_database() and not internal"
    )
    return [(_named(schema, name, here=schema == "main"), bool(is_view)) for schema, name, is_view in rows]


def _duckdb(link: DuckLink, table: str) -> Catalogue:
    schema, name = _parts(table, "main")
    at = f"schema_name = {_text(schema)} and table_name = {_text(name)} and database_name = current_database()"
    rules = link.query(
        "select constraint_type, constraint_column_names, expression, referenced_table, referenced_column_names"
        f" from duckdb_constraints() where {at} order by constraint_index"
    )
    refers = {
        row[1][0]: f"{table_named(row[3])}.{row[4][0]}" for row in rules if row[0] == "FOREIGN KEY" and len(row[1]) == 1
    }
    unique = {row[1][0] for row in rules if row[0] == "UNIQUE" and len(row[1]) == 1}
    columns = link.query(f"select column_name, data_type, is_nullable, comment from duckdb_columns() where {at}")
    known = {
        row[0]: Known(row[1], bool(row[2]), row[0] in unique, row[3] or "", _labels(row[1]), refers.get(row[0], ""))
        for row in columns
    }
    comment = link.query(f"select comment from duckdb_tables() where {at}")
    key = next((tuple(row[1]) for row in rules if row[0] == "PRIMARY KEY"), ())
    checks = tuple(str(row[2]) for row in rules if row[0] == "CHECK")
    return Catalogue(known, key, checks, str(comment[0][0] or "") if comment else "", "duckdb")


def _checks(made: str, dialect: str) -> tuple[str, ...]:
    """The checks of a CREATE TABLE."""
    import sqlglot
    from sqlglot import exp

    logging.getLogger("sqlglot").addHandler(logging.NullHandler())  # of a statement that it does not know, it warns
    try:
        parsed = sqlglot.parse_one(made, read=dialect)
    except sqlglot.errors.SqlglotError:
        return ()
    return tuple(one.this.sql(dialect) for one in parsed.find_all(exp.CheckColumnConstraint, exp.Check))


_TABLES: dict[type[Link], Callable[[Any], list[tuple[str, bool]]]] = {
    PostgresLink: _postgres_tables, MysqlLink: _mysql_tables, SqliteLink: _sqlite_tables, DuckLink: _duckdb_tables,
}  # fmt: skip
_CATALOGUES: dict[type[Link], Callable[[Any, str], Catalogue]] = {
    PostgresLink: _postgres, MysqlLink: _mysql, SqliteLink: _sqlite, DuckLink: _duckdb,
}  # fmt: skip
