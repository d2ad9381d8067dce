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


def columns(sweeps: list[Sweep], words: Ints, counts: Counts) -> list[list[Column]]:
    """Turn the words of results back into columns: for each sweep one for each window."""
    single = [(sweep, w) for sweep in sweeps if sweep.work.result.name != "list" for w in range(len(sweep.spans))]
    at = np.array([sweep.word + w for sweep, w in single], dtype=np.int64)
    count_at = np.array([sweep.result + w for sweep, w in single], dtype=np.int64)
    kinds = np.array([_kind(sweep.aggregate, sweep.work.result) for sweep, _ in single], dtype=np.int64)
    values, valid, nulls = placing.columns(words, counts, at, count_at, kinds)
    found: list[list[Column]] = []
    row = 0
    for sweep in sweeps:
        found.append([])
        for w in range(len(sweep.spans)):
            if sweep.work.result.name == "list":
                first = sweep.word + w * sweep.items
                found[-1].append(_lists(sweep, words[:, first : first + sweep.items], counts[:, sweep.result + w]))
            else:
                found[-1].append(_decoded(sweep, sweep.work.result, values[row], valid[row] if nulls[row] else None))
                row += 1
    return found


def _kind(aggregate: Aggregate, item: LogicalType) -> int:
    if aggregate.out == "float":
        return placing.FLOAT
    return placing.ORDERED if aggregate.out == "value" and item.name == "float" else placing.AS_IS


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


def _lists(sweep: Sweep, words: Ints, counts: Counts) -> Column:
    item = sweep.work.result.item
    assert item is not None
    rows, items = words.shape
    at = np.arange(items, dtype=np.int64)
    inside = (np.arange(items)[None, :] < counts[:, None]).astype(np.int16)
    kinds = np.full(items, _kind(sweep.aggregate, item), dtype=np.int64)
    values, valid, _ = placing.columns(np.ascontiguousarray(words), inside, at, at, kinds)
    column = _decoded(sweep, item, np.ascontiguousarray(values.T).ravel(), valid.T.ravel())
    there = counts > 0
    valid_lists = None if there.all() else there
    lists = column.values.reshape(rows, items)
    return Column(sweep.work.result, lists, valid_lists, column.dictionary, counts.astype(np.int64))
