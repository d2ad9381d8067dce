"""Reading a part of a table: files and row groups whose statistics say that they hold none of it are passed over."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace.lake.bounds import of_group


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
        below = self.low is not None and isinstance(most, int) and most < self.low
        above = self.high is not None and isinstance(least, int) and least > self.high
        return not (below or above)

    def groups(self, file: pq.ParquetFile) -> list[int]:
        """Return the row groups of a file that may hold such rows."""
        if self.column not in file.schema_arrow.names:  # it came later: null in all of these rows
            return []
        place = leaf(file, self.column)
        told = [file.metadata.row_group(number).column(place).statistics for number in range(file.num_row_groups)]
        return [number for number, one in enumerate(told) if self.may_hold(*of_group(one))]

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
