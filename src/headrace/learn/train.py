"""The whole of a training: split, baselines, fit, metrics, export, gates, register; each step timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headrace import clock
from headrace.declare import GroupSplit, LowestCost, Metric, Model, TimeSplit
from headrace.errors import Fault, HeadraceError, nearest
from headrace.learn.baselines import constant, linear
from headrace.learn.cases import Built, Cases, read_cases
from headrace.learn.champion import other_features
from headrace.learn.choose import Choice, Tried, Tuning, choose
from headrace.learn.drawn import Figures, drawn
from headrace.learn.export import Parity, check_parity, dropped, require_parity, to_onnx
from headrace.learn.fit import Fit, fit_estimator, name_of, place_of
from headrace.learn.gates import Evidence, export_gate, judge, not_worse
from headrace.learn.intervals import Measured, difference, interval, measure
from headrace.learn.kept import kept_of
from headrace.learn.leaks import leaks
from headrace.learn.measures import OfTraining
from headrace.learn.metrics import Context, Scores, known_from
from headrace.learn.nulls import never_null, require_nulls
from headrace.learn.quiet import switch_off_telemetry
from headrace.learn.registry import Registry
from headrace.learn.report import Candidate, TrainReport
from headrace.learn.scorer import Scorer, digest_of
from headrace.learn.scoring import require_probabilities, scores
from headrace.learn.split import Fold, Split, check_labels, folds_of, short_history
from headrace.learn.version import Origin, Record, Version, code_commit, environment
from headrace.plan import compile_set, feature_fingerprints, model_fingerprint

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Told the step that begins, how many are done, and how many there are."""
STEPS = ("read", "split", "choose", "baselines", "fit", "export", "metrics", "gates", "register")


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


@dataclass(frozen=True)
class _Setting:
    """What all candidates share: the declared model, the cases and their folds, and from which score on is acted."""

    model: Model
    cases: Cases
    split: Split
    train: Cases
    test: Cases
    threshold: float = 0.5

    @property
    def fold(self) -> Fold:
        return self.split.test

    @property
    def metrics(self) -> dict[str, Metric]:
        return {metric.label: metric for metric in self.model.metrics}

    def context(self, fold: Fold) -> Context:
        """What metrics may know of the rows that a fold is judged on."""
        cases, task = self.cases, self.model.task
        places = np.flatnonzero(fold.test)
        return Context(
            cases.time_us[places],
            {name: values[places] for name, values in cases.columns.items()},
            _known(self.model, cases, fold),
            {name: values[places] for name, values in cases.amounts.items()},
            self.threshold,
            task.levels,
            task.by or "",
            lambda rows: _rows(cases, places[rows]),
        )

    def judged(
        self, name: str, role: str, score: npt.NDArray[np.float64], seconds: float = 0.0, **more: Any
    ) -> _Judged:
        """Return a candidate with each metric of its scores of the test rows."""
        measured = measure(self.metrics, self.test.y, score, self.context(self.fold))
        values = {label: one.value for label, one in measured.items()}
        found = {label: interval(self.metrics[label], one) for label, one in measured.items()}
        spans = {label: span for label, span in found.items() if span is not None}
        return _Judged(Candidate(name, role, values, seconds, spans, **more), measured)


@dataclass(frozen=True)
class _Judged:
    """A candidate, and what a difference from another is computed of; that is empty for numbers of long ago."""

    candidate: Candidate
    measured: Mapping[str, Measured]


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
        cases = read_cases(built, _groups(model), model.place, model.task, _amounts(model))
    with course.step("split"):
        setting = _setting(model, cases)
    with registry.preparing():
        champion = registry.champion(model.name)
        with course.step("choose"):
            choice = choose(model, cases, setting.split.validation, setting.context, _start(champion), tune)
            setting = replace(setting, threshold=choice.threshold)
        judged, content, parity = _fitted(setting, choice, course, (*service_thresholds, *_at(model, choice)))
    with course.step("metrics"):
        scorer, mine = Scorer(content), choice.taken
        score = scorer.score(setting.test.x)
        told = {"validation": mine.means(setting.metrics), "params": dict(mine.params), "chosen": True}
        judged.append(setting.judged(mine.name, "model", score, course.seconds["fit"], **told))
        judged += _champion(setting, registry, champion, digest_of(content))
    others = [_not_taken(one, setting) for one in choice.every if one is not mine]
    candidates = _ordered([one.candidate for one in judged], others)
    with course.step("gates"):
        proofs = _measures(setting, choice, built, scorer, content, score)
        folds = (*mine.values, next(one.metrics for one in candidates if one.role == "model"))
        evidence = replace(_evidence(setting, judged), folds=folds, size=len(content), measures=proofs)
        gates = (export_gate(parity), *(judge(gate, evidence) for gate in model.gates))
    with course.step("register"):
        origin = _origin(model, built, setting.fold, folder)
        parent = None if champion is None else champion.number
        tested = [one for one in candidates if one.role != "candidate"]
        values, spans = _named(tested, lambda one: one.metrics), _named(tested, lambda one: one.intervals)
        short = short_history(setting.fold, cases.time_us, model.split) if isinstance(model.split, TimeSplit) else None
        warnings = () if short is None else (short,)
        notes = tuple(f"{fault.found}; expected {fault.expected}" for fault in warnings)
        record = Record(model.name, digest_of(content), origin, values, gates, parent, spans, notes)
        record = replace(record, choice=choice.as_dict(), threshold=choice.threshold)
        files = kept_of(folder) | drawn(figures, setting.model.task, setting.test.y, score, record)
        version, new = registry.register(record, content, files, _standing(record, evidence))
    fold, left_out = setting.fold.as_dict(), dict(built.manifest.get("excluded", {}))
    return TrainReport(model.name, tuple(candidates), gates, version, new, course.seconds, fold, left_out, warnings)


