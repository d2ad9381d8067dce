"""Where and when a model is good: from day to day, and by groups of rows."""

from __future__ import annotations

from html import escape

from headrace.audit.models.over_time import OverTime
from headrace.audit.models.segments import Parted, Segment, Segments
from headrace.audit.models.shown.words import of_share, title, told_worse
from headrace.audit.models.shown.yes_no import LINE
from headrace.audit.page import exact, figure, number, percent, said, table
from headrace.audit.plot import Line, dates, linear, plot
from headrace.clock import DAY_US

_OTHER = '<line class="other" x1="0" x2="26" y1="5" y2="5"/>'
_OPEN = 6
"""Columns whose groups are listed where nothing is wrong with them: those that a gate names, and the most important."""


def over_time_figures(found: OverTime | None) -> list[str]:
    """Return metrics, and labels beside scores, from day to day."""
    if found is None:
        return []
    half = found.days * DAY_US / 2
    across = dates("", int(min(found.at_us) - half), int(max(found.at_us) + half) - 1)
    drawn = []
    span = "day" if found.days == 1 else f"{found.days} days"
    for label, values in found.values.items():
        points = [(float(at), value) for at, value in zip(found.at_us, values, strict=True) if value is not None]
        if len(points) < 2:
            continue
        low, high = min(value for _, value in points), max(value for _, value in points)
        up = linear("", 0.0 if low >= 0 else low, max(1.0 if 0.5 < high <= 1 else high * 1.1, 1e-9))
        silent = len(values) - len(points)
        caption = f"For each {span} of the test" + (f"; {silent} without a value" if silent else "")
        told = f"{label} for each {span}: from {low:.4g} to {high:.4g}"
        drawn.append(
            figure(f"{title(label)} over time", caption, plot([Line("line", points, dots=True)], across, up, told))
        )
    if found.true:
        drawn.append(_means(found, span))
    return drawn


def _means(found: OverTime, span: str) -> str:
    true, foretold = (
        [(float(at), one) for at, one in zip(found.at_us, each, strict=True)] for each in (found.true, found.foretold)
    )
    half = found.days * DAY_US / 2
    across = dates("", int(min(found.at_us) - half), int(max(found.at_us) + half) - 1)
    ends = [value for _, value in (*true, *foretold)]
    up = linear("", min(0.0, *ends), max(ends) * 1.1 or 1.0)
    told = f"mean label and mean score for each {span}"
    picture = plot([Line("other", true), Line("line", foretold, dots=True)], across, up, told)
    keys = [(LINE, "mean score"), (_OTHER, "mean label")]
    return figure("Foretold and true over time", "Do the two rise and fall together", picture, keys)


def segments_part(found: Segments | None) -> str:
    """Return groups of the test rows: what is worse than elsewhere, then column by column."""
    if found is None or not found.columns:
        return ""
    parts = ["<h3>By groups of rows</h3>", _worse(found)]
    worse = {column for column, _ in found.worse}
    shown = [one for one in found.columns if one.asked or one.column in worse]
    shown += [one for one in found.columns if one not in shown][: max(_OPEN - len(shown), 0)]
    rows: list[list[str]] = []
    asked = any(one.asked for one in shown)
    for column in shown:
        rows.append([_head(column)])
        rows += [_row(one, asked) for one in column.parts]
    left = [one.column for one in found.columns if one not in shown]
    note = said(f"No group of these differs surely, either: {', '.join(left)}.", "soft") if left else ""
    head = [
        "group",
        "rows",
        found.measure,
        "true",
        "foretold",
        "found",
        "of them right",
        *(["the gate's metric"] if asked else []),
    ]
    used = [0, 1, 2, *(at for at in range(3, len(head)) if any(len(row) > 1 and row[at] for row in rows))]
    kept = [row if len(row) == 1 else [row[at] for at in used] for row in rows]
    names = [head[at] for at in used]
    return "".join([*parts, table(names, kept, range(1, len(names)), "groups of the test rows"), note])


def _worse(found: Segments) -> str:
    compared = sum(part.value is not None for column in found.columns for part in column.parts)
    told = f"{compared} groups were compared with the rest by {found.measure}"
    if found.whole is not None:
        told += f", which is {exact(found.whole)} for all rows"
    if not found.worse:
        return said(f"{told}. None is worse by more than chance.")
    named = "; ".join(f"{column} {part.name} ({told_worse(found.measure, part)})" for column, part in found.worse)
    return said(f"{told}. Worse by more than chance, allowing for so many: {named}.")


def _head(column: Parted) -> str:
    asked = f" <span class='soft'>a gate compares {escape(column.asked)}</span>" if column.asked else ""
    return f"<code>{escape(column.column)}</code>{asked}"


def _row(one: Segment, asked: bool) -> list[str]:
    mark = ' <b class="bad">worse</b>' if one.worse else ""
    shares = one.true is not None and 0 <= one.true <= 1 and (one.foretold is None or 0 <= one.foretold <= 1)
    told = percent if shares else number
    cells = [
        f"{escape(one.name)}{mark}",
        number(one.rows),
        exact(one.value),
        "" if one.true is None else told(one.true),
        "" if one.foretold is None else told(one.foretold),
        "" if one.found is None else of_share(one.found),
        "" if one.right is None else of_share(one.right),
    ]
    return [*cells, "" if one.asked is None else exact(one.asked)] if asked else cells
