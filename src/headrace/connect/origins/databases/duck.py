"""DuckDB: a file that is read as Arrow, beside no process that writes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.connect.origins.databases.link import Ask, Bound, Column
from headrace.connect.origins.databases.refused import gone, refused
from headrace.connect.origins.databases.sqlite import file_fault
from headrace.errors import HeadraceError

_PLAIN = {
    "BOOLEAN": pa.bool_(), "TINYINT": pa.int8(), "SMALLINT": pa.int16(), "INTEGER": pa.int32(), "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(), "USMALLINT": pa.uint16(), "UINTEGER": pa.uint32(), "UBIGINT": pa.uint64(),
    "FLOAT": pa.float32(), "DOUBLE": pa.float64(), "VARCHAR": pa.string(), "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"), "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", tz="UTC"),
    "TIMESTAMP_S": pa.timestamp("s"), "TIMESTAMP_MS": pa.timestamp("ms"), "TIMESTAMP_NS": pa.timestamp("ns"),
}  # fmt: skip
_JSON = ("STRUCT", "MAP", "UNION")
_CONFIG: dict[str, Any] = {"python_enable_replacements": "false", "autoinstall_known_extensions": "false"}
"""A table that is not there must not be found among the variables of this program."""
_FETCH = 200_000


class DuckLink:
    """A file of DuckDB, opened to be read."""

    def __init__(self, path: Path, shown: str) -> None:
        import duckdb

        self._errors, self._shown = duckdb, shown
        if not path.is_file():
            raise file_fault(shown, "no such file", "a file that is there")
        with self._told():
            self._connection = duckdb.connect(str(path), read_only=True, config=_CONFIG)
            self._connection.execute("set timezone = 'UTC'")
            self._connection.execute("begin transaction")

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def columns(self, source: str) -> list[Column]:
        return [self._column(str(row[0]), str(row[1])) for row in self.query(f"describe select * from {source}")]

    def bound(self, column: Column, value: Any) -> Bound:
        sql = f"?::{column.declared}"
        text = value.isoformat() if hasattr(value, "isoformat") else str(value)
        return Bound(f"encode({sql})" if column.order else sql, (text,))

    def rows(self, columns: Sequence[Column], ask: Ask, batch_rows: int) -> Iterator[pa.Table]:
        with self._told():
            shown = ", ".join(f"{one.select} as {self.quoted(one.name)}" for one in columns)
            # Ordered before columns become text: an alias of the same name would be what "order by" takes.
            names = ", ".join(self.quoted(one.name) for one in columns)
            found = self._connection.sql(f"select {shown} from (select {names} {ask.sql})", params=list(ask.values))
            read = getattr(found, "to_arrow_reader", None) or found.fetch_record_batch  # its name before DuckDB 1.5
            for batch in read(min(_FETCH, batch_rows)):
                yield pa.Table.from_batches([batch])

    def close(self) -> None:
        self._connection.close()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query of the catalogue."""
        with self._told():
            return list(self._connection.execute(sql).fetchall())

    def _column(self, name: str, declared: str) -> Column:
        shown = self.quoted(name)
        if declared.endswith("[]") and declared[:-2] in _PLAIN:
            return Column(name, pa.list_(_PLAIN[declared[:-2]]), shown, declared)
        if declared in _PLAIN:
            kind = _PLAIN[declared]
            order = f"encode({shown})" if kind == pa.string() else ""
            return Column(name, kind, shown, declared, _cursor(kind), order)
        if declared.startswith("DECIMAL") and declared.endswith(")"):
            precision, scale = (int(one) for one in declared[8:-1].split(","))
            kind = pa.decimal128(precision, scale)
            return Column(name, kind, shown, declared, kind)
        if declared == "BLOB":
            return Column(name, pa.string(), f"lower(hex({shown}))", declared)
        if declared.startswith(_JSON) or declared.endswith("]"):
            return Column(name, pa.string(), f"to_json({shown})::varchar", declared)
        wide = pa.decimal256(39, 0) if declared in ("HUGEINT", "UHUGEINT") else None
        return Column(name, pa.string(), f"{shown}::varchar", declared, pa.string() if declared == "UUID" else wide)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._errors.Error as error:
            raise self._meant(error) from None

    def _meant(self, error: Exception) -> HeadraceError:
        name = type(error).__name__
        if isinstance(error, self._errors.IOException | self._errors.ConnectionException):
            if "lock" in str(error) or "different configuration" in str(error):
                return gone(self._shown, "a database that another process, or this one, holds to write")
            return file_fault(self._shown, f"a file that cannot be read as a database ({name})", "a whole one")
        if isinstance(error, self._errors.FatalException | self._errors.SerializationException):
            return file_fault(self._shown, f"a file that is damaged ({name})", "a whole one")
        if isinstance(
            error, self._errors.CatalogException | self._errors.BinderException | self._errors.ParserException
        ):
            return refused("names", self._shown, name)
        return refused("other", self._shown, name)


def _cursor(kind: pa.DataType) -> pa.DataType | None:
    if pa.types.is_boolean(kind) or pa.types.is_floating(kind):
        return None
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz=kind.tz)
    return pa.int64() if pa.types.is_integer(kind) else kind
