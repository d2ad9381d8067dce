"""What stands before a model in a pipeline, as far as it works on each column by itself: folded into numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class NotExactError(Exception):
    """Why the contributions of a model's features are not known exactly."""


@dataclass(frozen=True)
class Columns:
    """The columns that a step of a pipeline gives: each is a multiple of one feature, or a number where that is null.

    Args:
        source: place of the feature that a column is made of, int64.
        scale, shift: the column is the feature times ``scale`` plus ``shift``, float64.
        null: what it is where the feature is null, float64; NaN where it stays null.
    """

    source: npt.NDArray[np.int64]
    scale: Floats
    shift: Floats
    null: Floats

    def take(self, which: Any) -> Columns:
        return Columns(self.source[which], self.scale[which], self.shift[which], self.null[which])

    def after(self, scale: Any, shift: Any) -> Columns:
        """Return the columns times one number plus another."""
        scale, shift = (np.broadcast_to(np.asarray(one, np.float64), self.scale.shape) for one in (scale, shift))
        return Columns(self.source, self.scale * scale, self.shift * scale + shift, self.null * scale + shift)

    def filled(self, values: Floats) -> Columns:
        return Columns(self.source, self.scale, self.shift, np.where(np.isnan(self.null), values, self.null))

    def whether_null(self) -> Columns:
        """Return columns that are 1 where these are null, else 0."""
        nothing = np.zeros(len(self.source))
        return Columns(self.source, nothing, nothing, np.isnan(self.null).astype(np.float64))


def plain(count: int) -> Columns:
    """Return the features as they are.

    Example:
        >>> plain(2).after(3, 1).shift.tolist()
        [1.0, 1.0]
    """
    return Columns(np.arange(count), np.ones(count), np.zeros(count), np.full(count, np.nan))


def through(steps: Sequence[Any], given: Columns, names: Sequence[str]) -> Columns:
    """Return what the steps of a pipeline make of columns.

    Args:
        steps: fitted transformers of scikit-learn.
        given: the columns that the first of them gets.
        names: of these.

    Raises:
        NotExactError: for a step that mixes columns, bends them, or is not known.
    """
    for step in steps:
        given = _one(step, given, names)
        names = ()  # later steps get arrays
    return given


def _one(step: Any, given: Columns, names: Sequence[str]) -> Columns:
    kind = type(step).__name__
    if step is None or step == "passthrough":
        return given
    if not type(step).__module__.startswith("sklearn."):
        raise NotExactError(f"the step {kind}, which is not scikit-learn's")
    if hasattr(step, "steps"):
        return through([one for _, one in step.steps], given, names)
    if kind == "ColumnTransformer":
        return _by_column(step, given, names)
    if kind == "SimpleImputer":
        return _imputed(step, given)
    if callable(getattr(step, "get_support", None)):
        return given.take(np.asarray(step.get_support(), bool))
    if kind in _SCALERS:
        return given.after(*_SCALERS[kind](step))
    if kind == "FunctionTransformer" and step.func is None:
        return given
    raise NotExactError(f"the step {kind}, which is no imputer, scaler or choice of columns")


def _standard(step: Any) -> tuple[Any, Any]:
    scale = 1.0 if step.scale_ is None else step.scale_
    return 1 / np.asarray(scale), -(0.0 if step.mean_ is None else step.mean_) / np.asarray(scale)


def _robust(step: Any) -> tuple[Any, Any]:
    scale = np.asarray(step.scale_ if step.with_scaling else 1.0)
    return 1 / scale, -(step.center_ if step.with_centering else 0.0) / scale


def _between(step: Any) -> tuple[Any, Any]:
    if step.clip:
        raise NotExactError("the step MinMaxScaler(clip=True), which bends columns")
    return step.scale_, step.min_


def _largest(step: Any) -> tuple[Any, Any]:
    if getattr(step, "clip", False):
        raise NotExactError("the step MaxAbsScaler(clip=True), which bends columns")
    return 1 / step.scale_, 0.0


_SCALERS = {"StandardScaler": _standard, "RobustScaler": _robust, "MinMaxScaler": _between, "MaxAbsScaler": _largest}
"""Multiple and addition of what scales a column."""


def _imputed(step: Any, given: Columns) -> Columns:
    if not (isinstance(step.missing_values, float) and np.isnan(step.missing_values)):
        raise NotExactError(f"SimpleImputer(missing_values={step.missing_values!r})")
    values = np.asarray(step.statistics_, np.float64)
    kept = ~np.isnan(values)
    found = given.filled(values).take(kept)
    if not step.add_indicator:
        return found
    return _side_by_side([found, given.whether_null().take(step.indicator_.features_)])


def _by_column(step: Any, given: Columns, names: Sequence[str]) -> Columns:
    parts = []
    for _, one, chosen in step.transformers_:
        if isinstance(one, str) and one == "drop":
            continue
        parts.append(_one(one, given.take(_places(chosen, len(given.source), names)), ()))
    if step.transformer_weights:
        raise NotExactError("ColumnTransformer(transformer_weights=…)")
    return _side_by_side(parts)


def _places(chosen: Any, count: int, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Where the columns are that a transformer has chosen by name, place, mask or slice."""
    if isinstance(chosen, slice):
        return np.arange(count)[chosen]
    some = np.atleast_1d(np.asarray(chosen))
    if some.dtype == bool:
        return np.flatnonzero(some)
    if some.dtype.kind in "OUS":
        known = {name: at for at, name in enumerate(names)}
        missing = [str(one) for one in some if one not in known]
        if missing:
            raise NotExactError(f"columns chosen by name after others were made of them: {', '.join(missing)}")
        return np.array([known[one] for one in some], np.int64)
    return np.arange(count)[some.astype(np.int64)]


def _side_by_side(parts: Sequence[Columns]) -> Columns:
    return Columns(*(
        np.concatenate([getattr(one, name) for one in parts]) for name in ("source", "scale", "shift", "null")
    ))  # fmt: skip
