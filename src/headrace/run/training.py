"""``train``: fits the models whose declaration or cases changed, and says what became of each."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headrace import clock
from headrace.declare import Model, Project, node_id
from headrace.declare.sheet import Sheet
from headrace.errors import Fault, HeadraceError, let_go, nearest
from headrace.plan import model_fingerprint
from headrace.plan.snapshot import digest
from headrace.run.champions import champion_warnings, registry
from headrace.run.checks import require_sound
from headrace.run.declared import Declared
from headrace.run.journal import Journal
from headrace.run.lock import one_at_a_time
from headrace.run.progress import SILENT, Progress, StepReport
from headrace.run.project import LoadedProject
from headrace.run.reasons import FORCED, GONE, UNTRAINED, reasons
from headrace.run.runlog import log_runs
from headrace.run.sheets import html_of
from headrace.run.steps import steps_of

if TYPE_CHECKING:
    from headrace.learn import GateOutcome, TrainReport, Version
    from headrace.learn.trainingset import BuiltSet


@dataclass(frozen=True)
class Trained:
    """A model after ``train``: the step, the report where there was something to do, and what is to be known.

    ``failed`` are the gates that its version did not pass; of one of an earlier training where it does not serve.
    """

    step: StepReport
    report: TrainReport | None
    warnings: tuple[Fault, ...] = ()
    failed: tuple[GateOutcome, ...] = ()

    @property
    def model(self) -> str:
        """Its name."""
        return self.step.id.removeprefix("model:")

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as plain values for ``--json``."""
        told = {"report": None if self.report is None else self.report.as_dict()}
        return self.step.as_dict() | told | {"warnings": [fault.as_dict() for fault in self.warnings]}

    def outcome(self) -> str:
        """Return in one sentence what became of the version, or why there is none."""
        if self.report is not None:
            return self.report.verdict()
        if self.step.action == "failed":
            return f"{self.step.id}: failed, {self.step.faults[0].code}"
        return f"{self.step.id}: {', '.join(self.step.why)}; version {self.step.figures.get('version')} stands"

    def __repr__(self) -> str:
        told = self.outcome() if self.report is None else repr(replace(self.report, warnings=()))
        return "\n".join([told, *map(str, self.warnings)])

    def _repr_html_(self) -> str:
        shown = Sheet("", self.outcome(), (), ()).html()
        if self.report is not None:
            shown = replace(self.report, warnings=())._repr_html_()
        return shown + html_of(faults=self.warnings)


class TrainFailed(HeadraceError):
    """Some models could not be trained; the others were. ``trained`` says what became of each.

    Its exit code is 1 where all that went wrong are checks that failed.
    """

    def __init__(self, trained: Trainings, errors: Sequence[HeadraceError]) -> None:
        super().__init__(fault for error in errors for fault in error.faults)
        self.trained, self.exit_code = trained, max(error.exit_code for error in errors)


