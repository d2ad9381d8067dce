"""What to write where a value is of another type than a function takes."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.plan.expression import Literal, Node, Ref
from headrace.types import FLOAT, Domain

_NUMBER = dict.fromkeys(("int", "float", "decimal"), "number")
_BY_TYPES = {
    ("str", "number"): "write cast({0} as double)",
    ("bool", "number"): "write cast({0} as int)",
    ("timestamp", "number"): "write epoch({0})",
    ("date", "number"): "declare {0} as hr.Timestamp, of which epoch(…) is a number",
    ("number", "bool"): "write {0} <> 0",
    ("share", "bool"): "write {0} > 0.5",
    ("str", "bool"): "write {0} = 'yes', or whatever it says where it holds",
    ("timestamp", "bool"): "write {0} is not null",
    ("date", "bool"): "write {0} is not null",
    ("timestamp", "date"): "write cast({0} as date)",
    ("date", "timestamp"): "declare {0} as hr.Timestamp: a date has no hours",
    ("str", "timestamp"): "write timestamp '2026-01-31 12:00:00' for a constant; else declare {0} as hr.Timestamp",
    ("str", "date"): "write date '2026-01-31' for a constant; else declare {0} as hr.Date",
    ("number", "timestamp"): "name a field of type hr.Timestamp instead of {0}",
    ("number", "date"): "name a field of type hr.Date instead of {0}",
}
_SHARE = Domain(FLOAT, 0.0, 1.0)
"""Of a probability, such as a score: few are 0, so that to differ from it says little."""
_TO_TEXT = "declare a field of type str that holds the same as {0}"


def said(node: Node) -> str:
    """Return a node as a person would write it; calls are left out, as they may be long."""
    match node:
        case Ref():
            return node.name
        case Literal(value=None):
            return "null"
        case Literal(domain=domain) if domain.type.name == "decimal":
            return f"{node.value / 10**domain.type.scale:.{domain.type.scale}f}"
        case Literal(domain=domain) if domain.type.name in ("str", "int", "float"):
            return repr(node.value)
    return "…"


def converted(node: Node, wanted: Sequence[str], text: str = "") -> str:
    """Return how to make of a value one of another type.

    Args:
        node: the value.
        wanted: names of the types that would do; the first is aimed at.
        text: the value as it is written, where that is known.
    """
    have = _NUMBER.get(node.domain.type.name, node.domain.type.name)
    if wanted[0] == "bool" and node.domain == _SHARE:
        have = "share"
    want = _NUMBER.get(wanted[0], wanted[0])
    if constant := _constant(node, want):
        return constant
    cure = _BY_TYPES.get((have, want), _TO_TEXT if want == "str" else "leave {0} out, or choose by case")
    simple = not text or text.isidentifier() or "({0}" in cure
    return cure.format((text if simple else f"({text})") or said(node))


def brought_together(nodes: Sequence[Node]) -> str:
    """Return how to make values of different types into values of one: constants first, then what is not a number."""
    kinds = [_NUMBER.get(node.domain.type.name, node.domain.type.name) for node in nodes]
    order = ("number", "date", "timestamp", "str", "bool")
    constants = [(node, kind) for node, kind in zip(nodes, kinds, strict=True) if isinstance(node, Literal)]
    wanted = [(node, next(one for one in kinds if one != kind)) for node, kind in constants]
    for node, want in wanted:
        if cure := _constant(node, want):
            return cure
    for node, want in wanted:
        return f"write a {want} instead of {said(node)}"
    want = min(kinds, key=order.index)
    other = next(node for node, kind in zip(nodes, kinds, strict=True) if kind != want)
    return converted(other, (want,))


def _constant(node: Node, want: str) -> str:
    """How a constant of another type is written; empty where it is none."""
    if not isinstance(node, Literal):
        return ""
    if want == "str" and node.domain.type.numeric:
        return f"write '{said(node)}'"
    if node.domain.type.name == "str" and want in ("timestamp", "date"):
        return f"write {want} {node.value!r}"
    if node.domain.type.name == "str" and want == "number" and str(node.value).strip().isdecimal():
        return f"write {node.value.strip()}"
    return ""
