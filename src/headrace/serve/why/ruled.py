"""Which rule decided, and why: each rule in order, what it read, and which of its conditions held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.declare import Contract
from headrace.plan import lower
from headrace.plan.expression import Call, Node, references
from headrace.serve.why.behind import shown
from headrace.serve.why.case import Case
from headrace.serve.why.veil import Veil
from headrace.types import LogicalType


@dataclass(frozen=True)
class Part:
    """A condition within a rule, as it is written, and whether it held: None where a null left it open."""

    says: str
    held: bool | None


@dataclass(frozen=True)
class Ruled:
    """One rule of a service on one row.

    Args:
        decision: that it gives.
        says: the condition, as declared; ``otherwise`` of the last.
        held: whether it was true; None where a null left it open.
        decided: whether it was the first that was true.
        parts: of a condition that joins several by ``and`` or ``or``.
        read: what it read, by name.
    """

    decision: str
    says: str
    held: bool | None
    decided: bool
    parts: tuple[Part, ...]
    read: Mapping[str, Any]


def ruled(case: Case, veil: Veil) -> tuple[Ruled, ...]:
    """Return the rules of today on a record, in order; none where they cannot be read of it.

    Args:
        case: the record.
        veil: masks what is read.
    """
    given = case.given
    if given is None or given["score"] is None:
        return ()
    found, decided = [], False
    for name, rule in case.rules.rules:
        holds = lower.row_function(rule)(given)
        first = holds is True and not decided
        says = case.service.decide[name]
        parts = tuple(Part(said, lower.row_function(one)(given)) for said, one in _parts(says, rule))
        read = {one: _read(case, veil, one, given[one]) for one in references(rule)}
        found.append(Ruled(name, says, holds, first, parts, read))
        decided = decided or first
    return (*found, Ruled(case.service.otherwise, "otherwise", None if decided else True, not decided, (), {}))


def _read(case: Case, veil: Veil, name: str, value: Any) -> Any:
    if name == "score":
        return value
    contract: type[Contract] = case.contract
    kinds: dict[str, LogicalType] = {path: one.type for path, one in contract.columns().items()}
    if name in kinds:
        return veil.columns(contract, [name], shown(value, kinds[name]))
    return veil.feature(name, shown(value, case.kinds[name]))


def _parts(says: str, rule: Node) -> Iterator[tuple[str, Node]]:
    """The conditions that a rule joins, each as it is written and as it is typed."""
    import sqlglot
    from sqlglot import exp

    if not isinstance(rule, Call) or rule.function not in ("and", "or"):
        return
    written = sqlglot.parse_one(says, read="duckdb").unnest()
    joins = {"and": exp.And, "or": exp.Or}[rule.function]
    if not isinstance(written, joins):
        return
    texts = [one.unnest().sql("duckdb") for one in written.flatten()]
    nodes = list(_joined(rule, rule.function))
    if len(texts) == len(nodes):  # else the rule was read in another shape than it is written in
        yield from zip(texts, nodes, strict=True)


def _joined(node: Node, function: str) -> Iterator[Node]:
    if isinstance(node, Call) and node.function == function:
        for one in node.args:
            yield from _joined(one, function)
    else:
        yield node
