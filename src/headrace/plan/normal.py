"""The normal form of an expression: one text for all that mean the same by the laws of comparison and logic."""

from __future__ import annotations

from headrace.plan.expression import Call, Literal, Node, text

_MIRRORED = {"ge": "le", "gt": "lt"}
_SYMMETRIC = ("eq", "ne", "greatest", "least")
_LOGIC = {"and": True, "or": False}
"""Chains of conditions, and the one that changes nothing in them."""
_EXACT = ("add", "mul")
"""Of whole numbers and decimals: there a sum is the same in any order, which it is not of floats."""


def normal(node: Node) -> str:
    """Return the text by which an expression is known: it is read for fingerprints alone, nothing is computed from it.

    Comparisons point one way, and operands whose order means nothing, with nulls too, are sorted.

    Example:
        >>> from headrace.plan.expression import Ref, literal
        >>> from headrace.types import INT, Domain
        >>> age, sixty, one = Ref("age", Domain(INT)), literal(60, INT), Domain(INT)
        >>> normal(Call("ge", (age, sixty), one)) == normal(Call("le", (sixty, age), one))
        True
    """
    if not isinstance(node, Call):
        return text(node)
    if node.function in _MIRRORED:
        return _written(_MIRRORED[node.function], [normal(arg) for arg in node.args[::-1]])
    if node.function in _LOGIC:
        asked = [one for one in _operands(node) if not _is(one, _LOGIC[node.function])]
        said = sorted({normal(one) for one in asked or node.args})
        return said[0] if len(said) == 1 else _written(node.function, said)
    if node.function in _EXACT and node.domain.type.name != "float":
        return _written(node.function, sorted(normal(one) for one in _operands(node)))
    said = [normal(arg) for arg in node.args]
    return _written(node.function, sorted(said) if node.function in _SYMMETRIC else said)


def normal_condition(node: Node | None) -> str | None:
    """Return the normal form of a condition; None where there is none, or it always holds."""
    return None if node is None or _is(node, True) else normal(node)


def _is(node: Node, value: bool) -> bool:
    return isinstance(node, Literal) and node.value is value


def _written(function: str, args: list[str]) -> str:
    return f"{function}({', '.join(args)})"


def _operands(node: Call) -> list[Node]:
    """What a chain of one function joins; long ones are walked without going deeper."""
    waiting: list[Node] = [node]
    found: list[Node] = []
    while waiting:
        one = waiting.pop()
        if isinstance(one, Call) and one.function == node.function:
            waiting += one.args
        else:
            found.append(one)
    return found
