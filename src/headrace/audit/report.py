"""The report of a project: may it be used, first; then data, features, model, decisions and where all comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from html import escape
from importlib import metadata
from pathlib import Path
from typing import Any

from headrace import clock
from headrace.audit import checked, facts
from headrace.audit.checked import Checked
from headrace.audit.facts import Decisions, Feature, Loaded, Source
from headrace.audit.figures import bars, flow, sparkline, spread
from headrace.audit.models.judged import Judged, judged
from headrace.audit.models.shown.briefing import briefing
from headrace.audit.models.shown.card import origins
from headrace.audit.models.shown.section import anchor, model_section
from headrace.audit.models.tags import feature_tags
from headrace.audit.page import NONE, days, exact, listed, number, page, percent, said, section, table, tile
from headrace.declare import Features, Project, node_id, uses
from headrace.learn.trainingset import BuiltSet

_REASONS = 12
"""Reasons of quarantine that are shown; the rest is in the lake."""


@dataclass(frozen=True)
class Report:
    """A report that was written: where, and what it tells of models.

    Args:
        path: of the file.
        models: that it tells of.
    """

    path: Path
    models: tuple[Judged, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return where it lies and what it says first of each model, as plain values."""
        return {"report": str(self.path), "models": [_plain(one) for one in self.models]}


def _plain(one: Judged) -> dict[str, Any]:
    version, where = one.shown, one.findings.segments if one.findings is not None else None
    told: dict[str, Any] = {"model": one.model.name, "serves": one.champion is not None}
    if version is None:
        return told | {"version": None}
    told |= {"version": version.number, "passed": version.passed, "metrics": dict(version.metrics)}
    told["failed"] = [gate.sentence for gate in version.record.gates if not gate.passed]
    found = [] if where is None else where.worse
    told["worse"] = [
        {"column": column, "group": part.name, "rows": part.rows, "value": part.value, "elsewhere": part.elsewhere}
        | ({"foretold": part.foretold, "true": part.true} if part.off else {})
        for column, part in found
    ]
    return told | ({"without_figures": one.why} if one.why else {})


def write(loaded: Loaded, path: Path | None = None, names: Sequence[str] = ()) -> Report:
    """Write the report as one self-contained HTML file.

    Args:
        loaded: the project; whatever is not there yet is said to be missing.
        path: of the file; by default ``reports/report.html`` in the project's state, ``NAME.html`` for one model.
        names: of models: the page is then on these alone.

    Raises:
        HeadraceError: HR-LEARN-040 for a name that is no model.
    """
    models = judged(loaded, names)
    path = path or loaded.state_dir / "reports" / f"{'-'.join(names) or 'report'}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    project = loaded.project
    if names:
        shown = [_head(project, models, []), *(model_section(project, one) for one in models)]
        title, sections = f"{project.name}: {', '.join(names)}", [*shown, _charter(project), origins(models)]
    else:
        title, sections = f"{project.name}: report", _whole(loaded, models)
    path.write_text(page(title, sections), encoding="utf-8")
    return Report(path, tuple(models))


def _whole(loaded: Loaded, models: list[Judged]) -> list[str]:
    """The sections on all of a project."""
    project, sources = loaded.project, facts.sources(loaded)
    answered, parity = facts.decisions(loaded), checked.last(loaded.state_dir)
    return [
        _head(project, models, _tiles(project, sources, models, answered, parity)),
        _data(sources),
        *_features(project, models),
        *(model_section(project, one) for one in models),
        _decided(answered),
        _parity(parity, answered),
        _lineage(project),
        _charter(project),
        origins(models),
    ]


