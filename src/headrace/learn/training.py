"""The whole of a training: split, baselines, fit, metrics, export, gates, register; each step timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from headrace import clock
from headrace.declare import Capacity, Gate, LowestCost, Model, TimeSplit
from headrace.engines.job import EARLY
from headrace.errors import Fault, HeadraceError, nearest
from headrace.learn.baselines import constant, linear
from headrace.learn.cases import Built, Cases, read_cases
from headrace.learn.champion import other_features
from headrace.learn.choose import Choice, acting_from, as_served, choose, without
from headrace.learn.drawn import Figures, drawn
from headrace.learn.explain import made_from
from headrace.learn.export import Parity, check_parity, dropped, export, export_like, require_parity
from headrace.learn.fit import Fit, fit_estimator, name_of, place_of
from headrace.learn.gates import Evidence, GateOutcome, export_gate, judge, not_worse
from headrace.learn.kept import kept_of
from headrace.learn.leaks import leaks
from headrace.learn.measures import OfTraining
from headrace.learn.metrics import Scores, require_numbers
from headrace.learn.nulls import never_null, require_nulls
from headrace.learn.quiet import switch_off_telemetry
from headrace.learn.registry import Registry
from headrace.learn.report import Candidate, TrainReport
from headrace.learn.scorer import Scorer, digest_of
from headrace.learn.scoring import require_chances, require_probabilities, scores
from headrace.learn.setting import Given, Judged, Setting, costed_by, grouped_by, setting_of
from headrace.learn.split import Fold, short_history
from headrace.learn.tried import Tried, Tuning
from headrace.learn.version import Origin, Record, Version, code_commit, environment, looks_at
from headrace.learn.worst import losses, worst
from headrace.plan import compile_set, feature_fingerprints, model_fingerprint

T = TypeVar("T")
_OF_METRICS = ("at_least", "at_most", "better_than_baseline", "not_worse_than_champion", "calibrated")
"""Gates of which it can be said where the model loses."""
Progress = Callable[[str, int, int], None]
"""Told the step that begins, how many are done, and how many there are."""
STEPS = ("read", "split", "choose", "baselines", "fit", "export", "explain", "metrics", "gates", "register")
_SKEWED = 0.01
"""Share of the rows whose label is dated before them, above which that is told."""
_BACKGROUND = 1000
"""Rows of training that explanations are made of and checked on."""


@dataclass
class _Course:
    """Times the steps of one training and tells of them."""

    progress: Progress | None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        if self.progress is not None:
            self.progress(name, STEPS.index(name), len(STEPS))
        begun = clock.monotonic_s()
        yield
        self.seconds[name] = clock.monotonic_s() - begun


def train(
    model: Model,
    built: Built,
    registry: Registry,
    *,
    progress: Progress | None = None,
    service_thresholds: Sequence[float] = (),
    folder: Path | None = None,
    tune: Tuning | None = None,
    figures: Figures | None = None,
) -> TrainReport:
    """Choose, fit, judge, export and register a declared model.

    The model's numbers are those of the exported file, which is what will serve. A version that passes its gates and
    is not worse than the champion becomes the champion, another that passes the challenger; one that does not pass is
    kept without an alias. The same inputs give the same file and, once registered, no second version.

    Args:
        model: the declared model.
        built: its training set; columns ``label``, event time, features and those that metrics name.
        registry: where versions are kept.
        progress: told of each step as it begins.
        service_thresholds: scores at which services decide; decisions must not flip there by the export.
        folder: of the project, for the commit of its code.
        tune: how parameters are searched; without it they are those of the champion, where it is of this declaration's
            candidates, or the candidates' own.
        figures: draws what is kept with the version of its test.

    Returns:
        A report with candidates and metrics, gates, version, standing, and seconds of each step.

    Raises:
        HeadraceError: for bad cases, a bad ``fit`` or a bad estimator; see ``docs/errors.md``, HR-LEARN.
        CheckFailed: HR-LEARN-010 when the exported model is not the trained one.
    """
    switch_off_telemetry()
    course = _Course(progress)
    with course.step("read"):
        cases = read_cases(built, grouped_by(model), model.place, model.task, costed_by(model))
    with course.step("split"):
        setting = setting_of(model, cases)
    with registry.preparing():
        versions = registry.versions(model.name)
        champion = next((one for one in versions if "champion" in one.aliases), None)
        with course.step("choose"):
            choice = choose(model, cases, setting.split.validation, setting.context, _start(champion), tune)
        with course.step("baselines"):
            baselines = _baselines(setting)
        while True:
            thresholds = (*service_thresholds, *_at(model, choice))
            try:
                content, parity, explanation = _fitted(setting, choice, course, thresholds)
                break
            except HeadraceError as error:  # it is told, and the next best is taken; the test has not been touched
                choice = without(choice, model, cases, setting.split.validation, error)
    with course.step("metrics"):
        scorer, mine = Scorer(content), choice.taken
        score = scorer.score(setting.test.x)
        told = {"validation": mine.means(setting.metrics), "params": dict(mine.params), "chosen": True}
        judged = [setting.judged(name, "baseline", given) for name, given in baselines]
        judged.append(setting.judged(mine.name, "model", Given(score, choice.threshold, course.seconds["fit"]), **told))
        require_numbers(setting.metrics, judged[-1].candidate.metrics, mine.name)
        judged += _champion(setting, registry, champion, (digest_of(content), choice.threshold))
    others = [_not_taken(one, setting) for one in choice.every if one is not mine]
    candidates = _ordered(_compared(judged), others)
    with course.step("gates"):
        proofs = _measures(setting, choice, built, scorer, content, score)
        folds = (*mine.values, next(one.metrics for one in candidates if one.role == "model"))
        evidence = replace(_evidence(setting, judged), folds=folds, size=len(content), measures=proofs)
        outcomes = ((gate, judge(gate, evidence)) for gate in model.gates)
        gates = (export_gate(parity), *(_with_rows(one, gate, setting, judged) for gate, one in outcomes))
    with course.step("register"):
        origin = _origin(model, built, setting.fold, folder)
        parent = None if champion is None else champion.number
        tested = [one for one in candidates if one.role != "candidate"]
        values, spans = _named(tested, lambda one: one.metrics), _named(tested, lambda one: one.intervals)
        short = short_history(setting.fold, cases.time_us, model.split) if isinstance(model.split, TimeSplit) else None
        warnings = (*_skewed(model, built), *setting.left_out, *choice.failed, *(() if short is None else (short,)))
        apart = _named(tested, lambda one: {label: list(astuple(far)) for label, far in one.apart.items()})
        notes = tuple(f"{fault.found}; expected {fault.expected}" for fault in warnings)
        record = Record(model.name, digest_of(content), origin, values, gates, parent, spans, notes)
        looks = looks_at(origin.fold, versions)
        record = replace(record, choice=choice.as_dict(), threshold=choice.threshold, looks=looks, apart=apart)
        files = kept_of(folder) | drawn(figures, model.task, setting.test.y, score, record)
        files |= {} if explanation is None else {"explain.json": explanation}
        version, new = registry.register(record, content, files, _standing(record, evidence))
    fold, left_out = setting.fold.as_dict(), dict(built.manifest.get("excluded", {}))
    return TrainReport(model.name, tuple(candidates), gates, version, new, course.seconds, fold, left_out, warnings)


def _skewed(model: Model, built: Built) -> tuple[Fault, ...]:
    """A warning where many labels are dated before their cases, which are lost to the training for it."""
    early = int(dict(built.manifest.get("excluded", {})).get(EARLY, 0))
    rows = early + int(built.manifest.get("rows", 0))
    if early <= rows * _SKEWED:
        return ()
    found = f"{early:,} of {rows:,} rows whose label is dated before them; they are not used"
    cure = "if the clocks of the two sources differ, say by how much: hr.label(…, skew='5m')"
    expected = "labels that happen after their cases"
    return (Fault("HR-LEARN-037", model.cases.place, found, expected, cure, "warning"),)


def _measures(
    setting: Setting, choice: Choice, built: Built, scorer: Scorer, content: bytes, score: Scores
) -> OfTraining:
    """What gates may ask to have measured."""
    model, fold, taken = setting.model, setting.fold, choice.taken
    fit = model.candidates[taken.candidate].fit
    where = place_of(fit, model.place)

    def groups(by: str) -> list[str]:
        if by not in built.manifest["columns"]:
            cure = nearest(by, built.manifest["columns"]) or "name a key or a feature of the training set"
            raise HeadraceError(Fault("HR-LEARN-012", model.place, f"no column {by!r}", "the groups to compare", cure))
        return [str(one) for one in built.to_arrow([by]).column(by).filter(pa.array(fold.test)).to_pylist()]

    def again() -> bytes:
        estimator = fit_estimator(fit, setting.train, model.seed, where, model.task, taken.params)
        test = setting.test
        return export_like(content, estimator, test.names, where, model.task, test.classes, test.categories)

    def suspects() -> list[str]:
        return [one.sentence for one in leaks(model, setting.cases, fold)]

    test = setting.test
    return OfTraining(
        scorer,
        content,
        test.x,
        test.y,
        score,
        replace(setting.context(fold), threshold=choice.threshold),
        groups,
        again,
        suspects,
    )


def _start(champion: Version | None) -> Mapping[str, Mapping[str, Any]]:
    """Parameters that the champion was fitted with, by the name of its candidate."""
    choice = {} if champion is None else champion.record.choice
    return {str(choice["name"]): choice["params"]} if choice.get("params") else {}


def _at(model: Model, choice: Choice) -> tuple[float, ...]:
    return () if model.threshold is None else (choice.threshold,)


def _not_taken(one: Tried, setting: Setting) -> Candidate:
    return Candidate(
        one.name, "candidate", {}, one.seconds, validation=one.means(setting.metrics), params=dict(one.params)
    )


def _compared(judged: Sequence[Judged]) -> list[Candidate]:
    """The candidates, each with how far the model is from it."""
    model = next(one for one in judged if one.candidate.role == "model")
    return [one.candidate if one is model else replace(one.candidate, apart=model.apart(one)) for one in judged]


def _ordered(judged: list[Candidate], others: list[Candidate]) -> list[Candidate]:
    """Baselines first, then the candidates that were not taken, the one that was, and the champion."""
    at = next(i for i, one in enumerate(judged) if one.role == "model")
    return [*judged[:at], *others, *judged[at:]]


def _baselines(setting: Setting) -> list[tuple[str, Given]]:
    """An answer that knows no feature, and the declared baseline or a linear model; each acts by its own threshold."""
    model, classes = setting.model, len(setting.cases.classes)

    def flat(train: Cases, test: Cases) -> Scores:
        return as_served(constant(train, model.task, len(test.y))[1])

    name, _ = constant(setting.train, model.task, 1)
    found = [(name, _given(setting, flat))]
    declared: Fit | None = model.baseline
    fit = linear(model.task) if declared is None else declared
    if fit is None:
        return found
    where = place_of(fit, model.place)

    def fitted(train: Cases, test: Cases) -> Scores:
        estimator = fit_estimator(fit, train, model.seed, where, model.task)
        return as_served(scores(estimator, test.x, test.names, where, model.task, classes))

    return [*found, (name_of(fit), _given(setting, fitted))]


def _given(setting: Setting, scored: Callable[[Cases, Cases], Scores]) -> Given:
    """What a baseline gives the rows of the test; its threshold is set on validation, where that changes a metric."""
    model, begun = setting.model, clock.monotonic_s()
    score = scored(setting.train, setting.test)
    seconds = clock.monotonic_s() - begun
    folds = setting.split.validation if any(one.acts for one in model.metrics) else ()
    if not isinstance(model.threshold, Capacity | LowestCost) or not folds:
        return Given(score, 0.5 if not isinstance(model.threshold, float | int) else float(model.threshold), seconds)
    cases = setting.cases
    given = [scored(cases.take(fold.train), cases.take(fold.test)) for fold in folds]
    return Given(score, acting_from(model, cases, folds, given), seconds)


def _fitted(
    setting: Setting, choice: Choice, course: _Course, thresholds: Sequence[float]
) -> tuple[bytes, Parity, bytes | None]:
    """Return the chosen model as the file that was proved equal to it, that proof, and how it is explained."""
    model, taken = setting.model, choice.taken
    fit = model.candidates[taken.candidate].fit
    where = place_of(fit, model.place)
    with course.step("fit"):
        estimator = fit_estimator(fit, setting.train, model.seed, where, model.task, taken.params)
        if model.task.name == "binary":
            require_probabilities(estimator, where)
    with course.step("export"):
        content, parity = _export(estimator, setting, thresholds, where)
    with course.step("explain"):
        known, classes = setting.train, setting.cases.classes
        some = known.x[np.linspace(0, len(known.x) - 1, min(len(known.x), _BACKGROUND)).astype(np.int64)]
        explanation = made_from(estimator, known.names, model.task, some, classes=classes, place=where)
    return content, parity, explanation


def _export(estimator: Any, setting: Setting, thresholds: Sequence[float], place: str) -> tuple[bytes, Parity]:
    names, sure, task = setting.test.names, never_null(compile_set(setting.model.cases)), setting.model.task
    count = len(setting.cases.classes)
    x = np.concatenate([setting.test.x, setting.train.x])
    sure -= setting.test.categories.keys()  # a text that train does not have
    nullable = [name for name, column in zip(names, x.T, strict=True) if name not in sure or np.isnan(column).any()]
    require_nulls(estimator, x, names, nullable, place, task, count)
    told = scores(estimator, setting.test.x, names, place, task, count)  # so that all amiss is told before the export
    if task.name == "binary":
        require_chances(told, type(estimator).__name__, place)

    def proved(content: bytes) -> Parity:
        parity = check_parity(estimator, content, x, thresholds, place, nullable, task, count)
        require_parity(parity, estimator, x, names, place)
        return parity

    try:
        return export(estimator, names, place, task, setting.cases.classes, setting.cases.categories, proved)
    except HeadraceError as error:
        fault = dropped(estimator, setting.train.x, names, place)
        if fault is None:
            raise
        raise HeadraceError(fault) from error


def _champion(setting: Setting, registry: Registry, champion: Version | None, mine: tuple[str, float]) -> list[Judged]:
    """The champion's numbers on the same test rows; those it was registered with where it learned other features.

    None where it is what was trained: the same file, which acts from the same score on.
    """
    if champion is None or (champion.digest, champion.record.threshold) == mine:
        return []
    try:
        scorer = registry.load(champion)
        declared = feature_fingerprints(compile_set(setting.model.cases))
        if other_features(setting.model, champion, scorer.features, declared, registry) is None:
            columns = [setting.test.names.index(name) for name in scorer.features]
            coded = setting.read.coded(scorer.categories) if scorer.categories else setting.cases
            score = scorer.score(coded.x[setting.fold.test][:, columns])
            given = Given(score, champion.record.threshold)
            return [setting.judged(f"champion {champion.number}", "champion", given)]
    except HeadraceError:
        pass  # a champion whose file is lost must not stop a new one from being trained
    known = {label: champion.metrics[label] for label in setting.metrics if label in champion.metrics}
    if len(known) < len(setting.metrics):
        return []
    return [Judged(Candidate(f"champion {champion.number} (as registered)", "champion", known, 0.0), {})]


def _named(candidates: Sequence[Candidate], of: Callable[[Candidate], T]) -> dict[str, T]:
    """Something of each candidate, by the name that it has on record; the champion has a record of its own."""
    return {"model" if one.role == "model" else one.name: of(one) for one in candidates if one.role != "champion"}


def _evidence(setting: Setting, judged: Sequence[Judged]) -> Evidence:
    by_role = {one.candidate.role: one for one in judged}
    bases = {one.candidate.name: one for one in judged if one.candidate.role == "baseline"}
    baselines = {name: one.candidate.metrics for name, one in bases.items()}
    model, champion = by_role["model"], by_role.get("champion")
    above = {name: model.apart(one) for name, one in bases.items()}
    found = Evidence(setting.metrics, model.candidate.metrics, baselines, above=above)
    if champion is None:
        return found
    same = bool(champion.measured)
    return replace(found, champion=champion.candidate.metrics, apart=model.apart(champion), same_rows=same)


def _with_rows(outcome: GateOutcome, gate: Gate, setting: Setting, judged: Sequence[Judged]) -> GateOutcome:
    """Say of a gate on a metric that failed which rows matter most: where it loses most, or most against another."""
    if outcome.passed or gate.kind not in _OF_METRICS:
        return outcome
    by_role = {one.candidate.role: one for one in judged}
    if gate.kind == "better_than_baseline":
        label = gate.metric or next(iter(setting.metrics))
        bases = [one for one in judged if one.candidate.role == "baseline"]
        beaten = [one for one in bases if one.candidate.metrics[label] == outcome.bound]
        by_role |= {"other": beaten[0]} if beaten else {}
    elif gate.kind == "not_worse_than_champion" and "champion" in by_role:
        by_role["other"] = by_role["champion"]
    mine, other = by_role["model"].score, by_role["other"].score if "other" in by_role else None
    if mine is None:
        return outcome
    task, y = setting.model.task, setting.test.y
    loss = losses(task, y, mine) - (0.0 if other is None else losses(task, y, other))
    found = worst(setting.test, loss)
    return outcome if found is None else replace(outcome, sentence=f"{outcome.sentence}; {found.sentence}")


def _standing(record: Record, evidence: Evidence) -> str:
    if not record.passed:
        return "held"
    return "champion" if not_worse(evidence, next(iter(evidence.metrics))) else "challenger"


def _origin(model: Model, built: Built, fold: Fold, folder: Path | None) -> Origin:
    manifest, features = built.manifest, feature_fingerprints(compile_set(model.cases))
    commit = "" if folder is None else code_commit(folder)
    data = {str(table): int(version) for table, version in dict(manifest.get("versions", {})).items()}
    cases = str(manifest.get("fingerprint", ""))
    return Origin(model_fingerprint(model), cases, data, fold.as_dict(), commit, environment(), features)
