"""SQLite: a file in which each value has a type of its own, so a column's is looked for among its values."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from headrace.connect.origins.databases.link import Ask, Bound, Column
from headrace.connect.origins.databases.refused import gone, refused
from headrace.errors import Fault, HeadraceError

_AFFINITY = (
    (("INT",), pa.int64()),
    (("CHAR", "CLOB", "TEXT"), pa.string()),
    (("BLOB",), pa.string()),
    (("REAL", "FLOA", "DOUB"), pa.float64()),
)
"""What a declared type makes of values (SQLite's manual, "Datatypes", 3.1); all others may hold anything."""
_FETCH = 50_000
_CLASSES = ("integer", "real", "text", "blob")
_EXACT = 2**53


class SqliteLink:
    """A file of SQLite, opened to be read."""

    def __init__(self, path: Path, shown: str) -> None:
        self._shown = shown
        if not path.is_file():
            raise file_fault(shown, "no such file", "a file that is there")
        with self._told():
            self._connection = sqlite3.connect(
                f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=30, isolation_level=None,
                check_same_thread=False,
            )  # fmt: skip
            self._connection.text_factory = bytes
            self._connection.execute("begin")

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def columns(self, source: str) -> list[Column]:
        with self._told():
            names = [one[0] for one in self._connection.execute(f"select * from {source} limit 0").description]
            declared = self._declared(source)
        return [self._column(name, declared.get(name, "")) for name in names]

    def bound(self, column: Column, value: Any) -> Bound:
        return Bound("?", (value.isoformat() if hasattr(value, "isoformat") else value,))

    def rows(self, columns: Sequence[Column], ask: Ask, batch_rows: int) -> Iterator[pa.Table]:
        with self._told():
            chosen = self._chosen(columns, ask)
            selected = ", ".join(f"{one.select} as {self.quoted(one.name)}" for one in chosen)
            # Ordered before they are turned into text: an alias of the same name would be what "order by" takes.
            cursor = self._connection.execute(
                f"select {selected} from (select {self._names(columns)} {ask.sql})", ask.values
            )
            while parts := cursor.fetchmany(min(_FETCH, batch_rows)):
                yield _table(chosen, parts)

    def close(self) -> None:
        self._connection.close()

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query of the catalogue, texts as texts."""
        with self._told():
            rows = self._connection.execute(sql, values).fetchall()
        return [tuple(one.decode() if isinstance(one, bytes) else one for one in row) for row in rows]

    def _names(self, columns: Sequence[Column]) -> str:
        return ", ".join(self.quoted(one.name) for one in columns)

    def _declared(self, source: str) -> dict[str, str]:
        if source.startswith("("):
            return {}
        table = self._connection.execute(f"select name, type from pragma_table_xinfo({_literal(source)})").fetchall()
        return {name.decode(): kind.decode() for name, kind in table}

    def _column(self, name: str, declared: str) -> Column:
        kind = next((kind for parts, kind in _AFFINITY if any(one in declared.upper() for one in parts)), pa.null())
        cursor = None if kind == pa.float64() or "BLOB" in declared.upper() else kind
        order = f"{self.quoted(name)} collate binary" if kind != pa.int64() else ""
        return Column(name, kind, self.quoted(name), declared, cursor, order)

    def _chosen(self, columns: Sequence[Column], ask: Ask) -> list[Column]:
        """One type for each column, by all values that are about to be read: in the same snapshot."""
        names = [self.quoted(one.name) for one in columns]
        asked = [f"max(typeof({name}) = '{kind}')" for name in names for kind in _CLASSES]
        large = [f"max(typeof({name}) = 'integer' and ({name} > {_EXACT} or {name} < -{_EXACT}))" for name in names]
        plain = f"select {', '.join(names)} from {ask.source} {ask.where} {ask.end}"
        found = self._connection.execute(f"select {', '.join(asked + large)} from ({plain})", ask.values).fetchone()
        each = [found[at * 4 : at * 4 + 4] for at in range(len(columns))]
        return [
            _of_classes(column, name, frozenset(kind for kind, is_there in zip(_CLASSES, one, strict=True) if is_there),
                        exact=not beyond)
            for column, name, one, beyond in zip(columns, names, each, found[len(asked) :], strict=True)
        ]  # fmt: skip

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._meant(error) from None

    def _meant(self, error: sqlite3.Error) -> HeadraceError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return gone(self._shown, f"a database that another process holds ({name})")
        if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_CANTOPEN", "SQLITE_IOERR")):
            return file_fault(self._shown, f"a file that cannot be read as a database ({name})", "a whole one")
        if name == "SQLITE_ERROR":
            return refused("names", self._shown, name)
        return refused("other", self._shown, name)


def file_fault(shown: str, found: str, expected: str) -> HeadraceError:
    """Return the error of a database that is a file."""
    cure = "correct the path in the address, or copy the file again"
    return HeadraceError(Fault("HR-SOURCE-035", shown, found, expected, cure))


def _literal(source: str) -> str:
    """The table of a quoted name, as a text of SQL; of ``"main"."t"`` the last part, which pragmas look for."""
    table = source.rpartition('"."')[2].strip('"').replace('""', '"')
    return "'" + table.replace("'", "''") + "'"


def _of_classes(column: Column, name: str, classes: frozenset[str], *, exact: bool) -> Column:
    """One type where all values agree; numbers of both kinds are floats if they can be; else text."""
    if not classes:
        return column
    if classes == {"integer"}:
        return replace(column, kind=pa.int64())
    if classes <= {"integer", "real"} and (exact or classes == {"real"}):
        return replace(column, kind=pa.float64())
    if classes == {"text"}:
        return replace(column, kind=pa.string())
    short = "printf('%!.15g', {0})"
    number = f"case when cast({short} as real) = {{0}} then {short} else printf('%!.17g', {{0}}) end".format(name)
    shown = f"case typeof({name}) when 'blob' then lower(hex({name})) when 'real' then {number} "
    return replace(column, kind=pa.string(), select=f"{shown}else cast({name} as text) end")


def _table(columns: Sequence[Column], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    arrays = [_typed(one, values) for one, values in zip(columns, zip(*rows, strict=True), strict=True)]
    return pa.table(arrays, names=[one.name for one in columns])


def _typed(column: Column, values: tuple[Any, ...]) -> pa.Array:
    if not pa.types.is_string(column.kind):
        return pa.array(values, column.kind)
    raw = pa.array(values, pa.binary())
    # Not every text of SQLite is UTF-8; which is not, the contract tells row by row.
    return pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
