"""A built training set as arrays: features as float32, the form in which they are served, labels and event times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from headrace.declare import Task, binary
from headrace.errors import Fault, HeadraceError
from headrace.learn.tasks import is_text, read_labels, values_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Matrix = npt.NDArray[np.float32]
MOST_CATEGORIES = 100_000
"""Texts of one feature; more are names, of which a model would only learn by heart."""
_FLOAT32_MAX = float(np.finfo(np.float32).max)


class Built(Protocol):
    """What training needs of a built set: its columns, and the manifest that says what they are."""

    @property
    def manifest(self) -> Mapping[str, Any]: ...

    def to_arrow(self, columns: Sequence[str]) -> pa.Table: ...


@dataclass(frozen=True)
class Cases:
    """Cases in the order of the built set; nulls of features are NaN.

    Features are rounded to float32 once, here, so that the estimator learns from the very numbers that the exported
    model will be given: a threshold of a tree then never falls between a value and its rounding.

    Args:
        names: of the features.
        x: float32, shape (n, features); of a feature that is text the place in ``categories``.
        y: labels, shape (n,); see ``tasks.Labels``.
        time_us: event times, int64 microseconds UTC.
        columns: further columns by which rows are grouped: a number for each value, the same in every set.
        amounts: further columns that are numbers, such as what a mistake costs; null as NaN.
        classes: names of classes, of which ``y`` says the place.
        categories: of each feature that is text, its texts in order.
    """

    names: tuple[str, ...]
    x: Matrix
    y: npt.NDArray[Any]
    time_us: npt.NDArray[np.int64]
    columns: Mapping[str, npt.NDArray[np.uint64]] = field(default_factory=dict)
    amounts: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def take(self, mask: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Cases:
        """Return the cases for which the mask is true, or at some places."""
        columns = {name: values[mask] for name, values in self.columns.items()}
        amounts = {name: values[mask] for name, values in self.amounts.items()}
        rows = replace(self, x=self.x[mask], y=self.y[mask], time_us=self.time_us[mask])
        return replace(rows, columns=columns, amounts=amounts)

    def coded(self, categories: Mapping[str, tuple[str, ...]]) -> Cases:
        """Return the cases with texts as their places in other lists; a text that is not in its list is null."""
        x = self.x.copy() if self.categories else self.x
        for name, texts in self.categories.items():
            places = {text: at for at, text in enumerate(categories.get(name, ()))}
            other = np.array([*(places.get(text, np.nan) for text in texts), np.nan], dtype=np.float32)
            column = x[:, self.names.index(name)]
            column[:] = other[np.where(np.isnan(column), len(texts), column).astype(np.int64)]
        return replace(self, x=x, categories={name: tuple(categories.get(name, ())) for name in self.categories})

    def seen(self) -> dict[str, tuple[str, ...]]:
        """Return the texts that occur in each feature that is text."""
        found = {name: np.unique(self.x[:, self.names.index(name)]) for name in self.categories}
        return {
            name: tuple(self.categories[name][int(one)] for one in places[~np.isnan(places)])
            for name, places in found.items()
        }

    def frame(self) -> pd.DataFrame:
        """Return the features as a new float64 frame, which its reader may change."""
        return frame(self.x, self.names)


def frame(x: Matrix, names: tuple[str, ...]) -> pd.DataFrame:
    """Return a matrix of features as a new float64 frame."""
    import pandas as pd

    return pd.DataFrame(x.astype(np.float64), columns=list(names))


def read_cases(
    built: Built, groups: Iterable[str], place: str, task: Task | None = None, amounts: Iterable[str] = ()
) -> Cases:
    """Return a built set as arrays.

    Args:
        built: the built set; ``manifest`` names ``features`` and ``event_time``.
        groups: further columns by which metrics, splits and the like group rows, where the set has them.
        place: ``file:line`` of the model.
        task: what its label is read for; yes or no by default.
        amounts: further columns that are read as numbers, where the set has them.

    Raises:
        HeadraceError: HR-LEARN-003 for features that are neither numbers nor text, HR-LEARN-008 for labels that the
            task cannot have, HR-LEARN-016 for values beyond float32, HR-LEARN-028 for texts that are no categories.
    """
    import pyarrow as pa

    names, event_time = tuple(str(name) for name in built.manifest["features"]), str(built.manifest["event_time"])
    of_groups, of_amounts = ([one for one in which if one in built.manifest["columns"]] for which in (groups, amounts))
    table = built.to_arrow(list(dict.fromkeys((*names, event_time, "label", *of_groups, *of_amounts))))
    _check_types(table, names, place)
    x = np.empty((table.num_rows, len(names)), dtype=np.float32)
    categories = dict[str, tuple[str, ...]]()
    for i, name in enumerate(names):
        if is_text(table.column(name)):
            x[:, i], categories[name] = _categories(table.column(name), name, place)
        else:
            x[:, i] = _served(values_of(table.column(name)), name, place)
    time = table.column(event_time).cast(pa.int64()).to_numpy()
    columns = {name: _hashes(table.column(name)) for name in of_groups}
    numbers = {name: values_of(table.column(name)) for name in of_amounts}
    labels = read_labels(table.column("label"), binary() if task is None else task, place)
    return Cases(names, x, labels.y, time.astype(np.int64), columns, numbers, labels.classes, categories)


def _check_types(table: pa.Table, names: tuple[str, ...], place: str) -> None:
    import pyarrow.types as kinds

    numeric = (kinds.is_integer, kinds.is_floating, kinds.is_boolean, kinds.is_decimal, kinds.is_null)
    known = (*numeric, kinds.is_string, kinds.is_large_string)
    faults = []
    for name in names:
        kind = table.schema.field(name).type
        if not any(test(kind) for test in known):
            cure = "make it a number by an expression, or text"
            found = f"feature {name!r} of type {kind}"
            faults.append(Fault("HR-LEARN-003", place, found, "an int, float, decimal, bool or text feature", cure))
    if not names:
        cure = "name groups of features in features=[…] of the training set"
        faults.append(Fault("HR-LEARN-003", place, "a training set without features", "at least one feature", cure))
    if faults:
        raise HeadraceError(faults)


def _categories(column: pa.ChunkedArray[Any], name: str, place: str) -> tuple[Matrix, tuple[str, ...]]:
    """The place of each text among all texts, which are in order; NaN for null."""
    coded = column.combine_chunks().dictionary_encode()
    texts = [str(one) for one in coded.dictionary.to_pylist()]
    if len(texts) > MOST_CATEGORIES:
        found, expected = f"feature {name!r} with {len(texts):,} texts", f"no more than {MOST_CATEGORIES:,} categories"
        cure = "that is a name and no category: take what is known of it, such as how often it was seen"
        raise HeadraceError(Fault("HR-LEARN-028", place, found, expected, cure))
    order = sorted(range(len(texts)), key=texts.__getitem__)
    places = np.empty(len(texts) + 1, np.float32)
    places[order], places[-1] = np.arange(len(texts)), np.nan
    return places[coded.indices.fill_null(len(texts)).to_numpy()], tuple(texts[at] for at in order)


def _served(values: npt.NDArray[np.float64], name: str, place: str) -> Matrix:
    beyond = int((np.abs(values) > _FLOAT32_MAX).sum())
    if beyond:
        found = f"{beyond} values of feature {name!r} beyond {_FLOAT32_MAX:.3g}"
        raise HeadraceError(Fault("HR-LEARN-016", place, found, "values that float32 can hold", "scale the feature"))
    return values.astype(np.float32)


def _hashes(column: pa.ChunkedArray[Any]) -> npt.NDArray[np.uint64]:
    """A number for each value that is the same in every set."""
    coded = column.combine_chunks().dictionary_encode()
    known = [hashlib.blake2b(str(one).encode(), digest_size=8).digest() for one in coded.dictionary.to_pylist()]
    codes: npt.NDArray[np.int64] = coded.indices.fill_null(len(known)).to_numpy()
    return np.frombuffer(b"".join([*known, bytes(8)]), "<u8")[codes]
