"""Tasks: what kind of answer a model gives, and so how its label is read and how it is judged."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.declare.base import Declared, type_fault
from headrace.declare.numbers import number_faults
from headrace.declare.sheet import call_of
from headrace.errors import Fault


@dataclass(frozen=True)
class Task(Declared):
    """What kind of answer a model gives.

    Args:
        name: ``binary``, ``multiclass``, ``regression``, ``quantiles``, ``ranking`` or ``anomaly``.
        levels: of quantiles, ascending.
        by: column that names the group within which rows are ranked.
    """

    name: str
    levels: tuple[float, ...] = ()
    by: str | None = None

    def _look(self) -> list[Fault]:
        faults = []
        for level in self.levels:
            faults += number_faults(self.place, f"a level of {self.name}", level, int | float, low=0, high=1)
        if self.name == "quantiles" and not faults:
            inside = all(0 < one < 1 for one in self.levels)
            if not self.levels or not inside or list(self.levels) != sorted(set(self.levels)):
                found, cure = f"{self!r}", "write hr.quantiles(0.1, 0.5, 0.9)"
                faults.append(Fault("HR-MODEL-006", self.place, found, "ascending levels between 0 and 1", cure))
        if self.name == "ranking" and not isinstance(self.by, str):
            faults.append(type_fault(self.place, "by of ranking", self.by, "a column's name as text"))
        return faults

    def __repr__(self) -> str:
        return call_of(self.name, *self.levels, **({} if self.by is None else {"by": self.by}))


def binary() -> Task:
    """A label of 0 or 1, or false and true: the score is the probability of 1."""
    return Task("binary")


def multiclass() -> Task:
    """A label of several classes, as text or whole numbers: one probability for each."""
    return Task("multiclass")


def regression() -> Task:
    """A label that is a number: the score is what is expected."""
    return Task("regression")


def quantiles(*levels: float) -> Task:
    """A label that is a number: one score for each level, below which so great a share of the labels is expected.

    Example:
        >>> quantiles(0.1, 0.5, 0.9)
        quantiles(0.1, 0.5, 0.9)
    """
    return Task("quantiles", tuple(levels))


def ranking(by: str) -> Task:
    """A label that says how relevant a row is, 0 for not at all: rows of one ``by`` are ranked by their score."""
    return Task("ranking", by=by)


def anomaly() -> Task:
    """A score that is higher the stranger a row is; learned without labels, judged by those that there are."""
    return Task("anomaly")
