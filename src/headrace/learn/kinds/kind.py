"""What learning must know of a library: how its estimators are asked for scores, and how they become a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from headrace.declare import Task
from headrace.learn.cases import Matrix


@dataclass(frozen=True)
class Graph:
    """An estimator as a graph of ONNX.

    Args:
        model: with one float32 input of shape (n, features).
        output: name of that which holds the scores.
        columns: in which of its columns they are.
        sign: -1 where what is strange has the lower score.
    """

    model: Any
    output: str
    columns: tuple[int, ...] = (-1,)
    sign: int = 1


class Kind(Protocol):
    """A library whose estimators can be learned with."""

    name: str

    def knows(self, estimator: Any) -> bool:
        """Return whether an estimator is of this kind; its library need not be there."""

    def asks(self, estimator: Any, task: Task) -> str:
        """Return the method that is asked for scores, empty where it has none for such a task."""

    def raw(self, estimator: Any, x: Matrix, names: tuple[str, ...], task: Task) -> npt.NDArray[Any]:
        """Return what it answers for rows, shape (n,), (n, 1), (n, 2) or (n, k); higher for what is meant."""

    def graph(self, estimator: Any, names: Sequence[str], task: Task, count: int) -> Graph:
        """Return an estimator as a graph that gives so many scores for each row."""


class UnlikeError(Exception):
    """What an estimator answers has another shape than a task asks for."""


def of_module(estimator: Any, *modules: str) -> bool:
    """Return whether the class of an estimator, or one that it derives from, is of a library.

    Example:
        >>> of_module([], "builtins"), of_module([], "sklearn")
        (True, False)
    """
    return any(one.__module__.partition(".")[0] in modules for one in type(estimator).__mro__)


def one_column(raw: npt.NDArray[Any], rows: int) -> npt.NDArray[Any]:
    """Return one score for each row; of a pair that of the second class.

    Raises:
        UnlikeError: for another shape.
    """
    if raw.shape in ((rows,), (rows, 1)):
        return raw.reshape(rows)
    if raw.shape == (rows, 2):
        return raw[:, 1]
    raise UnlikeError


def told_again(raw: npt.NDArray[Any], x: Matrix) -> npt.NDArray[Any]:
    """Return how far rows are from what an autoencoder tells again of them: the mean squared difference.

    A null is told again by whatever is said of it.
    """
    apart = np.where(np.isnan(x), 0.0, raw - x.astype(np.float64))
    far: npt.NDArray[Any] = np.mean(apart**2, axis=1)
    return far


def below(threshold: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the largest float32 that is not above each number: ``x <= both`` says the same of every float32 ``x``.

    Example:
        >>> below(np.array([0.1])).astype(float) <= 0.1
        array([ True])
    """
    with np.errstate(over="ignore"):
        near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float32)
