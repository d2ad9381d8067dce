"""Lineage as a tree of text: what each thing is made of, and apart from that what chooses or orders its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from headrace.plan.lineage import Edge, Lineage, Node

_LONGEST = 60
"""Characters of an expression that are shown."""


def tree(graph: Lineage, start: Sequence[str], up: bool) -> list[str]:
    """Return a part of a graph as lines.

    Each thing is followed once, through what is direct; what is indirect stands at the end of its line, after ``┄``,
    and is followed below.

    Args:
        graph: what is up- or downstream of the start.
        start: ids of nodes.
        up: whether to follow what things are made of, else what is made of them.
    """
    return list(_Tree(graph, up).lines(start))


class _Tree:
    def __init__(self, graph: Lineage, up: bool) -> None:
        self._graph, self._up = graph, up
        self._steps = graph.into if up else graph.out_of
        self._arrow = " ← " if up else " → "
        self._followed: set[str] = set()
        self._waiting: dict[str, None] = {}

    def lines(self, start: Sequence[str]) -> Iterator[str]:
        several = len(start) > 1
        for number, one in enumerate(start):
            yield from self._branch(one, *(_leads(number, len(start)) if several else ("", "")))
        more = [one for one in self._waiting if one not in self._followed]
        if more:
            yield "┄ what chooses, groups or orders rows:" if self._up else "┄ rows chosen, grouped or ordered by it:"
        while more:
            for one in more:
                if one not in self._followed:
                    yield from self._branch(one, "  ", "  ")
            more = [one for one in self._waiting if one not in self._followed]

    def _branch(self, name: str, lead: str, below: str) -> Iterator[str]:
        """One line for as long as there is one way to go, and then a line for each of several."""
        chain = [name]
        while True:
            last = chain[-1]
            ends = [self._end(edge) for edge in self._steps.get(last, ()) if edge.direct]
            known = last in self._followed and len(ends) > 1
            self._followed.add(last)
            if known or len(ends) != 1 or ends[0] in chain:
                break
            chain.append(ends[0])
        said = self._arrow.join(label(self._graph, one) for one in chain)
        yield f"{lead}{said}{' …' if known else ''}{self._aside(chain[:-1] if known else chain)}"
        if known:
            return
        ends = [one for one in ends if one not in chain]
        for number, one in enumerate(ends):
            first, rest = _leads(number, len(ends))
            yield from self._branch(one, below + first, below + rest)

    def _aside(self, chain: Sequence[str]) -> str:
        edges = [edge for one in chain for edge in self._steps.get(one, ()) if not edge.direct]
        for edge in edges:
            self._waiting.setdefault(self._end(edge))
        told: dict[str, dict[str, None]] = {}
        for edge in edges:
            if edge.how != "rows":
                told.setdefault(edge.how, {})[shown(self._graph.nodes[self._end(edge)])] = None
        return "  ┄ " + ", ".join(f"{how} {_few(names)}" for how, names in told.items()) if told else ""

    def _end(self, edge: Edge) -> str:
        return edge.source if self._up else edge.target


def _leads(number: int, count: int) -> tuple[str, str]:
    """What stands before a line of several, and before those below it."""
    return ("└─ ", "   ") if number == count - 1 else ("├─ ", "│  ")


def _few(names: Iterable[str]) -> str:
    each = list(names)
    return " and ".join(each) if len(each) <= 3 else f"{', '.join(each[:2])} and {len(each) - 2} more"


def label(graph: Lineage, name: str) -> str:
    """Return a thing as a line says it: its name, its expression, its tags."""
    node = graph.nodes[name]
    expression = expression_of(graph, node)
    said = f" = {_short(expression)}" if expression and expression != node.name.rpartition(".")[2] else ""
    tags = ", ".join(tags_of_node(node))
    return f"{shown(node)}{said}{f' [{tags}]' if tags else ''}"


def shown(node: Node) -> str:
    """Return the name of a thing; rows as such."""
    return f"{node.name[:-2]} (rows)" if node.kind == "rows" else node.name


def tags_of_node(node: Node) -> list[str]:
    """Return its privacy tags and its unit."""
    return [*node.privacy, *([node.unit] if node.unit else [])]


def expression_of(graph: Lineage, node: Node) -> str:
    """Return the expression that makes a thing; empty where it is copied, or what makes it is not in the graph."""
    made = [edge.expression for edge in graph.into.get(node.id, ()) if edge.direct and edge.expression]
    return made[0] if made else ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
