"""Candidates: plain functions that fit, and between which values their parameters are searched."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from headrace.declare.base import MISTYPED, Declared, type_fault
from headrace.declare.numbers import number_faults
from headrace.declare.sheet import call_of
from headrace.errors import Fault


@dataclass(frozen=True)
class Range(Declared):
    """Numbers from ``low`` to ``high``, whole ones where both ends are."""

    low: float
    high: float
    log: bool = False

    def _look(self) -> list[Fault]:
        faults = [
            fault
            for what, value in (("low", self.low), ("high", self.high))
            for fault in number_faults(self.place, f"{what} of between", value, int | float)
        ]
        if faults:
            return faults
        if not self.low < self.high or (self.log and self.low <= 0):
            cure = "write hr.between(low, high), low first" + (", above 0 with log=True" if self.log else "")
            faults.append(Fault("HR-MODEL-007", self.place, repr(self), "low below high", cure))
        return faults

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __contains__(self, value: object) -> bool:
        kind: Any = int if self.whole else int | float
        return isinstance(value, kind) and not isinstance(value, bool) and self.low <= value <= self.high

    def __repr__(self) -> str:
        return call_of("between", self.low, self.high, **({"log": True} if self.log else {}))


@dataclass(frozen=True)
class Choice(Declared):
    """Some values, of which one is taken."""

    values: tuple[Any, ...]

    def _look(self) -> list[Fault]:
        plain = all(one is None or isinstance(one, bool | int | str) or _is_finite(one) for one in self.values)
        if len(self.values) > 1 and plain and len(set(map(repr, self.values))) == len(self.values):
            return []
        cure = "write hr.choose('gini', 'entropy')"
        return [Fault("HR-MODEL-007", self.place, repr(self), "two or more distinct texts, numbers or truths", cure)]

    def __contains__(self, value: object) -> bool:
        return any(type(one) is type(value) and one == value for one in self.values)

    def __repr__(self) -> str:
        return call_of("choose", *self.values)


def between(low: float, high: float, *, log: bool = False) -> Range:
    """Return the numbers between two, both included, as what a parameter may be; whole ones where both ends are.

    Args:
        low: the smallest.
        high: the largest.
        log: whether to search by orders of magnitude, as for a learning rate.

    Example:
        >>> between(0.01, 0.3, log=True)
        between(0.01, 0.3, log=True)
    """
    return Range(low, high, log)


def choose(*values: bool | int | float | str | None) -> Choice:
    """Return some values as what a parameter may be."""
    return Choice(values)


@dataclass(frozen=True)
class Candidate(Declared):
    """One way to fit a model: a plain function, and what its parameters may be.

    Args:
        fit: function of the training part and of the parameters, which have defaults.
        space: parameter to what it may be.
    """

    fit: Callable[..., Any]
    space: Mapping[str, Range | Choice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "space", MappingProxyType(dict(self.space)))
        super().__post_init__()

    def _look(self) -> list[Fault]:
        if not callable(self.fit):
            return [type_fault(self.place, "fit of candidate", self.fit, "a function")]
        faults = [
            type_fault(self.place, f"{name} of candidate", one, "hr.between(…) or hr.choose(…)")
            for name, one in self.space.items()
            if not isinstance(one, Range | Choice)
        ]
        return faults or [*self._signature_faults(), *(fault for one in self.space.values() for fault in one.faults)]

    def _signature_faults(self) -> list[Fault]:
        try:
            taken = inspect.signature(self.fit)
        except (TypeError, ValueError):  # of a function that is not written in Python
            return []
        name = self.name
        try:
            taken.bind(None, **dict.fromkeys(self.space))
        except TypeError:
            given = "".join(f", {one}=…" for one in self.space)
            found, cure = f"{name}, which takes {taken}", f"write def {name}(train{given}): …"
            return [Fault(MISTYPED, self.place, found, "a function of train and of what is searched", cure)]
        faults = []
        for one, may_be in self.space.items():
            default = taken.parameters[one].default if one in taken.parameters else inspect.Parameter.empty
            if default not in may_be:
                shown = "without a default" if default is inspect.Parameter.empty else f"with the default {default!r}"
                found = f"{one} of {name}, {shown}"
                cure = f"write def {name}(train, {one}={_middle(may_be)!r}): …, the value without a search"
                faults.append(Fault("HR-MODEL-007", self.place, found, f"a default within {may_be!r}", cure))
        return faults

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return str(getattr(self.fit, "__name__", type(self.fit).__name__))

    def __repr__(self) -> str:
        return call_of("candidate", self.fit, **dict(self.space))


def candidate(fit: Callable[..., Any], **space: Range | Choice) -> Candidate:
    """Return a way to fit a model whose parameters can be searched.

    Without a search the parameters are what the function's own defaults say; ``headrace train --tune 50`` tries others.

    Args:
        fit: function of the training part and of the parameters.
        space: parameter to ``hr.between(…)`` or ``hr.choose(…)``.

    Example:
        >>> def fit_trees(train, depth=6, rate=0.1): ...
        >>> candidate(fit_trees, depth=between(2, 10), rate=between(0.01, 0.3, log=True)).name
        'fit_trees'
    """
    return Candidate(fit, space)


def _middle(may_be: Range | Choice) -> Any:
    if isinstance(may_be, Choice):
        return may_be.values[0]
    middle = math.sqrt(may_be.low * may_be.high) if may_be.log else (may_be.low + may_be.high) / 2
    return round(middle) if may_be.whole else float(f"{middle:.2g}")


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)
