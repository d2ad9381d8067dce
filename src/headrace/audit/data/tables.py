"""A stream or table on the page: its figures, its loads, its columns, its quarantine, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from headrace.audit.data.cards import card, drawn
from headrace.audit.data.gathered import Facts
from headrace.audit.facts import rule_in_words
from headrace.audit.figures import bars, stacked
from headrace.audit.page import NONE, ago, figure, listed, number, percent, said, section, tile
from headrace.audit.plot import Axis, Line, linear, plot

SEVERITY_COLOUR = {"warn": "care", "reject": "bad", "stop": "bad"}
_REASONS = 10


def _age(seconds: float | None) -> str:
    return NONE if seconds is None else ago(seconds)


def table_section(one: Facts) -> str:
    """Return the section of a stream or table."""
    head = said(one.says) if one.says else ""
    about = {
        "kind": f"{one.kind}, by query" if one.source == "query" else one.kind,
        "loaded from": NONE if one.source == "query" else f'<code class="long">{escape(one.source)}</code>',
        "owner": escape(one.owner or NONE),
        "made of": escape(", ".join(one.ways.up)) if one.source == "query" else "",
        "goes into": escape(", ".join(one.ways.down)),
    }
    told = listed({name: text for name, text in about.items() if text and text != NONE})
    if not one.loaded:
        return section(one.name, head, said("Nothing is loaded yet: 'headrace run' does it."), told, anchor=one.name)
    body = (_tiles(one), _loads(one), _columns(one), _aside(one))
    return section(one.name, head, told, *body, anchor=one.name)


def _tiles(one: Facts) -> str:
    now = sum(promise.now for promise in one.broken)
    taken = "by query" if one.received is None else f"of {number(one.received)} received"
    changed = (one.changed or NONE)[:16].replace("T", " ")
    tiles = [
        tile("Rows", number(one.rows), taken),
        tile("Newest row", _age(one.age_s), f"last change {changed} UTC"),
        tile("In quarantine", number(one.quarantined), "none is lost"),
    ]
    if one.promises:
        kept = f"{one.promises - now} of {one.promises} kept"
        tiles.append(tile("Promises", kept, "by the last load", "bad" if now else ""))
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _loads(one: Facts) -> str:
    if len(one.loads) < 2:
        return ""
    accepted, kept_out = sum(load.accepted for load in one.loads), sum(load.aside for load in one.loads)
    rows = stacked(
        [(load.accepted, load.aside) for load in one.loads], f"rows of each of the last loads of {one.name}", 360, 176
    )
    caption = f"{number(accepted)} accepted, {number(kept_out)} kept out in the last {len(one.loads)}; red: kept out"
    shares = [load.share for load in one.loads]
    told = f"{percent(shares[-1])} of the last one; least {percent(min(shares))}"
    first, last = one.loads[0].at[:10], one.loads[-1].at[:10]
    ends = f'<p class="ends" style="max-width:360px"><span>{first}</span><span>{last}</span></p>'
    pictures = figure("Rows of the last loads", caption, rows + ends) + figure(
        "Accepted", told, _shares(shares, one.name)
    )
    return f'<div class="figures">{pictures}</div>'


def _shares(shares: Sequence[float], name: str) -> str:
    low = min(0.99, *shares)
    up = linear("", 100 * low, 100.0, 3)
    axis = Axis("accepted", low, 1.0, tuple((value / 100, f"{text} %") for value, text in up.ticks))
    across = Axis("loads, the newest at the right", 1, len(shares), ())
    points = [(float(at), share) for at, share in enumerate(shares, 1)]
    return plot([Line("line", points, dots=len(points) <= 40)], across, axis, f"accepted share of the loads of {name}")


def _columns(one: Facts) -> str:
    if not one.columns:
        return ""
    changes = {change.column: change for change in one.changes}
    cards = "".join(card(column, changes.get(column.name)) for column in one.columns)
    return f'<h3>Columns</h3>{_legend(one)}<div class="figures">{cards}</div>'


def _legend(one: Facts) -> str:
    if not drawn(one.columns):
        return ""
    column = '<svg class="key" viewBox="0 0 26 10"><rect class="column key" width="26" height="10"/></svg>'
    line = '<svg class="key" viewBox="0 0 26 10"><line class="line" x1="0" x2="26" y1="5" y2="5"/></svg>'
    beside = "those of the last load" if one.against.load else "those of the version before"
    return (
        f'<div class="legend"><span>{column}all rows; outliers in the last bins</span>'
        f"<span>{line}{beside}, to their own height; on bars of values a needle</span></div>"
    )


def _aside(one: Facts) -> str:
    if not one.aside:
        return ""
    rows = [
        (
            rule_in_words(f"{reason.code} {reason.field}") + (f": {reason.word}" if reason.word else ""),
            float(reason.rows),
            f"{number(reason.rows)}, first {reason.example}",
        )
        for reason in one.aside[:_REASONS]
    ]
    more = f" The {_REASONS} most frequent of {len(one.aside)}." if len(one.aside) > _REASONS else ""
    note = f"A row can break more than one rule; 'headrace quarantine fix {one.name}' repairs what can be.{more}"
    return f"<h3>Why rows are in quarantine</h3>{bars(rows)}{said(note, 'soft')}"
