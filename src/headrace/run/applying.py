"""``apply``: what ``plan`` shows is carried out, by someone, and that is on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from headrace.declare import node_id
from headrace.errors import CheckFailed, Fault
from headrace.run.changes import Changes, plan_changes
from headrace.run.choosing import named
from headrace.run.declared import upstream
from headrace.run.evolving import refused
from headrace.run.pipeline import Order, RunReport, run
from headrace.run.progress import SILENT, Progress
from headrace.run.project import LoadedProject
from headrace.run.promotion import who


@dataclass(frozen=True)
class Applied:
    """What was carried out.

    Args:
        by: the name of the user, as the operating system has it.
        changes: that ``plan`` showed before.
        accepted: nodes whose contracts changed in a way that is not compatible.
        report: of the run that did it; it has the number under which all this is on record.
    """

    by: str
    changes: Changes
    accepted: tuple[str, ...]
    report: RunReport

    def as_dict(self) -> dict[str, Any]:
        """Return what was applied as plain values for ``--json``."""
        told = {"by": self.by, "accepted": list(self.accepted), "plan": self.changes.as_dict()}
        return self.report.as_dict() | told


def proposed(loaded: LoadedProject, nodes: Sequence[str] = (), accept: Sequence[str] = ()) -> Changes:
    """Return what ``apply`` would carry out; nothing is done.

    Args:
        loaded: the project.
        nodes: to which it is confined, with all that they are made from; by default all.
        accept: nodes whose contracts may change in ways that are not compatible.

    Raises:
        CheckFailed: HR-EVOLVE-001 for each such change of another node.
        HeadraceError: faults of the declarations; HR-EVOLVE-004 unknown node.
    """
    changes, declared = plan_changes(loaded), loaded.project.nodes()
    wanted = {node_id(one) for name in named(nodes, loaded) for one in upstream(declared[name], declared)}
    accepted = named(accept, loaded)
    evolution = {name: one for name, one in changes.evolution.items() if name in wanted or not nodes}
    if faults := refused(evolution, accepted):
        raise CheckFailed(faults)
    # A warning only: what was killed half way may have nothing left that breaks, and is called again as it was.
    idle = (_idle(name) for name in accepted if name not in evolution or not evolution[name].faults)
    return replace(changes, warnings=(*changes.warnings, *idle))


def apply(
    loaded: LoadedProject,
    nodes: Sequence[str] = (),
    accept: Sequence[str] = (),
    progress: Progress = SILENT,
    changes: Changes | None = None,
) -> Applied:
    """Carry out what ``plan`` shows: tables follow their contracts, then all that is invalidated is made anew.

    A run does the same for compatible changes; this also does others, where they are accepted by name, and keeps on
    record who asked for it, when, and what changed. Killed anywhere, it is taken up by calling it again.

    Args:
        loaded: the project.
        nodes: to bring up to date, with all that they are made from; by default all.
        accept: nodes whose contracts may change in ways that are not compatible.
        progress: told of each step.
        changes: from ``proposed``, if that was called already.

    Raises:
        CheckFailed: HR-EVOLVE-001 for each change that is neither compatible nor accepted; nothing was done.
        HeadraceError: faults of the declarations; HR-EVOLVE-004 unknown node.
        RunFailed: steps failed; it carries the report.
    """
    changes = proposed(loaded, nodes, accept) if changes is None else changes
    by, accepted = who(), tuple(named(accept, loaded))
    parts = [{"node": one.node, "action": one.action, "parts": list(one.parts)} for one in changes.changes]
    told = {"by": by, "accepted": list(accepted), "nodes": list(nodes), "changes": parts}
    return Applied(by, changes, accepted, run(loaded, progress, order=Order("apply", accepted, tuple(nodes), told)))


def _idle(name: str) -> Fault:
    cure, expected = f"leave out --accept {name}", "a node that 'headrace plan' calls breaking"
    return Fault("HR-EVOLVE-005", "", f"{name}, of which nothing breaks", expected, cure, "warning")
