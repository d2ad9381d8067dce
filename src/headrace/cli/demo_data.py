"""What the demo shows of the data themselves: what became of refused rows, what a change would break, and a report."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.errors import Fault

if TYPE_CHECKING:
    from headrace.run import LoadedProject
    from headrace.run.changes import Change
    from headrace.run.quarantine import Refused, Repair

SET = {"amount": "replace(amount, 'o', '.')"}
"""A repair of amounts such as ``12o50``."""
_REASON = "HR-DATA-002 amount"
BEFORE, AFTER = "amount: hr.Decimal(12, 2) =", "amount: float ="
"""What is declared, and the change that is asked about."""


@dataclass(frozen=True)
class Looked:
    """What was found out about the demo's data; nothing of it changes them.

    Args:
        refused: rows in quarantine, rule by rule.
        repair: what would become of some of them.
        change: what the change of a column would mean for its stream.
        verdict: that it is refused, and what it would break; None if it is not.
        report: the page of profiles, changes and promises.
    """

    refused: tuple[Refused, ...]
    repair: Repair
    change: Change
    verdict: Fault | None
    report: Path

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values for ``--json``."""
        return {
            "quarantine": [vars(one) for one in self.refused],
            "repair": self.repair.as_dict(),
            "change": self.change.as_dict(),
            "verdict": None if self.verdict is None else self.verdict.as_dict(),
            "report": str(self.report),
        }


def looked(loaded: LoadedProject) -> Looked:
    """Ask of a demo's data what somebody who answers for them would ask first."""
    from headrace.audit.data import data_report
    from headrace.run.quarantine import refused, repaired, rows_of, tried

    rows = repaired(loaded, "payments", rows_of(loaded, "payments", reason=_REASON), SET)
    change, verdict = _what_if(loaded)
    page = data_report(loaded).path
    return Looked(tuple(refused(loaded)), tried(loaded, "payments", rows), change, verdict, page)


def _what_if(loaded: LoadedProject) -> tuple[Change, Fault | None]:
    """Plan a change in a copy of the project file that sees the same lake."""
    from headrace.run import load_project, plan_changes

    with tempfile.TemporaryDirectory(prefix="headrace-") as name:
        folder = Path(name)
        shutil.copy(loaded.folder / "headrace.toml", folder)
        (folder / "data").symlink_to(loaded.folder / "data")
        source = (loaded.folder / "project.py").read_text()
        (folder / "project.py").write_text(source.replace(BEFORE, AFTER, 1))
        other = load_project(folder)
        target = replace(other.settings.chosen, path=str(loaded.state_dir))
        settings = replace(other.settings, targets={**other.settings.targets, other.settings.target: target})
        changes = plan_changes(replace(other, settings=settings))
    change = next(one for one in changes.changes if one.node == "stream:payments")
    return change, next(iter(changes.refused), None)
