"""Reading a part of a table: files and row groups whose statistics say that they hold none of it are passed over."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace.clock import to_us

ROUNDED_US = 1000
"""Other writers of Delta tables, Spark among them, tell times in whole milliseconds."""


@dataclass(frozen=True)
class Within:
    """Rows whose value of a column lies between bounds, which belong to them; rows with null do not.

    Args:
        column: of whole numbers, or of times.
        low: least value; times in microseconds UTC. None for no bound.
        high: greatest value.
    """

    column: str
    low: int | None = None
    high: int | None = None

    def may_hold(self, least: object, most: object) -> bool:
        """Whether there may be such rows where the values have these bounds; what is not known may hold any."""
        first, last = number(least), number(most)
        rounded = ROUNDED_US if isinstance(most, datetime.datetime) else 0
        below = self.low is not None and last is not None and last + rounded < self.low
        above = self.high is not None and first is not None and first > self.high
        return not (below or above)

    def groups(self, file: pq.ParquetFile) -> list[int]:
        """Return the row groups of a file that may hold such rows."""
        if self.column not in file.schema_arrow.names:  # it came later: null in all of these rows
            return []
        place = leaf(file, self.column)
        found = []
        for number in range(file.num_row_groups):
            told: Any = file.metadata.row_group(number).column(place).statistics
            if told is None or not told.has_min_max or self.may_hold(told.min, told.max):
                found.append(number)
        return found

    def rows(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows of a batch that lie between the bounds."""
        values = batch.column(self.column).cast(pa.int64())
        chosen = pc.is_valid(values)
        if self.low is not None:
            chosen = pc.and_(chosen, pc.greater_equal(values, self.low))
        if self.high is not None:
            chosen = pc.and_(chosen, pc.less_equal(values, self.high))
        kept: pa.RecordBatch = batch.filter(chosen)
        return kept


def leaf(file: pq.ParquetFile, column: str) -> int:
    """Return the place of a column of one value among all that a file stores: a struct is stored as several."""
    kept = file.metadata.schema
    return next(place for place in range(len(kept)) if kept.column(place).path == column)


def number(value: object) -> int | None:
    """Return a bound as a number, times as microseconds UTC; None for what is neither."""
    if isinstance(value, datetime.datetime):
        return to_us(value if value.tzinfo is not None else value.replace(tzinfo=datetime.UTC))
    return value if isinstance(value, int) else None
