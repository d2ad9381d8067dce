"""What was found as one page in the style of the reports: pictures first, the tables below each."""

from __future__ import annotations

from html import escape
from importlib import metadata

from headrace.audit.figures import spread
from headrace.audit.page import NONE, days, number, page, percent, said, section, table, tile, verdict
from headrace.clock import from_us
from headrace.explore.found import Facet, Found
from headrace.explore.pictures import clock_pictures, label_picture, pairs_picture, spread_picture, time_pictures
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


def page_of(found: Found) -> str:
    """Return the page: one HTML document without anything from elsewhere."""
    sections = [_head(found)]
    if len(found.facets) != 1:
        sections.append(_overview(found))
    sections += [_facet(one, found) for one in found.facets]
    return page(f"{found.name}: explored", sections)


def _head(found: Found) -> str:
    when = from_us(found.at)
    eyebrow = f"Explored on {when.day} {when:%B %Y, %H:%M} UTC, by Headrace {metadata.version('headrace')}"
    span = "" if found.span is None else f", {days(*(from_us(us).isoformat() for us in found.span))}"
    lines = [said(f"{found.source}: {number(found.rows)} rows{span}.")]
    lines += [said(f"Label: {label_said(found.truth)}.")] if found.truth is not None else []
    lines += [said(f"{note[:1].upper()}{note[1:]}.", "soft") for note in found.notes]
    if found.drawn.rows < found.drawn.of:
        drawn = f"{number(found.drawn.rows)} of {number(found.drawn.of)} rows, drawn evenly and the same each time"
        lines.append(said(f"Counts are of all rows; ranks, correlations and suspects of {drawn}.", "soft"))
    return f"<header>{said(eyebrow, 'eyebrow')}<h1>{escape(found.name)}</h1>{_verdict(found)}{''.join(lines)}</header>"


def _verdict(found: Found) -> str:
    suspects = [sentence for one in found.facets for sentence in one.suspects]
    if suspects:
        count = f"{len(suspects)} suspect{'s' if len(suspects) > 1 else ''} of a leak"
        return verdict("bad", count, "; ".join(suspects[:3]) + (" …" if len(suspects) > 3 else ""))
    return (
        verdict("good", "No suspect of a leak", "by the detectors that a training has")
        if found.truth is not None
        else ""
    )


def _overview(found: Found) -> str:
    head = ["", "type", "missing", "distinct", "25 %", "median", "75 %", "spread"]
    head += [MEASURES[BY_TASK[found.truth.task]], "suspects"] if found.truth is not None else []
    return section("Columns", table(head, [_line(one, found) for one in found.facets], (2, 3, 4, 5, 6, 8), "columns"))


def _line(one: Facet, found: Found) -> list[str]:
    what, column = one.spread, one.column
    row = [
        f'<a href="#{escape(column.name)}"><b>{escape(column.name)}</b></a>',
        escape(column.about.type or column.kind),
    ]
    row += [
        percent(what.missing / what.rows) if what.rows else NONE,
        f"{'' if what.exact else '≈ '}{number(what.distinct)}",
    ]
    shown = bool(what.quantiles) and not what.hidden
    row += [escape(value_said(what.quantiles[share], column)) if shown else NONE for share in (0.25, 0.5, 0.75)]
    if what.bins is not None:
        row.append(spread(what.bins.counts, (), f"distribution of {column.name}", 120, 28))
    elif what.values:
        row.append(f"{escape(short(what.values[0].value, 20))} {percent(what.values[0].rows / what.there)}")
    else:
        row.append("values are not shown" if what.hidden else "")
    if found.truth is not None:
        alone = one.against.alone if one.against is not None else None
        row.append(NONE if alone is None else f"{alone.value:.3f}")
        row.append(f'<b class="bad">{len(one.suspects)}</b>' if one.suspects else NONE)
    return row


def _facet(one: Facet, found: Found) -> str:
    about = one.column.about
    kinds = " · ".join(filter(None, (about.type, about.unit, *about.tags)))
    pictures = [spread_picture(one), *time_pictures(one), *clock_pictures(one)]
    pictures += [label_picture(one, found.truth)] if found.truth is not None else []
    parts = [said(kinds, "soft") if kinds else "", *(said(sentence, "bad") for sentence in one.suspects)]
    parts += [f'<div class="tiles">{"".join(_tiles(one))}</div>', f'<div class="figures">{"".join(pictures)}</div>']
    parts += [_quantiles(one), _against(one, found), _segments(one, found), _pairs(one)]
    title = one.column.name if len(found.facets) != 1 else "What it is like"
    return section(title, *parts, anchor=one.column.name)


