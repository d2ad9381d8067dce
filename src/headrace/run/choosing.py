"""A part of a project: some nodes and all that they are made from, as steps and as what was applied."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from headrace.declare import node_id
from headrace.errors import Fault, HeadraceError, nearest
from headrace.run.declared import upstream
from headrace.run.project import LoadedProject
from headrace.run.steps import Step


def parts_of(
    steps: list[Step], loaded: LoadedProject, only: Sequence[str]
) -> tuple[list[Step], Collection[str] | None]:
    """Return the steps that bring some nodes up to date, and these nodes with all that they are made from.

    Args:
        steps: of the whole project.
        loaded: the project.
        only: names or identifiers of nodes; none for all of them, of which the second result is None.

    Raises:
        HeadraceError: HR-EVOLVE-004 for a name that no node has.
    """
    if not only:
        return steps, None
    nodes = loaded.project.nodes()
    wanted = {node_id(one) for name in named(only, loaded) for one in upstream(nodes[name], nodes)}
    names = {(name.split(":")[0] in ("stream", "table"), name.split(":")[1]) for name in wanted}
    return [one for one in steps if (not one.id.startswith("training_set:"), one.id.split(":")[1]) in names], wanted


def named(asked: Sequence[str], loaded: LoadedProject) -> list[str]:
    """Return the identifiers of nodes, each given as it is or by its name alone.

    Raises:
        HeadraceError: HR-EVOLVE-004 for what no node is called.
    """
    nodes = loaded.project.nodes()
    found, faults = list[str](), list[Fault]()
    for one in asked:
        fitting = [one] if one in nodes else [name for name in nodes if name.split(":")[1] == one]
        found += fitting
        if not fitting:
            known = [*nodes, *(name.split(":")[1] for name in nodes)] if ":" not in one else list(nodes)
            faults.append(Fault("HR-EVOLVE-004", "", f"no node {one}", "a stream, table, set, …", nearest(one, known)))
    if faults:
        raise HeadraceError(faults)
    return list(dict.fromkeys(found))


def merged(
    before: Mapping[str, Any] | None, now: Mapping[str, Any], parts: Collection[str] | None
) -> Mapping[str, Any]:
    """Return what is applied after a run of some nodes: these as they are declared, the others as they were."""
    if parts is None:
        return now
    old = {} if before is None else dict(before["nodes"])
    return {**now, "nodes": dict(sorted((old | {name: now["nodes"][name] for name in parts}).items()))}
