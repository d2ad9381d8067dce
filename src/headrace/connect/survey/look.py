"""Where data is, and a sample of it: files, a folder of several sorts of files, or the tables of a database."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from headrace.connect.files import find_files, read_batches
from headrace.connect.formats import format_of
from headrace.connect.formats.jsondocs import texts_of
from headrace.connect.formats.jsonlines import lines_of
from headrace.connect.origins.databases import DatabaseReader, open_database
from headrace.connect.origins.databases.database import link_to, table_parts
from headrace.connect.origins.reader import Place
from headrace.connect.places import PACKED, File
from headrace.connect.survey.answers import in_api, in_collections
from headrace.connect.survey.catalogue import catalogue_of, tables_of
from headrace.connect.survey.found import SAMPLE_ROWS, Catalogue, Found, Sample, Survey, nothing, sample_of
from headrace.connect.survey.guess import guessed
from headrace.connect.survey.kinds import of_type
from headrace.connect.survey.objects import objects_of
from headrace.contracts.names import table_name
from headrace.declare import Api, Collection, Contract, Database, Field, Origin, contract_of
from headrace.declare.origins import SECRET, origin_of
from headrace.errors import Fault, HeadraceError, nearest
from headrace.types import STR

_SECRETS = re.compile(r"pass|pwd|token|secret|key|sig", re.IGNORECASE)
_NUMBERED = re.compile(r"[-_. ]*(part)?[-_. ]*\d[-\d_.TZ]*$")
_GLOB = re.compile(r"[*?\[]")
_TEXTUAL = ("CSV", "TSV")
_OBJECTS: dict[str, Callable[[File], Iterator[str]]] = {
    "JSON lines": lambda file: (line for part in lines_of(file) for line in part.cast(pa.string()).to_pylist()),
    "JSON": texts_of,
}
_NUMERIC = ("numeric", "decimal")


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
        return Survey(tuple(_in_database(_seen_from(safe, folder), folder, tables)), "Database", secrets)
    if isinstance(origin, Origin):
        if faults := origin.faults:
            raise HeadraceError(faults)
        found = in_collections if isinstance(origin, Collection) else in_api
        return Survey(tuple(found(safe, folder, tables)), type(origin).__name__, secrets)
    return Survey(tuple(_in_files(address, folder, tables)), "files")


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
    return f"{parts.scheme}:///{_relative(parts.path[1:], folder)}"


def _relative(path: str, folder: Path) -> str:
    return Path(os.path.relpath(Path.cwd() / path, folder)).as_posix()


# -- databases --------------------------------------------------------------------------------------------------------


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
    return {
        one: (name if plain.count(name) == 1 and name else table_name("_".join(table_parts(one)))) or "table_1"
        for one, name in zip(tables, plain, strict=True)
    }


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
                rows = rows.set_column(at, name, pa.array(lists, None if any(lists) else pa.list_(pa.string())))
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


# -- files ------------------------------------------------------------------------------------------------------------


def _in_files(address: str, folder: Path, tables: Sequence[str]) -> Iterator[Found]:
    files = [one for one in find_files(Path.cwd(), address) if one.size]
    if not files:
        raise HeadraceError(nothing(address, "files without a row"))
    groups = {address: files} if _GLOB.search(address) else _groups(files, of_folder=not _is_file(address, files))
    names = {source: _name_of(_named_after(source, members)) for source, members in groups.items()}
    if missing := [one for one in tables if one not in names.values()]:
        raise HeadraceError(
            Fault("HR-SOURCE-036", address, f"no files of {one}", "names that are there", nearest(one, names.values()))
            for one in missing
        )
    for source, members in groups.items():
        if tables and names[source] not in tables:
            continue
        where = source if source.startswith("s3://") else _relative(source, folder)
        yield guessed(_sample_of_files(names[source], members), where, "", frozenset())


def _is_file(address: str, files: list[File]) -> bool:
    return files[0].name == address if address.startswith("s3://") else (Path.cwd() / address).is_file()


def _named_after(source: str, members: list[File]) -> str:
    """A glob of all files of an ending says nothing of them: then the file does that is there."""
    return members[0].name if source.rpartition("/")[2].startswith("*") else source


def _groups(files: list[File], *, of_folder: bool) -> dict[str, list[File]]:
    """Files that are called alike but for a number or a day are one source: its glob, and the files.

    The only file of its kind in a folder is the first of others to come.
    """
    found: dict[tuple[str, str, str], list[File]] = {}
    for file in files:
        before, _, name = file.name.rpartition("/")
        stem, ending = _split(name)
        found.setdefault((before, _NUMBERED.sub("", stem), ending), []).append(file)
    sources = {}
    for (before, stem, ending), members in found.items():
        glob = f"{before}/{stem}*{ending}" if before else f"{stem}*{ending}"
        kin = [one for one in found if one != (before, stem, ending) and (one[0], one[2]) == (before, ending)]
        if any(one[1].startswith(stem) for one in kin):
            glob = glob.replace("*", "[-_.0-9]*")
        alone = len(members) == 1 and members[0].name == f"{before}/{stem}{ending}".lstrip("/")
        if alone and of_folder and not kin and ending:
            glob = f"{before}/*{ending}"
        elif alone:
            glob = members[0].name
        sources[glob.lstrip("/") if not before else glob] = members
    return sources


def _split(name: str) -> tuple[str, str]:
    packed = next((end for end in PACKED if name.endswith(end)), "")
    stem, dot, ending = name.removesuffix(packed).rpartition(".")
    return (stem, f"{dot}{ending}{packed}") if stem else (name, "")


def _name_of(source: str) -> str:
    """A name for what a path or glob holds: that of its files, else of the nearest folder that has one."""
    parts = [part for part in source.removeprefix("s3://").split("/") if part not in (".", "..", "")]
    for at, part in enumerate(reversed(parts)):
        stem = _split(part)[0] if at == 0 else part
        stem = _NUMBERED.sub("", re.sub(r"\[.*?\]|[*?]", "", stem))
        if (name := table_name(stem)) and name not in ("part", "data"):
            return name
    return "rows"


def _sample_of_files(name: str, files: list[File]) -> Sample:
    file = files[0]
    kind = format_of(file)
    if kind is None:
        raise HeadraceError(nothing(file.name, "a file of an unknown kind"))
    if kind.name in _OBJECTS:
        kind.check(file)
        texts = list(islice(_OBJECTS[kind.name](file), SAMPLE_ROWS + 1))
        return sample_of(name, objects_of(texts[:SAMPLE_ROWS]), len(files) == 1 and len(texts) <= SAMPLE_ROWS)
    schema = kind.columns(file, Contract)
    columns = schema.names
    textual = kind.name in _TEXTUAL  # of a sheet, that cells are texts must not be asked for
    told = {one.name: STR if textual else of_type(one.type) or STR for one in schema}
    contract = contract_of("Sample", {name: Field(type=one | None) for name, one in told.items()})
    parts: list[pa.Table] = []
    count = 0
    for batch in read_batches(file, contract, SAMPLE_ROWS):
        parts.append(batch.select(columns))
        count += batch.num_rows
        if count > SAMPLE_ROWS:
            break
    rows = pa.concat_tables(parts) if parts else pa.table({one: pa.array([], pa.string()) for one in columns})
    whole = len(files) == 1 and count <= SAMPLE_ROWS
    loose = frozenset(columns if textual else ())
    return Sample(name, rows.slice(0, SAMPLE_ROWS), {}, whole, loose)
