"""The part of the report on models: numbers against baselines, how scores lie, gates, and where a version is from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape

from headrace.audit.judged import Judged, Scored
from headrace.audit.page import NONE, days, exact, figure, listed, number, percent, said, section, table
from headrace.audit.plot import Interval, Line, Mark, logarithmic, plot, shares
from headrace.audit.rules import Rule
from headrace.learn import Version

_LINE = '<line class="line" x1="0" x2="26" y1="5" y2="5"/>'
_GUIDE = '<line class="guide" x1="0" x2="26" y1="5" y2="5"/>'
_INTERVAL = '<line class="interval" x1="13" x2="13" y1="0" y2="10"/>'
_MARK = '<circle class="mark" cx="13" cy="5" r="4"/>'


def model_section(one: Judged) -> str:
    """Return the section on a model."""
    title = f"Model {one.model.name}"
    version = one.version or one.newest
    if version is None:
        return section(title, said("It has not been trained yet: 'headrace train' does it."))
    held = (
        said(f"Version {version.number} did not pass its gates and does not serve.", "bad") if not one.version else ""
    )
    parts = [held, _told(version), _candidates(one, version)]
    if one.scored is not None and one.scored.curve:
        parts += [_pictures(one.scored), _rules(one.scored)]
    return section(title, *parts, "<h3>Gates</h3>", _gates(version))


def _told(version: Version) -> str:
    fold = version.record.origin.fold
    if not fold:
        return ""
    learned = f"{number(fold['train_rows'])} cases of {span(fold['train'])}"
    told = said(f"It learned from {learned}, and was judged on {number(fold['test_rows'])} of {span(fold['test'])}.")
    return told + "".join(said(f"To know: found {note}.") for note in version.record.notes)


def span(edges: Sequence[str]) -> str:
    """Return a span of time from its edges as ISO 8601, the end not included, as its first and last day.

    Example:
        >>> span(["2026-06-18T00:00:00+00:00", "2026-07-02T00:00:00+00:00"])
        '18 Jun to 1 Jul 2026'
    """
    return days(edges[0], (datetime.fromisoformat(edges[1]) - timedelta(microseconds=1)).isoformat())


def _candidates(one: Judged, version: Version) -> str:
    labels = [metric.label for metric in one.model.metrics]
    record = version.record
    first = labels[0]
    sign = -1 if one.model.metrics[0].greater_is_better else 1
    ordered = sorted(record.metrics, key=lambda name: (name != "model", sign * record.metrics[name].get(first, 0.0)))
    rows = [
        [
            "<b>this model</b>" if name == "model" else escape(f"{name.replace('_', ' ')} (baseline)"),
            *(_metric(record.metrics[name].get(label), record.intervals.get(name, {}).get(label)) for label in labels),
        ]
        for name in ordered
    ]
    head = ["candidate", *(label.replace("_", " ") for label in labels)]
    note = "Below each number its 95 % interval: a bootstrap of the days of the test." if record.intervals else ""
    return table(head, rows, range(1, len(head)), f"metrics of {one.model.name}") + (note and said(note, "soft"))


def _metric(value: float | None, interval: Sequence[float] | None) -> str:
    between = "" if interval is None else f'<br><span class="soft">{exact(interval[0])} to {exact(interval[1])}</span>'
    return f"{exact(value)}{between}"


def _pictures(scored: Scored) -> str:
    return f'<div class="figures">{_precision(scored)}{_found(scored)}{_calibration(scored)}</div>'


def _marks(scored: Scored) -> list[tuple[str, str]]:
    return [(_LINE, "this model"), *([(_MARK, "a rule of a service")] if _sure(scored) else [])]


def _precision(scored: Scored) -> str:
    prior = scored.positives / scored.rows
    lines = [Line("guide", [(0, prior), (1, prior)]), Line("line", [(x, y) for x, y, _ in scored.curve])]
    marks = [Mark(one.recall, one.precision, one.decision) for one in _sure(scored)]
    label = f"precision by recall; at half of the positives found, precision is {percent(_at_half(scored))}"
    picture = plot(lines, shares("recall"), shares("precision"), label, marks)
    keys = [*_marks(scored), (_GUIDE, "chance")]
    return figure("Precision and recall", "Of what is taken, how much is right", picture, keys)


def _at_half(scored: Scored) -> float:
    return next(precision for recall, precision, _ in scored.curve if recall >= 0.5)


def _found(scored: Scored) -> str:
    """How much is found for how many alarms a day; what a team can look at is the question behind every threshold."""
    per_day = [taken for _, _, taken in scored.curve]
    across = logarithmic("rows taken a day", min(per_day), max(per_day))
    marks = [Mark(one.per_day, one.recall, one.decision) for one in _sure(scored) if one.per_day >= across.low]
    line = Line("line", [(taken, recall) for recall, _, taken in scored.curve])
    label = f"share of positives found, by rows taken a day, from {number(min(per_day))} to {number(max(per_day))}"
    picture = plot([line], across, shares("positives found"), label, marks)
    return figure("Found for the work", "How many have to be looked at", picture, _marks(scored))


def _calibration(scored: Scored) -> str:
    bins = [one for one in scored.bins if one.share > 0]
    if len(bins) < 2:
        return ""
    low = max(min(min(one.score, one.share) for one in bins), 1e-5)
    across, up = (logarithmic(title, low, 1.0, percents=True) for title in ("mean score", "share of positives"))
    intervals = [Interval(one.score, one.low, one.high) for one in bins]
    lines = [
        Line("guide", [(across.low, across.low), (1, 1)]),
        Line("line", [(one.score, one.share) for one in bins], dots=True),
    ]
    label = f"share of positives by mean score, in {len(bins)} bins; on the diagonal the score is the probability"
    keys = [(_LINE, "this model"), (_INTERVAL, "95 % interval"), (_GUIDE, "score = share")]
    picture = plot(lines, across, up, label, intervals=intervals)
    return figure("Calibration", "Is a score the probability that it claims to be", picture, keys)


def _sure(scored: Scored) -> list[Rule]:
    """The rules of which it can be told what they take."""
    return [one for one in scored.rules if not one.lacks]


def _rules(scored: Scored) -> str:
    if not scored.rules:
        return ""
    head = ("on the test rows, in this order", "taken a day", "of them right", "of all found")
    several = len({one.service for one in scored.rules}) > 1
    rows = [_rule(one, several) for one in scored.rules]
    lacks = dict.fromkeys(name for one in scored.rules for name in one.lacks)
    why = f"What reads {', '.join(lacks)} cannot be told here, nor what comes after it: the set does not have it."
    listing = table(head, rows, (1, 2, 3), "what the rules of the services take")
    return f"<h3>What the rules take</h3>{listing}{said(why, 'soft') if lacks else ''}"


def _rule(one: Rule, several: bool) -> list[str]:
    service = f'<span class="soft">{escape(one.service)}</span> ' if several else ""
    name = f"{service}<b>{escape(one.decision)}</b> <code>{escape(one.says)}</code>"
    if one.lacks:
        return [name, NONE, NONE, NONE]
    return [name, f"{one.per_day:,.1f}", percent(one.precision), percent(one.recall)]


def _gates(version: Version) -> str:
    rows = [
        [
            '<b class="good">passed</b>' if gate.passed else '<b class="bad">failed</b>',
            f"<code>{escape(gate.name)}</code>",
            f'<span class="says">{escape(gate.sentence)}</span>',
        ]
        for gate in version.record.gates
    ]
    return table(("outcome", "gate", "what was found"), rows, label="gates")


def origin_section(models: Sequence[Judged]) -> str:
    """Return the section that says which code, data and packages stand behind each model."""
    known = [one for one in models if one.version is not None]
    parts = [_origin(one.version) for one in known if one.version is not None]
    return section("Fingerprints and versions", *parts) if parts else ""


def _origin(version: Version) -> str:
    record, origin = version.record, version.record.origin
    prints = {"model file": record.digest, "declaration": origin.declaration, "training set": origin.training_set}
    facts = {name: f'<code class="long">{escape(value)}</code>' if value else NONE for name, value in prints.items()}
    facts |= {
        "tables": ", ".join(f"{escape(name)} version {number}" for name, number in origin.data.items()),
        "code": escape(origin.commit) or "not under git",
        "packages": escape(", ".join(f"{name} {one}" for name, one in origin.environment.items())),
    }
    return f"<h3>{escape(version.name)} version {version.number}</h3>{listed(facts)}"
