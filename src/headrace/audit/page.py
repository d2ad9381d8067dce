"""The page around the facts: one HTML file, without anything from elsewhere, for screen and paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from importlib import resources
from typing import Any

from headrace import clock

_DAY_US = 86_400_000_000


def page(title: str, sections: Iterable[str]) -> str:
    """Return a whole document."""
    style = (resources.files("headrace.audit") / "report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n<body><main>{''.join(sections)}</main></body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Return a section under its heading."""
    return f"\n<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of plain text."""
    return f"<p{_class(kind)}>{escape(text)}</p>"


def code(text: str) -> str:
    """Return a name or an expression as such; it may be broken behind a dot or an underscore."""
    return f"<code>{escape(text)}</code>"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = (), *, label: str, stack: bool = False
) -> str:
    """Return a table.

    Args:
        head: of each column, plain text.
        rows: cells that are HTML already; a row of one cell spans them all and heads those below it.
        right: columns of numbers.
        label: what the table is, for those who hear it.
        stack: on a phone, rows become blocks instead of being scrolled.
    """
    titles = "".join(f'<th scope="col"{_right(i, right)}>{escape(name)}</th>' for i, name in enumerate(head))
    body = "".join(_row(row, head, right) for row in rows)
    kind = ' class="stack"' if stack else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">'
        f"<table{kind}><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(row: Sequence[str], head: Sequence[str], right: Sequence[int]) -> str:
    if len(row) == 1 < len(head):
        return f'<tr class="group"><th scope="rowgroup" colspan="{len(head)}">{row[0]}</th></tr>'
    cells = [
        f'<td data-label="{escape(name)}"{_right(i, right)}>{cell}</td>'
        for i, (name, cell) in enumerate(zip(head, row, strict=True))
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _right(column: int, right: Sequence[int]) -> str:
    return _class("n") if column in right else ""


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def tile(said: str, value: str, beside: str = "", kind: str = "") -> str:
    """Return a figure with what it means: a label, the value, and a remark."""
    remark = f'<span class="soft">{escape(beside)}</span>' if beside else ""
    return f'<div class="tile"><span class="label">{escape(said)}</span><b{_class(kind)}>{escape(value)}</b>{remark}</div>'


def figure(title: str, picture: str, caption: str = "", legend: str = "") -> str:
    """Return a picture under its title, with what must be known to read it."""
    note = f"<span>{escape(caption)}</span>" if caption else ""
    return f"<figure><figcaption><b>{escape(title)}</b>{note}</figcaption>{legend}{picture}</figure>"


def legend(keys: Sequence[tuple[str, str]]) -> str:
    """Return what the lines of a picture stand for: class and name of each."""
    shown = "".join(
        '<span><svg class="key" viewBox="0 0 26 10" aria-hidden="true">'
        f'<line class="{kind}" x1="1" x2="25" y1="5" y2="5"/></svg>{escape(name)}</span>'
        for kind, name in keys
    )
    return f'<div class="legend">{shown}</div>'


def outcome(passed: bool, good: str = "passed", bad: str = "failed") -> str:
    """Return an outcome as sign, word and colour, so that none of them is needed alone."""
    return f'<span class="{"good" if passed else "bad"}">{"✓" if passed else "✗"} {good if passed else bad}</span>'


def number(value: Any) -> str:
    """Return a number as people read it.

    Example:
        >>> number(1797219), number(0.76573), number(43387.2), number(None)
        ('1,797,219', '0.7657', '43,387', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 10_000 <= abs(value) < 1e15 else f"{value:,.4g}"
    return str(value)


def percent(share: float) -> str:
    """Return a share in percent, with more digits where it is close to either end.

    Example:
        >>> percent(0.123), percent(0.00019), percent(0.0), percent(1.0), percent(0.9999)
        ('12.3 %', '0.02 %', '0 %', '100 %', '99.99 %')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    if share < 0.0001:
        return "< 0.01 %"
    close = min(share, 1 - share) < 0.01
    return f"{min(100 * share, 99.99):.2f} %" if close else f"{100 * share:.1f} %"


def count(amount: int, one: str, many: str = "") -> str:
    """Return how many there are of something.

    Example:
        >>> count(1, "row"), count(1200, "row"), count(0, "entry", "entries")
        ('1 row', '1,200 rows', '0 entries')
    """
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def day(us: int) -> str:
    """Return the day of a moment (UTC microseconds).

    Example:
        >>> day(0)
        '1 January 1970'
    """
    moment = clock.from_us(us)
    return f"{moment.day} {moment:%B %Y}"


def day_of(text: str) -> str:
    """Return the day of a moment given as ISO 8601 text."""
    return day(clock.to_us(datetime.fromisoformat(text)))


def moment(us: int) -> str:
    """Return a moment (UTC microseconds) to the minute."""
    return f"{day(us)}, {clock.from_us(us):%H:%M} UTC"


def ago(us: int, now_us: int) -> str:
    """Return how long ago a moment was, in its largest whole unit.

    Example:
        >>> ago(0, 3 * 86_400_000_000), ago(10, 5)
        ('3 days ago', 'in the future')
    """
    past = now_us - us
    if past < 0:
        return "in the future"
    for unit, length in (("day", _DAY_US), ("hour", 3_600_000_000), ("minute", 60_000_000)):
        if past >= length:
            return f"{count(past // length, unit)} ago"
    return "just now"
