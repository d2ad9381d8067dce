"""What sweeps leave: the words of results, turned back into columns of the types that were asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from headrace.kernel import placing
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.column import Column
from headrace.kernel.inputs import Input
from headrace.kernel.typing import Bools, Counts, Ints
from headrace.kernel.work import Span, Work
from headrace.types import LogicalType


@dataclass
class Sweep:
    """Jobs of one aggregate over the same input: their windows are found in one pass."""

    aggregate: Aggregate
    work: Work
    source: Column | None
    value: Input
    live: Input
    spans: list[Span] = field(default_factory=list)
    word: int = 0
    result: int = 0

    @property
    def items(self) -> int:
        return self.aggregate.most(self.work.params)

    @property
    def counted(self) -> bool:
        """Whether its number of items must be kept: for lists, and where any word can be a value."""
        return self.work.result.name == "list" or self.kind == placing.COUNTED

    @property
    def kind(self) -> int:
        """What its words are, see ``placing``."""
        item = self.work.result.item or self.work.result
        if self.aggregate.out != "value":
            return placing.FLOAT if self.aggregate.out == "float" else placing.AS_IS
        if item.name in ("int", "timestamp"):
            return placing.COUNTED
        return placing.ORDERED if item.name == "float" else placing.AS_IS


def columns(sweeps: list[Sweep], words: Ints, counts: Counts, places: Ints) -> list[list[Column]]:
    """Turn the words of results back into columns: for each sweep one for each window; see ``placing.columns``."""
    single = [(sweep, w) for sweep in sweeps if sweep.work.result.name != "list" for w in range(len(sweep.spans))]
    at = np.array([sweep.word + w for sweep, w in single], dtype=np.int64)
    count_at = np.array([sweep.result + w for sweep, w in single], dtype=np.int64)
    kinds = np.array([sweep.kind for sweep, _ in single], dtype=np.int64)
    values, valid, nulls = placing.columns(words, counts, places, at, count_at, kinds)
    scalars = iter(zip(values, valid, nulls, strict=True))
    found: list[list[Column]] = []
    for sweep in sweeps:
        found.append([])
        for w in range(len(sweep.spans)):
            if sweep.work.result.name == "list":
                found[-1].append(_lists(sweep, w, words, counts, places))
            else:
                value, there, missing = next(scalars)
                found[-1].append(_decoded(sweep, sweep.work.result, value, there if missing else None))
    return found


def _decoded(sweep: Sweep, item: LogicalType, words: Ints, valid: Bools | None) -> Column:
    """Return a column of the type of an item from the words of results."""
    source = sweep.source
    dictionary = source.dictionary if source is not None and item.name == "str" else None
    if sweep.aggregate.out == "position":
        assert source is not None
        taken = source.take(words if valid is None else np.where(valid, words, -1))
        return Column(item, taken.values, taken.valid, dictionary)
    if item.name == "float":
        return Column(item, words.view(np.float64), valid, None)
    if item.name == "bool":
        return Column(item, words.astype(np.bool_), valid, None)
    return Column(item, words, valid, dictionary)


def _lists(sweep: Sweep, window: int, words: Ints, counts: Counts, places: Ints) -> Column:
    item = sweep.work.result.item
    assert item is not None
    first, items = sweep.word + window * sweep.items, sweep.items
    lengths = counts[places, sweep.result + window]
    inside = np.arange(items)[None, :] < lengths[:, None]
    flat = np.where(inside, words[places, first : first + items], 0).ravel()
    column = _decoded(
        sweep, item, placing.from_ordered_bits(flat) if sweep.kind == placing.ORDERED else flat, inside.ravel()
    )
    there = lengths > 0
    lists = column.values.reshape(len(places), items)
    return Column(sweep.work.result, lists, None if there.all() else there, column.dictionary, lengths.astype(np.int64))
