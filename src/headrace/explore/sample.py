"""The sample: rows side by side, for what cannot be told from counts, and how columns hang together in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from headrace.explore.ranks import Floats, Ints, correlation_ratio, cramers_v, pearson, places, ranked
from headrace.explore.rows import ALL, CASES, SEED, Column, Rows
from headrace.explore.spread import repeats

TOGETHER = 12
"""Other columns that are told of a column."""
_LEAST = 30
"""Rows that have both values, below which nothing is said of a pair."""
_MOST = 120
"""Columns that are compared with one another."""


@dataclass(frozen=True)
class Drawn:
    """How large a sample is, and of how many rows; what is told of rows side by side is told of these."""

    rows: int
    of: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"rows": self.rows, "of": self.of, "seed": SEED if self.rows < self.of else None}


@dataclass(frozen=True)
class Sample:
    """Rows of the sample, in order of time where they have one.

    Args:
        drawn: how many there are.
        values: by paths: float64 of numbers, times (microseconds UTC) and lists (lengths), NaN where there is none;
            codes of texts and truths, int64 from 0 in their order, -1 where there is none.
        time_us: int64 microseconds UTC; empty where rows have no time.
        y: the label: float64, or codes of classes; empty where there is none.
    """

    drawn: Drawn
    values: Mapping[str, Floats | Ints]
    time_us: Ints
    y: Floats | Ints

    @cached_property
    def places(self) -> Mapping[str, Ints]:
        """For each column the place of its values among the different ones, -1 where there is none."""
        return {
            path: one.astype(np.int64) if one.dtype == np.int64 else places(one.astype(np.float64))
            for path, one in self.values.items()
        }


@dataclass(frozen=True)
class Pair:
    """How a column hangs together with another one.

    Args:
        name: of the other one.
        measure: ``spearman`` (-1 to 1), ``cramers_v`` or ``correlation_ratio`` (0 to 1).
        value: of it.
        rows: of the sample that have both.
    """

    name: str
    measure: str
    value: float
    rows: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def sample_of(rows: Rows, columns: Sequence[Column]) -> Sample:
    """Return a sample of the rows that have a label, or where there is none of all rows: the same each time."""
    of, count = (CASES, rows.truth.rows) if rows.truth is not None else (ALL, rows.count)
    asked = [f"{one.text if is_category(one) else one.number} as c{at}" for at, one in enumerate(columns)]
    asked += [f"epoch_us({rows.moment}) as time"] if rows.time else []
    asked += [f"_label::{'varchar' if rows.truth.classes else 'double'} as y"] if rows.truth is not None else []
    table = rows.table(f"select {', '.join(asked) or 'null'} from ({rows.sampled(of, len(columns))})")
    order: Any = slice(None)
    time_us: Ints = np.empty(0, np.int64)
    if rows.time:
        time_us = table["time"].fill_null(-(2**62)).to_numpy().astype(np.int64)
        order = np.argsort(time_us, kind="stable")
        time_us = time_us[order]
    values = {
        one.path: (_codes(table[f"c{at}"]) if is_category(one) else _numbers(table[f"c{at}"]))[order]
        for at, one in enumerate(columns)
    }
    y: Floats | Ints = np.empty(0)
    if rows.truth is not None:
        y = (_codes(table["y"]) if rows.truth.classes else _numbers(table["y"]))[order]
    return Sample(Drawn(table.num_rows, count), values, time_us, y)


def is_category(column: Column) -> bool:
    """Return whether values of a column are compared by what they are, and not by their size."""
    return column.kind in ("text", "bool")


def comparable(column: Column) -> bool:
    """Return whether a column can be set beside others at all: not where a value is a whole of its own."""
    return column.kind in ("number", "time", "text", "bool")


def _numbers(column: Any) -> Floats:
    import pyarrow as pa

    values: Floats = column.cast(pa.float64()).to_numpy()
    return values


def _codes(column: Any) -> Ints:
    """Places of values in their order; that of their appearance would hang on the sample."""
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    place = np.empty(len(coded.dictionary) + 1, np.int64)
    place[pc.sort_indices(coded.dictionary).to_numpy()] = np.arange(len(coded.dictionary))
    place[-1] = -1
    codes: Ints = place[coded.indices.fill_null(len(coded.dictionary)).to_numpy()]
    return codes


def together(sample: Sample, column: Column, others: Sequence[Column]) -> tuple[Pair, ...]:
    """Return how a column hangs together with others, the closest first.

    Numbers and times among themselves by the correlation of their ranks (Spearman), categories by Cramér's V, a number
    and a category by the correlation ratio; the latter two are corrected for chance. Rows without either value are
    left out.
    """
    if not comparable(column):
        return ()
    found = []
    for other in [one for one in others if one.path != column.path and comparable(one)][:_MOST]:
        pair = _pair(sample, column, other)
        found += [pair] if pair is not None else []
    return tuple(sorted(found, key=lambda one: (-abs(one.value), one.name))[:TOGETHER])


def _pair(sample: Sample, column: Column, other: Column) -> Pair | None:
    at, beside = sample.places[column.path], sample.places[other.path]
    both = (at >= 0) & (beside >= 0)
    rows, named, counted = int(both.sum()), is_category(column), is_category(other)
    at, beside = at[both], beside[both]
    for values, category in ((at, named), (beside, counted)):
        different = int((np.bincount(values) > 0).sum())
        if rows < _LEAST or different < 2 or (category and not repeats(different, rows)):
            return None
    if not named and not counted:
        return Pair(other.name, "spearman", pearson(ranked(at), ranked(beside)), rows)
    if named and counted:
        return Pair(other.name, "cramers_v", cramers_v(at, beside), rows)
    codes, numbers = (at, sample.values[other.path]) if named else (beside, sample.values[column.path])
    return Pair(other.name, "correlation_ratio", correlation_ratio(codes, numbers[both].astype(np.float64)), rows)
