"""Thresholds: from which score on a case is acted on, chosen on validation for what can be done or what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.declare.base import Declared, type_fault
from headrace.declare.durations import duration_faults
from headrace.declare.numbers import number_faults
from headrace.declare.sheet import call_of
from headrace.errors import Fault
from headrace.types import duration_us


@dataclass(frozen=True)
class Capacity(Declared):
    """As many of the highest scored cases as can be looked at in a span of time."""

    cases: int
    per: str = "1d"

    def _look(self) -> list[Fault]:
        faults = number_faults(self.place, "cases of capacity", self.cases, int, low=1)
        return faults + duration_faults(self.per, self.place, "per of capacity")

    def __repr__(self) -> str:
        return call_of("capacity", self.cases, per=self.per)

    @property
    def per_us(self) -> int:
        return duration_us(self.per)


@dataclass(frozen=True)
class LowestCost(Declared):
    """The score at which mistakes cost least."""

    false_positive: float | str
    false_negative: float | str

    def _look(self) -> list[Fault]:
        faults = []
        for name, value in (("false_positive", self.false_positive), ("false_negative", self.false_negative)):
            what = f"{name} of lowest_cost"
            if not isinstance(value, str):
                known = isinstance(value, int | float) and not isinstance(value, bool)
                expected = "a number, or a column's name as text"
                faults += (
                    number_faults(self.place, what, value, int | float, low=0)
                    if known
                    else [type_fault(self.place, what, value, expected)]
                )
        return faults

    def __repr__(self) -> str:
        return call_of("lowest_cost", false_positive=self.false_positive, false_negative=self.false_negative)

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns of the training set that say what a mistake costs."""
        return tuple(one for one in (self.false_positive, self.false_negative) if isinstance(one, str))


def capacity(cases: int, per: str = "1d") -> Capacity:
    """Act on as many of the highest scored cases as can be looked at.

    Args:
        cases: how many.
        per: in which time.

    Example:
        >>> capacity(100, per="1d")
        capacity(100, per='1d')
    """
    return Capacity(cases, per)


def lowest_cost(false_positive: float | str, false_negative: float | str) -> LowestCost:
    """Act from the score on at which mistakes cost least.

    Args:
        false_positive: what it costs to act on a case that is none: a number in the charter's currency, or a column of
            the training set that says it for each case.
        false_negative: what it costs to miss one, such as ``"now.amount"``.
    """
    return LowestCost(false_positive, false_negative)
