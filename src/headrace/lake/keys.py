"""Rows found by their keys: files and row groups that cannot hold one are passed over, the rest is looked up."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pat

from headrace.errors import Fault, HeadraceError
from headrace.lake.bounds import comparable, of_group, without_calendar
from headrace.lake.within import leaf

Positions = npt.NDArray[np.int64]


class Keys:
    """Keys, each of one value or several, and where they are in rows; null is a value like any other.

    Args:
        name: of the table, for faults.
        rows: of which the columns are the key, with the types of the table.

    Raises:
        HeadraceError: HR-LAKE-020 for columns whose values cannot be looked up.
    """

    def __init__(self, name: str, rows: pa.Table) -> None:
        if nested := [one.name for one in rows.schema if pat.is_nested(one.type)]:
            found, cure = f"{nested[0]} of {name} as a key, which holds many values", "name columns of single values"
            raise HeadraceError(Fault("HR-LAKE-020", "", found, "numbers, texts, times", cure))
        self._values = {column: _distinct(rows[column]) for column in rows.column_names}
        self._steps: list[pa.Array] = []
        self._sorted = {column: _sorted(values) for column, values in self._values.items()}
        for place, column in enumerate(rows.column_names):
            codes = self._codes(rows, column, None if place == 0 else found)
            self._steps.append(_distinct(codes))
            found = pc.index_in(codes, self._steps[-1])
        self.count = len(self._steps[-1])
        self.first = _first(found, self.count)

    @property
    def columns(self) -> list[str]:
        """The columns of the key."""
        return list(self._values)

    def find(self, rows: pa.Table) -> pa.Array:
        """Return for each row the number of its key, in the order in which they were first seen; null for no key."""
        found = None
        for column, step in zip(self._values, self._steps, strict=True):
            found = pc.index_in(self._codes(rows, column, found), step)
        return pa.chunked_array(found).combine_chunks() if isinstance(found, pa.ChunkedArray) else found

    def may_be_in(self, file: Mapping[str, Any]) -> bool:
        """Whether a file may hold one of the keys, from what the log says of it."""
        return all(self._may_hold(one, file.get(f"min.{one}"), file.get(f"max.{one}")) for one in self._values)

    def places(self, file: pq.ParquetFile, schema: pa.Schema) -> Iterator[tuple[int, int, Positions, Positions]]:
        """Yield row groups that hold keys: number, first row, rows within the group, and number of each one's key."""
        named = file.schema_arrow.names
        if not set(self.columns) <= set(named):  # of before a column came: null in all rows, which is no key to find
            return
        first = 0
        for group in range(file.num_row_groups):
            told = file.metadata.row_group(group)
            if all(self._may_hold(one, *of_group(told.column(leaf(file, one)).statistics)) for one in self._values):
                rows = file.read_row_group(group, columns=self.columns).select(self.columns)
                found = self.find(rows.cast(pa.schema([schema.field(one) for one in self.columns])))
                valid = found.is_valid().to_numpy(zero_copy_only=False)
                if valid.any():
                    yield group, first, np.flatnonzero(valid), found.drop_null().to_numpy().astype(np.int64)
            first += told.num_rows

    def _codes(self, rows: pa.Table, column: str, before: pa.Array | None) -> pa.Array:
        values = self._values[column]
        codes = pc.index_in(rows[column], values).cast(pa.int64())
        # Two numbers in one: both are counts of what is in memory, so that the product is far from the limit.
        return codes if before is None else pc.add(pc.multiply(before.cast(pa.int64()), len(values)), codes)

    def _may_hold(self, column: str, least: object, most: object) -> bool:
        values = self._sorted[column]
        kinds = {type(one) for one in (least, most, *(values or [])[:1])}
        if values is None or kinds not in ({int}, {str}):
            return True
        return bisect_left(values, least) < bisect_right(values, most)


def same_rows(left: pa.Table, right: pa.Table) -> npt.NDArray[np.bool_]:
    """Return for each row of two tables of one length whether it is equal; null and NaN equal themselves."""
    equal = np.ones(left.num_rows, dtype=bool)
    for column in left.column_names:
        equal &= _same(left[column], right[column])
    return equal


def _same(left: pa.ChunkedArray, right: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    if pat.is_nested(left.type):
        kind = without_calendar(left.type)
        pairs = zip(left.cast(kind).to_pylist(), right.cast(kind).to_pylist(), strict=True)
        return np.fromiter((repr(one) == repr(other) for one, other in pairs), bool, len(left))
    equal = pc.fill_null(pc.equal(left, right), False)
    neither = pc.and_(pc.is_null(left, nan_is_null=True), pc.is_null(right, nan_is_null=True))
    if pat.is_floating(left.type):
        neither = pc.and_(neither, pc.equal(pc.is_null(left), pc.is_null(right)))
    return np.asarray(pc.or_(equal, neither).to_numpy())


def positions_of(keys: Sequence[Positions]) -> Positions:
    """Return positions from several parts as one array."""
    return np.concatenate([np.empty(0, np.int64), *keys])


def _distinct(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    found = pc.unique(values)
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _sorted(values: pa.Array) -> list[Any] | None:
    """Values that bounds can be held against, in order; None where null is among them, or they have no such order."""
    found = comparable(values)
    return None if found is None else sorted(found)


def _first(found: pa.Array, count: int) -> Positions:
    """Return for each key the first row that has it."""
    numbers = np.asarray(found.to_numpy())
    first = np.empty(count, np.int64)
    first[numbers[::-1]] = np.arange(len(numbers) - 1, -1, -1)
    return first
