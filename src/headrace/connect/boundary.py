"""How far an origin was read: the last value of its cursor, and the rows there, which come again when it is read on.

A cursor need not be unique, and rows may be committed late: so a reading begins at the last value, or an overlap before
it, and passes over the rows that it had. Two rows that are alike in everything are two rows.
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

from headrace.contracts import plain_rows
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
        place: of the declaration, for faults.
        overlap: as declared.
        last: value of the cursor; None before the first row.
        rows: pairs of cursor and digest.
        columns: of which the digests are; under another contract a row has others, and is the same row.
    """

    def __init__(
        self,
        place: str,
        overlap: str | int | None,
        last: Any = None,
        rows: Sequence[tuple[Any, str]] = (),
        columns: Sequence[str] = (),
    ) -> None:
        self.last = last
        self._place, self._overlap = place, overlap
        self._rows, self._columns = list(rows), list(columns)
        self._old, self._old_columns = self._rows, self._columns
        self._known = Counter[str]()

    @property
    def start(self) -> Any:
        """From where on the origin is to be read; None for all of it."""
        return None if self.last is None else self._before(self.last)

    def begin(self) -> None:
        """Make ready to read from ``start``: what is remembered is to come again."""
        self._old, self._old_columns = self._left(), self._columns
        self._known = Counter(digest for _, digest in self._old)
        self._rows = []

    def news(self, rows: pa.Table | pa.StringArray, cursor: pa.Array) -> pa.Table | pa.StringArray:
        """Return those of some rows that were not read before, and remember what is at the end."""
        fresh = np.ones(len(cursor), np.bool_)
        if self._known and self.last is not None:
            old = _places(pc.less_equal(cursor, pa.scalar(self.last, cursor.type)))
            for row, digest in zip(old.tolist(), digests(rows, old, self._old_columns), strict=True):
                if self._known[digest] > 0:
                    self._known[digest] -= 1
                    fresh[row] = False
        self._remember(rows, cursor)
        return rows if fresh.all() else rows.filter(pa.array(fresh))

    @property
    def vanished(self) -> int:
        """How many of the rows that were to come again did not, if none of them did; else 0."""
        missing = self._known.total()
        return missing if missing == len(self._old) else 0

    def text(self) -> str:
        """Return all of it as JSON."""
        last = None if self.last is None else _said(self.last)
        rows = [[_said(value), digest] for value, digest in self._left()]
        return json.dumps({"last": last, "columns": self._columns, "rows": rows})

    @classmethod
    def read(cls, text: str, place: str, overlap: str | int | None) -> Boundary:
        """Return what ``text`` gave, or where to begin."""
        if not text:
            return cls(place, overlap)
        said = {"last": None, "rows": [], "columns": [], **json.loads(text)}
        last = None if said["last"] is None else _value(said["last"])
        rows = [(_value(value), digest) for value, digest in said["rows"]]
        return cls(place, overlap, last, rows, said["columns"])

    def _left(self) -> list[tuple[Any, str]]:
        """What was read, and what was remembered before and may still come again."""
        left, kept = self._known.copy(), list(self._rows)
        start = None if self.last is None else self._before(self.last)
        for value, digest in self._old if self._old_columns == self._columns else ():
            if left[digest] > 0 and value >= start:
                left[digest] -= 1
                kept.append((value, digest))
        return kept

    def _remember(self, rows: pa.Table | pa.StringArray, cursor: pa.Array) -> None:
        if not len(cursor):
            return
        highest = pc.max(cursor).as_py()
        self.last = highest if self.last is None else max(self.last, highest)
        start = self._before(self.last)
        self._rows = [(value, digest) for value, digest in self._rows if value >= start]
        self._columns = rows.column_names if isinstance(rows, pa.Table) else []
        end = _places(pc.greater_equal(cursor, pa.scalar(start, cursor.type)))
        values = cursor.take(pa.array(end)).to_pylist()
        self._rows += zip(values, digests(rows, end, self._columns), strict=True)
        if len(self._rows) > MOST:
            found = f"more than {MOST:,} rows from {start} on, the last value of the cursor{self._less()}"
            cure = "take a cursor that tells rows apart better, or a shorter overlap"
            raise HeadraceError(Fault("HR-SOURCE-025", self._place, found, "few rows that come again", cure))

    def _less(self) -> str:
        return "" if self._overlap is None else f" less {self._overlap}"

    def _before(self, value: Any) -> Any:
        match self._overlap, value:
            case None, _:
                return value
            case int(), int() | decimal.Decimal():
                return value - self._overlap
            case str(), datetime.datetime():
                return value - datetime.timedelta(microseconds=duration_us(self._overlap))
            case str(), datetime.date():
                return value - datetime.timedelta(days=-(-duration_us(self._overlap) // duration_us("1d")))
        found = f"overlap={self._overlap!r} of a cursor of {_kind(value)}"
        cure = "a number for a cursor that is one, a duration for times and dates, none for text"
        raise HeadraceError(Fault("HR-SOURCE-026", self._place, found, "an overlap that can be taken from it", cure))


def _places(mask: pa.BooleanArray) -> npt.NDArray[np.int64]:
    return np.flatnonzero(mask.to_numpy(zero_copy_only=False))


def digests(
    rows: pa.Table | pa.StringArray, places: npt.NDArray[np.int64], columns: Sequence[str] = ()
) -> Sequence[str]:
    """Return digests of the rows at some places, of some of their columns or all."""
    chosen = rows.take(pa.array(places, pa.int64()))
    if isinstance(chosen, pa.Table):
        same = columns and set(columns) <= set(chosen.column_names)
        texts = [json.dumps(row) for row in plain_rows(chosen.select(columns) if same else chosen)]
    else:
        texts = chosen.to_pylist()
    return [hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest() for text in texts]


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
