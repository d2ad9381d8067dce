"""Where rows come from that are not files: databases, collections of documents, HTTP, and Python itself."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from headrace.declare.base import Declared, type_fault
from headrace.errors import Fault
from headrace.types import duration_us

SECRET = re.compile(r"\$\{(file:)?([^}]*)\}")
"""A value that is taken from the environment, or from a file, at the moment at which it is used."""


@dataclass(frozen=True, repr=False)
class Origin(Declared):
    """What databases, collections, APIs and generators have in common: how a run tells what is new.

    Without a ``cursor`` all rows are read each time: those of a stream that are there by their key are passed over, and
    a table becomes what was read. With one, only rows from the last value on are read.
    """

    schemes: ClassVar[tuple[str, ...]] = ()
    """Of the addresses that are read like this."""
    cursor: str | None = field(default=None, kw_only=True)
    overlap: str | int | None = field(default=None, kw_only=True)
    may_be_empty: bool = field(default=False, kw_only=True)

    @property
    def address(self) -> str:
        """What is shown of where it is: without user, password and parameters."""
        return ""

    def __repr__(self) -> str:
        return f"{self._kind}({self.address})"

    def _look(self) -> list[Fault]:
        return [*self._address_faults(), *self._cursor_faults()]

    def _address_faults(self) -> list[Fault]:
        return []

    def _cursor_faults(self) -> list[Fault]:
        faults = [
            type_fault(self.place, f"{name} of {self._kind}", value, "text")
            for name, value in self._texts().items()
            if value is not None and not isinstance(value, str)
        ]
        if self.overlap is not None and self.cursor is None:
            cure = "name the cursor, or take overlap= away: without one all rows are read each time"
            faults.append(Fault("HR-ORIGIN-003", self.place, "overlap= without cursor=", "both, or none", cure))
        elif not isinstance(self.overlap, int | None):
            faults += _overlap_faults(self.overlap, self.place)
        return faults

    def _texts(self) -> dict[str, object]:
        return {"cursor": self.cursor}

    @property
    def _kind(self) -> str:
        return f"hr.{type(self).__name__}"


@dataclass(frozen=True, repr=False)
class _Located(Origin):
    """What is read from an address, which may name secrets but holds none."""

    url: str

    @property
    def address(self) -> str:
        return _bare(self.url)

    def _address_faults(self) -> list[Fault]:
        return _url_faults(self.url, self.place, self._kind, self.schemes)


@dataclass(frozen=True, repr=False)
class Database(_Located):
    """A table or a query of PostgreSQL, MySQL or MariaDB, SQLite or DuckDB.

    Args:
        url: ``postgresql://user:${PASSWORD}@host/database``, ``mysql://…``, ``sqlite:///path`` or ``duckdb:///path``, a
            path being relative to the project's folder. ``${NAME}`` is taken from the environment, ``${file:PATH}``
            from a file, when it is used; a password written out is refused.
        table: to be read, with its schema where it needs one; the name of the stream or table by default.
        query: one SELECT in the database's own SQL, instead of a table.
        cursor: column that only grows, such as a serial number or the time of the last change.
        overlap: how far behind the cursor a run reads again, e.g. ``"5m"``, or a number for a cursor that is one:
            for rows that were committed late. What is there already is passed over.
        deletes: with a cursor, whether to look which keys are gone, for which all keys are read.
        may_be_empty: whether a table that had rows may have none; else that is refused.

    Example:
        >>> Database("postgresql://reader:${BANK}@db.bank/risk", table="public.customers", cursor="updated_at").address
        'postgresql://db.bank/risk'
    """

    schemes: ClassVar[tuple[str, ...]] = ("postgresql", "postgres", "mysql", "mariadb", "sqlite", "duckdb")
    table: str | None = field(default=None, kw_only=True)
    query: str | None = field(default=None, kw_only=True)
    deletes: bool = field(default=False, kw_only=True)

    def _address_faults(self) -> list[Fault]:
        faults = super()._address_faults()
        if self.table is not None and self.query is not None:
            cure = "take table= away, or query="
            faults.append(Fault("HR-ORIGIN-002", self.place, "both table= and query=", "one of them", cure))
        return faults

    def _texts(self) -> dict[str, object]:
        return {"table": self.table, "query": self.query, "cursor": self.cursor}


@dataclass(frozen=True, repr=False)
class Collection(_Located):
    """A collection of MongoDB; nested documents become columns ``outer_inner``, lists stay lists.

    Args:
        url: ``mongodb://user:${PASSWORD}@host/database``; secrets as in ``hr.Database``.
        name: of the collection; the name of the stream or table by default.
        where: a filter of MongoDB, as its extended JSON says it: a time is ``{"$date": "2026-01-31T12:00:00Z"}``, an id
            ``{"$oid": "…"}``.
        cursor, overlap, deletes, may_be_empty: as in ``hr.Database``; of nested fields ``outer.inner``.

    Example:
        >>> Collection("mongodb://localhost:27017/shop", "orders", cursor="_id").address
        'mongodb://localhost:27017/shop'
    """

    schemes: ClassVar[tuple[str, ...]] = ("mongodb", "mongodb+srv")
    name: str | None = None
    where: Mapping[str, Any] = field(default_factory=dict, kw_only=True, hash=False)
    deletes: bool = field(default=False, kw_only=True)

    def _address_faults(self) -> list[Fault]:
        faults = super()._address_faults()
        if not faults and not urlsplit(SECRET.sub("secret", self.url)).path.strip("/"):
            cure = f"write {self.address.rstrip('/')}/NAME, with the name of the database"
            found = f"{self._kind} with an address of no database"
            faults.append(Fault("HR-ORIGIN-011", self.place, found, "mongodb://host/database", cure))
        if not isinstance(self.where, Mapping) or not _is_json(self.where):
            expected = (
                "a filter as JSON says it, such as {'paid': True, 'at': {'$gte': {'$date': '2026-01-01T00:00:00Z'}}}"
            )
            faults.append(type_fault(self.place, f"where of {self._kind}", self.where, expected))
        return faults

    def _texts(self) -> dict[str, object]:
        return {"name": self.name, "cursor": self.cursor}


@dataclass(frozen=True, repr=False)
class Api(_Located):
    """Rows of JSON over HTTP, page by page.

    Args:
        url: of the first page; ``${NAME}`` as in ``hr.Database``.
        rows: where in the answer the list of rows is, e.g. ``"data.items"``; the answer itself by default.
        pages: how the next page is found: ``"link"`` (header ``Link: <…>; rel="next"``), ``"next:PATH"`` (an address at
            a path of the answer, e.g. ``"next:meta.next"``), ``"token:PARAM:PATH"`` (a token at a path of the answer
            that goes into a parameter), ``"page:PARAM"`` (1, 2, 3 … until a page is empty or not there),
            ``"offset:PARAM"`` (rows read so far, until a page is empty), or None for one page.
        params: of the query, beside those of the address; of ``page:`` and ``offset:`` also where counting begins.
        headers: such as ``{"Authorization": "Bearer ${SHOP_TOKEN}"}``; sent to the server of ``url`` and to no other.
        since: parameter that takes the cursor's last value, e.g. ``"updated_since"``; times as
            ``2026-01-31T12:00:00Z``.
        cursor, overlap, may_be_empty: as in ``hr.Database``; of nested fields ``outer.inner``.
        rate: requests at most, e.g. ``"5/s"`` or ``"100/m"``.

    Example:
        >>> Api("https://shop.example/v1/orders", rows="data", pages="page:page", rate="5/s").address
        'https://shop.example/v1/orders'
    """

    schemes: ClassVar[tuple[str, ...]] = ("https", "http")
    rows: str = field(default="", kw_only=True)
    pages: str | None = field(default=None, kw_only=True)
    params: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False)
    headers: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False)
    since: str | None = field(default=None, kw_only=True)
    rate: str | None = field(default=None, kw_only=True)

    def _address_faults(self) -> list[Fault]:
        faults = super()._address_faults()
        for name in ("params", "headers"):
            given = getattr(self, name)
            if not isinstance(given, Mapping) or not all(isinstance(one, str) for one in (*given, *given.values())):
                faults.append(type_fault(self.place, f"{name} of {self._kind}", given, "names and values as text"))
        faults += [] if faults else [*_written_out(self), *_open_to_all(self)]
        if isinstance(self.pages, str) and not PAGES.fullmatch(self.pages):
            expected = "'link', 'next:PATH', 'token:PARAM:PATH', 'page:PARAM' or 'offset:PARAM'"
            cure = "say how the next page is found, such as pages='page:page'"
            faults.append(Fault("HR-ORIGIN-004", self.place, f"pages={self.pages!r}", expected, cure))
        if isinstance(self.rate, str) and not RATE.fullmatch(self.rate):
            cure = "write rate='5/s'"
            faults.append(Fault("HR-ORIGIN-005", self.place, f"rate={self.rate!r}", "a number per s, m or h", cure))
        return faults

    def _texts(self) -> dict[str, object]:
        names = ("rows", "pages", "since", "rate", "cursor")
        return {name: getattr(self, name) for name in names}


def _is_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _written_out(api: Api) -> Iterator[Fault]:
    for kind, given in (("header", api.headers), ("parameter", api.params)):
        for name in (one for one, value in given.items() if HELD_SECRET.search(one) and not SECRET.search(value)):
            found = f"the {kind} {name} written out"
            cure = f"write {{{name!r}: '…${{NAME}}'}}, and set NAME in the environment"
            yield Fault("HR-ORIGIN-006", api.place, found, "no secret in a declaration", cure)


def _open_to_all(api: Api) -> Iterator[Fault]:
    parts = urlsplit(SECRET.sub("secret", api.url))
    secret = any(SECRET.search(one) for one in (api.url, *api.params.values())) or bool(api.headers)
    if parts.scheme == "http" and secret and not is_loopback(parts.hostname or ""):
        found = "secrets or headers that would be sent without encryption"
        yield Fault("HR-ORIGIN-012", api.place, found, "https://", f"write https://{parts.hostname}…")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine itself.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("shop.example")
        (True, False)
    """
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127(\.\d{1,3}){3}", host))


