"""The first screen on a model, for whoever decides: what it does, how good, where it fails, whether it may be used."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from headrace.audit.figures import bars
from headrace.audit.models.judged import Judged
from headrace.audit.models.practice import Practice, Rival, decisive
from headrace.audit.models.shown.words import amount, meaning, of_share, plain_gate, title, told_worse
from headrace.audit.page import exact, number, percent, said, verdict
from headrace.declare import Project, Service
from headrace.learn import Version

_NAMED = 3
"""Groups that are named where a model fails; all of them stand below."""


def briefing(project: Project, one: Judged) -> str:
    """Return the first screen on a model."""
    version = one.shown
    if version is None:
        untrained = verdict("care", f"{one.model.name} may not be used yet", "It has not been trained.")
        return f'<section class="brief">{untrained}</section>'
    answers = [
        ("What it decides", "", _decides(project, one)),
        ("How good it is", "good-it", _good(project, one)),
        ("Where it fails", "", _fails(one)),
        ("May it be used", "may", _may(version)),
    ]
    told = "".join(f'<div class="{kind}"><h3>{escape(head)}</h3>{text}</div>' for head, kind, text in answers)
    return f'<section class="brief">{_verdict(one, version)}<div class="answers">{told}</div></section>'


def _verdict(one: Judged, version: Version) -> str:
    name, gates = f"{version.name} version {version.number}", version.record.gates
    failed = [gate for gate in gates if not gate.passed]
    why = "; ".join(f"{plain_gate(gate)}: {gate.sentence}" for gate in failed)
    if one.champion is None:
        told = f"{version.name} may not be used: no version has passed its gates"
        if not failed:
            told, why = (
                f"{name} passed its gates and does not serve",
                f"'headrace promote {version.name}' makes it serve.",
            )
        return verdict("bad" if failed else "care", told, why)
    newer = ""
    if one.newest is not None and one.newest.number > version.number:
        became = "passed its gates" if one.newest.passed else "did not pass its gates"
        newer = f" Version {one.newest.number} is newer, {became} and does not serve."
    if failed:
        reason = version.promotions[-1]["reason"] if version.promotions else ""
        recorded = f" Reason on record: {reason}." if reason else ""
        return verdict("bad", f"{name} is used in spite of failed gates", f"{why}.{recorded}{newer}")
    return verdict("good", f"{name} may be used", f"It passed all {len(gates)} gates.{newer}")


def _decides(project: Project, one: Judged) -> str:
    services = [service for service in project.all_services.values() if service.model == one.model]
    label = one.model.cases.label
    what = f"label {label.value} of {label.source.name}" if label is not None else "label"
    told = said(f"For each row of {one.model.cases.spine.name} it foretells the {what}.")
    if not services:
        return told + said("No service decides by it yet.")
    return told + "".join(_service(service) for service in services)


def _service(service: Service) -> str:
    rules = "".join(
        f"<li><b>{escape(name)}</b> where <code>{escape(rule)}</code></li>" for name, rule in service.decide.items()
    )
    first = f"<p>The service <b>{escape(service.name)}</b> decides by it:</p>"
    return f'{first}<ul class="plain">{rules}<li><b>{escape(service.otherwise)}</b> otherwise</li></ul>'


def _good(project: Project, one: Judged) -> str:
    compared = one.practice
    if compared is None:
        return said("Nothing is on record.")
    metric = decisive(one.model, project.charter)
    mine, other = compared.rivals[0], compared.best_other
    lines = [f"{title(compared.metric)}, {'which the charter names' if compared.chartered else 'the first metric'}."]
    lines.append(meaning(metric))
    if not compared.greater_is_better:
        lines.append("Less is better.")
    if mine.value is not None and other is not None and other.value is not None:
        better = (mine.value > other.value) == compared.greater_is_better and mine.value != other.value
        told = f"It is {'better' if better else 'not better'} than the best of what there is without it"
        if better and other.apart is None:
            told += "; how much of that is chance is not known"
        elif better and other.apart is not None:
            told += f", by {'no ' if other.apart[0] <= 0 <= other.apart[1] else ''}more than chance explains"
        lines.append(f"{told}.")
    return said(" ".join(line for line in lines if line)) + _values(compared) + _money(compared) + _acting(one)


def _values(compared: Practice) -> str:
    known = [rival for rival in compared.rivals if rival.value is not None]
    rows = [(_name(rival), abs(rival.value or 0.0), _told(rival)) for rival in known]
    notes = "".join(said(f"{rival.name}: {rival.note}.", "soft") for rival in known if rival.note)
    return bars(rows) + notes


def _name(rival: Rival) -> str:
    return {"model": "this model", "baseline": f"{rival.name} (baseline)"}.get(rival.role, rival.name)


def _told(rival: Rival) -> str:
    span = f" ({rival.interval[0]:.2f} to {rival.interval[1]:.2f})" if rival.interval else ""
    return f"{exact(rival.value)}{span}"


def _money(compared: Practice) -> str:
    known = [rival for rival in compared.rivals if rival.cost is not None]
    if not known:
        return ""
    rows = [(_name(rival), max(rival.cost or 0.0, 0.0), amount(rival.cost or 0.0, compared.unit)) for rival in known]
    nothing = next((rival.cost for rival in known if rival.role == "nothing"), None)
    mine = known[0].cost
    saved = ""
    if nothing and mine is not None and known[0].role == "model":
        word = "saves" if mine <= nothing else "costs"
        saved = f" It {word} {amount(abs(nothing - mine), compared.unit)} a day against doing nothing."
    return said(f"What a day's mistakes cost, on the days of the test.{saved}") + bars(rows)


def _acting(one: Judged) -> str:
    found = one.findings.yes_no if one.findings is not None else None
    if found is None:
        return ""
    acting = found.acting
    told = (
        f"From a score of {acting.score:.3g} on ({acting.says}) it takes {acting.per_day:,.1f} cases a day: "
        f"{percent(acting.precision)} of them are right, and {percent(acting.recall)} of all that there are are found."
    )
    return said(told)


def _fails(one: Judged) -> str:
    if one.findings is None:
        return said(f"That cannot be told: {one.why}.")
    found = one.findings.segments
    if found is None:
        return said("Groups of rows cannot be compared for what is only ranked.")
    if not found.worse:
        compared = sum(part.value is not None for column in found.columns for part in column.parts)
        return said(
            f"In no group of its test rows is it worse than elsewhere by more than chance: {compared} groups of "
            f"{len(found.columns)} columns were compared by {found.measure}."
        )
    lines = []
    for column, part in found.worse[:_NAMED]:
        told = f"<b>{escape(column)} {escape(part.name)}</b> ({number(part.rows)} cases): "
        told += escape(told_worse(found.measure, part))
        told += f"; it finds {of_share(part.found)} of what there is to find" if part.found is not None else ""
        lines.append(f"<li>{told}</li>")
    left = len(found.worse) - _NAMED
    more = said(f"And {left} more group{'' if left == 1 else 's'}, named below.", "soft") if left > 0 else ""
    return said("It is surely worse than elsewhere where") + f'<ul class="plain">{"".join(lines)}</ul>{more}'


def _may(version: Version) -> str:
    gates: Sequence[str] = [
        f'<li><b class="{"good" if gate.passed else "bad"}">{"passed" if gate.passed else "failed"}</b>'
        f'<span>{escape(plain_gate(gate))}<span class="soft">{escape(gate.sentence)}</span></span></li>'
        for gate in sorted(version.record.gates, key=lambda gate: gate.passed)
    ]
    return f'<ul class="plain gates">{"".join(gates)}</ul>' if gates else said("It was asked to prove nothing.")
