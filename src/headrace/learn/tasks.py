"""What a task means to learning: how its label is read, and which scores a row gets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.decimals import as_floats
from headrace.declare import Task
from headrace.errors import Fault, HeadraceError

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_CLASSES = 1000
_UNSAID = re.compile(r"\W+")


@dataclass(frozen=True)
class Labels:
    """The labels of cases.

    Args:
        y: int64 for classes (0 and 1 of yes or no, else their place in ``classes``), float64 for all else.
        classes: of several classes, in order; none of other tasks.
    """

    y: npt.NDArray[Any]
    classes: tuple[str, ...] = ()


def read_labels(column: pa.ChunkedArray[Any], task: Task, place: str) -> Labels:
    """Return a column of labels as a task reads it.

    Args:
        column: of the built set, without nulls.
        task: of the model.
        place: ``file:line`` of the model.

    Raises:
        HeadraceError: HR-LEARN-008 for values that are no labels of such a task.
    """
    if task.name in ("binary", "anomaly"):
        return Labels(_yes_or_no(column, place))
    if task.name == "multiclass":
        return _classes(column, place)
    return Labels(_numbers(column, task, place))


def outputs_of(task: Task, classes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the names of the scores that a row gets.

    Example:
        >>> from headrace.declare import binary, multiclass, quantiles
        >>> outputs_of(binary()), outputs_of(multiclass(), ("high", "very low")), outputs_of(quantiles(0.1, 0.5))
        (('score',), ('score_high', 'score_very_low'), ('score_0_1', 'score_0_5'))
    """
    if task.name == "multiclass":
        return tuple(f"score_{_UNSAID.sub('_', one).strip('_').lower()}" for one in classes)
    if task.name == "quantiles":
        return tuple(f"score_{str(level).replace('.', '_')}" for level in task.levels)
    return ("score",)


def values_of(column: pa.ChunkedArray[Any]) -> npt.NDArray[np.float64]:
    """Return a column of numbers, truths or decimals as float64, null as NaN."""
    import pyarrow as pa
    import pyarrow.types as kinds

    if kinds.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if kinds.is_decimal(column.type):
        column = as_floats(column)
    # safe=False: an int64 beyond 2**53 is rounded here, as it will be when it is served
    values: npt.NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return values


def is_text(column: pa.ChunkedArray[Any]) -> bool:
    """Whether a column is text."""
    import pyarrow.types as kinds

    return bool(kinds.is_string(column.type) or kinds.is_large_string(column.type))


def _yes_or_no(column: pa.ChunkedArray[Any], place: str) -> npt.NDArray[np.int64]:
    if is_text(column):
        found, cure = "labels that are text", "write task=hr.multiclass(), or make the label's value a condition"
        raise HeadraceError(Fault("HR-LEARN-008", place, found, "a label of two classes, 0 and 1", cure))
    values = values_of(column)
    wrong = int((~np.isin(values, (0.0, 1.0))).sum())
    if wrong:
        found = f"{wrong} of {len(values)} labels that are neither 0 nor 1"
        cure = "mend the label's value, or write task=hr.regression() or hr.multiclass()"
        raise HeadraceError(Fault("HR-LEARN-008", place, found, "a label of two classes", cure))
    return values.astype(np.int64)


def _classes(column: pa.ChunkedArray[Any], place: str) -> Labels:
    coded = column.combine_chunks().dictionary_encode()
    known = coded.dictionary.to_pylist()
    if not is_text(column) and any(float(one) != int(one) for one in known):
        found, cure = "labels that are no whole numbers", "write task=hr.regression(), or name the classes"
        raise HeadraceError(Fault("HR-LEARN-008", place, found, "classes as text or whole numbers", cure))
    if not 2 <= len(known) <= _MOST_CLASSES:
        found, cure = f"labels of {len(known):,} classes", "look at the label's value"
        raise HeadraceError(Fault("HR-LEARN-008", place, found, f"2 to {_MOST_CLASSES:,} classes", cure))
    order = sorted(range(len(known)), key=lambda at: known[at])
    place_of = np.empty(len(known), np.int64)
    place_of[order] = np.arange(len(known))
    names = tuple(str(known[at] if is_text(column) else int(known[at])) for at in order)
    return Labels(place_of[coded.indices.to_numpy()], names)


def _numbers(column: pa.ChunkedArray[Any], task: Task, place: str) -> npt.NDArray[np.float64]:
    if is_text(column):
        found, cure = "labels that are text", "make the label's value a number, or write task=hr.multiclass()"
        raise HeadraceError(Fault("HR-LEARN-008", place, found, f"a number, for {task!r}", cure))
    values = values_of(column)
    wrong = int((~np.isfinite(values)).sum())
    if wrong or (task.name == "ranking" and (values < 0).any()):
        found = f"{wrong} labels that are no numbers" if wrong else f"{int((values < 0).sum())} labels below 0"
        expected = "how relevant a row is, 0 for not at all" if task.name == "ranking" else "finite numbers"
        raise HeadraceError(Fault("HR-LEARN-008", place, found, expected, "mend the label's value"))
    return values