def _tiles(one: Facet) -> list[str]:
    what, column = one.spread, one.column
    tiles = [
        tile(
            "Missing",
            percent(what.missing / what.rows) if what.rows else NONE,
            f"{number(what.missing)} of {number(what.rows)} rows",
        ),
        tile(
            "Distinct",
            f"{'' if what.exact else '≈ '}{number(what.distinct)}",
            "counted" if what.exact else "by HyperLogLog",
        ),
    ]
    if what.not_finite:
        tiles.append(
            tile(
                "Infinite or NaN" if column.kind == "number" else "Beyond the calendar",
                number(what.not_finite),
                "left out below",
                "bad",
            )
        )
    if what.hidden:
        return [*tiles, tile("Values", "not shown", ", ".join(column.about.tags) or "nothing is declared of it")]
    if what.quantiles:
        wide = (what.most or 0) - (what.least or 0)
        ends = f"{value_said(what.least, column, wide)} to {value_said(what.most, column, wide)}"
        tiles.append(tile("Median", value_said(what.quantiles[0.5], column), ends))
    if column.kind == "number" and what.mean is not None:
        deviation = "" if what.deviation is None else f"standard deviation {number(what.deviation)}"
        tiles.append(tile("Mean", number(what.mean), deviation))
    elif column.kind in ("text", "list") and what.mean is not None:
        word = "Length" if column.kind == "text" else "Items"
        tiles.append(tile(word, number(what.mean), f"mean; {number(what.least)} to {number(what.most)}"))
    return tiles


def _quantiles(one: Facet) -> str:
    what, column = one.spread, one.column
    if not what.quantiles or what.hidden:
        return ""
    shares = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
    head = ["least", *("median" if share == 0.5 else f"{100 * share:g} %" for share in shares), "most"]
    wide = (what.most or 0) - (what.least or 0)
    values = [what.least, *(what.quantiles[share] for share in shares), what.most]
    return table(head, [[escape(value_said(value, column, wide)) for value in values]], range(9), "quantiles")


def _against(one: Facet, found: Found) -> str:
    truth, against = found.truth, one.against
    if truth is None or against is None or (len(against.bins) < 2 and against.alone is None):
        return ""
    told = [alone_said(against.alone), against.alone.how] if against.alone is not None else []
    told += [information_said(against.value)] if against.value is not None else []
    if truth.classes:
        head = ["", "cases", *(short(name) for name in truth.classes)]
        rows = [
            [escape(bin_said(each, one.column)), number(each.rows), *map(percent, each.shares)] for each in against.bins
        ]
    else:
        head = ["", "cases", "yes" if truth.task == "binary" else "mean", "95 %"]
        rows = [
            [escape(bin_said(each, one.column)), number(each.rows), mean_said(each.mean, truth),
             interval_said(each.least, each.most, truth)]
            for each in against.bins
        ]  # fmt: skip
    note = said("; ".join(told), "soft") if told else ""
    return f"<h3>Against {escape(truth.name)}</h3>{note}{table(head, rows, range(1, len(head)), 'the label by bins')}"


def _segments(one: Facet, found: Found) -> str:
    if not one.segments or found.by is None:
        return ""
    numbers = any(each.median is not None for each in one.segments)
    head = [found.by.name, "rows", "missing", *(("25 %", "median", "75 %") if numbers else ("most frequent", "share"))]
    labelled = found.truth is not None and any(each.cases for each in one.segments)
    head += ["cases", "label", "95 %"] if labelled else []
    rows = []
    for each in one.segments:
        row = [escape(bin_said(each, found.by)), number(each.rows), percent(each.missing / each.rows)]
        if numbers:
            row += [escape(value_said(value, one.column)) for value in (each.lower, each.median, each.upper)]
        else:
            row += [escape(short(each.frequent)), percent(each.share)] if each.share is not None else [NONE, NONE]
        if labelled and found.truth is not None:
            row += [
                number(each.cases),
                mean_said(each.mean, found.truth),
                interval_said(each.least, each.most, found.truth),
            ]
        rows.append(row)
    return f"<h3>By {escape(found.by.name)}</h3>{table(head, rows, range(1, len(head)), 'segments')}"


def _pairs(one: Facet) -> str:
    if not one.pairs:
        return ""
    rows = [(pair.name, f"{pair.value:.3f} {MEASURES[pair.measure]}", pair.value) for pair in one.pairs]
    note = (
        "Two numbers by the correlation of their ranks (Spearman); two categories by Cramér's V, a number and a "
        "category by the correlation ratio, both corrected for chance."
    )
    return f"<h3>Together with</h3>{pairs_picture(rows)}{said(note, 'soft')}"
