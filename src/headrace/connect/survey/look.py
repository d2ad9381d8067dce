"""Where data is, and a sample of it: files, a folder of several sorts of files, or the tables of a database."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from headrace.connect.origins.databases import DatabaseReader, open_database
from headrace.connect.origins.databases.database import link_to, table_parts
from headrace.connect.origins.reader import Place
from headrace.connect.survey.answers import in_api, in_collections
from headrace.connect.survey.catalogue import catalogue_of, tables_of
from headrace.connect.survey.files import in_files, seen_from
from headrace.connect.survey.found import SAMPLE_ROWS, Catalogue, Found, Sample, Survey, nothing
from headrace.connect.survey.guess import guessed
from headrace.contracts.names import table_name
from headrace.declare import Api, Collection, Contract, Database, Field, Origin, contract_of
from headrace.declare.origins import SECRET, origin_of
from headrace.declare.project import names_of_the_lake
from headrace.errors import Fault, HeadraceError, nearest
from headrace.types import STR

_SECRETS = re.compile(r"pass|pwd|token|secret|key|sig", re.IGNORECASE)
_NUMERIC = ("numeric", "decimal")
_REASONS = 5
"""Columns of which is told why they are left out."""


def look(address: str, folder: Path, tables: Sequence[str], project: str) -> Survey:
    """Look at data and return what it is taken to be.

    Args:
        address: file, folder or glob, relative to where the command is run; or the address of a database. A password
            in it is used, and stands in the result as ``${NAME}``.
        folder: of the project to be, to which paths of the result are relative.
        tables: of a database to look at; all of it by default.
        project: its name, of which the name of a secret is made.

    Raises:
        HeadraceError: HR-SOURCE-036 nothing that could be looked at; and what keeps files and databases from being
            read.
    """
    safe, secrets = without_secrets(address, project)
    origin = origin_of(safe)
    if isinstance(origin, Database):
        if faults := origin.faults:
            raise HeadraceError(faults)
        return _survey(_in_database(_seen_from(safe, folder), folder, tables), "Database", tables, secrets)
    if isinstance(origin, Origin):
        if faults := origin.faults:
            raise HeadraceError(faults)
        found = in_collections if isinstance(origin, Collection) else in_api
        return _survey(found(safe, folder, tables), type(origin).__name__, tables, secrets)
    seen, unread = in_files(address, folder, tables)
    return _survey(seen, "files", tables, unread=unread)


def _survey(
    found: Iterable[Found],
    kind: str,
    tables: Sequence[str],
    secrets: tuple[str, ...] = (),
    unread: Sequence[Fault] = (),
) -> Survey:
    """Return what was found but for sources without a column that a contract can have: these are told.

    Raises:
        HeadraceError: HR-SOURCE-036 where no other is left, or such a one was named.
    """
    seen = list(found)
    bare = [_bare(one) for one in seen if not one.fields]
    if bare and (tables or len(bare) == len(seen)):
        raise HeadraceError(bare)
    told = (*unread, *(replace(one, severity="warning") for one in bare))
    return Survey(tuple(one for one in seen if one.fields), kind, secrets, told)


def _bare(one: Found) -> Fault:
    origin = origin_of(one.address)
    reasons = f" ({'; '.join(one.left_out[:_REASONS])})" if one.left_out else ""
    found = f"{one.name}, which is left out: it has no column that a contract can have{reasons}"
    cure = "give a column one type where it comes from, or read it by hr.Rows"
    place = origin.address if isinstance(origin, Origin) else one.address
    return Fault("HR-SOURCE-036", place, found, "a column that a contract can have", cure)


def without_secrets(address: str, project: str) -> tuple[str, tuple[str, ...]]:
    """Return an address with each secret as ``${NAME}``, and the names; this process has them in its environment.

    Raises:
        HeadraceError: HR-SOURCE-036 for an address in which the end of the password cannot be told.

    Example:
        >>> without_secrets("postgresql://ann:s3cret@db/risk", "bank")
        ('postgresql://ann:${BANK_PASSWORD}@db/risk', ('BANK_PASSWORD',))
    """
    if "://" not in address or address.startswith("s3://"):
        return address, ()
    names: list[str] = []

    def kept(value: str, name: str) -> str:
        if not value or SECRET.search(value):
            return value
        names.append(name)
        os.environ[name] = unquote(value)
        return f"${{{name}}}"

    scheme, _, rest = address.partition("://")
    authority, mark, behind = rest.partition("/")
    user, at, host = authority.rpartition("@")
    name, colon, password = user.partition(":")
    before, question, query = behind.partition("?")
    if "@" in before and scheme not in Api.schemes:  # else a part of the password would be taken for a path, and shown
        cure = "write / in it as %2F, or name the secret: ${NAME}"
        raise HeadraceError(Fault("HR-SOURCE-036", "", "an address whose password has a slash", "one without", cure))
    parts = [one.partition("=") for one in query.split("&")] if query else []
    params = "&".join(
        f"{key}{equal}{kept(value, f'{project}_{key}'.upper()) if _SECRETS.search(key) else value}"
        for key, equal, value in parts
    )
    authority = f"{name}{colon}{kept(password, f'{project}_PASSWORD'.upper())}{at}{host}"
    safe = f"{scheme}://{authority}{mark}{before}{question}{params}"
    return safe, (*names, *(found[2] for found in SECRET.finditer(address) if not found[1]))


def _seen_from(address: str, folder: Path) -> str:
    """The address of a database in a file, relative to the project's folder as paths of projects are."""
    parts = urlsplit(address)
    if parts.scheme not in ("sqlite", "duckdb") or parts.path.startswith("//") or not parts.path.strip("/"):
        return address
    return f"{parts.scheme}:///{seen_from(parts.path[1:], folder)}"


