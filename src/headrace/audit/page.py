"""The page around the facts: one HTML file, without anything from elsewhere, for screen and paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from importlib import resources
from typing import Any

NONE = "\N{EN DASH}"
_LARGE = 1e15
"""From here on more digits say less than an exponent."""


def page(title: str, sections: Iterable[str]) -> str:
    """Return a whole document."""
    style = (resources.files("headrace.audit") / "report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>{''.join(sections)}</main></body></html>"
    )


def section(title: str, *parts: str, anchor: str = "") -> str:
    """Return a section under its heading; the parts are HTML already; an anchor is what links on the page name."""
    named = f' id="{escape(anchor)}"' if anchor else ""
    return f"<section{named}><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def verdict(kind: str, says: str, why: str) -> str:
    """Return what is to be said first, ``good``, ``bad`` or with ``care``, and why."""
    return f'<div class="verdict {kind}"><p class="says">{escape(says)}</p><p class="why">{escape(why)}</p></div>'


def said(text: str, kind: str = "") -> str:
    """Return a paragraph of plain text."""
    named = f' class="{kind}"' if kind else ""
    return f"<p{named}>{escape(text)}</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = (), label: str = "") -> str:
    """Return a table whose cells are HTML already; on a phone each row becomes a block with a label before each value.

    Args:
        head: names of the columns, plain text.
        rows: of as many cells; a row of a single cell heads those below it.
        right: columns of numbers.
        label: what the table holds, for those who hear the page.
    """
    names = "".join(f'<th scope="col"{_right(i, right)}>{escape(name)}</th>' for i, name in enumerate(head))
    body = "".join(_row(head, row, right) for row in rows)
    inside = f'<table class="stack"><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label or head[0])}">{inside}</div>'


def _row(head: Sequence[str], row: Sequence[str], right: Sequence[int]) -> str:
    if len(row) == 1:
        return f'<tr class="group"><th scope="rowgroup" colspan="{len(head)}">{row[0]}</th></tr>'
    cells = "".join(
        f'<td data-label="{escape(head[i])}"{_right(i, right)}>{cell and f"<div>{cell}</div>"}</td>'
        for i, cell in enumerate(row)
    )
    return f"<tr>{cells}</tr>"


def _right(column: int, right: Sequence[int]) -> str:
    return ' class="n"' if column in right else ""


def tile(label: str, figure: str, note: str, kind: str = "") -> str:
    """Return a figure with its name above and what it means below."""
    above, below = (f'<span class="{one}">{escape(text)}</span>' for one, text in (("label", label), ("soft", note)))
    return f'<div class="tile">{above}<b class="{kind}">{escape(figure)}</b>{below}</div>'


def figure(title: str, caption: str, picture: str, legend: Iterable[tuple[str, str]] = ()) -> str:
    """Return a picture under its title, with what is to be seen in it, and the keys of its lines."""
    keys = "".join(
        f'<span><svg class="key" viewBox="0 0 26 10">{key}</svg>{escape(name)}</span>' for key, name in legend
    )
    told = f'<div class="legend" aria-hidden="true">{keys}</div>' if keys else ""
    head = f"<figcaption><b>{escape(title)}</b><span>{escape(caption)}</span></figcaption>"
    return f"<figure>{head}{told}{picture}</figure>"


def listed(values: Mapping[str, str]) -> str:
    """Return names with their values, which are HTML already."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{value}</dd>' for name, value in values.items())}</dl>"


def days(first: str, last: str) -> str:
    """Return two moments in ISO 8601 as the days from and to.

    Example:
        >>> days("2026-01-01", "2026-07-02"), days("2025-12-30", "2026-01-02")
        ('1 Jan to 2 Jul 2026', '30 Dec 2025 to 2 Jan 2026')
    """
    begin, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
    year = f" {begin:%Y}" if begin.year != end.year else ""
    return f"{begin.day} {begin:%b}{year} to {end.day} {end:%b %Y}"


def number(value: Any) -> str:
    """Return a number as people read it: thousands apart, four digits of what is not whole, and of what is huge.

    Example:
        >>> number(1754155), number(43390.4), number(0.0123456), number(0.0), number(True)
        ('1,754,155', '43,390', '0.01235', '0', 'yes')
    """
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if abs(value) >= _LARGE:
        return f"{value:.4g}"
    if isinstance(value, int) or float(value).is_integer():
        return f"{value:,.0f}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 0.0001 else f"{value:.6f}".rstrip("0").rstrip(".")


def exact(value: float | None) -> str:
    """Return a metric or score: four places, so that those in a column end alike."""
    return NONE if value is None else f"{value:.4f}"


def percent(share: float) -> str:
    """Return a share as a percentage; what is there at all is never shown as none.

    Example:
        >>> percent(0.1194), percent(0.00002), percent(0.0)
        ('11.9 %', '< 0.1 %', '0 %')
    """
    if share == 0:
        return "0 %"
    return "< 0.1 %" if share < 0.0005 else f"{100 * share:.1f} %"


def ago(seconds: float) -> str:
    """Return an age in the largest unit of which there are two or more.

    Example:
        >>> ago(90), ago(7300), ago(-5)
        ('90 s', '2 h', '0 s')
    """
    seconds = max(0, seconds)
    units = (("d", 86_400), ("h", 3600), ("min", 60))
    name, length = next(((name, length) for name, length in units if seconds >= 2 * length), ("s", 1))
    return f"{int(seconds // length):,} {name}"
