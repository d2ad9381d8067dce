"""A built training set as arrays: features as float32, the form in which they are served, labels and event times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from headrace.decimals import as_floats
from headrace.errors import Fault, HeadraceError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Matrix = npt.NDArray[np.float32]
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
    """

    names: tuple[str, ...]
    x: Matrix
    y: npt.NDArray[np.int64]
    time_us: npt.NDArray[np.int64]
    columns: Mapping[str, npt.NDArray[np.generic]]

    def take(self, mask: npt.NDArray[np.bool_]) -> Cases:
        """Return the cases for which the mask is true."""
        columns = {name: values[mask] for name, values in self.columns.items()}
        return Cases(self.names, self.x[mask], self.y[mask], self.time_us[mask], columns)

    def frame(self) -> pd.DataFrame:
        """Return the features as a new float64 frame, which its reader may change."""
        return frame(self.x, self.names)


def frame(x: Matrix, names: tuple[str, ...]) -> pd.DataFrame:
    """Return a matrix of features as a new float64 frame."""
    import pandas as pd

    return pd.DataFrame(x.astype(np.float64), columns=list(names))


def read_cases(built: Built, needed: tuple[str, ...], place: str) -> Cases:
    """Return a built set as arrays.

    Args:
        built: the built set; ``manifest`` names ``features`` and ``event_time``.
        needed: further columns that metrics ask for, where the set has them.
        place: ``file:line`` of the model.

    Raises:
        HeadraceError: HR-LEARN-003 for features that are not numbers, HR-LEARN-008 for labels that are not 0 or 1,
            HR-LEARN-016 for values beyond float32.
    """
    import pyarrow as pa

    names, event_time = tuple(str(name) for name in built.manifest["features"]), str(built.manifest["event_time"])
    there = [name for name in needed if name in built.manifest["columns"]]
    table = built.to_arrow(list(dict.fromkeys((*names, event_time, "label", *there))))
    _check_types(table, names, place)
    x = np.empty((table.num_rows, len(names)), dtype=np.float32)
    for i, name in enumerate(names):
        x[:, i] = _served(_floats(table.column(name)), name, place)
    time = table.column(event_time).cast(pa.int64()).to_numpy()
    columns = {name: _values(table.column(name)) for name in there}
    return Cases(names, x, _labels(table.column("label"), place), time.astype(np.int64), columns)


def _check_types(table: pa.Table, names: tuple[str, ...], place: str) -> None:
    import pyarrow.types as kinds

    numeric = (kinds.is_integer, kinds.is_floating, kinds.is_boolean, kinds.is_decimal, kinds.is_null)
    faults = []
    for name in names:
        kind = table.schema.field(name).type
        if not any(test(kind) for test in numeric):
            cure = "make it a number by an expression such as \"case when country = 'FR' then 1 else 0 end\""
            found = f"feature {name!r} of type {kind}"
            faults.append(Fault("HR-LEARN-003", place, found, "an int, float, decimal or bool feature", cure))
    if not names:
        cure = "name groups of features in features=[…] of the training set"
        faults.append(Fault("HR-LEARN-003", place, "a training set without features", "at least one feature", cure))
    if faults:
        raise HeadraceError(faults)


def _floats(column: pa.ChunkedArray[Any]) -> npt.NDArray[np.float64]:
    import pyarrow as pa
    import pyarrow.types as kinds

    if kinds.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if kinds.is_decimal(column.type):
        column = as_floats(column)
    # safe=False: an int64 beyond 2**53 is rounded here, as it will be when it is served
    values: npt.NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return values


def _served(values: npt.NDArray[np.float64], name: str, place: str) -> Matrix:
    beyond = int((np.abs(values) > _FLOAT32_MAX).sum())
    if beyond:
        found = f"{beyond} values of feature {name!r} beyond {_FLOAT32_MAX:.3g}"
        raise HeadraceError(Fault("HR-LEARN-016", place, found, "values that float32 can hold", "scale the feature"))
    return values.astype(np.float32)


def _labels(column: pa.ChunkedArray[Any], place: str) -> npt.NDArray[np.int64]:
    values = _floats(column)
    wrong = int((~np.isin(values, (0.0, 1.0))).sum())
    if wrong:
        found = f"{wrong} of {len(values)} labels that are neither 0 nor 1"
        raise HeadraceError(Fault("HR-LEARN-008", place, found, "a label of two classes", "mend the label's value"))
    return values.astype(np.int64)


def _values(column: pa.ChunkedArray[Any]) -> npt.NDArray[np.generic]:
    values: npt.NDArray[np.generic] = column.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy()
    return values
