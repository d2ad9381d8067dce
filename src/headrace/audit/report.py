"""The report of a project: may it be used, first; then data, features, model, decisions and where all comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from html import escape
from pathlib import Path

from headrace import clock
from headrace.audit import facts
from headrace.audit.facts import Decisions, Feature, Judged, Loaded, Source
from headrace.audit.figures import bars, curves, flow, histogram, sparkline
from headrace.audit.page import figure, number, page, table, tile
from headrace.declare import Project, node_id, uses


def write(loaded: Loaded, path: Path | None = None) -> Path:
    """Write the report as one self-contained HTML file.

    Args:
        loaded: the project; whatever is not there yet is said to be missing.
        path: of the file; by default ``reports/report.html`` in the project's state.

    Returns:
        The path.
    """
    path = path or loaded.state_dir / "reports" / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    sources, models, answered = facts.sources(loaded), facts.judged(loaded), facts.decisions(loaded)
    sections = [
        _head(loaded.project, sources, models),
        _data(sources),
        *(_model(one) for one in models),
        *(_features(one.model.cases.name, facts.features(one.built)) for one in models if one.built is not None),
        _decided(answered),
        _lineage(loaded.project),
        _charter(loaded.project),
    ]
    path.write_text(page(f"{loaded.project.name}: report", sections), encoding="utf-8")
    return path


def _head(project: Project, sources: Sequence[Source], models: Sequence[Judged]) -> str:
    said = clock.from_us(clock.now_us()).strftime("%d %B %Y, %H:%M UTC")
    problem = f"<p>{escape(project.charter.problem)}</p>" if project.charter is not None else ""
    rows, aside = sum(one.rows for one in sources), sum(one.quarantined for one in sources)
    tiles = [tile(number(rows), "rows in the lake"), tile(number(aside), "rows in quarantine, none lost")]
    for one in models:
        if one.version is not None:
            tiles += _metric_tiles(project, one)
    return (
        f"<header><h1>{escape(project.name)}</h1><p class='soft'>Report of {said}</p>{problem}"
        f"{_verdict(models)}<div class='tiles'>{''.join(tiles)}</div></header>"
    )


def _verdict(models: Sequence[Judged]) -> str:
    if not models:
        return "<p class='verdict'>No model is declared.</p>"
    lines = []
    for one in models:
        name = escape(one.model.name)
        if one.version is None:
            lines.append(f"<p class='verdict bad'>{name} may not be used: no version has passed its gates.</p>")
        else:
            gates = len(one.version.record.gates)
            good = sum(gate.passed for gate in one.version.record.gates)
            kind, may = ("good", "may be used") if good == gates else ("bad", "is used in spite of failed gates")
            said = f"{name} version {one.version.number} {may}: {good} of {gates} gates passed."
            lines.append(f"<p class='verdict {kind}'>{said}</p>")
    return "".join(lines)


def _metric_tiles(project: Project, one: Judged) -> list[str]:
    assert one.version is not None
    first = one.model.metrics[0].label
    wanted = [project.charter.metric if project.charter is not None else first, first]
    found = []
    for label in dict.fromkeys(name for name in wanted if name in one.version.metrics):
        others = [each[label] for name, each in one.version.record.metrics.items() if name != "model" and label in each]
        beside = f", best baseline {number(max(others))}" if others else ""
        found.append(tile(number(one.version.metrics[label]), f"{label.replace('_', ' ')}{beside}"))
    return found


def _data(sources: Sequence[Source]) -> str:
    if not sources:
        return "<section><h2>Data</h2><p>Nothing is loaded yet: <code>headrace run</code> does it.</p></section>"
    rows = [
        [
            escape(one.name),
            escape(one.owner or "-"),
            number(one.rows),
            number(one.quarantined),
            f"{one.first} to {one.last}" if one.first else "-",
            sparkline(one.per_day, f"rows of {one.name} a day"),
        ]
        for one in sources
    ]
    reasons = [(f"{one.name}: {rule}", float(n), f"{n:,}") for one in sources for rule, n in one.reasons.items()]
    reasons.sort(key=lambda row: -row[1])
    why = ""
    if reasons:
        told = "A row can break more than one rule; every row received is either accepted or here."
        long = [(name if len(name) <= 40 else name[:39] + "…", value, said) for name, value, said in reasons[:12]]
        why = f"<h3>Why rows are in quarantine</h3>{figure(bars(long, 'reasons of quarantine'), told)}"
    head = ("table", "owner", "rows", "quarantined", "days", "rows a day")
    return f"<section><h2>Data</h2>{table(head, rows, (2, 3))}{why}</section>"


def _model(one: Judged) -> str:
    name = escape(one.model.name)
    if one.version is None:
        told = "No version of it has been trained and passed: <code>headrace train</code> says why."
        return f"<section><h2>Model {name}</h2><p>{told}</p></section>"
    record = one.version.record
    labels = [metric.label for metric in one.model.metrics]
    ordered = sorted(record.metrics.items(), key=lambda item: item[0] == "model")
    rows = [
        [escape("this model" if candidate == "model" else candidate), *(number(each.get(label)) for label in labels)]
        for candidate, each in ordered
    ]
    gates = [
        [
            f"<span class='{'good' if gate.passed else 'bad'}'>{'passed' if gate.passed else 'failed'}</span>",
            escape(gate.sentence),
        ]
        for gate in record.gates
    ]
    head = ["candidate", *(label.replace("_", " ") for label in labels)]
    pictures = _curves(one) if one.curves else ""
    said = (
        f"<p class='soft'>Version {one.version.number}, file <code>{record.digest[:16]}…</code>, judged on "
        f"{number(one.test_rows)} rows that it never saw.</p>"
    )
    right = tuple(range(1, len(head)))
    return (
        f"<section><h2>Model {name}</h2>{said}{table(head, rows, right)}{pictures}"
        f"<h3>Gates</h3>{table(('outcome', 'what was found'), gates)}</section>"
    )


def _curves(one: Judged) -> str:
    recall = curves(
        [("this model", "line", one.curves["precision and recall"])], "recall", "precision", "precision and recall"
    )
    chance = [(0.0, 0.0), (1.0, 1.0)]
    roc = curves(
        [("this model", "line", one.curves["roc"]), ("chance", "other", chance)],
        "share of negatives taken",
        "share of positives found",
        "receiver operating characteristic",
    )
    spread = "".join(
        figure(
            histogram(counts, f"scores of {name}", 420, 90), f"Scores of {name}, from 0 to 1; heights as square roots"
        )
        for name, counts in one.scores.items()
    )
    return (
        f"<div class='two'>{figure(recall, 'Of those above a threshold, how many are right')}"
        f"{figure(roc, 'What finding more costs in false alarms')}</div><div class='two'>{spread}</div>"
    )


def _features(cases: str, found: Sequence[Feature]) -> str:
    rows = [
        [
            f"<code>{escape(one.name)}</code>",
            escape(", ".join(one.lineage)),
            f"{100 * one.nulls:.1f} %",
            histogram(one.counts, f"distribution of {one.name}") if one.counts else "",
            f"{number(one.low)} to {number(one.high)}" if one.counts else escape(one.kind),
            number(one.means[0]) if one.means else "-",
            number(one.means[1]) if one.means else "-",
        ]
        for one in found
    ]
    head = ("feature", "comes from", "null", "spread", "99 % lie in", "mean of negatives", "mean of positives")
    return f"<section><h2>Features of {escape(cases)}</h2>{table(head, rows, (2, 5, 6))}</section>"


def _decided(found: Sequence[Decisions]) -> str:
    if not found:
        return "<section><h2>Decisions</h2><p>None is on record yet.</p></section>"
    parts = []
    for one in found:
        counted = bars([(name, float(n), f"{n:,}") for name, n in one.counts.items()], f"decisions of {one.service}")
        rows = [
            [
                escape(str(each["record_id"])),
                escape(str(each["decision"])),
                number(each["score"]),
                "<br>".join(
                    f"<code>{escape(str(why['feature']))}</code> = {escape(number(why['value']))} "
                    f"<span class='soft'>({why['moves_score_by']:+.3f})</span>"
                    for why in each["reasons"]
                ),
            ]
            for each in one.examples
        ]
        shown = table(("record", "decision", "score", "because of"), rows, (2,)) if rows else ""
        parts.append(f"<h3>{escape(one.service)}</h3>{figure(counted, 'Decisions on record')}{shown}")
    return f"<section><h2>Decisions</h2>{''.join(parts)}</section>"


def _lineage(project: Project) -> str:
    nodes = project.nodes()
    order = (
        ("sources", ("stream", "table")),
        ("features", ("features",)),
        ("sets", ("training_set",)),
        ("models", ("model",)),
        ("services", ("service",)),
    )
    columns = [(title, [name for name in nodes if name.split(":")[0] in kinds]) for title, kinds in order]
    links = [(node_id(used), name) for name, node in nodes.items() for used in uses(node)]
    picture = flow([(title, names) for title, names in columns if names], links, "what comes from what")
    return f"<section><h2>What comes from what</h2>{figure(picture, 'Sources to services, as declared')}</section>"


def _charter(project: Project) -> str:
    if project.charter is None:
        return "<section><h2>Charter</h2><p>The project has none: five answers are owed.</p></section>"
    said = [(one.name, getattr(project.charter, one.name)) for one in fields(project.charter) if one.init]
    rows = [[escape(name), escape(str(text))] for name, text in said if text]
    return f"<section><h2>Charter</h2>{table(('question', 'answer'), rows)}</section>"
