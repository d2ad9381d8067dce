"""Small pictures as inline SVG, made to stand beside words: bars, sparklines, histograms, and what comes from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from headrace.audit.plot import svg

_WIDE, _TALL, _GAP, _ROW = 168, 44, 56, 58


def bar(value: float, most: float, kind: str = "bar") -> str:
    """Return a bar as long as a value is of the largest; the words beside it say what it shows."""
    long = 100 * value / most if most > 0 else 0.0
    return (
        '<svg class="track" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="{kind}" width="{max(long, 0.6 if value > 0 else 0):.2f}" height="10"/></svg>'
    )


def bars(rows: Sequence[tuple[str, float, str, str]], label: str) -> str:
    """Return a list of bars: name and what is said behind it (both plain text), and the class of each bar."""
    most = max((value for _, value, _, _ in rows), default=0.0)
    shown = "".join(
        f"<li><span>{escape(name)}</span>{bar(value, most, kind)}<span>{escape(said)}</span></li>"
        for name, value, said, kind in rows
    )
    return f'<ul class="bars" aria-label="{escape(label)}">{shown}</ul>'


def sparkline(values: Sequence[float], label: str, width: int = 170, height: int = 34) -> str:
    """Return values over time as one filled line from zero."""
    if len(values) < 2:
        return ""
    most, step = max(values) or 1.0, width / (len(values) - 1)
    places = [(i * step, height - 1.5 - (height - 4) * value / most) for i, value in enumerate(values)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    area = f'<polygon class="area" points="0,{height} {path} {width},{height}"/>'
    return svg(width, height, label, f'{area}<polyline class="line" points="{path}"/>', "small")


def histogram(
    shares: Sequence[float], over: Sequence[float], label: str, width: int = 136, height: int = 34, log: bool = False
) -> str:
    """Return shares of equal bins as columns, and those of a part of the rows as a stepped line over them."""
    if not shares:
        return ""
    most, each = max([*shares, *over, 1e-12]), width / len(shares)
    columns = "".join(
        f'<rect class="column" x="{i * each + 0.4:.1f}" y="{height - height * share / most:.1f}" '
        f'width="{max(each - 0.8, 0.6):.1f}" height="{height * share / most:.1f}"/>'
        for i, share in enumerate(shares)
        if share > 0
    )
    steps = [
        f"{x:.1f},{height - 0.8 - (height - 1.6) * share / most:.1f}"
        for i, share in enumerate(over)
        for x in (i * each, (i + 1) * each)
    ]
    line = f'<polyline class="line thin" points="{" ".join(steps)}"/>' if over else ""
    return svg(width, height, label, columns + line, "small")


@dataclass(frozen=True)
class Box:
    """A box of a picture of what comes from what: its identifier, a title, and a line below that."""

    id: str
    title: str
    said: str = ""


def flow(
    columns: Sequence[tuple[str, Sequence[Box]]],
    links: Sequence[tuple[str, str]],
    passing: Sequence[tuple[str, str, str]],
    label: str,
) -> str:
    """Return columns of boxes and the links between them.

    Args:
        columns: title and boxes of each, from left to right.
        links: identifiers of boxes, from and to.
        passing: links with a word, drawn dashed below the boxes between.
        label: what the picture shows.
    """
    columns = [(title, boxes) for title, boxes in columns if boxes]
    tall = max((len(boxes) for _, boxes in columns), default=1) * _ROW
    place = _places(columns, links, tall)
    lane = 28 + tall + 6
    parts = [f'<path class="link" d="{_path(place[a], place[b])}"/>' for a, b in links if a in place and b in place]
    for number, (source, target, word) in enumerate(one for one in passing if one[0] in place and one[1] in place):
        parts.append(_passing(place[source], place[target], lane + 16 * number, word))
    for position, (title, boxes) in enumerate(columns):
        parts.append(f'<text class="soft" x="{position * (_WIDE + _GAP)}" y="12">{escape(title)}</text>')
        parts += [_box(one, place[one.id]) for one in boxes]
    width = len(columns) * (_WIDE + _GAP) - _GAP
    return svg(max(width, _WIDE), lane + 16 * max(len(passing), 0) + 4, label, "".join(parts), "flow")


def _places(
    columns: Sequence[tuple[str, Sequence[Box]]], links: Sequence[tuple[str, str]], tall: int
) -> Mapping[str, tuple[float, float]]:
    """Upper left corners: boxes of a column are ordered by where what they come from lies, so that few links cross."""
    place: dict[str, tuple[float, float]] = {}
    for position, (_, boxes) in enumerate(columns):
        before = {
            one.id: [place[source][1] for source, target in links if target == one.id and source in place]
            for one in boxes
        }
        ordered = sorted(boxes, key=lambda one: sum(before[one.id]) / len(before[one.id]) if before[one.id] else 1e9)
        first = 28 + (tall - len(boxes) * _ROW) / 2
        for row, one in enumerate(ordered if position else boxes):
            place[one.id] = (position * (_WIDE + _GAP), first + row * _ROW)
    return place


def _path(source: tuple[float, float], target: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = source, target
    begin, middle = x1 + _WIDE, (x1 + _WIDE + x2) / 2
    y1, y2 = y1 + _TALL / 2, y2 + _TALL / 2
    return f"M{begin:.0f} {y1:.0f} C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"


def _passing(source: tuple[float, float], target: tuple[float, float], lane: float, word: str) -> str:
    (x1, y1), (x2, y2) = source, target
    begin, y1 = x1 + _WIDE, y1 + _TALL / 2 + 8
    turn, under = begin + _GAP * 0.75, x2 + _WIDE / 2
    path = (
        f"M{begin:.0f} {y1:.0f} C{begin + 30:.0f} {y1:.0f} {begin + 6:.0f} {lane:.0f} {turn:.0f} {lane:.0f} "
        f"L{under - 14:.0f} {lane:.0f} Q{under:.0f} {lane:.0f} {under:.0f} {lane - 14:.0f} L{under:.0f} {y2 + _TALL:.0f}"
    )
    text = f'<text class="soft" x="{turn + 8:.0f}" y="{lane - 5:.0f}">{escape(word)}</text>'
    return f'<path class="link dashed" d="{path}"/>{text}'


def _box(one: Box, at: tuple[float, float]) -> str:
    x, y = at
    middle = y + (19 if one.said else 27)
    below = f'<text class="soft" x="{x + 12:.0f}" y="{y + 35:.0f}">{escape(_short(one.said, 26))}</text>'
    return (
        f'<rect class="box" x="{x:.0f}" y="{y:.0f}" width="{_WIDE}" height="{_TALL}" rx="5"/>'
        f'<text x="{x + 12:.0f}" y="{middle:.0f}">{escape(_short(one.title, 22))}</text>{below if one.said else ""}'
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
