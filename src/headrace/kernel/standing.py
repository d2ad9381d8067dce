"""Standing windows: asked again and again, of a few rows at a time, so all that no row decides is made once.

What is computed, and by which compiled sweeps, is the same as in ``windows``; there it is prepared for one long look,
here for many short ones, where preparing would take a hundred times as long as the sweep.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headrace.kernel import placing
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.aggregates import catalogue
from headrace.kernel.column import Column, concat, in_order
from headrace.kernel.compile import arguments, sweep_of
from headrace.kernel.edges import edges
from headrace.kernel.layout import side_by_side
from headrace.kernel.results import decoded, kind_of, lists
from headrace.kernel.typing import Bools, Counts, Ints
from headrace.kernel.windows import fixed, numbered
from headrace.kernel.work import Span, Work

_NOTHING = np.zeros(0, dtype=np.int64)
_NONE: Bools = np.zeros(0, dtype=np.bool_)


@dataclass(frozen=True)
class Question:
    """Work that is wanted of rows that are not there yet.

    Args:
        work: what to compute.
        value: which of the values of events it is done on; None where it takes none.
        where: which of the conditions has to hold; None where there is none.
        own: whether the row itself is included.
    """

    work: Work
    value: int | None
    where: int | None
    own: bool = False


@dataclass(frozen=True)
class Given:
    """What questions are asked about.

    Args:
        starts: [rows + 1] the events of row i, in the total order, are those from ``starts[i]`` up to the next.
        time: [events] microseconds.
        moment: [rows] microseconds.
        values, holds: of the events, by the numbers that questions name.
        own_values, own_holds: of the rows, where a question includes them; else None.
    """

    starts: Ints
    time: Ints
    moment: Ints
    values: Sequence[Column]
    holds: Sequence[Bools]
    own_values: Sequence[Column | None]
    own_holds: Sequence[Bools | None]


@dataclass
class _Source:
    """Values as an aggregate takes them: of which number, whether rows follow, and whether texts are in order."""

    value: int | None
    own: bool
    in_order: bool


@dataclass
class _Sweep:
    """One compiled sweep and the windows that it finds."""

    aggregate: Aggregate
    work: Work
    prepared: int
    live: int
    source: int
    spans: list[Span] = field(default_factory=list)
    word: int = 0
    result: int = 0
    call: Any = None
    fixed: list[Any] = field(default_factory=list)
    holes: list[tuple[int, str]] = field(default_factory=list)

    @property
    def items(self) -> int:
        return self.aggregate.most(self.work.params)


class Standing:
    """Questions made ready.

    Args:
        questions: in the order in which their results are wanted.
    """

    def __init__(self, questions: Sequence[Question]) -> None:
        self._sources: list[_Source] = []
        self._prepared: list[tuple[Any, Ints, int]] = []
        self._lives: list[tuple[int | None, int | None, bool, bool]] = []
        self._sweeps: list[_Sweep] = []
        self._number: dict[Hashable, int] = {}
        self._taken = [self._take(one) for one in questions]
        self._settle()

    def _take(self, question: Question) -> tuple[int, int, int]:
        """Return which sweep answers a question, and from which of its windows to which.

        Questions that differ in nothing but their windows share a sweep.
        """
        work = question.work
        aggregate = catalogue()[work.aggregate]
        setting, params = work.setting.tobytes(), tuple(sorted(work.params.items()))
        source = _place(self._sources, _Source(question.value, question.own, aggregate.out == "value"))
        prepared = self._number.setdefault(("prepared", aggregate.prepare, setting, source), len(self._prepared))
        if prepared == len(self._prepared):
            self._prepared.append((aggregate.prepare, work.setting, source))
        live = _place(self._lives, (question.value, question.where, aggregate.sees_null, question.own))
        same = ("sweep", aggregate.name, params, setting, prepared, live)
        at = self._number.setdefault(same, len(self._sweeps))
        if at == len(self._sweeps):
            self._sweeps.append(_Sweep(aggregate, work, prepared, live, source))
        spans = self._sweeps[at].spans
        spans.extend(work.spans)
        return at, len(spans) - len(work.spans), len(spans)

    def _settle(self) -> None:
        """Give each sweep its place among the words, and its arguments but for what rows decide."""
        spans = [span for sweep in self._sweeps for span in sweep.spans]
        old, new = numbered(spans)
        self._old = np.array(list(old), dtype=np.int64).reshape(-1, 3)
        self._new = np.array(list(new), dtype=np.int64)
        word = result = 0
        for sweep in self._sweeps:
            sweep.word, sweep.result = word, result
            word += len(sweep.spans) * sweep.items
            result += len(sweep.spans)
            given = fixed(sweep, old, new) | dict.fromkeys(("rank", "by_rank", "row_rank"), _NOTHING)
            names = arguments(sweep.aggregate.name, False)
            sweep.call = sweep_of(sweep.aggregate.name, False)
            sweep.fixed = [given.get(name) for name in names]
            sweep.holes = [(at, name) for at, name in enumerate(names) if name not in given]
        self._words, self._results = word, result
        plain = [(s, w) for s in self._sweeps if s.work.result.name != "list" for w in range(len(s.spans))]
        self._plain = {(id(sweep), w): at for at, (sweep, w) in enumerate(plain)}
        self._at = np.array([(s.word + w, s.result + w) for s, w in plain], dtype=np.int64).reshape(-1, 2)
        self._kinds = np.array([kind_of(s.aggregate, s.work.result) for s, _ in plain], dtype=np.int64)

    def answer(self, given: Given) -> list[list[Column]]:
        """Return for each question one column for each of its windows, in the order of the rows."""
        rows, events = len(given.moment), len(given.time)
        segments = side_by_side(given.starts)
        tails, heads = np.empty((len(self._old), rows), dtype=np.int32), np.empty((len(self._new), rows), np.int32)
        edges(segments, given.time, given.moment, True, self._old, self._new, tails, heads)
        sources = [_joined(one, given) for one in self._sources]
        prepared = [
            prepare(sources[at], events + (rows if self._sources[at].own else 0), setting)
            for prepare, setting, at in self._prepared
        ]
        lives = [_alive(one, given) for one in self._lives]
        words = np.empty((self._words, rows), dtype=np.int64)
        counts = np.empty((self._results, rows), dtype=np.int16)
        shared: dict[str, Any] = {
            "segments": segments,
            "time": given.time,
            "moment": given.moment,
            "tails": tails,
            "heads": heads,
            "words": words,
            "counts": counts,
        }
        for sweep in self._sweeps:
            all_of = prepared[sweep.prepared]
            shared["value"], shared["own_value"] = all_of[:events], all_of[events:]
            shared["live"], shared["own_live"] = lives[sweep.live]
            args = sweep.fixed.copy()
            for at, name in sweep.holes:
                args[at] = shared[name]
            sweep.call(*args)
        return self._columns(words, counts, sources)

    def _columns(self, words: Ints, counts: Counts, sources: Sequence[Column | None]) -> list[list[Column]]:
        rows = words.shape[1]
        values = np.empty((len(self._at), rows), dtype=np.int64)
        valid = np.ones((len(self._at), rows), dtype=np.bool_)
        placing.scatter(words, counts, np.arange(rows), self._at, self._kinds, values, valid)
        whole: list[bool] = np.all(valid, axis=1).tolist()
        found = []
        for at, first, last in self._taken:
            sweep, columns = self._sweeps[at], []
            out, source, result = sweep.aggregate.out, sources[sweep.source], sweep.work.result
            for w in range(first, last):
                if (place := self._plain.get((id(sweep), w))) is not None:
                    there = None if whole[place] else valid[place]
                    columns.append(decoded(out, source, result, values[place], there))
                    continue
                begin = sweep.word + w * sweep.items
                items, lengths = words[begin : begin + sweep.items].T, counts[sweep.result + w].astype(np.int64)
                kind = kind_of(sweep.aggregate, result)
                columns.append(lists(out, source, result, kind, np.ascontiguousarray(items), lengths))
            found.append(columns)
        return found


def _place(held: list[Any], one: Any) -> int:
    if one not in held:
        held.append(one)
    return held.index(one)


def _joined(source: _Source, given: Given) -> Column | None:
    """Return the values of events, and behind them those of the rows that are included."""
    if source.value is None:
        return None
    made = given.values[source.value]
    if source.own and (own := given.own_values[source.value]) is not None:
        made = concat(made, own)
    return in_order(made) if source.in_order and made.dictionary is not None else made


def _alive(live: tuple[int | None, int | None, bool, bool], given: Given) -> tuple[Bools, Bools]:
    """Return which events and which rows count; empty for events where all do, for rows where none is included."""
    value, where, sees_null, own = live
    at = None if sees_null else value
    events = _counted(None if at is None else given.values[at], None if where is None else given.holds[where])
    if not own:
        return _NONE if events is None else events, _NONE
    rows = _counted(None if at is None else given.own_values[at], None if where is None else given.own_holds[where])
    every = np.ones(len(given.moment), dtype=np.bool_)
    return _NONE if events is None else events, every if rows is None else rows


def _counted(value: Column | None, holds: Bools | None) -> Bools | None:
    if value is None or value.valid is None:
        return holds
    return value.valid if holds is None else holds & value.valid