def _measures(
    setting: _Setting, choice: Choice, built: Built, scorer: Scorer, content: bytes, score: Scores
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
        return to_onnx(estimator, setting.test.names, where, model.task, setting.cases.classes)

    def suspects() -> list[str]:
        return [one.sentence for one in leaks(model, setting.cases, fold)]

    test = setting.test
    return OfTraining(scorer, content, test.x, test.y, score, setting.context(fold), groups, again, suspects)


def _groups(model: Model) -> tuple[str, ...]:
    """Columns by which metrics, gates, the split and a ranking group rows."""
    named = [value for metric in model.metrics for key, value in metric.params if key == "by"]
    named += [model.task.by, model.split.by if isinstance(model.split, GroupSplit) else model.split.apart]
    return tuple(dict.fromkeys(str(one) for one in named if one))


def _amounts(model: Model) -> tuple[str, ...]:
    """Columns that say what a mistake costs."""
    named = [name for metric in model.metrics for name in metric.needs if ("by", name) not in metric.params]
    return tuple(dict.fromkeys([*named, *(model.threshold.needs if isinstance(model.threshold, LowestCost) else ())]))


def _start(champion: Version | None) -> Mapping[str, Mapping[str, Any]]:
    """Parameters that the champion was fitted with, by the name of its candidate."""
    choice = {} if champion is None else champion.record.choice
    return {str(choice["name"]): choice["params"]} if choice.get("params") else {}


def _at(model: Model, choice: Choice) -> tuple[float, ...]:
    return () if model.threshold is None else (choice.threshold,)


def _setting(model: Model, cases: Cases) -> _Setting:
    split = folds_of(cases, model.split, _matures_us(model))
    check_labels(split.test, cases, model.task, model.place)
    return _Setting(model, cases, split, cases.take(split.test.train), cases.take(split.test.test))


def _matures_us(model: Model) -> int:
    label = model.cases.label
    return 0 if label is None else label.matures_us


def _known(model: Model, cases: Cases, fold: Fold) -> dict[str, npt.NDArray[np.int64]]:
    """From when on what a column names was known to be compromised, of the rows that a fold is judged on."""
    wanted = {
        value for one in model.metrics if one.name == "card_precision" for key, value in one.params if key == "by"
    }
    since = (cases.time_us >= fold.train_span[0]) & (cases.time_us < max(fold.test_span[1], 1))
    return {
        name: known_from(values[since], cases.y[since], cases.time_us[since], _matures_us(model))[fold.test[since]]
        for name, values in cases.columns.items()
        if name in wanted
    }


def _rows(cases: Cases, places: npt.NDArray[np.int64]) -> Any:
    import pandas as pd

    rows = cases.take(places).frame()
    rows.insert(0, "time", pd.Series(cases.time_us[places].view("datetime64[us]")).dt.tz_localize("UTC"))
    return rows


def _not_taken(one: Tried, setting: _Setting) -> Candidate:
    return Candidate(
        one.name, "candidate", {}, one.seconds, validation=one.means(setting.metrics), params=dict(one.params)
    )


def _ordered(judged: list[Candidate], others: list[Candidate]) -> list[Candidate]:
    """Baselines first, then the candidates that were not taken, the one that was, and the champion."""
    at = next(i for i, one in enumerate(judged) if one.role == "model")
    return [*judged[:at], *others, *judged[at:]]


def _baselines(setting: _Setting) -> list[_Judged]:
    """An answer that knows no feature, and the declared baseline or a linear model."""
    model, rows = setting.model, len(setting.test.y)
    name, score = constant(setting.train, model.task, rows)
    found = [setting.judged(name, "baseline", score)]
    declared: Fit | None = model.baseline
    fit = linear(model.task) if declared is None else declared
    if fit is None:
        return found
    begun = clock.monotonic_s()
    where = place_of(fit, model.place)
    estimator = fit_estimator(fit, setting.train, model.seed, where, model.task)
    score = scores(estimator, setting.test.x, setting.test.names, where, model.task, len(setting.cases.classes))
    return [*found, setting.judged(name_of(fit), "baseline", score, clock.monotonic_s() - begun)]


def _fitted(
    setting: _Setting, choice: Choice, course: _Course, thresholds: Sequence[float]
) -> tuple[list[_Judged], bytes, Parity]:
    """Return the baselines, and the chosen model as the file that was proved equal to it."""
    model, taken = setting.model, choice.taken
    with course.step("baselines"):
        judged = _baselines(setting)
    fit = model.candidates[taken.candidate].fit
    where = place_of(fit, model.place)
    with course.step("fit"):
        estimator = fit_estimator(fit, setting.train, model.seed, where, model.task, taken.params)
        if model.task.name == "binary":
            require_probabilities(estimator, where)
    with course.step("export"):
        content, parity = _export(estimator, setting, thresholds, where)
    return judged, content, parity


def _export(estimator: Any, setting: _Setting, thresholds: Sequence[float], place: str) -> tuple[bytes, Parity]:
    names, sure, task = setting.test.names, never_null(compile_set(setting.model.cases)), setting.model.task
    count = len(setting.cases.classes)
    x = np.concatenate([setting.test.x, setting.train.x])
    nullable = [name for name, column in zip(names, x.T, strict=True) if name not in sure or np.isnan(column).any()]
    require_nulls(estimator, x, names, nullable, place, task, count)
    scores(estimator, setting.test.x, names, place, task, count)  # NaN or a wrong shape is told before the export
    try:
        content = to_onnx(estimator, names, place, task, setting.cases.classes)
        parity = check_parity(estimator, content, x, thresholds, place, nullable, task, count)
        require_parity(parity, estimator, x, names, place)
    except HeadraceError as error:
        fault = dropped(estimator, setting.train.x, names, place)
        raise error if fault is None else HeadraceError(fault) from error
    return content, parity


def _champion(setting: _Setting, registry: Registry, champion: Version | None, digest: str) -> list[_Judged]:
    """The champion's numbers on the same test rows; those it was registered with where it learned other features."""
    if champion is None or champion.digest == digest:
        return []
    try:
        scorer = registry.load(champion)
        declared = feature_fingerprints(compile_set(setting.model.cases))
        if other_features(setting.model, champion, scorer.features, declared, registry) is None:
            columns = [setting.test.names.index(name) for name in scorer.features]
            score = scorer.score(setting.test.x[:, columns])
            return [setting.judged(f"champion {champion.number}", "champion", score)]
    except HeadraceError:
        pass  # a champion whose file is lost must not stop a new one from being trained
    known = {label: champion.metrics[label] for label in setting.metrics if label in champion.metrics}
    if len(known) < len(setting.metrics):
        return []
    return [_Judged(Candidate(f"champion {champion.number} (as registered)", "champion", known, 0.0), {})]


def _named(candidates: Sequence[Candidate], of: Callable[[Candidate], T]) -> dict[str, T]:
    """Something of each candidate, by the name that it has on record; the champion has a record of its own."""
    return {"model" if one.role == "model" else one.name: of(one) for one in candidates if one.role != "champion"}


def _evidence(setting: _Setting, judged: Sequence[_Judged]) -> Evidence:
    by_role = {one.candidate.role: one for one in judged}
    baselines = {one.candidate.name: one.candidate.metrics for one in judged if one.candidate.role == "baseline"}
    model, champion = by_role["model"], by_role.get("champion")
    if champion is None:
        return Evidence(setting.metrics, model.candidate.metrics, baselines)
    pairs = {label: difference(model.measured[label], other) for label, other in champion.measured.items()}
    apart = {label: span for label, span in pairs.items() if span is not None}
    return Evidence(setting.metrics, model.candidate.metrics, baselines, champion.candidate.metrics, apart)


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
