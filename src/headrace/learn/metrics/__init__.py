"""What a model is judged by: one table of metric name to function over labels, scores and the context of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headrace.declare import Metric
from headrace.declare.metrics import NAMES
from headrace.errors import Fault, HeadraceError, nearest
from headrace.learn.metrics.binary import BINARY, BINARY_ROWS, costs
from headrace.learn.metrics.context import NEVER, Context, Labels, OfRows, Scores, known_from
from headrace.learn.metrics.others import CLASSES, CLASSES_ROWS, GROUPS, NUMBERS, NUMBERS_ROWS

__all__ = [
    "NEVER",
    "Context",
    "Labels",
    "Scores",
    "better",
    "costs",
    "evaluate",
    "known_from",
    "mean_of",
    "require_numbers",
    "shown",
]


def evaluate(metric: Metric, y: Labels, score: Scores, context: Context) -> float:
    """Return a metric of scores against labels.

    Args:
        metric: the declared metric.
        y: labels, shape (n,): int64, 0 and 1, both present; the place of a class; or float64.
        score: float64, finite, shape (n,): higher is more likely positive, a probability for log_loss and brier; or
            shape (n, k): one for each class or quantile.
        context: event times and columns of the same rows.

    Raises:
        HeadraceError: for an unknown metric, a missing column, scores that are not probabilities, or a function of the
            user's own that fails (HR-LEARN-025).

    Example:
        >>> import numpy as np
        >>> from headrace.declare import roc_auc
        >>> y, score = np.array([0, 1, 0, 1]), np.array([0.1, 0.8, 0.4, 0.4])
        >>> evaluate(roc_auc(), y, score, Context(np.zeros(4, np.int64)))
        0.875
    """
    if metric.function is not None:
        return _own(metric, y, score, context)
    params, place = dict(metric.params), metric.place
    if (of_rows := mean_of(metric, score)) is not None:
        each = of_rows(y, score, context, params, place)
        there = each[~np.isnan(each)]
        return float(np.mean(there)) if len(there) else 0.0
    function = (CLASSES if score.ndim == 2 and metric.name in CLASSES else BINARY | NUMBERS).get(metric.name)
    if function is None:
        cure = nearest(metric.name, NAMES)
        raise HeadraceError(Fault("HR-LEARN-012", place, f"metric {metric.name!r}", "a known metric", cure))
    return function(y, score, context, params, place)


def mean_of(metric: Metric, score: Scores) -> OfRows | None:
    """Return what a metric is the mean of over rows or groups; None where it is no mean."""
    if score.ndim == 2 and metric.name in CLASSES_ROWS:
        return CLASSES_ROWS[metric.name]
    return (BINARY_ROWS | NUMBERS_ROWS | GROUPS).get(metric.name)


def _own(metric: Metric, y: Labels, score: Scores, context: Context) -> float:
    assert metric.function is not None
    try:
        found: Any = metric.function(y.copy(), score.copy(), context.rows())
        return float(found)
    except (Exception, SystemExit) as error:
        told = f"{type(error).__name__} in the metric {metric.name}"
        cure = "return a number of (y, score, rows)"
        raise HeadraceError(Fault("HR-LEARN-025", metric.place, told, "a number", cure)) from error


def shown(value: float, span: Sequence[float] | None = None) -> str:
    """Return a metric's value as text, with its interval: as many decimals as show something of it, four or three.

    Example:
        >>> shown(0.78581), shown(0.0), shown(-0.00002417), shown(0.5, (0.44, 0.56))
        ('0.7858', '0.0000', '-2.417e-05', '0.5000 [0.440, 0.560]')
    """
    text = f"{value:.4f}" if value == 0 or abs(value) >= 0.001 else f"{value:.4g}"
    if span is None:
        return text
    to = ".3f" if max(map(abs, span)) >= 0.001 else ".2g"
    return f"{text} [{span[0]:{to}}, {span[1]:{to}}]"


def require_numbers(metrics: Mapping[str, Metric], values: Mapping[str, float], of: str) -> None:
    """Refuse a model of which a metric says nothing: it could be held against nothing, and would pass.

    Args:
        metrics: by label.
        values: of each.
        of: what was judged.

    Raises:
        HeadraceError: HR-LEARN-025 for what is not finite.
    """
    cure = "return a number for every score that a model may give, also where rows or positives are few"
    faults = [
        Fault("HR-LEARN-025", metrics[label].place, f"{label} of {of} is {value}", "a finite number", cure)
        for label, value in values.items()
        if not np.isfinite(value)
    ]
    if faults:
        raise HeadraceError(faults)


def better(metric: Metric, value: float, other: float) -> bool:
    """Return whether a value of a metric is strictly better than another."""
    return value > other if metric.greater_is_better else value < other
