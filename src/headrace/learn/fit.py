"""Calling the user's plain function ``fit(train)``, and asking what it returns for scores, without trusting either."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.declare import Task, binary
from headrace.declare.base import relative
from headrace.errors import Fault, HeadraceError
from headrace.learn.cases import Cases
from headrace.learn.kinds import METHODS
from headrace.learn.scoring import can_score

if TYPE_CHECKING:
    import pandas as pd

Fit = Callable[["Training"], Any]
_CURE = "mend the function: Python tells all of it, as the cause of this error, where 'project.train()' is called"
_MEMORY = (
    "take fewer cases (a shorter train) or features, a leaner estimator, or a machine with more memory; "
    "the cases are {:,.0f} MB as float32"
)
_NULLS = "; where it takes no nulls (NaN), put an imputer before it"


@dataclass(frozen=True)
class Training:
    """What a ``fit`` function is given: a copy of its own, which it may change.

    Args:
        X: float64 frame, one column for each feature (``group.feature``), NaN for null; every value is one that
            float32 holds exactly.
        y: int64 series, 0 or 1; of several classes the place in ``classes``; float64 for numbers. None for a
            detector of anomalies, which is not told.
        time: event times, ``datetime64[us, UTC]`` series.
        seed: for every random choice; the same inputs and seed must give the same estimator.
        names: of the features, in the order of ``X``.
        classes: names of the classes, where there are several.
        categories: of each feature that is text, its texts in order: ``X`` has their places, which an encoder or
            LightGBM's ``categorical_feature`` takes as categories. A text that train does not have is null later on.
        group: within which rows are ranked, a number for each, where they are.
    """

    X: pd.DataFrame
    y: pd.Series[Any] | None
    time: pd.Series[Any]
    seed: int
    names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    group: pd.Series[int] | None = None

    def to_numpy(self) -> npt.NDArray[np.float64]:
        """Return the features as an array, shape (n, features)."""
        return self.X.to_numpy(copy=True)

    def to_polars(self) -> Any:
        """Return the features as a frame of Polars, nulls as null."""
        import polars as pl

        return pl.DataFrame({name: self.X[name].to_numpy() for name in self.X}).fill_nan(None)


def training(cases: Cases, seed: int, task: Task | None = None) -> Training:
    """Return cases as a new object for a ``fit`` function, for a task; yes or no by default."""
    import pandas as pd

    time = pd.Series(cases.time_us.view("datetime64[us]"), name="time").dt.tz_localize("UTC")
    label = None if task is not None and task.name == "anomaly" else pd.Series(cases.y.copy(), name="label")
    by, group = None if task is None else task.by, None
    if by is not None and by in cases.columns:
        _, group_of = np.unique(cases.columns[by], return_inverse=True)
        group = pd.Series(group_of, name=by)
    return Training(cases.frame(), label, time, seed, cases.names, cases.classes, dict(cases.categories), group)


def place_of(fit: Callable[..., Any], otherwise: str) -> str:
    """Return ``file:line`` where a function is defined, or another place where that cannot be known."""
    code = getattr(fit, "__code__", None)
    return otherwise if code is None else f"{relative(code.co_filename)}:{code.co_firstlineno}"


def name_of(fit: Callable[..., Any]) -> str:
    """Return what a fit function is called in reports."""
    return str(getattr(fit, "__name__", type(fit).__name__))


def fit_estimator(
    fit: Fit, cases: Cases, seed: int, place: str, task: Task | None = None, params: Mapping[str, Any] | None = None
) -> Any:
    """Return what the user's function makes of the training cases.

    Args:
        fit: the user's function.
        cases: the training part.
        seed: handed on as ``train.seed``.
        place: ``file:line`` of the model, for functions without source.
        task: of the model; yes or no by default.
        params: parameters that a search has chosen.

    Raises:
        HeadraceError: HR-LEARN-004 when the function raises, at the user's own line, with the cause kept;
            HR-LEARN-005 when what it returns cannot score; HR-LEARN-024 when it knows other classes than 0 and 1.
    """
    where, task = place_of(fit, place), binary() if task is None else task
    try:
        estimator = fit(training(cases, seed, task), **(params or {}))
    except HeadraceError:
        raise
    except (Exception, SystemExit) as error:  # what is called within fit may take itself for a whole program
        raise HeadraceError(_raised(fit, error, where, cases)) from error
    estimator = _found_by_search(estimator)
    methods = METHODS[task.name]
    if not can_score(estimator, task):
        found = f"fit returned {type(estimator).__name__}"
        cure = "return the fitted estimator (a forgotten return gives None)"
        if hasattr(estimator, "refit"):
            cure = "write refit=True, so that the search has an estimator that learned from all of train"
        raise HeadraceError(Fault("HR-LEARN-005", where, found, f"an estimator with {' or '.join(methods)}", cure))
    _require_classes(estimator, len(cases.classes) or 2, where)
    return estimator


def _found_by_search(estimator: Any) -> Any:
    """What a search such as GridSearchCV has found, which is what scores in its name; also at the end of a pipeline."""
    if hasattr(estimator, "best_estimator_"):
        return _found_by_search(estimator.best_estimator_)
    steps = getattr(estimator, "steps", None)
    if not steps or not hasattr(steps[-1][1], "best_estimator_"):
        return estimator
    plain = copy.copy(estimator)
    plain.steps = [*steps[:-1], (steps[-1][0], _found_by_search(steps[-1][1]))]
    return plain


def _require_classes(estimator: Any, count: int, place: str) -> None:
    """Refuse other classes than those of the labels, of which nobody knows which score is whose.

    Raises:
        HeadraceError: HR-LEARN-024.
    """
    classes = getattr(estimator, "classes_", None)
    if classes is None or (known := np.asarray(classes, dtype=object).tolist()) == list(range(count)):
        return
    found = f"{type(estimator).__name__} fitted on the classes {', '.join(map(repr, known[:5]))}"
    cure = "fit it on train.y as it is: all rows, and labels that are not renamed"
    raise HeadraceError(Fault("HR-LEARN-024", place, found, f"the classes 0 to {count - 1}, in this order", cure))


def _raised(fit: Fit, error: BaseException, place: str, cases: Cases) -> Fault:
    """The fault of an exception in the user's code: the innermost line that lies in the file of ``fit``.

    Not what it says: that may be of a row.
    """
    code = getattr(fit, "__code__", None)
    lines = [
        f"{relative(frame.filename)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if code is not None and frame.filename == code.co_filename
    ]
    found = f"{type(error).__name__} in fit"
    if isinstance(error, MemoryError):
        cure = _MEMORY.format(cases.x.nbytes / 2**20)
        return Fault("HR-LEARN-004", lines[-1] if lines else place, found, "a fitted estimator", cure)
    cure = _CURE
    if np.isnan(cases.x).any():
        cure += _NULLS
    empty = [name for i, name in enumerate(cases.names) if np.isnan(cases.x[:, i]).all()]
    if empty:
        cure += (
            f"; it may be that {', '.join(empty)} has no value in any row of train: choose a longer train or drop it"
        )
    return Fault("HR-LEARN-004", lines[-1] if lines else place, found, "a fitted estimator", cure)