def _head(project: Project, models: Sequence[Judged], tiles: Sequence[str]) -> str:
    when = clock.from_us(clock.now_us())
    eyebrow = f"Report of {when.day} {when:%B %Y, %H:%M} UTC, by Headrace {metadata.version('headrace')}"
    problem = said(project.charter.problem, "lede") if project.charter is not None else ""
    brief = "".join(briefing(project, one) for one in models)
    if not models:
        brief = '<div class="verdict care"><p class="says">No model is declared.</p></div>'
    told = f'<div class="tiles">{"".join(tiles)}</div>' if tiles else ""
    named = f"{said(eyebrow, 'eyebrow')}<h1>{escape(project.name)}</h1>{problem}{_links(models)}"
    return f"<header>{named}{brief}{told}</header>"


def _links(models: Sequence[Judged]) -> str:
    """Where the sections on models are, where that is far below."""
    links = "".join(f'<a href="#{escape(anchor(one))}">All on {escape(one.model.name)}</a>' for one in models)
    return f'<nav aria-label="sections">{links}</nav>' if links else ""


def _tiles(
    project: Project,
    sources: Sequence[Source],
    models: Sequence[Judged],
    answered: Sequence[Decisions],
    parity: Checked | None,
) -> list[str]:
    received = sum(one.received or 0 for one in sources)
    aside = sum(one.quarantined for one in sources)
    share = percent(aside / received) if received else "0 %"
    tiles = [
        tile("Rows received", number(received), f"{number(received - aside)} accepted"),
        tile("In quarantine", number(aside), f"{share} of the rows; none is lost"),
    ]
    built = {one.model.cases.name: one.built for one in models if one.built is not None}
    for name, cases in built.items():
        of = f" of {name}" if len(built) > 1 else ""
        left_out = sum(cases.excluded.values())
        why = f": {', '.join(cases.excluded)}" if left_out else ""
        names = cases.manifest["features"]
        groups = len({feature.split(".")[0] for feature in names})
        tiles.append(tile(f"Features{of}", number(len(names)), f"in {groups} groups, each with its lineage"))
        tiles.append(
            tile(f"Cases{of or ' to learn from'}", number(cases.rows), f"{number(left_out)} rows left out{why}")
        )
    for one in models:
        tiles += _metric_tiles(project, one, f" of {one.model.name}" if len(models) > 1 else "")
    decided = sum(sum(one.counts.values()) for one in answered)
    told = ", ".join(f"{number(n)} {name}" for one in answered for name, n in one.counts.items())
    tiles.append(tile("Decisions on record", number(decided), told or "no service has answered yet"))
    return [*tiles, _parity_tile(parity)]


def _parity_tile(parity: Checked | None) -> str:
    if parity is None:
        return tile("Parity", NONE, "not checked yet: 'headrace parity' does it")
    kind = "bad" if parity.differing else ""
    return tile("Parity", f"{number(parity.differing)} differ", f"of {number(parity.compared)} values compared", kind)


def _metric_tiles(project: Project, one: Judged, of: str) -> list[str]:
    version = one.shown
    if version is None:
        return []
    record, first = version.record, one.model.metrics[0].label
    wanted = [first, project.charter.metric if project.charter is not None else first]
    better = {metric.label: max if metric.greater_is_better else min for metric in one.model.metrics}
    found = []
    for label in dict.fromkeys(name for name in wanted if name in version.metrics and name in better):
        others = [each[label] for name, each in record.metrics.items() if name != "model" and label in each]
        span = record.intervals.get("model", {}).get(label)
        notes = [f"{span[0]:.2f} to {span[1]:.2f} at 95 %"] if span else []
        notes += [f"best baseline {exact(better[label](others))}"] if others else []
        found.append(tile(label.replace("_", " ").capitalize() + of, exact(version.metrics[label]), "; ".join(notes)))
    return found


