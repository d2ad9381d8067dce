"""Lineage as a picture: one SVG without anything from elsewhere, in light and dark, with all that is said on hover."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from html import escape

from headrace.audit.lineage.layers import HEAD, ROW, Card, placed, short
from headrace.audit.lineage.tree import expression_of, tags_of_node
from headrace.plan.lineage import Edge, Lineage, Node

_MARGIN = 24
_LEGEND = 34
_STYLE = """
.lineage { --ink: #1a1f24; --soft: #57616b; --paper: #fff; --wash: #f5f7f6; --line: #cfd6d3; --accent: #0b6a6e;
  --care: #8a5a00; --mark: #d9ecec; font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
@media (prefers-color-scheme: dark) { .lineage { --ink: #e7eae8; --soft: #a3adb2; --paper: #13181b; --wash: #1b2225;
  --line: #3b464a; --accent: #57c4bd; --care: #e6b450; --mark: #1f3d40; } }
.lineage .paper { fill: var(--paper); } .lineage text { fill: var(--ink); }
.lineage .card { fill: var(--wash); stroke: var(--line); } .lineage .head { font-weight: 650; }
.lineage .kind, .lineage .unit { fill: var(--soft); font-size: 10.5px; } .lineage .tag { fill: var(--care);
  font-size: 10.5px; } .lineage .start { fill: var(--mark); }
.lineage path { fill: none; stroke: var(--accent); stroke-width: 1.3; opacity: 0.6; }
.lineage .indirect { stroke: var(--soft); stroke-dasharray: 3 4; opacity: 0.75; }
.lineage path:hover { opacity: 1; stroke-width: 2.6; }
"""
Point = tuple[float, float]


def picture(graph: Lineage, start: Collection[str] = ()) -> str:
    """Return a graph as a whole SVG file.

    Args:
        graph: to be drawn.
        start: ids of nodes that are marked: what was asked for.

    Example:
        >>> from headrace.plan.lineage import Node
        >>> one = Node("column:t.a", "t.a", "column", "table:t")
        >>> picture(Lineage("shop", {one.id: one}, ())).startswith("<svg xmlns")
        True
    """
    return inline(graph, start).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


def inline(graph: Lineage, start: Collection[str] = ()) -> str:
    """Return a graph as SVG within a page."""
    cards = placed(graph, {one.id: len(_behind(one)) for one in graph.nodes.values()})
    width = max((card.x + card.width for card in cards), default=100) + 2 * _MARGIN
    height = max((card.y + card.height for card in cards), default=20) + 2 * _MARGIN + _LEGEND
    places = {node.id: (card, position) for card in cards for position, node in enumerate(card.rows)}
    lines = [*_direct(graph, places), *_indirect(graph, cards, places)]
    boxes = [_card(graph, card, start) for card in cards]
    label = escape(f"lineage: {len(graph.nodes)} things, {len(graph.edges)} steps")
    return (
        f'<svg class="lineage" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        f'role="img" aria-label="{label}" style="max-width:100%;height:auto">'
        f'<style>{_STYLE}</style><rect class="paper" width="100%" height="100%"/>'
        f'<g transform="translate({_MARGIN} {_MARGIN})">{"".join(lines)}{"".join(boxes)}</g>{_legend(height)}</svg>'
    )


def _legend(height: float) -> str:
    y = height - 18
    solid, dashed = f"M{_MARGIN} {y - 4}h28", f"M{_MARGIN + 180} {y - 4}h28"
    return (
        f'<path d="{solid}"/><text class="kind" x="{_MARGIN + 36}" y="{y}">its value is made of it</text>'
        f'<path class="indirect" d="{dashed}"/>'
        f'<text class="kind" x="{_MARGIN + 216}" y="{y}">it chooses, groups or orders rows</text>'
    )


def _direct(graph: Lineage, places: Mapping[str, tuple[Card, int]]) -> list[str]:
    found = []
    for edge in graph.edges:
        if edge.direct:
            (source, above), (target, below) = places[edge.source], places[edge.target]
            found.append(_line(source, source.row_y(above), target, target.row_y(below), _told(graph, edge), ""))
    return found


def _indirect(graph: Lineage, cards: list[Card], places: Mapping[str, tuple[Card, int]]) -> list[str]:
    """One line from a row to the head of a card, whatever number of its rows it has a part in."""
    bundles: dict[tuple[str, str], list[Edge]] = {}
    for edge in graph.edges:
        target = places[edge.target][0].of
        if not edge.direct and places[edge.source][0].of != target:
            bundles.setdefault((edge.source, target), []).append(edge)
    by_name = {card.of: card for card in cards}
    found = []
    for (name, of), edges in bundles.items():
        source, position = places[name]
        told = "\n".join(_told(graph, edge) for edge in edges)
        found.append(_line(source, source.row_y(position), by_name[of], by_name[of].y + HEAD / 2, told, "indirect"))
    return found


def _line(source: Card, y1: float, target: Card, y2: float, told: str, kind: str) -> str:
    begin, end = source.x + source.width, target.x
    if source is target or end < begin:  # within a card, or back: around the right side
        begin, end = source.x + source.width, target.x + target.width
        bow = max(begin, end) + 30
        curve = f"M{begin:.1f} {y1:.1f}C{bow:.1f} {y1:.1f} {bow:.1f} {y2:.1f} {end:.1f} {y2:.1f}"
    else:
        bend = min(max((end - begin) / 2, 30), 120)
        curve = f"M{begin:.1f} {y1:.1f}C{begin + bend:.1f} {y1:.1f} {end - bend:.1f} {y2:.1f} {end:.1f} {y2:.1f}"
    named = f' class="{kind}"' if kind else ""
    return f'<path{named} d="{curve}"><title>{escape(told)}</title></path>'


def _told(graph: Lineage, edge: Edge) -> str:
    source, target = graph.nodes[edge.source].name, graph.nodes[edge.target].name
    return f"{source} → {target}: {edge.how}" + (f", {edge.expression}" if edge.expression else "")


def _card(graph: Lineage, card: Card, start: Collection[str]) -> str:
    kind, _, whole = card.of.partition(":")
    kind = kind.replace("_", " ")
    owners = sorted({owner for one in card.rows for owner in one.owners})
    title = f"{kind} {whole}" + (f", {', '.join(owners)}" if owners else "")
    rows = [_row(graph, card, position, one, one.id in start) for position, one in enumerate(card.rows)]
    marked = ""
    if card.bare:
        title, rows = _hover(graph, card.rows[0]), []
        marked = " start" if card.rows[0].id in start else ""
    return (
        f'<g><rect class="card{marked}" x="{card.x:.1f}" y="{card.y:.1f}" width="{card.width:.1f}" '
        f'height="{card.height:.1f}" rx="5"/><text class="head" x="{card.x + 9:.1f}" y="{card.y + 17:.1f}">'
        f"<title>{escape(title)}</title>{escape(_cut(whole, card.width - len(kind) * 6 - 14))}</text>"
        f'<text class="kind" x="{card.x + card.width - 8:.1f}" y="{card.y + 17:.1f}" text-anchor="end">'
        f"{escape(kind)}</text>{''.join(rows)}</g>"
    )


def _row(graph: Lineage, card: Card, position: int, node: Node, marked: bool) -> str:
    y = card.row_y(position)
    behind = _behind(node)
    back = (
        f'<rect class="start" x="{card.x + 1:.1f}" y="{y - ROW / 2:.1f}" width="{card.width - 2:.1f}" height="{ROW}"/>'
        if marked
        else ""
    )
    name = _cut(short(node), card.width - len(behind) * 6.2 - 20)
    right = f'x="{card.x + card.width - 8:.1f}" y="{y + 4:.1f}" text-anchor="end"'
    kind = "tag" if node.privacy else "unit"
    return (
        f"<g><title>{escape(_hover(graph, node))}</title>{back}"
        f'<text x="{card.x + 9:.1f}" y="{y + 4:.1f}">{escape(name)}</text>'
        + (f'<text class="{kind}" {right}>{escape(behind)}</text>' if behind else "")
        + "</g>"
    )


def _behind(node: Node) -> str:
    return ", ".join(tags_of_node(node))


def _hover(graph: Lineage, node: Node) -> str:
    expression = expression_of(graph, node)
    lines = [f"{node.name}{f': {node.type}' if node.type else ''}", f"= {expression}" if expression else ""]
    lines += [
        f"{word}: {', '.join(said)}" for word, said in (("privacy", node.privacy), ("owner", node.owners)) if said
    ]
    lines += [f"unit: {node.unit}" if node.unit else "", node.place]
    return "\n".join(line for line in lines if line)


def _cut(text: str, width: float) -> str:
    letters = max(int(width / 6.6), 6)
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