HELD_SECRET = re.compile(r"^(proxy-)?authorization$|^cookie$|api[-_]?key|secret|passw|token$", re.IGNORECASE)
"""Names of headers and parameters whose value lets somebody in."""
PAGES = re.compile(r"link|next:[^:]+|token:[^:]+:[^:]+|(page|offset):[^:]+")
RATE = re.compile(r"[1-9]\d*/[smh]")


@dataclass(frozen=True, repr=False)
class Rows(Origin):
    """Rows that a function of Python makes: dictionaries, Arrow batches or data frames.

    Args:
        make: called by each run, without arguments or, with a cursor, with its last value (None at first). It returns
            or yields dictionaries, Arrow tables or batches, pandas or Polars frames.
        cursor, overlap, may_be_empty: as in ``hr.Database``; rows come in the order of the cursor.

    Example:
        >>> Rows(lambda: [{"id": 1}]).address
        'python:<lambda>'
    """

    make: Callable[..., Iterable[Any]]

    @property
    def address(self) -> str:
        return f"python:{getattr(self.make, '__name__', type(self.make).__name__)}"

    def _address_faults(self) -> list[Fault]:
        if callable(self.make):
            return _call_faults(self)
        return [type_fault(self.place, "make of hr.Rows", self.make, "a function that returns or yields rows")]