def _data(sources: Sequence[Source]) -> str:
    if not sources:
        return section("Data", said("Nothing is loaded yet: 'headrace run' does it."))
    rows = [
        [
            f"<b>{escape(one.name)}</b>",
            escape(one.owner or NONE),
            number(one.received) if one.received is not None else "by query",
            number(one.rows if one.received is None else one.received - one.quarantined),
            number(one.quarantined) if one.received is not None else NONE,
            days(one.first, one.last) if one.first else "",
            sparkline(one.per_day, f"rows of {one.name} a day, at most {number(max(one.per_day, default=0))}"),
        ]
        for one in sources
    ]
    head = ("source", "owner", "received", "accepted", "quarantined", "days", "rows a day")
    return section("Data", table(head, rows, (2, 3, 4), "sources"), _quarantined(sources))


def _quarantined(sources: Sequence[Source]) -> str:
    reasons = [(f"{one.name}: {rule}", float(n), number(n)) for one in sources for rule, n in one.reasons.items()]
    if not reasons:
        return ""
    reasons.sort(key=lambda row: -row[1])
    more = f" The {_REASONS} most frequent of {len(reasons)}." if len(reasons) > _REASONS else ""
    note = f"A row can break more than one rule. What is mended can be sent again.{more}"
    return f"<h3>Why rows are in quarantine</h3>{bars(reasons[:_REASONS])}{said(note, 'soft')}"


def _features(project: Project, models: Sequence[Judged]) -> list[str]:
    """One section for each training set, whatever the number of models that learn from it."""
    built = {one.model.cases.name: one.built for one in models if one.built is not None}
    return [section(f"Features of {name}", *_features_of(project, one)) for name, one in built.items()]


def _features_of(project: Project, built: BuiltSet) -> tuple[str, str]:
    found, label = facts.features(built), built.manifest.get("label")
    parted = any(one.positives for one in found)
    return _legend(label) if parted and label is not None else "", _spreads(project, found, parted)


def _legend(label: Mapping[str, Any]) -> str:
    column = '<svg class="key" viewBox="0 0 26 10"><rect class="column key" width="26" height="10"/></svg>'
    line = '<svg class="key" viewBox="0 0 26 10"><line class="line" x1="0" x2="26" y1="5" y2="5"/></svg>'
    truth = escape(str(label["value"]))
    return (
        f'<div class="legend" aria-hidden="true"><span>{column}all cases</span>'
        f"<span>{line}those with {truth} 1, to their own height; outliers in the last bins</span></div>"
    )


def _spreads(project: Project, found: Sequence[Feature], parted: bool) -> str:
    rows: list[list[str]] = []
    before, tags = "", feature_tags(project)
    for one in found:
        group = one.name.split(".")[0]
        if group != before and group in project.feature_groups:
            rows.append([_group(project.feature_groups[group])])
        before = group
        rows.append(_spread(one, tags.get(one.name, [])))
    head = ("feature", "comes from", "missing", "spread", "99 % lie in", "mean where 0", "mean where 1")
    shown = len(head) if parted else 5
    return table(head[:shown], [row[:shown] for row in rows], (2, 4, 5, 6), "features")


def _group(group: Features) -> str:
    by = f", by {', '.join(group.by.keys)}" if group.by is not None else ", of the row itself"
    return f'<b>{escape(group.name)}</b> <span class="soft">of {escape(group.source.name + by)}</span>'


def _spread(one: Feature, tags: Sequence[str]) -> list[str]:
    label = f"distribution of {one.name}"
    tagged = f' <span class="soft">{escape(", ".join(tags))}</span>' if tags else ""
    return [
        f"<code>{escape(one.name)}</code>{tagged}",
        escape(", ".join(column.replace(".*", " (rows)") for column in one.lineage)),
        percent(one.nulls),
        spread(one.counts, one.positives, label) if one.counts else "",
        f"{number(one.low)} to {number(one.high)}" if one.counts else escape(one.kind),
        number(one.means[0]) if one.means else NONE,
        number(one.means[1]) if one.means else NONE,
    ]


def _decided(found: Sequence[Decisions]) -> str:
    if not any(one.counts for one in found):
        return section("Decisions", said("None is on record yet: 'headrace serve' answers and records them."))
    return section("Decisions", *(_service(one) for one in found if one.counts))


