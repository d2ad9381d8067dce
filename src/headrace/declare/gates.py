"""Gates: promises that a model must keep before anyone may rely on it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from headrace.declare.base import Declared, type_fault
from headrace.declare.numbers import number_faults
from headrace.declare.sheet import call_of
from headrace.errors import Fault

_BOUNDED = ("at_least", "at_most", "calibrated", "stable_over_time", "fair_across")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(us|µs|ms|s)")
_US = {"us": 1.0, "µs": 1.0, "ms": 1e3, "s": 1e6}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(kB|MB|GB)")
_BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9}


@dataclass(frozen=True)
class Gate(Declared):
    """A promise that a model must keep before anyone may rely on it.

    Args:
        kind: which promise.
        metric: label of the metric that it is on; the model's first where none is named.
        bound: what the metric is held against.
        by: column whose groups are compared.
        budget: what may be used, e.g. ``"5ms"`` or ``"20 MB"``.
        surely: whether what chance explains is not enough.
    """

    kind: str
    metric: str | None = None
    bound: float | None = None
    by: str | None = None
    budget: str | None = None
    surely: bool = False

    def _look(self) -> list[Fault]:
        faults = []
        if self.metric is not None and not isinstance(self.metric, str):
            faults.append(type_fault(self.place, f"metric of {self.kind}", self.metric, "a metric's label as text"))
        if self.bound is not None or self.kind in _BOUNDED:
            faults += number_faults(self.place, f"bound of {self.kind}", self.bound, int | float)
        if self.by is not None and not isinstance(self.by, str):
            faults.append(type_fault(self.place, f"by of {self.kind}", self.by, "a column's name as text"))
        if not isinstance(self.surely, bool):
            faults.append(type_fault(self.place, f"surely of {self.kind}", self.surely, "True or False"))
        if self.kind in ("latency", "size"):
            faults += self._budget_faults()
        return faults

    def _budget_faults(self) -> list[Fault]:
        if not isinstance(self.budget, str):
            return [type_fault(self.place, f"budget of {self.kind}", self.budget, "text such as '5ms' or '20 MB'")]
        known = (_SPAN if self.kind == "latency" else _SIZE).fullmatch(self.budget.strip())
        if known and float(known[1]) > 0:
            return []
        cure = "write hr.latency('5ms')" if self.kind == "latency" else "write hr.size('20 MB')"
        expected = "a span in us, ms or s" if self.kind == "latency" else "a size in kB, MB or GB"
        return [Fault("HR-MODEL-008", self.place, f"budget of {self.kind} = {self.budget!r}", expected, cure)]

    def __repr__(self) -> str:
        named = ({} if self.by is None else {"by": self.by}) | ({"surely": True} if self.surely else {})
        return call_of(self.kind, self.metric, self.bound, self.budget, **named)

    @property
    def most(self) -> float:
        """A budget as a number: microseconds, or bytes."""
        pattern, units = (_SPAN, _US) if self.kind == "latency" else (_SIZE, _BYTES)
        known = pattern.fullmatch((self.budget or "").strip())
        return 0.0 if known is None else float(known[1]) * units[known[2]]


def at_least(metric: str, bound: float) -> Gate:
    """The metric must not be below the bound."""
    return Gate("at_least", metric, bound)


def at_most(metric: str, bound: float) -> Gate:
    """The metric must not be above the bound."""
    return Gate("at_most", metric, bound)


def better_than_baseline(metric: str | None = None, *, surely: bool = False) -> Gate:
    """The metric (by default the model's first) must be better than that of the best baseline, on the same test rows.

    Better is what four digits show. The outcome tells whether chance explains it.

    Args:
        metric: its label.
        surely: ask for more than chance explains: the 95 % interval of the difference, a paired bootstrap of blocks of
            days, must lie on the better side. Where there are too few blocks to say so, the gate fails.
    """
    return Gate("better_than_baseline", metric, surely=surely)


def not_worse_than_champion(metric: str | None = None) -> Gate:
    """The metric (by default the model's first) must not be worse than the champion's by more than chance.

    Both score the same test rows. The gate fails where the 95 % interval of their difference, a paired bootstrap of
    the days of the test, lies wholly on the worse side; with fewer than five days, or a champion whose scores cannot be
    had, value is compared with value. Passing does not make a champion: that takes a value at least as good, so that
    small steps down, each within chance, cannot add up. What passes and is a little worse becomes the challenger.
    """
    return Gate("not_worse_than_champion", metric)


def calibrated(within: float = 0.05) -> Gate:
    """Predicted and true rates must lie within so much of each other, as the mean over ten bins of the test rows."""
    return Gate("calibrated", None, within)


def stable_over_time(metric: str | None = None, within: float = 0.1) -> Gate:
    """The metric (by default the model's first) must not be worse on any fold than on their mean by more than this."""
    return Gate("stable_over_time", metric, within)


def latency(budget: str) -> Gate:
    """One row must be scored within the budget, e.g. ``"5ms"``, 99 times of 100, measured on this machine."""
    return Gate("latency", budget=budget)


def size(budget: str) -> Gate:
    """The model file must not be larger than the budget, e.g. ``"20 MB"``."""
    return Gate("size", budget=budget)


def fair_across(by: str, metric: str | None = None, *, within: float = 0.1) -> Gate:
    """The metric must not differ between groups of a column by more than this.

    Args:
        by: column of the training set that names the group, such as ``"age_band"``; it need not be a feature.
        metric: label of the metric; by default the model's first.
        within: largest difference between the groups with the highest and the lowest value.
    """
    return Gate("fair_across", metric, within, by=by)


def no_leak() -> Gate:
    """No detector of leaks may find anything: features that are too good, know the future or the label, or memorise."""
    return Gate("no_leak")


def reproducible() -> Gate:
    """Trained twice on the same cases and seed, the same file must come out."""
    return Gate("reproducible")
