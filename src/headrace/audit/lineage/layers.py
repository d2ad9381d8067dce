"""Where things stand in the picture of a lineage: cards of columns in layers, from where data comes to the right.

The method is that of Sugiyama, Tagawa and Toda (1981): longest paths give the layers, barycentres the order in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headrace.plan.lineage import Lineage, Node

HEAD, ROW, APART = 26, 20, 22
"""Heights of a card's head and of a row, and the room between two cards, in pixels."""
_LETTER, _LEAST, _MOST = 6.9, 110, 300
_GAP = 90
_SWEEPS = 6


@dataclass(frozen=True)
class Card:
    """A declaration, or a source, with its columns: where it stands, in pixels."""

    of: str
    rows: tuple[Node, ...]
    x: float
    y: float
    width: float

    @property
    def bare(self) -> bool:
        """Whether it is one thing, whose name is its head."""
        return _bare(self.rows)

    @property
    def height(self) -> float:
        return _height(self.rows)

    def row_y(self, position: int) -> float:
        """Return the middle of a row."""
        return self.y + (HEAD / 2 if self.bare else HEAD + ROW * (position + 0.5))


def _bare(rows: Sequence[Node]) -> bool:
    return len(rows) == 1 and rows[0].kind in ("origin", "model")


def _height(rows: Sequence[Node]) -> float:
    return HEAD if _bare(rows) else HEAD + ROW * len(rows) + 6


def short(node: Node) -> str:
    """Return the name of a row within its card."""
    whole = node.of.partition(":")[2]
    if node.kind == "rows":
        return "rows"
    return node.name.removeprefix(f"{whole}.") if node.name != whole else node.kind


def placed(graph: Lineage, extra: Mapping[str, int]) -> list[Card]:
    """Return the cards of a graph.

    Args:
        graph: to be drawn.
        extra: for each node, how many letters stand behind its name.
    """
    cards: dict[str, list[Node]] = {}
    for node in graph.nodes.values():
        cards.setdefault(node.of, []).append(node)
    links = {(graph.nodes[one.source].of, graph.nodes[one.target].of) for one in graph.edges}
    links = {(source, target) for source, target in links if source != target}
    layers = _ordered(_layers(list(cards), links), links)
    found, x = [], 0.0
    tall = max((_tall(cards, layer) for layer in layers), default=0)
    for layer in layers:
        width = max(_width(of, cards[of], extra) for of in layer)
        y = (tall - _tall(cards, layer)) / 2
        for of in layer:
            card = Card(of, tuple(cards[of]), x, y, width)
            found.append(card)
            y += card.height + APART
        x += width + _GAP
    return found


def _tall(cards: Mapping[str, Sequence[Node]], layer: Sequence[str]) -> float:
    return sum(_height(cards[of]) + APART for of in layer) - APART


def _width(of: str, rows: Sequence[Node], extra: Mapping[str, int]) -> float:
    longest = 0 if _bare(rows) else max(len(short(one)) + extra.get(one.id, 0) + 2 for one in rows)
    letters = max(longest, len(of) + 3)
    return min(max(letters * _LETTER + 16, _LEAST), _MOST)


def _layers(names: Sequence[str], links: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Each as far to the right as the longest way to it; what closes a circle does not count."""
    above: dict[str, list[str]] = {}
    for source, target in sorted(links):
        above.setdefault(target, []).append(source)
    depth: dict[str, int] = {}

    def reach(name: str, trail: tuple[str, ...]) -> int:
        if name not in depth:
            others = [one for one in above.get(name, ()) if one not in (*trail, name)]
            depth[name] = max((reach(one, (*trail, name)) + 1 for one in others), default=0)
        return depth[name]

    for name in names:
        reach(name, ())
    below: dict[str, list[str]] = {}
    for source, target in sorted(links):
        below.setdefault(source, []).append(target)
    for name in names:  # what nothing leads to stands right before what it leads to
        if not above.get(name) and below.get(name):
            depth[name] = max(min(depth[one] for one in below[name]) - 1, 0)
    return [[name for name in names if depth[name] == level] for level in range(max(depth.values(), default=-1) + 1)]


def _ordered(layers: list[list[str]], links: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Let each stand near the middle of what it is linked with, sweeping to and fro."""
    near: dict[str, set[str]] = {}
    for source, target in links:
        near.setdefault(source, set()).add(target)
        near.setdefault(target, set()).add(source)
    layers = [list(one) for one in layers if one]
    for sweep in range(_SWEEPS):
        place = {name: (position + 0.5) / len(one) for one in layers for position, name in enumerate(one)}
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            middles = {
                name: sum(place[one] for one in near[name]) / len(near[name]) if near.get(name) else place[name]
                for name in layer
            }
            layer.sort(key=middles.__getitem__)
            place |= {name: (position + 0.5) / len(layer) for position, name in enumerate(layer)}
    return layers
