"""Row expressions as typed trees: frozen nodes that know their domain and how they are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headrace.types import Domain, LogicalType


@dataclass(frozen=True)
class Ref:
    """A column of the row (``amount``) or a feature of a group (``spending.mean_7d``)."""

    name: str
    domain: Domain


@dataclass(frozen=True)
class Literal:
    """A constant; decimals are held in units of their last digit, times in microseconds or days."""

    value: Any
    domain: Domain


@dataclass(frozen=True)
class Call:
    """A function of the table in ``plan.functions``, applied to nodes whose types it takes as they are."""

    function: str
    args: tuple[Node, ...]
    domain: Domain


Node = Ref | Literal | Call


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    yield node
    if isinstance(node, Call):
        for arg in node.args:
            yield from walk(arg)


def references(node: Node) -> tuple[str, ...]:
    """Return the names of the columns and features that an expression reads, in order of appearance."""
    return tuple(dict.fromkeys(one.name for one in walk(node) if isinstance(one, Ref)))


def text(node: Node) -> str:
    """Return the canonical text: equal for equal meaning, whatever the spacing and the case of key words."""
    match node:
        case Ref():
            return f"{node.name}:{domain_text(node.domain)}"
        case Literal():
            return f"{node.value!r}:{node.domain.type!r}"
    return f"{node.function}({', '.join(text(arg) for arg in node.args)})"


def domain_text(domain: Domain) -> str:
    """Return a domain as text: its type and, where there are any, its bounds."""
    if domain.low is None and domain.high is None:
        return repr(domain.type)
    return f"{domain.type!r}[{domain.low},{domain.high}]"


def literal(value: Any, kind: LogicalType) -> Literal:
    """Return a constant; numbers are their own bounds."""
    bounded = kind.numeric and value is not None
    return Literal(value, Domain(kind, value, value) if bounded else Domain(kind))
