"""A column on a card: its picture, its figures, and what the last load changed in it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from headrace import clock
from headrace.audit.data.bins import Bins
from headrace.audit.data.changes import Change
from headrace.audit.data.profile import Column
from headrace.audit.figures import bars, spread
from headrace.audit.page import NONE, number, percent

_SHOWN = 7
"""Values of a category that are shown."""
_NAMED = 4
"""Values that are new or gone that are named."""
_LONGEST = 40
_COLOUR = {"as before": "", "moved": "care", "shifted": "bad"}
_DAY_US = clock.DAY_US


def card(one: Column, change: Change | None) -> str:
    """Return a column as a figure."""
    about = one.about
    said = [about.type, about.unit, *about.tags]
    head = (
        f"<figcaption><code>{escape(one.name)}</code><span>{escape(' · '.join(filter(None, said)))}</span></figcaption>"
    )
    return f'<figure class="column">{head}{_picture(one)}{_figures(one)}{_changed(one, change)}</figure>'


def _picture(one: Column) -> str:
    if one.kind == "category" and one.values:
        return _values(one)
    if one.bins is None:
        return ""
    low, high = one.middle or (one.bins.low, one.bins.high)
    label = f"distribution of {one.name}, 99 % from {_said(one, low)} to {_said(one, high)}"
    picture = spread(one.bins.counts, one.bins.other, label, 300, 74)
    return f'{picture}<p class="ends"><span>{escape(_said(one, low))}</span><span>{escape(_said(one, high))}</span></p>'


def _values(one: Column) -> str:
    there, beside = max(one.rows - one.missing, 1), max(one.other_rows - one.other_missing, 1)
    shown = one.values[:_SHOWN]
    rows = [(_short(value), rows / there, percent(rows / there)) for value, rows, _ in shown]
    marks = [other / beside for *_, other in shown] if one.other_rows else []
    rest = [rows for _, rows, _ in one.values[_SHOWN:]]
    more = f'<p class="ends"><span>{len(rest):,} more: {percent(sum(rest) / there)}</span></p>' if rest else ""
    return bars(rows, marks, max([row[1] for row in rows] + marks)) + more


def _short(value: str) -> str:
    if not value.strip():
        return "(empty)" if not value else "(blank)"
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"


def _figures(one: Column) -> str:
    told = [("missing", percent(one.missing / one.rows) if one.rows else NONE)]
    told.append(("distinct", f"{one.distinct:,}" if one.exact else f"≈ {one.distinct:,} ({one.method})"))
    if one.kind == "number" and one.quantiles:
        numbers = (one.mean, one.least, one.quantiles[0.25], one.quantiles[0.5], one.quantiles[0.75], one.most)
        told += zip(("mean", "least", "25 %", "median", "75 %", "most"), map(number, numbers), strict=True)
    elif one.kind == "time" and one.quantiles:
        told += [("first", _said(one, one.least)), ("last", _said(one, one.most))]
    elif one.kind in ("text", "list") and one.least is not None:
        what = "length" if one.kind == "text" else "items"
        told += [(f"{what}, least", number(one.least)), ("mean", number(one.mean)), ("most", number(one.most))]
    listed = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in told)
    hidden = '<p class="change">Its values are not shown.</p>' if one.kind == "hidden" else ""
    return f'<dl class="figuring{" eight" if len(told) == 8 else ""}">{listed}</dl>{hidden}'


def _said(one: Column, value: float) -> str:
    """A value as people read it; of times the day, and the minute where all lie within two days."""
    if one.kind != "time":
        return number(value)
    near = one.most - one.least < 2 * _DAY_US
    return f"{clock.from_us(int(value)):{'%Y-%m-%d %H:%M' if near else '%Y-%m-%d'}}"


def _changed(one: Column, change: Change | None) -> str:
    if change is None:
        return ""
    told = []
    if change.index is not None:
        by = ", as its promise measures" if change.promised else ""
        word = f'<b class="{_COLOUR[change.word]}">{change.word}</b>'
        told.append(f"last load {word}, index {change.index:.2f}{by}")
    before, now = change.missing
    if percent(before) != percent(now):
        told.append(f"missing {percent(before)} → {percent(now)}")
    told += [
        f"{word}: {escape(_few(values))}"
        for word, values in (("new", change.new), ("not in it", change.gone))
        if values
    ]
    return f'<p class="change">{"; ".join(told)}</p>' if told else ""


def _few(values: Sequence[str]) -> str:
    more = f" and {len(values) - _NAMED:,} more" if len(values) > _NAMED else ""
    return ", ".join(_short(value) for value in values[:_NAMED]) + more


def drawn(columns: Sequence[Column]) -> bool:
    """Return whether a picture of these has a second part beside all rows."""
    bins: list[Bins] = [one.bins for one in columns if one.bins is not None]
    return any(one.other for one in bins) or any(one.values and one.other_rows for one in columns)
