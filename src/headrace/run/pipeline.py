"""``run``: brings lake and training sets up to date, redoes only what changed, and says why."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace import clock
from headrace.declare.sheet import Sheet
from headrace.errors import Fault, HeadraceError
from headrace.run.attaching import refreshed
from headrace.run.choosing import chosen, merged
from headrace.run.declared import Declared
from headrace.run.evolving import require_sound_evolution
from headrace.run.journal import Journal
from headrace.run.lock import one_at_a_time
from headrace.run.progress import SILENT, Progress, StepReport
from headrace.run.project import LoadedProject
from headrace.run.reasons import FIRST, GONE, reasons
from headrace.run.sheets import html_of
from headrace.run.steps import FAULTS, THIS_RUN, Step, settled, steps_of


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


@dataclass(frozen=True)
class Order:
    """What is asked of a run.

    Args:
        kind: under which it is on record.
        accept: nodes whose contracts may change in ways that are not compatible.
        only: nodes to bring up to date, with all that they are made from; all where there are none.
        told: what is kept with its report, such as who asked for it.
    """

    kind: str = "run"
    accept: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)


def run(loaded: LoadedProject, progress: Progress = SILENT, order: Order | None = None) -> RunReport:
    """Bring a project up to date.

    A step is redone when its inputs differ from those on record: files, declarations, versions of tables. What was
    killed half way is taken up again, and nothing is doubled. A step that fails stops what needs it, not the rest.

    Args:
        loaded: the project.
        progress: told of each step.
        order: what is asked, where it is not simply all.

    Returns:
        What was done, what was kept, and why.

    Raises:
        HeadraceError: when the declarations have faults (all of them), or another run is going on.
        RunFailed: when steps failed; it carries their faults and the report.
    """
    require_sound_evolution(loaded)
    order = order or Order()
    with one_at_a_time(loaded.state_dir), Journal(loaded.state_dir / "run.db") as journal:
        _drained(loaded)
        declared = Declared(loaded.project)
        steps, parts = chosen(steps_of(loaded, declared, order.accept), loaded, order.only)
        last = journal.runs(1)
        number, begun = journal.begin(order.kind), clock.monotonic_s()
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
            journal.keep_snapshot(merged(journal.snapshot(), declared.snapshot, parts))
        journal.finish(number, "done" if report.ok else "failed", report.as_dict() | dict(order.told))
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
    journal.complete(step.id, inputs, figures)
    return reported("done", figures)
