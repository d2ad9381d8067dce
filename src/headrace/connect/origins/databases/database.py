"""The reader of all SQL databases: what is asked for, in which order, and from where on."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.clock import DAY_US
from headrace.connect.origins.address import Address, opened
from headrace.connect.origins.databases.link import Ask, Column, Link
from headrace.connect.origins.reader import Batch, Place
from headrace.declare import Database
from headrace.errors import Fault, HeadraceError, nearest

_PART = re.compile(r'"((?:[^"]|"")+)"|([^."]+)')
_ROWS = "headrace_rows"
"""What a query is called where it stands in the place of a table."""
_DAYS = (datetime.date.min - datetime.date(1970, 1, 1)).days, (datetime.date.max - datetime.date(1970, 1, 1)).days + 1
_ENDS = ((pa.types.is_date32, _DAYS), (pa.types.is_timestamp, (_DAYS[0] * DAY_US, _DAYS[1] * DAY_US)))
"""From which number of a day, or a microsecond, to which one a time is of the calendar."""
_OTHER = "name a serial number or the time of the last change, or take cursor= away: then all rows are read"


class DatabaseReader:
    """Rows of a table or a query, through a link to its database; all that one reader reads is of one moment."""

    def __init__(self, link: Link, origin: Database, place: Place) -> None:
        self._link, self._origin, self._place = link, origin, place
        self._known: list[Column] | None = None
        self.ordered = origin.cursor is not None

    def columns(self) -> pa.Schema:
        return pa.schema([(one.name, one.kind) for one in self._columns()])

    def batches(self, since: Any, batch_rows: int) -> Iterator[Batch]:
        fields = self._place.contract.fields()
        wanted = [one for one in self._columns() if one.name in fields]
        cursor = self._cursor()
        if cursor is None:
            for rows in self._read(wanted, Ask(self.source), batch_rows):
                yield Batch(rows)
            return
        self._refuse_nulls(cursor)
        named = [one.name for one in wanted]
        asked = wanted if cursor.name in named else [*wanted, cursor]
        for rows in self._read(asked, self._from(cursor, since), batch_rows):
            yield Batch(rows.select(named), self._moved(rows[cursor.name], cursor))

    def keys(self, batch_rows: int) -> Iterator[pa.Table]:
        keys = self._place.contract.key_fields()
        yield from self._read([one for one in self._columns() if one.name in keys], Ask(self.source), batch_rows)

    def close(self) -> None:
        self._link.close()

    @property
    def source(self) -> str:
        """What is read, as SQL: a table's name, or a query in brackets."""
        if self._origin.query is not None:
            # The bracket has a line of its own: the query may end in a comment.
            return f"({self._origin.query.rstrip().rstrip(';')}\n) as {self._link.quoted(_ROWS)}"
        return table_sql(self._origin.table or self._place.name, self._link.quoted)

    def _columns(self) -> list[Column]:
        if self._known is None:
            self._known = self._link.columns(self.source)
        return self._known

    def _read(self, columns: Sequence[Column], ask: Ask, batch_rows: int) -> Iterator[pa.Table]:
        if not columns:
            return
        for rows in self._link.rows(columns, ask, batch_rows):
            for start in range(0, rows.num_rows, batch_rows):
                yield rows.slice(start, batch_rows)

    def _from(self, cursor: Column, since: Any) -> Ask:
        """The rows from a value on, in an order that is the same each time: by the cursor, then by the key."""
        keys = self._place.contract.key_fields()
        rest = [one.name for one in self._columns() if one.name in keys and one.name != cursor.name]
        by = cursor.order or self._link.quoted(cursor.name)
        ordered = f"order by {', '.join([by, *map(self._link.quoted, rest)])}"
        if since is None:
            return Ask(self.source, order=ordered)
        bound = self._link.bound(cursor, since)
        where = f"where {by} >= {bound.sql}"
        return Ask(self.source, where, ordered, values=bound.values)

    def _cursor(self) -> Column | None:
        name = self._origin.cursor
        if name is None:
            return None
        known = {one.name: one for one in self._columns()}
        if name not in known:
            raise self._fault(f"no column {name} for cursor=", "a column of the table or query", nearest(name, known))
        if known[name].cursor is None:
            found = f"cursor={name!r} of type {known[name].declared or known[name].kind}"
            raise self._fault(found, "whole numbers, decimals, times, dates or text", _OTHER)
        return known[name]

    def _refuse_nulls(self, cursor: Column) -> None:
        """A row without a cursor's value would be read once and never be looked at again."""
        ask = Ask(self.source, f"where {self._link.quoted(cursor.name)} is null", end="limit 1")
        if any(rows.num_rows for rows in self._link.rows([cursor], ask, 1)):
            cure = f"read query='select …, coalesce({cursor.name}, …) as {cursor.name} from …', or take cursor= away"
            raise self._fault(f"rows whose cursor {cursor.name} is null", "a value in each row", cure)

    def _moved(self, values: pa.ChunkedArray, cursor: Column) -> pa.Array:
        """The values of a cursor in the type in which a position is kept."""
        assert cursor.cursor is not None
        whole = pa.concat_arrays(values.chunks) if values.num_chunks != 1 else values.chunk(0)
        wanted = whole.type if pa.types.is_null(cursor.cursor) else cursor.cursor
        if pa.types.is_floating(wanted):
            raise self._fault(f"cursor={cursor.name!r} with floats", "values that are exact", _OTHER)
        try:
            return _of_the_calendar(pc.cast(whole, wanted))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            found = f"a value of the cursor {cursor.name} that is no {wanted}"
            raise self._fault(found, "values that all are of its type", _OTHER) from None

    def _fault(self, found: str, expected: str, cure: str) -> HeadraceError:
        return HeadraceError(Fault("HR-SOURCE-033", self._origin.address, found, expected, cure))


