"""``run``: brings lake and training sets up to date, redoes only what changed, and says why."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from headrace import clock
from headrace.declare.sheet import Sheet
from headrace.errors import Fault, HeadraceError
from headrace.run.anew import anew
from headrace.run.asked import EVERYTHING, Asked
from headrace.run.attaching import refreshed
from headrace.run.backfill import backfilled
from headrace.run.choosing import merged, parts_of
from headrace.run.declared import Declared
from headrace.run.evolving import require_sound_evolution
from headrace.run.journal import Journal
from headrace.run.lock import one_at_a_time
from headrace.run.outdated import outdated
from headrace.run.progress import FAULTS, NOTHING_NEW, SILENT, THIS_RUN, Progress, StepReport
from headrace.run.project import LoadedProject
from headrace.run.reasons import FIRST, UNENDED
from headrace.run.retry import again, codes_of, may_pass, waits
from headrace.run.runlog import log_runs
from headrace.run.selecting import chosen
from headrace.run.sheets import html_of
from headrace.run.steps import Step, steps_of
from headrace.run.stopping import Heeding, Stop


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
    """What a run is to be on record as, where it is more than one that takes what is new.

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


def run(
    loaded: LoadedProject,
    progress: Progress = SILENT,
    asked: Asked = EVERYTHING,
    stop: Stop | None = None,
    order: Order | None = None,
) -> RunReport:
    """Bring a project up to date.

    A step is redone when its inputs differ from those on record: files, declarations, versions of tables. What was
    killed half way is taken up again, and nothing is doubled. A step that fails stops what needs it, not the rest.

    Args:
        loaded: the project.
        progress: told of each step.
        asked: what of it, how often to try again; everything, once, by default.
        stop: ends the run behind its last commit when it is asked to.
        order: as what it is on record.

    Returns:
        What was done, what was kept, and why.

    Raises:
        HeadraceError: when the declarations have faults (all of them), or another run is going on.
        RunFailed: when steps failed; it carries their faults and the report.
        Stopped: when it was asked to end, and did.
    """
    stop = stop or Stop()

    def failing(codes: str, attempt: int, pause: float) -> None:
        progress.begins("run", (f"{codes} may pass: attempt {attempt} in {pause:.1f} s",))

    # Steps are tried again by themselves; what is around them, such as the journal, only with the run as a whole.
    return again(lambda: _run(loaded, progress, asked, stop, order or Order()), asked.retry, stop, failing, RunFailed)


def _run(loaded: LoadedProject, progress: Progress, asked: Asked, stop: Stop, order: Order) -> RunReport:
    require_sound_evolution(loaded)
    with one_at_a_time(loaded.state_dir), Journal(loaded.state_dir / "run.db") as journal:
        declared = Declared(loaded.project)
        every, parts = parts_of(steps_of(loaded, declared, order.accept), loaded, order.only)
        steps = chosen(every, asked.names)
        if asked.full:
            steps = anew(steps, loaded, asked.names)
        if asked.period is not None:
            steps = backfilled(steps, loaded, declared, journal, asked.period, asked.names)
        _drained(loaded)
        last = journal.runs(1)
        work = _Work(journal, journal.begin(order.kind), progress, asked, stop)
        work.after = "cut off" if last and last[0].outcome == "running" else ""
        try:
            work.bring_up(steps)
            work.faults += refreshed(loaded)
            _judged(loaded)
        except BaseException as error:
            with contextlib.suppress(HeadraceError):  # a full disk must not hide what happened
                outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                journal.finish(work.number, outcome, work.report().as_dict())
                log_runs(loaded, journal)
            raise
        report = work.report()
        if report.ok and len(steps) == len(every) and asked.period is None:
            journal.keep_snapshot(merged(journal.snapshot(), declared.snapshot, parts))
        journal.finish(work.number, "done" if report.ok else "failed", report.as_dict() | dict(order.told))
        log_runs(loaded, journal)
    if not report.ok:
        raise RunFailed(report)
    return report


def _drained(loaded: LoadedProject) -> None:
    """What was served and posted comes into the lake first, so that a run builds on all that is known."""
    if (loaded.state_dir / "spool").exists():
        from headrace.serve.drain import drain

        drain(loaded)


