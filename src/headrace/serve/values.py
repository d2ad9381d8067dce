"""Feature values on their way out: as rules see them, as answers and records hold them, as the model takes them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import Fault, HeadraceError
from headrace.kernel.column import Column
from headrace.learn import Scorer
from headrace.plan.lower import plain_value
from headrace.types import LogicalType


def leaving(value: Any, kind: LogicalType) -> Any:
    """Return a held value as it leaves Headrace: decimals as float64; times as microseconds, dates as days."""
    if value is None or kind.name != "list":
        return plain_value(value, kind)
    assert kind.item is not None
    return [plain_value(one, kind.item) for one in value]


def vector(features: Mapping[str, Any], scorer: Scorer) -> npt.NDArray[np.float32]:
    """Return one row of model input: float64 rounded to float32, booleans 0 and 1, NaN for null; shape (1, n).

    Of text the place among those that the model knows.

    The same rounding as ``learn.cases`` does for whole columns; a test holds the two together.

    Raises:
        HeadraceError: HR-REQUEST-009 for a value beyond float32, which no model has learned from.
    """
    row = matrix_of({name: [features[name]] for name in scorer.features}, scorer)
    beyond = np.isinf(row[0])
    if beyond.any():
        raise beyond_float32(scorer.features[int(np.argmax(beyond))])
    return row


def matrix(made: Mapping[str, Column], scorer: Scorer, length: int) -> npt.NDArray[np.float32]:
    """Return features as a model takes them, as ``values.vector`` makes them of one row.

    Args:
        made: features as the kernel holds them.
        scorer: of the model.
        length: number of rows.

    Returns:
        float32, shape (length, features): NaN for null and for a text that the model does not know; infinite where a
        value is beyond float32.
    """
    x = np.empty((length, len(scorer.features)), np.float32)
    with np.errstate(over="ignore"):
        for at, name in enumerate(scorer.features):
            column = made[name]
            x[:, at] = _numbers(column, scorer.categories.get(name))
            if column.valid is not None:
                x[~column.valid, at] = np.nan
    return x


def matrix_of(features: Mapping[str, Sequence[Any]], scorer: Scorer) -> npt.NDArray[np.float32]:
    """Return features of some rows as a model takes them, as ``vector`` makes them of one row.

    Args:
        features: the values of each as they leave, by name.
        scorer: of the model.

    Returns:
        float32, shape (rows, features); infinite where a value is beyond float32.
    """
    numbers = [scorer.numbers(name, features[name]) for name in scorer.features]
    with np.errstate(over="ignore"):
        return np.array(numbers, np.float64).T.astype(np.float32, order="C")


def _numbers(column: Column, texts: tuple[str, ...] | None) -> npt.NDArray[Any]:
    if column.dictionary is not None:
        known = {text: place for place, text in enumerate(texts or ())}
        places = [known.get(text, np.nan) for text in column.dictionary.to_pylist()]
        return np.array([*places, np.nan])[np.where(column.mask, column.values, len(places))]
    wide = column.values.astype(np.float64)
    return wide / 10.0**column.type.scale if column.type.name == "decimal" else wide


def beyond_float32(feature: str) -> HeadraceError:
    """Return what is said of a value that no model has learned from."""
    cure = "mend the value that it is made from, or scale the feature in its declaration"
    found = f"feature {feature} beyond float32"
    return HeadraceError(Fault("HR-REQUEST-009", "", found, "values like those of the training set", cure))


def same(first: Any, second: Any) -> bool:
    """Return whether two values are equal to the last bit (0.0 is not -0.0; NaN is NaN)."""
    if isinstance(first, float) and isinstance(second, float):
        return struct.pack("<d", first) == struct.pack("<d", second)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    return type(first) is type(second) and bool(first == second)
