"""What OpenLineage calls the data that is loaded: a namespace for where it lies, and a name within that.

The specification: https://github.com/OpenLineage/OpenLineage/blob/main/spec/Naming.md. Files of SQLite and DuckDB,
which it does not name, are each a namespace of their own.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from headrace.declare import Collection, Database, Stream, Table
from headrace.plan.nodes import origin_name

_PORTS = {"postgres": 5432, "mysql": 3306, "mongodb": 27017}
_SCHEMES = {"postgresql": "postgres", "mariadb": "mysql", "mongodb+srv": "mongodb"}


def dataset(source: Stream | Table, project: str, folder: Path | None) -> dict[str, str]:
    """Return the namespace and the name of what a source is loaded from.

    Args:
        source: that is loaded.
        project: namespace of what is nowhere but in the project itself, such as rows that a function makes.
        folder: of the project, from which relative paths go; without it they stay as they are written.

    Example:
        >>> from headrace.declare import Contract
        >>> rates = Table("rates", Contract, source=Database("postgresql://ana@db/bank", table="fx.rates"))
        >>> dataset(rates, "headrace://bank", None)
        {'namespace': 'postgres://db:5432', 'name': 'bank.fx.rates'}
    """
    origin = source.origin
    if isinstance(origin, Database | Collection):
        parts = urlsplit(origin.address)
        table = origin.name if isinstance(origin, Collection) else origin.table
        within = table or ("" if isinstance(origin, Database) and origin.query else str(source.name))
        if parts.scheme in ("sqlite", "duckdb"):
            return _named(f"{parts.scheme}://{_absolute(parts.path.removeprefix('/'), folder)}", within or "/")
        return _in_server(parts, within)
    written = origin_name(source)
    parts = urlsplit(written)
    if parts.netloc:
        return _named(f"{parts.scheme}://{parts.netloc}", parts.path.strip("/") or "/")
    if origin is not None:
        return _named(project, written)
    return _named("file", _absolute(written, folder))


def _in_server(parts: SplitResult, table: str) -> dict[str, str]:
    """A table or collection in a server; of a query, which may read any of its tables, the database as a whole."""
    scheme = _SCHEMES.get(parts.scheme, parts.scheme)
    database = parts.path.strip("/")
    if scheme == "postgres" and table and "." not in table:
        table = f"public.{table}"
    if scheme == "mysql" and "." in table:
        database, _, table = table.partition(".")
    host = parts.netloc
    one_without_port = "," not in host and ":" not in host.rpartition("]")[2] and parts.scheme != "mongodb+srv"
    authority = f"{host}:{_PORTS[scheme]}" if one_without_port else host
    return _named(f"{scheme}://{authority}", ".".join(one for one in (database, table) if one) or "/")


def _absolute(path: str, folder: Path | None) -> str:
    return path if folder is None else (folder.absolute() / path).as_posix()


def _named(namespace: str, name: str) -> dict[str, str]:
    return {"namespace": namespace, "name": name}
