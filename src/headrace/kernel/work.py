"""What the kernel is asked: an aggregate, its windows, and what it is computed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.kernel.aggregate import Params
from headrace.kernel.column import Column
from headrace.kernel.typing import Bools, Ints
from headrace.types import LogicalType


@dataclass(frozen=True)
class Span:
    """One window: its length in microseconds (None for a lifetime), delay and hop (0 for none)."""

    length: int | None
    delay: int = 0
    hop: int = 0

    @property
    def old_edge(self) -> tuple[int, int, int]:
        return (-1, 0, 0) if self.length is None else (self.length, self.delay, self.hop)


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


@dataclass(frozen=True)
class Job:
    """Work, and what it is done on.

    Args:
        work: what to compute.
        value: [events] the value, in the order in which the events were given; None where there is none.
        holds: [events] whether the condition holds; None where there is none.
        own: the same of the rows themselves, where they are to be included.
    """

    work: Work
    value: Column | None
    holds: Bools | None = None
    own: Own | None = None
