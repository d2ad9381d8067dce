"""Metrics: the numbers by which models are compared, and what each needs to know beside label and score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from headrace.declare.base import MISTYPED, Declared, name_faults, type_fault
from headrace.declare.numbers import number_faults
from headrace.declare.sheet import call_of
from headrace.errors import Fault

_COUNTS = ("k",)
_SHARES = {"threshold": (0.0, 1.0), "rate": (0.0, 1.0), "q": (0.0, 1.0)}
_COSTS = ("false_positive", "false_negative")
_ACTS = ("precision", "recall", "f_score", "expected_cost")
_IN_LABEL = ("k", "threshold", "rate", "q", "beta", "average")
_AVERAGES = ("macro", "weighted")


@dataclass(frozen=True)
class Metric(Declared):
    """A number by which models are compared; ``label`` is the name it has in reports and gates.

    Args:
        name: of the metric.
        params: what it was called with.
        greater_is_better: which of two values is the better one.
        function: of the user's own, ``function(y, score, rows)``.
    """

    name: str
    params: tuple[tuple[str, object], ...] = ()
    greater_is_better: bool = True
    function: Callable[..., Any] | None = field(default=None, repr=False)

    def _look(self) -> list[Fault]:
        faults = [fault for name, value in self.params for fault in self._param_faults(name, value)]
        if self.name not in NAMES:
            faults += name_faults(self.name, self.place, "metric")
        if self.function is not None and not callable(self.function):
            faults.append(type_fault(self.place, f"function of {self.name}", self.function, "a function"))
        if self.function is not None and self.name in NAMES:
            found, cure = f"a metric of your own that is called {self.name!r}", "give it another name"
            faults.append(Fault("HR-MODEL-005", self.place, found, "a name that Headrace does not have", cure))
        return faults

    def _param_faults(self, name: str, value: object) -> list[Fault]:
        what = f"{name} of {self.name}"
        if value is None:
            return []
        if name in _COUNTS:
            return number_faults(self.place, what, value, int, low=1)
        if name in _SHARES:
            low, high = _SHARES[name]
            return number_faults(self.place, what, value, int | float, low=low, high=high)
        if name == "beta":
            return number_faults(self.place, what, value, int | float, low=0)
        if name in _COSTS and not isinstance(value, str):
            return number_faults(self.place, what, value, int | float, low=0)
        if name == "average" and value not in _AVERAGES:
            cure = f"write one of {', '.join(map(repr, _AVERAGES))}"
            return [Fault(MISTYPED, self.place, f"{what} = {value!r}", "how classes are averaged", cure)]
        return [] if isinstance(value, str) else [type_fault(self.place, what, value, "a column's name as text")]

    def __repr__(self) -> str:
        return call_of(self.name, **dict(self.params))

    @property
    def label(self) -> str:
        shown = [str(value) for key, value in self.params if key in _IN_LABEL and value is not None]
        return "_".join([self.name, *(text.removesuffix(".0").replace(".", "_") for text in shown)])

    @property
    def acts(self) -> bool:
        """Whether it is of what is acted on, by the threshold of what is judged."""
        return self.name in _ACTS and dict(self.params).get("threshold") is None

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns of the training set that it asks for beside label and score."""
        return tuple(value for key, value in self.params if key in ("by", *_COSTS) and isinstance(value, str))


def average_precision() -> Metric:
    """Area under the precision-recall curve, as the sum over thresholds without interpolation."""
    return Metric("average_precision")


def roc_auc() -> Metric:
    """Probability that a random positive scores above a random negative; ties count half."""
    return Metric("roc_auc")


def log_loss() -> Metric:
    """Mean negative log-likelihood, in nats; of several classes that of the true one."""
    return Metric("log_loss", greater_is_better=False)


def brier() -> Metric:
    """Mean squared difference of probability and truth; of several classes the sum over them."""
    return Metric("brier", greater_is_better=False)


def calibration_error() -> Metric:
    """Mean distance of predicted and true rate, over ten bins of equally many rows (ECE; Naeini et al., 2015)."""
    return Metric("calibration_error", greater_is_better=False)


