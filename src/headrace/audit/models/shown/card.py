"""The model card (Mitchell et al., FAT* 2019): what a model is for, from what, how good, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape

from headrace import clock
from headrace.audit.models.judged import Judged
from headrace.audit.models.shown.words import title, told_worse
from headrace.audit.page import NONE, days, exact, listed, number, percent, section
from headrace.declare import Project
from headrace.learn import Version
from headrace.types import duration_text


def span(edges: list[str] | tuple[str, ...]) -> str:
    """Return a span of time from its edges as ISO 8601, the end not included, as its first and last day.

    Example:
        >>> span(["2026-06-18T00:00:00+00:00", "2026-07-02T00:00:00+00:00"])
        '18 Jun to 1 Jul 2026'
    """
    return days(edges[0], (datetime.fromisoformat(edges[1]) - timedelta(microseconds=1)).isoformat())


def card(project: Project, one: Judged) -> str:
    """Return the model card of the shown version."""
    version = one.shown
    assert version is not None
    told = {
        "model": escape(f"{version.name}, version {version.number}, registered on {_day(version.created_us)}"),
        "intended use": escape(_use(project, one)),
        "answers": escape(repr(one.model.task)),
        "label": escape(_label(one)),
        "data": escape(_data(one, version)),
        "metrics": escape(_metrics(version)),
        "fairness": _fairness(version),
        "limits": "<br>".join(escape(limit) for limit in _limits(one, version)),
        "owners": escape(_owners(project, one)),
        "use": escape(_moves(version)),
    }
    return f"<h3>Model card</h3>{listed({name: text for name, text in told.items() if text})}"


def _day(us: int) -> str:
    moment = clock.from_us(us)
    return f"{moment.day} {moment:%B %Y}"


def _use(project: Project, one: Judged) -> str:
    services = [each for each in project.all_services.values() if each.model == one.model]
    decided = [f"{each.name} decides {', '.join([*each.decide, each.otherwise])}" for each in services]
    problem = project.charter.problem if project.charter is not None else "The project has no charter that says it."
    return " ".join([problem, *(f"{one}." for one in decided)])


def _label(one: Judged) -> str:
    label = one.model.cases.label
    if label is None:
        return ""
    matures = f", counted when it is {duration_text(label.matures_us)} old" if label.matures_us else ""
    default = "" if label.default is None else f"; {label.default} where none has come"
    return f"{label.value} of {label.source.name}{matures}{default}"


def _data(one: Judged, version: Version) -> str:
    origin, fold = version.record.origin, version.record.origin.fold
    tables = ", ".join(f"{name} version {number}" for name, number in origin.data.items())
    parts = [f"set {one.model.cases.name} of {tables}" if tables else f"set {one.model.cases.name}"]
    if fold:
        dated = fold["train"][0] != fold["train"][1]
        for part, word in (("train", "learned from"), ("test", "judged on")):
            when = f" of {span(fold[part])}" if dated else ""
            parts.append(f"{word} {number(fold[f'{part}_rows'])} cases{when}")
    excluded = {} if one.built is None else one.built.excluded
    parts += [f"{number(count)} rows left out: {reason}" for reason, count in excluded.items() if count]
    return "; ".join(parts)


def _metrics(version: Version) -> str:
    spans: Mapping[str, object] = version.record.intervals.get("model", {})
    told = []
    for label, value in version.metrics.items():
        between = spans.get(label)
        around = f" ({exact(between[0])} to {exact(between[1])})" if isinstance(between, list | tuple) else ""
        told.append(f"{title(label)} {exact(value)}{around}")
    return "; ".join(told)


def _fairness(version: Version) -> str:
    gates = [gate for gate in version.record.gates if gate.name.startswith("fair_across")]
    if not gates:
        return "No groups were declared to be compared (hr.fair_across)."
    return "<br>".join(
        f'<b class="{"good" if gate.passed else "bad"}">{"alike" if gate.passed else "not alike"}</b> '
        f"{escape(gate.sentence)}"
        for gate in gates
    )


def _limits(one: Judged, version: Version) -> list[str]:
    found = [f"found {note}" for note in version.record.notes]
    found += [gate.sentence for gate in version.record.gates if not gate.passed]
    if one.findings is None:
        return [*found, f"not looked at on its test rows: {one.why}"]
    where = one.findings.segments
    if where is not None:
        found += [
            f"worse where {column} is {part.name}: {told_worse(where.measure, part)}"
            for column, part in where.worse[:5]
        ]
    yes_no = one.findings.yes_no
    if yes_no is not None:
        acting = yes_no.acting
        found.append(
            f"where it acts it misses {percent(1 - acting.recall)} of the positives, "
            f"and {percent(1 - acting.precision)} of what it takes is wrong"
        )
    if one.findings.days < 14:
        found.append(f"judged on {one.findings.days} days only: seasons are not in any interval")
    return found


def _owners(project: Project, one: Judged) -> str:
    used = [one.model.cases.spine, *(group.source for group in one.model.cases.features)]
    label = one.model.cases.label
    used += [] if label is None else [label.source]
    owners = {source.name: source.owner for source in used if source.owner}
    charter = [project.charter.owner] if project.charter is not None and project.charter.owner else []
    told = [*charter, *(f"{owner} ({name})" for name, owner in owners.items())]
    return "; ".join(told) or "nobody is named: owner= of streams and of the charter say it"


def _moves(version: Version) -> str:
    told = [
        f"{'promoted by ' + str(one['by']) if one['by'] else 'promoted'} on {_day(int(one['at_us']))}: {one['reason']}"
        for one in version.promotions
    ]
    return "; ".join(told)


def origin(version: Version) -> str:
    """Return which code, data and packages stand behind a version."""
    record, of = version.record, version.record.origin
    prints = {"model file": record.digest, "declaration": of.declaration, "training set": of.training_set}
    facts = {name: f'<code class="long">{escape(value)}</code>' if value else NONE for name, value in prints.items()}
    facts |= {
        "tables": ", ".join(f"{escape(name)} version {number}" for name, number in of.data.items()),
        "code": escape(of.commit) or "not under git",
        "packages": escape(", ".join(f"{name} {one}" for name, one in of.environment.items())),
    }
    return f"<h3>{escape(version.name)} version {version.number}</h3>{listed(facts)}"


def origins(models: list[Judged]) -> str:
    """Return the section on what stands behind each model."""
    known = [one.shown for one in models if one.shown is not None]
    return section("Fingerprints and versions", *(origin(one) for one in known)) if known else ""
