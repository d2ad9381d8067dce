"""Where a decision can change as one thing moves: the edges between stretches on which nothing that decides changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headrace.serve.why.through import Ints
from headrace.serve.why.trial import Trial
from headrace.serve.why.varied import Vary

MOST = 40_000
"""Rows that are tried for the edges of all that varies."""
_DIGITS = range(1, 9)


@dataclass(frozen=True)
class Option:
    """A value that something could have had: the nearest of a stretch.

    Args:
        vary: what.
        value: as the kernel holds it.
        distance: from what it is.
        decision: that it leads to.
        until: the last value of the stretch that was seen.
    """

    vary: Vary
    value: Any
    distance: float
    decision: int
    until: Any = None


@dataclass
class _Line:
    """The values of one thing that were tried, in order, and what became of them."""

    vary: Vary
    places: Ints
    marks: Ints = field(default_factory=lambda: np.zeros((0, 0), np.int64))

    def middles(self) -> Ints:
        """Between which neighbours something changed, and what lies halfway."""
        other = (self.marks[1:] != self.marks[:-1]).any(axis=1) & (np.diff(self.places) > 1)
        middle: Ints = (self.places[1:] + self.places[:-1])[other] // 2
        return middle

    def take(self, places: Ints, marks: Ints) -> None:
        order = np.argsort(np.concatenate([self.places, places]), kind="stable")
        self.places = np.concatenate([self.places, places])[order]
        self.marks = (np.concatenate([self.marks, marks]) if len(self.marks) else marks)[order]

    def options(self) -> list[Option]:
        """The first value of each stretch on the way up, and on the way down."""
        begin = int(np.searchsorted(self.places, place(self.vary, self.vary.now)))
        ways = (range(begin, len(self.places)), range(begin, -1, -1))
        return [one for way in ways for one in self._along(list(way))]

    def _along(self, way: list[int]) -> list[Option]:
        marks = self.marks[way]
        starts = np.flatnonzero((marks[1:] != marks[:-1]).any(axis=1)) + 1
        ends = [*(starts[1:] - 1), len(way) - 1]
        found = []
        for start, end in zip(starts.tolist(), ends, strict=False):
            value, until = (value_at(self.vary, int(self.places[way[at]])) for at in (start, int(end)))
            found.append(Option(self.vary, value, self.vary.distance(value), int(marks[start, 0]), until))
        return found


def options(trial: Trial, varied: Sequence[Vary]) -> tuple[dict[str, list[Option]], bool]:
    """Return the values of each thing that could make a difference, by itself, and whether all edges were found.

    Neighbouring values of a grid between which something changed are halved until nothing lies between them. So every
    edge is found where what the model and the rules ask for moves one way as the thing moves between two values of the
    grid.

    Args:
        trial: tries rows.
        varied: what can change.
    """
    found: dict[str, list[Option]] = {}
    for vary in varied:
        if not vary.ordered:
            values = [value for value in vary.grid if value != vary.now]
            decisions = trial.of([{vary.name: value} for value in values]).decisions.tolist() if values else []
            found[vary.name] = [
                Option(vary, value, vary.distance(value), decision)
                for value, decision in zip(values, decisions, strict=True)
            ]
    lines = [_begun(vary) for vary in varied if vary.ordered]
    waiting = [line.places for line in lines]
    for line in lines:
        line.places = line.places[:0]
    room = MOST
    while any(len(one) for one in waiting):
        room -= sum(len(one) for one in waiting)
        if room < 0:
            break
        _try(trial, lines, waiting)
        waiting = [line.middles() for line in lines]
    found |= {line.vary.name: line.options() for line in lines if len(line.marks)}
    return {vary.name: found.get(vary.name, []) for vary in varied}, room >= 0


def _begun(vary: Vary) -> _Line:
    return _Line(vary, np.unique(np.array([place(vary, one) for one in vary.grid], np.int64)))


def _try(trial: Trial, lines: Sequence[_Line], waiting: Sequence[Ints]) -> None:
    changes = [
        {line.vary.name: value_at(line.vary, int(one))}
        for line, places in zip(lines, waiting, strict=True)
        for one in places
    ]
    marks, at = trial.of(changes).marks, 0
    for line, places in zip(lines, waiting, strict=True):
        line.take(places, marks[at : at + len(places)])
        at += len(places)


def place(vary: Vary, value: Any) -> int:
    """Return the place of a value on the line of all values: whole ones are their own, floats count float32 numbers."""
    if vary.kind.name != "float":
        return int(value)
    bits = int(np.float32(value).view(np.int32))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFF)


def value_at(vary: Vary, at: int) -> Any:
    """Undo ``place``; what it is now is itself."""
    if vary.now is not None and place(vary, vary.now) == at:
        return vary.now
    if vary.kind.name != "float":
        return at
    bits = at if at >= 0 else (-at) | -(2**31)
    return float(np.int32(bits).view(np.float32))


def shorter(option: Option) -> list[Any]:
    """Return values of an option's stretch with few digits, the shortest first, and the option's own last.

    Nobody asks for 37.290000915527344 where 37.3 does as well; what is more than a hundredth farther away does not.
    """
    vary, value = option.vary, option.value
    if vary.kind.name != "float" or not vary.ordered:
        return [value]
    away = 1 if value > vary.now else -1
    found = []
    for digits in _DIGITS:
        one = float(f"{value:.{digits}g}")
        unit = 10.0 ** (np.floor(np.log10(abs(value))) - digits + 1) if value else 0.0
        one = one if (one - value) * away >= 0 else float(f"{one + away * unit:.{digits}g}")
        if vary.distance(one) <= option.distance * 1.01 and (option.until - one) * away >= 0:
            found.append(one)
    return [*dict.fromkeys(found), value]
