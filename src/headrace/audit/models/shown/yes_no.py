"""Figures of a model that answers yes or no: curves with bands, calibration, scores by label, and what a day costs."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.audit.models.rules import Rule
from headrace.audit.models.shown.words import amount
from headrace.audit.models.yes_no import Bin, Curve, YesNo
from headrace.audit.page import figure, number, percent
from headrace.audit.plot import Band, Column, Interval, Line, Mark, linear, logarithmic, plot, shares

LINE = '<line class="line" x1="0" x2="26" y1="5" y2="5"/>'
GUIDE = '<line class="guide" x1="0" x2="26" y1="5" y2="5"/>'
INTERVAL = '<line class="interval" x1="13" x2="13" y1="0" y2="10"/>'
BAND = '<rect class="band" width="26" height="10"/>'
_MARK = '<circle class="mark" cx="13" cy="5" r="4"/>'
_COLUMN = '<rect class="column key" width="26" height="10"/>'
_OVER = '<rect class="over" width="26" height="10"/>'
Key = tuple[str, str]


def figures(found: YesNo, rules: Sequence[Rule]) -> list[str]:
    """Return the figures."""
    sure = [one for one in rules if not one.lacks]
    drawn = [_precision(found, sure), _roc(found), _found(found, sure), calibration(found.bins), _spread(found)]
    return [one for one in [*drawn, _cost(found)] if one]


def _line(curve: Curve) -> tuple[list[Line], list[Band]]:
    bands = [
        Band([(x, low, high) for (x, _), low, high in zip(curve.points, curve.low, curve.high, strict=True)])
    ] if curve.low else []  # fmt: skip
    return [Line("line", curve.points)], bands


def _keys(curve: Curve, *more: Key) -> list[Key]:
    return [(LINE, "this model"), *([(BAND, "95 % band")] if curve.low else []), *more]


def _acting(found: YesNo, rules: Sequence[Rule], x: str, y: str) -> list[Mark]:
    """Where rules of services lie, or the score from which on is acted where there are none."""
    if rules:
        return [Mark(getattr(one, x), getattr(one, y), one.decision) for one in rules]
    return [Mark(getattr(found.acting, x), getattr(found.acting, y), "acts")]


def _marked(rules: Sequence[Rule]) -> Key:
    return _MARK, "a rule of a service" if rules else "where it acts"


def _precision(found: YesNo, rules: Sequence[Rule]) -> str:
    prior = found.positives / found.rows
    lines, bands = _line(found.precision)
    half = next(precision for recall, precision in found.precision.points if recall >= 0.5)
    label = f"precision by recall; at half of the positives found, precision is {percent(half)}"
    marks = _acting(found, rules, "recall", "precision")
    lines = [Line("guide", [(0, prior), (1, prior)]), *lines]
    picture = plot(lines, shares("recall"), shares("precision"), label, marks, bands=bands)
    keys = _keys(found.precision, _marked(rules), (GUIDE, "chance"))
    return figure("Precision and recall", "Of what is taken, how much is right", picture, keys)


def _roc(found: YesNo) -> str:
    points = ((0.0, 0.0), *found.roc.points)
    curve = Curve(points, (0.0, *found.roc.low), (0.0, *found.roc.high)) if found.roc.low else Curve(points)
    lines, bands = _line(curve)
    label = "positives found by the share of negatives that is taken with them"
    lines = [Line("guide", [(0, 0), (1, 1)]), *lines]
    marks = [Mark(found.acting.false_alarms, found.acting.recall, "acts")]
    across = shares("negatives taken (false positive rate)")
    picture = plot(lines, across, shares("positives found"), label, marks, bands=bands)
    keys = _keys(curve, (_MARK, "where it acts"), (GUIDE, "chance"))
    return figure("ROC", "How well it tells the two apart, however rare one is", picture, keys)


def _found(found: YesNo, rules: Sequence[Rule]) -> str:
    """How much is found for how many alarms a day; what a team can look at is the question behind every threshold."""
    per_day = [taken for taken, _ in found.found.points]
    across = logarithmic("rows taken a day", min(per_day), max(per_day))
    marks = [one for one in _acting(found, rules, "per_day", "recall") if one.x >= across.low]
    lines, bands = _line(found.found)
    label = f"share of positives found, by rows taken a day, from {number(min(per_day))} to {number(max(per_day))}"
    picture = plot(lines, across, shares("positives found"), label, marks, bands=bands)
    return figure("Found for the work", "How many have to be looked at", picture, _keys(found.found, _marked(rules)))


def calibration(bins: Sequence[Bin], whose: str = "share of positives", rare: bool = True) -> str:
    """Return how often what was said to be so likely was so; nothing of fewer than two bins.

    Args:
        bins: rows of about the same score.
        whose: what the share is of.
        rare: whether most scores are small, so that the axes are logarithmic.
    """
    bins = [one for one in bins if one.share > 0]
    if len(bins) < 2:
        return ""
    low = max(min(min(one.score, one.share) for one in bins), 1e-5)
    across, up = (
        logarithmic(title, low, 1.0, percents=True) if rare else shares(title) for title in ("mean score", whose)
    )
    intervals = [Interval(one.score, one.low, one.high) for one in bins]
    lines = [
        Line("guide", [(across.low, across.low), (1, 1)]),
        Line("line", [(one.score, one.share) for one in bins], dots=True),
    ]
    label = f"{whose} by mean score, in {len(bins)} bins; on the diagonal the score is the probability"
    keys = [(LINE, "this model"), (INTERVAL, "95 % interval"), (GUIDE, "score = share")]
    picture = plot(lines, across, up, label, intervals=intervals)
    return figure("Calibration", "Is a score the probability that it claims to be", picture, keys)


def _spread(found: YesNo) -> str:
    """Scores of either label, each to its own height: positives are too few to be seen beside the others."""
    spread = found.spread
    edges = spread.edges
    across = logarithmic("score", edges[0], edges[-1]) if spread.log else linear("score", edges[0], edges[-1])
    columns = []
    for kind, counts in (("column", spread.negatives), ("over", spread.positives)):
        most = max(counts, default=0) or 1
        columns += [
            Column(kind, low, high, count / most)
            for low, high, count in zip(edges, edges[1:], counts, strict=False)
            if count
        ]
    label = f"how scores of {found.positives:,} positives and {found.rows - found.positives:,} negatives are spread"
    up = shares("share of the fullest bin")
    keys = [(_COLUMN, "label 0"), (_OVER, "label 1")]
    picture = plot([Line("guide", [(found.acting.score, 0), (found.acting.score, 1)])], across, up, label,
                   columns=columns)  # fmt: skip
    return figure(
        "Scores by label", "Do the two lie apart; each to its own height", picture, [*keys, (GUIDE, "where it acts")]
    )


def _cost(found: YesNo) -> str:
    costing = found.costing
    if costing is None:
        return ""
    lines, bands = _line(costing.curve)
    taken = [max(x, 1e-3) for x, _ in costing.curve.points]
    across = logarithmic("rows taken a day", min(taken), max(taken))
    top = max(costing.nothing * 1.6, costing.chosen * 1.2, costing.least * 2)
    up = linear(f"cost a day{f', {costing.unit}' if costing.unit else ''}", 0.0, top)
    lines = [Line("guide", [(across.low, costing.nothing), (across.high, costing.nothing)]), *lines]
    at = max(found.acting.per_day, across.low)
    label = (
        f"what a day costs by rows taken on it: {amount(costing.chosen, costing.unit)} where it acts, "
        f"{amount(costing.nothing, costing.unit)} without it, at least {amount(costing.least, costing.unit)}"
    )
    picture = plot(lines, across, up, label, [Mark(at, costing.chosen, "acts")], bands=bands)
    keys = _keys(costing.curve, (_MARK, "where it acts"), (GUIDE, "doing nothing"))
    caption = f"Of what acting and missing cost: {amount(costing.chosen, costing.unit)} where it acts"
    return figure("What a day costs", caption, picture, keys)
