"""PostgreSQL through ADBC: COPY in binary form, straight into Arrow, within one snapshot."""

from __future__ import annotations

import decimal
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa

from headrace.connect.formats.library import needed
from headrace.connect.origins.address import Address
from headrace.connect.origins.databases.link import Ask, Bound, Column
from headrace.connect.origins.databases.refused import of_sqlstate, refused
from headrace.errors import HeadraceError

_PARAMS = {
    "connect_timeout": "10", "application_name": "headrace", "keepalives_idle": "30", "keepalives_interval": "10",
    "keepalives_count": "3", "tcp_user_timeout": "60000", "client_encoding": "utf8",
}  # fmt: skip
"""So that a server that is gone is noticed within a minute or so."""
_BEGIN = (
    "set transaction isolation level repeatable read, read only",
    "set local lock_timeout = '60s'",
    "set local statement_timeout = 0",
    "set local extra_float_digits = 1",
    "set local datestyle = 'ISO, YMD'",
    "set local intervalstyle = 'iso_8601'",
    "set local timezone = 'UTC'",
)
_PLAIN = ("int2", "int4", "int8", "float4", "float8", "bool", "text", "varchar", "bpchar", "name", "date",
          "timestamp", "timestamptz", "numeric")  # fmt: skip
"""Types that arrive as they are; numeric as text with all its digits."""
_TEXTS = ("text", "varchar", "bpchar")
_WHOLE = ("int2", "int4", "int8")
_LISTS = tuple(f"_{one}" for one in _PLAIN if one not in ("bpchar", "name", "numeric"))
"""Arrays arrive as JSON: the binary form tells the driver no dimensions, and a matrix would become one long list."""
_BYTES = """replace(to_json(({})::text[])::text, '"\\\\x', '"')"""
_CASTS = {"bytea": "encode({}, 'hex')", "money": "({})::numeric", "oid": "({})::int8"}
_CURSORS = {
    "int2": pa.int64(), "int4": pa.int64(), "int8": pa.int64(), "oid": pa.int64(), "date": pa.date32(),
    "timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", tz="UTC"), "text": pa.string(),
    "varchar": pa.string(), "bpchar": pa.string(), "uuid": pa.string(),
}  # fmt: skip
_FETCH_BYTES = 32 << 20
_STATE = re.compile(r"SQLSTATE: ([0-9A-Z]{5})")
_SAID = (
    (re.compile(r"authentication failed|no password supplied|no pg_hba\.conf entry|role .* does not exist"), "login"),
    (re.compile(r"database .* does not exist"), "database"),
    (re.compile(r"permission denied"), "rights"),
)
"""What libpq says before there is an SQLSTATE; all else that happens then is a server that cannot be reached."""
_LOST = re.compile(
    r"server closed|connection.*(terminat|reset|closed|timed out|not open|lost|abort)|terminat.*connection"
    r"|could not (receive|send)|SSL|no connection|EOF detected|shutting down",
    re.IGNORECASE,
)


class PostgresLink:
    """A connection to PostgreSQL in a transaction that only reads."""

    def __init__(self, address: Address, shown: str) -> None:
        driver = needed("adbc_driver_postgresql.dbapi", shown, "databases")
        self._shown, self._errors = shown, (driver.Error, OSError, pa.ArrowException)
        with self._told(connecting=True):
            self._connection = driver.connect(address.url(_PARAMS))
        with self._told():
            self._cursor = self._connection.cursor()
            for statement in _BEGIN:
                self._cursor.execute(statement)

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def columns(self, source: str) -> list[Column]:
        with self._told():
            schema = self._cursor.adbc_execute_schema(f"select * from {source}")
        return [self._column(field) for field in schema]

    def bound(self, column: Column, value: Any) -> Bound:
        """COPY takes no parameters: the value is bound to a setting of the transaction, which the query reads."""
        if isinstance(value, decimal.Decimal) and column.declared in _WHOLE:
            value = math.floor(value)  # the column was altered: whole numbers from there on
        text = value.isoformat() if hasattr(value, "isoformat") else str(value)
        with self._told():
            self._cursor.execute("select set_config('headrace.since', $1, true)", (text,))
            self._cursor.fetchall()
        return Bound(f"current_setting('headrace.since')::{column.declared.partition('(')[0]}")

    def rows(self, columns: Sequence[Column], ask: Ask, batch_rows: int) -> Iterator[pa.Table]:
        names = [one.name for one in columns]
        with self._told():
            self._cursor.adbc_statement.set_options(
                **{"adbc.postgresql.batch_size_hint_bytes": str(_FETCH_BYTES), "adbc.postgresql.use_copy": "true"}
            )
            # Numbered, since "order by" takes what is selected under a name before the column that has it.
            shown = ", ".join(f"{one.select} as column_{at}" for at, one in enumerate(columns))
            self._cursor.execute(f"select {shown} {ask.sql}")
            reader = self._cursor.fetch_record_batch()
        with self._told():
            for batch in reader:
                yield pa.table([_bare(one) for one in batch.columns], names=names)

    def close(self) -> None:
        with suppress(*self._errors):
            self._cursor.close()
        with suppress(*self._errors):
            self._connection.close()

    def query(self, sql: str) -> pa.Table:
        """Return the rows of a query of the catalogue."""
        with self._told():
            self._cursor.execute(sql)
            table = self._cursor.fetch_arrow_table()
        return pa.table([pa.chunked_array([_bare(part) for part in one.chunks], _plain(one.type))
                         for one in table.columns], names=table.column_names)  # fmt: skip

    def _column(self, field: pa.Field) -> Column:
        declared = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
        name, kind = self.quoted(field.name), _plain(field.type)
        if declared == "numeric":
            return Column(field.name, pa.string(), name, declared, pa.decimal256(76, _scale(field)))
        if declared in _LISTS:
            return Column(field.name, pa.string(), f"to_json({name})::text", declared)
        if declared in _PLAIN:
            order = f'{name} collate "C"' if declared in _TEXTS else ""
            return Column(field.name, kind, name, declared, _CURSORS.get(declared), order)
        if declared in _CASTS:
            kind = pa.int64() if declared == "oid" else pa.string()
            return Column(field.name, kind, _CASTS[declared].format(name), declared, _CURSORS.get(declared))
        if declared == "_bytea":
            return Column(field.name, pa.string(), _BYTES.format(name), declared)
        if declared.startswith("_"):
            return Column(field.name, pa.string(), f"to_json(({name})::text[])::text", declared)
        return Column(field.name, pa.string(), f"({name})::text", declared, _CURSORS.get(declared))

    @contextmanager
    def _told(self, *, connecting: bool = False) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise self._meant(error, connecting) from None

    def _meant(self, error: Exception, connecting: bool) -> HeadraceError:
        said = str(error)
        state = getattr(error, "sqlstate", None) or next(iter(_STATE.findall(said)), None)
        if state:
            return of_sqlstate(self._shown, state)
        if connecting:
            return refused(next((kind for form, kind in _SAID if form.search(said)), "away"), self._shown)
        return refused("away" if _LOST.search(said) else "other", self._shown)


def _scale(field: pa.Field) -> int:
    """Digits behind the point: as declared, else as many as leave room for a serial number before it."""
    mod = int((field.metadata or {}).get(b"POSTGRESQL:typmod", b"-1"))
    return (mod - 4) & 0x7FF if mod >= 4 else 30


def _plain(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    return pa.list_(_plain(kind.value_type)) if pa.types.is_list(kind) else kind


def _bare(values: pa.Array) -> pa.Array:
    return values.storage if isinstance(values, pa.ExtensionArray) else values
