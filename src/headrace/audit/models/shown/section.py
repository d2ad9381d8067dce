"""The section on a model: numbers against baselines, figures by task, where and when, what it looks at, gates, card."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from headrace.audit.lineage import trace
from headrace.audit.lineage.picture import inline
from headrace.audit.models.judged import Findings, Judged
from headrace.audit.models.rules import Rule
from headrace.audit.models.shown.card import card, span
from headrace.audit.models.shown.explained import importance_part, learning_part, worst_part
from headrace.audit.models.shown.others import of_classes, of_numbers, of_quantiles, of_rankings
from headrace.audit.models.shown.where import over_time_figures, segments_part
from headrace.audit.models.shown.yes_no import figures
from headrace.audit.page import NONE, exact, number, percent, said, section, table
from headrace.declare import Project
from headrace.errors import HeadraceError
from headrace.learn import Version

_NODES = 120
"""Things in a picture of lineage, beyond which it cannot be read: then only what values are made of is drawn."""


def anchor(one: Judged) -> str:
    """Return what links on the page name the section on a model."""
    return f"model-{one.model.name}"


def model_section(project: Project, one: Judged) -> str:
    """Return the section on a model."""
    name, version = f"Model {one.model.name}", one.shown
    if version is None:
        return section(name, said("It has not been trained yet: 'headrace train' does it."), anchor=anchor(one))
    held = said(f"Version {version.number} did not pass its gates and does not serve.", "bad")
    parts = [held if one.champion is None and not version.passed else "", _told(version), _candidates(one, version)]
    if one.findings is None:
        parts.append(said(f"There are no figures: {one.why}."))
    else:
        parts += _found(one.findings)
    parts += ["<h3>Gates</h3>", _gates(version), _lineage(project, one), card(project, one)]
    return section(name, *parts, anchor=anchor(one))


def _found(found: Findings) -> list[str]:
    drawn = figures(found.yes_no, found.rules) if found.yes_no is not None else []
    drawn += of_numbers(found.numbers) if found.numbers is not None else []
    parts = [f'<div class="figures">{"".join(drawn)}</div>'] if drawn else []
    parts.append(of_quantiles(found.quantiles) if found.quantiles is not None else "")
    parts.append(of_classes(found.classes) if found.classes is not None else "")
    parts.append(of_rankings(found.ranked) if found.ranked is not None else "")
    parts.append(_rules(found.rules))
    dated = "".join(over_time_figures(found.over_time))
    parts.append(f'<h3>From day to day</h3><div class="figures">{dated}</div>' if dated else "")
    parts.append(segments_part(found.segments))
    parts.append(importance_part(found.importance, found.rows))
    return [*parts, worst_part(found.worst), learning_part(found.learning)]


def _told(version: Version) -> str:
    fold = version.record.origin.fold
    if not fold:
        return ""
    dated = fold["train"][0] != fold["train"][1]
    learned, judged = (
        f"{number(fold[f'{part}_rows'])}{' cases' if part == 'train' else ''}"
        f"{f' of {span(fold[part])}' if dated else ''}"
        for part in ("train", "test")
    )
    told = said(f"It learned from {learned}, and was judged on {judged}.")
    return told + "".join(said(f"To know: found {note}.") for note in version.record.notes)


def _candidates(one: Judged, version: Version) -> str:
    """The model, the champion before, the baselines, and candidates that were not taken and never saw the test."""
    labels = list(dict.fromkeys([*(metric.label for metric in one.model.metrics), *version.metrics]))
    record, first = version.record, labels[0]
    declared = {metric.label: metric for metric in one.model.metrics}
    sign = -1 if first not in declared or declared[first].greater_is_better else 1
    ordered = sorted(record.metrics, key=lambda name: (name != "model", sign * record.metrics[name].get(first, 0.0)))
    rows = []
    for name in ordered:
        told = "<b>this model</b>" if name == "model" else escape(f"{name.replace('_', ' ')} (baseline)")
        spans = record.intervals.get(name, {})
        rows.append([told, *(_metric(record.metrics[name].get(label), spans.get(label)) for label in labels)])
    before = [rival for rival in one.practice.rivals if rival.role == "before"] if one.practice is not None else []
    for rival in before:
        rows.insert(1, [escape(rival.name), *(exact(rival.others.get(label)) for label in labels)])
    head = ["candidate", *(label.replace("_", " ") for label in labels)]
    note = (
        "Below each number its interval at 95 % confidence, by blocks of days of the test." if record.intervals else ""
    )
    listing = table(head, rows, range(1, len(head)), f"metrics of {one.model.name}")
    return listing + (said(note, "soft") if note else "") + _tried(version, first)


def _tried(version: Version, first: str) -> str:
    """What was chosen between before the test was touched."""
    choice = version.record.choice
    tried = [one for one in choice.get("tried", ()) if one["folds"]]
    if not tried:
        return ""
    rows = []
    for one in tried:
        values = [fold[first] for fold in one["folds"] if first in fold]
        taken = one["name"].partition(" (")[0] == choice["name"] and one["params"] == choice["params"]
        params = ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                           for name, value in one["params"].items())  # fmt: skip
        name = f"<b>{escape(one['name'])}</b> ←" if taken else escape(one["name"])
        mean = sum(values) / len(values) if values else None
        spread = f"{exact(min(values))} to {exact(max(values))}" if len(values) > 1 else ""
        rows.append([name, escape(params) or "its own defaults", exact(mean), spread])
    folds = max(len(one["folds"]) for one in tried)
    head = (
        "tried on validation",
        "parameters",
        f"{'mean ' if folds > 1 else ''}{first.replace('_', ' ')}",
        "over folds",
    )
    shown = len(head) if folds > 1 else len(head) - 1
    listing = table(head[:shown], [row[:shown] for row in rows], (2, 3), "candidates on validation")
    note = said("What was not taken was never shown the test.", "soft")
    return f"<h3>What was chosen between</h3>{listing}{note}"


def _metric(value: float | None, interval: Sequence[float] | None) -> str:
    between = "" if interval is None else f'<br><span class="soft">{exact(interval[0])} to {exact(interval[1])}</span>'
    return f"{exact(value)}{between}"


def _rules(rules: Sequence[Rule]) -> str:
    if not rules:
        return ""
    head = ("on the test rows, in this order", "taken a day", "of them right", "of all found")
    several = len({one.service for one in rules}) > 1
    rows = [_rule(one, several) for one in rules]
    lacks = dict.fromkeys(name for one in rules for name in one.lacks)
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


def _lineage(project: Project, one: Judged) -> str:
    """What the score is made of, column by column; nothing where declarations are broken or it is too much to read."""
    try:
        traced = trace(project, f"model:{one.model.name}", down=False)
        if len(traced.graph.nodes) > _NODES:
            traced = trace(project, f"model:{one.model.name}", down=False, direct=True)
    except HeadraceError:
        return ""
    if not traced.start or len(traced.graph.nodes) > 2 * _NODES:
        return ""
    label = f'<div class="scroll" role="region" tabindex="0" aria-label="lineage of {escape(one.model.name)}">'
    return f"<h3>What it is made of</h3>{label}{inline(traced.graph, traced.start)}</div>"
