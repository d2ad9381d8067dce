"""How good a model is against today's practice: what it takes the place of, what needs no learning, doing nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from headrace.audit.models.money import Costs
from headrace.audit.models.tested import Tested
from headrace.declare import Charter, Metric, Model
from headrace.errors import HeadraceError
from headrace.learn import Registry, Version

Interval = tuple[float, float]


@dataclass(frozen=True)
class Rival:
    """The model, or what it is compared with, on the same rows.

    Args:
        name: of it.
        role: ``model``, ``before`` (the champion that it was compared with), ``baseline`` or ``nothing``.
        value: of the metric; None where it has none.
        interval: of that at 95 % confidence.
        cost: of a day's decisions by it.
        others: values of the model's other metrics, where it was scored for this comparison.
        note: what is to be known of the numbers.
        apart: between what the model's value minus this one lies with 95 % confidence, where that is on record.
    """

    name: str
    role: str
    value: float | None = None
    interval: Interval | None = None
    cost: float | None = None
    others: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    apart: Interval | None = None


@dataclass(frozen=True)
class Practice:
    """A comparison with today's practice.

    Args:
        metric: label.
        greater_is_better: of it.
        chartered: whether it is the one that the charter names.
        rivals: the model first.
        unit: of costs.
    """

    metric: str
    greater_is_better: bool
    chartered: bool
    rivals: tuple[Rival, ...]
    unit: str = ""

    @property
    def best_other(self) -> Rival | None:
        """The best of what there is without the model."""
        others = [one for one in self.rivals[1:] if one.value is not None]
        sign = 1 if self.greater_is_better else -1
        return max(others, key=lambda one: sign * (one.value or 0.0), default=None)


def decisive(model: Model, charter: Charter | None) -> Metric:
    """Return the charter's metric where the model has it, else the model's first."""
    wanted = None if charter is None else charter.metric
    return next((one for one in model.metrics if one.label == wanted), model.metrics[0])


def practice(
    tested: Tested | None,
    model: Model,
    version: Version,
    charter: Charter | None,
    registry: Registry,
    costs: Costs | None,
) -> Practice:
    """Return how a version compares with today's practice.

    Args:
        tested: the version on its test rows; None where these are gone, and only what is on record is told.
        model: as declared.
        version: of it.
        charter: of the project.
        registry: of the versions before it.
        costs: of mistakes, where they are declared.
    """
    metric = decisive(model, charter)
    label, record = metric.label, version.record
    rivals = [_itself(tested, version, metric, costs)]
    before = _before(tested, version, metric, registry, costs)
    if before is not None:
        rivals.append(before)
    for name, values in record.metrics.items():
        if name != "model" and label in values:
            span = record.intervals.get(name, {}).get(label)
            cost = _on_record(tested, values, costs)
            told = name.replace("_", " ")
            between = None if span is None else (span[0], span[1])
            far = record.apart.get(name, {}).get(label)
            apart = None if far is None else (far[1], far[2])
            rivals.append(Rival(told, "baseline", values[label], between, cost, apart=apart))
    if tested is not None and costs is not None:
        none = costs.of(tested.test.y, np.zeros(tested.rows, np.bool_)) / tested.days
        rivals.append(Rival("doing nothing", "nothing", cost=none))
    chartered = charter is not None and charter.metric == label
    return Practice(label, metric.greater_is_better, chartered, tuple(rivals), costs.unit if costs else "")


def _itself(tested: Tested | None, version: Version, metric: Metric, costs: Costs | None) -> Rival:
    value = version.metrics.get(metric.label)
    if value is None and tested is not None:
        value = tested.value(metric)
    span = version.record.intervals.get("model", {}).get(metric.label)
    cost = None
    if tested is not None and costs is not None:
        cost = costs.of(tested.test.y, tested.score >= tested.threshold[0]) / tested.days
    name = f"{version.name} version {version.number}"
    return Rival(name, "model", value, None if span is None else (span[0], span[1]), cost)


def _before(
    tested: Tested | None, version: Version, metric: Metric, registry: Registry, costs: Costs | None
) -> Rival | None:
    """The champion that the version was compared with; on the same rows, where it reads the same features."""
    if version.record.parent is None or version.record.parent == version.number:
        return None
    try:
        before = registry.version(version.name, version.record.parent)
    except HeadraceError:
        return None
    name = f"champion before, version {before.number}"
    if tested is not None and _same_features(before, version):
        try:
            scorer = registry.load(before)
            score = scorer.score(tested.test.x[:, [tested.test.names.index(one) for one in scorer.features]])
        except (HeadraceError, ValueError):
            score = None
        if score is not None and score.shape == tested.score.shape:
            at = before.record.threshold if tested.model.threshold is not None else tested.threshold[0]
            cost = None if costs is None else costs.of(tested.test.y, score >= at) / tested.days
            each = {one.label: tested.value(one, score=score) for one in tested.model.metrics}
            others = {label: value for label, value in each.items() if value is not None}
            return Rival(name, "before", others.get(metric.label), None, cost, others)
    known = before.metrics.get(metric.label)
    note = "as registered, on the rows that it was tested on itself"
    return None if known is None else Rival(name, "before", known, others=before.metrics, note=note)


def _same_features(before: Version, version: Version) -> bool:
    mine = version.record.origin.features
    return all(mine.get(name) == print_ for name, print_ in before.record.origin.features.items())


def _on_record(tested: Tested | None, values: Mapping[str, float], costs: Costs | None) -> float | None:
    """What a day by a baseline costs: of it only its metrics are on record, and so only where one is of this cost."""
    if tested is None or costs is None:
        return None
    for metric in tested.model.metrics:
        params = dict(metric.params)
        if metric.name == "expected_cost" and (params["false_positive"], params["false_negative"]) == costs.said:
            known = values.get(metric.label)
            return None if known is None else float(known) * tested.rows / tested.days
    return None