def precision(threshold: float | None = None) -> Metric:
    """Share of true positives among the rows scored at or above a threshold; by default the model's own."""
    return Metric("precision", (("threshold", threshold),))


def recall(threshold: float | None = None) -> Metric:
    """Share of the positives that score at or above a threshold; by default the model's own."""
    return Metric("recall", (("threshold", threshold),))


def f_score(beta: float = 1.0, threshold: float | None = None) -> Metric:
    """Weighted harmonic mean of precision and recall, where recall counts ``beta`` times as much (van Rijsbergen)."""
    return Metric("f_score", (("beta", beta), ("threshold", threshold)))


def recall_at(rate: float) -> Metric:
    """Share of the positives that are among the ``rate`` (a share) of the rows that score highest."""
    return Metric("recall_at", (("rate", rate),))


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


def expected_cost(false_positive: float | str, false_negative: float | str, threshold: float | None = None) -> Metric:
    """Mean cost of a case where all that score at or above a threshold are taken for positive.

    Args:
        false_positive: what it costs to act on a case that is none: a number in the charter's currency, or a column of
            the training set that says it for each case.
        false_negative: what it costs to miss one, such as ``"now.amount"``.
        threshold: by default the model's own.
    """
    costs = (("false_positive", false_positive), ("false_negative", false_negative), ("threshold", threshold))
    return Metric("expected_cost", costs, greater_is_better=False)


def accuracy() -> Metric:
    """Share of the rows whose most likely class is the true one."""
    return Metric("accuracy")


def f1(average: str = "macro") -> Metric:
    """Mean over classes of the harmonic mean of precision and recall: ``macro``, or ``weighted`` by rows."""
    return Metric("f1", (("average", average),))


def rmse() -> Metric:
    """Root of the mean squared error, in the label's unit."""
    return Metric("rmse", greater_is_better=False)


def mae() -> Metric:
    """Mean absolute error, in the label's unit."""
    return Metric("mae", greater_is_better=False)


def r2() -> Metric:
    """Share of the label's variance that is explained."""
    return Metric("r2")


def pinball(q: float | None = None) -> Metric:
    """Pinball loss of a quantile, in the label's unit; by default the mean over those that the model foretells."""
    return Metric("pinball", (("q", q),), greater_is_better=False)


def coverage() -> Metric:
    """Share of the rows between the lowest and the highest quantile that the model foretells."""
    return Metric("coverage")


def ndcg(k: int | None = None) -> Metric:
    """Mean over groups of the normalised discounted cumulative gain of the first ``k`` (Järvelin, Kekäläinen 2002)."""
    return Metric("ndcg", (("k", k),))


def reciprocal_rank() -> Metric:
    """Mean over groups of one over the place of the first relevant row (MRR)."""
    return Metric("reciprocal_rank")


def metric(name: str, function: Callable[..., Any], *, greater_is_better: bool = True) -> Metric:
    """Return a metric of your own.

    Args:
        name: that it has in reports and gates.
        function: of ``(y, score, rows)``: labels and scores as arrays, and a data frame with event times and the
            features of the same rows; returns a number.
        greater_is_better: which of two values is the better one.

    Example:
        >>> metric("mean_score", lambda y, score, rows: score.mean()).label
        'mean_score'
    """
    return Metric(name, (), greater_is_better, function)


_BINARY = (
    "average_precision", "roc_auc", "log_loss", "brier", "calibration_error", "precision", "recall", "f_score",
    "recall_at", "card_precision", "expected_cost",
)  # fmt: skip
BY_TASK = {
    "binary": _BINARY,
    "anomaly": _BINARY,
    "multiclass": ("log_loss", "brier", "roc_auc", "accuracy", "f1"),
    "regression": ("rmse", "mae", "r2", "pinball"),
    "quantiles": ("pinball", "coverage"),
    "ranking": ("ndcg", "reciprocal_rank"),
}
"""Which metrics there are for which task; the first is the one by default."""
NAMES = frozenset(name for names in BY_TASK.values() for name in names)
