"""The report of data as one page: what is wrong first, then all tables, and then each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import metadata
from pathlib import Path
from typing import Any

from headrace import clock
from headrace.audit.data.gathered import Facts, Gathered, gather, silent
from headrace.audit.data.profile import Told
from headrace.audit.data.promises import Promise
from headrace.audit.data.tables import SEVERITY_COLOUR, table_section
from headrace.audit.facts import Loaded
from headrace.audit.figures import bars, flow, sparkline, stacked
from headrace.audit.page import NONE, ago, number, page, percent, said, section, table, tile, verdict

_CHANGED, _NAMED = 12, 3
"""Columns that changed most, and promises in the headline, that are shown."""


@dataclass(frozen=True, repr=False)
class DataReport:
    """The report of data: where it was written, what it tells, and the page itself, which a notebook shows."""

    path: Path
    gathered: Gathered
    html: str

    def as_dict(self) -> dict[str, Any]:
        """Return what it tells as plain values, without pictures."""
        return {"report": str(self.path), **self.gathered.as_dict()}

    def __repr__(self) -> str:
        return f"Report of data: {self.path}"

    def _repr_html_(self) -> str:
        style = "width:100%;height:720px;border:1px solid #8884;border-radius:4px"
        return f'<iframe title="report of data" sandbox="" style="{style}" srcdoc="{escape(self.html)}"></iframe>'


def data_report(loaded: Loaded, names: Sequence[str] = (), path: Path | None = None, told: Told = silent) -> DataReport:
    """Write the report of data as one self-contained HTML file.

    Args:
        loaded: the project; whatever is not there yet is said to be missing.
        names: of streams and tables; all of them by default.
        path: of the file; by default ``reports/data.html`` in the project's state.
        told: of each step.

    Raises:
        HeadraceError: HR-REPORT-001 for a name that is none.
    """
    path = path or loaded.state_dir / "reports" / "data.html"
    gathered = gather(loaded, names, told)
    html = page_of(gathered)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8")
    return DataReport(path, gathered, html)


def page_of(gathered: Gathered) -> str:
    """Return the page."""
    sections = [_head(gathered), _overview(gathered), _broken(gathered.broken), _changed(gathered), _map(gathered)]
    each = [table_section(one) for one in gathered.tables]
    return page(f"{gathered.project}: data", [*sections, *each])


def _head(gathered: Gathered) -> str:
    when = clock.from_us(gathered.at)
    eyebrow = f"Data on {when.day} {when:%B %Y, %H:%M} UTC, by Headrace {metadata.version('headrace')}"
    problem = said(gathered.problem, "lede") if gathered.problem else ""
    tiles = "".join(_tiles(gathered.tables, gathered.broken))
    return (
        f"<header>{said(eyebrow, 'eyebrow')}<h1>{escape(gathered.project)}</h1>{problem}"
        f'{_verdict(gathered)}<div class="tiles">{tiles}</div></header>'
    )


def _verdict(gathered: Gathered) -> str:
    if not gathered.tables:
        return verdict("care", "No stream or table is declared.", "")
    if not any(one.loaded for one in gathered.tables):
        return verdict("care", "Nothing is loaded yet", "'headrace run' does it.")
    now = [one for one in gathered.broken if one.now]
    refused = [one.name for one in gathered.tables if one.loads and one.loads[-1].refused]
    if not now and not refused:
        return verdict("good", "The last loads kept every promise", "What was broken before stands below, if anything.")
    tables = dict.fromkeys([*(one.table for one in now), *refused])
    count = f"{len(now)} promise{'s' if len(now) != 1 else ''}" if now else "A load was refused:"
    kind = "bad" if refused or any(one.severity != "warn" for one in now) else "care"
    told = f"{count} broken by the last load of {', '.join(tables)}" if now else f"{count} {', '.join(refused)}"
    named = [f"{one.table}: {one.rule} {_measured(one)}" for one in now[:_NAMED]]
    more = [f"and {len(now) - _NAMED} more"] if len(now) > _NAMED else []
    return verdict(kind, told, "; ".join(named + more))


def _measured(one: Promise) -> str:
    rows = one.failed[-1]
    return f"({number(rows)} row{'s' if rows != 1 else ''})" if one.of_rows else f"({one.says})"


def _tiles(tables: Sequence[Facts], broken: Sequence[Promise]) -> list[str]:
    loaded = [one for one in tables if one.loaded]
    rows, aside = sum(one.rows for one in loaded), sum(one.quarantined for one in tables)
    received = sum(one.received or 0 for one in loaded)
    promises, now = sum(one.promises for one in loaded), sum(one.now for one in broken)
    newest = min((one.age_s for one in loaded if one.age_s is not None), default=None)
    moved = [(change.index or 0, one.name, change.column) for one in loaded for change in one.changes if change.index]
    most = max(moved, default=None)
    share = f"{percent(aside / received)} of what was received" if received else "nothing was received yet"
    return [
        tile("Tables", f"{len(loaded)} of {len(tables)}" if len(loaded) < len(tables) else str(len(tables)), "loaded"),
        tile("Rows", number(rows), f"{number(received)} received from sources"),
        tile("In quarantine", number(aside), share),
        tile("Promises", f"{promises - now} of {promises} kept", "by the last loads", "bad" if now else ""),
        tile("Newest row", NONE if newest is None else ago(newest), "of all tables"),
        tile(
            "Changed most", f"{most[0]:.2f}" if most else NONE, f"{most[1]}.{most[2]}" if most else "nothing to compare"
        ),
    ]


def _overview(gathered: Gathered) -> str:
    if not gathered.tables:
        return ""
    rows = [_line(one) for one in gathered.tables]
    head = (
        "table",
        "owner",
        "rows",
        "newest row",
        "last change",
        "rows of the last loads",
        "accepted",
        "in quarantine",
    )
    return section("Streams and tables", table(head, rows, (2, 6, 7), "streams and tables"))


def _line(one: Facts) -> list[str]:
    name = (
        f'<a href="#{escape(one.name)}"><b>{escape(one.name)}</b></a><br><span class="soft">{escape(one.source)}</span>'
    )
    owner = escape(one.owner or NONE)
    if not one.loaded:
        return [name, owner, "not loaded yet", NONE, NONE, "", NONE, number(one.quarantined)]
    picture = stacked([(load.accepted, load.aside) for load in one.loads], f"rows of the loads of {one.name}", 150, 30)
    share = percent(one.loads[-1].share) if one.loads else NONE
    last = picture if len(one.loads) > 1 else ""
    changed = (one.changed or NONE)[:16].replace("T", " ")
    return [
        name,
        owner,
        number(one.rows),
        NONE if one.age_s is None else ago(one.age_s),
        changed,
        last,
        share,
        number(one.quarantined),
    ]


def _broken(found: Sequence[Promise]) -> str:
    if not found:
        return ""
    head = ("promise", "says", "severity", "last load", "rows in all", "last loads", "owner", "example")
    rows = [_promise(one) for one in found]
    note = said("An example names a file and its row, or the load; 'headrace quarantine show' has the rows.", "soft")
    return section("Broken promises", table(head, rows, (3, 4), "broken promises"), note)


def _promise(one: Promise) -> list[str]:
    rule, place = f'<code class="long">{escape(one.rule)}</code>', f'<span class="soft">{escape(one.place)}</span>'
    name = f"<b>{escape(one.table)}</b> {rule}<br>{place}"
    last = (number(one.failed[-1]) if one.of_rows else "broken") if one.now else "kept"
    picture = (
        sparkline(one.failed, f"{one.rule} of {one.table} broken, load by load", 90, 26) if len(one.failed) > 1 else ""
    )
    return [
        name,
        f'<span class="says">{escape(one.says)}</span>',
        f'<b class="{SEVERITY_COLOUR[one.severity]}">{escape(one.severity)}</b>',
        last,
        number(one.rows) if one.of_rows else NONE,
        picture,
        escape(one.owner or NONE),
        f'<code class="long">{escape(one.example)}</code>' if one.example else NONE,
    ]


def _changed(gathered: Gathered) -> str:
    every = [
        (change.index, one.name, change)
        for one in gathered.tables
        for change in one.changes
        if change.index is not None
    ]
    if not every:
        return ""
    every.sort(key=lambda one: (-one[0], one[1], one[2].column))
    rows = [(f"{name}.{one.column}", index, f"{index:.2f} {one.word}") for index, name, one in every[:_CHANGED]]
    note = (
        "Population stability index of the last load against those before, or of a table against its version before. "
        "Below 0.1 is commonly read as no change, above 0.25 as a large one; with few rows it is large by chance."
    )
    return section("Changes since the last load", bars(rows, most=max(0.5, every[0][0])), said(note, "soft"))


def _map(gathered: Gathered) -> str:
    if not gathered.map.links:
        return ""
    told = "; ".join(f"{target} from {source}" for source, target in gathered.map.links)
    picture = flow(gathered.map.columns, gathered.map.links, f"what comes from what: {told}")
    label = '<div class="scroll" role="region" tabindex="0" aria-label="what comes from what">'
    return section("What comes from what", f"{label}{picture}</div>")
