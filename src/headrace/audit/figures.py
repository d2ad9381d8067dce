"""Small pictures as inline SVG: bars, lines and curves that need no library and print well."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

Points = Sequence[tuple[float, float]]


def _svg(width: int, height: int, label: str, inside: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}" '
        f'style="max-width:{width}px">{inside}</svg>'
    )


def bars(rows: Sequence[tuple[str, float, str]], label: str) -> str:
    """Return horizontal bars: name, length, and the text behind each."""
    most = max((value for _, value, _ in rows), default=0) or 1
    lines = []
    for place, (name, value, said) in enumerate(rows):
        y = place * 26
        long = max(1.0, 250 * value / most)
        lines.append(
            f'<text x="268" y="{y + 17}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="bar" x="278" y="{y + 5}" width="{long:.1f}" height="16" rx="2"/>'
            f'<text class="soft" x="{286 + long:.1f}" y="{y + 17}">{escape(said)}</text>'
        )
    return _svg(700, max(26 * len(rows), 26), label, "".join(lines))


def sparkline(values: Sequence[float], label: str, width: int = 220, height: int = 44) -> str:
    """Return values over time as one filled line from zero."""
    if not values:
        return ""
    most, step = max(values) or 1, width / max(len(values) - 1, 1)
    points = [(i * step, height - 2 - (height - 6) * value / most) for i, value in enumerate(values)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    area = f'<polygon class="area" points="0,{height} {path} {width},{height}"/>'
    return _svg(width, height, label, f'{area}<polyline class="line" points="{path}"/>')


def histogram(counts: Sequence[float], label: str, width: int = 120, height: int = 30) -> str:
    """Return counts of equal bins as small columns."""
    most, each = max(counts, default=0) or 1, width / max(len(counts), 1)
    columns = "".join(
        f'<rect class="bar" x="{i * each:.1f}" y="{height - height * count / most:.1f}" '
        f'width="{max(each - 1, 0.5):.1f}" height="{height * count / most:.1f}"/>'
        for i, count in enumerate(counts)
    )
    return _svg(width, height, label, columns)


def curves(lines: Sequence[tuple[str, str, Points]], across: str, up: str, label: str) -> str:
    """Return curves over the unit square: name, class and points of each, and what the axes mean."""
    left, top, size = 46, 12, 240
    parts = [f'<rect class="frame" x="{left}" y="{top}" width="{size}" height="{size}"/>']
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = left + size * tick, top + size * (1 - tick)
        parts.append(f'<text class="soft" x="{x:.0f}" y="{top + size + 16}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text class="soft" x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{tick:g}</text>')
    for number, (name, kind, points) in enumerate(lines):
        path = " ".join(f"{left + size * x:.1f},{top + size * (1 - y):.1f}" for x, y in points)
        parts.append(f'<polyline class="{kind}" points="{path}"/>')
        line = top + 24 + number * 22
        parts.append(f'<line class="{kind}" x1="310" x2="334" y1="{line - 4}" y2="{line - 4}"/>')
        parts.append(f'<text x="342" y="{line}">{escape(name)}</text>')
    parts.append(f'<text x="{left + size / 2}" y="{top + size + 36}" text-anchor="middle">{escape(across)}</text>')
    parts.append(
        f'<text x="14" y="{top + size / 2}" transform="rotate(-90 14 {top + size / 2})" '
        f'text-anchor="middle">{escape(up)}</text>'
    )
    return _svg(560, top + size + 46, label, "".join(parts))


def flow(columns: Sequence[tuple[str, Sequence[str]]], links: Sequence[tuple[str, str]], label: str) -> str:
    """Return a picture of what comes from what: columns of boxes, and lines between them."""
    tall = max((len(names) for _, names in columns), default=1)
    height, wide = 34 + tall * 36, 176
    place: dict[str, tuple[int, int]] = {}
    parts = []
    for number, (title, names) in enumerate(columns):
        x = number * (wide + 44)
        parts.append(f'<text class="soft" x="{x}" y="14">{escape(title)}</text>')
        gap = (tall - len(names)) * 18
        for position, name in enumerate(names):
            place[name] = (x, 24 + gap + position * 36)
    for source, target in links:
        if source in place and target in place:
            (x1, y1), (x2, y2) = place[source], place[target]
            begin, end, middle = x1 + wide, x2, (x1 + wide + x2) // 2
            path = f"M{begin} {y1 + 14} C{middle} {y1 + 14} {middle} {y2 + 14} {end} {y2 + 14}"
            parts.append(f'<path class="link" d="{path}"/>')
    for name, (x, y) in place.items():
        shown = name.split(":", 1)[-1]
        shown = shown if len(shown) <= 24 else shown[:23] + "…"
        parts.append(f'<rect class="box" x="{x}" y="{y}" width="{wide}" height="28" rx="4"/>')
        parts.append(f'<text x="{x + 10}" y="{y + 18}">{escape(shown)}</text>')
    return _svg(len(columns) * (wide + 44) - 44, height, label, "".join(parts))
