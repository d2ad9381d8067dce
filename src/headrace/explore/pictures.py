"""The pictures of the page: spread, time, the label by bins."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from headrace.audit.figures import bars, spread, stacked
from headrace.audit.page import figure, number, percent
from headrace.audit.plot import Axis, Interval, Line, linear, plot
from headrace.clock import DAY_US, from_us
from headrace.explore.found import Facet
from headrace.explore.periods import Periods, named
from headrace.explore.rows import Truth
from headrace.explore.spread import Spread
from headrace.explore.words import bin_said, mean_said, short, value_said

_KINDS = ("line", "other", "guide")
"""Lines that can be told from one another, at most."""
_SHOWN = 12
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def spread_picture(one: Facet) -> str:
    """Return how values are spread: columns of numbers, bars of frequent values; empty where there is nothing."""
    found, column = one.spread, one.column
    if found.bins is not None and found.there:
        picture = spread(found.bins.counts, (), f"distribution of {column.name}", 360, 170)
        wide = found.bins.high - found.bins.low
        ends = [value_said(end, column, wide) for end in (found.bins.low, found.bins.high)]
        told = "" if found.hidden else _ends(*ends)
        beyond = f"outliers {percent(found.outliers / found.there)}, far ones {percent(found.far / found.there)}"
        caption = "its shape; values are not shown" if found.hidden else f"{beyond}; what is beyond is at the ends"
        return figure("Distribution", caption, picture + told)
    if found.values:
        shown = [
            (short(value.value), value.rows / found.there, _share(value.rows, found)) for value in found.values[:_SHOWN]
        ]
        rest = found.there - sum(value.rows for value in found.values[:_SHOWN])
        caption = f"{'' if found.exact else '≈ '}{number(found.distinct)} different ones"
        caption += f"; {_share(rest, found)} of the rows have others" if rest else ""
        return figure("The most frequent values", caption, bars(shown))
    return ""


def _share(rows: int, found: Spread) -> str:
    return f"{percent(rows / found.there)} ({number(rows)})"


def clock_pictures(one: Facet) -> list[str]:
    """Return rows by the hour and by the day of the week, of a time."""
    made = []
    if any(one.spread.hours):
        told = f"rows by hour, {', '.join(map(number, one.spread.hours))}"
        picture = spread(one.spread.hours, (), told, 360, 120)
        made.append(figure("By hour of the day", "UTC", picture + _ends("0", "23")))
    if any(one.spread.weekdays):
        there = sum(one.spread.weekdays)
        rows = [
            (day, count / there, percent(count / there)) for day, count in zip(_DAYS, one.spread.weekdays, strict=True)
        ]
        made.append(figure("By day of the week", "UTC", bars(rows)))
    return made


def time_pictures(one: Facet) -> list[str]:
    """Return a column over time: rows and missing ones, median and quartiles, or the shares of frequent values."""
    periods = one.periods
    if periods is None or len(periods.periods) < 2:
        return []
    made = [_rows(one, periods)]
    if any(period.median is not None for period in periods.periods):
        made.append(_medians(one, periods))
    if periods.values:
        made.append(_shares(one, periods))
    return made


def _rows(one: Facet, periods: Periods) -> str:
    parts = [(float(period.rows - period.missing), float(period.missing)) for period in periods.periods]
    picture = stacked(parts, f"rows of {one.column.name} by {periods.each}", 360, 170)
    first, last = (named(periods.periods[at].begin, periods.each) for at in (0, -1))
    missing = one.spread.missing
    caption = f"rows with a value; red: {number(missing)} without" if missing else "all with a value"
    return figure(f"Rows by {periods.each}", caption, picture + _ends(first, last))


def _medians(one: Facet, periods: Periods) -> str:
    there = [period for period in periods.periods if period.median is not None]
    low, high = min(period.low or 0.0 for period in there), max(period.high or 0.0 for period in there)
    up = _values(one, low, high)
    points = [(float(period.begin), float(period.median or 0.0)) for period in there]
    bands = [Interval(float(period.begin), float(period.low or 0.0), float(period.high or 0.0)) for period in there]
    label = f"median of {one.column.name} by {periods.each}, with its quartiles"
    picture = plot([Line("line", points, dots=len(points) <= 40)], _times(periods), up, label, intervals=bands)
    return figure(f"Median by {periods.each}", "with the quartiles below and above it", picture)


def _values(one: Facet, low: float, high: float) -> Axis:
    """The axis of values: round numbers; of times the moments between them."""
    if one.column.kind != "time":
        return linear(one.column.about.unit, low, high)
    high = high if high > low else low + 1
    places = [low + (high - low) * at / 3 for at in range(4)]
    form = "%-d %b" if high - low < 300 * DAY_US else "%Y-%m"
    return Axis("", low, high, tuple((at, f"{from_us(int(at)):{form}}") for at in places))


def _shares(one: Facet, periods: Periods) -> str:
    lines, legend = [], []
    for at, (value, kind) in enumerate(zip(periods.values, _KINDS, strict=False)):
        points = [(float(p.begin), float(p.shares[at] or 0.0)) for p in periods.periods if p.shares[at] is not None]
        lines.append(Line(kind, points))
        legend.append((f'<line class="{kind}" x1="0" x2="26" y1="5" y2="5"/>', short(value, 20)))
    most = max((y for line in lines for _, y in line.points), default=0.0)
    up = linear("", 0.0, 100 * most, 4)
    axis = Axis("", 0.0, most or 1.0, tuple((value / 100, f"{text} %") for value, text in up.ticks))
    label = f"shares of frequent values of {one.column.name} by {periods.each}"
    picture = plot(lines[::-1], _times(periods), axis, label)
    return figure(f"Shares by {periods.each}", "of the rows that have a value", picture, legend)


def _times(periods: Periods) -> Axis:
    first, last = periods.periods[0].begin, periods.periods[-1].begin
    places = [first + (last - first) * at // 3 for at in range(4)]
    form = "%H:%M" if periods.each == "hour" else "%-d %b" if periods.each in ("day", "week") else "%Y-%m"
    return Axis("UTC", float(first), float(last), tuple((float(at), f"{from_us(at):{form}}") for at in places))


def label_picture(one: Facet, truth: Truth) -> str:
    """Return the mean of the label by bins, with intervals; of several classes there is a table instead."""
    against = one.against
    if against is None or truth.classes:
        return ""
    there = [each for each in against.bins if each.mean is not None and each.rows]
    if len(there) < 2:
        return ""
    factor = 100.0 if truth.task == "binary" else 1.0
    means = [factor * (each.mean or 0.0) for each in there]
    lows = [
        factor * (each.mean if each.least is None else each.least) if each.mean is not None else 0.0 for each in there
    ]
    highs = [
        factor * (each.mean if each.most is None else each.most) if each.mean is not None else 0.0 for each in there
    ]
    up = linear("% yes" if truth.task == "binary" else "mean", min(0.0, *lows), max(highs))
    ticks = tuple((float(at), _tick(bin_said(each, one.column))) for at, each in enumerate(there))
    across = Axis("", -0.5, len(there) - 0.5, ticks if len(there) <= 5 else ticks[:: max(1, len(there) // 3)])
    bands = [Interval(float(at), low, high) for at, (low, high) in enumerate(zip(lows, highs, strict=True))]
    whole = factor * (truth.mean or 0.0)
    lines = [Line("guide", [(-0.5, whole), (len(there) - 0.5, whole)])]
    lines.append(Line("line", [(float(at), mean) for at, mean in enumerate(means)], dots=True))
    label = f"{truth.name} by bins of {one.column.name}: " + ", ".join(
        f"{bin_said(each, one.column)}: {mean_said(each.mean, truth)}" for each in there
    )
    caption = f"with 95 % intervals; dotted: all cases, {mean_said(truth.mean, truth)}"
    return figure(f"Against {truth.name}", caption, plot(lines, across, up, label, intervals=bands))


def _tick(text: str) -> str:
    """The upper end of what a bin is called: there is no room for both."""
    return short(f"≤ {text.split(' to ')[1]}" if " to " in text else text, 12)


def _ends(low: str, high: str) -> str:
    return f'<p class="ends" style="max-width:360px"><span>{escape(low)}</span><span>{escape(high)}</span></p>'


def pairs_picture(names: Sequence[tuple[str, str, float]]) -> str:
    """Return how closely other columns hang together, as bars: name, what is behind each, and the value."""
    return bars([(name, abs(value), said) for name, said, value in names], most=1.0)