def _in_database(address: str, folder: Path, tables: Sequence[str]) -> Iterator[Found]:
    place = Place("", Contract, folder)
    with closing(link_to(Database(address), place)) as link:
        there, views = tables_of(link)
        shown = Database(address).address
        if not there and not views:
            raise HeadraceError(nothing(shown, "a database without a table that may be read"))
        if missing := [one for one in tables if one not in there and one not in views]:
            cure = nearest(missing[0], [*there, *views])
            raise HeadraceError(
                Fault("HR-SOURCE-036", shown, f"no table {one}", "tables and views that it has", cure)
                for one in missing
            )
        # a view shows rows of tables again: it is looked at where it is named, or where there is nothing else
        there = list(tables) or there or views
        known = {one: catalogue_of(link, one) for one in there}
    others = frozenset(
        column.refers.rpartition(".")[0] for one in known.values() for column in one.columns.values() if column.refers
    )
    names = _names(there)
    for table in there:
        sample = _sample(address, folder, table, names[table], known[table])
        named = "" if names[table] == table else table
        referred = frozenset(names[one] for one in others if one in names)
        yield guessed(sample, address, named, referred)


def _names(tables: list[str]) -> dict[str, str]:
    """Names of streams and tables to be: of two that are called alike in several schemas, with the schema."""
    plain = [table_name(table_parts(one)[-1]) for one in tables]
    names = {
        one: (name if plain.count(name) == 1 and name else table_name("_".join(table_parts(one)))) or "table_1"
        for one, name in zip(tables, plain, strict=True)
    }
    taken = names_of_the_lake(names.values())
    return {one: f"{name}_table" if name in taken else name for one, name in names.items()}


def _sample(address: str, folder: Path, table: str, name: str, known: Catalogue) -> Sample:
    origin = Database(address, table=table)
    with closing(open_database(origin, Place(name, Contract, folder))) as reader:
        schema = reader.columns()
    fields = {one.name: Field(type=STR) for one in schema}
    with closing(open_database(origin, Place(name, contract_of("Sample", fields), folder))) as reader:
        rows, whole = _first(reader, schema)
    rows = _listed(rows, [name for name, one in known.columns.items() if one.declared.endswith("[]")])
    loose = frozenset(name for name, one in known.columns.items() if one.declared.lower().startswith(_NUMERIC))
    kinds = {one.name: one.type for one in schema if not pa.types.is_null(one.type)}
    return Sample(name, rows, kinds, whole, loose, known.dialect == "sqlite", catalogue=known)


def _listed(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """Columns of arrays arrive as JSON; those of several dimensions stay so."""
    for name in names:
        at = rows.schema.get_field_index(name)
        if at >= 0 and pa.types.is_string(rows[name].type):
            with suppress(pa.ArrowInvalid, pa.ArrowTypeError):
                lists = [None if one is None else json.loads(one) for one in rows[name].to_pylist()]
                made = pa.array(lists, None if any(lists) else pa.list_(pa.string()))
                if not pa.types.is_nested(made.type.value_type):
                    rows = rows.set_column(at, name, made)
    return rows


def _first(reader: DatabaseReader, schema: pa.Schema) -> tuple[pa.Table, bool]:
    parts: list[pa.Table] = []
    count = 0
    for batch in reader.batches(None, 20_000):
        assert isinstance(batch.rows, pa.Table)
        parts.append(batch.rows)
        count += batch.rows.num_rows
        if count > SAMPLE_ROWS:
            return pa.concat_tables(parts).slice(0, SAMPLE_ROWS), False
    return (pa.concat_tables(parts) if parts else schema.empty_table()), True
