"""Windows over a layout: prepare the values of an aggregate once, then sweep each window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from headrace.kernel.aggregate import Aggregate, Params, from_ordered_bits
from headrace.kernel.aggregates import catalogue
from headrace.kernel.column import Column, concat
from headrace.kernel.compile import sweep_of
from headrace.kernel.edges import edges
from headrace.kernel.layout import Layout, in_threads
from headrace.kernel.typing import Bools, Counts, Ints
from headrace.types import LogicalType

ROWS_IN_CACHE = 16_384


@dataclass(frozen=True)
class Span:
    """One window: its length in microseconds (None for a lifetime), delay and hop (0 for none)."""

    length: int | None
    delay: int = 0
    hop: int = 0


@dataclass(frozen=True)
class Own:
    """The row's own value and whether its condition holds, where the row itself is to be included."""

    value: Column | None
    holds: Bools


@dataclass(frozen=True)
class Work:
    """An aggregate of one value under one condition, and the windows over which it is wanted."""

    aggregate: str
    setting: Ints
    params: Params
    result: LogicalType
    spans: Sequence[Span]


def compute(layout: Layout, work: Work, value: Column | None, holds: Bools | None, own: Own | None) -> list[Column]:
    """Return one column for each window of the work, in the order of the rows that were laid out.

    Args:
        layout: order of events and rows.
        work: what to compute.
        value: [events] the value, in the order in which the events were given; None where there is none.
        holds: [events] whether the condition holds; None where there is none.
        own: the same of the rows themselves, where they are to be included.
    """
    aggregate = catalogue()[work.aggregate]
    events, rows = len(layout.event_order), len(layout.row_order)
    everything = value if own is None or value is None or own.value is None else concat(value, own.value)
    prepared = aggregate.prepare(everything, events + (rows if own else 0), work.setting)
    counted = _live(aggregate, value, holds)
    live = _EVERY if counted is None else counted[layout.event_order]
    values = prepared[:events][layout.event_order]
    own_value, own_live = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
    if own is not None:
        own_value = prepared[events:][layout.row_order]
        own_counted = _live(aggregate, own.value, own.holds)
        assert own_counted is not None
        own_live = own_counted[layout.row_order]
    out, counts = _swept(layout, aggregate, work, values, live, own_value, own_live)
    items = aggregate.most(work.params)
    return [
        _decoded(aggregate, work.result, out[:, w * items : (w + 1) * items], counts[:, w], everything)
        for w in range(len(work.spans))
    ]


def _live(aggregate: Aggregate, value: Column | None, holds: Bools | None) -> Bools | None:
    """Return which events count; None where all do."""
    if value is None or value.valid is None or aggregate.sees_null:
        return holds
    return value.valid if holds is None else holds & value.valid


_EVERY: Bools = np.zeros(0, dtype=np.bool_)


def _swept(
    layout: Layout, aggregate: Aggregate, work: Work, values: Ints, live: Bools, own_value: Ints, own_live: Bools
) -> tuple[Ints, Counts]:
    """Sweep all windows in one pass; the results of a row lie side by side, where the row stood in the input."""
    rows, items = len(layout.row_order), aggregate.most(work.params)
    out = np.empty((rows, len(work.spans) * items), dtype=np.int64)
    counts = np.empty((rows, len(work.spans)), dtype=np.int16)
    lengths = [-1 if span.length is None else span.length for span in work.spans]
    spans = np.array([(length, s.delay, s.hop) for length, s in zip(lengths, work.spans, strict=True)], dtype=np.int64)
    sweep = sweep_of(aggregate.name)

    def part(segments: Ints) -> None:
        for some in _in_cache(segments):
            tails, heads = np.empty((2, some[-1, 3] - some[0, 2], len(spans)), dtype=np.int32)
            edges(some, layout.time, layout.moment, spans, tails, heads)
            sweep(
                some,
                layout.time,
                values,
                live,
                layout.rank,
                layout.by_rank,
                layout.moment,
                layout.row_rank,
                layout.row_order,
                own_value,
                own_live,
                tails,
                heads,
                work.setting,
                aggregate.words(work.params),
                items,
                aggregate.table_keys,
                aggregate.additive,
                out,
                counts,
            )

    if len(layout.segments):
        in_threads(part, layout.segments)
    return out, counts


def _in_cache(segments: Ints) -> Iterator[Ints]:
    """Yield segments a few thousand rows at a time, whose edges stay in the cache until they are used."""
    if segments[-1, 3] - segments[0, 2] <= ROWS_IN_CACHE:
        yield segments
        return
    cuts = np.searchsorted(segments[:, 3] - segments[0, 2], np.arange(ROWS_IN_CACHE, segments[-1, 3], ROWS_IN_CACHE))
    for some in np.split(segments, np.unique(cuts)):
        if len(some):
            yield some


def _decoded(aggregate: Aggregate, result: LogicalType, out: Ints, counts: Counts, source: Column | None) -> Column:
    """Turn the words of a result back into values."""
    item = result.item if result.name == "list" else result
    assert item is not None
    there = counts > 0
    inside = np.arange(out.shape[1])[None, :] < counts[:, None]
    flat = out.ravel()
    dictionary = source.dictionary if source is not None and item.name == "str" else None
    if aggregate.out == "position":
        assert source is not None
        taken = source.take(np.where(inside.ravel(), flat, -1))
        column = Column(item, taken.values, taken.valid, dictionary)
    elif aggregate.out == "float":
        floats = flat.view(np.float64)
        inside &= np.isfinite(floats).reshape(inside.shape)
        column = Column(item, floats, inside.ravel(), None)
    elif aggregate.out == "value" and item.name == "float":
        column = Column(item, from_ordered_bits(flat), inside.ravel(), None)
    elif aggregate.out == "value" and item.name == "bool":
        column = Column(item, flat.astype(np.bool_), inside.ravel(), None)
    else:
        column = Column(item, flat, inside.ravel(), dictionary)
    if result.name == "list":
        return Column(
            result,
            column.values.reshape(out.shape),
            None if there.all() else there,
            dictionary,
            counts.astype(np.int64),
        )
    valid = column.mask & there
    return Column(result, column.values, None if valid.all() else valid, dictionary)