def _judged(loaded: LoadedProject) -> None:
    """What was posted is held against its whole contract where the tables that its rules refer to are loaded."""
    if (loaded.state_dir / "spool").exists():
        from headrace.serve.judging import judge_live

        judge_live(loaded.project, loaded.lake())


class _Work:
    """The steps of one run, one after the other."""

    def __init__(self, journal: Journal, number: int, progress: Progress, asked: Asked, stop: Stop) -> None:
        self.journal, self.number, self.progress, self.asked, self.stop = journal, number, progress, asked, stop
        self.after = ""
        self.faults: list[Fault] = []
        self._reports: list[StepReport] = []
        self._begun = clock.monotonic_s()

    def report(self) -> RunReport:
        """Return what was done by now."""
        seconds = clock.monotonic_s() - self._begun
        return RunReport(self.number, seconds, tuple(self._reports), tuple(self.faults), self.after)

    def bring_up(self, steps: list[Step]) -> None:
        for step in steps:
            self.stop.heed()
            stopped = {one.id for one in self._reports if one.action in ("failed", "skipped")}
            blocking = [need for need in step.needs if need in stopped]
            if blocking:
                report = StepReport(step.id, "skipped", (f"needs {', '.join(blocking)}",), 0.0, {})
            else:
                report = self._tried(step)
            self.progress.ends(report)
            self.faults += report.faults
            self._reports.append(report)
            self.journal.note(self.number, self.report().as_dict())

    def _tried(self, step: Step) -> StepReport:
        """Do a step, again and again as long as it is asked for and what went wrong may pass."""
        begun = clock.monotonic_s()
        report = _one(step, self.journal, Heeding(self.progress, self.stop))
        for attempt, pause in enumerate(waits(self.asked.retry), 2):
            if report.action != "failed" or not may_pass(report.faults):
                break
            self.progress.begins(step.id, (f"{codes_of(report.faults)} may pass: attempt {attempt} in {pause:.1f} s",))
            self.stop.wait(pause)
            self.stop.heed()
            once_more = _one(step, self.journal, Heeding(self.progress, self.stop))
            report = replace(once_more, attempts=attempt, seconds=clock.monotonic_s() - begun)
        return report


def _one(step: Step, journal: Journal, progress: Progress) -> StepReport:
    begun = clock.monotonic_s()
    why: tuple[str, ...] = FIRST

    def reported(action: str, figures: Mapping[str, Any], faults: tuple[Fault, ...] = ()) -> StepReport:
        seconds = clock.monotonic_s() - begun
        return StepReport(step.id, action, why, seconds, {**figures, **step.counts()}, faults)

    try:
        before = journal.step(step.id)
        why = () if before is None or step.forced else step.rests(before.inputs, before.at)
        if before is not None and why and step.stands(before.figures):
            return reported("kept", _lasting(before.figures))
        inputs = step.inputs()
        why = _for_the_first_time(step) if before is None else outdated(step, before, inputs)
        if before is not None and not why and not step.forced:
            why = ("nothing changed",)
            if inputs != before.inputs or step.timed:
                journal.complete(step.id, inputs, before.figures)
            return reported("kept", _lasting(before.figures))
        why = step.forced or why
        progress.begins(step.id, why)
        figures = step.work(progress)
    except HeadraceError as error:
        return reported("failed", {}, error.faults)
    told = tuple(Fault(**one) for one in figures.pop(FAULTS, ()))
    if any(fault.severity == "error" for fault in told):
        return reported("failed", figures, told)
    nothing_new = figures.pop(NOTHING_NEW, False) and before is not None
    if not step.partial:
        journal.complete(step.id, inputs, figures)
    return reported("kept" if nothing_new else "done", figures, told)


def _for_the_first_time(step: Step) -> tuple[str, ...]:
    """What a run has loaded that failed by one file of many is there, though the step was never done."""
    return UNENDED if step.counts().get("received") else FIRST


def _lasting(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What a step that is kept has to tell: not what only the run that did it had."""
    return {key: value for key, value in figures.items() if key != THIS_RUN}