def _of_the_calendar(values: pa.Array) -> pa.Array:
    """Return times with null for infinite ones, and others that no calendar has: they come last in each reading."""
    ends = next((ends for is_kind, ends in _ENDS if is_kind(values.type)), None)
    if ends is None:
        return values
    plain = values.view(pa.int32() if pa.types.is_date32(values.type) else pa.int64())
    there = pc.and_(pc.greater_equal(plain, ends[0]), pc.less(plain, ends[1]))
    return pc.if_else(there, values, pa.scalar(None, values.type))


def table_sql(table: str, quoted: Callable[[str], str]) -> str:
    """Return a table's name as SQL, each of its parts quoted.

    Example:
        >>> table_sql('public."odd.name"', lambda part: f"[{part}]")
        '[public].[odd.name]'
    """
    return ".".join(map(quoted, table_parts(table)))


def table_parts(table: str) -> list[str]:
    """Return the parts of a table's name: its schema, where it says one, and its own name.

    Example:
        >>> table_parts('public."odd.name"')
        ['public', 'odd.name']
    """
    return [inner.replace('""', '"') or plain for inner, plain in _PART.findall(table)]


def table_named(*parts: str) -> str:
    """Return the name of a table as ``Database(table=)`` takes it; a part with a point or a quote is quoted.

    Example:
        >>> table_named("public", "odd.name")
        'public."odd.name"'
    """
    odd = re.compile(r'[."]')
    return ".".join('"' + one.replace('"', '""') + '"' if odd.search(one) else one for one in parts)


def open_database(origin: Database, place: Place) -> DatabaseReader:
    """Return a reader of a table or query; it holds one connection until it is closed.

    Args:
        origin: as declared.
        place: for whom it is read.

    Raises:
        HeadraceError: HR-SOURCE-017 no driver, 021 no secret, 030 login refused, 035 no such file; ``Away`` when the
            server cannot be reached.
    """
    return DatabaseReader(link_to(origin, place), origin, place)


def link_to(origin: Database, place: Place) -> Link:
    """Return the connection of an origin."""
    address = opened(origin.url, place.folder, origin.place)
    return _LINKS[address.scheme](address, origin, place)


def _postgres(address: Address, origin: Database, _: Place) -> Link:
    from headrace.connect.origins.databases.postgres import PostgresLink

    return PostgresLink(address, origin.address)


def _mysql(address: Address, origin: Database, _: Place) -> Link:
    from headrace.connect.origins.databases.mysql import MysqlLink

    return MysqlLink(address, origin.address)


def _sqlite(address: Address, origin: Database, place: Place) -> Link:
    from headrace.connect.origins.databases.sqlite import SqliteLink

    return SqliteLink(address.file(place.folder), origin.address)


def _duckdb(address: Address, origin: Database, place: Place) -> Link:
    from headrace.connect.origins.databases.duck import DuckLink

    return DuckLink(address.file(place.folder), origin.address)


_LINKS: dict[str, Callable[[Address, Database, Place], Link]] = {
    "postgresql": _postgres,
    "postgres": _postgres,
    "mysql": _mysql,
    "mariadb": _mysql,
    "sqlite": _sqlite,
    "duckdb": _duckdb,
}
