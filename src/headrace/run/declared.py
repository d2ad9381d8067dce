"""The declarations as a run compares them: a fingerprint for each node, and what each is made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from headrace.declare import Node, Project, Table, kind_of, node_id, uses


class Declared:
    """A project's declarations in the form that the journal keeps.

    Args:
        project: without faults.
        sound: whether it is known to have none, so that it need not be checked again.

    Raises:
        HeadraceError: with all faults, when the project has any.
    """

    def __init__(self, project: Project, sound: bool = False) -> None:
        from headrace import plan

        # Through JSON and back, so that it compares equal with what the journal gives back.
        self.snapshot: dict[str, Any] = json.loads(json.dumps(plan.snapshot(project, sound), default=str))
        self.fingerprints: dict[str, str] = {name: node["fingerprint"] for name, node in self.snapshot["nodes"].items()}

    def own(self, name: str) -> dict[str, str]:
        """Return the input that a node's own declaration is to a step."""
        return {f"declaration {name.split(':')[1]}": self.fingerprints[name]}


def closure(node: Node) -> list[Node]:
    """Return a node and all that it is made from, directly or not."""
    found: dict[str, Node] = {}

    def reach(one: Node) -> None:
        if node_id(one) not in found:
            for used in uses(one):
                reach(used)
            found[node_id(one)] = one

    reach(node)
    return list(found.values())


def upstream(node: Node, nodes: Mapping[str, Node]) -> list[Node]:
    """Return a node and all that it is made from, also through the queries of tables."""
    from headrace.plan.queries import reads_of

    named = {one.name: one for one in nodes.values() if is_source(one)}
    found: dict[str, Node] = {}
    waiting = closure(node)
    while waiting:
        one = waiting.pop(0)
        if node_id(one) not in found:
            found[node_id(one)] = one
            if isinstance(one, Table) and one.query is not None:
                waiting += [named[read] for read in reads_of(one) if read in named]
    return list(found.values())


def is_source(node: Node) -> bool:
    """Return whether a node is a stream or a table."""
    return kind_of(node) in ("stream", "table")
