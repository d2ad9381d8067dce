"""Plots with axes as inline SVG: lines, marks and intervals over linear or logarithmic scales, without a library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from headrace.audit.page import number
from headrace.clock import DAY_US, from_us

WIDTH, HEIGHT = 360, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 24, 26, 38
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """A scale with its title and ticks: value and text of each."""

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Return where a value lies, from 0 at the low end to 1 at the high end; what is beyond lies at the end."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, low))
        return min(1.0, max(0.0, (value - low) / ((high - low) or 1.0)))


def linear(title: str, low: float, high: float, most: int = 5) -> Axis:
    """Return a linear axis whose ticks are round numbers.

    Example:
        >>> [text for _, text in linear("amount", 0, 87).ticks]
        ['0', '20', '40', '60', '80']
    """
    high = high if high > low else low + 1.0
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    places = range(first, math.floor(high / step + 1e-9) + 1)
    return Axis(title, low, high, tuple((i * step, number(float(f"{i * step:.10g}"))) for i in places))


def shares(title: str) -> Axis:
    """Return an axis from 0 to 100 percent."""
    return Axis(title, 0.0, 1.0, tuple((i / 4, f"{25 * i} %") for i in range(5)))


def logarithmic(title: str, low: float, high: float, percents: bool = False) -> Axis:
    """Return a logarithmic axis from and to whole powers of ten, with a tick at each.

    Example:
        >>> [text for _, text in logarithmic("rows", 3, 20_000).ticks]
        ['1', '10', '100', '1,000', '10,000', '100,000']
    """
    first = math.floor(math.log10(low) + 1e-9)
    last = max(math.ceil(math.log10(high) - 1e-9), first + 1)
    powers = range(first, last + 1)
    ticks = tuple((10.0**i, f"{10.0 ** (i + 2):g} %" if percents else f"{10.0**i:,.10g}") for i in powers)
    return Axis(title, 10.0**first, 10.0**last, ticks, log=True)


def dates(title: str, low_us: int, high_us: int) -> Axis:
    """Return an axis of time with a tick at the begin of some days, UTC.

    Example:
        >>> [text for _, text in dates("day", 0, 10 * DAY_US).ticks]
        ['1 Jan', '4 Jan', '7 Jan', '10 Jan']
    """
    first, last = low_us // DAY_US, high_us // DAY_US
    days = range(first, last + 1, max(-(-(last - first + 1) // 4), 1))
    moments = [(day * DAY_US, from_us(day * DAY_US)) for day in days]
    ticks = tuple((float(us), f"{moment.day} {moment:%b}") for us, moment in moments)
    return Axis(title, float(low_us), float(high_us), ticks)


@dataclass(frozen=True)
class Line:
    """Points joined by a line of a kind (``line``, ``other``, ``guide``); with dots where each point counts."""

    kind: str
    points: Points
    dots: bool = False


@dataclass(frozen=True)
class Mark:
    """A point with a name."""

    x: float
    y: float
    name: str


@dataclass(frozen=True)
class Interval:
    """What a value may be, upright from low to high."""

    x: float
    low: float
    high: float


@dataclass(frozen=True)
class Band:
    """Where a line may lie: an area from low to high at each x."""

    points: Sequence[tuple[float, float, float]]


@dataclass(frozen=True)
class Column:
    """A bar from 0 to a height, between two values of the horizontal axis; of a kind (``column``, ``over``)."""

    kind: str
    left: float
    right: float
    height: float


def plot(
    lines: Sequence[Line],
    across: Axis,
    up: Axis,
    label: str,
    marks: Sequence[Mark] = (),
    intervals: Sequence[Interval] = (),
    bands: Sequence[Band] = (),
    columns: Sequence[Column] = (),
) -> str:
    """Return a plot.

    Args:
        lines: drawn in order, the last above all others.
        across: the horizontal axis.
        up: the vertical axis.
        label: what the picture shows, for those who do not see it.
        marks: named points.
        intervals: drawn below the lines.
        bands: drawn below the intervals.
        columns: drawn below all else.
    """

    def place(x: float, y: float) -> tuple[float, float]:
        wide, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
        return _LEFT + wide * across.at(x), HEIGHT - _BOTTOM - tall * up.at(y)

    parts = [*_frame(across, up)]
    for column in columns:
        (left, top), (right, bottom) = place(column.left, column.height), place(column.right, up.low)
        parts.append(
            f'<rect class="{column.kind}" x="{left + 0.3:.1f}" y="{top:.1f}" '
            f'width="{max(right - left - 0.6, 0.4):.1f}" height="{max(bottom - top, 0):.1f}"/>'
        )
    for band in bands:
        edge = [place(x, high) for x, _, high in band.points] + [place(x, low) for x, low, _ in reversed(band.points)]
        parts.append(f'<polygon class="band" points="{_joined(edge)}"/>')
    for one in intervals:
        (x, bottom), (_, top) = place(one.x, one.low), place(one.x, one.high)
        parts.append(f'<line class="interval" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom:.1f}" y2="{top:.1f}"/>')
    for line in lines:
        places = [place(*point) for point in line.points]
        parts.append(f'<polyline class="{line.kind}" points="{_joined(places)}"/>')
        if line.dots:
            parts += [f'<circle class="dot {line.kind}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in places]
    parts += _marks([(place(one.x, one.y), one.name) for one in marks])
    return svg(WIDTH, HEIGHT, label, "".join(parts))


def heat(cells: Sequence[Sequence[float]], across: Axis, up: Axis, label: str) -> str:
    """Return how much lies where as a field of squares, the fuller the darker, over the diagonal.

    Args:
        cells: ``cells[row][column]``, the lowest row first; of equal size over both axes.
        across, up: the axes.
        label: what the picture shows, for those who do not see it.
    """
    wide, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    most = max((one for row in cells for one in row), default=0) or 1
    parts = [*_frame(across, up)]
    for row, held in enumerate(cells):
        high = tall / len(cells)
        for column, count in enumerate(held):
            if count:
                each, shade = wide / len(held), 0.12 + 0.88 * math.log1p(count) / math.log1p(most)
                x, y = _LEFT + column * each, HEIGHT - _BOTTOM - (row + 1) * high
                parts.append(
                    f'<rect class="cell" x="{x:.1f}" y="{y:.1f}" width="{each + 0.2:.1f}" height="{high + 0.2:.1f}" '
                    f'opacity="{shade:.2f}"/>'
                )
    ends = f'x1="{_LEFT}" y1="{HEIGHT - _BOTTOM}" x2="{WIDTH - _RIGHT}" y2="{_TOP}"'
    parts.append(f'<line class="guide" {ends}/>')
    return svg(WIDTH, HEIGHT, label, "".join(parts))


def svg(width: int, height: int, label: str, inside: str, kind: str = "plot") -> str:
    """Return a picture that scales down with the page, and says what it shows."""
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}" '
        f'style="max-width:{width}px">{inside}</svg>'
    )


def _joined(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _frame(across: Axis, up: Axis) -> list[str]:
    wide, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    parts = []
    for value, text in up.ticks:
        y = HEIGHT - _BOTTOM - tall * up.at(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="soft" x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{escape(text)}</text>')
    for value, text in across.ticks:
        x = _LEFT + wide * across.at(value)
        where = f'x="{x:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle"'
        parts.append(f'<text class="soft" {where}>{escape(text)}</text>')
    parts.append(f'<text class="title" x="0" y="11">{escape(up.title)}</text>')
    end = f'x="{WIDTH - _RIGHT}" y="{HEIGHT - 5}" text-anchor="end"'
    parts.append(f'<text class="title" {end}>{escape(across.title)}</text>')
    return parts


def _marks(marks: Sequence[tuple[tuple[float, float], str]]) -> list[str]:
    """Named points: names to the left of them, each at least a line below the one before."""
    parts, last = [], -math.inf
    for (x, y), name in sorted(marks, key=lambda one: one[0][1]):
        line = max(y + 15, last + 13)
        last = line
        side, shift = ("end", -7) if x > _LEFT + 80 else ("start", 7)
        parts.append(f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        where = f'x="{x + shift:.1f}" y="{line:.1f}" text-anchor="{side}"'
        parts.append(f'<text class="named" {where}>{escape(name)}</text>')
    return parts