class Trainings(tuple[Trained, ...]):
    """What became of each model that was to be trained."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self))

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in self)


@dataclass(frozen=True)
class Wanted:
    """What is asked of a training beside the models.

    Args:
        again: whether to train also what has not changed.
        tune: how many trials of parameters there shall be for each candidate that has something to be searched.
        seconds: after which no further trial begins.
    """

    again: bool = False
    tune: int = 0
    seconds: float = math.inf

    def tunes(self, model: Model) -> bool:
        """Whether parameters of a model are to be searched."""
        return self.tune > 0 and any(one.space for one in model.candidates.values())


def train(
    loaded: LoadedProject,
    names: Sequence[str] = (),
    progress: Progress = SILENT,
    *,
    again: bool = False,
    tune: int = 0,
    seconds: float = math.inf,
) -> Trainings:
    """Train models on their built training sets.

    Args:
        loaded: the project; its training sets must have been built by ``run``.
        names: of models; all of them by default.
        progress: told of each step.
        again: train also what has not changed.
        tune: how many trials of parameters there shall be, those of earlier runs among them; 0 for none.
        seconds: after which no further trial begins.

    Returns:
        One outcome for each model, in the order of the declarations.

    Raises:
        HeadraceError: HR-RUN-005 unknown model, 006 set not up to date; HR-LEARN for what goes wrong in training.
        TrainFailed: that of some of several models; the others were trained.
    """
    require_sound(loaded.project)
    models, wanted = _chosen(loaded.project, names), Wanted(again=again, tune=tune, seconds=seconds)
    if tune and not any(map(wanted.tunes, models)):
        names = [model.name for model in models]
        told = f"a search for {', '.join(names)}, without anything that could be searched"
        cure = "write fit=hr.candidate(fit, depth=hr.between(2, 10))"
        raise HeadraceError(Fault("HR-LEARN-027", models[0].place, told, "a space to search", cure))
    with one_at_a_time(loaded.state_dir), Journal(loaded.state_dir / "run.db") as journal:
        declared = Declared(loaded.project)
        number = journal.begin("train")
        try:
            registry(loaded).resume()  # what an earlier training could not tell MLflow is not fitted again
            trained, errors = _each(models, lambda one: _train_one(one, loaded, declared, journal, progress, wanted))
            if errors and len(models) == 1:
                raise errors[0]
            found = Trainings(_with_champion(one, model, loaded) for one, model in zip(trained, models, strict=True))
        except BaseException as error:
            with contextlib.suppress(HeadraceError):  # a full disk must not hide what happened
                journal.finish(number, "interrupted" if isinstance(error, KeyboardInterrupt) else "failed", {})
                log_runs(loaded, journal)
            raise
        journal.finish(number, "failed" if errors else "done", {"models": [one.as_dict() for one in found]})
        log_runs(loaded, journal)
    if errors:
        raise TrainFailed(found, errors)
    return found


def _each(models: Sequence[Model], train_one: Callable[[Model], Trained]) -> tuple[list[Trained], list[HeadraceError]]:
    """Train each; what is wrong with one does not keep the others from it."""
    found, errors = list[Trained](), list[HeadraceError]()
    for model in models:
        begun = clock.monotonic_s()
        try:
            found.append(train_one(model))
        except HeadraceError as error:
            let_go(error)
            errors.append(error)
            step = StepReport(f"model:{model.name}", "failed", (), clock.monotonic_s() - begun, {}, error.faults)
            found.append(Trained(step, None))
    return found, errors


def _chosen(project: Project, names: Sequence[str]) -> list[Model]:
    models = project.all_models
    unknown = [name for name in names if name not in models]
    if unknown:
        faults = (
            Fault("HR-RUN-005", "", f"no model {one!r}", "a declared one", nearest(one, models)) for one in unknown
        )
        raise HeadraceError(faults)
    if not models:
        raise HeadraceError(Fault("HR-RUN-005", "", "a project without models", "an hr.Model", "declare one"))
    return [model for name, model in models.items() if not names or name in names]


def _train_one(
    model: Model, loaded: LoadedProject, declared: Declared, journal: Journal, progress: Progress, wanted: Wanted
) -> Trained:
    step_id = f"model:{model.name}"
    built = _built(model, loaded, declared, journal)
    inputs, before = training_inputs(model, declared, journal), journal.step(step_id)
    why = UNTRAINED if before is None else reasons(before.inputs, inputs)
    again = wanted.again or wanted.tunes(model)
    if before is not None and not why and not again:
        if (version := _standing(model, before.figures, loaded)) is not None:
            kept = StepReport(step_id, "kept", ("nothing changed",), 0.0, before.figures)
            progress.ends(kept)
            return Trained(kept, None, failed=_failed(version))
        why = GONE
    known = None if again else trained_before(model, str(built.manifest["fingerprint"]), loaded)
    if known is not None:
        return _known(known, step_id, inputs, journal, progress)
    why = why or FORCED
    progress.begins(step_id, why)
    begun = clock.monotonic_s()
    report = _fitted(model, built, loaded, declared, progress, wanted)
    figures = {"version": report.version.number, "standing": report.version.standing, "metrics": dict(report.metrics)}
    journal.complete(step_id, inputs, figures)
    done = StepReport(step_id, "done", why, clock.monotonic_s() - begun, figures)
    progress.ends(done)
    return Trained(done, report, report.warnings, tuple(one for one in report.gates if not one.passed))


def trained_before(model: Model, cases: str, loaded: LoadedProject) -> Version | None:
    """Return the version that was trained from this very declaration and set, as after a revert of the declaration.

    Args:
        model: as declared now.
        cases: fingerprint of its training set.
        loaded: the project.
    """
    same, kept = (model_fingerprint(model), cases), registry(loaded)
    for one in reversed(kept.versions(model.name)):
        origin = one.record.origin
        if (origin.declaration, origin.training_set) == same and one.standing and kept.intact(one):
            return one
    return None


def _known(version: Version, step_id: str, inputs: dict[str, str], journal: Journal, progress: Progress) -> Trained:
    figures = {"version": version.number, "standing": version.standing, "metrics": dict(version.metrics)}
    journal.complete(step_id, inputs, figures)
    why = (f"version {version.number} was trained from this declaration and data",)
    kept = StepReport(step_id, "kept", why, 0.0, figures)
    progress.ends(kept)
    return Trained(kept, None, failed=_failed(version))


def _with_champion(trained: Trained, model: Model, loaded: LoadedProject) -> Trained:
    """Tell also of a champion that was trained from another declaration."""
    return replace(trained, warnings=(*trained.warnings, *champion_warnings(loaded, [model])))


def _fitted(
    model: Model, built: BuiltSet, loaded: LoadedProject, declared: Declared, progress: Progress, wanted: Wanted
) -> TrainReport:
    from headrace.audit.standing_alone import figures
    from headrace.learn import train as learn_train
    from headrace.learn.thresholds import thresholds
    from headrace.learn.tried import Tuning

    def told(name: str, done: int, of: int) -> None:
        progress.moves(f"tune {name}", done, of)

    tune = None
    if wanted.tunes(model):
        search = digest([model_fingerprint(model), str(built.manifest["fingerprint"])])
        tune = Tuning(wanted.tune, loaded.state_dir / "searches", search, wanted.seconds, told)
    # What the user's function prints goes to stderr, since stdout is for results.
    with loaded.importing(), contextlib.redirect_stdout(sys.stderr):
        return learn_train(
            model,
            built,
            registry(loaded),
            progress=progress.moves,
            service_thresholds=thresholds(loaded.project, model),
            folder=loaded.folder,
            tune=tune,
            figures=figures,
        )


def _built(model: Model, loaded: LoadedProject, declared: Declared, journal: Journal) -> BuiltSet:
    """Return the model's training set as the last run built it; one that is out of date is refused."""
    from headrace.learn.trainingset import open_set

    step = next(one for one in steps_of(loaded, declared) if one.id == f"training_set:{model.cases.name}")
    done = journal.step(step.id)
    why = reasons(None if done is None else done.inputs, step.inputs())
    if done is None or why or not step.stands(done.figures):
        found = f"training set {model.cases.name} is not up to date: {'; '.join(why or GONE)}"
        raise HeadraceError(Fault("HR-RUN-006", model.place, found, "a built set", "run 'headrace run' first"))
    return open_set(loaded.state_dir / str(done.figures["path"]))


def training_inputs(model: Model, declared: Declared, journal: Journal | None) -> dict[str, str]:
    """Return what a training depends on: the model's declaration and the set as it was last built."""
    built = None if journal is None else journal.step(f"training_set:{model.cases.name}")
    cases = "none" if built is None else str(built.figures.get("fingerprint"))
    return declared.own(node_id(model)) | {f"cases {model.cases.name}": cases}


def _standing(model: Model, figures: Mapping[str, Any], loaded: LoadedProject) -> Version | None:
    """The version that a training registered, if it is still in the registry with the file that it had."""
    kept = registry(loaded)
    mine = (one for one in kept.versions(model.name) if one.number == figures.get("version"))
    return next((one for one in mine if kept.loadable(one)), None)


def _failed(version: Version) -> tuple[GateOutcome, ...]:
    """The gates that a version did not pass, unless it serves all the same: then somebody has said why."""
    return () if "champion" in version.aliases else tuple(one for one in version.record.gates if not one.passed)
