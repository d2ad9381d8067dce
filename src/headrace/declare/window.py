"""Windowed aggregates, as a team writes them: which value, over which window, under which condition."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, ParamSpec, TypedDict

from headrace.declare.base import Declared, type_fault
from headrace.declare.durations import duration_faults
from headrace.declare.sheet import Sheet, call_of
from headrace.errors import Fault
from headrace.types import duration_text, duration_us

LIFETIME = "lifetime"
Windows = str | Sequence[str]
P = ParamSpec("P")


class How(TypedDict, total=False):
    """What every windowed aggregate takes: which events count, and how its window lies."""

    where: str | None
    delay: str | None
    hop: str | None
    include_current: bool


@dataclass(frozen=True, kw_only=True)
class Window(Declared):
    """One aggregate of a value over one window, a series of windows, or the whole life of an entity.

    ``windows``, ``delay`` and ``hop`` keep the words of the team; ``spans_us`` and its siblings are their meaning.
    ``surplus`` is what a call said beyond all that it could mean.
    """

    kind: str
    value: str | None
    windows: tuple[str, ...]
    where: str | None = None
    delay: str | None = None
    hop: str | None = None
    include_current: bool = False
    params: tuple[tuple[str, object], ...] = ()
    series: bool = False
    surplus: tuple[object, ...] = ()

    def _look(self) -> list[Fault]:
        faults: list[Fault] = []
        what = f"hr.{self.kind if isinstance(self.kind, str) else 'aggregate'}"
        if not self.windows:
            expected = f"'7d', a list of such, or '{LIFETIME}'"
            faults.append(Fault("HR-WINDOW-001", self.place, f"{what} without a window", expected, "window='7d'"))
        for text in self.windows:
            if text != LIFETIME:
                faults += duration_faults(text, self.place, f"window of {what}")
        for name, words in (("delay", self.delay), ("hop", self.hop)):
            if words is not None:
                faults += duration_faults(words, self.place, f"{name} of {what}")
        for name, text_or_none in (("value", self.value), ("where", self.where)):
            if text_or_none is not None and not isinstance(text_or_none, str):
                faults.append(type_fault(self.place, f"{name} of {what}", text_or_none, "an SQL expression as text"))
        if self.include_current and self.delay is not None:
            found = f"{what} with include_current=True and delay={self.delay!r}"
            expected, cure = "one of them: a delayed window ends before the row", "take include_current=True away"
            faults.append(Fault("HR-WINDOW-002", self.place, found, expected, cure))
        if len(set(self.labels)) != len(self.windows):
            cure = f"write {list(dict.fromkeys(self.labels))}"
            faults.append(Fault("HR-WINDOW-003", self.place, f"{what} names a window twice", "each window once", cure))
        if not faults and self.hop is not None:
            faults += self._hop_faults(what)
        return faults + self._surplus_faults(what)

    def _hop_faults(self, what: str) -> list[Fault]:
        hop = duration_us(self.hop or "1us")
        cures = {
            text: "take hop= away" if text == LIFETIME else f"write hop={text!r} or a shorter one"
            for text in self.windows
            if text == LIFETIME or duration_us(text) < hop
        }
        found = f"{what} with hop {self.hop!r} and window"
        return [
            Fault("HR-WINDOW-004", self.place, f"{found} {text!r}", "hop <= window", cure)
            for text, cure in cures.items()
        ]

    def _surplus_faults(self, what: str) -> list[Fault]:
        if not self.surplus:
            return []
        found = f"{what} with {', '.join(map(repr, self.surplus))} too many"
        expected = "a value and a window, each once, and all else by name"
        return [Fault("HR-WINDOW-010", self.place, found, expected, "write value=…, window=…, and the name of each")]

    @property
    def spans_us(self) -> tuple[int | None, ...]:
        """Lengths of the windows in microseconds; None is a lifetime."""
        return tuple(None if text == LIFETIME else duration_us(text) for text in self.windows)

    @property
    def labels(self) -> tuple[str, ...]:
        """How each window of a series is called in the name of its feature: ``7d``, ``24h``, ``lifetime``."""
        return tuple(_label(text) for text in self.windows)

    @property
    def delay_us(self) -> int:
        return 0 if self.delay is None else duration_us(self.delay)

    @property
    def hop_us(self) -> int:
        return 0 if self.hop is None else duration_us(self.hop)

    def names(self, name: str) -> tuple[str, ...]:
        """Return what the features are called that a group declares under a name: a series has one for each window.

        Example:
            >>> aggregate("sum", "amount", ["1d", "7d"]).names("spent")
            ('spent_1d', 'spent_7d')
        """
        return tuple(f"{name}_{label}" for label in self.labels) if self.series else (name,)

    def rows(self) -> tuple[tuple[str, str, str], ...]:
        """Return what is shown of each window: value, window, how."""
        how = [f"where {self.where}" if self.where else "", f"delay {self.delay}" if self.delay else ""]
        how += [f"hop {self.hop}" if self.hop else "", "including the row" if self.include_current else ""]
        params = "".join(f", {key}={value}" for key, value in self.params)
        said = ", ".join(word for word in how if word)
        return tuple((f"{self.kind}({self.value or ''}{params})", label, said) for label in self.labels)

    def __repr__(self) -> str:
        windows = list(self.windows) if self.series else next(iter(self.windows), None)
        how = {"where": self.where, "delay": self.delay, "hop": self.hop}
        more = dict(self.params) | how | ({"include_current": True} if self.include_current else {})
        return call_of(str(self.kind), self.value, windows, **more)

    def _sheet(self) -> Sheet:
        return Sheet("Window", "", ("value", "window", "how"), self.rows())


def _label(text: str) -> str:
    """A lifetime, and what is no duration, keep their words: faults tell the latter, and it can still be shown."""
    try:
        return duration_text(duration_us(text))
    except ValueError:
        return str(text)


def lenient(form: Callable[P, Window]) -> Callable[P, Window]:
    """Let a call that does not fit give a window with faults, told with all others, where Python would raise.

    What is missing is None, and what has no place is surplus. Editors and type checkers see the form as it is written.
    """
    takes = inspect.signature(form).parameters.values()
    places = [one.name for one in takes if one.kind is one.POSITIONAL_OR_KEYWORD]
    needed = [one.name for one in takes if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    build: Callable[..., Window] = form

    @wraps(form)
    def declared(*given: Any, **named: Any) -> Window:
        placed = dict(zip(places, given, strict=False))
        window = build(**(dict.fromkeys(needed) | placed | named))
        twice = (placed[name] for name in placed if name in named and placed[name] is not None)
        surplus = (*twice, *given[len(places) :])
        return replace(window, surplus=surplus) if surplus else window

    return declared


@lenient
def aggregate(
    kind: str,
    value: str | None,
    window: Windows,
    *,
    where: str | None = None,
    delay: str | None = None,
    hop: str | None = None,
    include_current: bool = False,
    **params: object,
) -> Window:
    """Return any aggregate of the catalogue by its name; ``hr.sum(…)`` and its siblings are the short forms.

    Args:
        kind: name of the aggregate, e.g. ``"sum"``; ``headrace check`` lists the known ones when it is not one.
        value: SQL scalar expression over the fields of the event; None where the aggregate takes no value.
        window: length such as ``"7d"`` of the window [t - window, t); or a list of lengths, which makes one feature
            of each (``name_7d``); or ``"lifetime"``.
        where: SQL condition; only events for which it is true count.
        delay: moves both ends of the window back.
        hop: aligns the old edge down to a multiple of it, to bound state.
        include_current: count the row itself, too.
        params: what else the aggregate takes, such as ``k`` of ``top_k``.

    Example:
        >>> aggregate("sum", "amount", "7d").labels
        ('7d',)
    """
    return Window(
        kind=kind,
        value=value,
        windows=_windows(window),
        where=where,
        delay=delay,
        hop=hop,
        include_current=include_current,
        params=tuple(sorted((name, one) for name, one in params.items() if one is not None)),
        series=isinstance(window, list | tuple),
    )


def _windows(window: object) -> tuple[Any, ...]:
    """What is neither text nor a series is kept as it is, so that it is told with all other faults."""
    if window is None:
        return ()
    return tuple(window) if isinstance(window, list | tuple) else (window,)
