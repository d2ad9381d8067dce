"""Models: how they are fitted, on which time, by which metrics they are judged, and which gates they must pass."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.declare.base import MISTYPED, Declared, name_faults, type_fault
from headrace.declare.features import TrainingSet
from headrace.declare.sheet import Sheet, call_of
from headrace.declare.source import duration_faults
from headrace.errors import Fault, nearest
from headrace.types import duration_us

_LEFT_OUT: Any = None
"""Of an argument that must be given: its absence is a fault beside all others of the file, not a TypeError instead."""
_LAST_SEED = 2**32 - 1
"""That NumPy, and so scikit-learn, takes."""


def number_faults(
    place: str, what: str, value: Any, kind: Any, *, low: float = -math.inf, high: float = math.inf
) -> list[Fault]:
    """Return a fault unless a value is a finite number of a kind, within bounds."""
    noun = "a whole number" if kind is int else "a number"
    if not isinstance(value, kind) or isinstance(value, bool):
        return [type_fault(place, what, value, noun)]
    if math.isfinite(value) and low <= value <= high:
        return []
    bounds = [f"from {low:.0f}"] * math.isfinite(low) + [f"to {high:.0f}"] * math.isfinite(high)
    expected = " ".join([noun, *bounds]) if bounds else "a finite number"
    return [Fault("HR-MODEL-004", place, f"{what} = {value}", expected, f"pass {expected}")]


@dataclass(frozen=True)
class TimeSplit(Declared):
    """The last ``test`` of the cases to judge by, and the ``train`` before it, a gap apart."""

    train: str
    test: str
    gap: str | None = None

    def _look(self) -> list[Fault]:
        words = {"train": self.train, "test": self.test} | ({} if self.gap is None else {"gap": self.gap})
        return [
            fault
            for name, text in words.items()
            for fault in duration_faults(text, self.place, f"{name} of time_split")
        ]

    def __repr__(self) -> str:
        return call_of("time_split", train=self.train, test=self.test, gap=self.gap)

    @property
    def train_us(self) -> int:
        return duration_us(self.train)

    @property
    def test_us(self) -> int:
        return duration_us(self.test)

    @property
    def gap_us(self) -> int | None:
        return None if self.gap is None else duration_us(self.gap)


def time_split(train: str, test: str, gap: str | None = None) -> TimeSplit:
    """Split by event time: learn on ``train``, wait ``gap``, judge on the last ``test``.

    Args:
        train: how much to learn from, e.g. ``"30d"``.
        test: how much to judge on, e.g. ``"7d"``.
        gap: time between them, in which labels mature; by default as long as the label takes.

    Example:
        >>> time_split(train="30d", test="7d").test_us == 7 * 86_400_000_000
        True
    """
    return TimeSplit(train, test, gap)


@dataclass(frozen=True)
class Metric(Declared):
    """A number by which models are compared; ``label`` is the name it has in reports and gates."""

    name: str
    params: tuple[tuple[str, object], ...] = ()
    greater_is_better: bool = True

    def _look(self) -> list[Fault]:
        return [fault for name, value in self.params for fault in self._param_faults(name, value)]

    def _param_faults(self, name: str, value: object) -> list[Fault]:
        what = f"{name} of {self.name}"
        if name == "k":
            return number_faults(self.place, what, value, int, low=1)
        if name == "threshold":
            return number_faults(self.place, what, value, int | float, low=0, high=1)
        return [] if isinstance(value, str) else [type_fault(self.place, what, value, "a column's name as text")]

    def __repr__(self) -> str:
        return call_of(self.name, **dict(self.params))

    @property
    def label(self) -> str:
        shown = [str(value) for key, value in self.params if key in ("k", "threshold")]
        return "_".join([self.name, *(text.removesuffix(".0").replace(".", "_") for text in shown)])


def average_precision() -> Metric:
    """Area under the precision-recall curve, as the sum over thresholds without interpolation."""
    return Metric("average_precision")


def roc_auc() -> Metric:
    """Probability that a random positive scores above a random negative; ties count half."""
    return Metric("roc_auc")


def log_loss() -> Metric:
    """Mean negative log-likelihood, in nats."""
    return Metric("log_loss", greater_is_better=False)


def brier() -> Metric:
    """Mean squared difference of probability and truth."""
    return Metric("brier", greater_is_better=False)


def precision(threshold: float = 0.5) -> Metric:
    """Share of true positives among the rows scored at or above a threshold."""
    return Metric("precision", (("threshold", threshold),))


def recall(threshold: float = 0.5) -> Metric:
    """Share of the positives that score at or above a threshold."""
    return Metric("recall", (("threshold", threshold),))


def card_precision(k: int, by: str = "customer_id") -> Metric:
    """Mean over days of the share of compromised cards among the ``k`` highest scored of that day.

    Cards that nobody has to find any more are left out: those detected on an earlier day of the test, and those of
    which a fraud since the begin of training was known by then, its label having matured. This is the Card Precision
    top-k of the Fraud Detection Handbook (Le Borgne et al., 2022, chapters 3.4 and 4.4).

    Args:
        k: how many cards can be looked at in a day.
        by: column that names the card.
    """
    return Metric("card_precision", (("by", by), ("k", k)))


@dataclass(frozen=True)
class Gate(Declared):
    """A promise that a model must keep before anyone may rely on it."""

    kind: str
    metric: str | None = None
    bound: float | None = None

    def _look(self) -> list[Fault]:
        faults = []
        if self.metric is not None and not isinstance(self.metric, str):
            faults.append(type_fault(self.place, f"metric of {self.kind}", self.metric, "a metric's label as text"))
        if self.bound is not None or self.kind in ("at_least", "at_most"):
            faults += number_faults(self.place, f"bound of {self.kind}", self.bound, int | float)
        return faults

    def __repr__(self) -> str:
        return call_of(self.kind, self.metric, self.bound)


def at_least(metric: str, bound: float) -> Gate:
    """The metric must not be below the bound."""
    return Gate("at_least", metric, bound)


def at_most(metric: str, bound: float) -> Gate:
    """The metric must not be above the bound."""
    return Gate("at_most", metric, bound)


def better_than_baseline(metric: str | None = None) -> Gate:
    """The metric (by default the model's first) must be better than each baseline's."""
    return Gate("better_than_baseline", metric)


def not_worse_than_champion(metric: str | None = None) -> Gate:
    """The metric (by default the model's first) must not be worse than the champion's by more than chance.

    Both score the same test rows. The gate fails where the 95 % interval of their difference, a paired jackknife over
    the days of the test, lies wholly on the worse side; with fewer than five days, or a champion whose scores cannot be
    had, value is compared with value. Passing does not make a champion: that takes a value at least as good, so that
    small steps down, each within chance, cannot add up. What passes and is a little worse becomes the challenger.
    """
    return Gate("not_worse_than_champion", metric)


@dataclass(frozen=True, repr=False)
class Model(Declared):
    """A model: cases to learn from, a plain function that fits it, and what it must prove.

    Args:
        name: of the model in the registry.
        cases: the training set.
        fit: function of one argument, the training part (``.X`` DataFrame, ``.y`` Series, ``.seed``), that returns
            a fitted estimator.
        split: which time to learn from and which to judge on.
        metrics: first one decides between candidates; average precision where there are none.
        gates: promises it must keep.
        baseline: function like ``fit`` for the model that it must beat; a logistic regression where there is none.
        seed: given to ``fit``; same inputs and seed give the same model.
    """

    name: str
    cases: TrainingSet = _LEFT_OUT
    fit: Callable[..., Any] = _LEFT_OUT
    split: TimeSplit = _LEFT_OUT
    metrics: Sequence[Metric] = field(default_factory=lambda: (average_precision(),))
    gates: Sequence[Gate] = ()
    baseline: Callable[..., Any] | None = None
    seed: int = 0

    def _look(self) -> list[Fault]:
        faults = name_faults(self.name, self.place, "model")
        mistyped = self._several("metrics", Metric, self.name, "metrics such as hr.roc_auc()")
        unmeasured = not self.metrics and not mistyped
        mistyped += self._several("gates", Gate, self.name, "gates such as hr.at_least('roc_auc', 0.8)")
        faults += [*mistyped, *(fault for one in (*self.metrics, *self.gates) for fault in one.faults)]
        faults += self._case_faults() + self._function_faults("fit")
        if self.baseline is not None:
            faults += self._function_faults("baseline")
        faults += number_faults(self.place, f"seed of {self.name}", self.seed, int, low=0, high=_LAST_SEED)
        if not isinstance(self.split, TimeSplit):
            faults.append(self._amiss("split", "hr.time_split(train=…, test=…)"))
        else:
            faults += self.split.faults
        if unmeasured:
            cure = "write metrics=[hr.average_precision()], or leave metrics= out, which means the same"
            faults.append(Fault("HR-MODEL-002", self.place, f"model {self.name} has no metrics", "at least one", cure))
        return faults + self._gate_faults()

    def _case_faults(self) -> list[Fault]:
        if not isinstance(self.cases, TrainingSet):
            return [self._amiss("cases", "a TrainingSet")]
        faults, learned = [], self.cases.name
        if self.cases.label is None:
            found = f"model {self.name} learns from {learned}, which has no label"
            cure = f"add label=hr.label(…) to {learned}"
            faults.append(Fault("HR-MODEL-001", self.place, found, "a training set with label=hr.label(…)", cure))
        groups = [group.features for group in self.cases.features]
        names = [str(name) for features in groups if isinstance(features, Mapping) for name in features]
        if names and all(name.startswith("_") for name in names):
            found = f"model {self.name} learns from {learned}, whose features are all inner ones, as {names[0]}"
            cure = f"call one {names[0].lstrip('_')!r}: a name with _ before it is for other features and rules only"
            faults.append(Fault("HR-LEARN-003", self.place, found, "at least one feature to learn from", cure))
        return faults

    def _function_faults(self, name: str) -> list[Fault]:
        function = getattr(self, name)
        if not callable(function):
            return [self._amiss(name, "a function")]
        try:
            taken = inspect.signature(function)
        except (TypeError, ValueError):  # of a function that is not written in Python
            return []
        try:
            taken.bind(None)
        except TypeError:
            found = f"{name} of {self.name}, which takes {taken}"
            cure = f"write def {name}(train): …, which is given train.X, train.y and train.seed"
            return [Fault(MISTYPED, self.place, found, "a function of one argument", cure)]
        return []

    def _amiss(self, name: str, expected: str) -> Fault:
        """The fault of an argument that was left out, or is of a wrong type."""
        value = getattr(self, name)
        if value is not _LEFT_OUT:
            return type_fault(self.place, f"{name} of {self.name}", value, expected)
        return Fault(MISTYPED, self.place, f"model {self.name} without {name}=", expected, f"pass {name}=, {expected}")

    def _gate_faults(self) -> list[Fault]:
        labels = [metric.label for metric in self.metrics]
        return [
            Fault(
                "HR-MODEL-003",
                gate.place,
                f"gate {gate.kind} of {self.name} on {gate.metric!r}",
                "a metric of the model",
                nearest(gate.metric, labels) or "name metrics in metrics=[…]",
            )
            for gate in self.gates
            if isinstance(gate.metric, str) and gate.metric not in labels
        ]

    def _sheet(self) -> Sheet:
        fit = getattr(self.fit, "__name__", type(self.fit).__name__)
        line = f"{fit} on {self.cases.name}, {self.split.train} to learn, {self.split.test} to judge"
        rows = tuple((metric.label, self._promises(metric.label)) for metric in self.metrics)
        return Sheet(f"Model {self.name}", line, ("metric", "gates"), rows)

    def _promises(self, label: str) -> str:
        """All gates on a metric; a gate that names none is on the first."""
        first = self.metrics[0].label
        return ", ".join(_promise(gate) for gate in self.gates if (gate.metric or first) == label)

    def __hash__(self) -> int:
        return hash(("model", self.name))


def _promise(gate: Gate) -> str:
    return gate.kind.replace("_", " ") + ("" if gate.bound is None else f" {gate.bound}")
