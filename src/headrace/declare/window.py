"""Windowed aggregates, as a team writes them: which value, over which window, under which condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from headrace.declare.base import Declared, type_fault
from headrace.declare.source import duration_faults
from headrace.errors import Fault
from headrace.types import duration_text, duration_us

LIFETIME = "lifetime"
Windows = str | Sequence[str]


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
    """

    kind: str
    value: str | None
    windows: tuple[str, ...]
    where: str | None = None
    delay: str | None = None
    hop: str | None = None
    include_current: bool = False
    params: tuple[tuple[str, object], ...] = ()
    series: bool = field(default=False)

    def _look(self) -> list[Fault]:
        faults: list[Fault] = []
        what = f"hr.{self.kind}"
        if not self.windows:
            faults.append(Fault("HR-WINDOW-001", self.place, f"{what} without a window", "'7d', a list, or 'lifetime'"))
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
            faults.append(
                Fault("HR-WINDOW-002", self.place, found, "one of them: a delayed window ends before the row")
            )
        if len(set(map(str, self.windows))) != len(self.windows):
            faults.append(Fault("HR-WINDOW-003", self.place, f"{what} names a window twice", "each window once"))
        if not faults and self.hop is not None:
            faults += self._hop_faults(what)
        return faults

    def _hop_faults(self, what: str) -> list[Fault]:
        hop = duration_us(self.hop or "1us")
        return [
            Fault("HR-WINDOW-004", self.place, f"{what} with window {text!r} and hop {self.hop!r}", "hop <= window")
            for text in self.windows
            if text == LIFETIME or duration_us(text) < hop
        ]

    @property
    def spans_us(self) -> tuple[int | None, ...]:
        """Lengths of the windows in microseconds; None is a lifetime."""
        return tuple(None if text == LIFETIME else duration_us(text) for text in self.windows)

    @property
    def labels(self) -> tuple[str, ...]:
        """How each window of a series is called in the name of its feature: ``7d``, ``24h``, ``lifetime``."""
        return tuple(text if text == LIFETIME else duration_text(duration_us(text)) for text in self.windows)

    @property
    def delay_us(self) -> int:
        return 0 if self.delay is None else duration_us(self.delay)

    @property
    def hop_us(self) -> int:
        return 0 if self.hop is None else duration_us(self.hop)


def aggregate(
    kind: str,
    value: str | None = None,
    window: Windows = LIFETIME,
    *,
    where: str | None = None,
    delay: str | None = None,
    hop: str | None = None,
    include_current: bool = False,
    **params: object,
) -> Window:
    """Return any aggregate of the catalogue by its name; the functions below are its short forms.

    Args:
        kind: name of the aggregate, e.g. ``"sum"``; ``headrace check`` lists the known ones when it is not one.
        value: SQL scalar expression over the fields of the event.
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
    # what is neither text nor a series is kept as it is, so that it is told with all other faults
    series = isinstance(window, list | tuple)
    return Window(
        kind=kind,
        value=value,
        windows=tuple(window) if series else (window,),  # type: ignore[arg-type]
        where=where,
        delay=delay,
        hop=hop,
        include_current=include_current,
        params=tuple(sorted(params.items())),
        series=series,
    )