def _call_faults(rows: Rows) -> list[Fault]:
    given = [] if rows.cursor is None else [None]
    try:
        inspect.signature(rows.make).bind(*given)
    except ValueError:  # of a function that does not tell what it takes
        return []
    except TypeError:
        takes = "the last value of the cursor" if given else "no argument"
        cure = "write def make(since): …" if given else "write def make(): …, or name the cursor that it takes"
        found = f"{rows.address.removeprefix('python:')}{inspect.signature(rows.make)}"
        return [Fault("HR-ORIGIN-013", rows.place, found, f"a function that can be called with {takes}", cure)]
    return []


class Held:
    """Rows that are there already, such as a data frame; called, it gives them."""

    def __init__(self, rows: Any) -> None:
        self.__name__, self._rows = type(rows).__name__, rows

    def __call__(self) -> Any:
        return self._rows


def origin_of(source: object) -> object:
    """Return the origin that an address, a function, a data frame or a list stands for; anything else as it is.

    Example:
        >>> origin_of("sqlite:///shop.db").address, origin_of("data/*.csv")
        ('sqlite:///shop.db', 'data/*.csv')
    """
    if isinstance(source, str) and "://" in source:
        for kind in (Database, Collection, Api):
            if source.partition("://")[0] in kind.schemes:
                return kind(source)
    if isinstance(source, list | tuple) or hasattr(source, "__arrow_c_stream__"):
        return Rows(Held(source))
    return Rows(source) if callable(source) and not isinstance(source, type) else source


def _bare(url: str) -> str:
    if not isinstance(url, str):
        return ""
    parts = urlsplit(SECRET.sub("secret", url))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _url_faults(url: object, place: str, kind: str, schemes: tuple[str, ...]) -> list[Fault]:
    if not isinstance(url, str):
        return [type_fault(place, f"url of {kind}", url, "an address as text")]
    scheme = url.partition("://")[0]
    if "://" not in url or scheme not in schemes:
        cure = f"write {schemes[0]}://…"
        return [Fault("HR-ORIGIN-001", place, f"{kind} with an address of {scheme!r}", ", ".join(schemes), cure)]
    user = urlsplit(SECRET.sub("", url)).netloc.rpartition("@")[0]
    if user.partition(":")[2]:
        cure = f"write {scheme}://{user.partition(':')[0]}:${{NAME}}@…, and set NAME in the environment"
        return [
            Fault("HR-ORIGIN-006", place, f"a password in the address of {kind}", "no secret in a declaration", cure)
        ]
    return []


def _overlap_faults(overlap: str, place: str) -> list[Fault]:
    try:
        duration_us(overlap)
    except (TypeError, ValueError) as error:
        expected = "a number, or a duration such as '5m'"
        return [Fault("HR-ORIGIN-003", place, f"overlap: {error}", expected, "write overlap='5m'")]
    return []
