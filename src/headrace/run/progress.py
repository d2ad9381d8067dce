"""What a run tells while it works: which step begins and why, how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from headrace.errors import Fault

THIS_RUN, FAULTS = "this_run", "faults"
"""Among the figures of a step: what only the run that did it has to tell, and what went wrong or is worth knowing."""
NOTHING_NEW = "nothing_new"
"""Among the figures of a step that had to look outside: whether all is as it was."""


@dataclass(frozen=True)
class StepReport:
    """What became of one step of a run.

    Args:
        id: such as ``ingest:payments``; stable.
        action: ``done``, ``kept`` (nothing to do), ``failed``, or ``skipped`` (what it needs failed).
        why: reasons for the action, in words.
        seconds: that it took.
        figures: what came of it: rows, files, versions.
        faults: what went wrong at the last attempt, and what is worth knowing.
        attempts: how often it was tried.
    """

    id: str
    action: str
    why: tuple[str, ...]
    seconds: float
    figures: Mapping[str, Any]
    faults: tuple[Fault, ...] = ()
    attempts: int = 1

    def as_dict(self) -> dict[str, Any]:
        """Return the step as plain values for ``--json``."""
        return {
            "step": self.id,
            "action": self.action,
            "why": list(self.why),
            "seconds": round(self.seconds, 3),
            "figures": dict(self.figures),
            "faults": [fault.as_dict() for fault in self.faults],
            "attempts": self.attempts,
        }


class Progress(Protocol):
    """Told of each step; ``moves`` has the shape that the rooms below take as their progress."""

    def begins(self, step: str, why: tuple[str, ...]) -> None: ...

    def moves(self, what: str, done: int, total: int) -> None: ...

    def ends(self, report: StepReport) -> None: ...


class Silent:
    """Progress that tells nothing."""

    def begins(self, step: str, why: tuple[str, ...]) -> None:
        pass

    def moves(self, what: str, done: int, total: int) -> None:
        pass

    def ends(self, report: StepReport) -> None:
        pass


SILENT = Silent()
