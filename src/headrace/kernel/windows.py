"""Windows over a layout: a few thousand rows at a time, all that is asked about them while they are in the cache."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from headrace.kernel.aggregate import Aggregate
from headrace.kernel.aggregates import catalogue
from headrace.kernel.column import Column
from headrace.kernel.compile import arguments, sweep_of
from headrace.kernel.edges import edges
from headrace.kernel.inputs import Inputs
from headrace.kernel.layout import Layout
from headrace.kernel.memory import empty
from headrace.kernel.results import Results, Sweep
from headrace.kernel.threads import in_threads
from headrace.kernel.typing import Ints
from headrace.kernel.work import Job, Span, Work

IN_CACHE = 131_072
"""Events and rows that are swept together."""
WORDS = 16
"""Words of results that a row collects before they are turned into columns."""


def compute(layout: Layout, jobs: Sequence[Job]) -> list[list[Column]]:
    """Return for each job one column for each of its windows, in the order of the rows that were laid out."""
    sweeps, taken = _sweeps(layout, jobs)
    found: list[list[Column]] = []
    for some in _rounds(sweeps):
        found += _swept(layout, some).columns()
    return [found[at][first : first + len(job.work.spans)] for job, (at, first) in zip(jobs, taken, strict=True)]


def _sweeps(layout: Layout, jobs: Sequence[Job]) -> tuple[list[Sweep], list[tuple[int, int]]]:
    """Return what to sweep, and for each job which of it is its own: place in the list, first window.

    Values that are prepared alike are prepared once; jobs that differ in nothing but their windows share a sweep.
    """
    inputs = Inputs(layout)
    sweeps: dict[Hashable, Sweep] = {}
    taken = []
    for job in jobs:
        work = job.work
        aggregate = catalogue()[work.aggregate]
        source = inputs.source(aggregate, job)
        value, live = inputs.prepared(aggregate, job, source), inputs.live(aggregate, job)
        same = (aggregate.name, tuple(sorted(work.params.items())), work.setting.tobytes(), id(value), id(live))
        sweep = sweeps.setdefault(same, Sweep(aggregate, work, source, value, live))
        taken.append((list(sweeps).index(same), len(sweep.spans)))
        sweep.spans.extend(work.spans)
    return list(sweeps.values()), taken


def _rounds(sweeps: list[Sweep]) -> Iterator[list[Sweep]]:
    """Yield sweeps whose results fit into a few words of each row, and say where these stand."""
    some: list[Sweep] = []
    word = result = 0
    for sweep in sweeps:
        width = len(sweep.spans) * sweep.items
        if some and word + width > WORDS:
            yield some
            some, word, result = [], 0, 0
        sweep.word, sweep.result = word, result
        some.append(sweep)
        word, result = word + width, result + len(sweep.spans)
    if some:
        yield some


def _swept(layout: Layout, sweeps: list[Sweep]) -> Results:
    """Sweep all windows in one pass."""
    spans = [span for sweep in sweeps for span in sweep.spans]
    width = sum(len(sweep.spans) * sweep.items for sweep in sweeps)
    results = Results(sweeps, len(layout.row_order))
    old, new = numbered(spans)
    old_edges, new_edges = np.array(list(old), dtype=np.int64), np.array(list(new), dtype=np.int64)
    calls = []
    for sweep in sweeps:
        given = fixed(sweep, old, new)
        names = arguments(sweep.aggregate.name, layout.late)
        calls.append((sweep, given, sweep_of(sweep.aggregate.name, layout.late), names))

    def part(segments: Ints) -> None:
        for some in _in_cache(segments):
            here = layout.part(some)
            events, asked = slice(some[0, 0], some[-1, 1]), slice(some[0, 2], some[-1, 3])
            size = len(here.moment)
            tails, heads = np.empty((len(old), size), dtype=np.int32), np.empty((len(new), size), dtype=np.int32)
            edges(here.segments, here.time, here.moment, not layout.late, old_edges, new_edges, tails, heads)
            shared: dict[str, Any] = {
                "segments": here.segments,
                "time": here.time,
                "moment": here.moment,
                "rank": here.rank,
                "by_rank": here.by_rank,
                "row_rank": here.row_rank,
                "tails": tails,
                "heads": heads,
                "words": empty((width, size)),
                "counts": np.empty((len(spans), size), dtype=np.int16),
            }
            for sweep, given, call, names in calls:
                given = shared | given
                given |= {"value": sweep.value.events[events], "own_value": sweep.value.rows[asked]}
                given |= {"live": sweep.live.events[events], "own_live": sweep.live.rows[asked]}
                call(*[given[name] for name in names])
            results.put(shared["words"], shared["counts"], here.row_order)

    if len(layout.segments):
        in_threads(part, layout.segments)
    return results


def numbered(spans: Iterable[Span]) -> tuple[dict[tuple[int, int, int], int], dict[int, int]]:
    """Return the numbers of the different old edges of some windows, and of their delays."""
    spans = list(spans)
    old = {edge: at for at, edge in enumerate(dict.fromkeys(span.old_edge for span in spans))}
    return old, {delay: at for at, delay in enumerate(dict.fromkeys(span.delay for span in spans))}


class Asking(Protocol):
    """A sweep as far as no row decides it."""

    aggregate: Aggregate
    work: Work
    spans: list[Span]
    word: int
    result: int

    @property
    def items(self) -> int: ...


def fixed(sweep: Asking, old: Mapping[tuple[int, int, int], int], new: Mapping[int, int]) -> dict[str, Any]:
    """Return the arguments of a compiled sweep that no row decides, by name; edges as they are ``numbered``."""
    return {
        "tail_of": np.array([old[span.old_edge] for span in sweep.spans], dtype=np.int64),
        "head_of": np.array([new[span.delay] for span in sweep.spans], dtype=np.int64),
        "setting": sweep.work.setting,
        "width": sweep.aggregate.words(sweep.work.params),
        "items": sweep.items,
        "table_keys": sweep.aggregate.table_keys,
        "additive": sweep.aggregate.additive,
        "word": sweep.word,
        "result": sweep.result,
    }


def _in_cache(segments: Ints) -> Iterator[Ints]:
    """Yield segments a few thousand events and rows at a time."""
    size = segments[:, 1] - segments[0, 0] + segments[:, 3] - segments[0, 2]
    if size[-1] <= IN_CACHE:
        yield segments
        return
    cuts = np.searchsorted(size, np.arange(IN_CACHE, size[-1], IN_CACHE))
    for some in np.split(segments, np.unique(cuts)):
        if len(some):
            yield some
