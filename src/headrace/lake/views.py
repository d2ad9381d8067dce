"""A DuckDB database file with one view for each table of the lake: any tool that opens it sees the tables by name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import pyarrow as pa

from headrace.errors import Fault, HeadraceError
from headrace.lake.disk import sync
from headrace.lake.log import Extent
from headrace.lake.query import view
from headrace.sql import quoted

_CONTENTS = "_lake"
"""View of what the file shows; no table of a lake has a name like that."""


def write_views(path: Path, tables: Mapping[str, tuple[list[str], pa.Schema, Extent]]) -> None:
    """Write a database file anew, beside and then into place: who has the old one open goes on reading that.

    Args:
        path: of the file; one that holds anything but views of a lake is left as it is.
        tables: by name, each with its files, its schema and its extent.

    Raises:
        HeadraceError: HR-LAKE-015 when the file cannot be written, or is another one.
    """
    import duckdb

    if path.exists() and not _is_ours(path):
        found = f"{path.name}, which is there and is no file of views, or is open for writing in another program"
        cure = "name another file, or close the program that has it open"
        raise HeadraceError(Fault("HR-LAKE-015", "", found, "a new file, or one that --attach wrote", cure))
    half = path.with_name(f".{path.name}.part")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            half.unlink(missing_ok=True)
            with closing(duckdb.connect(str(half))) as connection:
                for name, (files, schema, _) in tables.items():
                    view(connection, name, [str(Path(file).absolute()) for file in files], schema)
                connection.execute(_contents({name: extent for name, (_, _, extent) in tables.items()}))
            sync(half)
            half.replace(path)
            sync(path.parent)
        finally:
            half.unlink(missing_ok=True)
    except (duckdb.Error, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        found, cure = f"{path.name} could not be written: {reason}", "make room, or name another file"
        raise HeadraceError(Fault("HR-LAKE-015", "", found, "a file that can be written", cure)) from error


def _contents(extents: Mapping[str, Extent]) -> str:
    rows = [f"({quoted(name)}, {one.version}, {one.rows}, {one.bytes})" for name, one in extents.items()]
    none = "" if rows else " where false"
    values = ", ".join(rows or ["('', 0, 0, 0)"])
    columns = '"table", version, "rows", bytes'
    return f"create view {_CONTENTS} as select * from (values {values}) as tables({columns}){none}"


def _is_ours(path: Path) -> bool:
    import duckdb

    with suppress(duckdb.Error), closing(duckdb.connect(str(path), read_only=True)) as connection:
        names = connection.execute("select view_name from duckdb_views() where not internal").fetchall()
        tables = connection.execute("select count(*) from duckdb_tables()").fetchall()
        return (_CONTENTS,) in names and tables == [(0,)]
    return False
