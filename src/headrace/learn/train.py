"""The whole of a training: split, baselines, fit, metrics, export, gates, register; each step timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from headrace import clock
from headrace.declare import Metric, Model
from headrace.errors import HeadraceError
from headrace.learn.cases import Built, Cases, read_cases
from headrace.learn.champion import other_features
from headrace.learn.export import Parity, check_parity, dropped, require_parity, to_onnx
from headrace.learn.fit import Fit, fit_estimator, logistic_regression, name_of, place_of, require_probabilities, scores
from headrace.learn.gates import Evidence, export_gate, judge, not_worse
from headrace.learn.intervals import Measured, difference, interval, measure
from headrace.learn.metrics import Context, known_from
from headrace.learn.nulls import never_null, require_nulls
from headrace.learn.quiet import switch_off_telemetry
from headrace.learn.registry import Registry
from headrace.learn.report import Candidate, TrainReport
from headrace.learn.scorer import Scorer, digest_of
from headrace.learn.split import Fold, check_classes, short_history, time_fold
from headrace.learn.version import Origin, Record, Version, code_commit, environment
from headrace.plan import compile_set, feature_fingerprints, model_fingerprint

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Told the step that begins, how many are done, and how many there are."""
STEPS = ("read", "split", "baselines", "fit", "export", "metrics", "gates", "register")


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
    """What all candidates share: the declared model, the two parts of the cases, and where to point in errors."""

    model: Model
    fold: Fold
    train: Cases
    test: Cases
    known_us: Mapping[str, npt.NDArray[np.int64]]

    @property
    def metrics(self) -> dict[str, Metric]:
        return {metric.label: metric for metric in self.model.metrics}

    def judged(self, name: str, role: str, score: npt.NDArray[np.float64], seconds: float = 0.0) -> _Judged:
        """Return a candidate with each metric of its scores of the test rows."""
        context = Context(self.test.time_us, self.test.columns, self.known_us)
        measured = measure(self.metrics, self.test.y, score, context)
        values = {label: one.value for label, one in measured.items()}
        found = {label: interval(self.metrics[label], one) for label, one in measured.items()}
        spans = {label: span for label, span in found.items() if span is not None}
        return _Judged(Candidate(name, role, values, seconds, spans), measured)


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
) -> TrainReport:
    """Fit, judge, export and register a declared model.

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

    Returns:
        A report with candidates and metrics, gates, version, standing, and seconds of each step.

    Raises:
        HeadraceError: for bad cases, a bad ``fit`` or a bad estimator; see ``docs/errors.md``, HR-LEARN.
        CheckFailed: HR-LEARN-010 when the exported model is not the trained one.
    """
    switch_off_telemetry()
    course = _Course(progress)
    with course.step("read"):
        cases = read_cases(built, _needed(model), model.place)
    with course.step("split"):
        setting = _setting(model, cases)
    with registry.preparing():
        judged, content, parity = _fitted(setting, course, service_thresholds)
    with course.step("metrics"):
        scorer = Scorer(content)
        judged.append(setting.judged(name_of(model.fit), "model", scorer.score(setting.test.x), course.seconds["fit"]))
        champion = registry.champion(model.name)
        judged += _champion(setting, registry, champion, digest_of(content))
    candidates = [one.candidate for one in judged]
    with course.step("gates"):
        evidence = _evidence(setting, judged)
        gates = (export_gate(parity), *(judge(gate, evidence) for gate in model.gates))
    with course.step("register"):
        origin = _origin(model, built, setting.fold, folder)
        parent = None if champion is None else champion.number
        values = _named(candidates, lambda one: one.metrics)
        spans = _named(candidates, lambda one: one.intervals)
        short = short_history(setting.fold, cases.time_us, model.split)
        warnings = () if short is None else (short,)
        notes = tuple(f"{fault.found}; expected {fault.expected}" for fault in warnings)
        record = Record(model.name, digest_of(content), origin, values, gates, parent, spans, notes)
        version, new = registry.register(record, content)
        if not version.standing:
            version = registry.settle(version, _standing(version, evidence))
    fold, left_out = setting.fold.as_dict(), dict(built.manifest.get("excluded", {}))
    return TrainReport(model.name, tuple(candidates), gates, version, new, course.seconds, fold, left_out, warnings)


def _needed(model: Model) -> tuple[str, ...]:
    """Columns beside the features that metrics ask for."""
    return tuple(dict.fromkeys(str(value) for metric in model.metrics for key, value in metric.params if key == "by"))


def _setting(model: Model, cases: Cases) -> _Setting:
    label = model.cases.label
    matures_us = 0 if label is None else label.matures_us
    fold = time_fold(cases.time_us, model.split, matures_us)
    check_classes(fold, cases.y, model.place)
    since = cases.time_us >= fold.train_span[0]
    known = {
        name: known_from(values[since], cases.y[since], cases.time_us[since], matures_us)[fold.test[since]]
        for name, values in cases.columns.items()
    }
    return _Setting(model, fold, cases.take(fold.train), cases.take(fold.test), known)


def _baselines(setting: _Setting) -> list[_Judged]:
    """The share of positives for every row, and the declared baseline or a logistic regression."""
    rate = np.full(len(setting.test.y), setting.train.y.mean(), dtype=np.float64)
    declared: Fit | None = setting.model.baseline
    fit = logistic_regression if declared is None else declared
    begun = clock.monotonic_s()
    where = place_of(fit, setting.model.place)
    estimator = fit_estimator(fit, setting.train, setting.model.seed, where)
    score = scores(estimator, setting.test.x, setting.test.names, where)
    seconds = clock.monotonic_s() - begun
    return [
        setting.judged("prior_rate", "baseline", rate),
        setting.judged(name_of(fit), "baseline", score, seconds),
    ]


def _fitted(setting: _Setting, course: _Course, thresholds: Sequence[float]) -> tuple[list[_Judged], bytes, Parity]:
    """Return the baselines, and the fitted model as the file that was proved equal to it."""
    model = setting.model
    with course.step("baselines"):
        judged = _baselines(setting)
    where = place_of(model.fit, model.place)
    with course.step("fit"):
        estimator = fit_estimator(model.fit, setting.train, model.seed, where)
        require_probabilities(estimator, where)
    with course.step("export"):
        content, parity = _export(estimator, setting, thresholds, where)
    return judged, content, parity


def _export(estimator: Any, setting: _Setting, thresholds: Sequence[float], place: str) -> tuple[bytes, Parity]:
    names, sure = setting.test.names, never_null(compile_set(setting.model.cases))
    x = np.concatenate([setting.test.x, setting.train.x])
    nullable = [name for name, column in zip(names, x.T, strict=True) if name not in sure or np.isnan(column).any()]
    require_nulls(estimator, x, names, nullable, place)
    scores(estimator, setting.test.x, names, place)  # NaN or a wrong shape is told before the export
    try:
        content = to_onnx(estimator, names, place)
        parity = check_parity(estimator, content, x, thresholds, place, nullable)
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


def _standing(version: Version, evidence: Evidence) -> str:
    if not version.passed:
        return "held"
    return "champion" if not_worse(evidence, next(iter(evidence.metrics))) else "challenger"


def _origin(model: Model, built: Built, fold: Fold, folder: Path | None) -> Origin:
    manifest, features = built.manifest, feature_fingerprints(compile_set(model.cases))
    commit = "" if folder is None else code_commit(folder)
    data = {str(table): int(version) for table, version in dict(manifest.get("versions", {})).items()}
    cases = str(manifest.get("fingerprint", ""))
    return Origin(model_fingerprint(model), cases, data, fold.as_dict(), commit, environment(), features)
