"""Figures of models that foretell numbers or quantiles, name classes, or rank rows."""

from __future__ import annotations

from html import escape

from headrace.audit.models.classes import Classes
from headrace.audit.models.numbers import Numbers, Quantiles
from headrace.audit.models.ranked import Ranked
from headrace.audit.models.shown.words import of_share
from headrace.audit.models.shown.yes_no import BAND, GUIDE, INTERVAL, LINE, calibration
from headrace.audit.page import exact, figure, number, percent, said, table
from headrace.audit.plot import Band, Column, Interval, Line, heat, linear, plot, shares

_COLUMN = '<rect class="column key" width="26" height="10"/>'
_CLASSES = 60
"""Classes that are listed; the smaller ones are counted."""


def of_numbers(found: Numbers) -> list[str]:
    """Return the figures of foretold numbers: against the true ones, and what is left."""
    low, high = found.edges[0], found.edges[-1]
    axes = linear("true", low, high), linear("foretold", low, high)
    label = f"foretold by true values from {number(low)} to {number(high)}; on the diagonal they are the same"
    against = figure(
        "Foretold and true",
        "Each square holds rows; the more, the darker. Beyond the middle 99 %: at the edge",
        heat(found.counts, *axes, label),
        [(GUIDE, "foretold = true")],
    )
    edges, counts = found.residuals
    columns = [Column("column", left, right, n) for left, right, n in zip(edges, edges[1:], counts, strict=False)]
    up = linear("rows", 0, max(counts))
    across = linear("foretold minus true", edges[0], edges[-1])
    middle = Line("guide", [(0, 0), (0, up.high)])
    told = f"Mean {number(found.bias)}; half lie within {number(found.middle)}, nine of ten within {number(found.far)}"
    return [
        against,
        figure("Residuals", told, plot([middle], across, up, told, columns=columns), [(GUIDE, "no error")]),
    ]


def of_quantiles(found: Quantiles) -> str:
    """Return the figure and the table of foretold quantiles."""
    points = [(one.level, one.below) for one in found.levels]
    intervals = [Interval(one.level, one.low, one.high) for one in found.levels]
    lines = [Line("guide", [(0, 0), (1, 1)]), Line("line", points, dots=True)]
    told = "; ".join(f"{one.level:g}: {percent(one.below)}" for one in found.levels)
    label = f"share of labels at or below each foretold quantile: {told}"
    picture = plot(lines, shares("quantile asked for"), shares("labels at or below it"), label, intervals=intervals)
    keys = [(LINE, "this model"), (INTERVAL, "95 % interval"), (GUIDE, "as asked")]
    drawn = figure("Do the quantiles hold", "As many labels should lie below as was asked for", picture, keys)
    rows = [
        [
            f"{one.level:g}",
            f'{percent(one.below)}<br><span class="soft">{percent(one.low)} to {percent(one.high)}</span>',
            exact(one.pinball),
            exact(one.constant),
        ]
        for one in found.levels
    ]
    head = ("level", "labels at or below", "pinball loss", "of a constant")
    crossing = f" In {number(found.crossing)} rows a higher quantile lies below a lower one." if found.crossing else ""
    between = said(f"{percent(found.between)} of the labels lie between the lowest and the highest.{crossing}")
    listing = table(head, rows, (1, 2, 3), "quantiles")
    return f'<div class="figures">{drawn}</div>{between}{listing}'


def of_classes(found: Classes) -> str:
    """Return what classes are taken for which, and each class by itself."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in found.shown)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{_shares(row)}</tr>'
        for name, row in zip(found.shown, found.confusion, strict=True)
    )
    label = "rows by true class, across by the class that they were taken for"
    matrix = (
        f"<h3>What is taken for what</h3>{said('Down the true class, across what it was taken for.', 'soft')}"
        f'<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table class="confusion">'
        f'<thead><tr><th scope="col">true</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )
    rows = [
        [escape(one.name), number(one.rows), of_share(one.precision), of_share(one.recall), exact(one.f1)]
        for one in found.classes[:_CLASSES]
    ]
    more = len(found.classes) - _CLASSES
    note = said(f"And {more:,} smaller classes.", "soft") if more > 0 else ""
    names = ("class", "rows", "of those named so, right", "of its rows, found", "F1")
    sure = calibration(found.sure, "share that is right", rare=False)
    listing = table(names, rows, (1, 2, 3, 4), "classes")
    return f'{matrix}<h3>Class by class</h3>{listing}{note}<div class="figures">{sure}</div>'


def _shares(row: tuple[int, ...]) -> str:
    whole = sum(row) or 1
    return "".join(
        f'<td class="hot" style="--share:{45 * count / whole:.0f}">{number(count) if count else ""}</td>'
        for count in row
    )


def of_rankings(found: Ranked) -> str:
    """Return how well rows are ranked: by depth, from group to group, by how large groups are."""
    top = float(found.depths[-1])
    points = [(float(depth), value) for depth, value in zip(found.depths, found.ndcg, strict=True)]
    band = Band([(float(d), low, high) for d, low, high in zip(found.depths, found.low, found.high, strict=True)])
    luck = [(float(depth), value) for depth, value in zip(found.depths, found.luck, strict=True)]
    across = linear("rows from the top", 1, top)
    label = f"NDCG by depth: {', '.join(f'{d}: {v:.3f}' for d, v in zip(found.depths, found.ndcg, strict=True))}"
    picture = plot([Line("guide", luck), Line("line", points, dots=True)], across, shares("NDCG"), label, bands=[band])
    keys = [(LINE, "this model"), (BAND, "95 % band"), (GUIDE, "by chance")]
    by_depth = figure("Gain by depth", "Of the best order there is, how much of its gain", picture, keys)
    each = 1 / len(found.spread)
    columns = [Column("column", at * each, (at + 1) * each, count) for at, count in enumerate(found.spread)]
    axes = shares(f"NDCG at {found.depths[-1]}"), linear("groups", 0, max(found.spread))
    spread = plot([], *axes, "groups by their gain", columns=columns)
    by_group = figure("From group to group", "How many groups are ranked how well", spread, [(_COLUMN, "groups")])
    told = said(
        f"{number(found.groups)} groups have something relevant in them; {number(found.without)} have nothing, and say "
        "nothing of an order."
    )
    rows = [
        [f"{low} to {high}" if low < high else str(low), number(groups), exact(gain)]
        for low, high, groups, gain in found.sizes
    ]
    sizes = table(("rows of a group", "groups", f"NDCG at {found.depths[-1]}"), rows, (1, 2), "groups by size")
    return f'{told}<div class="figures">{by_depth}{by_group}</div>{sizes}'
