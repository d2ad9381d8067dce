"""The lineage of a name: what it is made of and what is made of it, as a value that shows itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headrace import plan
from headrace.audit.lineage.picture import inline
from headrace.audit.lineage.tree import tree
from headrace.declare import Project
from headrace.errors import Fault, HeadraceError, nearest
from headrace.plan.lineage import Edge, Lineage, Node

_TAGS = "HR-LINEAGE-"
"""Faults of tags: lineage is what one looks at to understand them."""


@dataclass(frozen=True, repr=False)
class Traced:
    """The lineage of a name.

    Args:
        name: as it was asked for; empty for the whole project.
        start: ids of what it means: one thing, or all columns or features of a declaration.
        up: what it is made of, with itself; None where that was not asked for.
        down: what is made of it, with itself; None where that was not asked for.
    """

    name: str
    start: tuple[str, ...]
    up: Lineage | None
    down: Lineage | None
    whole: Lineage

    @property
    def graph(self) -> Lineage:
        """All of it as one graph."""
        parts = [one for one in (self.up, self.down) if one is not None]
        nodes = [*self.start, *(name for one in parts for name in one.nodes)]
        return self.whole.part(nodes, [edge for one in parts for edge in one.edges])

    @property
    def upstream(self) -> tuple[str, ...]:
        """Names of what it is made of, from where data comes on."""
        return self._others(self.up)

    @property
    def downstream(self) -> tuple[str, ...]:
        """Names of what is made of it, to what is decided."""
        return self._others(self.down)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Everything in it, with types, tags and owners."""
        return tuple(self.graph.nodes.values())

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Each step, direct or indirect, and how."""
        return self.graph.edges

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for ``--json``."""
        ways = {"upstream": list(self.upstream)} if self.up is not None else {}
        ways |= {"downstream": list(self.downstream)} if self.down is not None else {}
        return {"name": self.name, "start": list(self.start), **ways, **self.graph.as_dict()}

    def text(self) -> str:
        """Return it as trees of text."""
        lines: list[str] = []
        for word, part, up in (("made of", self.up, True), ("goes into", self.down, False)):
            if part is not None:
                lines += ["", f"{self.name} {word}"] if len(part.nodes) > len(self.start) else []
                lines += tree(part, self.start, up) if len(part.nodes) > len(self.start) else []
        return "\n".join(lines[1:]) or f"{self.name} stands alone"

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return inline(self.graph, self.start)

    def _others(self, part: Lineage | None) -> tuple[str, ...]:
        nodes = () if part is None else part.nodes.values()
        return tuple(one.name for one in nodes if one.id not in self.start)


def trace(project: Project, name: str = "", *, up: bool = True, down: bool = True, direct: bool = False) -> Traced:
    """Return the lineage of a name, in both ways.

    Args:
        project: whose declarations are followed; nothing is read from the lake.
        name: of a column (``payments.amount``), feature (``spending.mean_7d``), case (``cases.spending.mean_7d``),
            label (``cases.label``), model, decision (``desk.block``), source (``data/payments*``), or of a whole
            stream, table, group, training set or service; empty for everything.
        up: whether to follow what it is made of.
        down: whether to follow what is made of it.
        direct: only what values are computed from, without keys, filters, joins and orders.

    Raises:
        HeadraceError: faults of the declarations; HR-LINEAGE-001 no such name.

    Example:
        >>> from headrace.declare import Contract, Features, Stream, event_time
        >>> from headrace.types import Timestamp
        >>> class Payment(Contract):
        ...     at: Timestamp = event_time()
        ...     amount: float
        >>> now = Features("now", Stream("payments", Payment), features={"big": "amount > 9"})
        >>> trace(Project("bank", features=[now]), "payments.amount")
        payments.amount goes into
        payments.amount → now.big = amount > 9
    """
    faults = [one for one in plan.check(project) if one.severity == "error" and not one.code.startswith(_TAGS)]
    if faults:
        raise HeadraceError(faults)
    whole = plan.lineage(project)
    if not name:
        return Traced("", tuple(whole.nodes), whole, None, whole)
    start = whole.find(name)
    if not start:
        raise HeadraceError(_unknown(name, whole))
    above = whole.upstream(name, direct=direct) if up else None
    below = whole.downstream(name, direct=direct) if down else None
    return Traced(name, start, above, below, whole)


def _unknown(name: str, whole: Lineage) -> Fault:
    found, expected = f"no {name!r} in the lineage of {whole.project}", "a column, feature, model, decision or the like"
    cure = nearest(name, whole.names)
    few = cure if cure.startswith("did you") else "see 'headrace lineage' for all names"
    return Fault("HR-LINEAGE-001", "", found, expected, few)
