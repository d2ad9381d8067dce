"""How far an origin was read: the last value of its cursor, and the rows there, which come again when it is read on.

A cursor need not be unique, and rows may be committed late: so a reading begins at the last value, or an overlap before
it, and passes over the rows that it had. Two rows that are alike in everything are two rows.

A row whose cursor is not there, or of another kind, has no place in that order: what delivers it does so each time. All
such rows are remembered, so that each goes through the contract once, and again only when it has changed.
"""

from __future__ import annotations

import datetime
import decimal
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.contracts import plain_values, read_column, readable
from headrace.declare import Contract, Field
from headrace.declare.origins import Origin
from headrace.errors import Fault, HeadraceError
from headrace.types import duration_us

MOST = 200_000
"""Rows that are remembered at most."""
_KINDS: dict[str, Any] = {
    "int": int,
    "decimal": decimal.Decimal,
    "time": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "text": str,
}


class Boundary:
    """The last value of a cursor and the rows from the overlap before it on.

    Args:
        contract: by which rows are read.
        origin: as declared.
        last: value of the cursor; None before the first row.
        rows: pairs of cursor and digest.
        columns: of which the digests are; under another contract a row has others, and is the same row.
        astray: digests of the rows without a cursor.
        since: from which value of the cursor on rows are remembered; None for all that were read.
    """

    def __init__(
        self,
        contract: type[Contract],
        origin: Origin,
        last: Any = None,
        rows: Sequence[tuple[Any, str]] = (),
        columns: Sequence[str] = (),
        astray: Sequence[str] = (),
        since: Any = None,
    ) -> None:
        self.last = last
        self._since = since
        self.strays = 0
        """Rows without a cursor that this reading found for the first time."""
        self._contract, self._origin = contract, origin
        self._rows, self._columns = list(rows), list(columns)
        self._old, self._old_columns = self._rows, self._columns
        self._known = Counter[str]()
        self._astray, self._expected = list(astray), Counter[str]()

    @property
    def start(self) -> Any:
        """From where on the origin is to be read; None for all of it.

        An overlap that became longer reaches back to where rows are remembered; with a key, by which those before are
        known as well, all of it.
        """
        if self.last is None:
            return None
        return self._since if self.reaches_back and not self._contract.key_fields() else self._before(self.last)

    @property
    def reaches_back(self) -> bool:
        """Whether the overlap begins where rows that were read are no longer remembered, since it became longer."""
        return self.last is not None and self._since is not None and bool(self._before(self.last) < self._since)

    def begin(self) -> None:
        """Make ready to read from ``start``: what is remembered is to come again."""
        self._old, self._old_columns = self._left(), self._columns
        self._known = Counter(digest for _, digest in self._old)
        self._expected, self._astray = Counter(self._all_astray()), []
        self._rows = []

    def news(self, rows: pa.Table | pa.StringArray, cursor: pa.Array) -> pa.Table | pa.StringArray:
        """Return those of some rows that were not read before, and remember what is at the end.

        Args:
            rows: as an origin has them.
            cursor: of each row; null where it has none that could be compared.
        """
        fresh = np.ones(len(cursor), np.bool_)
        astray = _places(cursor.is_null())
        self._compare_with(cursor)
        if self._known:
            old = self._places_before(cursor)
            fresh[old] = _unknown(digests(rows, old, self._contract, self._old_columns), self._known)
        if len(astray):
            fresh[astray] = self._news_astray(rows, astray)
        self._remember(rows, cursor)
        return rows if fresh.all() else rows.filter(pa.array(fresh))

    def end(self) -> None:
        """Forget rows without a cursor that came before and do not come any more, once all are read."""
        self._expected = Counter()

    @property
    def vanished(self) -> int:
        """How many of the rows that were to come again did not, if none of them did; else 0."""
        missing = self._known.total()
        return missing if missing == len(self._old) else 0

    def text(self) -> str:
        """Return all of it as JSON."""
        last = None if self.last is None else _said(self.last)
        rows = [[_said(value), digest] for value, digest in self._left()]
        since = None if self.last is None else _said(self.start)
        said = {"last": last, "since": since, "columns": self._columns, "rows": rows, "astray": self._all_astray()}
        return json.dumps({"cursor": self._origin.cursor, **said})

    @classmethod
    def read(cls, contract: type[Contract], text: str, origin: Origin) -> Boundary:
        """Return what ``text`` gave, or where to begin: also where it is of another cursor."""
        if not is_of(text, origin.cursor):
            return cls(contract, origin)
        said = {"rows": [], "columns": [], "astray": [], "since": None, **json.loads(text)}
        last, since = (None if said[one] is None else _value(said[one]) for one in ("last", "since"))
        rows = [(_value(value), digest) for value, digest in said["rows"]]
        return cls(contract, origin, last, rows, said["columns"], said["astray"], since)

    def _left(self) -> list[tuple[Any, str]]:
        """What was read, and what was remembered before and may still come again."""
        left, kept = self._known.copy(), list(self._rows)
        start = None if self.last is None else self._before(self.last)
        for value, digest in self._old if self._old_columns == self._columns else ():
            if left[digest] > 0 and value >= start:
                left[digest] -= 1
                kept.append((value, digest))
        return kept

    def _all_astray(self) -> list[str]:
        """Rows without a cursor that came, and those that came before and may still come."""
        return [*self._astray, *self._expected.elements()]

    def _news_astray(self, rows: pa.Table | pa.StringArray, places: npt.NDArray[np.int64]) -> list[bool]:
        now = digests(rows, places, self._contract)
        before = digests(rows, places, self._contract, self._old_columns) if self._expected else now
        unknown = _unknown(before, self._expected)
        self._astray += now
        self._columns = _columns_of(rows)
        self.strays += sum(unknown)
        if len(self._astray) > MOST:
            found = f"more than {MOST:,} rows whose cursor is not there, or of another kind than the others"
            cure = "take a cursor that every row has, of the type that the contract says"
            raise HeadraceError(Fault("HR-SOURCE-025", self._origin.place, found, "few rows that come again", cure))
        return unknown

    def _compare_with(self, cursor: pa.Array) -> None:
        """Let go of a last value that cannot be compared with those of now, as its column has another type.

        Rows that come again are still known by their digests, which are of values as the contract reads them.
        """
        if self.last is not None and cursor.null_count < len(cursor) and not _is_like(self.last, cursor.type):
            self.last, self._since, self._rows, self._old = None, None, [], []

    def _places_before(self, cursor: pa.Array) -> npt.NDArray[np.int64]:
        """Where rows may be that were read before: up to the last value, or anywhere if it cannot be compared."""
        if self.last is None:
            return _places(cursor.is_valid())
        return _places(pc.less_equal(cursor, pa.scalar(self.last, cursor.type)))

    def _remember(self, rows: pa.Table | pa.StringArray, cursor: pa.Array) -> None:
        if cursor.null_count == len(cursor):
            return
        highest = pc.max(cursor).as_py()
        self.last = highest if self.last is None else max(self.last, highest)
        start = self._before(self.last)
        self._rows = [(value, digest) for value, digest in self._rows if value >= start]
        self._columns = _columns_of(rows)
        end = _places(pc.greater_equal(cursor, pa.scalar(start, cursor.type)))
        values = cursor.take(pa.array(end)).to_pylist()
        self._rows += zip(values, digests(rows, end, self._contract, self._columns), strict=True)
        if len(self._rows) > MOST:
            found = f"more than {MOST:,} rows from {start} on, the last value of the cursor{self._less()}"
            cure = "take a cursor that tells rows apart better, or a shorter overlap"
            raise HeadraceError(Fault("HR-SOURCE-025", self._origin.place, found, "few rows that come again", cure))

    def _less(self) -> str:
        return "" if self._origin.overlap is None else f" less {self._origin.overlap}"

    def _before(self, value: Any) -> Any:
        overlap = self._origin.overlap
        match overlap, value:
            case None, _:
                return value
            case int(), int() | decimal.Decimal():
                return value - overlap
            case str(), datetime.datetime():
                return value - datetime.timedelta(microseconds=duration_us(overlap))
            case str(), datetime.date():
                return value - datetime.timedelta(days=-(-duration_us(overlap) // duration_us("1d")))
        found = f"overlap={overlap!r} of a cursor of {_kind(value)}"
        cure = "a number for a cursor that is one, a duration for times and dates, none for text"
        raise HeadraceError(
            Fault("HR-SOURCE-026", self._origin.place, found, "an overlap that can be taken from it", cure)
        )


def is_of(position: str, cursor: str | None) -> bool:
    """Return whether a position of an origin says how far it was read by a cursor.

    Example:
        >>> is_of('{"cursor": "id", "last": ["int", "7"]}', "id"), is_of('{"cursor": "id", "last": null}', "changed")
        (True, False)
    """
    return bool(position) and json.loads(position).get("cursor") == cursor


def _places(mask: pa.BooleanArray) -> npt.NDArray[np.int64]:
    return np.flatnonzero(pc.fill_null(mask, False).to_numpy(zero_copy_only=False))


def _columns_of(rows: pa.Table | pa.StringArray) -> list[str]:
    return list(rows.column_names) if isinstance(rows, pa.Table) else []


def _unknown(found: Sequence[str], known: Counter[str]) -> list[bool]:
    """Return which rows are not among those that are known, and take off those that are."""
    left = []
    for digest in found:
        left.append(known[digest] <= 0)
        if known[digest] > 0:
            known[digest] -= 1
    return left


def _is_like(value: Any, kind: pa.DataType) -> bool:
    match value:
        case datetime.datetime():
            return bool(pa.types.is_timestamp(kind) and (kind.tz is None) == (value.tzinfo is None))
        case datetime.date():
            return bool(pa.types.is_date(kind))
        case str():
            return bool(pa.types.is_string(kind))
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def digests(
    rows: pa.Table | pa.StringArray,
    places: npt.NDArray[np.int64],
    contract: type[Contract],
    columns: Sequence[str] = (),
) -> Sequence[str]:
    """Return digests of the rows at some places, of some of their columns or all.

    They are of values as the contract reads them. The type that a column has when it arrives may be another the next
    time: it is altered in the database, SQLite gives it that of all values which are read, pandas floats for whole
    numbers of which one is missing.
    """
    chosen = rows.take(pa.array(places, pa.int64()))
    if isinstance(chosen, pa.Table):
        fields = contract.fields()
        lacking = [name for name in columns if name not in chosen.column_names]
        for name in (one for one in lacking if one in fields and fields[one].may_lack):  # such as one that was dropped
            chosen = chosen.append_column(name, pa.nulls(len(chosen)))
        same = columns and set(columns) <= set(chosen.column_names)
        table = chosen.select(columns) if same else chosen
        read = [
            _alike(fields.get(name), column) for name, column in zip(table.column_names, table.columns, strict=True)
        ]
        texts = [json.dumps(dict(zip(table.column_names, row, strict=True))) for row in zip(*read, strict=True)]
    else:
        texts = chosen.to_pylist()
    return [hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest() for text in texts]


def _alike(field: Field | None, column: pa.ChunkedArray) -> list[Any]:
    """Return the values of a column as a field reads them, numbers without zeros at their end; else as they are."""
    raw = column.combine_chunks()
    values = plain_values(raw)
    if field is None or not readable(field, raw.type):
        return values
    read = plain_values(read_column(field, raw)[0])
    found = [one if value is None else value for one, value in zip(values, read, strict=True)]
    return [_number(one) for one in found] if field.type.numeric else found


def _number(value: Any) -> Any:
    try:
        return value if value is None else str(decimal.Decimal(str(value)).normalize())
    except decimal.InvalidOperation:
        return value


def _kind(value: Any) -> str:
    match value:
        case datetime.datetime():
            return "time"
        case datetime.date():
            return "date"
        case decimal.Decimal():
            return "decimal"
        case int():
            return "int"
    return "text"


def _said(value: Any) -> list[str]:
    return [_kind(value), value.isoformat() if isinstance(value, datetime.date) else str(value)]


def _value(said: Sequence[str]) -> Any:
    return _KINDS[said[0]](said[1])
