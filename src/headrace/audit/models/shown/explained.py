"""What a model looks at, its worst errors, and what more data would buy."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from headrace.audit.figures import bars
from headrace.audit.models.importance import Dependence, Feature, Importance
from headrace.audit.models.learning import Learning
from headrace.audit.models.shown.words import title
from headrace.audit.models.shown.yes_no import BAND, LINE
from headrace.audit.models.worst import Worst
from headrace.audit.page import exact, figure, number, said, table
from headrace.audit.plot import Band, Interval, Line, linear, logarithmic, plot

_SHOWN = 15
_LINES = ("line", "line two", "line three", "line four")


def importance_part(found: Importance, of: int) -> str:
    """Return how important features are, and how the score moves with the first of them.

    Args:
        found: what was found.
        of: rows of the test, of which some were looked at.
    """
    sample = f"{number(found.rows)} of the {number(of)} test rows" if found.rows < of else "all test rows"
    note = (
        f"By how much {found.metric.replace('_', ' ')} gets worse when a feature is shuffled, on {sample}, "
        f"as the mean of three shuffles; with all features it is {exact(found.value)}. What two features tell alike, "
        "neither is missed for."
    )
    rows = [
        (one.name, max(one.worse, 0.0), f"{one.worse:.4f} ({one.low:.4f} to {one.high:.4f})")
        for one in found.features[:_SHOWN]
    ]
    more = len(found.features) - _SHOWN
    left = said(f"And {more} features that matter less.", "soft") if more > 0 else ""
    parts = ["<h3>What it looks at</h3>", said(note), bars(rows), left, _contributions(found)]
    drawn = "".join(_dependence(one) for one in found.dependences)
    if drawn:
        told = f"{number(found.asked)} of the {number(of)} test rows, drawn" if found.asked < of else "all test rows"
        said_ = said(f"The mean score of {told}, if all of them had this value and were else as they are.")
        parts.append(f'<h3>How the score moves with a feature</h3>{said_}<div class="figures">{drawn}</div>')
    return "".join(parts)


def _contributions(found: Importance) -> str:
    told = found.contributed
    if told is None:
        return ""
    ranked = sorted(found.features, key=lambda one: -(one.contributes or 0.0))[:_SHOWN]
    rows = [(one.name, one.contributes or 0.0, f"{one.contributes or 0.0:.4f}, {_way(one)}") for one in ranked]
    how = {
        "tree": "SHAP values, exact for trees",
        "linear": "SHAP values, exact for linear models",
        "permutation": "by sampled permutations, so not exact",
    }.get(told.kind, told.kind)
    more = "which score the feature moves most" if told.most else "whether larger values of the feature raise the score"
    of = "each score's " if told.most else "the "
    note = f"Mean absolute contribution to {of}{told.space} of {number(told.rows)} test rows ({how}), and {more}."
    return f"<h3>What features contribute to single scores</h3>{said(note)}{bars(rows)}"


def _way(one: Feature) -> str:
    if one.moves:
        return f"most of {one.moves}"
    if abs(one.upward) < 0.3:
        return "both ways"
    return "raises" if one.upward > 0 else "lowers"


def _by_text(one: Dependence) -> str:
    """A text has no place on an axis: each gets a bar, or a row where there are several scores."""
    each = list(zip(*(means for _, means in one.lines), strict=True))
    if len(one.lines) > 1:
        head = ("text", *(name for name, _ in one.lines))
        cells = [
            [escape(text), *(f"{mean:.4f}" for mean in means)] for text, means in zip(one.texts, each, strict=True)
        ]
        shown = table(head, cells, range(1, len(head)), f"mean scores by {one.feature}")
        return figure(one.feature, "Mean scores, all else as it is", shown)
    least = min(0.0, *(mean for (mean,) in each))
    rows = [
        (text, mean - least, f"{mean:.4f} ({low:.4f} to {high:.4f})")
        for text, (mean,), low, high in zip(one.texts, each, one.low, one.high, strict=True)
    ]
    return figure(one.feature, "Mean score, and of nine of ten rows, all else as it is", bars(rows))


def _dependence(one: Dependence) -> str:
    if one.texts:
        return _by_text(one)
    known = [value for _, values in one.lines for value in values] + [*one.low, *one.high]
    low, high = min(known), max(known)
    up = linear("score", min(low, 0.0) if low > -0.5 * high else low, high)
    across = linear(one.feature, one.x[0], one.x[-1])
    bands = [Band(list(zip(one.x, one.low, one.high, strict=True)))] if one.low else []
    lines = [
        Line(_LINES[at % len(_LINES)], list(zip(one.x, values, strict=True)), dots=len(one.x) < 6)
        for at, (_, values) in enumerate(one.lines)
    ]
    first = one.lines[0][1]
    ends = f"{first[0]:.4g} at {number(one.x[0])} to {first[-1]:.4g} at {number(one.x[-1])}"
    told = f"mean score by {one.feature}: from {ends}"
    keys = [
        (f'<line class="{_LINES[at % len(_LINES)]}" x1="0" x2="26" y1="5" y2="5"/>', name or "mean score")
        for at, (name, _) in enumerate(one.lines)
    ]
    keys += [(BAND, "nine of ten rows")] if bands else []
    return figure(one.feature, "All else as it is", plot(lines, across, up, told, bands=bands), keys)


def worst_part(found: Sequence[Worst]) -> str:
    """Return the rows with the worst errors."""
    if not found:
        return ""
    note = (
        "The row is the one of the built set: <code>cases.build().to_pandas().iloc[row]</code> shows all of it. "
        "Values that tell of persons are left out here."
    )
    parts = [f"<h3>Worst errors</h3><p>{note}</p>"]
    for kind in found:
        rows = [
            [number(one.place), escape(one.at), escape(one.label), escape(one.score), *map(escape, one.features)]
            for one in kind.rows
        ]
        head = ("row", "time (UTC)", "true", "score", *kind.features)
        listing = table(head, rows, (0, 2, 3, *range(4, len(head))), kind.title.lower())
        parts.append(f"<h4>{escape(kind.title)}</h4>{listing}")
    return "".join(parts)


def learning_part(found: Learning | None) -> str:
    """Return what more data would buy."""
    if found is None:
        return ""
    head = "<h3>What more data would buy</h3>"
    if not found.points:
        return head + said(f"That cannot be told: {found.stopped}.")
    metric = found.metric.replace("_", " ")
    last = found.points[-1]
    bound = f" of the {number(found.of)}" if last.rows < found.of else ", all"
    told = (
        f"Fitted anew on up to {number(last.rows)}{bound} cases before {found.judged_on}, and judged on "
        f"{number(found.judged_rows)} rows of it."
    )
    if found.stopped:
        told += f" No further: {found.stopped}."
    gained = found.doubling
    if gained is not None:
        word = "brought" if gained > 0 else "cost"
        told += f" The last doubling {word} {abs(gained):.4f} of {metric}; "
        told += "another brings about as much or less." if gained > 0 else "more of the same brings little."
    if len(found.points) < 2:
        return head + said(f"{told} {title(found.metric)} is {exact(last.mean)}; with one size there is no curve.")
    points = [(float(one.rows), one.mean) for one in found.points]
    values = [value for one in found.points for value in one.values]
    intervals = [Interval(float(one.rows), min(one.values), max(one.values)) for one in found.points]
    room = (max(values) - min(values)) * 0.15 or 0.01
    up = linear("", min(values) - room, max(values) + room)
    across = logarithmic("cases to learn from", points[0][0], points[-1][0])
    label = f"{metric} by cases learned from: {', '.join(f'{one.rows:,}: {one.mean:.4f}' for one in found.points)}"
    picture = plot([Line("line", points, dots=True)], across, up, label, intervals=intervals)
    keys = [(LINE, "mean"), ('<line class="interval" x1="13" x2="13" y1="0" y2="10"/>', "draws of these cases")]
    drawn = figure(f"{title(found.metric)} by cases", "Does it still get better", picture, keys)
    return f'{head}{said(told)}<div class="figures">{drawn}</div>'
