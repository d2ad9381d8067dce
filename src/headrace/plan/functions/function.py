"""What a function of row expressions is: how it is typed, and its meaning for one row and for a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.plan.expression import Call, Literal, Node, Ref
from headrace.plan.functions.conversions import brought_together, converted, said
from headrace.types import FLOAT, MOST_DIGITS, STR, Domain, LogicalType

Typed = Callable[[Sequence[Node]], Node]
Bound = float | int | None
LARGEST = 2**63 - 1


class Refused(Exception):
    """An expression cannot be typed; the text says what was found, what was expected, and the cure."""

    def __init__(self, found: str, expected: str, cure: str = "") -> None:
        super().__init__(found)
        self.found, self.expected, self.cure = found, expected, cure
        self.each: tuple[Refused, ...] = (self,)


class Refusals(Refused):
    """What was refused in several places of one expression; in none, where the cause is told elsewhere."""

    def __init__(self, each: Iterable[Refused]) -> None:
        super().__init__("", "")
        self.each = tuple(each)


@dataclass(frozen=True)
class Function:
    """One function.

    Args:
        name: as in canonical text.
        typed: arguments -> call with its domain, conversions put in; raises ``Refused``.
        scalar: meaning for one row, on plain values. Where ``strict``, it is not called with a null.
        columnar: meaning for columns. Where ``strict``, it gets value arrays and nulls are handled outside;
            else it gets and returns whole columns.
        strict: whether a null in gives a null out.
        constants: whether a function that is not strict takes literals as plain values instead of as columns.
    """

    name: str
    typed: Typed
    scalar: Callable[..., Any]
    columnar: Callable[..., Any]
    strict: bool = True
    constants: bool = False


def call(name: str, args: Sequence[Node], kind: LogicalType, low: Bound = None, high: Bound = None) -> Call:
    """Return a call, checking that whole numbers stay within 64 bits."""
    if kind.name in ("int", "decimal"):
        if (low is None or high is None) and name in ("add", "sub", "mul", "rescale"):
            raise Refused(
                f"{name} of numbers without bounds, which may leave 64 bits",
                "bounded numbers",
                f"{_doubled(args)}, or give its field bounds: hr.field(ge=…, le=…)",
            )
        if low is not None and high is not None and max(abs(low), abs(high)) > LARGEST:
            raise Refused(
                f"{name}, whose result may leave 64 bits",
                "a result below 2**63 in its last digit",
                f"{_doubled(args)}, or give its field closer bounds: hr.field(ge=…, le=…)",
            )
    return Call(name, tuple(args), Domain(kind, low, high))


def _doubled(args: Sequence[Node]) -> str:
    """How to compute in float64 what may leave 64 bits."""
    names = [said(arg) for arg in args if isinstance(arg, Ref)]
    return f"write cast({names[0] if names else '…'} as double)"


def bounds(node: Node) -> tuple[Bound, Bound]:
    return node.domain.low, node.domain.high


def is_null(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is None


def to_float(node: Node) -> Node:
    """Return a number as float64."""
    kind = node.domain.type
    if kind.name == "float":
        return node
    if is_null(node):
        return Literal(None, Domain(FLOAT))
    scale = 10.0**kind.scale if kind.name == "decimal" else 1.0
    low, high = (None if bound is None else float(bound) / scale for bound in bounds(node))
    if isinstance(node, Literal):
        return Literal(float(node.value) / scale, Domain(FLOAT, low, high))
    return Call("to_float", (node, Literal(scale, Domain(FLOAT))), Domain(FLOAT, low, high))


def to_scale(node: Node, scale: int) -> Node:
    """Return a whole number or decimal with ``scale`` digits behind the point."""
    kind = node.domain.type
    have = kind.scale if kind.name == "decimal" else 0
    target = LogicalType("decimal", MOST_DIGITS, scale)
    if is_null(node):
        return Literal(None, Domain(target))
    if have == scale:
        return node
    factor = 10 ** (scale - have)
    low, high = (None if bound is None else int(bound) * factor for bound in bounds(node))
    if isinstance(node, Literal):
        if abs(node.value * factor) > LARGEST:
            found = f"{said(node)} beside a decimal of {scale} digits behind the point"
            raise Refused(found, "numbers below 2**63 in their last digit", "write cast(… as double) of the decimal")
        return Literal(node.value * factor, Domain(target, low, high))
    return call("rescale", (node, Literal(factor, Domain(target))), target, low, high)


def unified(nodes: Sequence[Node], what: str) -> list[Node]:
    """Return nodes of one type: numbers as the widest of int, decimal and float; else all must be the same."""
    kinds = {node.domain.type.name for node in nodes if not is_null(node)}
    if not kinds:
        return [Literal(None, Domain(STR)) for _ in nodes]
    if kinds <= {"int", "float", "decimal"}:
        if "float" in kinds:
            return [to_float(node) for node in nodes]
        if "decimal" in kinds:
            scale = max(node.domain.type.scale for node in nodes)
            return [to_scale(node, scale) for node in nodes]
    if len(kinds) > 1:
        shown = " and ".join(sorted(kinds))
        cure = brought_together([node for node in nodes if not is_null(node)])
        raise Refused(f"{what} of {shown}", "values of one type", cure)
    kind = next(node.domain.type for node in nodes if not is_null(node))
    return [Literal(None, Domain(kind)) if is_null(node) else node for node in nodes]


def wants(nodes: Sequence[Node], what: str, names: Sequence[str]) -> None:
    """Refuse arguments of another type."""
    for node in nodes:
        if node.domain.type.name not in names and not is_null(node):
            raise Refused(f"{what} of {node.domain.type.name}", " or ".join(names), converted(node, names))
