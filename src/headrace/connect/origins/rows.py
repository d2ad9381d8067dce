"""Rows that Python makes: dictionaries, data frames and Arrow, taken as they come, so that they need never end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from headrace.connect.origins.cursors import Cursors, field_of
from headrace.connect.origins.gather import gathered
from headrace.connect.origins.reader import Batch, Place, away
from headrace.connect.origins.shape import Shape, at
from headrace.contracts import check_columns
from headrace.contracts.frames import NOT_HELD, columns_of, frame_kind, held
from headrace.declare.base import own_line
from headrace.declare.origins import Rows
from headrace.errors import Fault, HeadraceError


class RowsReader:
    """Reads what a function makes; with a cursor its rows come in order, and those that do not are refused."""

    def __init__(self, origin: Rows, place: Place) -> None:
        self.ordered = origin.cursor is not None
        self._origin, self._place = origin, place
        self._path = (origin.cursor or "").split(".")
        self._shape = Shape(place.contract, other=_plain)
        self._made: Iterator[Any] = iter(())

    def columns(self) -> None:
        """Return None: what comes is known only when it comes."""

    def batches(self, since: Any, batch_rows: int) -> Iterator[Batch]:
        """Yield the rows that the function makes, from the value ``since`` of the cursor on.

        Dictionaries become texts of JSON, frames stay columns of their own types.
        """
        cursors = None
        if self._origin.cursor is not None:
            cursors = Cursors(field_of(self._origin.cursor, self._place.contract.fields().values()), since)
        last = None
        for batch in self._batches(cursors, since, batch_rows):
            if batch.cursor is not None:
                last = self._in_order(batch.cursor.drop_null(), last)
            yield batch

    def keys(self, batch_rows: int) -> Iterator[pa.Table]:
        """Yield nothing: a function is not asked which rows are gone."""
        yield from ()

    def close(self) -> None:
        """Let a generator end, so that its own ``finally`` runs."""
        getattr(self._made, "close", _nothing)()

    def _batches(self, cursors: Cursors | None, since: Any, batch_rows: int) -> Iterator[Batch]:
        """Gather rows that come one by one; a frame is a batch by itself, or several."""
        frames: list[Any] = []
        items = self._items(since)
        more = True

        def rows() -> Iterator[tuple[str, Any]]:
            nonlocal more
            for item in items:
                if not isinstance(item, Mapping):
                    frames.append(item)
                    return
                yield self._text(item), at(item, self._path)
            more = False

        while more:
            yield from gathered(rows(), cursors, batch_rows)
            while frames:
                yield from self._cut(frames.pop(), cursors, batch_rows)

    def _items(self, since: Any) -> Iterator[Any]:
        """Yield dictionaries and frames, whatever they come in."""
        with self._told():
            made = self._origin.make(*([] if self._origin.cursor is None else [since]))
        if _is_rows(made):
            yield made
            return
        self._made = self._each(made)
        for several in self._made:
            for one in (several,) if _is_rows(several) else self._each(several):
                if not _is_rows(one):
                    raise HeadraceError(self._no_rows(one))
                yield one

    def _each(self, several: Any) -> Iterator[Any]:
        if isinstance(several, str | bytes) or not isinstance(several, Iterable):
            raise HeadraceError(self._no_rows(several))
        given = iter(several)
        try:
            while True:
                with self._told():
                    one = next(given, self)
                if one is self:
                    return
                yield one
        finally:
            with self._told():
                getattr(given, "close", _nothing)()

    def _text(self, item: Mapping[str, Any]) -> str:
        try:
            return self._shape.text(item)
        except TypeError as error:
            found = f"a value of type {error.args[0]} in a row of {self._place.name}"
            expected, cure = "numbers, texts, times, lists, dictionaries", "bring it to one of these in the function"
            raise HeadraceError(Fault("HR-SOURCE-052", self._origin.place, found, expected, cure)) from error

    def _cut(self, frame: Any, cursors: Cursors | None, batch_rows: int) -> Iterator[Batch]:
        table = self._table(frame)
        check_columns(self._place.contract, table.schema, self._origin.place)
        names = [name for name in self._place.contract.fields() if name in table.column_names]
        for start in range(0, table.num_rows, batch_rows):
            part = table.slice(start, batch_rows)
            if cursors is None:
                yield Batch(part.select(names))
                continue
            values = [cursors.value(one) for one in self._cursor(part)]
            kept = [not cursors.is_past(one) for one in values]
            new = [one for one, keep in zip(values, kept, strict=True) if keep]
            if new:
                yield Batch(part.select(names).filter(pa.array(kept)), cursors.array(new))

    def _cursor(self, table: pa.Table) -> list[Any]:
        name = self._origin.cursor or ""
        found = next((one for one in (name, name.replace(".", "_")) if one in table.column_names), None)
        if found is None:
            cure = "add it, or name another one with cursor="
            what = f"a frame without the cursor {name}"
            raise HeadraceError(Fault("HR-SOURCE-053", self._origin.place, what, "the cursor in each frame", cure))
        column = table[found]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
        values: list[Any] = column.to_pylist()
        return values

    def _table(self, frame: Any) -> pa.Table:
        """Return a frame as a table, in which what is nested is a column of its own, as in a document."""
        names, arrays = [], []
        for name, column in columns_of(frame) or ():
            try:
                arrays.append(held(column))
            except NOT_HELD as error:
                what = f"the column {name!r} of a frame, whose values are of several types"
                cure = f"df[{name!r}] = df[{name!r}].astype(…)"
                raise HeadraceError(Fault("HR-SOURCE-052", self._origin.place, what, "one type", cure)) from error
            names.append(name)
        table = pa.Table.from_arrays(arrays, names=names)
        while nested := [one for one in table.schema if self._is_nested(one)]:
            table = _opened_up(table, nested[0].name)
        return table

    def _is_nested(self, column: pa.Field) -> bool:
        return pa.types.is_struct(column.type) and column.name not in self._place.contract.fields()

    def _in_order(self, values: pa.Array, last: Any) -> Any:
        """See to it that rows come in order: else one that was left out by an interruption would never be read."""
        for value in values.to_pylist():
            if last is not None and value < last:
                cure = f"sort by {self._origin.cursor} in the function, or take cursor= away"
                found = f"rows of {self._place.name} that are not in the order of {self._origin.cursor}"
                raise HeadraceError(Fault("HR-SOURCE-053", self._origin.place, found, "the oldest first", cure))
            last = value
        return last

    def _no_rows(self, made: Any) -> Fault:
        found = f"{self._origin.address.removeprefix('python:')} made {frame_kind(made).removeprefix('builtins.')}"
        cure = "return or yield dictionaries or frames (a forgotten return gives None)"
        if frame_kind(made) == "polars.LazyFrame":
            cure = "return frame.collect()"
        return Fault("HR-SOURCE-051", self._origin.place, found, "dictionaries, data frames, tables of Arrow", cure)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what the user's code raises at their own line; what it prints goes to stderr, not among results."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        except HeadraceError:
            raise
        except (ConnectionError, TimeoutError) as error:
            what, cure = f"no answer ({type(error).__name__}, raised by the function)", "run again"
            raise away(self._origin.address, what, cure) from error
        except (Exception, SystemExit) as error:
            # Not what it says: that may be of a row, or of a secret.
            place = own_line(error, self._place.folder) or self._origin.place
            found = f"{type(error).__name__} in {self._origin.address.removeprefix('python:')}"
            cure = "mend the function: call it in Python to see all; what it made before is not lost"
            raise HeadraceError(Fault("HR-SOURCE-050", place, found, "rows", cure)) from error


def _is_rows(made: Any) -> bool:
    return isinstance(made, Mapping) or columns_of(made) is not None


def _nothing() -> None:
    pass


def _opened_up(table: pa.Table, name: str) -> pa.Table:
    at = table.column_names.index(name)
    column = table.column(at).combine_chunks()
    table = table.remove_column(at)
    for field, values in zip(column.type, column.flatten(), strict=True):
        table = table.append_column(f"{name}_{field.name}", values)
    return table


def _plain(value: Any) -> Any:
    """Return a scalar or an array of NumPy as Python has it, pandas' NA as null."""
    kind = type(value)
    if kind.__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    if kind.__name__ == "NAType":
        return None
    raise TypeError(frame_kind(value).removeprefix("builtins."))
