"""Standing windows: asked again and again, of a few rows at a time, so all that no row decides is made once.

What is computed, and by which sweeps, is the same as in ``windows``; there it is prepared for one long look, here for
many short ones, where preparing would take a hundred times as long as the sweep. So questions become a ``program``,
which one compiled call carries out, and results are plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headrace.kernel import program
from headrace.kernel.aggregate import (
    EXPONENT,
    Aggregate,
    prepare_nothing,
    prepare_number,
    prepare_position,
    prepare_value,
)
from headrace.kernel.aggregates import catalogue
from headrace.kernel.column import Column, all_held, concat, in_order
from headrace.kernel.compile import runner
from headrace.kernel.results import decoded, kind_of, lists
from headrace.kernel.typing import Bools, Counts, Ints
from headrace.kernel.windows import fixed, numbered
from headrace.kernel.work import Span, Work
from headrace.types import LogicalType

_FIRST = 3
"""The line of a matrix from which on values may be null."""
_AS_INTS = ("int", "timestamp", "date", "decimal")


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
class Line:
    """Values that are read where the events lie: a line of the matrix, and their type."""

    at: int
    type: LogicalType


@dataclass(frozen=True)
class Given:
    """What questions are asked about.

    Args:
        starts: [rows + 1] the events of row i, in the total order, are those from ``starts[i]`` up to the next.
        matrix: [3 + columns, events] int64: time in microseconds first, what lines name from the fourth on.
        there: [columns, events] which values are not null; of width 0 where all are there.
        moment: [rows] microseconds.
        value, holds: give the values of events, and which conditions hold of them, by the numbers of questions.
        own_value, own_holds: of the rows, where a question includes them.
    """

    starts: Ints
    matrix: Ints
    there: Bools
    moment: Ints
    value: Callable[[int], Column]
    holds: Callable[[int], Bools]
    own_value: Callable[[int], Column]
    own_holds: Callable[[int], Bools]


@dataclass(frozen=True)
class _Source:
    """Values as an aggregate takes them: of which number, whether rows follow, and whether texts are in order."""

    value: int | None
    own: bool
    in_order: bool


@dataclass(frozen=True)
class _Live:
    """Which events count: those with a value, those of which a condition holds; and whether rows follow."""

    value: int | None
    where: int | None
    own: bool


@dataclass
class _Sweep:
    """One sweep and the windows that it finds; prepared values, conditions and source by their places."""

    aggregate: Aggregate
    work: Work
    prepared: int
    live: int
    source: _Source
    spans: list[Span] = field(default_factory=list)
    word: int = 0
    result: int = 0

    @property
    def items(self) -> int:
        return self.aggregate.most(self.work.params)


class Standing:
    """Questions made ready.

    Args:
        questions: in the order in which their results are wanted.
        lines: of the values that are read where the events lie, by their numbers.
    """

    def __init__(self, questions: Sequence[Question], lines: Sequence[Line | None]) -> None:
        self._lines = lines
        self._number: dict[Hashable, int] = {}
        self._prepared: list[tuple[int, int, int]] = []
        self._given: list[tuple[Callable[..., Ints], Ints, _Source]] = []
        self._lives: list[tuple[int, int]] = []
        self._holds: list[_Live] = []
        self._sweeps: list[_Sweep] = []
        taken = [self._take(one) for one in questions]
        names = tuple(sorted({sweep.aggregate.name for sweep in self._sweeps}))
        known, self._run = runner(names)
        self._results = self._placed()
        self._program = self._written(known)
        self._wanted = [(self._sweeps[at], w) for at, first, last in taken for w in range(first, last)]
        self._plain = [self._read_as(*one) for one in self._wanted]
        self._floats = any(how == "float" for how, _ in self._plain)

    # -- questions become a program

    def _take(self, question: Question) -> tuple[int, int, int]:
        """Return which sweep answers a question, and from which of its windows to which.

        Questions that differ in nothing but their windows share a sweep.
        """
        work = question.work
        aggregate = catalogue()[work.aggregate]
        setting, params = work.setting.tobytes(), tuple(sorted(work.params.items()))
        source = _Source(question.value, question.own, aggregate.out == "value")
        key = ("prepared", aggregate.prepare, setting, source)
        prepared = self._number.setdefault(key, len(self._prepared))
        if prepared == len(self._prepared):
            self._prepared.append(self._how(aggregate, work.setting, source))
        counted = _Live(None if aggregate.sees_null else question.value, question.where, question.own)
        live = self._number.setdefault(("live", counted), len(self._lives))
        if live == len(self._lives):
            self._lives.append(self._counted(counted))
        same = ("sweep", aggregate.name, params, setting, prepared, live)
        at = self._number.setdefault(same, len(self._sweeps))
        if at == len(self._sweeps):
            self._sweeps.append(_Sweep(aggregate, work, prepared, live, source))
        spans = self._sweeps[at].spans
        spans.extend(work.spans)
        return at, len(spans) - len(work.spans), len(spans)

    def _how(self, aggregate: Aggregate, setting: Ints, source: _Source) -> tuple[int, int, int]:
        """Return how values are prepared, of which line, and in which resolution."""
        line = None if source.value is None else self._lines[source.value]
        exponent = int(setting[EXPONENT])
        if not source.own:
            if aggregate.prepare is prepare_nothing or (aggregate.prepare is prepare_number and source.value is None):
                return program.NOTHING, 0, 0
            if aggregate.prepare is prepare_position:
                return program.POSITION, 0, 0
            if line is not None and aggregate.prepare is prepare_number:
                return program.SCALED if line.type.name == "float" else program.WHOLE, line.at, exponent
            if line is not None and aggregate.prepare is prepare_value:
                return program.ORDERED if line.type.name == "float" else program.AS_IS, line.at, 0
        self._given.append((aggregate.prepare, setting, source))
        return program.GIVEN, len(self._given) - 1, 0

    def _counted(self, live: _Live) -> tuple[int, int]:
        """Return how it is known which events count, and where that stands."""
        if live.where is None and not live.own:
            if live.value is None:
                return program.NOTHING, 0
            line = self._lines[live.value]
            if line is not None:
                return (program.NOTHING, 0) if line.at < _FIRST else (program.AS_IS, line.at - _FIRST)
        self._holds.append(live)
        return program.GIVEN, len(self._holds) - 1

    def _placed(self) -> dict[tuple[int, int], int]:
        """Give sweeps their words and results; return the places of results that are one word."""
        word = result = 0
        found: dict[tuple[int, int], int] = {}
        for sweep in self._sweeps:
            sweep.word, sweep.result = word, result
            word += len(sweep.spans) * sweep.items
            result += len(sweep.spans)
            if sweep.work.result.name != "list":
                found |= {(id(sweep), w): len(found) + w for w in range(len(sweep.spans))}
        self._sizes = word, result
        return found

    def _written(self, known: Sequence[str]) -> Ints:
        old, new = numbered(span for sweep in self._sweeps for span in sweep.spans)
        sweeps, places = list[tuple[int, ...]](), list[tuple[int, int]]()
        settings, tails, heads, kinds = list[Ints](), list[int](), list[int](), list[int]()
        for sweep in self._sweeps:
            said = fixed(sweep, old, new)
            begin = len(tails)
            tails += said["tail_of"].tolist()
            heads += said["head_of"].tolist()
            sizes = (said[name] for name in ("width", "items", "table_keys", "additive", "word", "result"))
            code = known.index(sweep.aggregate.name)
            sweeps.append((code, sweep.prepared, sweep.live, int(sweep.source.own), begin, len(tails), *sizes))
            settings.append(sweep.work.setting)
            if sweep.work.result.name != "list":
                places += [(sweep.word + w, sweep.result + w) for w in range(len(sweep.spans))]
                kinds += [kind_of(sweep.aggregate, sweep.work.result)] * len(sweep.spans)
        prepared, lives = self._prepared, self._lives
        return program.program([prepared, lives, sweeps, settings, tails, heads, list(old), list(new), places, kinds])

    def _read_as(self, sweep: _Sweep, w: int) -> tuple[str, int]:
        """Return how a result is read from the words: as ``int`` or ``float`` at a place, or in another way."""
        place = self._results.get((id(sweep), w), -1)
        kind = sweep.work.result.name
        if place >= 0 and sweep.aggregate.out != "position":
            if kind == "float":
                return "float", place
            if kind in _AS_INTS:
                return "int", place
        return "", place

    # -- the program is carried out

    def answer(self, given: Given) -> list[list[Any]]:
        """Return for each window of each question the values of the rows, as the kernel holds them; None for null."""
        events, rows = given.matrix.shape[1], len(given.moment)
        sources: dict[_Source, Column | None] = {}

        def source_of(one: _Source) -> Column | None:
            if one not in sources:
                sources[one] = _joined(one, given)
            return sources[one]

        more = np.empty((len(self._given), events + rows), dtype=np.int64)
        for at, (prepare, setting, source) in enumerate(self._given):
            length = events + (rows if source.own else 0)
            more[at, :length] = prepare(source_of(source), length, setting)
        holds = np.empty((len(self._holds), events + rows), dtype=np.bool_)
        for at, live in enumerate(self._holds):
            _alive(live, given, holds[at])
        values, valid = np.empty((len(self._results), rows), np.int64), np.empty((len(self._results), rows), np.bool_)
        words, counts = np.empty((self._sizes[0], rows), np.int64), np.empty((self._sizes[1], rows), np.int16)
        asked = given.starts, given.matrix, given.there, given.moment
        self._run(self._program, *asked, more, holds, values, valid, words, counts)
        whole = bool(valid.all())
        masks = [] if whole else valid.tolist()
        ints = values.tolist()
        floats = values.view(np.float64).tolist() if self._floats else []
        found = []
        for (how, place), (sweep, w) in zip(self._plain, self._wanted, strict=True):
            if not how:
                found.append(self._otherwise(sweep, w, place, source_of(sweep.source), (values, valid, words, counts)))
                continue
            plain: list[Any] = (floats if how == "float" else ints)[place]
            if not whole and not all(masks[place]):
                plain = [value if there else None for value, there in zip(plain, masks[place], strict=True)]
            found.append(plain)
        return found

    def _otherwise(
        self, sweep: _Sweep, w: int, place: int, source: Column | None, found: tuple[Ints, Bools, Ints, Counts]
    ) -> list[Any]:
        """Return results that are texts, booleans, lists, or the values of chosen events."""
        values, valid, words, counts = found
        out, result = sweep.aggregate.out, sweep.work.result
        if place >= 0:
            return all_held(decoded(out, source, result, values[place], valid[place]))
        begin = sweep.word + w * sweep.items
        items, lengths = words[begin : begin + sweep.items].T, counts[sweep.result + w].astype(np.int64)
        kind = kind_of(sweep.aggregate, result)
        return all_held(lists(out, source, result, kind, np.ascontiguousarray(items), lengths))


def warm(names: Iterable[str]) -> None:
    """Compile what carries out programs of these aggregates, or load it from disk.

    Example:
        >>> warm(["count"])
    """
    _, run = runner(tuple(names))
    ints, bools = np.zeros(2, dtype=np.int64), np.zeros((0, 0), dtype=np.bool_)
    nothing, nowhere = np.zeros((0, 1), np.int64), np.zeros((0, 1), np.int16)
    empty = program.program([[] for _ in range(10)])
    run(empty, ints, np.zeros((3, 0), np.int64), bools, ints[:1], nothing, bools, nothing, bools, nothing, nowhere)


def _joined(source: _Source, given: Given) -> Column | None:
    """Return the values of events, and behind them those of the rows that are included."""
    if source.value is None:
        return None
    made = given.value(source.value)
    if source.own:
        made = concat(made, given.own_value(source.value))
    return in_order(made) if source.in_order and made.dictionary is not None else made


def _alive(live: _Live, given: Given, out: Bools) -> None:
    """Write which events count, and behind them which rows."""
    events = given.matrix.shape[1]
    out[:] = True
    if live.value is not None:
        out[:events] = given.value(live.value).mask
        if live.own:
            out[events:] = given.own_value(live.value).mask
    if live.where is not None:
        out[:events] &= given.holds(live.where)
        if live.own:
            out[events:] &= given.own_holds(live.where)
