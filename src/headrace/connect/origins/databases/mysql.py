"""MySQL and MariaDB through PyMySQL: rows as they come off the wire, as text, in one consistent snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from headrace.connect.formats.library import needed
from headrace.connect.origins.address import Address
from headrace.connect.origins.databases.link import Ask, Bound, Column
from headrace.connect.origins.databases.refused import of_mysql, refused
from headrace.errors import HeadraceError

_BEGIN = (
    "set session transaction isolation level repeatable read",
    "set session time_zone = '+00:00'",
    "set session net_write_timeout = 3600",
    "set session lock_wait_timeout = 60",
    "start transaction with consistent snapshot, read only",
)
_FETCH = 20_000
"""Rows that are turned from Python's objects into Arrow at a time."""
_BINARY = 63
"""The character set of what is bytes."""
_UNSIGNED, _LONG = 32, 8


class _Kind(NamedTuple):
    """How a type of the wire is read."""

    name: str
    kind: pa.DataType
    select: str = "{}"
    cursor: pa.DataType | None = None


_TEXT = _Kind("text", pa.string(), "{}", pa.string())
_HEX = _Kind("binary", pa.string(), "lower(hex({}))")
_INT = _Kind("int", pa.int64(), "{}", pa.int64())
_DECIMAL = _Kind("decimal", pa.string(), "{}", pa.decimal256(76, 30))
_DAY = _Kind("date", pa.date32(), "{}", pa.date32())
_KINDS = {
    0: _DECIMAL, 1: _INT, 2: _INT, 3: _INT, 8: _INT, 9: _INT, 13: _INT, 246: _DECIMAL,
    # The text of a FLOAT has six digits: the double of the same value has them all.
    4: _Kind("float", pa.float32(), "{} + 0e0"), 5: _Kind("double", pa.float64()),
    7: _Kind("timestamp", pa.timestamp("us", tz="UTC"), "concat({}, 'Z')", pa.timestamp("us", tz="UTC")),
    12: _Kind("datetime", pa.timestamp("us"), "{}", pa.timestamp("us")),
    10: _DAY, 14: _DAY, 16: _Kind("bit", pa.uint64(), "{} + 0"), 245: _Kind("json", pa.string()),
    255: _Kind("geometry", pa.string(), "st_astext({})"),
}  # fmt: skip
"""Types by their number in the protocol (field types of MySQL's client library); all others are text or bytes."""
_STRINGS = (15, 249, 250, 251, 252, 253, 254)


class MysqlLink:
    """A connection to MySQL or MariaDB in a transaction that only reads."""

    def __init__(self, address: Address, shown: str) -> None:
        self._driver = needed("pymysql", shown, "databases")
        self._cursors = needed("pymysql.cursors", shown, "databases")
        self._shown, self._errors = shown, (self._driver.Error, OSError, RuntimeError)
        encoders = needed("pymysql.converters", shown, "databases").encoders
        with self._told():
            self._connection = self._driver.connect(
                host=address.host or "localhost", port=address.port or 3306, user=address.user or None,
                password=address.password, database=address.path.strip("/") or None, charset="utf8mb4",
                connect_timeout=10, read_timeout=3600, write_timeout=60, conv=dict(encoders), autocommit=True,
                unix_socket=address.params.get("unix_socket"), ssl=_tls(address),
            )  # fmt: skip
            with self._connection.cursor() as cursor:
                for statement in _BEGIN:
                    cursor.execute(statement)

    def quoted(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def columns(self, source: str) -> list[Column]:
        with self._told(), self._connection.cursor() as cursor:
            cursor.execute(f"select * from {source} limit 0")
            return [self._column(field) for field in cursor._result.fields]

    def bound(self, column: Column, value: Any) -> Bound:
        if hasattr(value, "isoformat"):
            return Bound("%s", (value.isoformat(*(() if column.declared == "date" else (" ",)))[:26],))
        return Bound("%s", (value,))

    def rows(self, columns: Sequence[Column], ask: Ask, batch_rows: int) -> Iterator[pa.Table]:
        sql = f"select {', '.join(one.select for one in columns)} {ask.sql}"
        if ask.values:
            # The driver formats with %: only its own mark is one. What is asked for ends in it, so the last is its.
            before, _, behind = sql.rpartition("%s")
            sql = f"{before.replace('%', '%%')}%s{behind.replace('%', '%%')}"
        done, cursor = False, self._connection.cursor(self._cursors.SSCursor)
        try:
            with self._told():
                cursor.execute(sql, ask.values or None)
                while parts := cursor.fetchmany(min(_FETCH, batch_rows)):
                    yield _table(columns, parts)
                done = True
                cursor.close()
        finally:
            if not done:  # the driver would read all rows that are left, to be able to ask again
                if cursor._result is not None:
                    cursor._result.unbuffered_active = False
                self.close()

    def close(self) -> None:
        self._connection._force_close()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query of the catalogue, as text."""
        with self._told(), self._connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def _column(self, field: Any) -> Column:
        strings = _HEX if field.charsetnr == _BINARY else _TEXT
        kind = strings if field.type_code in _STRINGS else _KINDS.get(field.type_code, _TEXT._replace(cursor=None))
        told = pa.uint64() if field.type_code == _LONG and field.flags & _UNSIGNED else kind.kind
        name = self.quoted(field.name)
        order = f"cast(convert({name} using utf8mb4) as binary)" if kind.cursor == pa.string() else ""
        return Column(field.name, told, kind.select.format(name), kind.name, kind.cursor, order)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise self._meant(error) from None

    def _meant(self, error: Exception) -> HeadraceError:
        number = error.args[0] if error.args else None
        if isinstance(error, self._driver.Error) and isinstance(number, int) and number:
            return of_mysql(self._shown, number)
        if isinstance(error, RuntimeError):  # a way to log in that needs another library
            return refused("login", self._shown, "a method of authentication that its driver lacks")
        return refused("away", self._shown)


def _tls(address: Address) -> dict[str, str] | None:
    """How the connection is kept secret: ``?ssl_ca=FILE`` checks the server by it, ``?ssl=true`` by the system's."""
    if ca := address.params.get("ssl_ca"):
        return {"ca": ca}
    return {"check_hostname": "true"} if address.params.get("ssl") == "true" else None


def _table(columns: Sequence[Column], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    arrays = [_typed(one, values) for one, values in zip(columns, zip(*rows, strict=True), strict=True)]
    return pa.table(arrays, names=[one.name for one in columns])


def _typed(column: Column, values: tuple[Any, ...]) -> pa.Array:
    """Numbers are numbers; times stay text, since MySQL has days such as 0000-00-00, which a contract tells of."""
    text = pa.array(values, pa.string())
    if pa.types.is_floating(column.kind):
        return pc.cast(pc.cast(text, pa.float64()), column.kind, safe=False)
    return pc.cast(text, column.kind) if pa.types.is_integer(column.kind) else text