def _service(one: Decisions) -> str:
    counted = bars([(name, float(n), number(n)) for name, n in one.counts.items()])
    rows = [
        [
            f"<b>{escape(str(each['decision']))}</b><br><span class='soft'>{escape(str(each['record_id']))}</span>",
            exact(each["score"]),
            f'<span class="says">{"<br>".join(_because(why) for why in each["reasons"])}</span>',
        ]
        for each in one.examples
    ]
    spaces = dict.fromkeys(str(why["space"]) for each in one.examples for why in each["reasons"])
    note = said(f"In brackets: what the feature contributes to the score, in {' or '.join(spaces)}.", "soft")
    listing = table(("decision", "score", "because"), rows, (1,), "decisions")
    shown = f"<h3>The last that were explained</h3>{listing}{note}" if rows else ""
    return f"<h3>{escape(one.service)}</h3>{counted}{shown}"


def _because(why: Mapping[str, Any]) -> str:
    value, moves = why["value"], float(why["contribution"])
    if isinstance(value, Mapping):  # a pseudonym: it tells of a person
        value = "masked"
    value = "missing" if value is None else value if isinstance(value, str) else number(value)
    moved = f"{moves:+.3f}".replace("-", "\N{MINUS SIGN}") if abs(moves) >= 0.0005 else "0"
    return f"<code>{escape(str(why['feature']))}</code> is {escape(value)} <span class='soft'>({moved})</span>"


def _parity(found: Checked | None, answered: Sequence[Decisions]) -> str:
    if found is None:
        told = "It has not been checked" if answered else "There is nothing to check yet"
        return section("Parity", said(f"{told}: 'headrace parity' recomputes what was served from history."))
    when = clock.from_us(found.at_us)
    told = (
        f"{number(found.compared)} served values ({len(found.features)} columns, scores among them) were recomputed "
        f"from history and compared bit by bit on {when.day} {when:%B %Y, %H:%M} UTC."
    )
    verdict = f"{number(found.differing)} differ." if found.differing else "None differs."
    kind = "bad" if found.differing else "good"
    rows = [
        [f"<code>{escape(name)}</code>", number(compared), number(differing)]
        for name, (compared, differing) in found.features.items()
        if differing
    ]
    shown = table(("feature", "compared", "differing"), rows, (1, 2), "values that differ") if rows else ""
    skipped = "".join(said(f"{number(n)} not compared: {why}.", "soft") for why, n in found.skipped.items())
    return section("Parity", f"<p>{escape(told)} <b class='{kind}'>{escape(verdict)}</b></p>", shown, skipped)


def _lineage(project: Project) -> str:
    nodes = project.nodes()
    order = (
        ("sources", ("stream", "table")),
        ("features", ("features",)),
        ("training sets", ("training_set",)),
        ("models", ("model",)),
        ("services", ("service",)),
    )
    columns = [(title, [name for name in nodes if name.split(":")[0] in kinds]) for title, kinds in order]
    links = [(node_id(used), name) for name, node in nodes.items() for used in uses(node)]
    told = "; ".join(f"{target} from {source}" for source, target in links)
    picture = flow([(title, names) for title, names in columns if names], links, f"what comes from what: {told}")
    label = '<div class="scroll" role="region" tabindex="0" aria-label="what comes from what">'
    note = said("Dashed: what goes straight into a set, its rows and its label.", "soft")
    return section("What comes from what", f"{label}{picture}</div>", note)


def _charter(project: Project) -> str:
    if project.charter is None:
        return section("Charter", said("The project has none: five answers are owed, see hr.Charter."))
    answers = {one.name: str(getattr(project.charter, one.name)) for one in fields(project.charter) if one.init}
    return section("Charter", listed({name: escape(text) for name, text in answers.items() if text}))
