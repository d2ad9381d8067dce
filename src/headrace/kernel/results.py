"""What sweeps leave: the words of results, taken into columns of the types and in the order that were asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from headrace.kernel import placing
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.column import Column
from headrace.kernel.inputs import Input
from headrace.kernel.memory import empty
from headrace.kernel.threads import in_ranges
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
    def listed(self) -> bool:
        return self.work.result.name == "list"

    @property
    def kind(self) -> int:
        return kind_of(self.aggregate, self.work.result)


def kind_of(aggregate: Aggregate, result: LogicalType) -> int:
    """Return what the words of a result are, see ``placing``."""
    item = result.item or result
    if aggregate.out != "value":
        return placing.FLOAT if aggregate.out == "float" else placing.AS_IS
    if item.name in ("int", "timestamp"):
        return placing.COUNTED
    return placing.ORDERED if item.name == "float" else placing.AS_IS


class Results:
    """Columns in the order of the input, into which threads put the words that they have swept.

    Args:
        sweeps: that are swept together, each with the places of its words and results.
        rows: how many rows the input has.
    """

    def __init__(self, sweeps: list[Sweep], rows: int) -> None:
        self._sweeps = sweeps
        single = [(sweep, w) for sweep in sweeps if not sweep.listed for w in range(len(sweep.spans))]
        self._at = np.array([(sweep.word + w, sweep.result + w) for sweep, w in single], dtype=np.int64).reshape(-1, 2)
        self._kinds = np.array([sweep.kind for sweep, _ in single], dtype=np.int64)
        self._values = empty((len(single), rows))
        self._valid = empty((len(single), rows), np.bool_)
        in_ranges(lambda start, stop: self._valid[:, start:stop].fill(True), rows)
        listed = [sweep for sweep in sweeps if sweep.listed]
        self._items = [empty((rows, len(sweep.spans), sweep.items)) for sweep in listed]
        self._lengths = [np.empty((rows, len(sweep.spans)), dtype=np.int64) for sweep in listed]

    def put(self, words: Ints, counts: Counts, order: Ints) -> None:
        """Take what was swept: words and numbers of items […, rows], and which rows of the input these are."""
        placing.scatter(words, counts, order, self._at, self._kinds, self._values, self._valid)
        listed = (sweep for sweep in self._sweeps if sweep.listed)
        for sweep, held, lengths in zip(listed, self._items, self._lengths, strict=True):
            windows = len(sweep.spans)
            some = words[sweep.word : sweep.word + windows * sweep.items]
            held[order] = some.reshape(windows, sweep.items, len(order)).transpose(2, 0, 1)
            lengths[order] = counts[sweep.result : sweep.result + windows].T

    def columns(self) -> list[list[Column]]:
        """Return for each sweep one column for each window."""
        scalars = zip(self._values, self._valid, strict=True)
        listed = zip(self._items, self._lengths, strict=True)
        found: list[list[Column]] = []
        for sweep in self._sweeps:
            if sweep.listed:
                items, lengths = next(listed)
                out, kind, result = sweep.aggregate.out, sweep.kind, sweep.work.result
                windows = range(len(sweep.spans))
                found.append([lists(out, sweep.source, result, kind, items[:, w], lengths[:, w]) for w in windows])
            else:
                found.append([_scalar(sweep, *next(scalars)) for _ in sweep.spans])
        return found


def _scalar(sweep: Sweep, words: Ints, valid: Bools) -> Column:
    return decoded(sweep.aggregate.out, sweep.source, sweep.work.result, words, None if valid.all() else valid)


def decoded(out: str, source: Column | None, item: LogicalType, words: Ints, valid: Bools | None) -> Column:
    """Return a column of the type of an item from the words of results.

    Args:
        out: what the words are, see ``Aggregate``.
        source: the values that were aggregated.
        item: the type.
        words, valid: of the results.
    """
    dictionary = source.dictionary if source is not None and item.name == "str" else None
    if out == "position":
        assert source is not None
        taken = source.take(words if valid is None else np.where(valid, words, -1))
        return Column(item, taken.values, taken.valid, dictionary)
    if item.name == "float":
        return Column(item, words.view(np.float64), valid, None)
    if item.name == "bool":
        return Column(item, words.astype(np.bool_), valid, None)
    return Column(item, words, valid, dictionary)


def lists(out: str, source: Column | None, result: LogicalType, kind: int, words: Ints, lengths: Ints) -> Column:
    """Return a column of lists from words [rows, most items] and how many items each row has; else as ``decoded``."""
    item = result.item
    assert item is not None
    inside = np.arange(words.shape[1])[None, :] < lengths[:, None]
    flat = np.where(inside, words, 0).ravel()
    if kind == placing.ORDERED:
        flat = placing.from_ordered_bits(flat)
    column = decoded(out, source, item, flat, inside.ravel())
    there = lengths > 0
    values = column.values.reshape(inside.shape)
    return Column(result, values, None if there.all() else there, column.dictionary, lengths)
