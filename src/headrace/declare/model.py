"""Models: what they answer, how they are fitted, on which time, by what they are judged, and what they must prove."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from headrace.declare.base import MISTYPED, Declared, name_faults, type_fault
from headrace.declare.candidate import Candidate
from headrace.declare.features import TrainingSet
from headrace.declare.gates import Gate
from headrace.declare.metrics import BY_TASK, Metric
from headrace.declare.numbers import number_faults
from headrace.declare.sheet import Sheet
from headrace.declare.split import GroupSplit, TimeSplit
from headrace.declare.task import Task, binary
from headrace.declare.threshold import Capacity, LowestCost
from headrace.errors import Fault, nearest

_LEFT_OUT: Any = None
"""Of an argument that must be given: its absence is a fault beside all others of the file, not a TypeError instead."""
_LAST_SEED = 2**32 - 1
"""That NumPy, and so scikit-learn, takes."""
_SELECT = ("best", "simplest")
_LABEL_OF_METRIC = {"calibrated": "calibration_error"}


@dataclass(frozen=True, repr=False)
class Model(Declared):
    """A model: cases to learn from, a plain function that fits it, and what it must prove.

    Args:
        name: of the model in the registry.
        cases: the training set.
        fit: function of one argument, the training part (``.X`` DataFrame, ``.y`` Series, ``.seed``), that returns
            a fitted estimator; or several, of which the best on validation is taken: a list, from the simplest to the
            most complex, or a mapping of names to functions; ``hr.candidate(…)`` where parameters are to be searched.
        split: which time to learn from and which to judge on.
        metrics: first one decides between candidates; that of the task where there are none.
        gates: promises it must keep.
        task: what kind of answer it gives; yes or no by default, with the probability of yes as score.
        threshold: from which score on a case is acted on: a number, or ``hr.capacity(…)`` or ``hr.lowest_cost(…)``,
            which choose it on validation.
        select: ``"best"`` takes the candidate with the best mean over the folds of validation, ``"simplest"`` the first
            in the order of ``fit`` that is within one standard error of it (Breiman et al., 1984).
        baseline: function like ``fit`` for the model that it must beat; a logistic or ridge regression by default.
        seed: given to ``fit``; same inputs and seed give the same model.
    """

    name: str
    cases: TrainingSet = _LEFT_OUT
    fit: Any = _LEFT_OUT
    split: TimeSplit | GroupSplit = _LEFT_OUT
    metrics: Sequence[Metric] = ()
    gates: Sequence[Gate] = ()
    task: Task = field(default_factory=binary)
    threshold: float | Capacity | LowestCost | None = None
    select: str = "best"
    baseline: Callable[..., Any] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.metrics == () and isinstance(self.task, Task) and self.task.name in BY_TASK:
            self._set("metrics", (Metric(BY_TASK[self.task.name][0]),))
        super().__post_init__()

    def _look(self) -> list[Fault]:
        faults = name_faults(self.name, self.place, "model")
        mistyped = self._several("metrics", Metric, self.name, "metrics such as hr.roc_auc()")
        unmeasured = not self.metrics and not mistyped
        faults += [] if mistyped else self._twice()
        mistyped += self._several("gates", Gate, self.name, "gates such as hr.at_least('roc_auc', 0.8)")
        faults += [*mistyped, *(fault for one in (*self.metrics, *self.gates) for fault in one.faults)]
        faults += self._case_faults() + self._fit_faults()
        if self.baseline is not None:
            faults += self._function_faults("baseline", self.baseline)
        faults += number_faults(self.place, f"seed of {self.name}", self.seed, int, low=0, high=_LAST_SEED)
        if not isinstance(self.split, TimeSplit | GroupSplit):
            faults.append(self._amiss("split", "hr.time_split(train=…, test=…)"))
        else:
            faults += self.split.faults
        if unmeasured:
            cure = "write metrics=[hr.average_precision()], or leave metrics= out"
            faults.append(Fault("HR-MODEL-002", self.place, f"model {self.name} has no metrics", "at least one", cure))
        return faults + self._choice_faults() + ([] if mistyped else self._task_faults() + self._gate_faults())

    def _twice(self) -> list[Fault]:
        """A fault for each metric whose label another one has: reports and gates could not tell them apart."""
        labels = [metric.label for metric in self.metrics]
        cure = "leave one of them out; or give one a name of your own: hr.metric('name', function)"
        return [
            Fault("HR-MODEL-011", metric.place, f"two metrics of {self.name} called {metric.label}", "one", cure)
            for at, metric in enumerate(self.metrics)
            if metric.label in labels[:at]
        ]

    @property
    def candidates(self) -> Mapping[str, Candidate]:
        """The ways to fit it, by the name that each has in reports."""
        fit = self.fit
        if not isinstance(fit, Mapping):
            several = fit if isinstance(fit, list | tuple) else (fit,)
            fit = {one.name if isinstance(one, Candidate) else _name_of(one): one for one in several}
        ways = {str(name): one if isinstance(one, Candidate) else Candidate(one) for name, one in fit.items()}
        return MappingProxyType(ways)

    def _fit_faults(self) -> list[Fault]:
        if self.fit is _LEFT_OUT or (isinstance(self.fit, Mapping | list | tuple) and not self.fit):
            return [self._amiss("fit", "a function")]
        ways = list(self.fit.values()) if isinstance(self.fit, Mapping) else self.fit
        several = ways if isinstance(ways, list | tuple) else (ways,)
        faults: list[Fault] = []
        for one in several:
            faults += one.faults if isinstance(one, Candidate) else self._function_faults("fit", one)
        if not faults and len(self.candidates) < len(several):
            found, cure = f"candidates of {self.name} of one name", 'name them: fit={"small": …, "large": …}'
            faults.append(Fault("HR-MODEL-009", self.place, found, "a name for each", cure))
        return faults

    def _choice_faults(self) -> list[Fault]:
        faults = []
        if self.select not in _SELECT:
            cure = nearest(str(self.select), _SELECT)
            faults.append(Fault("HR-MODEL-009", self.place, f"select={self.select!r}", "'best' or 'simplest'", cure))
        if isinstance(self.threshold, Capacity | LowestCost):
            faults += self.threshold.faults
        elif self.threshold is not None:
            faults += number_faults(self.place, f"threshold of {self.name}", self.threshold, int | float)
        if not isinstance(self.task, Task):
            faults.append(self._amiss("task", "a task such as hr.regression()"))
        else:
            faults += self.task.faults
        return faults

    def _task_faults(self) -> list[Fault]:
        """Faults of metrics, gates and a threshold that say nothing of such an answer."""
        if not isinstance(self.task, Task) or self.task.name not in BY_TASK:
            return []
        there, faults = BY_TASK[self.task.name], list[Fault]()
        for one in self.metrics:
            if one.function is None and one.name not in there:
                found, cure = f"{one.name} of {self.name}, which is {self.task!r}", f"take one of {', '.join(there)}"
                faults.append(Fault("HR-MODEL-010", one.place, found, f"a metric of {self.task.name}", cure))
        yes_or_no = self.task.name in ("binary", "anomaly")
        if self.threshold is not None and not yes_or_no:
            found, cure = f"threshold= of {self.name}, which is {self.task!r}", "take it away"
            faults.append(Fault("HR-MODEL-010", self.place, found, "a model that answers yes or no", cure))
        for gate in self.gates:
            if gate.kind == "calibrated" and self.task.name != "binary":
                found, cure = f"calibrated of {self.name}, which is {self.task!r}", "take it away"
                faults.append(Fault("HR-MODEL-010", gate.place, found, "a model that gives a probability", cure))
        return faults

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

    def _function_faults(self, name: str, function: Any) -> list[Fault]:
        if not callable(function):
            return [type_fault(self.place, f"{name} of {self.name}", function, "a function")]
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
        ways = ", ".join(self.candidates)
        rows = tuple((metric.label, self._promises(metric.label)) for metric in self.metrics)
        line = f"{ways} on {self.cases.name}, {self.split.said}"
        return Sheet(f"Model {self.name}", line, ("metric", "gates"), rows)

    def _promises(self, label: str) -> str:
        """All gates on a metric; a gate that names none is on the first."""
        first = self.metrics[0].label
        return ", ".join(_promise(gate) for gate in self.gates if (gate.metric or first) == label)

    def __hash__(self) -> int:
        return hash(("model", self.name))


def _promise(gate: Gate) -> str:
    return gate.kind.replace("_", " ") + ("" if gate.bound is None else f" {gate.bound}")


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
