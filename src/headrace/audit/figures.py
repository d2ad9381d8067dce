"""Small pictures as inline SVG: bars, lines and boxes that need no library and print well."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from headrace.audit.plot import svg


def bars(rows: Sequence[tuple[str, float, str]], marks: Sequence[float] = (), most: float = 0) -> str:
    """Return horizontal bars.

    Args:
        rows: name, length, and the text behind each, which says all that the bar shows.
        marks: a second length for each, drawn as a line across; none of them by default.
        most: length of a full bar; by default the longest.
    """
    most = most or max((value for _, value, _ in rows), default=0) or 1
    lines = "".join(
        f"<li><span>{escape(name)}</span>"
        f'<svg class="track" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="bar" width="{100 * value / most:.1f}" height="10"/>{_mark(marks, at, most)}</svg>'
        f"<span>{escape(told)}</span></li>"
        for at, (name, value, told) in enumerate(rows)
    )
    return f'<ul class="bars">{lines}</ul>'


def _mark(marks: Sequence[float], at: int, most: float) -> str:
    if not marks:
        return ""
    x = min(max(100 * marks[at] / most, 0.7), 99.3)
    return f'<line class="needle" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="10"/>'


def stacked(rows: Sequence[tuple[float, float]], label: str, width: int = 360, height: int = 90) -> str:
    """Return columns of two parts, the upper one in the colour of what is wrong; what is there at all can be seen."""
    most, each = max((sum(one) for one in rows), default=0) or 1, width / max(len(rows), 3)
    parts = []
    for at, (low, high) in enumerate(rows):
        tall, top = (height - 2) * low / most, max((height - 2) * high / most, 1.5 if high else 0)
        where = f'x="{at * each:.1f}" width="{max(each - 2, 1):.1f}"'
        parts.append(f'<rect class="bar" {where} y="{height - tall:.1f}" height="{tall:.1f}"/>')
        if high:
            parts.append(f'<rect class="wrong" {where} y="{height - tall - top:.1f}" height="{top:.1f}"/>')
    return svg(width, height, label, "".join(parts), "small")


def sparkline(values: Sequence[float], label: str, width: int = 150, height: int = 30) -> str:
    """Return values over time as one filled line from zero."""
    if not values:
        return ""
    most, step = max(values) or 1, width / max(len(values) - 1, 1)
    points = [(i * step, height - 2 - (height - 6) * value / most) for i, value in enumerate(values)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    area = f'<polygon class="area" points="0,{height} {path} {width},{height}"/>'
    return svg(width, height, label, f'{area}<polyline class="line thin" points="{path}"/>', "small")


def spread(counts: Sequence[float], over: Sequence[float], label: str, width: int = 120, height: int = 30) -> str:
    """Return counts of equal bins as columns, and others of the same bins as a line over them, each to its own top."""
    most, each = max(counts, default=0) or 1, width / max(len(counts), 1)
    columns = "".join(
        f'<rect class="column" x="{i * each:.1f}" y="{height - (height - 2) * count / most:.1f}" '
        f'width="{max(each - 1, 0.5):.1f}" height="{(height - 2) * count / most:.1f}"/>'
        for i, count in enumerate(counts)
    )
    top = max(over, default=0)
    if not top:
        return svg(width, height, label, columns, "small")
    steps = [
        f"{x:.1f},{height - (height - 3) * count / top:.1f}"
        for i, count in enumerate(over)
        for x in (i * each, (i + 1) * each - 1)
    ]
    line = f'<polyline class="line thin" points="{" ".join(steps)}"/>'
    return svg(width, height, label, columns + line, "small")


def flow(columns: Sequence[tuple[str, Sequence[str]]], links: Sequence[tuple[str, str]], label: str) -> str:
    """Return a picture of what comes from what: columns of boxes, and lines between them, behind the boxes."""
    tall = max((len(names) for _, names in columns), default=1)
    wide, apart = 160, 52
    places: dict[str, tuple[int, int]] = {}
    titles = []
    for number, (title, names) in enumerate(columns):
        x = number * (wide + apart)
        titles.append(f'<text class="soft" x="{x}" y="12">{escape(title)}</text>')
        gap = (tall - len(names)) * 18
        places |= {name: (x, 24 + gap + position * 36) for position, name in enumerate(names)}
    lines = [_link(places[source], places[target], wide) for source, target in links if {source, target} <= {*places}]
    boxes = [_box(name, x, y, wide) for name, (x, y) in places.items()]
    return svg(len(columns) * (wide + apart) - apart, 26 + tall * 36, label, "".join([*titles, *lines, *boxes]), "flow")


def _link(source: tuple[int, int], target: tuple[int, int], wide: int) -> str:
    begin, end = source[0] + wide, target[0]
    y1, y2, middle = source[1] + 14, target[1] + 14, (source[0] + wide + target[0]) // 2
    # what leaps over a column goes straight there, behind its boxes
    kind = "link dashed" if end - begin > wide else "link"
    return f'<path class="{kind}" d="M{begin} {y1} C{middle} {y1} {middle} {y2} {end} {y2}"/>'


def _box(name: str, x: int, y: int, wide: int) -> str:
    shown = name.split(":", 1)[-1]
    shown = shown if len(shown) <= 20 else f"{shown[:19]}…"
    return (
        f'<g><title>{escape(name)}</title><rect class="box" x="{x}" y="{y}" width="{wide}" height="28" rx="4"/>'
        f'<text x="{x + 10}" y="{y + 18}">{escape(shown)}</text></g>'
    )
