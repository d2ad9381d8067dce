"""What was found as lines of a terminal: tables, bars and sparklines of characters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from headrace.audit.page import days, number, percent
from headrace.clock import from_us
from headrace.explore.found import Facet, Found
from headrace.explore.periods import Periods, largest, named
from headrace.explore.words import (
    BY_TASK,
    MEASURES,
    alone_said,
    bin_said,
    information_said,
    interval_said,
    label_said,
    mean_said,
    short,
    value_said,
)

Line = tuple[str, str]
"""A line, and how it is set: ``bold``, ``dim``, ``red`` or plain."""
_WIDE, _SPARK, _ROWS, _BINS = 40, 72, 12, 14
_BLOCKS, _SIGNS = "▁▂▃▄▅▆▇█", "_.-:=+*#"
_EIGHTHS = " ▏▎▍▌▋▊▉"


def told(found: Found, blocks: bool) -> Iterator[Line]:
    """Yield the lines: all of one column, or one line for each of several.

    Args:
        found: what to tell.
        blocks: whether pictures are of block characters.
    """
    yield from _head(found)
    if len(found.facets) == 1:
        yield from _facet(found.facets[0], found, blocks)
    elif found.facets:
        yield from _overview(found, blocks)
    suspects = [(one, said) for one in found.facets for said in one.suspects]
    if found.truth is not None:
        yield "", ""
        yield "Suspects of a leak" + (":" if suspects else ": none"), "bold"
        yield from ((f"  {said}", "red") for _, said in suspects)
    if found.drawn.rows < found.drawn.of:
        yield "", ""
        what = "Ranks, correlations and suspects are" if found.truth is not None else "Ranks and correlations are"
        yield f"{what} of {number(found.drawn.rows)} rows, drawn evenly from {number(found.drawn.of)}.", "dim"


def _head(found: Found) -> Iterator[Line]:
    one = found.facets[0] if len(found.facets) == 1 else None
    about = one.column.about if one is not None else None
    said = [] if about is None else [about.type, about.unit, *about.tags]
    yield "  ".join([found.name if one is None else one.column.name, ", ".join(filter(None, said))]).rstrip(), "bold"
    span = "" if found.span is None else f", {days(*(from_us(us).isoformat() for us in found.span))}"
    yield f"{found.source}: {number(found.rows)} rows{span}", "dim"
    if found.truth is not None:
        yield label_said(found.truth), "dim"
    for note in found.notes:
        yield note, "dim"


def _facet(one: Facet, found: Found, blocks: bool) -> Iterator[Line]:
    yield "", ""
    yield from _table([_figures(one)], right=())
    yield from _spread(one, blocks)
    if one.periods is not None:
        yield from _periods(one, one.periods, blocks)
    if one.against is not None and found.truth is not None:
        yield from _against(one, found, blocks)
    if one.segments and found.by is not None:
        yield from _segments(one, found)
    if one.pairs:
        yield "", ""
        yield "Together with", "bold"
        rows = [(pair.name, f"{pair.value:+.3f}" if pair.measure == "spearman" else f"{pair.value:.3f}",
                 MEASURES[pair.measure], _bar(abs(pair.value), 1.0, blocks, 16)) for pair in one.pairs]  # fmt: skip
        yield from _table(rows, right=(1,))


def _figures(one: Facet) -> list[str]:
    """The figures of a column in a row: what is not there is left out."""
    spread, column = one.spread, one.column
    told = [f"missing {percent(spread.missing / spread.rows)}" if spread.rows else "no rows"]
    if spread.not_finite:
        word = "beyond the calendar" if column.kind == "time" else "infinite or NaN"
        told.append(f"{word} {number(spread.not_finite)}")
    told.append(f"distinct {'' if spread.exact else '≈ '}{number(spread.distinct)}")
    if spread.there and spread.constant:
        told.append("one value in all rows")
    if spread.hidden:
        return [*told, "values are not shown"]
    if column.kind == "number" and spread.mean is not None:
        told += [f"mean {number(spread.mean)}"]
        told += [f"standard deviation {number(spread.deviation)}"] if spread.deviation is not None else []
        told += [f"zero {percent(spread.zeros / spread.there)}"] if spread.zeros else []
        told += [f"below zero {percent(spread.below / spread.there)}"] if spread.below else []
    elif column.kind in ("text", "list") and spread.mean is not None:
        what = "length" if column.kind == "text" else "items"
        told.append(f"{what} {number(spread.least)} to {number(spread.most)}, mean {number(spread.mean)}")
    if spread.outliers:
        told.append(
            f"outliers {percent(spread.outliers / spread.there)}, far ones {percent(spread.far / spread.there)}"
        )
    return told


def _spread(one: Facet, blocks: bool) -> Iterator[Line]:
    spread, column = one.spread, one.column
    if spread.quantiles and not spread.hidden:
        shares = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
        heads = ["least", *("median" if share == 0.5 else f"{100 * share:g} %" for share in shares), "most"]
        wide = (spread.most or 0) - (spread.least or 0)
        values = [spread.least, *(spread.quantiles[share] for share in shares), spread.most]
        said = [value_said(value, column, wide) for value in values]
        yield "", ""
        yield from _table([heads, said], right=range(9))
    if spread.bins is not None and spread.there:
        bins = spread.bins
        yield "", ""
        yield "Distribution (what is beyond is in the first and last bin)", "bold"
        size = 1 if len(bins.counts) <= _BINS else 2
        counts = [sum(bins.counts[at : at + size]) for at in range(0, len(bins.counts), size)]
        step = size * (bins.high - bins.low) / max(len(bins.counts), 1)
        lows = [bins.low + at * step for at in range(len(counts))]
        names = ["" if spread.hidden else value_said(low, column, bins.high - bins.low) for low in lows]
        yield from _bars(list(zip(names, counts, strict=True)), spread.there, blocks)
    elif spread.values:
        yield "", ""
        yield f"The most frequent of {'' if spread.exact else '≈ '}{number(spread.distinct)} values", "bold"
        shown = [(short(value.value), value.rows) for value in spread.values[:_ROWS]]
        rest = spread.there - sum(rows for _, rows in shown)
        yield from _bars(shown, spread.there, blocks)
        if rest:
            yield f"  and {number(rest)} rows with others, {percent(rest / spread.there)}", ""
    elif spread.top is not None and spread.there:
        first, ten = (percent(rows / spread.there) for rows in spread.top)
        yield f"its most frequent value is in {first} of the rows, the ten most frequent in {ten}", ""


def _bars(rows: Sequence[tuple[str, int]], there: int, blocks: bool) -> Iterator[Line]:
    most = max((count for _, count in rows), default=0)
    told = [(name, number(count), percent(count / there), _bar(count, most, blocks)) for name, count in rows]
    yield from _table(told, right=(0, 1, 2) if all(name[:1] in "-0123456789" for name, _ in rows) else (1, 2))


def _periods(one: Facet, periods: Periods, blocks: bool) -> Iterator[Line]:
    every = periods.periods
    if len(every) < 2:
        return
    yield "", ""
    first, last = named(every[0].begin, periods.each), named(every[-1].begin, periods.each)
    yield f"Over time, by {periods.each}, {first} to {last}", "bold"
    rows: list[tuple[str, list[float | None], Callable[[float], str]]] = []
    rows.append(("rows", [float(period.rows) for period in every], number))
    if any(period.missing for period in every):
        rows.append(("missing", [period.missing / period.rows if period.rows else None for period in every], percent))
    if any(period.median is not None for period in every):

        def said(value: float) -> str:
            return value_said(value, one.column)

        rows += [
            ("75 %", [period.high for period in every], said),
            ("median", [period.median for period in every], said),
        ]
        rows += [("25 %", [period.low for period in every], said)]
    for at, value in enumerate(periods.values):
        rows.append((short(value, 20), [period.shares[at] for period in every], percent))
    told = []
    for name, values, say in rows:
        there = [value for value in values if value is not None]
        if there:
            ends = (f"{say(min(there))} to {say(max(there))}", f"last {say(there[-1])}")
            told.append((name, _sparkline(values, blocks, name not in ("75 %", "median", "25 %")), *ends))
    yield from _table(told, right=())
    if periods.outside:
        yield f"  {number(periods.outside)} rows before or after that, or without a time", "dim"


def _against(one: Facet, found: Found, blocks: bool) -> Iterator[Line]:
    truth, against = found.truth, one.against
    assert truth is not None
    assert against is not None
    said = [alone_said(against.alone)] if against.alone is not None else []
    said += [information_said(against.value)] if against.value is not None else []
    if len(against.bins) < 2 and not said:
        return
    yield "", ""
    yield f"Against {truth.name}{': ' if said else ''}{', '.join(said)}", "bold"
    if truth.classes:
        heads = ["", "cases", *(short(name, 16) for name in truth.classes)]
        rows = [[bin_said(each, one.column), number(each.rows), *map(percent, each.shares)] for each in against.bins]
        yield from _table([heads, *rows], right=range(1, len(heads)))
        return
    most = max(abs(largest([each.most for each in against.bins])), abs(largest([each.mean for each in against.bins])))
    heads = ["", "cases", "yes" if truth.task == "binary" else "mean", "95 %", ""]
    rows = [[bin_said(each, one.column), number(each.rows), mean_said(each.mean, truth),
             interval_said(each.least, each.most, truth), _bar(max(each.mean or 0.0, 0.0), most, blocks, 24)]
            for each in against.bins]  # fmt: skip
    yield from _table([heads, *rows], right=(1, 2))


def _segments(one: Facet, found: Found) -> Iterator[Line]:
    assert found.by is not None
    numbers = any(each.median is not None for each in one.segments)
    labelled = found.truth is not None and any(each.cases for each in one.segments)
    heads = ["", "rows", "missing", *(("25 %", "median", "75 %") if numbers else ("most frequent", "share"))]
    heads += ["cases", "label", "95 %"] if labelled else []
    rows = []
    for each in one.segments:
        row = [bin_said(each, found.by), number(each.rows), percent(each.missing / each.rows)]
        if numbers:
            row += [value_said(value, one.column) for value in (each.lower, each.median, each.upper)]
        else:
            row += [
                short(each.frequent, 20) if each.share is not None else "",
                "" if each.share is None else percent(each.share),
            ]
        if labelled and found.truth is not None:
            row += [
                number(each.cases),
                mean_said(each.mean, found.truth),
                interval_said(each.least, each.most, found.truth),
            ]
        rows.append(row)
    yield "", ""
    yield f"By {found.by.name}", "bold"
    yield from _table([heads, *rows], right=range(1, len(heads) - (1 if labelled else 0)))


def _overview(found: Found, blocks: bool) -> Iterator[Line]:
    heads = ["", "type", "missing", "distinct", "25 %", "median", "75 %", "spread"]
    heads += [MEASURES[BY_TASK[found.truth.task]], ""] if found.truth is not None else []
    rows = []
    for one in found.facets:
        spread, column = one.spread, one.column
        row = [
            column.name,
            column.about.type or column.kind,
            percent(spread.missing / spread.rows) if spread.rows else "",
        ]
        row.append(f"{'' if spread.exact else '≈ '}{number(spread.distinct)}")
        shown = bool(spread.quantiles) and not spread.hidden
        row += [value_said(spread.quantiles[share], column) if shown else "" for share in (0.25, 0.5, 0.75)]
        row.append(
            _sparkline([float(count) for count in spread.bins.counts], blocks)
            if spread.bins is not None
            else _most(one)
        )
        if found.truth is not None:
            alone = one.against.alone if one.against is not None else None
            row += [
                "" if alone is None else f"{alone.value:.3f}",
                "suspect" if one.suspects else "",
            ]
        rows.append(row)
    yield "", ""
    yield from _table([heads, *rows], right=(2, 3, 4, 5, 6))


def _most(one: Facet) -> str:
    spread = one.spread
    if spread.values:
        return f"{short(spread.values[0].value, 16)} {percent(spread.values[0].rows / spread.there)}"
    return "values are not shown" if spread.hidden else ""


def _table(rows: Sequence[Sequence[str]], right: Sequence[int]) -> Iterator[Line]:
    if not rows:
        return
    wide = [max(len(row[at]) for row in rows if at < len(row)) for at in range(max(map(len, rows)))]
    for row in rows:
        cells = (cell.rjust(wide[at]) if at in right else cell.ljust(wide[at]) for at, cell in enumerate(row))
        yield f"  {'  '.join(cells)}".rstrip(), ""


def _bar(value: float, most: float, blocks: bool, wide: int = _WIDE) -> str:
    """A bar of characters; what is there at all can be seen."""
    if most <= 0 or value <= 0:
        return ""
    eighths = max(1, round(8 * wide * value / most))
    if not blocks:
        return "#" * max(1, round(eighths / 8))
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def _sparkline(values: Sequence[float | None], blocks: bool, from_zero: bool = True) -> str:
    """Values as characters of eight heights, a blank where there is none; more than fit are taken in groups."""
    signs = _BLOCKS if blocks else _SIGNS
    size = -(-len(values) // _SPARK)
    groups = [[one for one in values[at : at + size] if one is not None] for at in range(0, len(values), size)]
    means = [sum(group) / len(group) if group else None for group in groups]
    known = [one for one in means if one is not None]
    low, high = (0.0 if from_zero else min(known, default=0.0)), max(known, default=0.0)
    wide = (high - low) or 1.0
    return "".join(" " if one is None else signs[min(7, int(8 * (one - low) / wide))] for one in means)
