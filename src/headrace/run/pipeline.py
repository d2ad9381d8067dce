"""``run``: brings lake and training sets up to date, redoes only what changed, and says why."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace import clock
from headrace.declare.sheet import Sheet
from headrace.errors import Fault, HeadraceError
from headrace.run.attaching import refreshed
from headrace.run.checks import require_sound
from headrace.run.declared import Declared
from headrace.run.journal import Journal
from headrace.run.lock import one_at_a_time
from headrace.run.progress import SILENT, Progress, StepReport
from headrace.run.project import LoadedProject
from headrace.run.reasons import FIRST, GONE, reasons
from headrace.run.sheets import html_of
from headrace.run.steps import FAULTS, NOTHING_NEW, THIS_RUN, Step, settled, steps_of


@dataclass(frozen=True)
class RunReport:
    """What a run did.

    Args:
        number: of the run in the journal.
        seconds: that it took.
        steps: what became of each.
        faults: of the steps that failed, and warnings of the others.
        after: ``"cut off"`` when the run before this one was killed and this one went on.
    """

    number: int
    seconds: float
    steps: tuple[StepReport, ...]
    faults: tuple[Fault, ...]
    after: str = ""

    @property
    def ok(self) -> bool:
        return all(step.action in ("done", "kept") for step in self.steps)

    @property
    def changed(self) -> bool:
        """Whether anything had to be done."""
        return any(step.action != "kept" for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values for ``--json``."""
        return {
            "ok": self.ok,
            "run": self.number,
            "seconds": round(self.seconds, 3),
            "changed": self.changed,
            "after": self.after,
            "steps": [step.as_dict() for step in self.steps],
            "faults": [fault.as_dict() for fault in self.faults],
        }

    def __repr__(self) -> str:
        return "\n".join([self._title(), *(f"  {s.action:<7} {s.id}: {', '.join(s.why)}" for s in self.steps)])

    def _title(self) -> str:
        return f"run {self.number}: {'ok' if self.ok else 'failed'} in {self.seconds:.1f} s"

    def _repr_html_(self) -> str:
        rows = tuple((s.id, s.action, ", ".join(s.why), f"{s.seconds:.1f}") for s in self.steps)
        return html_of(Sheet(self._title(), "", ("step", "action", "why", "seconds"), rows), faults=self.faults)


class RunFailed(HeadraceError):
    """Some steps could not be done; the others were. ``report`` says which; warnings are among the faults."""

    def __init__(self, report: RunReport) -> None:
        super().__init__(report.faults)
        self.report = report


def run(loaded: LoadedProject, progress: Progress = SILENT) -> RunReport:
    """Bring a project up to date.

    A step is redone when its inputs differ from those on record: files, declarations, versions of tables. What was
    killed half way is taken up again, and nothing is doubled. A step that fails stops what needs it, not the rest.

    Args:
        loaded: the project.
        progress: told of each step.

    Returns:
        What was done, what was kept, and why.

    Raises:
        HeadraceError: when the declarations have faults (all of them), or another run is going on.
        RunFailed: when steps failed; it carries their faults and the report.
    """
    require_sound(loaded.project)
    with one_at_a_time(loaded.state_dir), Journal(loaded.state_dir / "run.db") as journal:
        _drained(loaded)
        declared = Declared(loaded.project)
        steps = steps_of(loaded, declared)
        last = journal.runs(1)
        number, begun = journal.begin("run"), clock.monotonic_s()
        after = "cut off" if last and last[0].outcome == "running" else ""
        try:
            reports, faults = _bring_up(steps, journal, progress)
            faults += refreshed(loaded)
        except BaseException as error:
            with contextlib.suppress(HeadraceError):  # a full disk must not hide what happened
                journal.finish(number, "interrupted" if isinstance(error, KeyboardInterrupt) else "failed", {})
            raise
        report = RunReport(number, clock.monotonic_s() - begun, tuple(reports), tuple(faults), after)
        if report.ok:
            journal.keep_snapshot(declared.snapshot)
        journal.finish(number, "done" if report.ok else "failed", report.as_dict())
    if not report.ok:
        raise RunFailed(report)
    return report


def _drained(loaded: LoadedProject) -> None:
    """What was served and posted comes into the lake first, so that a run builds on all that is known."""
    if (loaded.state_dir / "spool").exists():
        from headrace.serve.drain import drain

        drain(loaded)


def _bring_up(steps: list[Step], journal: Journal, progress: Progress) -> tuple[list[StepReport], list[Fault]]:
    reports: list[StepReport] = []
    faults: list[Fault] = []
    for step in steps:
        stopped = {one.id for one in reports if one.action in ("failed", "skipped")}
        blocking = [need for need in step.needs if need in stopped]
        if blocking:
            report = StepReport(step.id, "skipped", (f"needs {', '.join(blocking)}",), 0.0, {})
        else:
            report = _one(step, journal, progress, faults)
        progress.ends(report)
        reports.append(report)
    return reports, faults


def _one(step: Step, journal: Journal, progress: Progress, faults: list[Fault]) -> StepReport:
    begun = clock.monotonic_s()
    why: tuple[str, ...] = FIRST

    def reported(action: str, figures: Mapping[str, Any]) -> StepReport:
        return StepReport(step.id, action, why, clock.monotonic_s() - begun, {**figures, **step.counts()})

    try:
        inputs, before = step.inputs(), journal.step(step.id)
        why = FIRST if before is None else reasons(before.inputs, settled(before.inputs, inputs, step.same))
        if before is not None and not why:
            if step.stands(before.figures):
                why = ("nothing changed",)
                if inputs != before.inputs:
                    journal.complete(step.id, inputs, before.figures)
                return reported("kept", {key: value for key, value in before.figures.items() if key != THIS_RUN})
            why = GONE
        progress.begins(step.id, why)
        figures = step.work(progress)
    except HeadraceError as error:
        faults += error.faults
        return reported("failed", {})
    told = [Fault(**one) for one in figures.pop(FAULTS, ())]
    faults += told
    if any(fault.severity == "error" for fault in told):
        return reported("failed", figures)
    nothing_new = figures.pop(NOTHING_NEW, False)
    journal.complete(step.id, inputs, figures)
    return reported("kept" if nothing_new and before is not None else "done", figures)
